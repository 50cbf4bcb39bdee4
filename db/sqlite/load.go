package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strings"

	"rapport/model"
)

// chunk is how many ids one query names at most.
const chunk = 400

// querier is what reads: the pool of readers, or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// record reads one record in full within the transaction; nil if absent.
func (t *Tx) record(e *model.Entity, id model.ID) (*model.Record, error) {
	row, err := t.row(e, id)
	if err != nil || row == nil {
		return nil, err
	}
	r := model.RecordOf(e, row)
	return r, t.db.fill(context.Background(), prepared{t}, e, []*model.Record{r}, false)
}

// Get returns a record with its parts and the names of its links, also one
// that is deleted.
func (d *DB) Get(ctx context.Context, n model.Noun, id model.ID) (*model.Record, error) {
	e := model.EntityOf(n)
	if e == nil {
		return nil, model.Errorf(model.Invalid, "there is no noun %q", n)
	}
	records, err := d.records(ctx, e, planOf(e).byID, []any{id.Bytes()}, false)
	if err != nil {
		return nil, err
	}
	if len(records) == 0 {
		return nil, model.Errorf(model.NotFound, "there is no %s %s", e.Noun, id.Short())
	}
	return records[0], nil
}

// records runs a query for rows of an entity and fills them.
func (d *DB) records(ctx context.Context, e *model.Entity, query string, args []any, short bool) ([]*model.Record, error) {
	rows, err := d.read().QueryContext(ctx, query, args...)
	if err != nil {
		return nil, mapError("read "+string(e.Noun), err)
	}
	defer rows.Close()
	out := []*model.Record{}
	for rows.Next() {
		row, err := scanRow(e, rows)
		if err != nil {
			return nil, err
		}
		out = append(out, model.RecordOf(e, row))
	}
	if err := rows.Err(); err != nil {
		return nil, mapError("read "+string(e.Noun), err)
	}
	rows.Close()
	return out, mapError("read "+string(e.Noun), d.fill(ctx, d.read(), e, out, short))
}

// fill gives records their parts, the names of their links and their state
// towards the central, by a few queries for all of them. short leaves out lists
// that are not essential and keeps the first item of the others.
func (d *DB) fill(ctx context.Context, q querier, e *model.Entity, records []*model.Record, short bool) error {
	if len(records) == 0 {
		return nil
	}
	byID := make(map[model.ID]*model.Record, len(records))
	ids := make([]model.ID, 0, len(records))
	for _, r := range records {
		byID[r.ID] = r
		ids = append(ids, r.ID)
	}
	done := map[model.Noun]bool{}
	for _, f := range e.Lists() {
		if !done[f.Part] && (f.Essential || !short) {
			done[f.Part] = true
			if err := d.fillParts(ctx, q, e, model.EntityOf(f.Part), ids, byID, short); err != nil {
				return err
			}
		}
	}
	for _, r := range records {
		joinPrimary(e, r)
		if short {
			for _, f := range e.Lists() {
				if l := r.List(f.Name); len(l) > 1 {
					r.Values[f.Name] = l[:1]
				}
			}
		}
	}
	if err := nameLinks(ctx, q, records); err != nil {
		return err
	}
	if err := fillProbability(ctx, q, e, records); err != nil {
		return err
	}
	if err := fillLastChange(ctx, q, e, ids, byID); err != nil {
		return err
	}
	return fillSync(ctx, q, ids, byID)
}

