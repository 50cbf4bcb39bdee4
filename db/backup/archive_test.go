package backup

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"rapport/model"
)

// add makes a record from name=value pairs.
func (h *home) add(n model.Noun, set ...string) *model.Record {
	h.t.Helper()
	ed, err := model.EditFromText(model.EntityOf(n), set, nil, nil, model.Env{Now: h.now, Currency: "EUR"})
	if err != nil {
		h.t.Fatal(err)
	}
	ed.MakeLinks = true
	r, err := h.db.Save(h.t.Context(), ed)
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

// edit changes a record.
func (h *home) edit(r *model.Record, set ...string) {
	h.t.Helper()
	ed, err := model.EditFromText(r.Entity(), set, nil, nil, model.Env{Now: h.now, Currency: "EUR"})
	if err != nil {
		h.t.Fatal(err)
	}
	ed.ID, ed.MakeLinks = r.ID, true
	if _, err := h.db.Save(h.t.Context(), ed); err != nil {
		h.t.Fatal(err)
	}
}

func (h *home) get(r *model.Record) *model.Record {
	h.t.Helper()
	now, err := h.db.Get(h.t.Context(), r.Noun, r.ID)
	if err != nil {
		h.t.Fatal(err)
	}
	return now
}

// endOf names the end of a backup.
func endOf(req model.BackupRequest) model.ArchiveRequest {
	return model.ArchiveRequest{BackupRequest: req}
}

// page lists the titles of a page with how the records are today.
func (h *home) page(q model.ArchiveQuery) (titles []string, next model.ID) {
	h.t.Helper()
	p, err := h.ListArchive(h.t.Context(), q)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, it := range p.Items {
		titles = append(titles, it.Record.Title()+" "+string(it.Standing))
	}
	return titles, p.Next
}

// people are the records of most tests: one that stays, one that is edited, one
// that is deleted, one without a name.
func people(h *home) (grace, ada, max, nameless *model.Record) {
	grace = h.add("contact", "first_name=Grace", "last_name=Hopper", "email=grace@navy.example")
	ada = h.add("contact", "first_name=Ada", "last_name=Lovelace", "phone=+41446681800:work", "phone=+41791234567:mobile", "organization=Acme", "tag=vip", "notes=one\ntwo")
	max = h.add("contact", "first_name=Max", "last_name=Müller", "phone=+493012345")
	nameless = h.add("contact", "email=info@example.org")
	return grace, ada, max, nameless
}

// TestArchive lists, searches and compares the records of a backup, also of an
// encrypted one and of one that needs others.
func TestArchive(t *testing.T) {
	for name, make := range map[string]func(*home, model.BackupRequest) model.BackupRequest{
		"full": func(h *home, req model.BackupRequest) model.BackupRequest { h.create(req); return req },
		"encrypted": func(h *home, req model.BackupRequest) model.BackupRequest {
			id, err := age.GenerateX25519Identity()
			if err != nil {
				h.t.Fatal(err)
			}
			req.Identity = filepath.Join(h.dir, "key.txt")
			if err := os.WriteFile(req.Identity, []byte(id.String()+"\n"), 0o600); err != nil {
				h.t.Fatal(err)
			}
			req.Recipients, req.OneKey = []string{id.Recipient().String()}, true
			h.create(req)
			return req
		},
		"chain": func(h *home, req model.BackupRequest) model.BackupRequest {
			if _, err := h.CreateBackup(h.t.Context(), model.BackupRequest{Kind: model.BackupIncremental}, nil); err != nil {
				h.t.Fatal(err)
			}
			return req
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			req := model.BackupRequest{}
			early := h.add("contact", "last_name=Early")
			if name == "chain" {
				h.create(model.BackupRequest{Kind: model.BackupIncremental})
			}
			grace, ada, max, nameless := people(h)
			if err := h.db.Delete(t.Context(), "contact", early.ID); err != nil {
				t.Fatal(err)
			}
			req = make(h, req)
			if list, err := h.ListBackups(t.Context(), req); err != nil || name == "chain" && list[0].Kind != model.BackupIncremental {
				t.Fatalf("%+v, %v", list, err)
			}
			h.edit(ada, "last_name=King", "phone=+49301234567:home", "organization=Beta")
			h.edit(grace, "email=")
			if err := h.db.Delete(t.Context(), "contact", max.ID); err != nil {
				t.Fatal(err)
			}
			org := ada.Ref("organization")
			if _, err := h.raw.Exec("DELETE FROM organization WHERE id = ?", org.ID.Bytes()); err != nil {
				t.Fatal(err)
			}
			if _, err := h.raw.Exec("DELETE FROM contact_method WHERE contact_id = ?", nameless.ID.Bytes()); err != nil {
				t.Fatal(err)
			}
			if _, err := h.raw.Exec("DELETE FROM contact WHERE id = ?", nameless.ID.Bytes()); err != nil {
				t.Fatal(err)
			}

			q := model.ArchiveQuery{ArchiveRequest: endOf(req), Noun: "contact"}
			want := []string{"Grace Hopper changed", "Ada Lovelace changed", "Max Müller bin", "info@example.org gone"}
			if got, next := h.page(q); !slices.Equal(got, want) || next != "" {
				t.Errorf("has %q, then %q", got, next)
			}
			for search, want := range map[string]string{"love": "Ada Lovelace changed", "ada lo": "Ada Lovelace changed", "muller": "Max Müller bin", "INFO@": "info@example.org gone",
				"044 668": "Ada Lovelace changed", "0041 44 668": "Ada Lovelace changed", "09999": "", "44 668 18": "Ada Lovelace changed", "nobody": "", "navy": "Grace Hopper changed"} {
				q.Search = search
				if got, _ := h.page(q); strings.Join(got, ",") != want {
					t.Errorf("%q finds %q, want %q", search, got, want)
				}
			}
			got, next := h.page(model.ArchiveQuery{ArchiveRequest: endOf(req), Noun: "org"})
			if strings.Join(got, ",") != "Acme gone" || next != "" {
				t.Errorf("has the organizations %q", got)
			}

			c, err := h.Compare(t.Context(), endOf(req), model.Ref{Noun: "contact", Name: ada.ID.Short()})
			if err != nil {
				t.Fatal(err)
			}
			if c.Standing != model.StandingChanged || c.Record.Title() != "Ada Lovelace" || c.Today.Title() != "Ada King" || c.Record.Ref("organization").Name != "Acme" {
				t.Errorf("%+v", c)
			}
			var fields []string
			for _, d := range c.Differences {
				fields = append(fields, d.Field)
			}
			if want := []string{"last_name", "organization", "organizations", "phone", "phone", "phone"}; !slices.Equal(fields, want) {
				t.Errorf("%q differ", fields)
			}
			if c, err := h.Compare(t.Context(), endOf(req), model.Ref{Noun: "contact", ID: nameless.ID}); err != nil || c.Today != nil || c.Standing != model.StandingGone || len(c.Record.List("email")) != 1 {
				t.Errorf("%+v, %v", c, err)
			}
			if c, err := h.Compare(t.Context(), endOf(req), model.Ref{Noun: "contact", Name: "max müller"}); err != nil || c.Standing != model.StandingBin {
				t.Errorf("%+v, %v", c, err)
			}
			if c, err := h.Compare(t.Context(), endOf(req), model.Ref{Noun: "tag", Name: "vip"}); err != nil || c.Standing != model.StandingSame {
				t.Errorf("%+v, %v", c, err)
			}
		})
	}
}

