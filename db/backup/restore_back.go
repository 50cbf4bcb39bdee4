package backup

import (
	"context"
	"fmt"
	"slices"
	"time"

	"rapport/model"
)

// A moment before the oldest backup comes out of that backup: its history tells
// what each change took away. A row that changed after the moment is the one of
// the backup with these changes taken back in turn, the last one first. So does
// one after which tables were altered before the next backup, and one at which
// the central had been restored, or taken over with a loss, and was not backed up
// yet: the history of a later backup tells of it.

// restoreJump is by how much the positions of a central jump with its restore,
// so that two runs between which they do tell when it was. What happened in
// between, from the moment that came back to the restore, no history tells.
const restoreJump = 1_000_000

// rollBack brings the state of a backup back to the moment that a request names.
func (s *centralState) rollBack(ctx context.Context, req model.RestoreRequest, n model.Notify) error {
	n.Tell("reading the history", 0, 0)
	s.rolled = map[string]*rolledTable{}
	if err := s.findEarlier(ctx, req); err != nil {
		return err
	}
	if begins := s.base.end().Mark.Begins; begins.IsZero() || s.at.Before(begins) {
		return tooEarly(s.base.end().Mark.Begins, s.base.end().At)
	}
	later, err := s.laterHistory(ctx)
	if err != nil {
		return err
	}
	changed := 0
	for _, te := range s.base.tables() {
		if rows := later[te.Name]; len(rows) > 0 && isDeclared(te.Name) {
			changed += len(rows)
			if err := s.takeBack(ctx, &te, rows); err != nil {
				return err
			}
		}
	}
	s.notes = append(s.notes, fmt.Sprintf("the state comes from the backup of %s: what %d rows were before that is told by its history", s.base.end().At.UTC().Format(time.DateTime), changed))
	s.noteWithout()
	return nil
}

// tooEarly says which moment is the earliest that can be reached.
func tooEarly(begins, oldest time.Time) error {
	if begins.IsZero() || begins.After(oldest) {
		begins = oldest
	}
	return model.Errorf(model.NotFound, "the backups and their history begin at %s", begins.UTC().Format(time.DateTime+".000")).WithHint("name that moment or a later one")
}

// findEarlier finds the moment's time and position in the oldest backup, and
// leaves out the runs of the sequencer after it.
func (s *centralState) findEarlier(ctx context.Context, req model.RestoreRequest) error {
	runs, err := readRuns(ctx, s.base, 0)
	if err != nil {
		return err
	}
	if err := untold(runs, req); err != nil {
		return err
	}
	s.at, s.position = req.At.UTC().Truncate(time.Millisecond), 0
	if req.Position != 0 {
		i := slices.IndexFunc(runs, func(r run) bool { return r.seq >= req.Position })
		if i < 0 || i == 0 && runs[0].id > 1 {
			return tooEarly(s.base.end().Mark.Begins, s.base.end().At)
		}
		s.at = runs[i].at
	}
	rolled := newRolled(s.base.table(runTable))
	for _, r := range runs {
		if r.at.After(s.at) {
			rolled.put[keyText(rolled.key(r.values))] = nil
		} else {
			s.position = max(s.position, r.seq)
		}
	}
	s.rolled[runTable] = rolled
	return nil
}

// untold refuses a moment of a central that was replaced by a restore later, of
// which the history of what replaced it tells nothing.
func untold(runs []run, req model.RestoreRequest) error {
	for i := 1; i < len(runs); i++ {
		was, restored := runs[i-1], runs[i]
		if restored.seq-was.seq < restoreJump {
			continue
		}
		if !req.At.IsZero() && req.At.After(was.at) && req.At.Before(restored.at) || req.Position > was.seq && req.Position < restored.seq {
			const form = time.DateTime + ".000"
			return model.Errorf(model.NotFound, "no backup tells of that moment: a restore at %s brought back what was there at %s", restored.at.Format(form), was.at.Format(form)).
				WithHint("name the moment of that restore or a later one, or one to which a backup from before it reaches: rapport backup list")
		}
	}
	return nil
}

// undone is a row that changed after the moment.
type undone struct {
	after []entryOf // what changed then, in order
	made  *entryOf  // when it was made before that, nil if the history does not tell
	last  *entryOf  // the last change up to the moment
	count int64     // changes since it was made
}

