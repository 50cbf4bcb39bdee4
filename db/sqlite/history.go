package sqlite

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"rapport/model"
)

// entry is one row of the history.
type entry struct {
	seq, at   int64
	by        string
	action    string
	record    recordKey
	e         *model.Entity
	row       model.ID
	changes   []model.FieldChange
	note, tbl string
}

// entries returns history rows, newest first.
func entries(ctx context.Context, q querier, where string, limit int, args ...any) ([]entry, error) {
	query := "SELECT seq, at, coalesce(by, ''), action, noun, record_id, tbl, row_id, changes, coalesce(note, '')\nFROM audit\nWHERE " + where + "\nORDER BY seq DESC"
	if limit > 0 {
		query, args = query+"\nLIMIT ?", append(args, limit)
	}
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []entry
	for rows.Next() {
		var x entry
		var noun, changes string
		var record, row []byte
		if err := rows.Scan(&x.seq, &x.at, &x.by, &x.action, &noun, &record, &x.tbl, &row, &changes, &x.note); err != nil {
			return nil, err
		}
		if x.e = model.EntityOf(model.Noun(x.tbl)); x.e == nil {
			continue
		}
		x.record, x.row = recordKey{model.Noun(noun), model.IDFromBytes(record)}, model.IDFromBytes(row)
		x.changes = decodeChanges(x.e, changes)
		out = append(out, x)
	}
	return out, rows.Err()
}

// History returns what happened to a record and its parts here, newest first.
// The rows that one act changed are one revision.
func (d *DB) History(ctx context.Context, n model.Noun, id model.ID) ([]model.Revision, error) {
	e := model.EntityOf(n)
	if e == nil {
		return nil, model.Errorf(model.Invalid, "there is no noun %q", n)
	}
	list, err := entries(ctx, d.read(), "record_id = ? AND noun = ?", 0, id.Bytes(), string(e.Noun))
	if err != nil {
		return nil, mapError("history", err)
	}
	out, err := d.revisions(ctx, list)
	return out, mapError("history", err)
}

// revisions joins the entries of one act and names their links.
func (d *DB) revisions(ctx context.Context, list []entry) ([]model.Revision, error) {
	out := []model.Revision{}
	var last entry
	for _, x := range list {
		if hidden(x) {
			continue
		}
		changes, err := d.shownChanges(ctx, d.read(), x)
		if err != nil {
			return nil, err
		}
		// That a part is added or taken away is an edit of its record, unless
		// the record itself came with it.
		action := x.action
		if slices.Contains([]string{"add", "delete", "restore"}, action) && x.e.Noun != x.record.noun {
			action = "edit"
		}
		n := len(out) - 1
		if n >= 0 && last.at == x.at && last.by == x.by && last.action == x.action && last.record == x.record {
			// The entry of the record itself was written before its parts'.
			out[n].Changes = append(changes, out[n].Changes...)
			if x.e.Noun == x.record.noun {
				out[n].Action = action
			}
			if x.note != "" && !strings.Contains(out[n].Note, x.note) {
				out[n].Note = strings.TrimPrefix(out[n].Note+"; "+x.note, "; ")
			}
		} else {
			out = append(out, model.Revision{At: time.UnixMilli(x.at).UTC(), By: x.by, Action: action, Noun: x.record.noun, ID: x.record.id, Changes: changes, Note: x.note})
		}
		last = x
	}
	names := map[recordKey]string{}
	visitChanges(out, func(v any) any {
		if ref, ok := v.(model.Ref); ok {
			names[recordKey{ref.Noun, ref.ID}] = ""
		}
		return v
	})
	if err := titles(ctx, d.read(), names); err != nil {
		return nil, err
	}
	visitChanges(out, func(v any) any { return named(names, v) })
	return out, nil
}

// hidden tells whether an entry says nothing that a person does not read beside
// it: its part is shown in no list of its record, for another field tells the
// same.
func hidden(x entry) bool {
	e := model.EntityOf(x.record.noun)
	return e != nil && x.e.IsPart() && !slices.ContainsFunc(e.Lists(), func(f *model.Field) bool { return f.Part == x.e.Noun })
}

