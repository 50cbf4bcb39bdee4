package report

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"rapport/db/sqlite"
	"rapport/model"
)

// store is a cache, read through its own pool and written by hand.
type store struct {
	t     *testing.T
	cache *sqlite.DB
	db    *sql.DB
	n     int
}

func newStore(t *testing.T) *store {
	t.Helper()
	path := filepath.Join(t.TempDir(), sqlite.FileName)
	cache, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cache.Close() })
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=synchronous(off)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	s := &store{t: t, cache: cache, db: db}
	for _, e := range model.Entities() {
		s.exec(`DELETE FROM "` + string(e.Noun) + `"`)
	}
	return s
}

func (s *store) exec(q string, args ...any) {
	s.t.Helper()
	if _, err := s.db.Exec(q, args...); err != nil {
		s.t.Fatalf("%s: %v", q, err)
	}
}

// put inserts a row; values by column. It returns the id.
func (s *store) put(n model.Noun, values map[string]any) model.ID {
	s.t.Helper()
	s.n++
	id := model.DerivedID(string(n), fmt.Sprint(s.n))
	cols, marks, args := []string{`"id"`}, []string{"?"}, []any{id.Bytes()}
	for name, v := range values {
		if i, _ := model.EntityOf(n).Column(name); i < 0 {
			s.t.Fatalf("%s has no column %s", n, name)
		}
		if v, ok := v.(model.ID); ok {
			cols, marks, args = append(cols, `"`+name+`"`), append(marks, "?"), append(args, v.Bytes())
			continue
		}
		cols, marks, args = append(cols, `"`+name+`"`), append(marks, "?"), append(args, v)
	}
	s.exec(`INSERT INTO "`+string(n)+`" (`+strings.Join(cols, ",")+`) VALUES (`+strings.Join(marks, ",")+`)`, args...)
	return id
}

// m is a row's values.
type m = map[string]any

// world is a small company: one pipeline with three stages, two users, two
// products.
type world struct {
	*store
	pipeline, open, won, lost, ann, bob, gold, tin model.ID
}

var noon = time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{store: newStore(t)}
	w.pipeline = w.put("pipeline", m{"name": "Sales", "currency": "EUR", "is_default": 1})
	w.open = w.put("stage", m{"name": "Offer", "kind": "open", "probability": 33, "position": 1, "rot_days": 10, "pipeline_id": w.pipeline})
	w.won = w.put("stage", m{"name": "Won", "kind": "won", "probability": 100, "position": 2, "pipeline_id": w.pipeline})
	w.lost = w.put("stage", m{"name": "Lost", "kind": "lost", "probability": 0, "position": 3, "pipeline_id": w.pipeline})
	w.ann = w.put("user", m{"login": "ann", "name": "Ann Zeller"})
	w.bob = w.put("user", m{"login": "bob", "name": "Bob Abel"})
	w.gold = w.put("product", m{"name": "Gold"})
	w.tin = w.put("product", m{"name": "Tin"})
	return w
}

func (w *world) deal(stage model.ID, minor any, more m) model.ID {
	w.t.Helper()
	v := m{"stage_id": stage, "pipeline_id": w.pipeline}
	if minor != nil {
		v["amount_minor"], v["amount_currency"] = minor, "EUR"
	}
	for k, x := range more {
		v[k] = x
	}
	return w.put("deal", v)
}

// rows makes a report and writes each row as one line, money with its
// currency.
func (s *store) rows(req model.ReportRequest) []string {
	s.t.Helper()
	if req.Now.IsZero() {
		req.Now = noon
	}
	rep, err := New(s.cache, "CHF").Report(s.t.Context(), req)
	if err != nil {
		s.t.Fatalf("report %s: %v", req.Name, err)
	}
	if rep.AsOf.IsZero() || rep.Title == "" || rep.Name != req.Name {
		s.t.Errorf("report %s: incomplete head %+v", req.Name, rep)
	}
	chart := rep.Chart == ""
	for _, c := range rep.Columns {
		chart = chart || c.Name == rep.Chart
	}
	if !chart {
		s.t.Errorf("report %s: the chart shows %q, which is no column", req.Name, rep.Chart)
	}
	var out []string
	for _, row := range rep.Rows {
		if len(row) != len(rep.Columns) {
			s.t.Errorf("report %s: %d values for %d columns", req.Name, len(row), len(rep.Columns))
		}
		var parts []string
		for i, v := range row {
			if c := rep.Columns[i]; v != nil && !fits(c.Type, v) {
				s.t.Errorf("report %s: %T in the column %s of type %s", req.Name, v, c.Name, c.Type)
			}
			parts = append(parts, fmt.Sprint(v))
		}
		out = append(out, strings.Join(parts, " | "))
	}
	return out
}

func fits(typ string, v any) bool {
	switch v.(type) {
	case string:
		return typ == "text" || typ == "month" || typ == "date"
	case int64:
		return typ == "number"
	case float64:
		return typ == "number" || typ == "percent"
	case model.Money:
		return typ == "money"
	}
	return false
}

func (s *store) want(req model.ReportRequest, want ...string) {
	s.t.Helper()
	got := s.rows(req)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		s.t.Errorf("report %s by %q:\n got\n  %s\nwant\n  %s", req.Name, req.By, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}
