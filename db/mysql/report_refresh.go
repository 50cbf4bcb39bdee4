package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"rapport/model"
)

// hashParts is how many numbers of 64 bits make a SHA-256.
const hashParts = 4

// reportSum is the sum of the SHA-256 of rows, each of its parts modulo 2^64.
// A row that changes takes its old hash away and adds its new one, so that the
// sum of a large table follows without reading it.
type reportSum struct {
	rows int64
	hash [hashParts]uint64
}

func (s reportSum) add(o reportSum) reportSum {
	s.rows += o.rows
	for i := range s.hash {
		s.hash[i] += o.hash[i]
	}
	return s
}

func (s reportSum) less(o reportSum) reportSum {
	s.rows -= o.rows
	for i := range s.hash {
		s.hash[i] -= o.hash[i]
	}
	return s
}

func (s reportSum) text() string {
	return fmt.Sprintf("%016x%016x%016x%016x", s.hash[0], s.hash[1], s.hash[2], s.hash[3])
}

func parseSum(rows int64, text string) (reportSum, bool) {
	s := reportSum{rows: rows}
	for i := range s.hash {
		var err error
		if len(text) != 16*hashParts {
			return s, false
		}
		if s.hash[i], err = strconv.ParseUint(text[16*i:16*i+16], 16, 64); err != nil {
			return s, false
		}
	}
	return s, true
}

// readSum reads what sumSQL returned.
func readSum(v []driver.Value) reportSum {
	s := reportSum{rows: integer(v[0])}
	for i := range s.hash {
		if n, ok := new(big.Int).SetString(asText(v[1+i]), 10); ok {
			s.hash[i] = new(big.Int).And(n, new(big.Int).SetUint64(1<<64-1)).Uint64()
		}
	}
	return s
}

// reportState is how far a report table is, as report_state has it.
type reportState struct {
	position   int64
	sum        reportSum
	summed     bool // sum is known
	definition string
	known      bool // the server knows the run of the last refresh
}

// refreshStep is how many feed entries one transaction follows.
const refreshStep = 5000

// refresher works on the report tables while it holds the lease.
type refresher struct {
	*builder
	lease   *lease
	notify  model.Notify
	have    serverShape
	mirrors []*mirror
	states  map[string]*reportState // of the mirrors, by title
	filled  map[string]bool         // tables of records that have any row
	head    int64                   // of the feed
	minimum int64                   // oldest position that the feed answers
	changed int64
}

