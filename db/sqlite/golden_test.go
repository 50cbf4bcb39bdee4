package sqlite

import (
	"bytes"
	"compress/gzip"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"

	"rapport/model"
)

// goldenFile names a file to write a golden cache to: a workspace as this
// version of the program leaves it in the middle of everything, which every
// later version must open. Make one with each release:
//
//	go test ./db/sqlite -run TestGoldenIsMade -golden testdata/golden/NAME.db.gz
var goldenFile = flag.String("golden", "", "write a golden cache to this file")

// TestGoldenIsMade makes a golden cache and looks whether it holds a row of
// every table, edits of every kind that wait, a conflict, a refusal and a batch
// on its way.
func TestGoldenIsMade(t *testing.T) {
	dir := t.TempDir()
	d, err := Open(ctx, filepath.Join(dir, FileName), Options{Settings: model.Settings{Home: dir, Me: "ann", Currency: "EUR", Region: "CH"}})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	makeGolden(t, d)
	for _, e := range model.Entities() {
		if n := count(t, d, string(e.Noun)); n == 0 {
			t.Errorf("no row of %s", e.Noun)
		}
	}
	for _, table := range []string{"sync_base", "sync_batch", "audit", "state"} {
		if n := count(t, d, table); n == 0 {
			t.Errorf("nothing in %s", table)
		}
	}
	conflicts, refused, err := d.Open(ctx)
	if err != nil || conflicts != 1 || refused != 1 {
		t.Errorf("%d conflicts, %d refused: %v", conflicts, refused, err)
	}
	if *goldenFile == "" {
		return
	}
	plain := filepath.Join(dir, "copy.db")
	if err := d.CopyTo(ctx, plain); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(plain)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if _, err := io.Copy(w, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(*goldenFile, packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, d *DB, table string) (n int) {
	t.Helper()
	if err := d.read().QueryRowContext(ctx, "SELECT count(*) FROM "+quote(table)).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// makeGolden fills a workspace. The tests of the sync know its names.
func makeGolden(t *testing.T, d *DB) {
	t.Helper()
	made := func(n model.Noun, id model.ID, set map[string]any, lists map[string][]string) *model.Record {
		t.Helper()
		ed := model.Edit{Noun: n, ID: id, Set: set, Add: map[string][]*model.Record{}, MakeLinks: true}
		for field, items := range lists {
			for _, text := range items {
				item, err := model.ParseItem(model.EntityOf(n).Field(field), text, model.Env{Currency: "EUR"})
				if err != nil {
					t.Fatal(err)
				}
				ed.Add[field] = append(ed.Add[field], item)
			}
		}
		r, err := d.Save(ctx, ed)
		if err != nil {
			t.Fatalf("make %s: %v", n, err)
		}
		return r
	}
	eur := func(n int64) model.Money { return model.Money{Minor: n, Currency: "EUR"} }
	made("user", "", map[string]any{"login": "ann", "name": "Ann Golden"}, nil)
	made("product", "", map[string]any{"code": "G-1", "name": "Golden engine", "price": eur(9900)}, nil)
	made("organization", "", map[string]any{"name": "Golden Ltd", "employees": int64(12), "notes": "näßlich\r\n😀"},
		map[string][]string{"phone": {"+41 44 668 18 00:work"}, "address": {`{"street":"Lane 1","city":"Zürich","country":"CH"}`}, "tag": {"gold"}})
	ada := made("contact", "", map[string]any{"first_name": "Ada", "last_name": "Golden", "organization": ref("organization", "Golden Ltd"), "birth_date": "--12-10", "notes": "first\nsecond"},
		map[string][]string{"email": {"ada@golden.example:work"}, "phone": {"+41 79 123 45 67:mobile"}, "tag": {"gold", "vip"}})
	gone := made("contact", "", map[string]any{"last_name": "Gone"}, nil)
	if _, err := d.EraseRecord(ctx, made("contact", "", map[string]any{"last_name": "Erased"}, nil).ID); err != nil {
		t.Fatal(err)
	}
	clash := made("deal", "", map[string]any{"name": "Golden deal", "amount": eur(100), "organization": ref("organization", "Golden Ltd"), "close_date": "2026-12-31"},
		map[string][]string{"contacts": {string(ada.ID)}, "lines": {`{"product":"Golden engine","quantity":"1.5","price":"99.00 EUR"}`}})
	made("activity", "", map[string]any{"kind": "task", "subject": "Golden task"}, map[string][]string{"about": {"contact:" + string(ada.ID), "deal:" + string(clash.ID)}})
	if _, err := d.MoveDeal(ctx, clash.ID, "Proposal", ""); err != nil {
		t.Fatal(err)
	}
	pushAll(t, d, "")

	// A conflict, and a change of a colleague that was overruled.
	made("deal", clash.ID, map[string]any{"amount": eur(200), "next_step": "mine"}, nil)
	deal := model.EntityOf("deal")
	theirs, err := d.Row(ctx, deal, clash.ID)
	if err != nil {
		t.Fatal(err)
	}
	theirs = append(model.Row(nil), theirs...)
	model.SetFieldValue(deal, deal.Field("amount"), theirs, eur(300))
	model.SetFieldValue(deal, deal.Field("next_step"), theirs, "theirs")
	theirs.Set(deal, model.ColumnVersion, int64(9))
	theirs.Set(deal, model.ColumnUpdatedBy, "bob")
	page := &model.FeedPage{To: 101, Entries: []model.FeedEntry{{Seq: 101, Table: "deal", ID: clash.ID, Op: model.FeedUpsert}}, Rows: map[model.Noun][]model.Row{"deal": {theirs}}}
	if _, err := d.Apply(ctx, page, goldenPosition(101)); err != nil {
		t.Fatal(err)
	}

	// A refusal, then edits of every kind that wait, some of them in a batch
	// that was frozen.
	refused := made("contact", "", map[string]any{"last_name": "Refused"}, nil)
	pushAll(t, d, refused.ID)
	made("contact", ada.ID, map[string]any{"job_title": "waits"}, nil)
	made("contact", "", map[string]any{"last_name": "Fresh"}, map[string][]string{"email": {"fresh@golden.example"}})
	if err := d.Delete(ctx, "contact", gone.ID); err != nil {
		t.Fatal(err)
	}
	if b, err := d.NextBatch(ctx, 3, 1<<20); err != nil || b == nil || len(b.Ops) == 0 {
		t.Fatalf("no batch is frozen: %v, %v", b, err)
	}
	made("contact", ada.ID, map[string]any{"department": "after the freeze"}, nil)
	made("organization", "", map[string]any{"name": "Later Ltd"}, nil)
}

func goldenPosition(seq int64) model.Position {
	return model.Position{Epoch: "11111111-2222-3333-4444-555555555555", Seq: seq, Run: 7, Nonce: "0102030405060708", Loaded: true}
}

// pushAll has every unsent change taken by a central that is not there; it
// refuses one record.
func pushAll(t *testing.T, d *DB, refuse model.ID) {
	t.Helper()
	for {
		b, err := d.NextBatch(ctx, 500, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if b == nil {
			break
		}
		results := make([]model.PushResult, len(b.Ops))
		for i, op := range b.Ops {
			if op.ID == refuse {
				results[i] = model.PushResult{Outcome: model.PushRefused, Code: "too_long", Message: "it is too long"}
			}
		}
		if _, _, err := d.Acknowledge(ctx, b, results, goldenPosition(100)); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.SetPosition(ctx, goldenPosition(100)); err != nil {
		t.Fatal(err)
	}
}
