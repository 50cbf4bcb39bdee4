package mysql

import (
	"bytes"
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"rapport/model"
)

// pageEntries is how many entries of the feed make a page.
const pageEntries = 2000

// pageEnd is asked last of a page: the oldest position that the feed still
// answers, in which entries show that were missing above, and the newest run, if
// no change is left that it has given no position.
const pageEnd = "SELECT min_seq,(SELECT LOWER(HEX(r.nonce)) FROM sync_counter c JOIN sync_run r ON r.run_id=c.run_id WHERE c.id=1 AND NOT EXISTS (SELECT 1 FROM sync_outbox)) v FROM sync_meta WHERE id=1"

// readEnd reads what pageEnd returned; a server of before names no run.
func readEnd(page *model.FeedPage, v []driver.Value) {
	page.MinSeq = integer(v[0])
	if len(v) > 1 && v[1] != nil {
		page.Nonce = asText(v[1])
	}
}

// Pull returns the feed after from with the current rows behind it, up to to or
// to the entries that make a page. Each row occurs once, with the newest thing
// that happened to it; a row is what it is now, which may be newer than the
// page, and is then delivered again.
func (c *Central) Pull(ctx context.Context, from, to int64, nouns []model.Noun) (model.FeedPage, error) {
	var page model.FeedPage
	err := c.read(ctx, func() error {
		page = model.FeedPage{To: to, Rows: map[model.Noun][]model.Row{}}
		return c.pull(ctx, &page, from, nouns)
	})
	return page, err
}

func (c *Central) pull(ctx context.Context, page *model.FeedPage, from int64, nouns []model.Noun) error {
	if c.calls() {
		return c.callPull(ctx, page, from)
	}
	to := page.To
	window := fmt.Sprintf("FROM sync_feed WHERE seq>%d AND seq<=%d AND op<>%d ORDER BY seq LIMIT %d", from, to, model.FeedLeave, pageEntries)
	q := []string{"SELECT seq,tbl,pk,op " + window}
	var readers []*reader
	for _, n := range nouns {
		if e := model.EntityOf(n); e != nil && c.has(e) {
			r := c.reader(e)
			readers = append(readers, r)
			q = append(q, fmt.Sprintf("SELECT %s FROM (SELECT DISTINCT pk FROM (SELECT tbl,pk %s) w WHERE tbl=%s) f STRAIGHT_JOIN %s t ON t.id=f.pk",
				r.list("t."), window, quote(string(e.Noun)), ident(string(e.Noun))))
		}
	}
	q = append(q, pageEnd)
	p := pager{page: page, newest: map[model.ID]int{}}
	err := c.query(ctx, strings.Join(q, ";"), func(set int, v []driver.Value) error {
		switch {
		case set > len(readers):
			readEnd(page, v)
		case set > 0:
			r := readers[set-1]
			page.Rows[r.entity.Noun] = append(page.Rows[r.entity.Noun], r.row(v))
		default:
			p.add(v)
		}
		return nil
	})
	if err != nil {
		return mapError("pull", err)
	}
	page.Entries = slices.DeleteFunc(page.Entries, func(en model.FeedEntry) bool {
		e := model.EntityOf(en.Table)
		return en.Seq == 0 || e == nil || !c.has(e)
	})
	return c.pullRest(ctx, page)
}

// pullRest fetches the rows of entries that came without them: of nouns that
// were not asked for, and of rows that went or changed while the page was read.
func (c *Central) pullRest(ctx context.Context, page *model.FeedPage) error {
	have := map[model.ID]bool{}
	for _, rows := range page.Rows {
		for _, row := range rows {
			have[row.ID()] = true
		}
	}
	rest := map[model.Noun][]model.ID{}
	for _, en := range page.Entries {
		if en.Op == model.FeedUpsert && !have[en.ID] {
			rest[en.Table] = append(rest[en.Table], en.ID)
		}
	}
	if len(rest) == 0 {
		return nil
	}
	page.Nonce = "" // the rows are newer than what told of the run
	rows, err := c.fetch(ctx, rest)
	for n, r := range rows {
		page.Rows[n] = append(page.Rows[n], r...)
	}
	return err
}

// fetchIDs is how many ids one request asks for: it keeps a request below any
// server's limit.
const fetchIDs = 5000

