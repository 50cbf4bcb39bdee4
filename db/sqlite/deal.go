package sqlite

import (
	"context"
	"database/sql"

	"rapport/model"
)

// fillProbability gives deals without a probability of their own that of their
// stage.
func fillProbability(ctx context.Context, q querier, e *model.Entity, records []*model.Record) error {
	if e.Noun != "deal" {
		return nil
	}
	stages := map[model.ID]any{}
	var ids []model.ID
	for _, r := range records {
		id := r.Ref("stage").ID
		if _, known := stages[id]; r.Values["probability"] == nil && id != "" && !known {
			stages[id] = nil
			ids = append(ids, id)
		}
	}
	err := each(ctx, q, "SELECT id, probability\nFROM stage\nWHERE id IN (%s)", ids, func(rows *sql.Rows) error {
		var id []byte
		var p sql.NullInt64
		if err := rows.Scan(&id, &p); err != nil {
			return err
		}
		if p.Valid {
			stages[model.IDFromBytes(id)] = p.Int64
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, r := range records {
		if p := stages[r.Ref("stage").ID]; r.Values["probability"] == nil && p != nil {
			r.Values["probability"] = p
		}
	}
	return nil
}
