// Package sample fills a workspace with believable data: people and companies
// of many countries, deals in every stage, and a sales rep's tasks and calls
// around a given day.
//
// Promises:
//   - The data depends on nothing but the request and the person's login: the
//     same seed and day give the same rows with the same ids.
//   - Rows look as if the central had sent them: nothing is pending.
//   - Rows are made and stored one at a time: nothing is kept of them but the
//     ids of those few whose title comes from their lists.
package sample

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"rapport/db/sqlite"
	"rapport/model"
)

// fallbackCurrency is that of a workspace without one.
const fallbackCurrency = "USD"

// Fill stores sample data in a workspace that holds no contacts yet. me is the
// login of the sales rep whose day it is. It returns how many records of each
// noun were made.
func Fill(ctx context.Context, db *sqlite.DB, req model.DemoRequest, me string, n model.Notify) (map[model.Noun]int64, error) {
	if req.Contacts < 0 {
		return nil, model.Errorf(model.Invalid, "a demo cannot have %d contacts", req.Contacts)
	}
	if me == "" {
		me = "you"
	}
	m := newMaker(req, me, db.Settings().Currency)
	err := db.Bulk(ctx, func(b *sqlite.Bulk) error {
		m.put = b.Put
		return m.make(ctx, n)
	})
	if err != nil {
		return nil, err
	}
	return m.counts, nil
}

// maker makes the rows. Everything random about the i-th thing of a kind comes
// from a generator seeded by both, so that a record can be looked at again
// without keeping it.
type maker struct {
	put      func(*model.Entity, model.Row) error
	err      error
	req      model.DemoRequest
	day      time.Time // midnight of the day
	me       string
	currency string
	ids      *model.IDSource
	clock    time.Time
	counts   map[model.Noun]int64
	tables   map[model.Noun]*table

	*rand.Rand
	pcg *rand.PCG

	users    []user
	products []item
	tags     []model.ID
	pipeline model.ID
	stages   []stage
	orgs     int
	weights  []int // locale of each hundredth of the people
}

type table struct {
	e     *model.Entity
	empty model.Row
	row   model.Row
	index map[string]int
}

type user struct {
	id    model.ID
	login string
}

type item struct {
	id       model.ID
	category string
	price    int64
}

type stage struct {
	id       model.ID
	name     string
	kind     string
	position int64
}

func newMaker(req model.DemoRequest, me, currency string) *maker {
	y, mo, d := req.Day.Date()
	m := &maker{req: req, me: me, currency: currency, day: time.Date(y, mo, d, 0, 0, 0, 0, req.Day.Location()),
		counts: map[model.Noun]int64{}, tables: map[model.Noun]*table{}, orgs: req.Contacts / 5, pcg: rand.NewPCG(0, 0)}
	if m.currency == "" {
		m.currency = fallbackCurrency
	}
	m.Rand = rand.New(m.pcg)
	m.clock = m.day.AddDate(-2, 0, 0)
	random := rand.New(rand.NewPCG(uint64(req.Seed), uint64(m.day.Unix())))
	m.ids = model.NewIDSource(func() time.Time { return m.clock }, func(b []byte) (int, error) {
		var word [8]byte
		for i := 0; i < len(b); i += 8 {
			binary.LittleEndian.PutUint64(word[:], random.Uint64())
			copy(b[i:], word[:])
		}
		return len(b), nil
	})
	for i, l := range locales {
		for range l.share {
			m.weights = append(m.weights, i)
		}
	}
	return m
}

// about makes the generator that of the i-th thing of a kind.
func (m *maker) about(kind string, i int) {
	var h uint64 = 14695981039346656037
	for _, c := range []byte(kind) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	m.pcg.Seed(uint64(m.req.Seed)^h, uint64(i)*0x9e3779b97f4a7c15+1)
}

func (m *maker) pick(list []string) string { return list[m.IntN(len(list))] }

// chance is true in so many of a hundred cases.
func (m *maker) chance(percent int) bool { return m.IntN(100) < percent }

// newID returns the next id; ids rise from table to table and row to row.
func (m *maker) newID() model.ID { return m.ids.New() }

