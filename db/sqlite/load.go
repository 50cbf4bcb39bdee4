package sqlite

import (
	"context"
	"database/sql"

	"rapport/model"
)

// querier is what reads: the pool, or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// record reads one record in full within the transaction.
func (t *Tx) record(e *model.Entity, id model.ID) (*model.Record, error) {
	row, err := t.row(e, id)
	if err != nil {
		return nil, err
	}
	r := model.RecordOf(e, row)
	return r, nil
}
