package sync_test

import (
	"context"
	"errors"
	"fmt"
	gosync "sync"
	"testing"

	"rapport/db/sync"
	"rapport/model"
)

// errCut is what a connection says that ends in the middle of a load.
var errCut = errors.New("the line is cut")

// cutting is a central whose connection ends after some rows of a load.
type cutting struct {
	model.Central
	left *int
}

func (c cutting) Load(ctx context.Context, n model.Noun, after model.ID, each func(model.Row) error) error {
	return c.Central.Load(ctx, n, after, func(row model.Row) error {
		if *c.left--; *c.left < 0 {
			return errCut
		}
		return each(row)
	})
}

// TestT69LoadUnderFire loads for the first time while other programs update,
// delete and move rows. The load is interrupted ten times; meanwhile what has
// come is listed, found and edited.
func TestT69LoadUnderFire(t *testing.T) {
	c := newCentral(t)
	a := newHome(t, "ann", c.url)
	c.exec(t, "INSERT INTO organization (name) SELECT CONCAT('o', seq) FROM seq_1_to_200")
	c.exec(t, "INSERT INTO contact (last_name) SELECT CONCAT('c', seq) FROM seq_1_to_12000")
	// Some have no name of their own: their title comes from their mail.
	c.exec(t, "INSERT INTO contact (source) SELECT 'fair' FROM seq_1_to_20")
	c.exec(t, "INSERT INTO contact_method (contact_id, kind, value) SELECT id, 'email', CONCAT(COALESCE(last_name, 'nameless'), '@example.com') FROM contact")
	c.exec(t, "UPDATE sync_counter SET tick = tick + 1")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var fire gosync.WaitGroup
	fire.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			for _, q := range []string{
				fmt.Sprintf("UPDATE contact SET job_title = '%d' ORDER BY RAND() LIMIT 20", i),
				"UPDATE contact_method SET contact_id = (SELECT id FROM contact ORDER BY RAND() LIMIT 1) ORDER BY RAND() LIMIT 3",
				"DELETE m FROM contact_method m ORDER BY RAND() LIMIT 2",
				"DELETE FROM contact WHERE last_name LIKE 'c%' AND NOT EXISTS (SELECT 1 FROM contact_method m WHERE m.contact_id = contact.id) LIMIT 2",
				fmt.Sprintf("INSERT INTO contact (last_name) VALUES ('n%d')", i),
				"UPDATE sync_counter SET tick = tick + 1",
			} {
				// Those that meet another one may fail; one that is under
				// way ends, or it would change rows after the rest.
				c.ExecContext(t.Context(), q)
			}
		}
	})
	left := 0
	engine := sync.New(a.DB, func(ctx context.Context) (model.Central, error) {
		inner, err := a.connect(ctx)
		if err != nil {
			return nil, err
		}
		return cutting{inner, &left}, nil
	}, sync.Options{})
	var own *model.Record
	loaded := int64(0)
	for cut := range 10 {
		left = 2300
		done := int64(0)
		_, err := engine.Sync(t.Context(), false, func(p model.Progress) {
			if p.Phase == "loading" {
				done = p.Done
				if p.Total < 24000 {
					t.Errorf("%d of %d rows", p.Done, p.Total)
				}
			}
		})
		if !errors.Is(err, errCut) {
			t.Fatalf("cut %d: %v", cut, err)
		}
		if done < loaded+1000 {
			t.Fatalf("cut %d: the load got from %d to %d rows", cut, loaded, done)
		}
		loaded = done
		if cut != 4 {
			continue
		}
		page, err := a.List(t.Context(), model.Query{Noun: "contact", Limit: 3, Text: "c"})
		if err != nil || len(page.Items) != 3 {
			t.Fatalf("during the load the list has %d contacts, %v", len(page.Items), err)
		}
		title := page.Items[2].Title()
		if hits, err := a.Search(t.Context(), title, "contact", 5); err != nil || len(hits) == 0 {
			t.Errorf("during the load %q is not found: %v", title, err)
		}
		a.save(t, "contact", page.Items[1].ID, map[string]any{"department": "edited meanwhile"})
		own = a.save(t, "contact", "", map[string]any{"last_name": "made meanwhile"})
	}
	left = 1 << 30
	if _, err := engine.Sync(t.Context(), false, nil); err != nil {
		t.Fatal(err)
	}
	stop()
	fire.Wait()
	converge(t, c, a)
	if got := a.get(t, "contact", own.ID); got.Sync != model.Clean {
		t.Errorf("the record made during the load is %s", got.Sync)
	}
	for text, least := range map[string]int{"made meanwhile": 1, "nameless": 5, "c77": 1} {
		if hits, err := a.Search(t.Context(), text, "contact", 20); err != nil || len(hits) < least {
			t.Errorf("after the load %q finds %d, %v", text, len(hits), err)
		}
	}
	if n, err := a.Count(t.Context(), model.Query{Noun: "contact", Text: "nameless@example.com"}); err != nil || n == 0 {
		t.Errorf("%d records have the title of their mail, %v", n, err)
	}
}
