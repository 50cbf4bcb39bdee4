package mysql

import (
	"bytes"
	"context"
	"database/sql/driver"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"rapport/model"
)

// Way is how a client reaches the central.
type Way int8

// The ways. A client finds out at its first poll: a person calls procedures,
// an account with rights on the tables uses plain statements.
const (
	WayUnknown Way = iota
	WayPlain
	WayCalls
)

// calls tells whether the connection is that of a person.
func (c *Central) calls() bool { return c.way == WayCalls }

// atSQL are the arguments that say where the client is.
func atSQL(at model.Position) string {
	run, nonce := at.Run, at.Nonce
	if nonce == "" {
		run, nonce = -1, "00"
	}
	return fmt.Sprintf("%d,X'%s',%d", run, hexOnly(nonce), at.Seq)
}

// callPoll polls through the procedures. done is false where the account is no
// person or the server has no procedures: then plain statements go on, from the
// head that came, if one did.
func (c *Central) callPoll(ctx context.Context, who model.Device, at model.Position) (head model.Head, done bool, err error) {
	if c.way == WayUnknown && !c.session.dialect.procedures() {
		c.way = WayPlain
		return head, false, nil
	}
	client, note := "NULL", who.Client != "" && (!c.greeted || time.Since(c.noted) >= noteEvery)
	if who.Client != "" {
		client = idLiteral(who.Client)
	}
	flag := "0"
	if note {
		flag = "1"
	}
	q := strings.Join([]string{"CALL sync_poll(" + client, flag, quote(cut(who.Name, 255)), quote(cut(who.Program, 64)),
		strconv.FormatInt(who.Pending, 10), strconv.FormatInt(model.SchemaVersion, 10), atSQL(at) + ")"}, ",")
	line, wipe := "", false
	err = c.query(ctx, q, func(set int, v []driver.Value) error {
		if set == 0 {
			line = asText(v[0])
		} else {
			wipe = true
		}
		return nil
	})
	if err != nil && (line == "" || number(err) == 0) {
		if n := number(err); c.way == WayUnknown && (n == 1305 || n == 1370) { // no such procedure, no right to it
			c.way, c.alone = WayPlain, true
			return head, false, nil
		}
		return head, true, mapError("poll", err)
	}
	c.greeted = true
	if note {
		c.noted = time.Now()
	}
	if head, err = c.readHead(line, at); err != nil {
		return head, true, err
	}
	if c.way == WayUnknown {
		c.way = WayCalls
		if head.Access == accessPlain {
			c.way, head.Access = WayPlain, accessAll
		}
	}
	if wipe {
		head = model.Head{Wipe: true}
	}
	return head, true, nil
}

// callReader turns a result into rows by the names of its columns: the server
// may know more of them, or fewer.
type callReader struct {
	entity  *model.Entity
	columns []*model.Column
	at      []int
	empty   model.Row // every column absent
}

func newCallReader(names []string) *callReader {
	e := model.EntityOf(model.Noun(names[0]))
	if e == nil || string(e.Noun) != names[0] {
		return &callReader{}
	}
	r := &callReader{entity: e, columns: make([]*model.Column, len(names)), at: make([]int, len(names)), empty: make(model.Row, len(e.Columns()))}
	for i := range r.empty {
		r.empty[i] = model.Absent // until the server sends it
	}
	for i, name := range names {
		if i == 0 {
			name = model.ColumnID
		}
		if at, c := e.Column(name); at >= 0 {
			r.columns[i], r.at[i] = &c, at
		}
	}
	return r
}

func (r *callReader) row(v []driver.Value) model.Row {
	row := slices.Clone(r.empty)
	for i, c := range r.columns {
		if c != nil {
			row[r.at[i]] = cell(c, v[i])
		}
	}
	return row
}

// callRows runs a call whose results are rows of tables, and others that other
// is given with the name of their first column.
func (c *Central) callRows(ctx context.Context, q string, each func(model.Noun, model.Row) error, other func(first string, v []driver.Value) error) error {
	var r *callReader
	last := -1
	return c.query(ctx, q, func(set int, v []driver.Value) error {
		if set != last {
			r, last = newCallReader(c.session.names), set
		}
		if r.entity != nil {
			return each(r.entity.Noun, r.row(v))
		}
		if other != nil {
			return other(c.session.names[0], v)
		}
		return nil
	})
}

