package backup

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"rapport/db/mysql"
	"rapport/model"
)

var _ model.CentralRestorer = (*Backuper)(nil)

// centralRestore is a restore of a central that was asked for, with what its
// backups tell.
type centralRestore struct {
	b      *Backuper
	req    model.RestoreRequest
	store  Store
	keys   keys
	state  *centralState
	url    string
	asked  mysql.Restoring
	chosen []entry // that are read
}

// PlanRestore compares a backup with the central that it would replace. See
// model.CentralRestorer.
func (b *Backuper) PlanRestore(ctx context.Context, req model.RestoreRequest, n model.Notify) (model.RestorePlan, error) {
	r, err := b.centralRestore(ctx, req, n)
	if err != nil {
		return model.RestorePlan{}, err
	}
	return r.plan(ctx, n)
}

func (r *centralRestore) plan(ctx context.Context, n model.Notify) (model.RestorePlan, error) {
	plan, err := mysql.PlanRestore(ctx, r.url, r.state, r.asked, n)
	if err != nil {
		return plan, err
	}
	if r.req.Into != "" && !plan.Fresh {
		return plan, notEmpty(plan.Target)
	}
	for _, e := range r.chosen {
		plan.Backups = append(plan.Backups, e.info)
		plan.Bytes += e.info.Bytes
	}
	plan.Notes = append(r.state.notes, plan.Notes...)
	if !plan.Fresh && !r.req.NoSafety {
		plan.Notes = append(plan.Notes, "what is there now is backed up first")
	}
	plan.Command = r.command()
	return plan, nil
}

func notEmpty(target string) error {
	return model.Errorf(model.Refused, "%s holds records already", target).
		WithHint("name a database that is empty or not there; only the workspace's own central is replaced")
}

// command is what does it, without a secret.
func (r *centralRestore) command() string {
	words := []string{"rapport", "backup", "restore", string(r.chosen[len(r.chosen)-1].id), "--source", model.SourceCentral}
	if !r.req.At.IsZero() {
		words[3] = "latest"
		words = append(words, "--at", r.req.At.UTC().Format(time.RFC3339Nano))
	}
	if r.req.Position != 0 {
		words[3] = "latest"
		words = append(words, "--position", strconv.FormatInt(r.req.Position, 10))
	}
	for _, noun := range r.req.Nouns {
		words = append(words, "--table", string(noun))
	}
	add := func(flag, value string) {
		if value != "" {
			words = append(words, flag, "'"+strings.ReplaceAll(value, "'", `'\''`)+"'")
		}
	}
	add("--from", r.req.To)
	add("--identity", r.req.Identity)
	if a, err := mysql.ParseURL(r.req.Into); err == nil {
		add("--into", a.String())
	}
	if r.req.Discard {
		words = append(words, "--laptops", "discard")
	}
	if r.req.NoSafety {
		words = append(words, "--no-safety-backup")
	}
	return strings.Join(words, " ")
}

// RestoreCentral puts a state out of the backups in the place of what a central
// has. See model.CentralRestorer.
func (b *Backuper) RestoreCentral(ctx context.Context, req model.RestoreRequest, n model.Notify) (model.RestoreResult, error) {
	began := time.Now()
	r, err := b.centralRestore(ctx, req, n)
	if err != nil {
		return model.RestoreResult{}, err
	}
	target, holds, err := mysql.HoldsRecords(ctx, r.url)
	if err == nil && holds && req.Into != "" {
		err = notEmpty(target)
	}
	out := model.RestoreResult{Target: target, At: r.asked.At, Position: r.asked.Position}
	if err != nil {
		return out, err
	}
	if holds && !req.NoSafety {
		info, err := b.CreateBackup(ctx, model.BackupRequest{Kind: model.BackupIncremental, Source: model.SourceCentral, To: req.To, Recipients: req.Recipients}, n)
		if err != nil {
			return out, model.Errorf(model.KindOf(err), "what is there now could not be backed up, so that nothing was touched: %s", messageOf(err)).
				WithHint("see to that first, or go without with --no-safety-backup").By(model.NoSafety).Because(err)
		}
		out.Safety = &info
		r.asked.Floor = max(r.asked.Floor, info.Position)
	}
	done, err := mysql.Restore(ctx, r.url, r.state, r.asked, n)
	report(&out, done)
	if !holds {
		for _, x := range r.state.base.end().Extras {
			if x.Name != mysql.ExtraDatabase { // it is there now
				out.People = append(out.People, x.SQL...)
			}
		}
	}
	out.Took = time.Since(began)
	return out, err
}

