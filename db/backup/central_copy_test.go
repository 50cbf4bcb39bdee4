package backup

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"rapport/db/mysql"
	"rapport/model"
)

// copies is the source of a central whose report tables are read.
func (c *company) copies() centralSource {
	s := c.source()
	s.from = mysql.DumpFrom{Copies: true}
	return s
}

// TestEveryPointOfReportTables makes backups of all kinds between random changes
// of a central, of its tables and of its report tables in turn. Each reads as
// the very rows that there were, and two at one position have the same hashes.
func TestEveryPointOfReportTables(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	c.sql("CREATE TABLE mine (a VARCHAR(10) PRIMARY KEY, b BIGINT, c DECIMAL(40,10), d BIGINT UNSIGNED, e DATETIME(6) DEFAULT '2026-03-29 02:30:00.000001')",
		"INSERT INTO contact (last_name) SELECT CONCAT('c', seq) FROM seq_1_to_300", "INSERT INTO organization (name) VALUES ('o')")
	if _, err := mysql.RefreshReports(t.Context(), c.url, model.ReportsRequest{}, nil); err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 7))
	want := map[string]map[string]tableSum{}
	full := []string{}
	make := func(src source, kind string) {
		info, err := c.b.create(c.Context(), src, target{store: c.store}, order{kind: kind}, nil)
		if err != nil || !info.Verified || info.Source != model.SourceCentral || info.Kind == kind && info.Note != "" {
			t.Fatalf("%s: %+v, %v", kind, info, err)
		}
		want[info.ID] = c.sums()
		if kind == model.BackupFull {
			full = append(full, info.ID)
		}
	}
	for _, kind := range []string{model.BackupFull, model.BackupIncremental, model.BackupDifferential, model.BackupSegment, model.BackupIncremental} {
		for range 3 {
			c.edit(r)
		}
		var src source = c.copies()
		if kind == model.BackupDifferential {
			src = c.source()
		}
		make(src, kind)
	}
	for range 3 {
		c.edit(r)
	}
	make(c.source(), model.BackupFull)
	make(c.copies(), model.BackupFull)
	list, err := entries(t.Context(), c.store, pins{})
	if err != nil || len(list) != len(want) {
		t.Fatalf("%d backups, %v", len(list), err)
	}
	hashes := map[string]map[string]string{}
	for _, e := range list {
		chain, err := openChain(t.Context(), c.store, keys{}, list, e)
		if err != nil {
			t.Fatal(err)
		}
		for name, sum := range chain.sums(t) {
			if w := want[string(e.id)][name]; w != sum {
				t.Errorf("the %s backup has %v of %s, want %v", e.kind, sum, name, w)
			}
		}
		hashes[string(e.id)] = map[string]string{}
		for _, te := range chain.end().Tables {
			hashes[string(e.id)][te.Name] = te.Hash
		}
	}
	if a, b := hashes[full[1]], hashes[full[2]]; !maps.Equal(a, b) {
		t.Errorf("the hashes of one position are\n%v of the tables and\n%v of the report tables", a, b)
	}
	newest, err := openChain(t.Context(), c.store, keys{}, list, list[0])
	if err == nil {
		err = c.b.proveRestore(t.Context(), newest, nil)
	}
	if err != nil {
		t.Errorf("restored on trial: %v", err)
	}
	is := newest.end().Server
	if is.Copies == nil || !slices.Contains(is.Copies.Tables, "contact") || slices.Contains(is.Copies.Tables, "mine") || is.Copies.Position != newest.end().Position || is.Copies.Newer != 0 || len(is.Instead) != 0 {
		t.Errorf("the manifest says %+v of %d", is.Copies, newest.end().Position)
	}
}

// TestBackupOfDamagedReportTables makes a backup of what can be relied on, and
// says what that is not.
func TestBackupOfDamagedReportTables(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	c.sql("INSERT INTO contact (last_name) VALUES ('a'), ('b')", "INSERT INTO organization (name) VALUES ('o')")
	if _, err := mysql.RefreshReports(t.Context(), c.url, model.ReportsRequest{}, nil); err != nil {
		t.Fatal(err)
	}
	c.sql("UPDATE report_contact SET last_name = 'planted' WHERE last_name = 'a'")
	kinds := []string{model.BackupFull, model.BackupIncremental}
	for i, kind := range kinds {
		info, err := c.b.create(t.Context(), c.copies(), target{store: c.store}, order{kind: kind}, nil)
		note := "of contact the table was read and not its copy: a row of report_contact is not as it was copied"
		if i > 0 {
			note = "" // nothing of it changed
		}
		if err != nil || !info.Verified || info.Note != note || info.Kind != kind {
			t.Errorf("%+v, %v", info, err)
		}
		list, err := entries(t.Context(), c.store, pins{})
		if err != nil {
			t.Fatal(err)
		}
		chain, err := openChain(t.Context(), c.store, keys{}, list, list[0])
		if err != nil {
			t.Fatal(err)
		}
		if got, want := chain.sums(t)["contact"], c.sums()["contact"]; got != want {
			t.Errorf("%v of contact, want %v", got, want)
		}
		if is := chain.end().Server; i == 0 && (slices.Contains(is.Copies.Tables, "contact") || !slices.Contains(is.Copies.Tables, "organization") || fmt.Sprint(is.Instead) != "["+note+"]") {
			t.Errorf("the manifest says %+v", is)
		}
	}
}

// TestReadFrom takes from the request what is read, and from the settings where
// the request does not say it.
func TestReadFrom(t *testing.T) {
	b := New(Options{Home: t.TempDir(), Settings: model.Settings{Home: "x", Backup: model.BackupSettings{ReadFrom: model.ReadStandby}}, Central: func(context.Context) (string, error) { return "", nil }})
	for asked, want := range map[string]mysql.DumpFrom{"": {Standby: true}, model.ReadPrimary: {}, model.ReadReport: {Copies: true}, model.ReadStandby: {Standby: true}} {
		req := model.BackupRequest{Source: model.SourceCentral, ReadFrom: asked}
		s, err := b.store(&req)
		if err != nil {
			t.Fatal(err)
		}
		src, err := b.source(req, s)
		if err != nil || src.(centralSource).from != want {
			t.Errorf("%q reads %+v, %v", asked, src, err)
		}
	}
	_, err := b.source(model.BackupRequest{Source: model.SourceCentral, ReadFrom: "moon"}, nil)
	if says(t, err, model.Invalid, "from \"moon\""); !strings.Contains(err.(*model.Error).Hint, "primary, standby or report") {
		t.Errorf("it hints %v", err)
	}
}
