package mysql

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"rapport/model"
)

// A restore puts an earlier state of a central in the place of the present one.
// The rows are loaded into tables beside the present ones and compared with
// where they came from, what must not come back is taken out of them, and one
// RENAME exchanges all tables with their triggers and references, together with
// those that say which central it is. Until that statement the central is as it
// was, but that nobody can send anything to it; from then on it is the restored
// one under a new identity. Whoever is killed in between leaves one or the
// other, and sync_restore tells the next run which.
//
// Some rows are never replaced: who may log in and see what, which devices
// there are and which of them are to empty themselves, and what was erased.

// RestoreSource is one state of a central, read table by table.
type RestoreSource interface {
	// Tables lists the tables, owners before their parts.
	Tables() []RestoreTable
	// Rows passes the rows of a table. Values are int64, string, []byte or
	// nil, the digits of an int column also as []byte; slice and bytes are
	// valid during the call only.
	Rows(ctx context.Context, table string, row func(values []any) error) error
}

// RestoreTable is a table of a source.
type RestoreTable struct {
	Name       string
	Columns    []string
	Types      []string // id, int, text, blob
	Key        []string
	Definition string // as SHOW CREATE TABLE tells it
	Rows       int64  // about how many
}

// Restoring says what is to be restored, and how.
type Restoring struct {
	Backup   string    // that it comes from
	Epoch    string    // of the central that the state is of
	At       time.Time // of the state
	Position int64     // of the feed then
	Term     int64     // of that central, for a target that begins with it
	// Floor is a position that is known to have been given to somebody.
	Floor int64
	// Nouns are the tables to replace, with their parts; nil for everything.
	Nouns []model.Noun
	// Discard has laptops give up what they sent after the state.
	Discard bool
	// Erase takes out of the loaded tables what was erased since, before
	// anybody can see them; nil where nothing was.
	Erase func(ctx context.Context, t *Loaded) error
}

// Restored is what a restore did.
type Restored struct {
	Target        string
	Epoch, Parent string
	Rows          int64
	Tables, Kept  []string
	Done          []string
	Visible       time.Duration
}

// Loaded are the tables of a restore before they take their places.
type Loaded struct{ r *restorer }

// Name is the name under which a table lies for now, "" where the restore
// does not replace it.
func (l *Loaded) Name(table string) string {
	for _, x := range l.r.entry.Tables {
		if x.Table == table {
			return x.Made
		}
	}
	return ""
}

// Run runs statements. None of them fires a trigger of a loaded table or is
// kept from what it does by a reference.
func (l *Loaded) Run(ctx context.Context, statements string) error {
	return mapError("take out what was erased", l.r.exec(ctx, statements))
}

// Lines returns the first column of a query.
func (l *Loaded) Lines(ctx context.Context, query string) ([]string, error) {
	out, err := l.r.lines(ctx, query)
	return out, mapError("look for what was erased", err)
}

// restoreSuffix ends the name of a table that a restore loads.
const restoreSuffix = "_rapport_back"

// positionTables say how far a central is. They begin anew with each restore:
// what was on its way belonged to the former one.
var positionTables = []string{metaTable, "sync_counter", "sync_feed", "sync_outbox", "sync_push", "sync_stage", "sync_move"}

// historyTables are the service tables that are a part of the state.
var historyTables = []string{"sync_audit", "sync_run"}

// erasureTable holds what was erased for good: it only grows.
const erasureTable = "erasure"

// never tells of a table that no restore touches but by emptying it.
func never(name string) bool {
	return slices.Contains(positionTables, name) || slices.Contains(undumped, name) || name == restoreTable.name || strings.HasPrefix(name, reportPrefix) ||
		replacedName.MatchString(name) || strings.HasSuffix(name, restoreSuffix)
}

// kept tells of a table whose rows stay where it has any: people and their
// rights, devices.
func kept(name string) bool {
	return strings.HasPrefix(name, "sync_") && !slices.Contains(historyTables, name)
}

// restorer restores. It holds the lease of the report tables, and that of
// whoever exchanges tables, beside which no backup runs.
type restorer struct {
	*refresher
	alone  *lease
	url    string
	source RestoreSource
	asked  Restoring
	entry  restoreEntry
	loads  []*loading
	placed bool // the tables are exchanged
	// interrupted is what somebody began and did not end, nil where there was
	// nothing; removed tells that it had replaced nothing, and that nothing is
	// left of it.
	interrupted *restoreEntry
	removed     bool
	// cut is the history that a restore of single tables replaced, while that
	// is undone.
	cut string
	// noted are the columns of tables of which rows were noted, by table.
	noted map[string][]string
	// entered is how many changes from since on the merge of an undoing has
	// seen, "" where nothing is merged.
	entered string
	since   int64
	began   time.Time
	out     Restored
}

