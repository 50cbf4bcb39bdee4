package backup

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"rapport/model"
)

// link is one backup of a chain with its manifest.
type link struct {
	entry
	m *manifest
}

// chain is a backup with all those that it needs, the full one first. It reads
// as the full set of rows at the moment of its end.
type chain struct {
	store Store
	keys  keys
	links []link
}

// openChain opens the chain that ends with a backup, out of a list of those
// that its store holds. A chain with a gap is Corrupt and says which backup is
// missing.
func openChain(ctx context.Context, s Store, k keys, list []entry, end entry) (*chain, error) {
	c := &chain{store: s, keys: k}
	for e := end; ; {
		m, err := e.manifestOf(ctx, s, k)
		if err != nil {
			return nil, err
		}
		if len(c.links) > 0 {
			if err := continues(c.links[0].m, m); err != nil {
				return nil, err
			}
		}
		c.links = slices.Insert(c.links, 0, link{e, m})
		if m.Kind == model.BackupFull {
			return c, nil
		}
		i := slices.IndexFunc(list, func(x entry) bool { return x.id == m.Parent })
		if i < 0 || len(c.links) > len(list) {
			return nil, model.Errorf(model.Corrupt, "the backup %s needs the backup %s, which is not there", end.id.Short(), m.Parent.Short()).
				WithHint("restore an earlier one: rapport backup list shows them").By(model.OtherBackup)
		}
		e = list[i]
	}
}

// continues proves that a backup begins where its parent ended.
func continues(m, parent *manifest) error {
	if m.From != nil && m.From.equal(parent.Mark) && m.Lineage == parent.Lineage && m.Definition == parent.Definition && m.Encoding == parent.Encoding && m.Source == parent.Source {
		return nil
	}
	return model.Errorf(model.Corrupt, "the backup %s does not begin where the backup %s ends", m.ID.Short(), parent.ID.Short()).
		WithHint("restore an earlier one: rapport backup list shows them").By(model.OtherBackup)
}

func (m mark) equal(o mark) bool { return m.same(o) && m.Run == o.Run && m.At.Equal(o.At) }

// same tells whether nothing was noted between two marks.
func (m mark) same(o mark) bool {
	return m.Position == o.Position && m.History == o.History && m.Note == o.Note
}

// end is the manifest of the backup that the chain is for.
func (c *chain) end() *manifest { return c.links[len(c.links)-1].m }

// tables are those of the backup at the end.
func (c *chain) tables() []tableEntry { return c.end().Tables }

// table returns one of them, nil if there is none of that name.
func (c *chain) table(name string) *tableEntry {
	list := c.tables()
	if i := slices.IndexFunc(list, func(te tableEntry) bool { return te.Name == name }); i >= 0 {
		return &list[i]
	}
	return nil
}

// total is how many rows all tables have together, as far as they were counted.
func (c *chain) total() int64 {
	var n int64
	for _, te := range c.tables() {
		if te.Total != nil {
			n += *te.Total
		}
	}
	return n
}

// most is how many rows a table has at most at the end of the chain, by what its
// backups tell of themselves.
func (c *chain) most(table string) (n int64) {
	for _, l := range slices.Backward(c.links) {
		i := slices.IndexFunc(l.m.Tables, func(x tableEntry) bool { return x.Name == table })
		if i < 0 {
			return n
		}
		if n += l.m.Tables[i].Rows; l.m.Tables[i].Whole {
			return n
		}
	}
	return n
}

// rows passes the rows of a table as they are at the end of the chain, in the
// order of its key. It holds one row of each backup in memory. Damage of any of
// them is Corrupt and named; an error of row is returned as it is. Values are
// int64, string, []byte or nil, and row may keep them.
func (c *chain) rows(ctx context.Context, table string, row func(values []any) error) error {
	return c.lines(ctx, table, func(_ []byte, values []any) error { return row(values) })
}

// lines is rows with the canonical line of each row, which is valid during the
// call only.
func (c *chain) lines(ctx context.Context, table string, row func(line []byte, values []any) error) error {
	te := c.table(table)
	if te == nil {
		return model.Errorf(model.NotFound, "there is no table %s in the backup", table)
	}
	g := &merge{key: keyOf(te.Columns, te.Key)}
	defer g.close()
	for _, l := range slices.Backward(c.links) {
		i := slices.IndexFunc(l.m.Tables, func(x tableEntry) bool { return x.Name == table })
		if i < 0 {
			return damaged(l.place, manifestName, "the table "+table+" is missing")
		}
		at := &l.m.Tables[i]
		if err := g.add(newSetReader(ctx, c.store, l.place, c.keys, at.rowSet()), false); err != nil {
			return err
		}
		if err := g.add(newSetReader(ctx, c.store, l.place, c.keys, at.goneSet()), true); err != nil {
			return err
		}
		if at.Whole || l.m.Kind == model.BackupFull {
			break
		}
	}
	n := int64(0)
	err := g.run(func(line []byte, values []any) error {
		n++
		return row(line, values)
	})
	if err == nil && te.Total != nil && n != *te.Total {
		return damaged(c.links[len(c.links)-1].place, rowFolder+"/"+table, "with what it needs it has another number of rows than it tells")
	}
	return err
}

