package backup

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"rapport/model"
)

// A moment between two backups comes out of the history that the later one
// holds. A row that did not change between the earlier backup and the moment is
// as the earlier one has it; one that did not change between the moment and the
// later backup is as that has it; any other is that of the earlier one with
// every change up to the moment applied in turn.

// The service tables that a moment is read from.
const (
	historyTable = "sync_audit"
	runTable     = "sync_run"
)

// timeForm is how a central writes a time.
const timeForm = "2006-01-02 15:04:05.000"

// entryOf is a line of the history.
type entryOf struct {
	seq     int64
	at      time.Time
	person  string
	table   string
	id      string // its 16 bytes
	action  string
	changes map[string][2]any
	values  []any // the line itself
}

// past is what happened to a row after the earlier backup.
type past struct {
	before []entryOf // up to the moment
	later  bool      // and something after it
}

// rolledTable is what differs of a table from the earlier backup.
type rolledTable struct {
	entry *tableEntry
	put   map[string][]any // rows as they are at the moment, by key; nil for one that is not there
	order []string         // the keys, in order
}

// columnAt finds columns of a table by name.
func columnAt(te *tableEntry, names ...string) ([]int, error) {
	out := make([]int, len(names))
	for i, name := range names {
		if out[i] = slices.Index(te.Columns, name); out[i] < 0 {
			return nil, model.Errorf(model.Corrupt, "the table %s in the backup has no column %s", te.Name, name)
		}
	}
	return out, nil
}

// rollTo brings the state to the moment that a request names.
func (s *centralState) rollTo(ctx context.Context, req model.RestoreRequest, n model.Notify) error {
	n.Tell("reading the history", 0, 0)
	s.rolled = map[string]*rolledTable{}
	if err := s.findMoment(ctx, req); err != nil {
		return err
	}
	rows, err := s.readHistory(ctx)
	if err != nil {
		return err
	}
	for _, te := range s.base.tables() {
		if isDeclared(te.Name) {
			if err := s.rollTable(ctx, &te, rows[te.Name]); err != nil {
				return err
			}
		}
	}
	s.noteWithout()
	return nil
}

// sameColumns tells whether the tables that have a history are the same in both
// backups.
func (s *centralState) sameColumns() bool {
	for _, te := range s.base.tables() {
		after := s.next.table(te.Name)
		if isDeclared(te.Name) && (after == nil || !slices.Equal(after.Columns, te.Columns) || !slices.Equal(after.Types, te.Types)) {
			return false
		}
	}
	return true
}

// isDeclared tells whether a table is one of the declaration, whose changes the
// history tells.
func isDeclared(name string) bool {
	e := model.EntityOf(model.Noun(name))
	return e != nil && string(e.Noun) == name
}

// noteWithout names the tables whose changes no history tells.
func (s *centralState) noteWithout() {
	var without []string
	for _, te := range s.base.tables() {
		if !isDeclared(te.Name) && !strings.HasPrefix(te.Name, "sync_") && te.Rows > 0 {
			without = append(without, te.Name)
		}
	}
	if len(without) > 0 {
		s.notes = append(s.notes, fmt.Sprintf("%s: of the moment of the backup of %s, for they have no history", strings.Join(without, ", "), s.base.end().At.UTC().Format(time.DateTime)))
	}
}

// findMoment finds the moment's time and its position of the feed, and takes
// over the runs of the sequencer up to it.
func (s *centralState) findMoment(ctx context.Context, req model.RestoreRequest) error {
	from := s.base.end().Mark.Position
	runs, err := readRuns(ctx, s.next, from)
	if err != nil {
		return err
	}
	s.at, s.position = req.At.UTC().Truncate(time.Millisecond), from
	if req.Position != 0 {
		i := slices.IndexFunc(runs, func(r run) bool { return r.seq >= req.Position })
		if i < 0 {
			return model.Errorf(model.NotFound, "the backups do not tell when position %d was reached", req.Position)
		}
		s.at = runs[i].at
		if runs[i].seq != req.Position {
			s.notes = append(s.notes, fmt.Sprintf("position %d became visible together with those up to %d", req.Position, runs[i].seq))
		}
	}
	rolled := newRolled(s.base.table(runTable))
	for _, r := range runs {
		if !r.at.After(s.at) {
			s.position = max(s.position, r.seq)
			rolled.set(r.values)
		}
	}
	s.rolled[runTable] = rolled
	return nil
}

// run is a run of the sequencer.
type run struct {
	id, seq int64
	at      time.Time
	values  []any
}

