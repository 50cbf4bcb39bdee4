package report

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"rapport/model"
)

// fromDeal joins what every report about deals needs.
const fromDeal = `
	FROM "deal" d
	LEFT JOIN "stage" s ON s.id = d.stage_id`

// currencyOf is the currency that a deal counts under. A deal without an amount
// takes that of its pipeline; NULL where that has none.
const currencyOf = `CASE WHEN d.amount_minor IS NOT NULL THEN COALESCE(d.amount_currency, '')
	ELSE (SELECT NULLIF(p.currency, '') FROM "pipeline" p WHERE p.id = COALESCE(d.pipeline_id, s.pipeline_id)) END`

// weighted is the deal's amount times its probability, rounded half away from
// zero. The hundreds are multiplied apart from the rest, so that no product
// leaves 64 bits.
const weighted = `((d.amount_minor / 100) * ` + probability + ` +
	((d.amount_minor % 100) * ` + probability + ` + CASE WHEN d.amount_minor < 0 THEN -50 ELSE 50 END) / 100)`

const probability = `COALESCE(d.probability, s.probability, 0)`

// closedOn is the day on which a won or lost deal closed.
const closedOn = `COALESCE(d.close_date, strftime('%Y-%m-%d', d.closed_at / 1000, 'unixepoch'))`

// kindOf is what a deal's stage means; a deal without a stage is open.
const kindOf = `COALESCE(s.kind, 'open')`

// dealScope returns the conditions of a request on deals, with their
// arguments. day is the expression that From and To bound.
func dealScope(q *request, day string) (string, []any) {
	where := []string{"d.deleted_at IS NULL"}
	var args []any
	add := func(cond string, v any) {
		where = append(where, cond)
		args = append(args, v)
	}
	if q.From != "" {
		add(day+" >= ?", q.From)
	}
	if q.To != "" {
		add(day+" <= ?", q.To)
	}
	if q.Pipeline != "" {
		add("COALESCE(d.pipeline_id, s.pipeline_id) = ?", q.Pipeline.Bytes())
	}
	if q.owner != nil {
		add("d.owner_id = ?", q.owner)
	}
	return "\n\tWHERE " + strings.Join(where, "\n\t  AND "), args
}

// sum is a count with its amounts in one currency.
type sum struct {
	count, rotten    int64
	amount, weighted int64
	amounts          int64 // how many of count have an amount
}

// money returns an amount of the group, nil if nothing in it has one and no
// currency is known.
func (s *sum) money(minor int64, currency string) any {
	if s.amounts == 0 && currency == "" {
		return nil
	}
	return model.Money{Minor: minor, Currency: currency}
}

// currencyOr returns the currency that a group counts under.
func (r *Reporter) currencyOr(c sql.NullString) string {
	if c.Valid {
		return c.String
	}
	return r.currency
}

// stageInfo is a stage with the pipeline it belongs to.
type stageInfo struct {
	id             model.ID
	name, kind     string
	pipeline       model.ID
	pipelineName   string
	currency       string
	isDefault      bool
	position       int64
	alive, unknown bool
}

// stages returns every stage, also deleted ones, which deals may still be in.
func (r *Reporter) stages(ctx context.Context) (map[model.ID]stageInfo, error) {
	out := map[model.ID]stageInfo{}
	err := r.each(ctx, `
		SELECT s.id, s.name, s.kind, COALESCE(s.position, 0), p.id, COALESCE(p.name, ''), COALESCE(p.currency, ''),
			COALESCE(p.is_default, 0), s.deleted_at IS NULL AND p.deleted_at IS NULL AND p.id IS NOT NULL
		FROM "stage" s
		LEFT JOIN "pipeline" p ON p.id = s.pipeline_id`, nil, func(rows *sql.Rows) error {
		var id, pipeline []byte
		var name, kind sql.NullString
		var s stageInfo
		if err := rows.Scan(&id, &name, &kind, &s.position, &pipeline, &s.pipelineName, &s.currency, &s.isDefault, &s.alive); err != nil {
			return err
		}
		s.id, s.pipeline, s.name, s.kind = model.IDFromBytes(id), model.IDFromBytes(pipeline), name.String, kind.String
		out[s.id] = s
		return nil
	})
	return out, err
}