// TestArchivePages goes through a backup page by page, with and without a
// search, and finds every record once.
func TestArchivePages(t *testing.T) {
	h := newHome(t)
	var edits []model.Edit
	for i := range 700 {
		phone := model.NewPart(model.EntityOf("contact").Field("phone"))
		phone.Values["value"] = fmt.Sprintf("+4144%07d", i)
		edits = append(edits, model.Edit{Noun: "contact", Set: map[string]any{"last_name": fmt.Sprintf("P%03d", i), "phone": []*model.Record{phone}}})
	}
	saved, err := h.db.SaveAll(t.Context(), edits, false)
	if err != nil {
		t.Fatal(err)
	}
	h.now = time.Now() // the clock of the cache
	h.create(model.BackupRequest{})
	for i := range 100 {
		h.edit(&model.Record{Noun: "contact", ID: saved[i*7].ID}, "job_title=changed")
	}
	for name, c := range map[string]struct {
		q    model.ArchiveQuery
		want int
	}{
		"all":       {model.ArchiveQuery{}, 700},
		"names":     {model.ArchiveQuery{Search: "p1"}, 100},
		"phones":    {model.ArchiveQuery{Search: "+4144"}, 700},
		"different": {model.ArchiveQuery{Different: true}, 100},
		"both":      {model.ArchiveQuery{Search: "+4144", Different: true}, 100},
	} {
		t.Run(name, func(t *testing.T) {
			c.q.Noun, c.q.Limit = "contact", 33
			seen := map[string]bool{}
			for range 100 {
				titles, next := h.page(c.q)
				for _, title := range titles {
					if seen[title] {
						t.Fatalf("%s is there twice", title)
					}
					seen[title] = true
				}
				if c.q.After = next; next == "" {
					break
				}
			}
			if len(seen) != c.want {
				t.Errorf("found %d, want %d", len(seen), c.want)
			}
		})
	}
}

