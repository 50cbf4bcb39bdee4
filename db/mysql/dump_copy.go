package mysql

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"

	"rapport/model"
)

// A dump may read the rows of records from their report tables, so that who
// works with the records shares no page and no lock with it. It is of the same
// moment as any other all the same. A copy is behind its table by what has a
// feed position above its own or none yet, and the feed of the moment tells
// those rows by their keys: they are looked up in the table, a few after a
// refresh, and every other row of the copy is that of the table.
//
// A copy that cannot be relied on is not read, but its table is, and the dump
// tells why: a backup that takes more of the server is better than none.

// copies is what a dump knows of the report tables.
type copies struct {
	unused string                // why none is read, "" if some may be
	of     map[string]*tableCopy // by table
	turn   sync.Mutex
	why    map[string]string // by table, why its copy is not read
}

// tableCopy is a report table that a dump reads.
type tableCopy struct {
	*mirror
	state *reportState
	newer []byte // ids of the rows that are newer than their copies, in order
	turn  sync.Mutex
	asked bool // it was compared with its table
}

// DumpCopies tells what a dump reads from report tables.
type DumpCopies struct {
	Position int64    // feed position that all of these tables have reached
	Tables   []string // whose rows come from their copies
	Newer    int64    // rows of these that do not, because they are newer
}

// mostNewer is how many rows a copy may be behind its table.
const mostNewer = 20000

// freshen brings the report tables up to date before the moment is taken, so
// that few rows are newer. Where the account may not do that, or the server
// takes no changes, they are read as they are.
func (d *Dump) freshen(ctx context.Context, url string, n model.Notify) error {
	st, err := Reports(ctx, url)
	if err == nil && st == nil {
		d.copies.unused = "there are none; `rapport central refresh-reports` makes them"
	}
	if err == nil && st != nil {
		_, err = RefreshReports(ctx, url, model.ReportsRequest{}, n)
	}
	switch number(err) {
	case erTableDenied, erColumnDenied, erDBAccessDenied, erNeedsRight, 1290, 1792, 1836:
		err = nil
	}
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	d.copies.unused = sentence(err)
	return nil
}

// sentence is what an error says to a person.
func sentence(err error) string {
	if e, ok := err.(*model.Error); ok {
		return e.Msg
	}
	return err.Error()
}

// useCopies finds out which tables can be read from their copies at the moment.
func (d *Dump) useCopies(ctx context.Context, all []*tableShape) error {
	if d.copies.unused == "" && !d.control.dialect.triggers() {
		d.copies.unused = "on " + d.control.dialect.name() + " nobody notes what other programs change"
	}
	if d.copies.unused != "" {
		return nil
	}
	s := d.readers[0]
	r := &refresher{builder: &builder{session: s, ctx: ctx, database: d.control.address.Database}}
	if err := d.briefly(ctx, s, r.look); err != nil {
		return d.reading("report_state", err)
	}
	d.copies.of, d.copies.why = map[string]*tableCopy{}, map[string]string{}
	loose := map[string]bool{}
	for _, t := range all {
		loose[t.name] = t.loose
	}
	for _, m := range r.mirrors {
		name := string(m.entity.Noun)
		i := slices.IndexFunc(d.tables, func(t DumpTable) bool { return t.Name == name })
		if i < 0 || d.tables[i].Empty {
			continue // it costs nothing to read it
		}
		if why := r.unusable(m, d.tables[i], loose[m.title()]); why != "" {
			d.copies.why[name] = why
			continue
		}
		d.copies.of[name] = &tableCopy{mirror: m, state: r.states[m.title()]}
	}
	if err := d.oldest(ctx); err != nil {
		return err
	}
	return d.findNewer(ctx, s)
}

// oldest takes of each copy the position that the reader sees who is furthest
// behind. What all of them see alike are the records; of two refreshes, one may
// see the first and another one both.
func (d *Dump) oldest(ctx context.Context) error {
	for _, s := range d.readers[1:] {
		err := s.query(ctx, d.freely("SELECT tbl,position FROM report_state"), func(_ int, v []driver.Value) error {
			if c := d.copies.of[asText(v[0])]; c != nil {
				c.state.position = min(c.state.position, integer(v[1]))
			}
			return nil
		})
		if err != nil {
			return d.reading("report_state", err)
		}
	}
	return nil
}

