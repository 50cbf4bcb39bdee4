package sqlite

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"rapport/model"
)

// Board returns a pipeline's stages with their first deals, counts and sums.
// An empty id means the default pipeline.
func (d *DB) Board(ctx context.Context, pipeline model.ID, perColumn int) (model.Board, error) {
	p, err := d.pipeline(ctx, pipeline)
	if err != nil {
		return model.Board{}, err
	}
	columns, err := d.columns(ctx, p, "", nil, perColumn)
	return model.Board{Pipeline: p, Columns: columns}, mapError("board", err)
}

// pipeline returns a pipeline with its stages; an empty id means the default
// one. Error: NotFound.
func (d *DB) pipeline(ctx context.Context, id model.ID) (*model.Record, error) {
	if id == "" {
		var b []byte
		err := d.read().QueryRowContext(ctx, "SELECT id\nFROM pipeline\nWHERE deleted_at IS NULL\nORDER BY is_default DESC, id\nLIMIT 1").Scan(&b)
		if notNoRows(err) != nil {
			return nil, mapError("board", err)
		}
		if id = model.IDFromBytes(b); id == "" {
			return nil, model.Errorf(model.NotFound, "there is no pipeline yet")
		}
	}
	return d.Get(ctx, "pipeline", id)
}

// mine returns the condition that a record under the alias t is the person's:
// it is theirs, or they made it and it is nobody's.
func (d *DB) mine(ctx context.Context, q querier) (sql string, args []any, err error) {
	ids, err := matching(ctx, q, model.EntityOf("user"), severalIDs, "login COLLATE NOCASE = ?", d.settings.Me)
	if err != nil {
		return "", nil, err
	}
	sql, args = "(t.owner_id IS NULL AND t.created_by = ?)", []any{d.settings.Me}
	for _, id := range ids {
		sql, args = sql+" OR t.owner_id = ?", append(args, id.Bytes())
	}
	return "(" + sql + ")", args, nil
}

// columns returns the columns of a board, only of the deals for which a
// condition holds if one is given.
func (d *DB) columns(ctx context.Context, p *model.Record, mine string, mineArgs []any, perColumn int) ([]model.BoardColumn, error) {
	columns := []model.BoardColumn{}
	at := map[model.ID]int{}
	var ids []model.ID
	for _, s := range p.List("stages") {
		at[s.ID] = len(columns)
		ids = append(ids, s.ID)
		columns = append(columns, model.BoardColumn{Stage: s, Deals: []*model.Record{}})
	}
	if mine != "" {
		mine = " AND " + mine
	}
	err := each(ctx, d.read(), `SELECT t.stage_id, t.amount_currency, count(*), sum(t.amount_minor),
       CAST(sum(round(t.amount_minor * coalesce(t.probability, s.probability, 0) / 100.0)) AS INTEGER)
FROM deal AS t
JOIN stage AS s ON s.id = t.stage_id
WHERE t.stage_id IN (%s) AND t.deleted_at IS NULL`+mine+`
GROUP BY t.stage_id, t.amount_currency
ORDER BY 2`, ids, func(rows *sql.Rows) error {
		var id []byte
		var currency sql.NullString
		var n int64
		var sum, weighted sql.NullInt64
		if err := rows.Scan(&id, &currency, &n, &sum, &weighted); err != nil {
			return err
		}
		c := &columns[at[model.IDFromBytes(id)]]
		c.Count += n
		if sum.Valid {
			c.Sum = append(c.Sum, model.Money{Minor: sum.Int64, Currency: currency.String})
			c.Weighted = append(c.Weighted, model.Money{Minor: weighted.Int64, Currency: currency.String})
		}
		return nil
	}, mineArgs...)
	if err != nil || perColumn <= 0 {
		return columns, err
	}
	return columns, d.cards(ctx, columns, mine, mineArgs, perColumn)
}

// cards loads the first deals of each column, by close date, and fills them
// together.
func (d *DB) cards(ctx context.Context, columns []model.BoardColumn, mine string, mineArgs []any, perColumn int) error {
	e := model.EntityOf("deal")
	var all []*model.Record
	for i := range columns {
		rows, err := d.read().QueryContext(ctx, "SELECT "+columnList(e, "t")+"\nFROM deal AS t\nWHERE t.stage_id = ? AND t.deleted_at IS NULL"+mine+
			"\nORDER BY t.close_date ASC NULLS LAST, t.id\nLIMIT ?", append(append([]any{columns[i].Stage.ID.Bytes()}, mineArgs...), perColumn)...)
		if err != nil {
			return err
		}
		for rows.Next() {
			row, err := scanRow(e, rows)
			if err != nil {
				rows.Close()
				return err
			}
			columns[i].Deals = append(columns[i].Deals, model.RecordOf(e, row))
		}
		err = rows.Err()
		rows.Close()
		if err != nil {
			return err
		}
		all = append(all, columns[i].Deals...)
	}
	return d.fill(ctx, d.read(), e, all, true)
}