// Fetch returns the current rows of ids, also of those that are deleted. Those
// missing are gone, unless the table itself cannot be read.
func (c *Central) Fetch(ctx context.Context, ids map[model.Noun][]model.ID) (map[model.Noun][]model.Row, error) {
	var out map[model.Noun][]model.Row
	err := c.read(ctx, func() (err error) {
		out, err = c.fetch(ctx, ids)
		return err
	})
	return out, err
}

func (c *Central) fetch(ctx context.Context, ids map[model.Noun][]model.ID) (map[model.Noun][]model.Row, error) {
	if c.calls() {
		return c.callFetch(ctx, ids)
	}
	out := map[model.Noun][]model.Row{}
	var q []string
	var readers []*reader
	size := 0
	flush := func() error {
		if len(q) == 0 {
			return nil
		}
		err := c.query(ctx, strings.Join(q, ";"), func(set int, v []driver.Value) error {
			r := readers[set]
			out[r.entity.Noun] = append(out[r.entity.Noun], r.row(v))
			return nil
		})
		q, readers, size = nil, nil, 0
		return mapError("fetch rows", err)
	}
	for _, e := range model.Entities() {
		if !c.has(e) {
			continue
		}
		for part := range slices.Chunk(ids[e.Noun], fetchIDs) {
			out[e.Noun] = slices.Clip(out[e.Noun]) // it is there, whatever is found
			r := c.reader(e)
			q = append(q, fmt.Sprintf("SELECT %s FROM %s WHERE id IN (%s)", r.list(""), ident(string(e.Noun)), idList(part)))
			readers = append(readers, r)
			if size += len(part); size >= fetchIDs {
				if err := flush(); err != nil {
					return out, err
				}
			}
		}
	}
	return out, flush()
}

// Load streams the rows of a table in the order of ids, after one. each must
// not use the connection.
func (c *Central) Load(ctx context.Context, n model.Noun, after model.ID, each func(model.Row) error) error {
	e := model.EntityOf(n)
	if e == nil {
		return model.Errorf(model.NotFound, "there is no table %q", n)
	}
	return c.read(ctx, func() error {
		if !c.has(e) {
			return nil
		}
		return c.load(ctx, e, after, each)
	})
}

func (c *Central) load(ctx context.Context, e *model.Entity, after model.ID, each func(model.Row) error) error {
	if c.calls() {
		return c.callLoad(ctx, e, after, each)
	}
	r := c.reader(e)
	where := ""
	if after != "" {
		where = " WHERE id>" + idLiteral(after)
	}
	var failed error
	err := c.query(ctx, "SELECT "+r.list("")+" FROM "+ident(string(e.Noun))+where+" ORDER BY id", func(_ int, v []driver.Value) error {
		failed = each(r.row(v))
		return failed
	})
	if failed != nil {
		return failed
	}
	return mapError("load "+string(e.Noun), err)
}

// choose polls where it is not known yet how the central is reached.
func (c *Central) choose(ctx context.Context) error {
	if c.way != WayUnknown {
		return nil
	}
	_, err := c.Poll(ctx, model.Device{}, model.Position{})
	return err
}

// learnColumns finds out which columns the server has, if the fingerprint in
// its head says that they are not ours. A client that is a column ahead or
// behind works: what one side does not know stays as it is on the other.
func (c *Central) learnColumns(ctx context.Context) error {
	if c.hash == "" {
		if _, err := c.Poll(ctx, model.Device{}, model.Position{}); err != nil {
			return err
		}
	}
	if c.calls() || c.known != nil || sameColumns(c.hash) {
		return nil
	}
	return c.lookAtColumns(ctx)
}

// read runs a request for rows. Where a table or a column is missing although
// the head does not say so, because somebody altered a table by hand, it looks
// which the server has and asks once more.
func (c *Central) read(ctx context.Context, try func() error) error {
	if err := c.learnColumns(ctx); err != nil {
		return err
	}
	err := try()
	if n := number(err); c.calls() || n != erUnknownColumn && n != erNoTable {
		return err
	}
	if err := c.lookAtColumns(ctx); err != nil {
		return err
	}
	return try()
}

func (c *Central) lookAtColumns(ctx context.Context) error {
	known, err := serverColumns(ctx, c.session)
	if err != nil {
		return mapError("read the columns", err)
	}
	c.known = known
	return nil
}