// unusable says why a table cannot be read from its copy, "" if it can.
func (r *refresher) unusable(m *mirror, t DumpTable, loose bool) string {
	switch why := r.outdated(m); {
	case why != "":
		return m.title() + " " + why
	case loose:
		return m.title() + " is kept outside of transactions"
	}
	for _, name := range t.Columns {
		own, copied := r.have[t.Name][name], r.have[m.title()][name]
		switch {
		case copied.kind == "":
			return m.title() + " does not have its column " + name
		case own.kind != copied.kind || own.charset != copied.charset:
			return m.title() + " keeps its column " + name + " in another form"
		}
	}
	if !t.Followed {
		return "nobody notes what changes there"
	}
	return ""
}

// briefly asks something in a snapshot and gives the tables back, as freely
// does.
func (d *Dump) briefly(ctx context.Context, s *session, ask func() error) error {
	if err := s.exec(ctx, "SAVEPOINT dump"); err != nil {
		return err
	}
	if err := ask(); err != nil {
		return err
	}
	return s.exec(ctx, "ROLLBACK TO SAVEPOINT dump")
}

// findNewer finds the rows whose copies are older than the moment.
func (d *Dump) findNewer(ctx context.Context, s *session) error {
	from := d.info.Position
	for _, c := range d.copies.of {
		from = min(from, c.state.position)
	}
	q := fmt.Sprintf("SELECT tbl,pk,seq FROM sync_feed FORCE INDEX (PRIMARY) WHERE seq>%d;SELECT tbl,pk FROM sync_outbox", from)
	err := d.briefly(ctx, s, func() error {
		return s.query(ctx, q, func(_ int, v []driver.Value) error {
			c, id := d.copies.of[asText(v[0])], v[1].([]byte)
			if c != nil && len(id) == idBytes && (len(v) == 2 || integer(v[2]) > c.state.position) {
				c.newer = append(c.newer, id...)
			}
			return nil
		})
	})
	if err != nil {
		return d.reading("sync_feed", err)
	}
	for name, c := range d.copies.of {
		c.newer = distinct(c.newer)
		if n := len(c.newer) / idBytes; n > mostNewer {
			d.giveUp(name, fmt.Sprintf("%s lacks the changes of %d rows", c.title(), n))
		}
	}
	return nil
}

// giveUp has a table be read itself from now on.
func (d *Dump) giveUp(table, why string) {
	d.copies.turn.Lock()
	defer d.copies.turn.Unlock()
	if d.copies.of[table] != nil {
		delete(d.copies.of, table)
		d.copies.why[table] = why
	}
}

// copyOf returns the copy of a table if it is to be read, nil if not.
func (d *Dump) copyOf(ctx context.Context, reader int, t DumpTable) (*tableCopy, error) {
	d.copies.turn.Lock()
	c := d.copies.of[t.Name]
	d.copies.turn.Unlock()
	if c == nil || !d.from.Check {
		return c, nil
	}
	c.turn.Lock()
	defer c.turn.Unlock()
	if c.asked {
		return c, nil
	}
	why, s := "", d.readers[reader]
	err := d.briefly(ctx, s, func() (err error) {
		why, err = c.differs(ctx, s)
		return err
	})
	if err != nil {
		return nil, d.reading(c.title(), err)
	}
	if c.asked = true; why != "" {
		d.giveUp(t.Name, why)
		return nil, nil
	}
	return c, nil
}

// wrong counts the rows of a query for ids that are not known to be newer than
// their copies.
func (c *tableCopy) wrong(ctx context.Context, s *session, q string) (n int, err error) {
	err = s.query(ctx, q, func(_ int, v []driver.Value) error {
		if id, _ := v[0].([]byte); !hasID(c.newer, id) {
			n++
		}
		return nil
	})
	return n, err
}

// hasID tells whether an id is among those that lie one behind the other in
// order.
func hasID(ids, id []byte) bool {
	_, found := sort.Find(len(ids)/idBytes, func(i int) int { return bytes.Compare(id, ids[i*idBytes:(i+1)*idBytes]) })
	return found
}