// cursor stands on one line of a set.
type cursor struct {
	r      *setReader
	age    int // 0 for the newest
	gone   bool
	line   []byte
	values []any
	last   []any // key of the line before
}

// merge reads several sets by key. Of lines with one key, that of the newest
// set counts.
type merge struct {
	key     []int // of rows; keys that went are nothing else
	cursors []*cursor
}

// add adds a set that is older than those before.
func (g *merge) add(r *setReader, gone bool) error {
	c := &cursor{r: r, age: len(g.cursors), gone: gone}
	g.cursors = append(g.cursors, c)
	return c.next()
}

func (g *merge) close() {
	for _, c := range g.cursors {
		c.r.close()
	}
}

func (c *cursor) next() (err error) {
	c.line, c.values, err = c.r.nextRow()
	return err
}

// keyAt returns a value of the cursor's key.
func (g *merge) keyAt(c *cursor, i int) any {
	if c.gone {
		return c.values[i]
	}
	return c.values[g.key[i]]
}

func (g *merge) compare(a, b *cursor) int {
	for i := range g.key {
		if n := compareValues(g.keyAt(a, i), g.keyAt(b, i)); n != 0 {
			return n
		}
	}
	return 0
}

// run passes what counts.
func (g *merge) run(row func(line []byte, values []any) error) error {
	live := slices.DeleteFunc(slices.Clone(g.cursors), func(c *cursor) bool { return c.line == nil })
	if len(live) == 1 && !live[0].gone {
		for c := live[0]; c.line != nil; {
			if err := row(c.line, c.values); err != nil {
				return err
			}
			if err := c.next(); err != nil {
				return err
			}
		}
		return nil
	}
	h := heap{g: g}
	for _, c := range live {
		h.push(c)
	}
	for len(h.list) > 0 {
		top := h.list[0]
		if !top.gone {
			if err := row(top.line, top.values); err != nil {
				return err
			}
		}
		// All others with this key are older.
		key := make([]any, len(g.key))
		for i := range key {
			key[i] = g.keyAt(top, i)
		}
		for len(h.list) > 0 && g.at(h.list[0], key) == 0 {
			if err := h.advance(); err != nil {
				return err
			}
		}
	}
	return nil
}

// at compares the cursor's key with another.
func (g *merge) at(c *cursor, key []any) int {
	for i, v := range key {
		if n := compareValues(g.keyAt(c, i), v); n != 0 {
			return n
		}
	}
	return 0
}

// heap holds the cursors, that with the smallest key first, of equal ones the
// newest.
type heap struct {
	g    *merge
	list []*cursor
}

func (h *heap) less(i, j int) bool {
	a, b := h.list[i], h.list[j]
	return cmp.Or(h.g.compare(a, b), cmp.Compare(a.age, b.age)) < 0
}

func (h *heap) push(c *cursor) {
	h.list = append(h.list, c)
	for i := len(h.list) - 1; i > 0 && h.less(i, (i-1)/2); i = (i - 1) / 2 {
		h.list[i], h.list[(i-1)/2] = h.list[(i-1)/2], h.list[i]
	}
}

// advance moves the first cursor on. Its keys must grow.
func (h *heap) advance() error {
	c := h.list[0]
	c.last = c.last[:0]
	for i := range h.g.key {
		c.last = append(c.last, h.g.keyAt(c, i))
	}
	if err := c.next(); err != nil {
		return err
	}
	if c.line == nil {
		last := len(h.list) - 1
		h.list[0] = h.list[last]
		h.list = h.list[:last]
	} else if h.g.at(c, c.last) <= 0 {
		return c.r.bad(errDamaged("the rows are not in the order of their key"))
	}
	for i := 0; ; {
		least := i
		for _, child := range []int{2*i + 1, 2*i + 2} {
			if child < len(h.list) && h.less(child, least) {
				least = child
			}
		}
		if least == i {
			return nil
		}
		h.list[i], h.list[least] = h.list[least], h.list[i]
		i = least
	}
}

// compareValues orders the values of a key: NULL, numbers, then texts and bytes
// by their bytes.
func compareValues(a, b any) int {
	rank := func(v any) int {
		switch v.(type) {
		case nil:
			return 0
		case int64:
			return 1
		}
		return 2
	}
	if n := cmp.Compare(rank(a), rank(b)); n != 0 {
		return n
	}
	switch x := a.(type) {
	case nil:
		return 0
	case int64:
		return cmp.Compare(x, b.(int64))
	case string:
		if y, ok := b.(string); ok {
			return cmp.Compare(x, y)
		}
	}
	return bytes.Compare(asBytes(a), asBytes(b))
}

func asBytes(v any) []byte {
	if s, ok := v.(string); ok {
		return []byte(s)
	}
	return v.([]byte)
}
