package sim

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"rapport/model"
)

// errBusy is what a writer gets that needs a row which an open transaction
// holds: the real server lets it wait and then gives up.
var errBusy = model.Errorf(model.Unreachable, "the server is busy with other changes")

// refusal is a change that the server will not have.
type refusal struct{ code, msg string }

// Error returns the server's words.
func (r *refusal) Error() string { return r.code + ": " + r.msg }

// Tx is one transaction of a writer. It sees what is committed and what it
// wrote itself; the rows it wrote are locked until it ends.
type Tx struct {
	server   *Server
	person   string
	rows     map[rowKey]model.Row // written; nil is deleted
	held     map[rowKey]bool      // true: written; false: only needed to stay
	outbox   []change
	arrivals []arrival
	history  []happened
}

// Begin begins a transaction of a person or a program.
func (s *Server) Begin(person string) *Tx {
	t := &Tx{server: s, person: person, rows: map[rowKey]model.Row{}, held: map[rowKey]bool{}}
	s.open = append(s.open, t)
	return t
}

func (t *Tx) end() {
	t.server.open = slices.DeleteFunc(t.server.open, func(o *Tx) bool { return o == t })
	t.server = nil
}

// Ended tells whether the transaction is over, also by a restart.
func (t *Tx) Ended() bool { return t.server == nil }

// Rollback takes back what the transaction wrote.
func (t *Tx) Rollback() {
	if t.server != nil {
		t.end()
	}
}

// Commit shows what the transaction wrote. Its changes take their place among
// those of others by the time at which they were written.
func (t *Tx) Commit() {
	s := t.server
	if s == nil {
		return
	}
	for k, row := range t.rows {
		if row == nil {
			delete(s.tables[k.noun], k.id)
		} else {
			s.tables[k.noun][k.id] = row
		}
	}
	s.history = append(s.history, t.history...)
	s.outbox = append(s.outbox, t.outbox...)
	slices.SortFunc(s.outbox, func(a, b change) int { return int(a.oid - b.oid) })
	for _, a := range t.arrivals {
		s.arrivals[a]++
	}
	t.end()
}

// row returns what the transaction sees of a row, nil if there is none.
func (t *Tx) row(k rowKey) model.Row {
	if row, ok := t.rows[k]; ok {
		return row
	}
	return t.server.lookup(k)
}

// lock takes a row, to write it or so that it stays.
func (t *Tx) lock(k rowKey, write bool) error {
	for _, o := range t.server.open {
		if wrote, holds := o.held[k]; o != t && holds && (wrote || write) {
			return errBusy
		}
	}
	t.held[k] = t.held[k] || write
	return nil
}

// capture writes the outbox.
func (t *Tx) capture(k rowKey, op model.FeedOp, old, row model.Row) {
	t.server.lastOutbox++
	e := model.EntityOf(k.noun)
	c := change{oid: t.server.lastOutbox, key: k, op: op}
	t.note(e, k, old, row)
	if old != nil {
		c.scopeOld, _ = old.Get(e, model.ColumnScope).(model.ID)
	}
	if row != nil {
		c.scopeNew, _ = row.Get(e, model.ColumnScope).(model.ID)
		for i, col := range e.Columns() {
			if old == nil || old[i] != row[i] {
				if s, ok := tokenOf(row[i]); ok && !col.Service {
					from := ""
					if old != nil {
						from, _ = tokenOf(old[i])
					}
					t.arrivals = append(t.arrivals, arrival{k, col.Name, from, s})
				}
			}
		}
	}
	t.outbox = append(t.outbox, c)
}

// note writes the history of a row.
func (t *Tx) note(e *model.Entity, k rowKey, old, row model.Row) {
	h := happened{at: t.server.clock().UnixMilli(), key: k, RowChange: model.RowChange{Made: old == nil, Gone: row == nil, Columns: map[string][2]any{}}}
	for _, i := range model.ChangedColumns(e, old, row) {
		var was, is any
		if old != nil {
			was = old[i]
		}
		if row != nil {
			is = row[i]
		}
		h.Columns[e.Columns()[i].Name] = [2]any{was, is}
	}
	t.history = append(t.history, h)
}

// Insert makes a row of the columns that are given, as another program does.
func (t *Tx) Insert(n model.Noun, id model.ID, set map[string]any) error {
	e := model.EntityOf(n)
	row := model.NewRow(e)
	row[0] = id
	for name, v := range set {
		row.Set(e, name, v)
	}
	return t.insertRow(e, row)
}

