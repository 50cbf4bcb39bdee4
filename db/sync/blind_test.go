package sync_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"rapport/db/mysql"
	"rapport/db/mysql/servertest"
	"rapport/db/sync"
	"rapport/model"
)

// newBlindCentral is a central on a server that says that it has no triggers,
// and so is given none: what Rapport does on Vitess and TiDB, against a server that every
// machine has.
func newBlindCentral(t *testing.T) (*central, *servertest.Proxy) {
	t.Helper()
	srv := servertest.Shared(t)
	p := servertest.NewProxy(t, srv)
	p.Pose("8.0.30-Vitess")
	url := srv.Database(t)
	if _, err := mysql.Init(t.Context(), p.URL(url)); err != nil {
		t.Fatalf("init: %v", err)
	}
	name := servertest.Name(url)
	return &central{DB: srv.DB(name), url: p.URL(url), name: name, blind: true}, p
}

// TestBlindCentral: without triggers the clients note their changes themselves,
// with everything that triggers would have done.
func TestBlindCentral(t *testing.T) {
	c, _ := newBlindCentral(t)
	if n := c.value(t, "SELECT COUNT(*) FROM information_schema.triggers WHERE trigger_schema = DATABASE()"); n != "0" {
		t.Fatalf("%s triggers", n)
	}
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	r := a.save(t, "contact", "", map[string]any{"last_name": "x", "job_title": "1"})
	a.save(t, "deal", "", map[string]any{"name": "d", "amount": model.Money{Minor: 100, Currency: "EUR"}, "close_date": "2026-01-02"})
	phone, err := model.ParseItem(model.EntityOf("contact").Field("phone"), "+41 44 668 18 00:work", model.Env{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Save(t.Context(), model.Edit{Noun: "contact", ID: r.ID, Add: map[string][]*model.Record{"phone": {phone}}}); err != nil {
		t.Fatal(err)
	}
	a.sync(t)
	b.sync(t)
	if got := b.get(t, "contact", r.ID); got.Text("job_title") != "1" || len(got.List("phone")) != 1 {
		t.Fatalf("on bob: %v", got.Values)
	}
	b.save(t, "contact", r.ID, map[string]any{"job_title": "2"})
	a.save(t, "contact", r.ID, map[string]any{"department": "d"})
	b.sync(t)
	a.sync(t)
	if err := b.Delete(t.Context(), "contact", r.ID); err != nil {
		t.Fatal(err)
	}
	b.sync(t) // it clashes with ann's edit, which lives
	for query, want := range map[string]string{
		"SELECT CONCAT_WS(' ', row_version, created_by, updated_by, job_title, department, deleted_at IS NULL) FROM contact": "3 root root 2 d 1",
		"SELECT CONCAT_WS(' ', created_at <= UTC_TIMESTAMP(3), updated_at <= UTC_TIMESTAMP(3)) FROM contact":                 "1 1",
		"SELECT COUNT(*) FROM sync_outbox":                         "0",
		"SELECT MAX(seq) - MIN(seq) + 1 - COUNT(*) FROM sync_feed": "0",
		"SELECT GROUP_CONCAT(CONCAT(action, changes) ORDER BY seq SEPARATOR ';') FROM sync_audit WHERE tbl = 'contact' AND action = 'update'": `update{"job_title":["1","2"]};update{"department":[null,"d"]}`,
		"SELECT COUNT(*) FROM sync_audit WHERE tbl = 'contact_method' AND action = 'insert'":                                                  "1",
		"SELECT COUNT(*) FROM contact_method m JOIN contact c ON c.id = m.contact_id AND c.scope_id = m.scope_id":                             "1",
	} {
		if got := c.value(t, query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	converge(t, c, a, b)
}

// TestBlindRules: what triggers refuse elsewhere is refused with the same words.
func TestBlindRules(t *testing.T) {
	for name, make := range map[string]func() *central{
		"triggers": func() *central { return newCentral(t) },
		"none":     func() *central { c, _ := newBlindCentral(t); return c },
	} {
		t.Run(name, func(t *testing.T) {
			c := make()
			central, err := mysql.Dial(t.Context(), c.url, mysql.DialOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer central.Close()
			ids := model.NewIDSource(time.Now, rand.Read)
			insert := func(n model.Noun, column string, value any) model.PushOp {
				return model.PushOp{Table: n, ID: ids.New(), Insert: true, Columns: []string{column}, Values: []any{value}}
			}
			b := &model.PushBatch{Client: ids.New(), Number: 1, Nonce: "n", Ops: []model.PushOp{
				insert("activity", "priority", "unheard of"), insert("organization", "name", "  "), insert("organization", "name", "good"),
			}}
			if _, err := central.Poll(t.Context(), model.Device{}, model.Position{}); err != nil {
				t.Fatal(err)
			}
			r, err := central.Push(t.Context(), b, model.Position{})
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range []string{"priority must be one of ", "name must not be blank", ""} {
				if got := r.Results[i]; !strings.HasPrefix(got.Message, want) || (want == "") != (got.Outcome == model.PushApplied) || want != "" && got.Code != "check" {
					t.Errorf("operation %d: %+v, want %q", i, got, want)
				}
			}
		})
	}
}

// TestBlindForeignChanges: what other programs write to a server without
// triggers arrives when the rows are next compared.
func TestBlindForeignChanges(t *testing.T) {
	c, _ := newBlindCentral(t)
	now := time.Now()
	a := newHome(t, "ann", c.url)
	engine := sync.New(a.DB, func(ctx context.Context) (model.Central, error) {
		central, err := mysql.Dial(ctx, c.url, mysql.DialOptions{})
		if err != nil {
			return nil, err
		}
		return central, nil
	}, sync.Options{Now: func() time.Time { return now }})
	at := func(later time.Duration) model.SyncResult {
		t.Helper()
		now = now.Add(later)
		res, err := engine.Sync(t.Context(), false, nil)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	edited := a.save(t, "contact", "", map[string]any{"last_name": "edited"})
	gone := a.save(t, "contact", "", map[string]any{"last_name": "gone"})
	at(0)
	c.exec(t, "UPDATE contact SET job_title = 'foreign' WHERE last_name = 'edited'")
	c.exec(t, "DELETE FROM contact WHERE last_name = 'gone'")
	c.exec(t, "INSERT INTO contact (last_name) VALUES ('made')")
	if res := at(time.Second); res.Pulled != 0 {
		t.Errorf("pulled %d at once", res.Pulled)
	}
	if res := at(2 * model.CompareEvery); res.Pulled != 3 {
		t.Errorf("pulled %d after the time of a comparison, want 3", res.Pulled)
	}
	if got := a.get(t, "contact", edited.ID).Text("job_title"); got != "foreign" {
		t.Errorf("job title %q", got)
	}
	if a.get(t, "contact", gone.ID).DeletedAt.IsZero() {
		t.Error("the deleted contact still lives here")
	}
	if res := at(2 * model.CompareEvery); res.Pulled != 0 {
		t.Errorf("pulled %d again", res.Pulled)
	}
}

// TestBlindCommitInversion: the sequencer as statements passes by a
// transaction that is still open, and takes what it wrote when it commits.
func TestBlindCommitInversion(t *testing.T) {
	c, _ := newBlindCentral(t)
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	a.sync(t)
	slow, err := c.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Rollback()
	id := foreignID(1)
	for _, q := range []string{
		"INSERT INTO contact (id, last_name) VALUES (?, 'slow')",
		"INSERT INTO sync_outbox (tbl, pk, op, scope_new, at) VALUES ('contact', ?, 1, X'00000000000000000000000000000000', UTC_TIMESTAMP(6))",
	} {
		if _, err := slow.Exec(q, id); err != nil {
			t.Fatal(err)
		}
	}
	b.save(t, "contact", "", map[string]any{"last_name": "quick"})
	b.sync(t)
	if res := a.sync(t); res.Pulled != 1 {
		t.Errorf("the committed change: pulled %d, want 1", res.Pulled)
	}
	if err := slow.Commit(); err != nil {
		t.Fatal(err)
	}
	if res := a.sync(t); res.Pulled != 1 {
		t.Errorf("the late commit: pulled %d, want 1", res.Pulled)
	}
	converge(t, c, a, b)
}

// TestBlindRandomSchedules is TestRandomSchedules without triggers.
func TestBlindRandomSchedules(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			c, p := newBlindCentral(t)
			randomSchedule(t, seed, c, p)
		})
	}
}