// openRefresher logs in, looks what there is, and takes the lease.
func openRefresher(ctx context.Context, url string, n model.Notify) (*refresher, error) {
	s, err := adminSession(ctx, url)
	if err != nil {
		return nil, err
	}
	r := &refresher{builder: &builder{session: s, ctx: ctx, database: s.address.Database}, notify: n}
	r.useDatabase()
	tables := r.tables()
	switch {
	case r.err != nil:
		err = r.err
	case !slices.Contains(tables, metaTable):
		err = unseen(ctx, s)
	case !slices.Contains(tables, "report_state"):
		err = model.Errorf(model.TooNew, "the central is older than this program").WithHint("run `rapport central migrate`")
	default:
		r.lease, err = take(ctx, s, reportLease)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return r, nil
}

// unseen says why a session sees no table of a central: there is none, or its
// account may not look at it.
func unseen(ctx context.Context, s *session) error {
	if err := s.exec(ctx, "SELECT 1 FROM "+metaTable); number(err) == erTableDenied {
		return mapError("look at the central", err)
	}
	return model.Errorf(model.NoCentral, "the central database is not set up").WithHint("run `rapport central init` first")
}

func (r *refresher) close() {
	r.lease.release()
	r.session.close()
}

// RefreshReports brings the report tables up to date with what has a position
// in the feed: all of them in one transaction, so that a reader sees either
// what was or what is. Tables that are missing, of another definition or too
// far behind are made anew beside the old ones and then exchanged. Nobody who
// writes to the records waits for any of that. Errors: Locked while another
// process does it, Corrupt where a table has lost rows that only the copy has
// yet, NoCentral, TooNew, Refused, Unreachable.
func RefreshReports(ctx context.Context, url string, req model.ReportsRequest, n model.Notify) (model.ReportsResult, error) {
	began := time.Now()
	var out model.ReportsResult
	r, err := openRefresher(ctx, url, n)
	if err != nil {
		return out, err
	}
	defer r.close()
	err = r.refresh(req, &out)
	out.Changed, out.Duration = r.changed, time.Since(began)
	return out, mapError("refresh the report tables", r.explain(err))
}

func (r *refresher) refresh(req model.ReportsRequest, out *model.ReportsResult) error {
	if err := r.look(); err != nil {
		return err
	}
	if !req.AcceptLoss {
		if err := r.whole(); err != nil {
			return err
		}
	}
	anew := map[*mirror]bool{}
	for _, m := range r.mirrors {
		if why := r.outdated(m); why != "" {
			anew[m] = true
			out.Reasons = append(out.Reasons, m.title()+" "+why)
		}
	}
	r.spread(anew)
	if err := r.follow(slices.DeleteFunc(slices.Clone(r.mirrors), func(m *mirror) bool { return anew[m] })); err != nil {
		return err
	}
	if !req.AcceptLoss {
		if err := r.notEmptied(anew); err != nil {
			return err
		}
	}
	if req.Check && !req.Rebuild {
		wrong, err := r.check(anew)
		if err != nil {
			return err
		}
		for m, rows := range wrong {
			anew[m] = true
			out.Reasons = append(out.Reasons, fmt.Sprintf("%s differed from its table in %d rows", m.title(), rows))
		}
	}
	slices.Sort(out.Reasons)
	for _, m := range r.mirrors {
		if anew[m] || req.Rebuild {
			anew[m] = true
			out.Rebuilt = append(out.Rebuilt, m.title())
		}
	}
	if len(anew) > 0 {
		if err := r.rebuild(anew, req.AcceptLoss); err != nil {
			return err
		}
	}
	out.Checked = req.Check || len(anew) == len(r.mirrors)
	for _, m := range r.mirrors {
		st := r.states[m.title()]
		out.Rows += st.sum.rows
		out.Position = st.position
	}
	return nil
}

// look reads what the server has: columns, how far the report tables are, and
// where the feed is.
func (r *refresher) look() error {
	r.have, r.states, r.filled = serverShape{}, map[string]*reportState{}, map[string]bool{}
	q := "SELECT table_name,column_name,column_type,COALESCE(character_set_name,''),IF(extra LIKE '%GENERATED%','NO',is_nullable) FROM information_schema.columns WHERE table_schema=DATABASE();" +
		"SELECT tbl,position,copied,COALESCE(hash,''),definition,(SELECT COUNT(*) FROM sync_run r WHERE r.run_id=s.run_id AND r.nonce=s.nonce) FROM report_state s;" +
		"SELECT c.seq,m.min_seq FROM sync_counter c JOIN sync_meta m ON m.id=c.id WHERE c.id=1"
	err := r.query(r.ctx, q, func(set int, v []driver.Value) error {
		switch set {
		case 0:
			t := asText(v[0])
			if r.have[t] == nil {
				r.have[t] = map[string]present{}
			}
			r.have[t][asText(v[1])] = present{asText(v[2]), asText(v[3]), asText(v[4]) == "YES"}
		case 1:
			st := &reportState{position: integer(v[1]), definition: asText(v[4]), known: asText(v[5]) == "1"}
			st.sum, st.summed = parseSum(integer(v[2]), asText(v[3]))
			r.states[reportPrefix+asText(v[0])] = st
		default:
			r.head, r.minimum = integer(v[0]), integer(v[1])
		}
		return nil
	})
	r.mirrors = mirrors(r.have)
	return err
}

// outdated says why a report table cannot be followed up, "" if it can.
func (r *refresher) outdated(m *mirror) string {
	st := r.states[m.title()]
	switch {
	case r.have[m.title()] == nil || st == nil:
		return "was not there"
	case st.definition != m.definition():
		return "was made for other columns"
	case st.position < r.minimum:
		return "was further behind than the feed reaches"
	case st.position > r.head || !st.known:
		return "was ahead of a server that was restored"
	}
	return ""
}

// spread adds the tables that show something of one which is made anew, because
// nobody follows what changes of it until then.
func (r *refresher) spread(anew map[*mirror]bool) {
	fresh := func(n model.Noun) bool {
		return slices.ContainsFunc(r.mirrors, func(m *mirror) bool { return m.entity.Noun == n && anew[m] })
	}
	for more := true; more; {
		more = false
		for _, m := range r.mirrors {
			shows := m.links != nil && (fresh("activity") || fresh("activity_link"))
			for _, n := range m.names {
				shows = shows || fresh(n.to.entity.Noun)
			}
			if shows && !anew[m] {
				anew[m], more = true, true
			}
		}
	}
}

// whole refuses to go on where a table is missing or lacks a column that its
// copy has: a refresh would take the last of it away.
func (r *refresher) whole() error {
	for _, m := range r.mirrors {
		noun := string(m.entity.Noun)
		copied := r.have[m.title()]
		if r.have[noun] == nil {
			hint := "run `rapport central migrate`"
			if copied != nil {
				hint = "put it back with `rapport central rebuild " + noun + " --from report`"
			}
			return model.Errorf(model.Corrupt, "the table %s is gone; the report tables stay as they are", noun).WithHint("%s", hint)
		}
		for _, c := range m.entity.Columns() {
			_, here := r.have[noun][c.Name]
			if _, there := copied[c.Name]; there && !here {
				return model.Errorf(model.Corrupt, "the column %s.%s is gone, and its copy is the last that has its values; the report tables stay as they are", noun, c.Name).
					WithHint("put it back with `rapport central rebuild %s --from report`, or give it up with `rapport central refresh-reports --accept-loss`", noun)
			}
		}
	}
	return nil
}

// notEmptied refuses to call a copy fresh whose table has no row any more
// without that anybody noted it: somebody truncated it.
func (r *refresher) notEmptied(anew map[*mirror]bool) error {
	for _, m := range r.mirrors {
		if st := r.states[m.title()]; anew[m] || st == nil || st.sum.rows == 0 {
			continue
		}
		any, err := r.text(r.ctx, "SELECT EXISTS (SELECT 1 FROM "+ident(string(m.entity.Noun))+")")
		if err != nil {
			return err
		}
		if any == "0" {
			return lostRows(string(m.entity.Noun), r.states[m.title()].sum.rows)
		}
	}
	return nil
}

func lostRows(noun string, rows int64) error {
	return model.Errorf(model.Corrupt, "the table %s has lost %d rows without a trace, and its copy is the last that has them; the report tables stay as they are", noun, rows).
		WithHint("put them back with `rapport central rebuild %s --from report`, or give them up with `rapport central refresh-reports --rebuild --accept-loss`", noun)
}

// sequenceOnce gives positions to what is committed now, and learns the head.
func (r *refresher) sequenceOnce() error {
	for {
		before := r.head
		err := retry(r.ctx, func() error { return r.exec(r.ctx, r.dialect.sequenceSQL()) })
		if err != nil {
			return err
		}
		head, err := r.text(r.ctx, "SELECT seq FROM sync_counter WHERE id=1")
		if err != nil {
			return err
		}
		if r.head, err = strconv.ParseInt(head, 10, 64); err != nil {
			return err
		}
		// A run that was full may have left some behind; other writers go on
		// writing, and are not waited for.
		if r.head-before < sequenced {
			return nil
		}
	}
}

// follow brings report tables to the head of the feed, all of them together,
// in as many transactions as a long way takes.
func (r *refresher) follow(ms []*mirror) error {
	if err := r.sequenceOnce(); err != nil || len(ms) == 0 {
		return err
	}
	from := r.head
	for _, m := range ms {
		from = min(from, r.states[m.title()].position)
	}
	first := from
	for {
		r.notify.Tell("copying changes", from-first, r.head-first)
		target := min(r.head, from+refreshStep)
		if err := r.advance(ms, target); err != nil {
			return err
		}
		if from = target; from == r.head {
			return nil
		}
	}
}

// advance is one transaction of a refresh, run again where it met another.
func (r *refresher) advance(ms []*mirror, target int64) error {
	if err := r.lease.renew(r.ctx, false); err != nil {
		return err
	}
	var a *advance
	err := r.atomically(r.ctx, func() error {
		a = &advance{refresher: r, target: target, states: map[string]*reportState{}, touched: map[model.Noun][]string{}}
		return a.run(ms)
	})
	if err != nil {
		return err
	}
	for title, st := range a.states {
		r.states[title] = st
	}
	r.changed += a.changed
	return nil
}

// live tells whether a mirror is a report table and not one in the making.
func (m *mirror) live() bool { return m.table == m.title() }

// hexList makes the inside of an IN of ids that the server wrote in hexadecimal.
func hexList(ids []string) string { return "X'" + strings.Join(ids, "',X'") + "'" }