// stageOf returns the stage of an id, or what stands for one that is missing.
func stageOf(all map[model.ID]stageInfo, id model.ID) stageInfo {
	if s, ok := all[id]; ok {
		return s
	}
	s := stageInfo{id: id, name: none, kind: model.StageOpen, unknown: true}
	if id != "" {
		s.name = "(" + id.Short() + ")"
	}
	return s
}

// compareStages orders stages as a board shows them: the default pipeline
// first, unknown stages last.
func compareStages(a, b stageInfo) int {
	rank := func(s stageInfo) int {
		switch {
		case s.unknown:
			return 2
		case s.isDefault:
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.pipelineName, b.pipelineName), cmp.Compare(a.pipeline, b.pipeline),
		cmp.Compare(a.position, b.position), cmp.Compare(a.name, b.name), cmp.Compare(a.id, b.id))
}

// stageKey is one row of a report by stage.
type stageKey struct {
	stage    model.ID
	bracket  int64
	currency string
}

// byStage adds deals up by stage, bracket and currency. bracket is an
// expression that gives a number, rotten one that gives 0 or 1.
func (r *Reporter) byStage(ctx context.Context, q *request, bracket, rotten, extra string) (map[stageKey]*sum, error) {
	where, args := dealScope(q, "d.close_date")
	out := map[stageKey]*sum{}
	err := r.each(ctx, `
		SELECT d.stage_id, `+bracket+` AS bracket, `+currencyOf+` AS currency,
			COUNT(*), COUNT(d.amount_minor), COALESCE(SUM(d.amount_minor), 0), COALESCE(SUM(`+weighted+`), 0), SUM(`+rotten+`)`+
		fromDeal+where+extra+`
		GROUP BY d.stage_id, bracket, currency`, args, func(rows *sql.Rows) error {
		var id []byte
		var k stageKey
		var cur sql.NullString
		var s sum
		if err := rows.Scan(&id, &k.bracket, &cur, &s.count, &s.amounts, &s.amount, &s.weighted, &s.rotten); err != nil {
			return err
		}
		k.stage, k.currency = model.IDFromBytes(id), r.currencyOr(cur)
		add(out, k, s)
		return nil
	})
	return out, err
}

// add adds a sum to the one that a map has for a key.
func add[K comparable](m map[K]*sum, k K, s sum) {
	t := m[k]
	if t == nil {
		t = &sum{}
		m[k] = t
	}
	t.add(s)
}

// pipeline is the report of deals by stage. Living stages without deals have a
// row too.
func (r *Reporter) pipeline(ctx context.Context, q *request) (table, error) {
	stages, err := r.stages(ctx)
	if err != nil {
		return table{}, err
	}
	sums, err := r.byStage(ctx, q, "0", "0", "")
	if err != nil {
		return table{}, err
	}
	filled := map[model.ID]bool{}
	for k := range sums {
		filled[k.stage] = true
	}
	for id, s := range stages {
		if s.alive && !filled[id] && (q.Pipeline == "" || q.Pipeline == s.pipeline) {
			sums[stageKey{stage: id, currency: cmp.Or(s.currency, r.currency)}] = &sum{}
		}
	}
	t := table{chart: "amount", columns: []model.ReportColumn{
		{Name: "stage", Type: "text", Label: "Stage"}, {Name: "pipeline", Type: "text", Label: "Pipeline"},
		{Name: "kind", Type: "text", Label: "Kind"}, {Name: "currency", Type: "text", Label: "Currency"},
		{Name: "count", Type: "number", Label: "Deals"}, {Name: "amount", Type: "money", Label: "Sum"},
		{Name: "weighted", Type: "money", Label: "Weighted"},
	}}
	for _, k := range stageKeys(sums, stages) {
		s, g := stageOf(stages, k.stage), sums[k]
		t.rows = append(t.rows, []any{s.name, s.pipelineName, s.kind, k.currency, g.count, g.money(g.amount, k.currency), g.money(g.weighted, k.currency)})
	}
	return t, nil
}

func stageKeys(sums map[stageKey]*sum, stages map[model.ID]stageInfo) []stageKey {
	keys := make([]stageKey, 0, len(sums))
	for k := range sums {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b stageKey) int {
		return cmp.Or(compareStages(stageOf(stages, a.stage), stageOf(stages, b.stage)), cmp.Compare(a.bracket, b.bracket), cmp.Compare(a.currency, b.currency))
	})
	return keys
}

// brackets are the upper bounds, in days, of the age groups; the last group has
// none.
var brackets = [...]int{7, 30, 60, 90, 180}