// left reads the result that leftBehind begins: a table, and which of its
// columns are there.
func left(v []driver.Value) (table model.Noun, columns []string) {
	if names := asText(v[2]); names != "" {
		columns = strings.Split(names, ",")
	}
	return model.Noun(asText(v[1])), columns
}

// callPull is pull through the procedures. What left the person's scopes is
// told, but not what is in another of them.
func (c *Central) callPull(ctx context.Context, page *model.FeedPage, from int64) error {
	p := pager{page: page, newest: map[model.ID]int{}}
	here := map[model.ID]bool{}
	unread := map[model.Noun]bool{}
	err := c.callRows(ctx, fmt.Sprintf("CALL sync_pull(%d,%d)", from, page.To), func(n model.Noun, row model.Row) error {
		page.Rows[n] = append(page.Rows[n], row)
		here[row.ID()] = true
		return nil
	}, func(first string, v []driver.Value) error {
		switch first {
		case "min_seq":
			readEnd(page, v)
		case leftBehind:
			table, _ := left(v)
			unread[table] = true
		default:
			p.add(v)
		}
		return nil
	})
	if err != nil {
		return mapError("pull", err)
	}
	page.Entries = slices.DeleteFunc(page.Entries, func(en model.FeedEntry) bool {
		return en.Seq == 0 || model.EntityOf(en.Table) == nil || unread[en.Table]
	})
	for i := range page.Entries {
		if en := &page.Entries[i]; en.Op == model.FeedLeave && here[en.ID] {
			en.Op = model.FeedUpsert
		}
	}
	return nil
}

// pager collects the entries of a page: of each row the newest one.
type pager struct {
	page   *model.FeedPage
	newest map[model.ID]int
	count  int
}

// add reads seq, tbl, pk, op.
func (p *pager) add(v []driver.Value) {
	id, _ := v[2].([]byte)
	en := model.FeedEntry{Seq: integer(v[0]), Table: model.Noun(asText(v[1])), ID: model.IDFromBytes(id), Op: model.FeedOp(integer(v[3]))}
	if p.count++; p.count == pageEntries {
		p.page.To = en.Seq
	}
	if i, again := p.newest[en.ID]; again && p.page.Entries[i].Table == en.Table {
		p.page.Entries[i].Seq = 0
	}
	p.newest[en.ID] = len(p.page.Entries)
	p.page.Entries = append(p.page.Entries, en)
}

// wanted names rows of a table in a request.
type wanted struct {
	Table   model.Noun `json:"t"`
	IDs     []string   `json:"i,omitempty"`
	Bits    int        `json:"n"`
	Buckets []uint32   `json:"b,omitempty"`
}

func (c *Central) callFetch(ctx context.Context, ids map[model.Noun][]model.ID) (map[model.Noun][]model.Row, error) {
	out := map[model.Noun][]model.Row{}
	var list []wanted
	size := 0
	for _, e := range model.Entities() {
		for part := range slices.Chunk(ids[e.Noun], fetchIDs) {
			w := wanted{Table: e.Noun}
			for _, id := range part {
				w.IDs = append(w.IDs, plainHex(id))
			}
			list, out[e.Noun] = append(list, w), slices.Clip(out[e.Noun])
			if size += len(part); size >= fetchIDs {
				if err := c.fetchWanted(ctx, list, out); err != nil {
					return out, err
				}
				list, size = nil, 0
			}
		}
	}
	return out, c.fetchWanted(ctx, list, out)
}

func (c *Central) fetchWanted(ctx context.Context, list []wanted, into map[model.Noun][]model.Row) error {
	if len(list) == 0 {
		return nil
	}
	err := c.callRows(ctx, "CALL sync_fetch("+jsonLiteral(list)+")", func(n model.Noun, row model.Row) error {
		into[n] = append(into[n], row)
		return nil
	}, func(first string, v []driver.Value) error {
		if first == leftBehind {
			table, _ := left(v)
			delete(into, table)
		}
		return nil
	})
	return mapError("fetch rows", err)
}