// How many lines the start page's parts have.
const (
	overviewTasks    = 50
	overviewUpcoming = 10
	overviewRotting  = 20
	overviewRecent   = 10
)

// Overview returns what the start page shows: my tasks, my pipeline, what
// rots, how much there is and what happened last.
func (d *DB) Overview(ctx context.Context, now time.Time) (model.Overview, error) {
	o, err := d.overview(ctx, now)
	return o, mapError("overview", err)
}

func (d *DB) overview(ctx context.Context, now time.Time) (o model.Overview, err error) {
	if o.Counts, err = d.Counts(ctx); err != nil {
		return o, err
	}
	if o.Recent, err = d.recent(ctx, overviewRecent); err != nil {
		return o, err
	}
	mine, me, err := d.mine(ctx, d.read())
	if err != nil {
		return o, err
	}
	end := time.Date(now.Year(), now.Month(), now.Day()+1, 0, 0, 0, 0, now.Location()).UnixMilli()
	activity := model.EntityOf("activity")
	open := "SELECT " + columnList(activity, "t") + "\nFROM activity AS t\nWHERE t.deleted_at IS NULL AND " + mine + " AND t.status = 'open' AND t.due_at "
	if o.Tasks, err = d.records(ctx, activity, open+"< ?\nORDER BY t.due_at, t.id\nLIMIT ?", append(slices.Clone(me), end, overviewTasks), true); err != nil {
		return o, err
	}
	if o.Upcoming, err = d.records(ctx, activity, open+">= ?\nORDER BY t.due_at, t.id\nLIMIT ?", append(slices.Clone(me), end, overviewUpcoming), true); err != nil {
		return o, err
	}
	p, err := d.pipeline(ctx, "")
	if model.KindOf(err) == model.NotFound {
		return o, nil
	}
	if err != nil {
		return o, err
	}
	if o.Pipeline, err = d.columns(ctx, p, mine, me, 0); err != nil {
		return o, err
	}
	deal := model.EntityOf("deal")
	o.Rotting, err = d.records(ctx, deal, "SELECT "+columnList(deal, "t")+`
FROM stage AS s
JOIN deal AS t ON t.stage_id = s.id
WHERE t.deleted_at IS NULL AND `+mine+` AND s.kind = 'open'
  AND (t.stage_entered_at < ? - s.rot_days * 86400000 OR t.close_date < ?)
ORDER BY t.close_date ASC NULLS LAST, t.id
LIMIT ?`, append(slices.Clone(me), now.UnixMilli(), now.Format(time.DateOnly), overviewRotting), true)
	return o, err
}

// Related returns the records of one noun that link to a record: by a link of
// their own or by an item of a list.
func (d *DB) Related(ctx context.Context, n model.Noun, id model.ID, of model.Noun, limit int) ([]*model.Record, error) {
	to, e := model.EntityOf(n), model.EntityOf(of)
	if to == nil || e == nil || e.IsPart() {
		return nil, model.Errorf(model.Invalid, "nothing relates %q to %q", n, of)
	}
	var from []string
	for i := range e.Fields {
		f := &e.Fields[i]
		for _, c := range f.Columns() {
			if c.Ref == to.Noun {
				from = append(from, "SELECT id FROM "+quote(string(e.Noun))+" WHERE "+quote(c.Name)+" = ?1")
			}
		}
		if f.Target == "" {
			continue
		}
		for _, c := range model.EntityOf(f.Part).Field(f.Target).Columns() {
			if c.Ref == to.Noun {
				from = append(from, "SELECT "+ownerColumn(e)+" FROM "+quote(string(f.Part))+" WHERE "+quote(c.Name)+" = ?1 AND deleted_at IS NULL AND "+ownerColumn(e)+" IS NOT NULL")
			}
		}
	}
	if len(from) == 0 {
		return []*model.Record{}, nil
	}
	by := "t.sort_key, t.id"
	if e.Noun == "activity" {
		by = "t.id DESC"
	}
	query := "SELECT " + columnList(e, "t") + "\nFROM " + quote(string(e.Noun)) + " AS t\nWHERE t.deleted_at IS NULL AND t.id IN (" +
		strings.Join(from, "\nUNION\n") + ")\nORDER BY " + by
	args := []any{id.Bytes()}
	if limit > 0 {
		query, args = query+"\nLIMIT ?2", append(args, limit)
	}
	return d.records(ctx, e, query, args, true)
}