func bracketName(i int64) string {
	switch {
	case i == 0:
		return fmt.Sprintf("0-%d days", brackets[0])
	case int(i) < len(brackets):
		return fmt.Sprintf("%d-%d days", brackets[i-1]+1, brackets[i])
	}
	return fmt.Sprintf("over %d days", brackets[len(brackets)-1])
}

// aging is the report of open deals by stage and by the days spent in it. A
// deal that never moved counts from its opening.
func (r *Reporter) aging(ctx context.Context, q *request) (table, error) {
	stages, err := r.stages(ctx)
	if err != nil {
		return table{}, err
	}
	age := fmt.Sprintf("((%d - COALESCE(d.stage_entered_at, unixepoch(d.opened_on) * 1000, d.created_at, %[1]d)) / 86400000)", q.Now.UnixMilli())
	bracket := "CASE"
	for i, days := range brackets {
		bracket += fmt.Sprintf(" WHEN %s <= %d THEN %d", age, days, i)
	}
	bracket += fmt.Sprintf(" ELSE %d END", len(brackets))
	sums, err := r.byStage(ctx, q, bracket, "COALESCE("+age+" > s.rot_days, 0)", "\n\t  AND "+kindOf+" = 'open'")
	if err != nil {
		return table{}, err
	}
	t := table{chart: "count", columns: []model.ReportColumn{
		{Name: "stage", Type: "text", Label: "Stage"}, {Name: "age", Type: "text", Label: "In stage for"},
		{Name: "pipeline", Type: "text", Label: "Pipeline"}, {Name: "currency", Type: "text", Label: "Currency"},
		{Name: "count", Type: "number", Label: "Deals"}, {Name: "amount", Type: "money", Label: "Sum"},
		{Name: "rotten", Type: "number", Label: "Rotten"},
	}}
	for _, k := range stageKeys(sums, stages) {
		s, g := stageOf(stages, k.stage), sums[k]
		t.rows = append(t.rows, []any{s.name, bracketName(k.bracket), s.pipelineName, k.currency, g.count, g.money(g.amount, k.currency), g.rotten})
	}
	return t, nil
}

// The rows of a forecast that are no month.
const (
	overdue = "overdue"
	noDate  = "no date"
)

// forecast is the report of open deals by the month of their close date. What
// should have closed before today comes first, what has no date last.
func (r *Reporter) forecast(ctx context.Context, q *request) (table, error) {
	type key struct{ month, currency string }
	where, args := dealScope(q, "d.close_date")
	sums := map[key]*sum{}
	err := r.each(ctx, `
		SELECT CASE WHEN d.close_date IS NULL THEN '`+noDate+`' WHEN d.close_date < ? THEN '`+overdue+`' ELSE substr(d.close_date, 1, 7) END AS month,
			`+currencyOf+` AS currency,
			COUNT(*), COUNT(d.amount_minor), COALESCE(SUM(d.amount_minor), 0), COALESCE(SUM(`+weighted+`), 0)`+
		fromDeal+where+`
		  AND `+kindOf+` = 'open'
		GROUP BY month, currency`, append([]any{q.Now.Format(dateLayout)}, args...), func(rows *sql.Rows) error {
		var k key
		var cur sql.NullString
		var s sum
		if err := rows.Scan(&k.month, &cur, &s.count, &s.amounts, &s.amount, &s.weighted); err != nil {
			return err
		}
		k.currency = r.currencyOr(cur)
		add(sums, k, s)
		return nil
	})
	if err != nil {
		return table{}, err
	}
	keys := make([]key, 0, len(sums))
	for k := range sums {
		keys = append(keys, k)
	}
	rank := map[string]int{overdue: -1, noDate: 1}
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(cmp.Compare(rank[a.month], rank[b.month]), cmp.Compare(a.month, b.month), cmp.Compare(a.currency, b.currency))
	})
	t := table{chart: "weighted", columns: []model.ReportColumn{
		{Name: "month", Type: "month", Label: "Month"}, {Name: "currency", Type: "text", Label: "Currency"},
		{Name: "count", Type: "number", Label: "Deals"}, {Name: "amount", Type: "money", Label: "Sum"},
		{Name: "weighted", Type: "money", Label: "Weighted"},
	}}
	for _, k := range keys {
		g := sums[k]
		t.rows = append(t.rows, []any{k.month, k.currency, g.count, g.money(g.amount, k.currency), g.money(g.weighted, k.currency)})
	}
	return t, nil
}