// left asks for the sum of the rows that the last refresh left in the copy; ok
// is false where that is not known. Error: errAltered where the copy has another
// number of rows by now. A reader may see another refresh than the first one.
func (c *tableCopy) left(ctx context.Context, d *Dump, reader int) (sum reportSum, ok bool, err error) {
	rows := int64(0)
	q := "SELECT COUNT(*) FROM " + ident(c.title()) + " WHERE " + columnGone + " IS NULL;SELECT copied,COALESCE(hash,'') FROM report_state WHERE tbl=" + quote(string(c.entity.Noun))
	err = d.briefly(ctx, d.readers[reader], func() error {
		return d.readers[reader].query(ctx, q, func(_ int, v []driver.Value) error {
			if len(v) == 2 {
				sum, ok = parseSum(integer(v[0]), asText(v[1]))
			} else {
				rows = integer(v[0])
			}
			return nil
		})
	})
	switch {
	case err != nil:
		return sum, false, d.reading(c.title(), err)
	case ok && rows != sum.rows:
		d.giveUp(string(c.entity.Noun), fmt.Sprintf("%s has %d rows, and its last refresh left %d", c.title(), rows, sum.rows))
		return sum, false, errAltered
	}
	return sum, ok, nil
}

// errAltered says that a copy is not as its last refresh left it.
var errAltered = errors.New("a report table was altered")

// differs says how many rows of the copy are not those of the table although
// nobody noted a change, "" for none. It reads the whole table.
func (c *tableCopy) differs(ctx context.Context, s *session) (string, error) {
	table, copied := ident(string(c.entity.Noun)), ident(c.title())
	n, err := c.wrong(ctx, s, "SELECT t.id FROM "+table+" t LEFT JOIN "+copied+" r ON r.id=t.id AND r."+columnGone+" IS NULL WHERE r.id IS NULL OR NOT (r."+columnHash+"<=>"+c.rowHashSQL("t")+")"+
		" UNION ALL SELECT r.id FROM "+copied+" r LEFT JOIN "+table+" t ON t.id=r.id WHERE t.id IS NULL AND r."+columnGone+" IS NULL")
	if n == 0 || err != nil {
		return "", err
	}
	return fmt.Sprintf("%d rows of %s are others than the table's without a trace", n, c.title()), nil
}

// newerChunk is how many rows that are newer than their copies are held at once.
const newerChunk = 100

// copyReading is one reading of a table from its copy.
type copyReading struct {
	*tableCopy
	ctx    context.Context
	d      *Dump
	reader int
	t      DumpTable
	at     int // of the id among the columns
	row    func(v []any) error
	hash   func(v []any) []byte
	sum    reportSum // of the copies that were read
	last   []byte    // id of the row that was passed on last
}

func (d *Dump) readCopy(ctx context.Context, reader int, t DumpTable, c *tableCopy, row func(v []any) error) *copyReading {
	return &copyReading{tableCopy: c, ctx: ctx, d: d, reader: reader, t: t, at: slices.Index(t.Columns, model.ColumnID), row: row, hash: c.rowHasher(t.Columns)}
}

// rows reads all rows of the table. At a row of the copy that is not as it was
// copied, it goes on with the table itself.
func (r *copyReading) rows() error {
	sum, known, err := r.left(r.ctx, r.d, r.reader)
	after := ""
	for ids := range slices.Chunk(r.newer, newerChunk*idBytes) {
		if err != nil {
			break
		}
		upTo := ids[len(ids)-idBytes:]
		err = r.overlaid(fmt.Sprintf("%s AND id<=X'%x'", after, upTo), ids)
		after = fmt.Sprintf(" AND id>X'%x'", upTo)
	}
	if err == nil {
		err = r.overlaid(after, nil)
	}
	switch {
	case errors.Is(err, errAltered):
		q := "SELECT " + strings.Join(r.t.selects, ",") + " FROM " + ident(r.t.Name) + " FORCE INDEX (PRIMARY)"
		if r.last != nil {
			q += fmt.Sprintf(" WHERE id>X'%x'", r.last)
		}
		return r.d.stream(r.ctx, r.reader, r.t, q+" ORDER BY id", r.row)
	case err == nil && known && sum != r.sum:
		return model.Errorf(model.Corrupt, "%s has other rows than its last refresh left, and a backup has read them", r.title()).
			WithHint("`rapport central refresh-reports --check` puts it right")
	}
	return err
}