// laterHistory returns the rows that changed after the moment, by table and id,
// and leaves out the history of these changes.
func (s *centralState) laterHistory(ctx context.Context) (map[string]map[string]*undone, error) {
	te := s.base.table(historyTable)
	if te == nil {
		return nil, model.Errorf(model.Corrupt, "the backup %s holds no history", s.base.end().ID.Short())
	}
	at, err := columnAt(te, "seq", "at", "person", "tbl", "pk", "action", "changes")
	if err != nil {
		return nil, err
	}
	out := map[string]map[string]*undone{}
	rolled := newRolled(te)
	if err := s.base.rows(ctx, historyTable, func(v []any) error {
		e, err := readEntry(v, at)
		if err != nil || !e.at.After(s.at) {
			return err
		}
		if out[e.table] == nil {
			out[e.table] = map[string]*undone{}
		}
		u := out[e.table][e.id]
		if u == nil {
			u = &undone{}
			out[e.table][e.id] = u
		}
		rolled.put[keyText(rolled.key(v))] = nil
		e.values = nil
		u.after = append(u.after, e)
		return nil
	}); err != nil {
		return nil, err
	}
	s.rolled[historyTable] = rolled
	// Who made and changed these rows before is told by what came before.
	return out, s.base.rows(ctx, historyTable, func(v []any) error {
		e, err := readEntry(v, at)
		if err != nil || e.at.After(s.at) {
			return err
		}
		u := out[e.table][e.id]
		if u == nil {
			return nil
		}
		e.values = nil
		if e.action == "insert" {
			u.made, u.count = &e, 0
		}
		u.last = &e
		u.count++
		return nil
	})
}

// takeBack finds the rows of a table that were others at the moment.
func (s *centralState) takeBack(ctx context.Context, te *tableEntry, rows map[string]*undone) error {
	ids := keyOf(te.Columns, te.Key)
	if len(ids) != 1 || te.Types[ids[0]] != "id" {
		return model.Errorf(model.Corrupt, "the table %s in the backup has no id", te.Name)
	}
	has := map[string][]any{}
	if err := s.base.rows(ctx, te.Name, func(v []any) error {
		if b, _ := v[ids[0]].([]byte); rows[string(b)] != nil {
			has[string(b)] = v
		}
		return nil
	}); err != nil {
		return err
	}
	rolled := newRolled(te)
	for id, u := range rows {
		row, err := before(te, id, has[id], u)
		if err != nil {
			return err
		}
		rolled.put[keyText([]any{[]byte(id)})] = row
	}
	s.rolled[te.Name] = rolled
	return nil
}

// before takes changes of a row back, nil where there is none.
func before(te *tableEntry, id string, row []any, u *undone) ([]any, error) {
	row = slices.Clone(row)
	slices.SortStableFunc(u.after, func(a, b entryOf) int { return a.at.Compare(b.at) })
	set := func(name string, v any) {
		if i := slices.Index(te.Columns, name); i >= 0 {
			row[i] = v
		}
	}
	again := false // it was made anew out of the history
	version := u.count
	if i := slices.Index(te.Columns, model.ColumnVersion); i >= 0 && row != nil {
		had, _ := row[i].(int64)
		version = had - int64(len(u.after))
	}
	for _, e := range slices.Backward(u.after) {
		switch {
		case e.action == "insert":
			row = nil
			continue
		case e.action == "delete":
			row, again, version = make([]any, len(te.Columns)), true, u.count
			set(model.ColumnID, []byte(id))
		case row == nil:
			return nil, model.Errorf(model.Corrupt, "the history of %s %s ends in the middle", te.Name, model.IDFromBytes([]byte(id)))
		}
		for name, change := range e.changes {
			i := slices.Index(te.Columns, name)
			if i < 0 {
				continue
			}
			v, err := archived(te.Types[i], change[0])
			if err != nil {
				return nil, model.Errorf(model.Corrupt, "the history of %s has a value of %s that cannot be read", te.Name, name).Because(err)
			}
			row[i] = v
		}
	}
	if row == nil {
		return nil, nil
	}
	made, last := u.made, u.last
	if last == nil {
		last = &u.after[0] // nobody knows who was there before
	}
	if made == nil {
		made = last
	}
	if again {
		set(model.ColumnCreatedAt, made.at.Format(timeForm))
		set(model.ColumnCreatedBy, made.person)
	}
	set(model.ColumnVersion, max(1, version))
	set(model.ColumnUpdatedAt, last.at.Format(timeForm))
	set(model.ColumnUpdatedBy, last.person)
	return row, nil
}