// add stores one row with its values by column. A nil or empty value is NULL.
func (m *maker) add(noun model.Noun, id model.ID, at time.Time, by string, values ...any) {
	if m.err != nil {
		return
	}
	t := m.tables[noun]
	if t == nil {
		e := model.EntityOf(noun)
		t = &table{e: e, empty: model.NewRow(e), row: make(model.Row, len(e.Columns())), index: map[string]int{}}
		for i, c := range e.Columns() {
			t.index[c.Name] = i
		}
		m.tables[noun] = t
	}
	copy(t.row, t.empty)
	t.row[0] = id
	for i := 0; i < len(values); i += 2 {
		if v := values[i+1]; v != "" && v != model.ID("") {
			t.row[t.index[values[i].(string)]] = v
		}
	}
	ms := at.UnixMilli()
	t.row[t.index[model.ColumnVersion]] = int64(1)
	t.row[t.index[model.ColumnCreatedAt]], t.row[t.index[model.ColumnUpdatedAt]] = ms, ms
	t.row[t.index[model.ColumnCreatedBy]], t.row[t.index[model.ColumnUpdatedBy]] = by, by
	m.err = m.put(t.e, t.row)
	if !t.e.IsPart() {
		m.counts[noun]++
	}
}

// partID is the id of a part that two people may make alike.
func partID(noun model.Noun, owner, key model.ID) model.ID {
	return model.DerivedID(string(noun), string(owner), string(key))
}

func (m *maker) make(ctx context.Context, n model.Notify) error {
	m.makeBasics()
	for i := range m.orgs {
		m.makeOrganization(i)
	}
	for i := range m.req.Contacts {
		if m.err != nil {
			return m.err
		}
		if i%1000 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			n.Tell("making", int64(i), int64(m.req.Contacts))
		}
		m.makeContact(i)
	}
	n.Tell("indexing", 0, 0)
	return m.err
}

// makeBasics makes the users, the products and the tags. The pipeline is the
// one that every workspace begins with.
func (m *maker) makeBasics() {
	at := m.day.AddDate(-2, 0, 0)
	list := append([]string{m.me + "|You|sales"}, colleagues...)
	for i := range m.req.Contacts / 20000 {
		list = append(list, "rep"+strings.Repeat("0", max(0, 2-i/10))+string(rune('0'+i/10%10))+string(rune('0'+i%10))+"|Sales Rep|sales")
	}
	for i, line := range list {
		f := strings.Split(line, "|")
		if i > 0 && f[0] == m.me {
			continue
		}
		u := user{model.DerivedID("user", model.Fold(f[0])), f[0]}
		m.users = append(m.users, u)
		m.add("user", u.id, at, m.me, "login", u.login, "name", f[1], "role", f[2], "email", u.login+"@rapport.example", "team", []string{"Field sales", "Inside sales"}[i%2])
	}
	for i, line := range products {
		f := strings.Split(line, "|")
		var price int64
		for _, c := range f[4] {
			price = price*10 + int64(c-'0')
		}
		it := item{m.newID(), f[2], price * 100}
		m.products = append(m.products, it)
		m.add("product", it.id, at.AddDate(0, 0, i), m.me, "code", f[0], "name", f[1], "category", f[2], "unit", f[3], "price_minor", it.price, "price_currency", m.currency)
	}
	for i, name := range tagNames {
		id := model.DerivedID("tag", model.Fold(name))
		m.tags = append(m.tags, id)
		m.add("tag", id, at, m.me, "name", name, "color", tagColors[i])
	}
	seed := model.SeedRows()
	m.pipeline = seed["pipeline"][0].ID()
	e := model.EntityOf("stage")
	for _, row := range seed["stage"] {
		s := stage{id: row.ID()}
		s.name, _ = row.Get(e, "name").(string)
		s.kind, _ = row.Get(e, "kind").(string)
		s.position, _ = row.Get(e, "position").(int64)
		m.stages = append(m.stages, s)
	}
	slices.SortFunc(m.stages, func(a, b stage) int { return int(a.position - b.position) })
}