// report takes over what a restore did.
func report(out *model.RestoreResult, done mysql.Restored) {
	out.Epoch, out.Parent, out.Rows, out.Tables, out.Kept, out.Done, out.Visible = done.Epoch, done.Parent, done.Rows, done.Tables, done.Kept, done.Done, done.Visible
	out.Target = cmp.Or(done.Target, out.Target)
}

// UndoRestore puts the tables back that the last restore replaced. See
// model.CentralRestorer.
func (b *Backuper) UndoRestore(ctx context.Context, dryRun bool, n model.Notify) (model.RestoreResult, error) {
	began := time.Now()
	url, err := b.centralURL(ctx)
	if err != nil {
		return model.RestoreResult{}, err
	}
	done, err := mysql.UndoRestore(ctx, url, dryRun, b.eraseLoaded(nil), n)
	var out model.RestoreResult
	report(&out, done)
	out.Took = time.Since(began)
	return out, err
}

func (b *Backuper) centralURL(ctx context.Context) (string, error) {
	if b.o.Central == nil {
		return "", model.Errorf(model.NoCentral, "no central database is configured").
			WithHint("name it with --central mysql://user@host/database, RAPPORT_CENTRAL or in config.toml")
	}
	return b.o.Central(ctx)
}

// eraseLoaded takes the records of a list out of loaded tables, and those of
// the ledger that the central itself keeps.
func (b *Backuper) eraseLoaded(list []model.Erased) func(context.Context, *mysql.Loaded) error {
	return func(ctx context.Context, l *mysql.Loaded) error { return l.Forget(ctx, list) }
}

// centralRestore finds the backups that a request is about, and where it goes.
func (b *Backuper) centralRestore(ctx context.Context, req model.RestoreRequest, n model.Notify) (*centralRestore, error) {
	r := &centralRestore{b: b, req: req}
	var err error
	if r.store, err = b.store(&req.BackupRequest); err != nil {
		return nil, err
	}
	if r.keys, err = readKeys(req.Identity); err != nil {
		return nil, err
	}
	if r.url = req.Into; r.url == "" {
		if r.url, err = b.centralURL(ctx); err != nil {
			return nil, err
		}
	}
	list, err := entries(ctx, r.store, b.pins())
	if err != nil {
		return nil, err
	}
	list = of(list, model.SourceCentral)
	if err := r.choose(ctx, list, n); err != nil {
		return nil, err
	}
	end := r.state.base.end()
	r.asked.Backup, r.asked.Epoch, r.asked.At, r.asked.Position, r.asked.Nouns = string(end.ID), end.Lineage, r.state.at, r.state.position, req.Nouns
	r.asked.Discard = req.Discard
	if int64(end.Schema) > model.SchemaVersion {
		return nil, model.Errorf(model.TooNew, "the backup %s was made by a newer Rapport", end.ID.Short()).WithHint("update the program")
	}
	for _, e := range list {
		r.asked.Floor = max(r.asked.Floor, e.info.Position)
	}
	if r.asked.Term, err = r.state.term(ctx); err != nil {
		return nil, err
	}
	erased, err := readErasures(ctx, r.store)
	if err != nil {
		return nil, err
	}
	r.asked.Erase = b.eraseLoaded(erased)
	return r, nil
}