// each runs a query whose %s names ids, in chunks, and calls scan for each of
// its rows.
func each(ctx context.Context, q querier, query string, ids []model.ID, scan func(*sql.Rows) error, more ...any) error {
	for part := range slices.Chunk(ids, chunk) {
		args := make([]any, len(part), len(part)+len(more))
		for i, id := range part {
			args[i] = id.Bytes()
		}
		args = append(args, more...)
		rows, err := q.QueryContext(ctx, strings.Replace(query, "%s", marks(len(part)), 1), args...)
		if err != nil {
			return err
		}
		for rows.Next() {
			if err := scan(rows); err != nil {
				rows.Close()
				return err
			}
		}
		err = rows.Err()
		rows.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// ownerColumn returns the column by which a part names an owner of a noun.
func ownerColumn(owner *model.Entity) string { return quote(string(owner.Noun) + "_id") }

// fillParts loads the living parts of one kind for all records and sorts them
// into the lists they belong to.
func (d *DB) fillParts(ctx context.Context, q querier, e, pe *model.Entity, ids []model.ID, byID map[model.ID]*model.Record, short bool) error {
	query := "SELECT " + planOf(pe).list + "\nFROM " + quote(string(pe.Noun)) + "\nWHERE " + ownerColumn(e) + " IN (%s) AND deleted_at IS NULL\nORDER BY rid"
	err := each(ctx, q, query, ids, func(rows *sql.Rows) error {
		row, err := scanRow(pe, rows)
		if err != nil {
			return err
		}
		_, owner, _ := row.OwnerOf(pe)
		r := byID[owner]
		if r == nil {
			return nil
		}
		part := model.RecordOf(pe, row)
		for _, f := range e.Lists() {
			if model.BelongsTo(f, part) {
				if !short {
					d.addE164(part)
				}
				r.Values[f.Name] = append(r.List(f.Name), part)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, r := range byID {
		for _, f := range e.Lists() {
			if f.Part == pe.Noun {
				sortParts(r.List(f.Name))
			}
		}
	}
	return nil
}

// addE164 gives a phone its international form.
func (d *DB) addE164(part *model.Record) {
	if part.Text("kind") == "phone" {
		if s := d.e164(part.Text("value")); s != "" {
			part.Values["e164"] = s
		}
	}
}

// sortParts puts the primary part first and the others in their order. Where
// two people made one primary, or gave two the same place, the one that was
// made first comes first everywhere.
func sortParts(parts []*model.Record) {
	slices.SortStableFunc(parts, func(a, b *model.Record) int {
		if pa, pb := a.Bool("primary"), b.Bool("primary"); pa != pb {
			if pa {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.Int("position"), b.Int("position")), a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
}

// primaryLink returns the record's own link that names the first item of a
// list of links: the organization among the organizations of a contact. It is
// nil for other lists.
func primaryLink(e *model.Entity, f *model.Field) *model.Field {
	if f.Type != model.List || f.Shape != model.Linked {
		return nil
	}
	if link := e.Field(f.Target); link != nil && link.Type == model.Link {
		return link
	}
	return nil
}

// joinPrimary makes such a list the union of the items with the record's own
// link, which comes first.
func joinPrimary(e *model.Entity, r *model.Record) {
	for _, f := range e.Lists() {
		link := primaryLink(e, f)
		if link == nil {
			continue
		}
		ref := r.Ref(link.Name)
		if ref.ID == "" {
			continue
		}
		list := r.List(f.Name)
		i := slices.IndexFunc(list, func(p *model.Record) bool { return p.Ref(f.Target).ID == ref.ID })
		if i < 0 {
			first := model.NewPart(f)
			first.Values[f.Target] = ref
			list = append([]*model.Record{first}, list...)
		} else {
			first := list[i]
			list = append([]*model.Record{first}, slices.Delete(list, i, i+1)...)
		}
		r.Values[f.Name] = list
	}
}

// nameLinks fills in the names of all links of records and their parts.
func nameLinks(ctx context.Context, q querier, records []*model.Record) error {
	names := map[recordKey]string{}
	visitLinks(records, func(ref model.Ref) model.Ref {
		names[recordKey{ref.Noun, ref.ID}] = ""
		return ref
	})
	if err := titles(ctx, q, names); err != nil {
		return err
	}
	visitLinks(records, func(ref model.Ref) model.Ref {
		ref.Name = names[recordKey{ref.Noun, ref.ID}]
		return ref
	})
	return nil
}

// visitLinks replaces each link of records and their parts.
func visitLinks(records []*model.Record, fn func(model.Ref) model.Ref) {
	for _, r := range records {
		for k, v := range r.Values {
			switch x := v.(type) {
			case model.Ref:
				if x.ID != "" {
					r.Values[k] = fn(x)
				}
			case []*model.Record:
				visitLinks(x, fn)
			}
		}
	}
}

// titles looks up what records are called; an absent one keeps "".
func titles(ctx context.Context, q querier, names map[recordKey]string) error {
	ids := map[model.Noun][]model.ID{}
	for k := range names {
		ids[k.noun] = append(ids[k.noun], k.id)
	}
	for n, list := range ids {
		e := model.EntityOf(n)
		if e == nil || !planOf(e).titled {
			continue
		}
		err := each(ctx, q, "SELECT id, title\nFROM "+quote(string(n))+"\nWHERE id IN (%s)", list, func(rows *sql.Rows) error {
			var id []byte
			var title string
			if err := rows.Scan(&id, &title); err != nil {
				return err
			}
			names[recordKey{n, model.IDFromBytes(id)}] = title
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// fillSync looks up which records have unsent edits, conflicts and refusals.
func fillSync(ctx context.Context, q querier, ids []model.ID, byID map[model.ID]*model.Record) error {
	worst := func(id []byte, s model.SyncState) {
		if r := byID[model.IDFromBytes(id)]; r != nil && s > r.Sync {
			r.Sync = s
		}
	}
	err := each(ctx, q, "SELECT record_id, max(code IS NOT NULL)\nFROM sync_base\nWHERE record_id IN (%s)\nGROUP BY record_id", ids, func(rows *sql.Rows) error {
		var id []byte
		var refused int64
		if err := rows.Scan(&id, &refused); err != nil {
			return err
		}
		if worst(id, model.Pending); refused != 0 {
			worst(id, model.Rejected)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return each(ctx, q, "SELECT record_id\nFROM sync_conflict\nWHERE record_id IN (%s) AND settled_at IS NULL", ids, func(rows *sql.Rows) error {
		var id []byte
		if err := rows.Scan(&id); err != nil {
			return err
		}
		worst(id, model.Conflicted)
		return nil
	})
}