// TestOwnersAreBounded finds every record by its phone although more fit than
// are held at a time.
func TestOwnersAreBounded(t *testing.T) {
	l := &archivePage{owners: map[model.ID]bool{}}
	for i := range 3*mostOwners + 1 {
		id := model.DerivedID("x", fmt.Sprint(i))
		if l.until == "" || id <= l.until {
			l.owners[id] = true
			l.bound()
		}
	}
	if len(l.owners) > mostOwners || l.until == "" {
		t.Fatalf("%d are held, until %q", len(l.owners), l.until)
	}
	for i := range 3*mostOwners + 1 {
		if id := model.DerivedID("x", fmt.Sprint(i)); l.owners[id] != (id <= l.until) {
			t.Fatalf("%s is held: %v", id, l.owners[id])
		}
	}
}

// TestArchiveRefuses says what is wrong in a sentence.
func TestArchiveRefuses(t *testing.T) {
	h := newHome(t)
	_, ada, _, _ := people(h)
	second := h.add("contact", "first_name=Ada", "last_name=Lovelace")
	h.create(model.BackupRequest{})
	ctx := t.Context()
	for name, c := range map[string]struct {
		do   func() error
		kind model.Kind
		says string
	}{
		"unknown noun": {func() error { _, err := h.ListArchive(ctx, model.ArchiveQuery{Noun: "moon"}); return err }, model.Invalid, "no noun"},
		"a part":       {func() error { _, err := h.ListArchive(ctx, model.ArchiveQuery{Noun: "contact_method"}); return err }, model.Invalid, "no noun"},
		"the ledger":   {func() error { _, err := h.ListArchive(ctx, model.ArchiveQuery{Noun: "erasure"}); return err }, model.Invalid, "no noun"},
		"unknown backup": {func() error {
			_, err := h.ListArchive(ctx, model.ArchiveQuery{Noun: "contact", ArchiveRequest: endOf(model.BackupRequest{ID: "01999999"})})
			return err
		}, model.NotFound, "no backup"},
		"no such record": {func() error {
			_, err := h.Compare(ctx, model.ArchiveRequest{}, model.Ref{Noun: "contact", Name: "Nobody"})
			return err
		}, model.NotFound, "no contact \"Nobody\""},
		"two of a name": {func() error {
			_, err := h.Compare(ctx, model.ArchiveRequest{}, model.Ref{Noun: "contact", Name: "ada lovelace"})
			return err
		}, model.Ambiguous, "fits 2 contacts"},
		"nothing chosen": {func() error { _, err := h.RestoreRecords(ctx, model.RecordsRequest{}, nil); return err }, model.Invalid, "not said which"},
		"state of sync": {func() error {
			_, err := h.RestoreRecords(ctx, model.RecordsRequest{Noun: "contact", Where: []model.Condition{{Field: "sync", Op: model.Equal, Value: "pending"}}}, nil)
			return err
		}, model.Invalid, "in no backup"},
		"a bad value": {func() error {
			_, err := h.RestoreRecords(ctx, model.RecordsRequest{Noun: "contact", Where: []model.Condition{{Field: "birth_date", Op: model.Equal, Value: "never"}}}, nil)
			return err
		}, model.Invalid, "never"},
	} {
		if err := c.do(); model.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A damaged part is found before anything is touched.
	h.edit(ada, "last_name=King")
	before := h.dump()
	err := filepath.WalkDir(filepath.Join(h.dir, "backups"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.Contains(path, string(filepath.Separator)+"tagging"+string(filepath.Separator)) && !d.IsDir() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			data[len(data)/2] ^= 1
			return os.WriteFile(path, data, 0o600)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.RestoreRecords(ctx, model.RecordsRequest{Records: []model.Ref{{Noun: "contact", ID: ada.ID}, {Noun: "contact", ID: second.ID}}}, nil)
	if model.KindOf(err) != model.Corrupt || !strings.Contains(err.Error(), "tagging") {
		t.Errorf("%v", err)
	}
	sameDump(t, "after a damaged backup", h.dump(), before)
}

// TestErasedStayErased neither shows nor restores who was erased.
func TestErasedStayErased(t *testing.T) {
	h := newHome(t)
	_, ada, _, _ := people(h)
	h.create(model.BackupRequest{})
	row := model.ErasureRow("contact", ada.ID)
	e := model.EntityOf("erasure")
	if _, err := h.raw.Exec("INSERT INTO erasure (id, noun, target, scope_id, row_version) VALUES (?, ?, ?, ?, 1)", row.ID().Bytes(), row.Get(e, "noun"), row.Get(e, "target"), model.SharedScope.Bytes()); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{"DELETE FROM contact_method WHERE contact_id = ?", "DELETE FROM contact_organization WHERE contact_id = ?", "DELETE FROM tagging WHERE contact_id = ?", "DELETE FROM contact WHERE id = ?"} {
		if _, err := h.raw.Exec(q, ada.ID.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := h.page(model.ArchiveQuery{Noun: "contact"}); slices.Contains(got, "Ada Lovelace gone") || len(got) != 3 {
		t.Errorf("shows %q", got)
	}
	if _, err := h.Compare(t.Context(), model.ArchiveRequest{}, model.Ref{Noun: "contact", ID: ada.ID}); model.KindOf(err) != model.NotFound {
		t.Errorf("shows the record: %v", err)
	}
	out, err := h.RestoreRecords(t.Context(), model.RecordsRequest{OnlyMissing: true}, nil)
	if err != nil || out.Erased != 1 || out.Records() != 0 {
		t.Errorf("%+v, %v", out, err)
	}
}

// TestLedgerBesideTheBackups keeps out who was erased elsewhere, where the cache
// does not know it yet.
func TestLedgerBesideTheBackups(t *testing.T) {
	h := newHome(t)
	_, ada, max, _ := people(h)
	h.create(model.BackupRequest{})
	for _, r := range []*model.Record{ada, max} {
		if err := h.db.Delete(t.Context(), "contact", r.ID); err != nil {
			t.Fatal(err)
		}
	}
	if err := noteErasures(t.Context(), must(OpenStore(filepath.Join(h.dir, "backups")))(t), []model.Erased{{Noun: "contact", ID: ada.ID}}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Compare(t.Context(), model.ArchiveRequest{}, model.Ref{Noun: "contact", ID: ada.ID}); model.KindOf(err) != model.NotFound {
		t.Errorf("shows the record: %v", err)
	}
	out, err := h.RestoreRecords(t.Context(), model.RecordsRequest{OnlyMissing: true}, nil)
	if err != nil || out.Erased != 1 || out.Restored != 1 {
		t.Errorf("%+v, %v", out, err)
	}
	if h.get(ada).DeletedAt.IsZero() || !h.get(max).DeletedAt.IsZero() {
		t.Error("the wrong one came back")
	}
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestOverview tells what the place holds, what was interrupted, and whether a
// trial restore went well.
func TestOverview(t *testing.T) {
	h := newHome(t)
	people(h)
	look := func() (out model.BackupOverview) {
		t.Helper()
		if err := h.Overview(t.Context(), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	if o := look(); len(o.Items) != 0 || o.Trial != nil || o.Left != 0 || !strings.HasSuffix(o.Place, "backups") {
		t.Errorf("an empty place: %+v", o)
	}
	info := h.create(model.BackupRequest{})
	s := must(OpenStore(filepath.Join(h.dir, "backups")))(t)
	for i := range 3 {
		p := newPlace(info.Lineage, model.NewIDSource(time.Now, nil).New(), model.BackupFull)
		for _, name := range []string{"t/contact/00001.jsonl.zst", summaryName}[:i%2+1] {
			if err := s.Put(t.Context(), p.prefix+name, []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if o := look(); len(o.Items) != 1 || o.Items[0].ID != info.ID || o.Left != 3 || o.Trial != nil {
		t.Errorf("%+v", o)
	}
	for _, level := range []string{model.LevelRestored, model.LevelRead} {
		if _, err := h.VerifyBackup(t.Context(), model.BackupRequest{Level: level}, nil); err != nil {
			t.Fatal(err)
		}
		h.now = h.now.Add(time.Hour)
	}
	if o := look(); o.Trial == nil || !o.Trial.OK || o.Trial.Backup != info.ID || !o.Trial.At.Equal(h.now.Add(-2*time.Hour)) {
		t.Errorf("the trial is %+v", o.Trial)
	}
}

// TestRowsOfACentral reads values as a server writes them.
func TestRowsOfACentral(t *testing.T) {
	e := model.EntityOf("deal_line")
	id := model.DerivedID("line")
	te := &tableEntry{Columns: []string{"id", "deal_id", "quantity", "price_minor", "price_currency", "deleted_at", "created_at", "made_by_others"}}
	row := newRowReader(e, te).row([]any{id.Bytes(), id.Bytes(), "2.5000", int64(1250), "EUR", nil, "2026-11-21 14:05:06.789", "x"})
	r := model.RecordOf(e, row.Complete(e, nil))
	if r.ID != id || r.Text("quantity") != "2.5" || r.Values["price"] != (model.Money{Minor: 1250, Currency: "EUR"}) || r.CreatedAt.Format("15:04:05.000") != "14:05:06.789" {
		t.Errorf("%+v", r)
	}
	if row.Get(e, "discount") != model.Absent {
		t.Error("a column that the backup does not have is not absent")
	}
	for _, c := range []struct {
		t    model.ColumnType
		v    any
		want any
	}{
		{model.ColTime, "0000-00-00 00:00:00", nil}, {model.ColTime, int64(5), int64(5)}, {model.ColDate, "2026-11-21 00:00:00", "2026-11-21"},
		{model.ColBool, "1", int64(1)}, {model.ColInt, []byte("-7"), int64(-7)}, {model.ColInt, "x", nil}, {model.ColID, string(id), id}, {model.ColID, []byte("short"), nil},
		{model.ColText, int64(3), "3"}, {model.ColDecimal, "abc", nil}, {model.ColText, []byte("b"), "b"},
	} {
		if got := cellOf(c.t, c.v); got != c.want {
			t.Errorf("%v in a column of type %d is %v, want %v", c.v, c.t, got, c.want)
		}
	}
}
