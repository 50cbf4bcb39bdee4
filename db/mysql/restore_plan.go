package mysql

import (
	"bytes"
	"cmp"
	"context"
	"database/sql/driver"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"rapport/model"
)

// planSamples is how many of the rows that change a plan names for each table.
const planSamples = 10

// PlanRestore compares every row of a source with what the central of a URL has,
// and tells what a restore would do. It changes nothing. The command and the
// backups are the caller's to add.
func PlanRestore(ctx context.Context, url string, source RestoreSource, asked Restoring, n model.Notify) (model.RestorePlan, error) {
	s, err := adminSession(ctx, url)
	if err != nil {
		return model.RestorePlan{}, err
	}
	defer s.close()
	b := &builder{session: s, ctx: ctx, database: s.address.Database}
	p := planner{restorer: &restorer{refresher: &refresher{builder: b, notify: n}, source: source, asked: asked, url: url, began: time.Now()}}
	p.plan.Target, p.plan.At, p.plan.Position = s.address.String(), asked.At, asked.Position
	err = p.make()
	return p.plan, mapError("plan the restore", err)
}

// HoldsRecords tells whether the database of a URL has any record that a restore
// would replace. One that is not there has none; one of another program is
// Refused.
func HoldsRecords(ctx context.Context, url string) (target string, holds bool, err error) {
	s, err := adminSession(ctx, url)
	if err != nil {
		return "", false, err
	}
	defer s.close()
	b := &builder{session: s, ctx: ctx, database: s.address.Database}
	target = s.address.String()
	if number(b.exec(ctx, "USE "+ident(b.database))) == erUnknownDB {
		return target, false, nil
	}
	b.useDatabase()
	b.refuseForeign()
	have := b.tables()
	if !slices.Contains(have, metaTable) {
		return target, false, b.err
	}
	b.refuseLater()
	return target, b.recorded(b.filledTables(have)), b.err
}

// recorded tells whether a declared table is among those that have rows.
func (b *builder) recorded(filled map[string]bool) bool {
	return slices.ContainsFunc(model.Entities(), func(e *model.Entity) bool { return filled[string(e.Noun)] })
}

// planner compares.
type planner struct {
	*restorer
	plan   model.RestorePlan
	shapes map[string]DumpTable
	total  int64
	done   int64
}

func (p *planner) make() error {
	if number(p.exec(p.ctx, "USE "+ident(p.database))) == erUnknownDB {
		p.plan.Fresh = true
	}
	have := []string{}
	if !p.plan.Fresh {
		p.useDatabase()
		p.refuseForeign()
		have = p.tables()
	}
	if slices.Contains(have, metaTable) {
		p.refuseLater()
		if err := p.present(); err != nil {
			return err
		}
	} else {
		p.plan.Fresh = true
	}
	if p.plan.Fresh {
		p.plan.Laptops = []model.RestoreLaptop{}
		for _, t := range p.source.Tables() {
			if never(t.Name) {
				continue
			}
			out := model.RestoreTable{Table: t.Name}
			if err := p.source.Rows(p.ctx, t.Name, func([]any) error {
				p.told(t.Name)
				out.Rows++
				return nil
			}); err != nil {
				return err
			}
			out.Inserts = out.Rows
			p.add(out)
		}
		p.noteWithout()
		p.estimate()
		return p.err
	}
	p.choose()
	if p.err != nil {
		return p.err
	}
	p.plan.Fresh = p.entry.Bare
	if err := p.compare(); err != nil {
		return err
	}
	for _, t := range p.source.Tables() {
		if kept(t.Name) && !never(t.Name) && !p.restores(t.Name) && len(p.asked.Nouns) == 0 {
			p.plan.Notes = append(p.plan.Notes, t.Name+" stays as it is")
		}
	}
	p.noteWithout()
	p.estimate()
	return nil
}

func (p *planner) add(t model.RestoreTable) {
	p.plan.Tables = append(p.plan.Tables, t)
	p.plan.Rows += t.Rows
}

// noteWithout tells which tables come back as others than they were.
func (p *planner) noteWithout() {
	for _, t := range p.source.Tables() {
		planned := slices.ContainsFunc(p.plan.Tables, func(x model.RestoreTable) bool { return x.Table == t.Name })
		if d, err := parseDefinition(t.Definition); planned && err == nil && len(d.without) > 0 {
			p.plan.Notes = append(p.plan.Notes, t.Name+" comes without "+strings.Join(d.without, ", "))
		}
	}
}

// estimate says about how long it takes: the rows are read once more and
// written, and compared again.
func (p *planner) estimate() {
	read := time.Since(p.began)
	const row, table = 30 * time.Microsecond, 60 * time.Millisecond
	p.plan.Estimate = (2*read + time.Duration(p.plan.Rows)*row + time.Duration(len(p.plan.Tables))*table).Round(time.Second) + time.Second
}

