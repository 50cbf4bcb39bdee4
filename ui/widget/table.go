package widget

import (
	"context"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget/draw"
)

// Table shows the records of a query. It holds five screens of rows at most
// around the cursor and pages by the query's cursors; the cursor stays on its
// record when the order or the records change.
type Table struct {
	env    *screen.Env
	entity *model.Entity
	cols   []Column
	query  model.Query

	rows       []tableRow
	prev, next string // cursors of the pages before and after the rows
	cur, top   int    // positions in rows
	wish       int    // rows still to move when the next page is there
	selected   map[model.ID]bool

	page, count *screen.Loader
	loaded      bool
	total       int64
	counted     bool
	err         error

	w, h   int
	col    int // column under the cursor
	off    int // first column shown beside the title
	need   []int
	shown  []int
	widths []int
	layout int // raised whenever cached rows are void
	head   string
}

type tableRow struct {
	rec    *model.Record
	cursor string
	text   []string // cells as drawn in this layout
	plain  string   // the line without cursor and selection, "" until it was drawn
	layout int
}

// NewTable returns a table for a query. Load begins to read.
func NewTable(env *screen.Env, q model.Query) *Table {
	e := model.EntityOf(q.Noun)
	t := &Table{env: env, entity: e, cols: ColumnsOf(e), query: q, selected: map[model.ID]bool{}, layout: 1,
		page: screen.NewLoader(env.Context), count: screen.NewLoader(env.Context)}
	t.query.Short = !t.whole()
	return t
}

// Query returns the query that is shown.
func (t *Table) Query() model.Query { return t.query }

// SetQuery shows another query of the same noun from its beginning.
func (t *Table) SetQuery(q model.Query) tea.Cmd {
	q.Noun, q.Short = t.query.Noun, !t.whole()
	t.query = q
	t.wish = 0
	return tea.Batch(t.first(), t.recount())
}

// whole tells whether a column counts the parts of its records, which a short
// read leaves out.
func (t *Table) whole() bool {
	return slices.ContainsFunc(t.cols, func(c Column) bool { return c.Field != nil && counted(c.Field) })
}

// Load reads the first page and counts all records.
func (t *Table) Load() tea.Cmd { return tea.Batch(t.first(), t.recount()) }

// pages is what a load of rows answers.
type pages struct {
	how        loadKind
	items      []*model.Record
	cursors    []string
	prev, next string
	at         model.ID // where the cursor goes, "" for where it is
}

type loadKind int

const (
	loadFirst loadKind = iota
	loadLast
	loadMore
	loadBefore
	loadAround
)

// height is the rows that are seen, one at least.
func (t *Table) height() int { return max(1, t.h-1) }

func (t *Table) read(how loadKind, near []model.ID, steps ...model.Query) tea.Cmd {
	ws := t.env.Workspace
	return t.page.Load(func(ctx context.Context) (any, error) { return readPages(ctx, ws, how, near, steps) })
}

// readPages reads the first query, around the first of the near records that
// is still in the list if any are named, and, where a second query is given and
// there are rows before the first one's, those too.
func readPages(ctx context.Context, ws model.Reader, how loadKind, near []model.ID, steps []model.Query) (any, error) {
	out := pages{how: how}
	first := steps[0]
	for i, id := range near {
		probe := first
		probe.Around, probe.Limit = id, 1
		if i == 0 && len(near) == 1 {
			first.Around, out.at = id, id
			break
		}
		p, err := ws.List(ctx, probe)
		if err != nil {
			return nil, err
		}
		if len(p.Items) > 0 && p.Items[0].ID == id {
			first.Around, out.at = id, id
			break
		}
	}
	p, err := ws.List(ctx, first)
	if err != nil {
		return nil, err
	}
	out.items, out.cursors, out.prev, out.next = p.Items, p.Cursors, p.Prev, p.Next
	if len(steps) > 1 && p.Prev != "" {
		q := steps[1]
		q.Before = p.Prev
		b, err := ws.List(ctx, q)
		if err != nil {
			return nil, err
		}
		out.items = append(slices.Clone(b.Items), out.items...)
		out.cursors = append(slices.Clone(b.Cursors), out.cursors...)
		out.prev = b.Prev
	}
	return out, nil
}

func (t *Table) first() tea.Cmd {
	q := t.query
	q.Limit = 2*t.height() + 10
	return t.read(loadFirst, nil, q)
}

func (t *Table) last() tea.Cmd {
	q := t.query
	q.Limit, q.Last = 2*t.height()+10, true
	return t.read(loadLast, nil, q)
}

// Reload reads the rows again without moving the cursor.
func (t *Table) Reload() tea.Cmd {
	if len(t.rows) == 0 {
		return t.Load()
	}
	q, before := t.query, t.query
	q.Limit, before.Limit = 2*t.height()+10, t.height()
	return tea.Batch(t.read(loadAround, t.near(), q, before), t.recount())
}

