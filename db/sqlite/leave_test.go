package sqlite

import (
	"slices"
	"testing"

	"rapport/model"
)

// shown is what the server last showed of a record: its row and its parts'.
func shown(t *testing.T, d *DB, noun model.Noun, id model.ID) *model.FeedPage {
	t.Helper()
	page := &model.FeedPage{Rows: map[model.Noun][]model.Row{}}
	err := d.write(ctx, "test", func(tx *Tx) error {
		e := model.EntityOf(noun)
		parts, err := tx.partsOf(e, id)
		if err != nil {
			return err
		}
		for _, p := range append(parts, partRef{e, id}) {
			row, err := tx.row(p.e, p.id)
			if err != nil {
				return err
			}
			page.Rows[p.e.Noun] = append(page.Rows[p.e.Noun], row)
			page.Entries = append(page.Entries, model.FeedEntry{Seq: 1, Table: p.e.Noun, ID: p.id, Op: model.FeedUpsert})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// leaving is the page that says that a record left, as the feed has it: with
// all its parts, or alone.
func leaving(page *model.FeedPage, alone bool) *model.FeedPage {
	out := &model.FeedPage{}
	for _, en := range page.Entries {
		if en.Op = model.FeedLeave; !alone || !model.EntityOf(en.Table).IsPart() {
			out.Entries = append(out.Entries, en)
		}
	}
	return out
}

func apply(t *testing.T, d *DB, page *model.FeedPage) {
	t.Helper()
	res, err := d.Apply(ctx, page, model.Position{Epoch: "e", Seq: 2, Loaded: true})
	if err != nil || len(res.Missing) > 0 {
		t.Fatalf("apply: %v %v", res.Missing, err)
	}
}

// remains counts what the cache still knows of a record.
func remains(t *testing.T, d *DB, noun model.Noun, id model.ID) (n int) {
	t.Helper()
	for _, q := range []string{"SELECT count(*) FROM " + quote(string(noun)) + " WHERE id = ?", "SELECT count(*) FROM contact_method WHERE contact_id = ?",
		"SELECT count(*) FROM sync_base WHERE record_id = ?", "SELECT count(*) FROM audit WHERE record_id = ?",
		"SELECT count(*) FROM sync_conflict WHERE record_id = ?", "SELECT count(*) FROM duplicate WHERE first_id = ?"} {
		var some int
		if err := d.read().QueryRowContext(ctx, q, id.Bytes()).Scan(&some); err != nil {
			t.Fatal(err)
		}
		n += some
	}
	return n
}

// item is a list with one value.
func item(list, value string) []*model.Record {
	p := model.NewPart(model.EntityOf("contact").Field(list))
	p.Values["value"] = value
	return []*model.Record{p}
}

func ada(t *testing.T, d *DB) *model.Record {
	t.Helper()
	r := save(t, d, "contact", "", map[string]any{"last_name": "Meier", "phone": item("phone", "+41446681800")})
	sent(t, d)
	return r
}

// TestLeave takes a record out with its parts and its history, not to the bin,
// whether or not the feed names the parts.
func TestLeave(t *testing.T) {
	for _, alone := range []bool{false, true} {
		d, _ := testDB(t)
		r := ada(t, d)
		page := shown(t, d, "contact", r.ID)
		if _, err := d.writer.ExecContext(ctx, "INSERT INTO duplicate (noun, first_id, second_id, field, value, found_at) VALUES ('contact', ?, x'00', 'email', 'ada@example.com', 1)", r.ID.Bytes()); err != nil {
			t.Fatal(err)
		}
		if len(page.Entries) < 2 {
			t.Fatalf("the contact has no parts: %+v", page.Entries)
		}
		apply(t, d, leaving(page, alone))
		if n := remains(t, d, "contact", r.ID); n != 0 {
			t.Errorf("%d rows stay", n)
		}
		if bin := must(d.List(ctx, model.Query{Noun: "contact", Bin: true}))(t); len(bin.Items) != 0 {
			t.Error("it lies in the bin")
		}
		if hits := must(d.Search(ctx, "Meier", "", 5))(t); len(hits) != 0 {
			t.Errorf("it is found: %v", hits)
		}
		apply(t, d, page)
		if got := must(d.Get(ctx, "contact", r.ID))(t); len(got.List("phone")) != 1 {
			t.Errorf("it came back with %v", got.Values)
		}
	}
}

// TestLeaveWithUnsentEdit keeps an edit until the person gives it up or the
// record comes back, when it is sent.
func TestLeaveWithUnsentEdit(t *testing.T) {
	edits := map[string]map[string]any{"of the record": {"job_title": "Buyer"}, "of a part": {"phone": item("phone", "+41446681801")}, "of both": {"job_title": "Buyer", "phone": []*model.Record{}}}
	for name, set := range edits {
		t.Run(name, func(t *testing.T) {
			d, _ := testDB(t)
			r := ada(t, d)
			page := shown(t, d, "contact", r.ID)
			want := save(t, d, "contact", r.ID, set)
			apply(t, d, leaving(page, false))
			apply(t, d, leaving(page, true)) // told again, as after a load
			items := must(d.Pending(ctx))(t)
			if len(items) != 1 || items[0].Code != model.CodeLeft || items[0].Error == "" || len(items[0].Fields) != len(set) {
				t.Fatalf("pending %+v", items)
			}
			if n := must(d.Unsent(ctx))(t); n != 0 {
				t.Errorf("%d changes would be sent", n)
			}
			if n := must(d.Retry(ctx))(t); n != 0 {
				t.Errorf("%d are sent again", n)
			}
			save(t, d, "contact", r.ID, map[string]any{"department": "Sales"})
			if b := must(d.NextBatch(ctx, 10, 1000))(t); b != nil {
				t.Errorf("sends %+v", b.Ops)
			}
			apply(t, d, page)
			got := must(d.Get(ctx, "contact", r.ID))(t)
			if got.Text("job_title") != want.Text("job_title") || len(got.List("phone")) != len(want.List("phone")) || got.Text("department") != "Sales" {
				t.Errorf("came back as %v, want %v", got.Values, want.Values)
			}
			if items = must(d.Pending(ctx))(t); len(items) != 1 || items[0].Code != "" || !slices.Contains(items[0].Fields, "department") {
				t.Errorf("pending %+v", items)
			}
			if b := must(d.NextBatch(ctx, 10, 1000))(t); b == nil {
				t.Error("nothing is sent")
			}
		})
	}
}

// TestGivenUpAfterLeaving leaves nothing of a record whose last unsent edit is
// given up, also of one that has a part that was made here.
func TestGivenUpAfterLeaving(t *testing.T) {
	d, _ := testDB(t)
	r := ada(t, d)
	page := shown(t, d, "contact", r.ID)
	save(t, d, "contact", r.ID, map[string]any{"email": item("email", "ada@example.com")})
	apply(t, d, leaving(page, false))
	if got := must(d.Get(ctx, "contact", r.ID))(t); len(got.List("email")) != 1 || len(got.List("phone")) != 0 {
		t.Errorf("kept %v", got.Values)
	}
	if n := must(d.Discard(ctx, r.ID))(t); n != 1 {
		t.Errorf("%d given up", n)
	}
	if n := remains(t, d, "contact", r.ID); n != 0 {
		t.Errorf("%d rows stay", n)
	}
}

// TestDeletedAfterLeaving offers a record again that another program deleted
// while an edit of it waited.
func TestDeletedAfterLeaving(t *testing.T) {
	d, _ := testDB(t)
	r := ada(t, d)
	page := shown(t, d, "contact", r.ID)
	save(t, d, "contact", r.ID, map[string]any{"job_title": "Buyer"})
	apply(t, d, leaving(page, false))
	gone := &model.FeedPage{Entries: []model.FeedEntry{{Seq: 3, Table: "contact", ID: r.ID, Op: model.FeedDelete}}}
	apply(t, d, gone)
	if items := must(d.Pending(ctx))(t); len(items) != 1 || items[0].Code != "" || items[0].Action != "add" {
		t.Errorf("pending %+v", items)
	}
}

// TestArrivedBeforeLeaving repeats a batch that had arrived before its record
// left: nothing of it stays.
func TestArrivedBeforeLeaving(t *testing.T) {
	d, _ := testDB(t)
	r := ada(t, d)
	page := shown(t, d, "contact", r.ID)
	save(t, d, "contact", r.ID, map[string]any{"phone": item("phone", "+41446681801")})
	b := must(d.NextBatch(ctx, 10, 1000))(t)
	apply(t, d, leaving(page, false))
	if _, _, err := d.Acknowledge(ctx, b, make([]model.PushResult, len(b.Ops)), model.Position{}); err != nil {
		t.Fatal(err)
	}
	if n := remains(t, d, "contact", r.ID); n != 0 {
		t.Errorf("%d rows stay", n)
	}
}
