package report

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math"
	"math/big"
	"slices"

	"rapport/model"
)

// outcomeKey is one row of the report of closed deals: a month, or the id of
// an owner or a product, in one currency.
type outcomeKey struct{ group, currency string }

// outcome is what was won and lost in a group.
type outcome struct{ won, lost sum }

func (o *outcome) of(kind string) *sum {
	if kind == model.StageWon {
		return &o.won
	}
	return &o.lost
}

func (s *sum) add(t sum) {
	s.count += t.count
	s.rotten += t.rotten
	s.amount += t.amount
	s.weighted += t.weighted
	s.amounts += t.amounts
}

func outcomeOf(m map[outcomeKey]*outcome, k outcomeKey) *outcome {
	o := m[k]
	if o == nil {
		o = &outcome{}
		m[k] = o
	}
	return o
}

const closed = "\n\t  AND s.kind IN ('won', 'lost')"

// wonLost is the report of closed deals by month, owner or product.
func (r *Reporter) wonLost(ctx context.Context, q *request) (table, error) {
	groups := map[string]struct{ sql, names string }{
		"month":   {"COALESCE(substr(" + closedOn + ", 1, 7), '" + noDate + "')", ""},
		"owner":   {"d.owner_id", "user"},
		"product": {"", "product"},
	}
	g := groups[q.By]
	out := map[outcomeKey]*outcome{}
	var err error
	if g.sql == "" {
		err = r.byProduct(ctx, q, out)
	} else {
		err = r.byGroup(ctx, q, g.sql, out)
	}
	if err != nil {
		return table{}, err
	}
	names := map[string]string{}
	if g.names != "" {
		if names, err = r.names(ctx, g.names); err != nil {
			return table{}, err
		}
	}
	return outcomeTable(q.By, out, names), nil
}

// byGroup adds closed deals up by an expression on the deal.
func (r *Reporter) byGroup(ctx context.Context, q *request, group string, out map[outcomeKey]*outcome) error {
	where, args := dealScope(q, closedOn)
	return r.each(ctx, `
		SELECT `+group+` AS grp, s.kind, `+currencyOf+` AS currency,
			COUNT(*), COUNT(d.amount_minor), COALESCE(SUM(d.amount_minor), 0)`+
		fromDeal+where+closed+`
		GROUP BY grp, s.kind, currency`, args, func(rows *sql.Rows) error {
		var group []byte
		var kind string
		var cur sql.NullString
		var s sum
		if err := rows.Scan(&group, &kind, &cur, &s.count, &s.amounts, &s.amount); err != nil {
			return err
		}
		outcomeOf(out, outcomeKey{string(group), r.currencyOr(cur)}).of(kind).add(s)
		return nil
	})
}

func outcomeTable(by string, out map[outcomeKey]*outcome, names map[string]string) table {
	keys := make([]outcomeKey, 0, len(out))
	for k := range out {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b outcomeKey) int {
		return cmp.Or(compareGroups(a.group, b.group, names), cmp.Compare(a.currency, b.currency))
	})
	typ := "text"
	if by == "month" {
		typ = "month"
	}
	t := table{chart: "won_amount", columns: []model.ReportColumn{
		{Name: by, Type: typ, Label: string(by[0]-'a'+'A') + by[1:]}, {Name: "currency", Type: "text", Label: "Currency"},
		{Name: "won", Type: "number", Label: "Won"}, {Name: "won_amount", Type: "money", Label: "Won amount"},
		{Name: "lost", Type: "number", Label: "Lost"}, {Name: "lost_amount", Type: "money", Label: "Lost amount"},
		{Name: "win_rate", Type: "percent", Label: "Win rate"},
	}}
	for _, k := range keys {
		o := out[k]
		name := k.group
		if by != "month" {
			name = groupName(k.group, names)
		}
		t.rows = append(t.rows, []any{name, k.currency, o.won.count, o.won.money(o.won.amount, k.currency),
			o.lost.count, o.lost.money(o.lost.amount, k.currency), percent(o.won.count, o.won.count+o.lost.count)})
	}
	return t
}

// percent returns part of whole in percent with one decimal, nil of nothing.
func percent(part, whole int64) any {
	if whole == 0 {
		return nil
	}
	return math.Round(float64(part)*1000/float64(whole)) / 10
}

// names returns the names of a table's rows by the bytes of their ids.
func (r *Reporter) names(ctx context.Context, noun string) (map[string]string, error) {
	fallback := map[string]string{"user": "login", "product": "code"}[noun]
	out := map[string]string{}
	err := r.each(ctx, `
		SELECT id, COALESCE(NULLIF(name, ''), `+fallback+`, '')
		FROM "`+noun+`"`, nil, func(rows *sql.Rows) error {
		var id []byte
		var name string
		if err := rows.Scan(&id, &name); err != nil {
			return err
		}
		out[string(id)] = name
		return nil
	})
	return out, err
}