func (c *Central) callLoad(ctx context.Context, e *model.Entity, after model.ID, each func(model.Row) error) error {
	var failed error
	err := c.callRows(ctx, "CALL sync_load("+quote(string(e.Noun))+",X'"+plainHex(after)+"')", func(_ model.Noun, row model.Row) error {
		failed = each(row)
		return failed
	}, nil)
	if failed != nil {
		return failed
	}
	return mapError("load "+string(e.Noun), err)
}

func (c *Central) callDigest(ctx context.Context, bits map[model.Noun]int) (map[model.Noun]model.Digest, error) {
	out := map[model.Noun]model.Digest{}
	var list []wanted
	for _, e := range model.Entities() {
		if n, asked := bits[e.Noun]; asked {
			d := model.Digest{Buckets: map[uint32]model.Bucket{}}
			for _, col := range e.Columns() {
				d.Columns = append(d.Columns, col.Name)
			}
			out[e.Noun], list = d, append(list, wanted{Table: e.Noun, Bits: n})
		}
	}
	err := c.query(ctx, "CALL sync_digest("+jsonLiteral(list)+")", func(_ int, v []driver.Value) error {
		if c.session.names[0] == leftBehind {
			table, columns := left(v)
			if delete(out, table); len(columns) > 0 {
				out[table] = model.Digest{Columns: columns, Buckets: map[uint32]model.Bucket{}}
			}
			return nil
		}
		n, b, err := bucket(v[1:])
		if d, ok := out[model.Noun(asText(v[0]))]; ok {
			d.Buckets[n] = b
		}
		return err
	})
	return out, mapError("compare", err)
}

func (c *Central) callHashes(ctx context.Context, bits map[model.Noun]int, buckets map[model.Noun][]uint32) (map[model.Noun]map[model.ID]uint64, error) {
	out := map[model.Noun]map[model.ID]uint64{}
	var list []wanted
	for _, e := range model.Entities() {
		if len(buckets[e.Noun]) > 0 {
			out[e.Noun], list = map[model.ID]uint64{}, append(list, wanted{Table: e.Noun, Bits: bits[e.Noun], Buckets: buckets[e.Noun]})
		}
	}
	err := c.query(ctx, "CALL sync_hashes("+jsonLiteral(list)+")", func(_ int, v []driver.Value) error {
		if c.session.names[0] == leftBehind {
			return nil // as the digest said before
		}
		id, _ := v[1].([]byte)
		hash, _ := v[2].([]byte)
		if m := out[model.Noun(asText(v[0]))]; m != nil && len(hash) == 8 {
			m[model.IDFromBytes(id)] = binary.BigEndian.Uint64(hash)
		}
		return nil
	})
	return out, mapError("compare", err)
}

func (c *Central) callSurvey(ctx context.Context, each func(model.Noun, model.Row) error) (map[model.Noun]int64, error) {
	totals := map[model.Noun]int64{}
	var failed error
	err := c.callRows(ctx, "CALL sync_survey()", func(n model.Noun, row model.Row) error {
		failed = each(n, row)
		return failed
	}, func(first string, v []driver.Value) error {
		if first == leftBehind {
			return nil
		}
		p := strings.Split(asText(v[0]), ",")
		for i := 0; i+1 < len(p); i += 2 {
			if n, err := strconv.ParseInt(p[i+1], 10, 64); err == nil {
				totals[model.Noun(p[i])] = n
			}
		}
		return nil
	})
	if failed != nil {
		return totals, failed
	}
	return totals, mapError("survey", err)
}

// plainHex is an id as digits without a sign.
func plainHex(id model.ID) string { return fmt.Sprintf("%x", id.Bytes()) }

// jsonLiteral writes a request as a literal.
func jsonLiteral(v any) string { return quote(jsonText(v)) }

func jsonText(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		// Texts, numbers and nothing else can always be written.
		panic(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func integer(v driver.Value) int64 {
	n, err := strconv.ParseInt(asText(v), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