// choose opens the chains that lead to what was asked for.
func (r *centralRestore) choose(ctx context.Context, list []entry, n model.Notify) error {
	if r.req.At.IsZero() && r.req.Position == 0 {
		e, err := pick(r.store, list, r.req.ID, true)
		if err != nil {
			return err
		}
		return r.open(ctx, list, e, nil)
	}
	if r.req.ID != "" && r.req.ID != "latest" {
		return model.Errorf(model.Invalid, "a moment finds its backup itself").WithHint("leave the id out")
	}
	sound := slices.DeleteFunc(slices.Clone(list), func(e entry) bool { return !e.info.Verified || e.info.Problem != "" })
	if len(sound) == 0 {
		_, err := pick(r.store, list, "", true)
		return err
	}
	before := func(e entry) bool { return !e.info.At.After(r.req.At) }
	there := func(e entry) bool { return e.info.At.Equal(r.req.At) }
	if r.req.Position != 0 {
		before = func(e entry) bool { return e.info.Position <= r.req.Position }
		there = func(e entry) bool { return e.info.Position == r.req.Position }
	}
	at := slices.IndexFunc(sound, before)
	if at < 0 {
		return r.openLater(ctx, list, sound[len(sound)-1], n)
	}
	base := sound[at]
	if there(base) {
		return r.open(ctx, list, base, nil)
	}
	for _, next := range slices.Backward(sound[:at]) {
		if next.lineage == base.lineage {
			if err := r.open(ctx, list, base, &next); err != nil {
				return err
			}
			if r.state.sameColumns() {
				return r.state.rollTo(ctx, r.req, n)
			}
			return r.openLater(ctx, list, next, n)
		}
	}
	if at > 0 {
		return r.openLater(ctx, list, sound[at-1], n)
	}
	return model.Errorf(model.NotFound, "the backups reach to %s, position %d, and tell nothing of what came after", base.info.At.UTC().Format(time.DateTime+".000"), base.info.Position).
		WithHint("make one now, which holds the history since: rapport backup create --source central --kind incremental")
}

// openLater reads the moment back from a later backup, where an earlier one does
// not lead to it: the tables were altered in between, or the central is another
// one since.
func (r *centralRestore) openLater(ctx context.Context, list []entry, later entry, n model.Notify) error {
	r.chosen = nil
	if err := r.open(ctx, list, later, nil); err != nil {
		return err
	}
	return r.state.rollBack(ctx, r.req, n)
}

// open opens the chain of the state, and that of the backup which tells what
// happened after it.
func (r *centralRestore) open(ctx context.Context, list []entry, base entry, next *entry) error {
	c, err := openChain(ctx, r.store, r.keys, list, base)
	if err != nil {
		return err
	}
	end := c.end()
	r.state = &centralState{base: c, at: end.At, position: end.Mark.Position}
	for _, l := range c.links {
		r.chosen = append(r.chosen, l.entry)
	}
	if next == nil {
		return nil
	}
	if r.state.next, err = openChain(ctx, r.store, r.keys, list, *next); err != nil {
		return err
	}
	for _, l := range r.state.next.links {
		if !slices.ContainsFunc(r.chosen, func(e entry) bool { return e.id == l.id }) {
			r.chosen = append(r.chosen, l.entry)
		}
	}
	return nil
}

// centralState is a state of a central out of its backups. It implements
// mysql.RestoreSource.
type centralState struct {
	base     *chain
	next     *chain // tells what happened after the base; nil where nothing did
	at       time.Time
	position int64
	notes    []string
	rolled   map[string]*rolledTable // by table, what differs from the base
}

var _ mysql.RestoreSource = (*centralState)(nil)

// Tables lists the tables of the state.
func (s *centralState) Tables() []mysql.RestoreTable {
	var out []mysql.RestoreTable
	for _, te := range s.base.tables() {
		t := mysql.RestoreTable{Name: te.Name, Columns: te.Columns, Types: te.Types, Key: te.Key, Definition: te.Definition, Rows: te.Rows}
		if te.Total != nil {
			t.Rows = *te.Total
		} else {
			t.Rows = s.base.most(te.Name)
		}
		out = append(out, t)
	}
	return out
}

// Rows passes the rows of a table of the state.
func (s *centralState) Rows(ctx context.Context, table string, row func(values []any) error) error {
	if t := s.rolled[table]; t != nil {
		return t.rows(ctx, s.base, row)
	}
	return s.base.rows(ctx, table, row)
}

// term is the writer's term of the central that the state is of.
func (s *centralState) term(ctx context.Context) (term int64, err error) {
	const meta, column = "sync_meta", "writer_term"
	te := s.base.table(meta)
	if te == nil {
		return 0, nil
	}
	at := slices.Index(te.Columns, column)
	err = s.base.rows(ctx, meta, func(v []any) error {
		if at >= 0 {
			term, _ = strconv.ParseInt(fmt.Sprint(v[at]), 10, 64)
		}
		return nil
	})
	return term, err
}