// present reads where the central is, what it would lose, and who syncs with it.
func (p *planner) present() error {
	after := "1000-01-01"
	if !p.asked.At.IsZero() {
		after = p.asked.At.UTC().Format(timeLayout)
	}
	p.plan.Laptops, p.plan.Losses, p.plan.Discard = []model.RestoreLaptop{}, []model.RestoreLoss{}, p.asked.Discard
	of := ""
	if len(p.asked.Nouns) > 0 {
		var tables []string
		for _, noun := range p.asked.Nouns {
			tables = append(tables, quote(string(noun)))
			if e := model.EntityOf(noun); e != nil {
				for _, name := range withParts(e) {
					tables = append(tables, quote(name))
				}
			}
		}
		of = " AND tbl IN (" + strings.Join(tables, ",") + ")"
	}
	q := "SELECT seq,(SELECT COUNT(*) FROM sync_audit WHERE at>" + quote(after) + of + ") FROM sync_counter WHERE id=1;" +
		"SELECT person,COALESCE(name,''),last_seen,position,pending FROM sync_client WHERE wiped_at IS NULL ORDER BY last_seen DESC;" +
		"SELECT person,COUNT(*) FROM sync_audit WHERE at>" + quote(after) + of + " GROUP BY person ORDER BY 2 DESC,person"
	return p.query(p.ctx, q, func(set int, v []driver.Value) error {
		switch set {
		case 0:
			p.plan.Head, p.plan.Lost = integer(v[0]), integer(v[1])
			return nil
		case 2:
			p.plan.Losses = append(p.plan.Losses, model.RestoreLoss{Person: asText(v[0]), Changes: integer(v[1])})
			return nil
		}
		l := model.RestoreLaptop{Person: asText(v[0]), Name: asText(v[1]), Position: integer(v[3]), Pending: integer(v[4])}
		if ms, ok := parseMillis([]byte(asText(v[2]))); ok {
			l.LastSeen = time.UnixMilli(ms).UTC()
		}
		p.plan.Laptops = append(p.plan.Laptops, l)
		return nil
	})
}

// compare compares every table.
func (p *planner) compare() error {
	all, _, err := shapes(p.ctx, p.session, p.database)
	if err != nil {
		return err
	}
	p.shapes = map[string]DumpTable{}
	for _, t := range all {
		p.shapes[t.name] = t.table(false)
	}
	p.total = p.expected()
	for _, l := range p.loads {
		out := model.RestoreTable{Table: l.Name}
		now, there := p.shapes[l.Name]
		switch {
		case slices.Contains(historyTables, l.Name):
			// It ends with the moment, which is told in one number.
			out.Rows = l.Rows
		case l.missing:
			err = p.countGone(now, &out)
		case !there:
			out.Rows, out.Inserts = l.Rows, l.Rows
		case ordered(l, now):
			err = p.merge(l, now, &out)
		default:
			err = p.match(l, now, &out)
		}
		if err != nil {
			return err
		}
		p.add(out)
	}
	return nil
}

// countGone is for a table that the source does not have.
func (p *planner) countGone(now DumpTable, out *model.RestoreTable) error {
	n, err := p.text(p.ctx, "SELECT COUNT(*) FROM "+ident(now.Name))
	out.Deletes = integer([]byte(n))
	return err
}

// ordered tells whether both sides come in the order of one key.
func ordered(l *loading, now DumpTable) bool {
	return now.Ordered && slices.Equal(now.Key, l.Key) && !slices.ContainsFunc(l.Key, func(k string) bool { return !slices.Contains(l.Columns, k) })
}

// pair is what is compared of a table.
type pair struct {
	*loading
	now     DumpTable
	columns []string // that both have
	then    []int    // where they stand in a row of the source
	key     []int    // and in columns
	names   [][]int  // where the columns stand that name a row
	out     *model.RestoreTable
	a, b    []byte
}

func newPair(l *loading, now DumpTable, out *model.RestoreTable) *pair {
	p := &pair{loading: l, now: now, out: out}
	for i, c := range l.Columns {
		if slices.Contains(now.Columns, c) {
			p.columns, p.then = append(p.columns, c), append(p.then, i)
		}
	}
	for _, k := range l.Key {
		p.key = append(p.key, slices.Index(p.columns, k))
	}
	if e := model.EntityOf(model.Noun(l.Name)); e != nil {
		for _, line := range e.RowName {
			var at []int
			for _, c := range line {
				if i := slices.Index(p.columns, c); i >= 0 {
					at = append(at, i)
				}
			}
			p.names = append(p.names, at)
		}
	}
	return p
}

// only takes the compared columns of a row of the source.
func (p *pair) only(row []any, into []any) []any {
	into = into[:0]
	for _, i := range p.then {
		into = append(into, row[i])
	}
	return into
}

// keyOrder compares the keys of two rows.
func (p *pair) keyOrder(a, b []any) int {
	for _, i := range p.key {
		n := 0
		x, whole := a[i].(int64)
		y, too := b[i].(int64)
		if whole && too {
			n = cmp.Compare(x, y)
		} else {
			n = bytes.Compare(valueBytes(a[i]), valueBytes(b[i]))
		}
		if n != 0 {
			return n
		}
	}
	return 0
}