// near are the records around the cursor, the one under it first: where that
// is gone, the next one takes its place.
func (t *Table) near() []model.ID {
	ids := []model.ID{t.rows[t.cur].rec.ID}
	for d := 1; len(ids) < 2*t.height() && d < len(t.rows); d++ {
		for _, i := range []int{t.cur + d, t.cur - d} {
			if i >= 0 && i < len(t.rows) {
				ids = append(ids, t.rows[i].rec.ID)
			}
		}
	}
	return ids
}

// GoTo puts the cursor on a record, wherever in the list it is.
func (t *Table) GoTo(id model.ID) tea.Cmd {
	for i, r := range t.rows {
		if r.rec.ID == id {
			return t.moveTo(i)
		}
	}
	q, before := t.query, t.query
	q.Limit, before.Limit = 2*t.height()+10, t.height()
	return t.read(loadAround, []model.ID{id}, q, before)
}

func (t *Table) recount() tea.Cmd {
	ws, q := t.env.Workspace, t.query
	q.Limit, q.Quick = 0, true
	return t.count.Load(func(ctx context.Context) (any, error) { return ws.Count(ctx, q) })
}

// Update takes the answers of the table's loads. ok is false for any other
// message.
func (t *Table) Update(msg tea.Msg) (cmd tea.Cmd, ok bool) {
	m, is := msg.(screen.LoadedMsg)
	switch {
	case !is:
		return nil, false
	case t.count.Take(m):
		if n, good := m.Value.(int64); good && m.Err == nil {
			t.total, t.counted = n, true
		}
		return nil, true
	case t.page.Take(m):
		return t.apply(m), true
	}
	return nil, false
}

func (t *Table) apply(m screen.LoadedMsg) tea.Cmd {
	if t.err = m.Err; m.Err != nil {
		t.loaded = true
		return screen.Fail(m.Err)
	}
	p := m.Value.(pages)
	fresh := make([]tableRow, len(p.items))
	for i, r := range p.items {
		fresh[i] = tableRow{rec: r, cursor: p.cursors[i]}
	}
	shift := t.cur - t.top
	switch p.how {
	case loadFirst:
		t.rows, t.prev, t.next, t.cur, t.top = fresh, p.prev, p.next, 0, 0
	case loadLast:
		t.rows, t.prev, t.next = fresh, p.prev, p.next
		t.cur = max(0, len(fresh)-1)
	case loadMore:
		t.rows, t.next = append(t.rows, fresh...), p.next
		if drop := t.top - t.height(); drop > 0 {
			t.rows = slices.Clone(t.rows[drop:])
			t.prev = t.rows[0].cursor
			t.cur, t.top = t.cur-drop, t.top-drop
		}
	case loadBefore:
		t.rows, t.prev = append(fresh, t.rows...), p.prev
		t.cur, t.top = t.cur+len(fresh), t.top+len(fresh)
		if keep := t.top + 3*t.height(); keep < len(t.rows) {
			t.rows = slices.Clone(t.rows[:keep])
			t.next = t.rows[keep-1].cursor
		}
	case loadAround:
		i := slices.IndexFunc(fresh, func(r tableRow) bool { return r.rec.ID == p.at })
		if i < 0 {
			i = min(t.cur, max(0, len(fresh)-1))
		}
		t.rows, t.prev, t.next, t.cur = fresh, p.prev, p.next, i
		t.top = max(0, i-shift)
	}
	if whole := t.prev == "" && t.next == ""; !t.loaded || whole || p.how == loadFirst || p.how == loadLast {
		t.measure()
	}
	t.loaded = true
	t.clamp()
	if w := t.wish; w != 0 && (p.how == loadMore || p.how == loadBefore) {
		t.wish = 0
		return t.Move(w)
	}
	return t.ahead()
}

// clamp keeps the cursor in the rows and on the screen.
func (t *Table) clamp() {
	t.cur = max(0, min(t.cur, len(t.rows)-1))
	t.top = max(0, min(t.top, t.cur))
	if h := t.height(); t.cur >= t.top+h {
		t.top = t.cur - h + 1
	}
	if h := t.height(); t.next == "" && t.top+h > len(t.rows) {
		t.top = max(0, len(t.rows)-h)
	}
}

// ahead reads the next page when the cursor comes near the end of the rows.
func (t *Table) ahead() tea.Cmd {
	if t.page.Busy() || len(t.rows) == 0 {
		return nil
	}
	h := t.height()
	q := t.query
	q.Limit = 2*h + 10
	switch {
	case t.next != "" && t.top+h+h/2 > len(t.rows):
		q.After = t.rows[len(t.rows)-1].cursor
		return t.read(loadMore, nil, q)
	case t.prev != "" && t.top < h/2:
		q.Before = t.rows[0].cursor
		return t.read(loadBefore, nil, q)
	}
	return nil
}

