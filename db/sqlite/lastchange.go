package sqlite

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"rapport/model"
)

// A record was last changed when it or one of its parts was: a person who adds
// a phone to a contact has changed the contact. Rows keep their own time, so
// that a part's change is one row's change on the wire and on the server; what
// is shown, filtered and sorted by is worked out here.

// partsOf returns the entities whose rows belong to records of one.
func partsOf(e *model.Entity) []*model.Entity {
	var out []*model.Entity
	for _, pe := range model.Entities() {
		if slices.Contains(pe.Owner, e.Noun) {
			out = append(out, pe)
		}
	}
	return out
}

// lastChange is the expression for when a record of an entity, t, was last
// changed; NULL where nobody knows.
func lastChange(e *model.Entity) string {
	parts := partsOf(e)
	if len(parts) == 0 {
		return "t." + quote(model.ColumnUpdatedAt)
	}
	terms := []string{"coalesce(t." + quote(model.ColumnUpdatedAt) + ", 0)"}
	for _, pe := range parts {
		terms = append(terms, "coalesce((SELECT max(x.updated_at) FROM "+quote(string(pe.Noun))+" AS x WHERE x."+ownerColumn(e)+" = t.id), 0)")
	}
	return "nullif(max(" + strings.Join(terms, ", ") + "), 0)"
}

// fillLastChange gives records the time of their last change and who made it.
func fillLastChange(ctx context.Context, q querier, e *model.Entity, ids []model.ID, byID map[model.ID]*model.Record) error {
	parts := partsOf(e)
	if len(parts) == 0 {
		return nil
	}
	var union []string
	for _, pe := range parts {
		union = append(union, "SELECT r.id, p.updated_at AS at, p.updated_by AS who FROM r JOIN "+quote(string(pe.Noun))+" AS p ON p."+ownerColumn(e)+" = r.id")
	}
	// Beside max, SQLite gives the other columns of the row that has it.
	query := "WITH r AS (SELECT id FROM " + quote(string(e.Noun)) + " WHERE id IN (%s))\nSELECT id, max(at), who\nFROM (" +
		strings.Join(union, "\nUNION ALL ") + ")\nWHERE at IS NOT NULL\nGROUP BY id"
	return each(ctx, q, query, ids, func(rows *sql.Rows) error {
		var id []byte
		var at int64
		var who sql.NullString
		if err := rows.Scan(&id, &at, &who); err != nil {
			return err
		}
		if r := byID[model.IDFromBytes(id)]; r != nil && time.UnixMilli(at).After(r.UpdatedAt) {
			r.UpdatedAt, r.UpdatedBy = time.UnixMilli(at).UTC(), who.String
		}
		return nil
	})
}