func valueBytes(v any) []byte {
	if b, ok := v.([]byte); ok {
		return b
	}
	return []byte(asText(v))
}

// both counts a row that is there now and then.
func (p *pair) both(then, now []any) (err error) {
	if p.a, err = appendCanonical(p.a[:0], then); err != nil {
		return err
	}
	if p.b, err = appendCanonical(p.b[:0], now); err != nil || bytes.Equal(p.a, p.b) {
		return err
	}
	p.out.Updates++
	var fields []string
	for i, c := range p.columns {
		x, xerr := appendCanonical(nil, then[i:i+1])
		y, yerr := appendCanonical(nil, now[i:i+1])
		if xerr == nil && yerr == nil && !bytes.Equal(x, y) {
			fields = append(fields, c)
		}
	}
	p.sample("update", then, fields)
	return nil
}

func (p *pair) sample(action string, row []any, fields []string) {
	if len(p.out.Samples) == planSamples {
		return
	}
	s := model.RestoreSample{Action: action, Fields: fields}
	var id []string
	for _, i := range p.key {
		if b := valueBytes(row[i]); i >= 0 && len(b) == 16 && p.Types[p.then[i]] == "id" {
			id = append(id, string(model.IDFromBytes(b)))
		} else {
			id = append(id, string(b))
		}
	}
	s.ID = strings.Join(id, " ")
	for _, line := range p.names {
		var words []string
		for _, i := range line {
			if w := string(valueBytes(row[i])); row[i] != nil && w != "" {
				words = append(words, w)
			}
		}
		if len(words) > 0 && s.Name == "" {
			s.Name = strings.Join(words, " ")
		}
	}
	p.out.Samples = append(p.out.Samples, s)
}

// live reads the rows that the central has, in the order of a clause.
func (p *planner) live(t *pair, order string) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		stop := fmt.Errorf("no more is asked for")
		err := readBack(p.ctx, p.session, t.now, t.columns, order, func(values []any) error {
			if !yield(values, nil) {
				return stop
			}
			return nil
		})
		if err != nil && err != stop {
			yield(nil, err)
		}
	}
}

// merge compares two sides that come in one order.
func (p *planner) merge(l *loading, now DumpTable, out *model.RestoreTable) error {
	t := newPair(l, now, out)
	next, stop := iter.Pull2(p.live(t, " FORCE INDEX (PRIMARY) ORDER BY "+idents(l.Key)))
	defer stop()
	row, err, more := next()
	advance := func() { row, err, more = next() }
	var then []any
	rerr := p.source.Rows(p.ctx, l.Name, func(values []any) error {
		p.told(l.Name)
		out.Rows++
		then = t.only(values, then)
		for more && err == nil && t.keyOrder(row, then) < 0 {
			out.Deletes++
			t.sample("delete", row, nil)
			advance()
		}
		if err != nil {
			return err
		}
		if !more || t.keyOrder(row, then) > 0 {
			out.Inserts++
			t.sample("insert", then, nil)
			return nil
		}
		same := t.both(then, row)
		advance()
		return same
	})
	for rerr == nil && err == nil && more {
		out.Deletes++
		t.sample("delete", row, nil)
		advance()
	}
	if rerr != nil {
		return rerr
	}
	return err
}

// match compares two sides by way of a map: those without such an order are
// small.
func (p *planner) match(l *loading, now DumpTable, out *model.RestoreTable) error {
	t := newPair(l, now, out)
	had := map[string][][]any{} // a table without a key may have a row twice
	var order []string
	name := func(row []any) string {
		var key []any
		for _, i := range t.key {
			key = append(key, row[i])
		}
		b, _ := appendCanonical(nil, key) // the values are those of a row that could be read
		return string(b)
	}
	for row, err := range p.live(t, "") {
		if err != nil {
			return err
		}
		kept := slices.Clone(row)
		for i, v := range kept {
			if b, ok := v.([]byte); ok {
				kept[i] = slices.Clone(b)
			}
		}
		k := name(kept)
		if had[k] = append(had[k], kept); len(had[k]) == 1 {
			order = append(order, k)
		}
	}
	var then []any
	err := p.source.Rows(p.ctx, l.Name, func(values []any) error {
		p.told(l.Name)
		out.Rows++
		then = t.only(values, then)
		k := name(then)
		rows := had[k]
		if len(rows) == 0 {
			out.Inserts++
			t.sample("insert", then, nil)
			return nil
		}
		had[k] = rows[1:]
		return t.both(then, rows[0])
	})
	for _, k := range order {
		for _, row := range had[k] {
			out.Deletes++
			t.sample("delete", row, nil)
		}
	}
	return err
}

func (p *planner) told(what string) {
	if p.done++; p.done%loadStatementRows == 0 {
		p.notify.Tell("comparing "+what, p.done, p.total)
	}
}