// rowsOf reads the rows of some ids, as rows does.
func (r *copyReading) rowsOf(ids []byte) error {
	var newer []byte
	for id := range slices.Chunk(ids, idBytes) {
		if hasID(r.newer, id) {
			newer = append(newer, id...)
		}
	}
	err := r.overlaid(" AND id IN ("+idsSQL(ids)+")", newer)
	if !errors.Is(err, errAltered) {
		return err
	}
	for len(ids) > 0 && r.last != nil && bytes.Compare(ids[:idBytes], r.last) <= 0 {
		ids = ids[idBytes:]
	}
	return r.d.stream(r.ctx, r.reader, r.t, r.t.ofIDs(ids), r.row)
}

// overlaid reads the copies of which a condition holds, but those of some ids
// from the table itself.
func (r *copyReading) overlaid(condition string, newer []byte) error {
	pass := func(v []any) error {
		r.last = append(r.last[:0], v[r.at].([]byte)...)
		return r.row(v)
	}
	var own [][]any
	if len(newer) > 0 {
		err := r.d.stream(r.ctx, r.reader, r.t, r.t.ofIDs(newer), func(v []any) error {
			own = append(own, keptRow(v))
			return nil
		})
		if err != nil {
			return err
		}
	}
	before := func(id []byte) error {
		for len(own) > 0 && (id == nil || bytes.Compare(own[0][r.at].([]byte), id) < 0) {
			if err := pass(own[0]); err != nil {
				return err
			}
			own = own[1:]
		}
		return nil
	}
	n := len(r.t.Columns)
	with := r.t
	with.Columns, with.Types, with.kinds = append(slices.Clone(r.t.Columns), columnHash), append(slices.Clone(r.t.Types), "blob"), append(slices.Clone(r.t.kinds), "binary")
	q := "SELECT " + strings.Join(r.t.selects, ",") + "," + columnHash + " FROM " + ident(r.title()) + " FORCE INDEX (PRIMARY) WHERE " + columnGone + " IS NULL" + condition + " ORDER BY id"
	err := r.d.stream(r.ctx, r.reader, with, q, func(v []any) error {
		id, hash := v[r.at].([]byte), v[n].([]byte)
		if err := before(id); err != nil {
			return err
		}
		if r.sum = r.sum.withHash(hash); hasID(newer, id) {
			return nil
		}
		if !bytes.Equal(r.hash(v[:n]), hash) {
			r.d.giveUp(r.t.Name, "a row of "+r.title()+" is not as it was copied")
			return errAltered
		}
		return pass(v[:n])
	})
	if err != nil {
		return err
	}
	return before(nil)
}

// ofIDs selects the rows of some ids from the table itself.
func (t DumpTable) ofIDs(ids []byte) string {
	return "SELECT " + strings.Join(t.selects, ",") + " FROM " + ident(t.Name) + " FORCE INDEX (PRIMARY) WHERE id IN (" + idsSQL(ids) + ") ORDER BY id"
}

// keptRow is a row that stays valid.
func keptRow(v []any) []any {
	out := slices.Clone(v)
	for i, x := range out {
		if b, ok := x.([]byte); ok {
			out[i] = bytes.Clone(b)
		}
	}
	return out
}

// Copies tells what is read from report tables, nil for nothing. What is wrong
// with one shows when it is read.
func (d *Dump) Copies() *DumpCopies {
	d.copies.turn.Lock()
	defer d.copies.turn.Unlock()
	var out *DumpCopies
	for _, t := range d.tables {
		c := d.copies.of[t.Name]
		if c == nil {
			continue
		}
		if out == nil {
			out = &DumpCopies{Position: c.state.position}
		}
		out.Position = min(out.Position, c.state.position)
		out.Tables = append(out.Tables, t.Name)
		out.Newer += int64(len(c.newer) / idBytes)
	}
	return out
}

// Instead says what was read in place of what was asked for, and why, a
// sentence each.
func (d *Dump) Instead() []string {
	d.copies.turn.Lock()
	defer d.copies.turn.Unlock()
	out := slices.Clone(d.instead)
	if d.copies.unused != "" {
		out = append(out, "the report tables were not read: "+d.copies.unused)
	}
	var reasons []string
	of := map[string][]string{}
	for _, t := range d.tables {
		if why := d.copies.why[t.Name]; why != "" {
			if of[why] == nil {
				reasons = append(reasons, why)
			}
			of[why] = append(of[why], t.Name)
		}
	}
	for _, why := range reasons {
		out = append(out, "of "+strings.Join(of[why], ", ")+" the table was read and not its copy: "+why)
	}
	return out
}