// restoreMode lets every value in that was there before, as it was.
const restoreMode = "NO_AUTO_VALUE_ON_ZERO,STRICT_ALL_TABLES,ALLOW_INVALID_DATES"

// restoreSessionSQL sets up a session that loads.
const restoreSessionSQL = "SET SESSION foreign_key_checks=0,unique_checks=0,sql_mode='" + restoreMode + "',net_write_timeout=7200,wait_timeout=86400,innodb_lock_wait_timeout=50" +
	"/*M!100300 ,check_constraint_checks=0,idle_transaction_timeout=0,max_statement_time=0*/"

// openRestorer logs in, takes the leases, and ends what an interrupted restore
// left. With create a database that is not there is made.
func openRestorer(ctx context.Context, url string, create bool, n model.Notify) (*restorer, error) {
	s, err := adminSession(ctx, url)
	if err != nil {
		return nil, err
	}
	b := &builder{session: s, ctx: ctx, database: s.address.Database}
	r := &restorer{refresher: &refresher{builder: b, notify: n}, url: url, noted: map[string][]string{}, began: time.Now()}
	r.out.Target = s.address.String()
	if create {
		b.makeDatabase()
		b.refuseForeign()
	} else {
		b.useDatabase()
	}
	there := slices.Contains(b.tables(), metaTable)
	if b.err == nil && !there && !create {
		b.err = model.Errorf(model.NoCentral, "the central database is not set up").WithHint("run `rapport central init` first")
	}
	if there {
		b.refuseLater()
	} else {
		b.probeRights()
	}
	b.serviceTables()
	b.missingServiceColumns()
	if b.err == nil {
		r.lease, b.err = take(ctx, s, reportLease)
	}
	if b.err == nil {
		if r.alone, b.err = alone(ctx, s); b.err != nil {
			r.lease.release()
		} else {
			r.lease.beside = r.alone
		}
	}
	if b.err != nil {
		s.close()
		return nil, b.err
	}
	r.run(restoreSessionSQL + ";SET SESSION lock_wait_timeout=30")
	r.endInterrupted()
	if !there {
		b.procedures()
	}
	if r.err != nil {
		r.close()
		return nil, r.err
	}
	return r, nil
}

func (r *restorer) close() {
	r.alone.release()
	r.refresher.close()
}

// stillAlone renews both leases.
func (r *restorer) stillAlone() {
	for _, l := range []*lease{r.lease, r.alone} {
		if r.err == nil {
			r.err = l.renew(r.ctx, false)
		}
	}
}

// Restore puts the state of a source in the place of what a central has, or
// into a database that is empty or not there. Errors: Locked while a backup,
// a restore or a refresh of the report tables runs, Refused, Corrupt where the
// rows are not those of the source, Partial where the rows are restored but
// something after them failed: run it again, or `undo` it.
func Restore(ctx context.Context, url string, source RestoreSource, asked Restoring, n model.Notify) (Restored, error) {
	r, err := openRestorer(ctx, url, true, n)
	if err != nil {
		return Restored{}, mapError("restore", err)
	}
	defer r.close()
	r.source, r.asked = source, asked
	r.restore()
	return r.out, r.ended()
}

// ended ends what failed: before the tables are exchanged nothing stays of it.
func (r *restorer) ended() error {
	err := mapError("restore", r.explain(r.err))
	r.out.Done = r.done
	if err == nil || r.entry.ID == 0 {
		return err
	}
	if r.placed {
		what := "the rows are restored and can be used"
		if r.entry.Undoes != 0 {
			what = "the restore is undone"
		}
		return model.Errorf(model.Partial, "%s, but not everything after it could be done", what).
			WithHint("run `rapport backup restore --undo --dry-run` to see where it stands, or `rapport central migrate`, which finishes it").Because(err)
	}
	// The context may have ended, which is no reason to keep everybody out.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), time.Minute)
	defer cancel()
	r.ctx, r.err = ctx, nil
	// A request that was cut leaves a connection that answers nothing more.
	if r.exec(ctx, "ROLLBACK;UNLOCK TABLES") != nil {
		r.reopen()
	}
	r.abandon()
	return err
}

// reopen replaces the connection, which takes over the leases.
func (r *restorer) reopen() {
	s, err := adminSession(r.ctx, r.url)
	if err != nil {
		r.err = err
		return
	}
	_ = r.session.close() // it is broken: what closing it says is no news
	r.builder.session, r.lease.session, r.alone.session = s, s, s
	r.useDatabase()
	r.run(restoreSessionSQL + ";SET SESSION lock_wait_timeout=30")
}

func (r *restorer) restore() {
	r.choose()
	r.begin()
	r.define()
	r.load()
	r.complete()
}

// complete makes of tables that are there what is to be, and exchanges them.
func (r *restorer) complete() {
	r.carry()
	r.history()
	r.erase()
	r.notify.Tell("exchanging", 0, 0)
	r.place()
	r.notify.Tell("finishing", 0, 0)
	r.persist(r.finish)
}

