package sync_test

import (
	"context"
	"fmt"
	"testing"

	"rapport/model"
)

// TestFullFindsDrift: rows that changed or went behind the feed's back are
// found by a full sync, and an edit made here is not lost to it.
func TestFullFindsDrift(t *testing.T) {
	c := newCentral(t)
	a := newHome(t, "ann", c.url)
	c.exec(t, "INSERT INTO contact (last_name) VALUES ('changed'), ('gone'), ('kept')")
	a.sync(t)
	conn, err := c.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, q := range []string{"START TRANSACTION", "UPDATE contact SET job_title = 'unseen' WHERE last_name = 'changed'",
		"DELETE FROM contact WHERE last_name = 'gone'", "INSERT INTO contact (last_name) VALUES ('new')", "DELETE FROM sync_outbox", "COMMIT"} {
		if _, err := conn.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	if res := a.sync(t); res.Pulled != 0 {
		t.Fatalf("the feed knows of it after all: %+v", res)
	}
	kept := only(t, a, "kept")
	a.save(t, "contact", kept.ID, map[string]any{"department": "mine"})
	res, err := a.engine().Sync(t.Context(), true, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.Pulled != 3 || res.Pushed != 1 {
		t.Errorf("full sync = %+v, want three records down and one up", res)
	}
	if got := only(t, a, "changed").Text("job_title"); got != "unseen" {
		t.Errorf("job_title = %q", got)
	}
	only(t, a, "new")
	if n, err := a.Count(t.Context(), model.Query{Noun: "contact"}); n != 3 || err != nil {
		t.Errorf("%d contacts live here, want 3 (%v)", n, err)
	}
	if got := c.value(t, "SELECT department FROM contact WHERE last_name = 'kept'"); got != "mine" {
		t.Errorf("department = %s", got)
	}
}

// only returns the one living contact of a last name.
func only(t *testing.T, h *home, name string) *model.Record {
	t.Helper()
	page, err := h.List(t.Context(), model.Query{Noun: "contact", Filter: []model.Condition{{Field: "last_name", Op: model.Equal, Value: name}}})
	if err != nil || len(page.Items) != 1 {
		t.Fatalf("%d contacts are called %s (%v)", len(page.Items), name, err)
	}
	return page.Items[0]
}

// TestInterruptedFirstLoad: a first load that is stopped again and again goes
// on where it stopped, while others write, and ends with the same rows.
func TestInterruptedFirstLoad(t *testing.T) {
	c := newCentral(t)
	a := newHome(t, "ann", c.url)
	for i := range 60 {
		c.exec(t, "INSERT INTO contact (last_name) SELECT CONCAT('c', ?, '-', seq) FROM seq_1_to_100", i)
	}
	own := a.save(t, "contact", "", map[string]any{"last_name": "made before"})
	for i := range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := a.engine().Sync(ctx, false, func(p model.Progress) {
			if p.Phase == "loading" && p.Done >= int64(2000*(i+1)) {
				cancel()
			}
		})
		cancel()
		if err == nil {
			break
		}
		c.exec(t, "UPDATE contact SET job_title = ? ORDER BY RAND() LIMIT 50", fmt.Sprint(i))
		c.exec(t, "INSERT INTO contact (last_name) VALUES ('between')")
	}
	converge(t, c, a)
	if got := a.get(t, "contact", own.ID); got.Sync != model.Clean {
		t.Errorf("the record made before the first sync is %s", got.Sync)
	}
	if hits, err := a.Search(t.Context(), "c59-77", "contact", 5); err != nil || len(hits) != 1 {
		t.Errorf("search after the load: %+v, %v", hits, err)
	}
}

// TestBackFromTheBin: a record that the server does not have comes back with
// its parts, whether another program deleted it there or it never got there.
func TestBackFromTheBin(t *testing.T) {
	c := newCentral(t)
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	phone, err := model.ParseItem(model.EntityOf("contact").Field("phone"), "+41 44 668 18 00:work", model.Env{})
	if err != nil {
		t.Fatal(err)
	}
	make := func(name string) model.ID {
		return a.save(t, "contact", "", map[string]any{"last_name": name, "phone": []*model.Record{phone}}).ID
	}
	taken := make("taken")
	a.sync(t)
	unborn := make("unborn")
	if err := a.Delete(t.Context(), "contact", unborn); err != nil {
		t.Fatal(err)
	}
	c.exec(t, "DELETE FROM contact_method")
	c.exec(t, "DELETE FROM contact")
	a.sync(t)
	if n := c.value(t, "SELECT COUNT(*) FROM contact"); n != "0" {
		t.Errorf("%s contacts on the server; what was deleted before it was ever sent stays here", n)
	}
	if p := a.pending(t); len(p) != 0 {
		t.Errorf("pending: %+v", p)
	}
	if err := a.Restore(t.Context(), "contact", taken, unborn); err != nil {
		t.Fatal(err)
	}
	converge(t, c, a, b)
	for _, id := range []model.ID{taken, unborn} {
		got := b.get(t, "contact", id)
		if ph := got.List("phone"); len(ph) != 1 || ph[0].Text("value") != "+41 44 668 18 00" {
			t.Errorf("%s came back with the phones %v", got.Title(), ph)
		}
	}
}