// groupName is how the row of an id is called.
func groupName(id string, names map[string]string) string {
	switch {
	case id == "":
		return none
	case names[id] != "":
		return names[id]
	}
	return "(" + model.IDFromBytes([]byte(id)).Short() + ")"
}

// compareGroups orders groups by name, or months by time; what has none comes
// last.
func compareGroups(a, b string, names map[string]string) int {
	last := func(s string) int {
		if s == "" || s == noDate {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(last(a), last(b)), cmp.Compare(model.Fold(names[a]), model.Fold(names[b])), cmp.Compare(a, b))
}

// line is one line of a deal.
type line struct {
	product  string
	position int64
	quantity sql.NullString
	price    sql.NullInt64
	discount sql.NullString
}

// closedDeal is a deal whose amount is shared out to its lines.
type closedDeal struct {
	won      bool
	currency string
	amount   sql.NullInt64
	lines    []line
}

// texts keeps one copy of each of the few texts that many rows repeat.
type texts map[string]string

func (t texts) of(b []byte) string {
	s, ok := t[string(b)]
	if !ok {
		s = string(b)
		t[s] = s
	}
	return s
}

func (t texts) orNull(b []byte) sql.NullString {
	return sql.NullString{String: t.of(b), Valid: b != nil}
}

// byProduct adds closed deals up by product: each counts at every product in
// it, and its amount is shared out by the values of its lines. Both tables are
// read once in the order in which they lie, which is several times as fast as
// having the database join them.
func (r *Reporter) byProduct(ctx context.Context, q *request, out map[outcomeKey]*outcome) error {
	where, args := dealScope(q, closedOn)
	var deals []closedDeal
	at := map[[16]byte]int{}
	words := texts{}
	err := r.each(ctx, `
		SELECT d.id, s.kind = 'won', `+currencyOf+`, d.amount_minor`+
		fromDeal+where+closed, args, func(rows *sql.Rows) error {
		var id, cur sql.RawBytes
		var d closedDeal
		if err := rows.Scan(&id, &d.won, &cur, &d.amount); err != nil {
			return err
		}
		d.currency = r.currencyOr(words.orNull(cur))
		at[key(id)] = len(deals)
		deals = append(deals, d)
		return nil
	})
	if err != nil {
		return err
	}
	err = r.each(ctx, `
		SELECT deal_id, product_id, COALESCE(position, 0), quantity, price_minor, discount
		FROM "deal_line"
		WHERE deleted_at IS NULL`, nil, func(rows *sql.Rows) error {
		var id, product, quantity, discount sql.RawBytes
		var l line
		if err := rows.Scan(&id, &product, &l.position, &quantity, &l.price, &discount); err != nil {
			return err
		}
		if i, ok := at[key(id)]; ok {
			l.product, l.quantity, l.discount = words.of(product), words.orNull(quantity), words.orNull(discount)
			deals[i].lines = append(deals[i].lines, l)
		}
		return nil
	})
	for i := range deals {
		deals[i].addTo(out)
	}
	return err
}

// key is an id as a key, zero for what is none.
func key(id []byte) (k [16]byte) {
	copy(k[:], id)
	return k
}

func (d *closedDeal) addTo(out map[outcomeKey]*outcome) {
	one := sum{count: 1}
	kind := model.StageLost
	if d.won {
		kind = model.StageWon
	}
	if d.amount.Valid {
		one.amounts = 1
	}
	switch len(d.lines) {
	case 0:
		d.lines = []line{{}}
		fallthrough
	case 1:
		one.amount = d.amount.Int64
		outcomeOf(out, outcomeKey{d.lines[0].product, d.currency}).of(kind).add(one)
		return
	}
	slices.SortFunc(d.lines, func(a, b line) int {
		return cmp.Or(cmp.Compare(a.position, b.position), cmp.Compare(a.product, b.product))
	})
	values := make([]*big.Int, len(d.lines))
	for i, l := range d.lines {
		values[i] = lineValue(l.quantity, l.price, l.discount)
	}
	seen := map[string]bool{}
	for i, amount := range share(d.amount.Int64, values) {
		product := d.lines[i].product
		s := sum{amount: amount}
		if !seen[product] {
			s.count, s.amounts = one.count, one.amounts
		}
		seen[product] = true
		outcomeOf(out, outcomeKey{product, d.currency}).of(kind).add(s)
	}
}

// lineValue is quantity times price less discount, times a constant; never
// negative, since nothing can take more than the whole.
func lineValue(quantity sql.NullString, price sql.NullInt64, discount sql.NullString) *big.Int {
	dec := func(s sql.NullString, fallback int64) *big.Rat {
		if v, ok := new(big.Rat).SetString(s.String); ok && s.Valid && len(s.String) < 40 {
			return v
		}
		return big.NewRat(fallback, 1)
	}
	v := new(big.Rat).Sub(big.NewRat(100, 1), dec(discount, 0))
	v.Mul(v, dec(quantity, 1)).Mul(v, big.NewRat(price.Int64, 1)).Mul(v, big.NewRat(1e8, 1))
	if v.Sign() < 0 {
		return new(big.Int)
	}
	return new(big.Int).Quo(v.Num(), v.Denom())
}

// share splits an amount by values, equally where none has one. The parts add
// up to the amount: what rounding leaves goes to the first ones, a cent each.
func share(amount int64, values []*big.Int) []int64 {
	total := new(big.Int)
	for _, v := range values {
		total.Add(total, v)
	}
	if total.Sign() == 0 {
		values = slices.Repeat([]*big.Int{big.NewInt(1)}, len(values))
		total.SetInt64(int64(len(values)))
	}
	out := make([]int64, len(values))
	rest := amount
	for i, v := range values {
		part := new(big.Int).Mul(v, big.NewInt(amount))
		out[i] = part.Quo(part, total).Int64()
		rest -= out[i]
	}
	step := int64(1)
	if rest < 0 {
		step = -1
	}
	for i := 0; rest != 0; i++ {
		if n := i % len(values); values[n].Sign() > 0 {
			out[n] += step
			rest -= step
		}
	}
	return out
}

// cycleKey is one figure of the report on durations.
type cycleKey struct{ group, kind string }

// daysCount says how many deals took a number of days.
type daysCount struct{ days, count int64 }

// cycle is the report of how long deals take until they are won or lost.
func (r *Reporter) cycle(ctx context.Context, q *request) (table, error) {
	group := "d.owner_id"
	if q.By == "stage" {
		group = "d.stage_id"
	}
	where, args := dealScope(q, closedOn)
	spans := map[cycleKey][]daysCount{}
	groups := map[string]bool{}
	err := r.each(ctx, `
		SELECT `+group+` AS grp, s.kind, CAST(round(julianday(`+closedOn+`) - julianday(d.opened_on)) AS INTEGER) AS days, COUNT(*)`+
		fromDeal+where+closed+`
		  AND d.opened_on IS NOT NULL
		GROUP BY grp, s.kind, days
		HAVING days IS NOT NULL
		ORDER BY days`, args, func(rows *sql.Rows) error {
		var id []byte
		var kind string
		var n daysCount
		if err := rows.Scan(&id, &kind, &n.days, &n.count); err != nil {
			return err
		}
		k := cycleKey{string(id), kind}
		spans[k] = append(spans[k], n)
		groups[k.group] = true
		return nil
	})
	if err != nil {
		return table{}, err
	}
	names := map[string]string{}
	if q.By == "stage" {
		stages, err := r.stages(ctx)
		if err != nil {
			return table{}, err
		}
		for id, s := range stages {
			names[string(id.Bytes())] = s.name
		}
	} else if names, err = r.names(ctx, "user"); err != nil {
		return table{}, err
	}
	keys := make([]string, 0, len(groups))
	for g := range groups {
		keys = append(keys, g)
	}
	slices.SortFunc(keys, func(a, b string) int { return compareGroups(a, b, names) })
	t := table{chart: "won_median", columns: []model.ReportColumn{
		{Name: q.By, Type: "text", Label: string(q.By[0]-'a'+'A') + q.By[1:]},
		{Name: "won", Type: "number", Label: "Won"}, {Name: "won_median", Type: "number", Label: "Won: median days"}, {Name: "won_mean", Type: "number", Label: "Won: mean days"},
		{Name: "lost", Type: "number", Label: "Lost"}, {Name: "lost_median", Type: "number", Label: "Lost: median days"}, {Name: "lost_mean", Type: "number", Label: "Lost: mean days"},
	}}
	for _, g := range keys {
		row := []any{groupName(g, names)}
		for _, kind := range []string{model.StageWon, model.StageLost} {
			n, median, mean := summarize(spans[cycleKey{g, kind}])
			row = append(row, n, median, mean)
		}
		t.rows = append(t.rows, row)
	}
	return t, nil
}

// summarize returns how many spans there are, their median, and their mean
// with one decimal; nil for both of none. The spans are in order.
func summarize(spans []daysCount) (count int64, median, mean any) {
	var total int64
	for _, s := range spans {
		count += s.count
		total += s.days * s.count
	}
	if count == 0 {
		return 0, nil, nil
	}
	at := func(i int64) int64 {
		for _, s := range spans {
			if i -= s.count; i < 0 {
				return s.days
			}
		}
		panic(fmt.Sprintf("report: %d of %d spans", i, count))
	}
	return count, float64(at((count-1)/2)+at(count/2)) / 2, math.Round(float64(total)*10/float64(count)) / 10
}
