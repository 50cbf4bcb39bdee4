package sim

import (
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"rapport/model"
)

// runChanges is how many changes one run of the sequencer moves.
const runChanges = model.SequencedAtOnce

// Server is a central in memory with the semantics of the real one: rows with
// versions, an outbox that each transaction fills when it writes and shows
// when it commits, a sequencer, a feed, receipts and run nonces. It is for one
// goroutine; what happens at the same time is interleaved explicitly.
type Server struct {
	clock  func() time.Time
	random *rand.Rand
	state

	open       []*Tx
	generation int  // rises when the server restarts: older connections are dead
	readOnly   bool // a standby, which takes no changes
	forbidden  string
}

// state is what a backup of the server holds.
type state struct {
	epoch      string
	seq, run   int64
	minSeq     int64
	minClient  int64
	lastOutbox int64
	tables     map[model.Noun]map[model.ID]model.Row // rows are never changed in place
	outbox     []change                              // committed, without a position
	feed       []entry
	runs       map[int64]string // nonce of each run
	receipts   map[receiptKey]receipt
	arrivals   map[arrival]int
	history    []happened
	reach      map[string][]model.ID // the scopes of a person who does not see all
}

// rowKey names one row.
type rowKey struct {
	noun model.Noun
	id   model.ID
}

// change is a row of the outbox. Ids are given when it is written, so they say
// nothing about the order of commits.
type change struct {
	oid                int64
	key                rowKey
	op                 model.FeedOp
	scopeOld, scopeNew model.ID // "" for none
}

// entry is a row of the feed.
type entry struct {
	model.FeedEntry
	scope model.ID
}

type receiptKey struct {
	client model.ID
	batch  int64
}

// receipt is what the server keeps of a batch.
type receipt struct {
	nonce   string
	found   []bool // of each operation: an update changed its row, an insert made it
	refused map[int]model.PushResult
}

// arrival is a value that came into a column of a row.
type arrival struct {
	key    rowKey
	column string
	from   string // the value it took the place of, "" if its way is not followed
	value  string
}

// happened is one change in the history of the rows.
type happened struct {
	at  int64 // milliseconds
	key rowKey
	model.RowChange
}

// NewServer returns a central as an administrator sets it up. clock is the
// server's, random gives its nonces.
func NewServer(clock func() time.Time, random *rand.Rand) *Server {
	s := &Server{clock: clock, random: random, state: state{
		minClient: 1, tables: map[model.Noun]map[model.ID]model.Row{},
		runs: map[int64]string{}, receipts: map[receiptKey]receipt{}, arrivals: map[arrival]int{}, reach: map[string][]model.ID{}}}
	s.epoch = string(s.newID())
	for _, e := range model.Entities() {
		s.tables[e.Noun] = map[model.ID]model.Row{}
	}
	seeds := model.SeedRows()
	t := s.Begin("root")
	for _, e := range model.Entities() {
		for _, row := range seeds[e.Noun] {
			if err := t.insertRow(e, slices.Clone(row)); err != nil {
				panic(fmt.Sprintf("sim: the first rows of a central are refused: %v", err))
			}
		}
	}
	t.Commit()
	s.sequence()
	return s
}

func (s *Server) newID() model.ID {
	var b [16]byte
	for i := range b {
		b[i] = byte(s.random.Uint32())
	}
	return model.IDFromBytes(b[:])
}

func (s *Server) nonce() string {
	var b [8]byte
	for i := range b {
		b[i] = byte(s.random.Uint32())
	}
	return hex.EncodeToString(b[:])
}

// sequence gives positions to committed changes, in the order of their ids. A
// row that changes its scope leaves one and enters another.
func (s *Server) sequence() {
	n := min(len(s.outbox), runChanges)
	if n == 0 {
		return
	}
	for _, c := range s.outbox[:n] {
		add := func(scope model.ID, op model.FeedOp) {
			s.seq++
			s.feed = append(s.feed, entry{FeedEntry: model.FeedEntry{Seq: s.seq, Table: c.key.noun, ID: c.key.id, Op: op}, scope: scope})
		}
		switch {
		case c.op == model.FeedDelete:
			add(c.scopeOld, model.FeedDelete)
			continue
		case c.scopeOld != "" && c.scopeOld != c.scopeNew:
			add(c.scopeOld, model.FeedLeave)
		}
		add(c.scopeNew, model.FeedUpsert)
	}
	s.outbox = slices.Clone(s.outbox[n:])
	s.run++
	s.runs[s.run] = s.nonce()
}