// has tells whether the server has an entity's table, with what a row cannot do
// without.
func (c *Central) has(e *model.Entity) bool {
	if c.known == nil {
		return true
	}
	for _, col := range e.Columns() {
		if essential(col) && !c.known[e.Noun][col.Name] {
			return false
		}
	}
	return true
}

// reader turns a result's values into rows of an entity.
type reader struct {
	entity  *model.Entity
	columns []model.Column
	at      []int // position in the row of each column of the result
	empty   model.Row
	whole   bool // the result has every column
	last    []lastValue
}

// lastValue is the value of a column in the row before. Who wrote a row, when,
// whose it is and of which kind is often the same, and is then not made anew.
type lastValue struct {
	bytes []byte
	cell  any
}

// longestKept is how long a value may be for the next one to be compared with it.
const longestKept = 40

func (c *Central) reader(e *model.Entity) *reader {
	r := &reader{entity: e, empty: model.NewRow(e)}
	for i, col := range e.Columns() {
		if c.known == nil || c.known[e.Noun][col.Name] {
			r.columns, r.at = append(r.columns, col), append(r.at, i)
		} else {
			r.empty[i] = model.Absent
		}
	}
	r.whole = len(r.columns) == len(e.Columns())
	r.last = make([]lastValue, len(r.columns))
	return r
}

func (r *reader) list(prefix string) string {
	names := make([]string, len(r.columns))
	for i, c := range r.columns {
		names[i] = prefix + ident(c.Name)
	}
	return strings.Join(names, ",")
}

func (r *reader) row(v []driver.Value) model.Row {
	row := make(model.Row, len(r.empty))
	if !r.whole {
		copy(row, r.empty)
	}
	for i := range r.columns {
		row[r.at[i]] = r.cell(i, v[i])
	}
	return row
}

// cell is cell of a column.
func (r *reader) cell(i int, v driver.Value) any {
	b, ok := v.([]byte)
	if !ok || len(b) > longestKept {
		return cell(&r.columns[i], v)
	}
	last := &r.last[i]
	if last.cell == nil || !bytes.Equal(last.bytes, b) {
		last.bytes, last.cell = append(last.bytes[:0], b...), cell(&r.columns[i], v)
	}
	return last.cell
}

// cell gives a value of the driver the type of its column. What a column of
// ours cannot hold, such as the date 0000-00-00 in DATETIME, is absent.
func cell(c *model.Column, v driver.Value) any {
	if v == nil {
		return nil
	}
	switch c.Type {
	case model.ColText, model.ColLong:
		if b, ok := v.([]byte); ok {
			return string(b)
		}
		return asText(v)
	case model.ColDate:
		// An administrator may have made moments of the days.
		if b, ok := v.([]byte); ok {
			return string(b[:min(len(b), len(time.DateOnly))])
		}
	case model.ColDecimal:
		if d, ok := model.CanonicalDecimal(asText(v)); ok {
			return d
		}
		return nil
	case model.ColInt, model.ColBool:
		switch x := v.(type) {
		case int64:
			return x
		case uint64:
			return int64(x)
		case []byte:
			if n, err := strconv.ParseInt(string(x), 10, 64); err == nil {
				return n
			}
		}
	case model.ColTime:
		b, _ := v.([]byte)
		if ms, ok := parseMillis(b); ok {
			return ms
		}
		return nil
	case model.ColID:
		b, _ := v.([]byte)
		if id := model.IDFromBytes(b); id != "" {
			return id
		}
		return nil
	}
	return nil
}

// parseMillis reads "2026-11-21 14:05:06.789" in UTC. It is written out
// because a load reads millions of them.
func parseMillis(b []byte) (int64, bool) {
	if len(b) < 19 {
		return 0, false
	}
	n := func(from, to int) int {
		v := 0
		for _, d := range b[from:to] {
			if d < '0' || d > '9' {
				return -1
			}
			v = v*10 + int(d-'0')
		}
		return v
	}
	year, month, day := n(0, 4), n(5, 7), n(8, 10)
	hour, minute, second := n(11, 13), n(14, 16), n(17, 19)
	if year < 1 || month < 1 || day < 1 || hour < 0 || minute < 0 || second < 0 {
		return 0, false
	}
	ms := 0
	for i, unit := 20, 100; i < len(b) && unit > 0; i, unit = i+1, unit/10 {
		ms += int(b[i]-'0') * unit
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC).Unix()*1000 + int64(ms), true
}