// readRuns returns the runs that reached beyond a position, in order.
func readRuns(ctx context.Context, c *chain, from int64) ([]run, error) {
	te := c.table(runTable)
	if te == nil {
		return nil, model.Errorf(model.Corrupt, "the backup %s holds no runs of the sequencer", c.end().ID.Short())
	}
	at, err := columnAt(te, "run_id", "last_seq", "at")
	if err != nil {
		return nil, err
	}
	var runs []run
	if err := c.rows(ctx, runTable, func(v []any) error {
		r := run{values: v}
		r.id, _ = v[at[0]].(int64)
		r.seq, _ = v[at[1]].(int64)
		text, _ := v[at[2]].(string)
		if r.at, err = time.Parse(timeForm, text); err != nil {
			return model.Errorf(model.Corrupt, "a run of the sequencer in the backup has no time").Because(err)
		}
		if r.seq > from {
			runs = append(runs, r)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	slices.SortFunc(runs, func(a, b run) int { return cmp.Compare(a.id, b.id) })
	return runs, nil
}

// readHistory returns what happened after the earlier backup, by table and row,
// and takes over the history up to the moment.
func (s *centralState) readHistory(ctx context.Context) (map[string]map[string]*past, error) {
	te := s.next.table(historyTable)
	if te == nil || s.base.table(historyTable) == nil {
		return nil, model.Errorf(model.Corrupt, "the backup %s holds no history", s.next.end().ID.Short())
	}
	at, err := columnAt(te, "seq", "at", "person", "tbl", "pk", "action", "changes")
	if err != nil {
		return nil, err
	}
	// Numbers are given before a change is committed: some that are smaller
	// than the newest of the earlier backup come to light after it.
	mark := s.base.end().Mark
	since := mark.At.Add(-time.Hour)
	recent := func(v []any) (entryOf, bool, error) {
		e, err := readEntry(v, at)
		return e, e.seq > mark.History || e.at.After(since), err
	}
	known := map[int64]bool{}
	if err := s.base.rows(ctx, historyTable, func(v []any) error {
		e, is, err := recent(v)
		if is {
			known[e.seq] = true
		}
		return err
	}); err != nil {
		return nil, err
	}
	out := map[string]map[string]*past{}
	rolled := newRolled(s.base.table(historyTable))
	if err := s.next.rows(ctx, historyTable, func(v []any) error {
		e, is, err := recent(v)
		if err != nil || !is || known[e.seq] {
			return err
		}
		if out[e.table] == nil {
			out[e.table] = map[string]*past{}
		}
		p := out[e.table][e.id]
		if p == nil {
			p = &past{}
			out[e.table][e.id] = p
		}
		if e.at.After(s.at) {
			p.later = true
			return nil
		}
		p.before = append(p.before, e)
		rolled.set(e.values)
		return nil
	}); err != nil {
		return nil, err
	}
	s.rolled[historyTable] = rolled
	return out, nil
}

func readEntry(v []any, at []int) (entryOf, error) {
	e := entryOf{values: v, changes: map[string][2]any{}}
	e.seq, _ = v[at[0]].(int64)
	when, _ := v[at[1]].(string)
	e.person, _ = v[at[2]].(string)
	e.table, _ = v[at[3]].(string)
	id, _ := v[at[4]].([]byte)
	e.id = string(id)
	e.action, _ = v[at[5]].(string)
	text, _ := v[at[6]].(string)
	var err error
	if e.at, err = time.Parse(timeForm, when); err == nil {
		dec := json.NewDecoder(strings.NewReader(text))
		dec.UseNumber()
		err = dec.Decode(&e.changes)
	}
	if err != nil {
		return e, model.Errorf(model.Corrupt, "the entry %d of the history in the backup cannot be read", e.seq).Because(err)
	}
	return e, nil
}

// rollTable finds the rows of a table that are others at the moment than in the
// earlier backup.
func (s *centralState) rollTable(ctx context.Context, te *tableEntry, rows map[string]*past) error {
	late, early := map[string]bool{}, map[string]bool{}
	for id, p := range rows {
		switch {
		case len(p.before) == 0:
		case p.later:
			early[id] = true
		default:
			late[id] = true
		}
	}
	if len(late)+len(early) == 0 {
		return nil
	}
	ids := keyOf(te.Columns, te.Key)
	if len(ids) != 1 || te.Types[ids[0]] != "id" {
		return model.Errorf(model.Corrupt, "the table %s in the backup has no id", te.Name)
	}
	rolled := newRolled(te)
	idOf := func(v []any) string { b, _ := v[ids[0]].([]byte); return string(b) }
	if len(late) > 0 {
		after := s.next.table(te.Name)
		if after == nil || !slices.Equal(after.Columns, te.Columns) {
			return model.Errorf(model.Corrupt, "the table %s was altered between the two backups", te.Name)
		}
		if err := s.next.rows(ctx, te.Name, func(v []any) error {
			if id := idOf(v); late[id] {
				delete(late, id)
				rolled.set(v)
			}
			return nil
		}); err != nil {
			return err
		}
		for id := range late {
			rolled.put[keyText([]any{[]byte(id)})] = nil
		}
	}
	if len(early) > 0 {
		had := map[string][]any{}
		if err := s.base.rows(ctx, te.Name, func(v []any) error {
			if id := idOf(v); early[id] {
				had[id] = v
			}
			return nil
		}); err != nil {
			return err
		}
		for id := range early {
			row, err := replay(te, id, had[id], rows[id].before)
			if err != nil {
				return err
			}
			rolled.put[keyText([]any{[]byte(id)})] = row
		}
	}
	s.rolled[te.Name] = rolled
	return nil
}

// replay applies changes to a row, nil where there is none.
func replay(te *tableEntry, id string, row []any, log []entryOf) ([]any, error) {
	row = slices.Clone(row)
	set := func(name string, v any) {
		if i := slices.Index(te.Columns, name); i >= 0 {
			row[i] = v
		}
	}
	for _, l := range log {
		switch {
		case l.action == "delete":
			row = nil
			continue
		case l.action == "insert":
			row = make([]any, len(te.Columns))
			set(model.ColumnID, []byte(id))
			set(model.ColumnVersion, int64(0))
			set(model.ColumnCreatedBy, l.person)
			set(model.ColumnCreatedAt, l.at.Format(timeForm))
		case row == nil:
			return nil, model.Errorf(model.Corrupt, "the history of %s %s begins in the middle", te.Name, model.IDFromBytes([]byte(id)))
		}
		for name, change := range l.changes {
			i := slices.Index(te.Columns, name)
			if i < 0 {
				continue
			}
			v, err := archived(te.Types[i], change[1])
			if err != nil {
				return nil, model.Errorf(model.Corrupt, "the history of %s has a value of %s that cannot be read", te.Name, name).Because(err)
			}
			row[i] = v
		}
		if i := slices.Index(te.Columns, model.ColumnVersion); i >= 0 {
			version, _ := row[i].(int64)
			row[i] = version + 1
		}
		set(model.ColumnUpdatedAt, l.at.Format(timeForm))
		set(model.ColumnUpdatedBy, l.person)
	}
	return row, nil
}

// archived gives a value of the history the form that the archive has.
func archived(typ string, v any) (any, error) {
	switch x := v.(type) {
	case nil:
		return nil, nil
	case bool:
		if x {
			return int64(1), nil
		}
		return int64(0), nil
	case json.Number:
		if typ == "int" {
			return x.Int64()
		}
		return x.String(), nil
	case string:
		switch typ {
		case "id":
			id, ok := model.ParseID(x)
			if !ok {
				return nil, fmt.Errorf("%q is no id", x)
			}
			return id.Bytes(), nil
		case "int":
			return json.Number(x).Int64()
		case "text":
			return x, nil
		}
	}
	return nil, fmt.Errorf("a %T in a column of type %s", v, typ)
}

func newRolled(te *tableEntry) *rolledTable { return &rolledTable{entry: te, put: map[string][]any{}} }

// set puts a row.
func (t *rolledTable) set(row []any) {
	t.put[keyText(t.key(row))] = row
}

func (t *rolledTable) key(row []any) []any {
	var key []any
	for _, i := range keyOf(t.entry.Columns, t.entry.Key) {
		key = append(key, row[i])
	}
	return key
}

// keyText writes a key so that texts are in the order of their keys.
func keyText(key []any) string {
	var b bytes.Buffer
	for _, v := range key {
		switch x := v.(type) {
		case int64:
			fmt.Fprintf(&b, "%016x", uint64(x)^1<<63)
		case []byte:
			b.Write(x)
		case string:
			b.WriteString(x)
		}
	}
	return b.String()
}

// rows passes the rows of the table at the moment, in the order of its key.
func (t *rolledTable) rows(ctx context.Context, base *chain, row func(values []any) error) error {
	if t.order == nil {
		for k := range t.put {
			t.order = append(t.order, k)
		}
		slices.Sort(t.order)
	}
	next := 0
	upTo := func(key string, all bool) error {
		for ; next < len(t.order) && (all || t.order[next] < key); next++ {
			if v := t.put[t.order[next]]; v != nil {
				if err := row(v); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := base.rows(ctx, t.entry.Name, func(v []any) error {
		key := keyText(t.key(v))
		if err := upTo(key, false); err != nil {
			return err
		}
		if next < len(t.order) && t.order[next] == key {
			next++
			if v = t.put[key]; v == nil {
				return nil
			}
		}
		return row(v)
	}); err != nil {
		return err
	}
	return upTo("", true)
}
