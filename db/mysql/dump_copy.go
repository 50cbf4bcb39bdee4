package mysql

import (
	"bytes"
	"context"
	"database/sql/driver"
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
	whole bool // every row of it was proved
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

// copyOf returns the copy of a table if it is to be read, nil if not. Before
// its first row is read it is proved: that every row is as it was copied, and
// that they are all there. Of an increment, only the rows of the ids are.
func (d *Dump) copyOf(ctx context.Context, reader int, t DumpTable, ids []byte) (*tableCopy, error) {
	d.copies.turn.Lock()
	c := d.copies.of[t.Name]
	d.copies.turn.Unlock()
	if c == nil {
		return nil, nil
	}
	c.turn.Lock()
	defer c.turn.Unlock()
	if c.whole {
		return c, nil
	}
	s := d.readers[reader]
	why := ""
	err := d.briefly(ctx, s, func() (err error) {
		if ids != nil && !d.from.Check {
			why, err = c.altered(ctx, s, " AND r.id IN ("+idsSQL(ids)+")")
			return err
		}
		if why, err = c.altered(ctx, s, ""); why == "" && err == nil {
			why, err = c.incomplete(ctx, s)
		}
		if why == "" && err == nil && d.from.Check {
			why, err = c.differs(ctx, s)
		}
		c.whole = true
		return err
	})
	if err != nil {
		return nil, d.reading(c.title(), err)
	}
	if why != "" {
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

// altered says how many rows of the copy are not as they were copied, "" for
// none.
func (c *tableCopy) altered(ctx context.Context, s *session, some string) (string, error) {
	n, err := c.wrong(ctx, s, "SELECT r.id FROM "+ident(c.title())+" r WHERE r."+columnGone+" IS NULL AND NOT (r."+columnHash+"<=>"+c.rowHashSQL("r")+")"+some)
	if n == 0 || err != nil {
		return "", err
	}
	return fmt.Sprintf("%d rows of %s are not as they were copied", n, c.title()), nil
}

// incomplete says that the copy has not the rows that its last refresh left,
// "" if it has. A reader may see another refresh than the first one does.
func (c *tableCopy) incomplete(ctx context.Context, s *session) (string, error) {
	var sum, left reportSum
	summed := false
	q := "SELECT " + sumSQL("r") + " FROM " + ident(c.title()) + " r WHERE r." + columnGone + " IS NULL;SELECT copied,COALESCE(hash,'') FROM report_state WHERE tbl=" + quote(string(c.entity.Noun))
	err := s.query(ctx, q, func(_ int, v []driver.Value) error {
		if len(v) == 2 {
			left, summed = parseSum(integer(v[0]), asText(v[1]))
		} else {
			sum = readSum(v)
		}
		return nil
	})
	if err != nil || !summed || sum == left {
		return "", err
	}
	return fmt.Sprintf("%s has not the rows that its last refresh left: %d, and it left %d", c.title(), sum.rows, left.rows), nil
}

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

// rows reads all rows of a table from its copy.
func (c *tableCopy) rows(ctx context.Context, d *Dump, reader int, t DumpTable, row func(v []any) error) error {
	after := ""
	for ids := range slices.Chunk(c.newer, newerChunk*idBytes) {
		upTo := fmt.Sprintf(" AND id<=X'%x'", ids[len(ids)-idBytes:])
		if err := c.overlaid(ctx, d, reader, t, after+upTo, ids, row); err != nil {
			return err
		}
		after = fmt.Sprintf(" AND id>X'%x'", ids[len(ids)-idBytes:])
	}
	return c.overlaid(ctx, d, reader, t, after, nil, row)
}

// rowsOf reads the rows of some ids.
func (c *tableCopy) rowsOf(ctx context.Context, d *Dump, reader int, t DumpTable, ids []byte, row func(v []any) error) error {
	var newer []byte
	for id := range slices.Chunk(ids, idBytes) {
		if hasID(c.newer, id) {
			newer = append(newer, id...)
		}
	}
	return c.overlaid(ctx, d, reader, t, " AND id IN ("+idsSQL(ids)+")", newer, row)
}

// overlaid reads the copies of which a condition holds, but those of some ids
// from the table itself.
func (c *tableCopy) overlaid(ctx context.Context, d *Dump, reader int, t DumpTable, condition string, newer []byte, row func(v []any) error) error {
	at := slices.Index(t.Columns, model.ColumnID)
	var own [][]any
	if len(newer) > 0 {
		err := d.stream(ctx, reader, t, t.ofIDs(newer), func(v []any) error {
			own = append(own, keptRow(v))
			return nil
		})
		if err != nil {
			return err
		}
	}
	before := func(id []byte) error {
		for len(own) > 0 && (id == nil || bytes.Compare(own[0][at].([]byte), id) < 0) {
			if err := row(own[0]); err != nil {
				return err
			}
			own = own[1:]
		}
		return nil
	}
	q := "SELECT " + strings.Join(t.selects, ",") + " FROM " + ident(c.title()) + " FORCE INDEX (PRIMARY) WHERE " + columnGone + " IS NULL" + condition + " ORDER BY id"
	err := d.stream(ctx, reader, t, q, func(v []any) error {
		id, _ := v[at].([]byte)
		if err := before(id); err != nil {
			return err
		}
		if hasID(newer, id) {
			return nil
		}
		return row(v)
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