// choose decides what is restored, in the order of the source.
func (r *restorer) choose() {
	if r.err != nil {
		return
	}
	only := map[string]bool{}
	for _, n := range r.asked.Nouns {
		e := model.EntityOf(n)
		if e == nil || e.Noun != n || e.IsPart() {
			r.err = model.Errorf(model.NotFound, "there is no table %q that could be restored by itself", n)
			return
		}
		for _, name := range withParts(e) {
			only[name] = true
		}
	}
	have := r.tables()
	filled := r.filledTables(have)
	var tables []RestoreTable
	for _, t := range r.source.Tables() {
		switch {
		case never(t.Name), len(only) > 0 && !only[t.Name]:
		case kept(t.Name) && filled[t.Name]:
		case len(only) > 0 && !slices.Contains(have, t.Name):
			r.err = model.Errorf(model.Corrupt, "the central has no table %s", t.Name).WithHint("restore everything, or make it with `rapport central migrate`")
			return
		default:
			tables = append(tables, t)
		}
	}
	if len(tables) == 0 {
		r.err = model.Errorf(model.Corrupt, "the backup has none of these tables")
		return
	}
	r.entry.Bare = len(only) == 0 && !r.recorded(filled)
	for _, t := range tables {
		r.loads = append(r.loads, &loading{RestoreTable: t})
	}
	// What the declaration has and the state did not was empty then.
	for _, e := range model.Entities() {
		name := string(e.Noun)
		if (len(only) == 0 || only[name]) && !slices.ContainsFunc(tables, func(t RestoreTable) bool { return t.Name == name }) {
			r.loads = append(r.loads, &loading{RestoreTable: RestoreTable{Name: name, Columns: []string{model.ColumnID}, Types: []string{"id"}, Key: []string{model.ColumnID}}, missing: true})
		}
	}
	r.entry.Nouns = r.asked.Nouns
	r.name(have)
}

// withParts lists a table with those whose rows belong to its rows.
func withParts(e *model.Entity) []string {
	out := []string{string(e.Noun)}
	for _, part := range model.Entities() {
		if slices.Contains(part.Owner, e.Noun) && !slices.Contains(out, string(part.Noun)) {
			out = append(out, withParts(part)...)
		}
	}
	return out
}

// filledTables tells which tables have any row.
func (b *builder) filledTables(have []string) map[string]bool {
	out := map[string]bool{}
	var any []string
	for _, t := range have {
		any = append(any, "SELECT "+quote(t)+" FROM DUAL WHERE EXISTS (SELECT 1 FROM "+ident(t)+")")
	}
	if len(any) > 0 {
		for _, t := range b.list(strings.Join(any, " UNION ALL ")) {
			out[t] = true
		}
	}
	return out
}

// name gives every table of the restore its names.
func (r *restorer) name(have []string) {
	var former []string
	for _, l := range r.loads {
		l.made = shorten(l.Name, restoreSuffix)
		x := exchanged{Table: l.Name, Made: l.made, Passing: r.entry.Bare || kept(l.Name)}
		if slices.Contains(have, l.Name) {
			x.Former = l.Name
			former = append(former, l.Name)
		}
		r.entry.Tables = append(r.entry.Tables, x)
	}
	if len(r.asked.Nouns) > 0 && !r.asked.At.IsZero() {
		former = append(former, historyTables[0])
		r.entry.Tables = append(r.entry.Tables, exchanged{Table: historyTables[0], Made: shorten(historyTables[0], restoreSuffix), Former: historyTables[0]})
	}
	for _, t := range positionTables {
		former = append(former, t)
		r.entry.Tables = append(r.entry.Tables, exchanged{Table: t, Made: shorten(t, restoreSuffix), Former: t, Passing: true})
	}
	r.nameFormer(former)
}

// nameFormer replaces the names of the tables that are there by those that they
// get, which have one ending for all.
func (r *restorer) nameFormer(former []string) {
	names := r.freeNames(former)
	for i := range r.entry.Tables {
		if at := slices.Index(former, r.entry.Tables[i].Former); at >= 0 {
			r.entry.Tables[i].Former = names[at]
		}
	}
}

// erase takes out what was erased since.
func (r *restorer) erase() {
	r.stillAlone()
	if r.err == nil && r.asked.Erase != nil {
		r.err = r.asked.Erase(r.ctx, &Loaded{r})
	}
}

// closedTrigger keeps every batch out while the tables are loaded.
var closedTrigger = trigger{"sync_push_restoring", "sync_push", "BEFORE INSERT",
	"  SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = " + strconv.Itoa(erRestoring) + ", MESSAGE_TEXT = 'the database is being restored from a backup';\n"}

// expected is how many rows the restore loads, about.
func (r *restorer) expected() (rows int64) {
	for _, l := range r.loads {
		rows += l.Rows
	}
	return rows
}