// errTwin is what an insert meets whose id is there already.
var errTwin = errors.New("there is a row of that id")

// insertRow is an insert with what the central's triggers add.
func (t *Tx) insertRow(e *model.Entity, row model.Row) error {
	k := rowKey{e.Noun, row.ID()}
	if err := t.lock(k, true); err != nil {
		return err
	}
	moment := t.server.clock().UnixMilli()
	row.Set(e, model.ColumnVersion, int64(1))
	row.Set(e, model.ColumnCreatedBy, t.person)
	row.Set(e, model.ColumnUpdatedBy, t.person)
	for _, c := range []string{model.ColumnCreatedAt, model.ColumnUpdatedAt} {
		if at, ok := row.Get(e, c).(int64); !ok || at > moment {
			row.Set(e, c, moment)
		}
	}
	t.newScope(e, row)
	if e.Noun == "deal" {
		t.firstStage(e, row)
	}
	if err := t.check(e, row); err != nil {
		return err
	}
	if t.row(k) != nil {
		return errTwin
	}
	if err := t.references(e, nil, row); err != nil {
		return err
	}
	t.rows[k] = row
	t.capture(k, model.FeedUpsert, nil, row)
	return nil
}

// newScope says who sees a new row: everybody, if the noun is shared; who owns
// it; or, of a part, whom its record shows itself to.
func (t *Tx) newScope(e *model.Entity, row model.Row) {
	if e.Shared {
		row.Set(e, model.ColumnScope, model.SharedScope)
	} else if owner := row.Get(e, ownerColumn); owner != nil && row.Get(e, model.ColumnScope) == model.CompanyScope {
		row.Set(e, model.ColumnScope, owner)
	}
	t.ownerScope(e, row)
}

// ownerColumn is the column of the person who looks after a record.
const ownerColumn = "owner_id"

// ownerScope lets a part be seen by whom its owner is seen.
func (t *Tx) ownerScope(e *model.Entity, row model.Row) {
	if n, id, ok := row.OwnerOf(e); ok {
		if owner := t.row(rowKey{n, id}); owner != nil {
			row.Set(e, model.ColumnScope, owner.Get(model.EntityOf(n), model.ColumnScope))
		}
	}
}

// firstStage gives a deal the pipeline of its stage. Deals of this simulation
// always have a stage.
func (t *Tx) firstStage(e *model.Entity, row model.Row) {
	if id, ok := row.Get(e, "stage_id").(model.ID); ok && row.Get(e, "pipeline_id") == nil {
		if stage := t.row(rowKey{"stage", id}); stage != nil {
			row.Set(e, "pipeline_id", stage.Get(model.EntityOf("stage"), "pipeline_id"))
		}
	}
}

// Update changes columns of a row, as another program does. A row that is not
// there is left alone.
func (t *Tx) Update(n model.Noun, id model.ID, set map[string]any) error {
	e, k := model.EntityOf(n), rowKey{n, id}
	if t.row(k) == nil {
		return nil
	}
	if err := t.lock(k, true); err != nil {
		return err
	}
	row := slices.Clone(t.row(k))
	for name, v := range set {
		row.Set(e, name, v)
	}
	return t.updateRow(e, row)
}

// updateRow is an update of a row that is locked, with what the central's
// triggers do.
func (t *Tx) updateRow(e *model.Entity, row model.Row) error {
	k := rowKey{e.Noun, row.ID()}
	old := t.row(k)
	if row.Get(e, model.ColumnCreatedAt) == nil {
		row.Set(e, model.ColumnCreatedAt, old.Get(e, model.ColumnCreatedAt))
	}
	n, id, _ := row.OwnerOf(e)
	if on, oid, _ := old.OwnerOf(e); on != n || oid != id {
		t.ownerScope(e, row)
	}
	if !counts(e, old, row) {
		return nil
	}
	moment := t.server.clock().UnixMilli()
	was, _ := old.Get(e, model.ColumnUpdatedAt).(int64)
	if at, ok := row.Get(e, model.ColumnUpdatedAt).(int64); !ok || at <= was || at > moment {
		row.Set(e, model.ColumnUpdatedAt, moment)
	}
	version, _ := old.Get(e, model.ColumnVersion).(int64)
	row.Set(e, model.ColumnVersion, version+1)
	row.Set(e, model.ColumnUpdatedBy, t.person)
	if err := t.check(e, row); err != nil {
		return err
	}
	if err := t.references(e, old, row); err != nil {
		return err
	}
	t.rows[k] = row
	t.capture(k, model.FeedUpsert, old, row)
	if old.Get(e, model.ColumnScope) != row.Get(e, model.ColumnScope) {
		return t.follow(e, row)
	}
	return nil
}