func visitChanges(list []model.Revision, fn func(any) any) {
	for i := range list {
		for j := range list[i].Changes {
			c := &list[i].Changes[j]
			c.Old, c.New = fn(c.Old), fn(c.New)
		}
	}
}

// shownChanges are an entry's changes as a person reads them: those of a part
// under the list that it lies in, and without its place in the order.
func (d *DB) shownChanges(ctx context.Context, q querier, x entry) ([]model.FieldChange, error) {
	if !x.e.IsPart() {
		return slices.DeleteFunc(x.changes, func(c model.FieldChange) bool { return c.Field == model.ColumnDeletedAt }), nil
	}
	rows, err := q.QueryContext(ctx, planOf(x.e).byID, x.row.Bytes())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var row model.Row
	if rows.Next() {
		if row, err = scanRow(x.e, rows); err != nil {
			return nil, err
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	list, main := string(x.e.Noun), mainField(x.e)
	if f := listOf(x.record.noun, x.e, row); f != nil {
		list = f.Name
	}
	made := slices.ContainsFunc(x.changes, func(c model.FieldChange) bool { return c.Field == model.OwnerField })
	var out []model.FieldChange
	for _, c := range x.changes {
		f := x.e.Field(c.Field)
		switch {
		case c.Field == model.ColumnDeletedAt && row != nil && main != nil:
			v := model.FieldValue(x.e, main, row)
			if c.New != nil {
				out = append(out, model.FieldChange{Field: list, Old: v})
			} else {
				out = append(out, model.FieldChange{Field: list, New: v})
			}
		case f == nil || f.ReadOnly:
		case f == main:
			out = append(out, model.FieldChange{Field: list, Old: c.Old, New: c.New})
		case !made:
			out = append(out, model.FieldChange{Field: list + "." + c.Field, Old: c.Old, New: c.New})
		}
	}
	return out, nil
}

// mainField is the field that stands for a part: the first of those that tell
// it from its siblings and is more than a kind. A part that nothing tells apart
// stands for the last record that it names.
func mainField(pe *model.Entity) (main *model.Field) {
	for _, name := range pe.PartKey {
		if f := pe.Field(name); f.Type != model.Choice {
			return f
		}
	}
	for i := range pe.Fields {
		if f := &pe.Fields[i]; f.Type == model.Link {
			main = f
		}
	}
	return main
}

// Timeline returns what happened around a record, newest first: activities
// about it, for an organization also those about its contacts and deals, and
// its changes.
func (d *DB) Timeline(ctx context.Context, n model.Noun, id model.ID, limit int) ([]model.Event, error) {
	e := model.EntityOf(n)
	if e == nil {
		return nil, model.Errorf(model.Invalid, "there is no noun %q", n)
	}
	if limit <= 0 {
		limit = 1000
	}
	out, err := d.activityEvents(ctx, e, id, limit)
	if err != nil {
		return nil, mapError("timeline", err)
	}
	list, err := entries(ctx, d.read(), "record_id = ? AND noun = ?", limit, id.Bytes(), string(e.Noun))
	if err != nil {
		return nil, mapError("timeline", err)
	}
	revisions, err := d.revisions(ctx, list)
	if err != nil {
		return nil, mapError("timeline", err)
	}
	for _, r := range revisions {
		out = append(out, changeEvent(r))
	}
	conflicts, err := openConflicts(ctx, d.read(), "record_id = ?", id.Bytes())
	if err != nil {
		return nil, mapError("timeline", err)
	}
	for _, c := range conflicts {
		out = append(out, model.Event{At: fromMillis(c.theirsAt), ID: c.record, Kind: "conflict", Title: "conflict in " + c.field, By: c.theirsBy.String, Conflict: true})
	}
	slices.SortStableFunc(out, func(a, b model.Event) int { return b.At.Compare(a.At) })
	return out[:min(limit, len(out))], nil
}

// activityEvents returns the activities about a record.
func (d *DB) activityEvents(ctx context.Context, e *model.Entity, id model.ID, limit int) ([]model.Event, error) {
	ae := model.EntityOf("activity")
	link := model.EntityOf("activity_link")
	if i, _ := link.Column(string(e.Noun) + "_id"); i < 0 {
		return nil, nil
	}
	about := []string{"SELECT activity_id FROM activity_link WHERE deleted_at IS NULL AND " + quote(string(e.Noun)+"_id") + " = ?1"}
	for _, other := range []model.Noun{"contact", "deal"} {
		if f := model.EntityOf(other).Field(string(e.Noun)); f != nil && f.Type == model.Link && other != e.Noun && e.Noun == "organization" {
			about = append(about, "SELECT l.activity_id FROM "+quote(string(other))+" AS o JOIN activity_link AS l ON l."+quote(string(other)+"_id")+" = o.id AND l.deleted_at IS NULL WHERE o.organization_id = ?1 AND o.deleted_at IS NULL")
		}
	}
	query := "SELECT " + columnList(ae, "t") + "\nFROM activity AS t\nWHERE t.deleted_at IS NULL AND t.id IN (" + strings.Join(about, "\nUNION\n") +
		")\nORDER BY coalesce(t.done_at, t.start_at, t.due_at, t.created_at) DESC\nLIMIT ?2"
	records, err := d.records(ctx, ae, query, []any{id.Bytes(), limit}, false)
	if err != nil {
		return nil, err
	}
	var out []model.Event
	for _, r := range records {
		ev := model.Event{At: cmp.Or(r.Time("done_at"), r.Time("start_at"), r.Time("due_at"), r.CreatedAt), Noun: "activity", ID: r.ID, Kind: r.Text("kind"),
			Title: r.Title(), Body: r.Text("body"), By: cmp.Or(r.Ref("owner").Name, r.CreatedBy), Status: r.Text("status"), DueAt: r.Time("due_at"), Conflict: r.Sync == model.Conflicted}
		for _, p := range r.List("about") {
			ev.About = append(ev.About, p.Ref("record"))
		}
		out = append(out, ev)
	}
	return out, nil
}

// changeEvent is a revision as a line of a timeline.
func changeEvent(r model.Revision) model.Event {
	ev := model.Event{At: r.At, ID: r.ID, Kind: r.Action, By: r.By, Changes: r.Changes, Title: r.Note}
	var labels []string
	for _, c := range r.Changes {
		if c.Field == "stage" && r.Action == "edit" {
			ev.Kind = "stage"
		}
		label := c.Field
		if e := model.EntityOf(r.Noun); e != nil && e.Field(c.Field) != nil {
			label = e.Field(c.Field).Label
		}
		if !slices.Contains(labels, label) {
			labels = append(labels, label)
		}
	}
	if ev.Title == "" && r.Action != "add" && r.Action != "delete" && r.Action != "restore" {
		ev.Title = strings.Join(labels, ", ")
	}
	return ev
}

// recent returns the last changes of all records with their titles.
func (d *DB) recent(ctx context.Context, limit int) ([]model.Event, error) {
	list, err := entries(ctx, d.read(), "1", limit*4)
	if err != nil {
		return nil, err
	}
	revisions, err := d.revisions(ctx, list)
	if err != nil {
		return nil, err
	}
	names := map[recordKey]string{}
	for _, r := range revisions {
		names[recordKey{r.Noun, r.ID}] = ""
	}
	if err := titles(ctx, d.read(), names); err != nil {
		return nil, err
	}
	slices.SortStableFunc(revisions, func(a, b model.Revision) int { return b.At.Compare(a.At) })
	var out []model.Event
	for _, r := range revisions[:min(limit, len(revisions))] {
		ev := changeEvent(r)
		name := names[recordKey{r.Noun, r.ID}]
		ev.Noun, ev.Title, ev.Body = r.Noun, name, ev.Title
		ev.About = []model.Ref{{Noun: r.Noun, ID: r.ID, Name: name}}
		out = append(out, ev)
	}
	return out, nil
}
