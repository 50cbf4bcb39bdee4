package backup

import (
	"context"
	"database/sql"
	"time"

	"rapport/db/sqlite"
	"rapport/model"
)

// localSource is the cache of the workspace.
type localSource struct {
	db    *sqlite.DB
	now   func() time.Time
	place string // where the backups go
}

var _ source = localSource{}

func (s localSource) open(ctx context.Context, readers int, follow bool, n model.Notify) (snapshot, error) {
	lineage, err := s.db.Lineage(ctx)
	if err != nil {
		return nil, err
	}
	tables, err := localTables(ctx, s.db)
	if err != nil {
		return nil, err
	}
	schema, err := sqlite.SchemaVersion()
	if err != nil {
		return nil, err
	}
	m, err := s.db.Moment(ctx, readers, follow, func() { n.Tell("waiting for another backup of this workspace", 0, 0) })
	if err != nil {
		return nil, err
	}
	at := s.now().UTC().Truncate(time.Millisecond)
	return &localSnapshot{place: s.place, m: m, list: tables, what: moment{
		Source: model.SourceLocal, Lineage: lineage, At: at, Schema: schema, Readers: len(m.Readers()), Mark: mark{Note: m.Newest, At: at},
	}}, nil
}

// localSnapshot is one moment of the cache.
type localSnapshot struct {
	place string
	m     *sqlite.Moment
	list  []table
	what  moment
}

func (s *localSnapshot) info() moment    { return s.what }
func (s *localSnapshot) tables() []table { return s.list }
func (s *localSnapshot) close() error    { return s.m.Close() }

func (s *localSnapshot) count(ctx context.Context, reader int, t table) (n int64, exact bool, err error) {
	err = s.m.Readers()[reader].QueryRowContext(ctx, "SELECT count(*) FROM \""+t.Name+"\"").Scan(&n)
	return n, true, err
}

func (s *localSnapshot) rows(ctx context.Context, reader int, t table, row func(values []any) error) error {
	return scan(ctx, s.m.Readers()[reader], described(t).Select(), nil, len(t.Columns), row)
}

func (s *localSnapshot) changed(ctx context.Context, reader int, t table, since mark, row func(values []any) error, gone func(key []any) error) error {
	k := len(t.Key)
	return scan(ctx, s.m.Readers()[reader], described(t).SelectChanged(), []any{since.Note}, k+1+len(t.Columns), func(v []any) error {
		if v[k] == int64(0) {
			return gone(v[:k])
		}
		return row(v[k+1:])
	})
}

func (s *localSnapshot) follows(ctx context.Context, id model.ID, since mark) (string, error) {
	ok, err := s.m.Follows(ctx, id, since.Note)
	if err != nil || ok {
		return "", err
	}
	return "this copy of the workspace does not know what changed since then", nil
}

func (s *localSnapshot) keep(ctx context.Context, id model.ID, full bool) error {
	return s.m.KeepMark(ctx, id, s.place, full)
}

// described is a table as the cache describes it.
func described(t table) sqlite.Table {
	return sqlite.Table{Name: t.Name, Columns: t.Columns, Types: t.Types, Key: t.Key}
}

// scan passes each row of a query on.
func scan(ctx context.Context, tx *sql.Tx, query string, args []any, columns int, row func(values []any) error) error {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	values, dest := make([]any, columns), make([]any, columns)
	for i := range values {
		dest[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		if err := row(values); err != nil {
			return err
		}
	}
	return rows.Err()
}