// counts tells whether two states of a row differ in a column whose change is
// a change of the row.
func counts(e *model.Entity, a, b model.Row) bool {
	for i, c := range e.Columns() {
		switch c.Name {
		case model.ColumnID, model.ColumnVersion, model.ColumnUpdatedAt, model.ColumnUpdatedBy:
			continue
		}
		if a[i] != b[i] {
			return true
		}
	}
	return false
}

// follow gives the parts of a record its scope.
func (t *Tx) follow(e *model.Entity, row model.Row) error {
	for _, part := range model.Entities() {
		if !slices.Contains(part.Owner, e.Noun) {
			continue
		}
		for _, p := range t.all(part.Noun) {
			if n, id, ok := p.OwnerOf(part); ok && n == e.Noun && id == row.ID() {
				set := map[string]any{model.ColumnScope: row.Get(e, model.ColumnScope)}
				if err := t.Update(part.Noun, p.ID(), set); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// all returns the rows of a table that the transaction sees, in the order of
// their ids.
func (t *Tx) all(n model.Noun) []model.Row {
	var out []model.Row
	for _, row := range t.server.sorted(n) {
		if _, mine := t.rows[rowKey{n, row.ID()}]; !mine {
			out = append(out, row)
		}
	}
	for k, row := range t.rows {
		if k.noun == n && row != nil {
			out = append(out, row)
		}
	}
	slices.SortFunc(out, func(a, b model.Row) int { return strings.Compare(string(a.ID()), string(b.ID())) })
	return out
}

// Delete removes a row for good, as another program does. A row that is still
// pointed to stays.
func (t *Tx) Delete(n model.Noun, id model.ID) error {
	k := rowKey{n, id}
	if t.row(k) == nil {
		return nil
	}
	if err := t.lock(k, true); err != nil {
		return err
	}
	for _, e := range model.Entities() {
		for i, c := range e.Columns() {
			if c.Ref != n {
				continue
			}
			for _, row := range t.all(e.Noun) {
				if row[i] == id {
					return &refusal{"reference", fmt.Sprintf("a %s still points to the %s", e.Noun, n)}
				}
			}
		}
	}
	old := t.row(k)
	t.rows[k] = nil
	t.capture(k, model.FeedDelete, old, nil)
	return nil
}

// references checks the foreign keys of a row and keeps what it points to.
func (t *Tx) references(e *model.Entity, old, row model.Row) error {
	for i, c := range e.Columns() {
		id, ok := row[i].(model.ID)
		if c.Ref == "" || !ok || id == "" || old != nil && old[i] == row[i] {
			continue
		}
		k := rowKey{c.Ref, id}
		if err := t.lock(k, false); err != nil {
			return err
		}
		if t.row(k) == nil {
			return &refusal{"reference", c.Name + " names a record that the company's database does not have"}
		}
	}
	return nil
}

// check refuses what the central's columns and triggers refuse.
func (t *Tx) check(e *model.Entity, row model.Row) error {
	owners := 0
	for i, c := range e.Columns() {
		s, isText := row[i].(string)
		f := c.Field
		needed := c.NotNull || c.Owner && len(e.Owner) == 1 || f != nil && f.Required && len(f.Columns()) == 1
		switch {
		case c.Owner && row[i] != nil:
			owners++
		case needed && row[i] == nil:
			return &refusal{"check", c.Name + " is needed"}
		case isText && c.Type == model.ColText && len([]rune(s)) > c.Max:
			return &refusal{"too_long", c.Name + " is longer than the company's database allows"}
		case isText && t.server.forbidden != "" && strings.HasPrefix(s, t.server.forbidden):
			return &refusal{"check", c.Name + " is forbidden here"}
		case isText && f != nil && f.Type == model.Choice && !f.Open && !slices.Contains(f.Options, s):
			return &refusal{"check", c.Name + " must be one of " + strings.Join(f.Options, ", ")}
		case isText && f != nil && f.Type != model.Choice && f.Required && strings.Trim(s, " ") == "":
			return &refusal{"check", c.Name + " must not be blank"}
		}
	}
	if len(e.Owner) > 1 && owners != 1 {
		return &refusal{"check", "a part belongs to one record"}
	}
	return nil
}