// lookup returns a committed row, nil if there is none.
func (s *Server) lookup(k rowKey) model.Row { return s.tables[k.noun][k.id] }

// sorted returns the committed rows of a table in the order of their ids.
func (s *Server) sorted(n model.Noun) []model.Row {
	table := s.tables[n]
	ids := slices.Sorted(maps.Keys(table))
	out := make([]model.Row, len(ids))
	for i, id := range ids {
		out[i] = slices.Clone(table[id])
	}
	return out
}

// copyState copies what a backup holds. Rows are shared: they never change.
func (st *state) copyState() state {
	c := *st
	c.tables = make(map[model.Noun]map[model.ID]model.Row, len(st.tables))
	for n, t := range st.tables {
		c.tables[n] = maps.Clone(t)
	}
	c.outbox, c.feed = slices.Clone(st.outbox), slices.Clone(st.feed)
	c.runs, c.receipts, c.arrivals = maps.Clone(st.runs), maps.Clone(st.receipts), maps.Clone(st.arrivals)
	c.history, c.reach = slices.Clone(st.history), maps.Clone(st.reach)
	return c
}

// Restart ends every connection and every open transaction, as a crash of the
// server does. What was committed is there again.
func (s *Server) Restart() {
	for len(s.open) > 0 {
		s.open[0].Rollback()
	}
	s.generation++
}

// restore puts an older state back by hand, or as Rapport does, which gives
// the central a new identity.
func (s *Server) restore(st state, newEpoch bool) {
	s.Restart()
	s.state = st.copyState()
	if newEpoch {
		s.epoch = string(s.newID())
	}
}

// rebuild takes older states of the contacts that both have, as a table that
// comes back from its copy. Nothing tells of what they were since, and the runs
// go on: the new identity alone tells that something is lost.
func (s *Server) rebuild(st state) {
	s.Restart()
	e := model.EntityOf("contact")
	for _, id := range slices.Sorted(maps.Keys(s.tables[e.Noun])) {
		row, old := s.tables[e.Noun][id], st.tables[e.Noun][id]
		if old == nil || version(e, old) >= version(e, row) {
			continue
		}
		old = slices.Clone(old)
		for _, c := range []string{model.ColumnScope, ownerColumn} {
			old.Set(e, c, row.Get(e, c))
		}
		k := rowKey{e.Noun, id}
		s.tables[e.Noun][id] = old
		s.history = slices.DeleteFunc(s.history, func(h happened) bool { return h.key == k })
		s.lastOutbox++
		scope, _ := row.Get(e, model.ColumnScope).(model.ID)
		s.outbox = append(s.outbox, change{oid: s.lastOutbox, key: k, op: model.FeedUpsert, scopeOld: scope, scopeNew: scope})
	}
	s.epoch = string(s.newID())
	s.sequence()
}

// purge forgets the feed up to a position, as the retention does.
func (s *Server) purge(to int64) {
	s.feed = slices.DeleteFunc(s.feed, func(e entry) bool { return e.Seq <= to })
	s.minSeq = max(s.minSeq, min(to, s.seq))
}

// compact forgets the entries of the feed that a newer one of the same row and
// scope replaces.
func (s *Server) compact() {
	type told struct {
		key   rowKey
		scope model.ID
	}
	newest := map[told]int64{}
	of := func(e entry) told { return told{rowKey{e.Table, e.ID}, e.scope} }
	for _, e := range s.feed {
		newest[of(e)] = e.Seq
	}
	s.feed = slices.DeleteFunc(s.feed, func(e entry) bool { return newest[of(e)] != e.Seq })
}

// sees tells whether a person sees a scope.
func (st *state) sees(person string, scope model.ID) bool {
	scopes, limited := st.reach[person]
	return !limited || scope == model.SharedScope || slices.Contains(scopes, scope)
}

// shows tells whether a person sees a row, which may be nil.
func (st *state) shows(person string, e *model.Entity, row model.Row) bool {
	if row == nil {
		return false
	}
	scope, _ := row.Get(e, model.ColumnScope).(model.ID)
	return st.sees(person, scope)
}

// visible returns the rows of a table that a person sees, in the order of
// their ids.
func (s *Server) visible(person string, n model.Noun) []model.Row {
	e := model.EntityOf(n)
	return slices.DeleteFunc(s.sorted(n), func(row model.Row) bool { return !s.shows(person, e, row) })
}