// Move moves the cursor by rows. What lies beyond the rows at hand is moved
// when they are read.
func (t *Table) Move(by int) tea.Cmd {
	want := t.cur + t.wish + by
	switch {
	case want >= len(t.rows) && t.next != "":
		t.wish = want - max(0, len(t.rows)-1)
	case want < 0 && t.prev != "":
		t.wish = want
	default:
		t.wish = 0
	}
	return t.moveTo(want)
}

func (t *Table) moveTo(i int) tea.Cmd {
	t.cur = i
	t.clamp()
	return t.ahead()
}

// Page moves by screens, Top and Bottom to the ends.
func (t *Table) Page(by int) tea.Cmd {
	h := t.height()
	t.top = max(0, min(t.top+by*h, max(0, len(t.rows)-h)))
	return t.Move(by * h)
}

// Top goes to the first record.
func (t *Table) Top() tea.Cmd {
	if t.prev == "" {
		t.wish = 0
		return t.moveTo(0)
	}
	return t.first()
}

// Bottom goes to the last record.
func (t *Table) Bottom() tea.Cmd {
	if t.next == "" {
		t.wish = 0
		return t.moveTo(len(t.rows) - 1)
	}
	return t.last()
}

// Current returns the record under the cursor, nil if there is none.
func (t *Table) Current() *model.Record {
	if t.cur < 0 || t.cur >= len(t.rows) {
		return nil
	}
	return t.rows[t.cur].rec
}

// Column returns the column under the cursor.
func (t *Table) Column() Column { return t.cols[t.col] }

// Columns returns all columns, those beyond the edge too.
func (t *Table) Columns() []Column { return t.cols }

// MoveColumn moves the cursor by columns.
func (t *Table) MoveColumn(by int) {
	t.col = max(0, min(t.col+by, len(t.cols)-1))
	t.arrange()
}

// Sort orders by the column under the cursor, the other way round when it is
// already. ok is false where nothing can be sorted by it.
func (t *Table) Sort() (cmd tea.Cmd, ok bool) {
	name, ok := t.Column().Key()
	if !ok {
		return nil, false
	}
	desc := false
	if k := t.order(); k.Field == name {
		desc = !k.Desc
	}
	t.query.Sort = []model.SortKey{{Field: name, Desc: desc}}
	t.arrange()
	return t.Reload(), true
}

// Working says what the table is at, "" if it waits for nothing.
func (t *Table) Working() string {
	if !t.page.Busy() {
		return ""
	}
	for _, k := range t.query.Sort {
		if f := t.entity.Field(k.Field); f != nil && !f.Sorted {
			return "sorting by " + strings.ToLower(f.Label)
		}
	}
	return "reading"
}

// order is the first key of the order that is shown.
func (t *Table) order() model.SortKey {
	if len(t.query.Sort) > 0 {
		return t.query.Sort[0]
	}
	return model.SortKey{}
}

// Toggle selects the record under the cursor or takes it out, and moves on.
func (t *Table) Toggle() tea.Cmd {
	r := t.Current()
	if r == nil {
		return nil
	}
	if t.selected[r.ID] {
		delete(t.selected, r.ID)
	} else {
		t.selected[r.ID] = true
	}
	return t.Move(1)
}

// Selected returns the selected ids, or that of the record under the cursor if
// none is selected.
func (t *Table) Selected() []model.ID {
	var out []model.ID
	for id := range t.selected {
		out = append(out, id)
	}
	slices.Sort(out)
	if r := t.Current(); len(out) == 0 && r != nil {
		out = []model.ID{r.ID}
	}
	return out
}

// ClearSelection selects nothing. It tells whether anything was.
func (t *Table) ClearSelection() bool {
	any := len(t.selected) > 0
	clear(t.selected)
	return any
}

// Marked is how many records are selected.
func (t *Table) Marked() int { return len(t.selected) }

// Total returns how many records the query has; ok is false until they are
// counted.
func (t *Table) Total() (n int64, ok bool) { return t.total, t.counted }

// Count writes the total; where so many match a text that counting them all
// would take too long, it says from how many on.
func (t *Table) Count() string {
	q := t.query
	q.Quick = true
	if q.More(t.total) {
		return draw.Count(model.Plenty) + "+"
	}
	return draw.Count(t.total)
}

// Held is how many rows the table holds at the moment.
func (t *Table) Held() int { return len(t.rows) }

// Empty tells that the query was read and has no record.
func (t *Table) Empty() bool { return t.loaded && len(t.rows) == 0 && t.err == nil }

// Loaded tells that the first page is there.
func (t *Table) Loaded() bool { return t.loaded }
