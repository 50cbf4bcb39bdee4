// Package workspace puts the stores together: one home with its cache, its
// sync with the central, its transfers, reports and backups, as the one
// model.Workspace that commands and screens use.
//
// Promises:
//   - Opening a workspace touches no network and asks for no password; both
//     happen when the central is asked for the first time.
//   - Any number of processes may have a workspace open. Only a sync and a
//     restore take its lock.
//   - A demo is marked as such before it holds a single record; a home that is
//     not marked is never made a demo.
package workspace

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"rapport/db/backup"
	"rapport/db/mysql"
	"rapport/db/report"
	"rapport/db/sqlite"
	engine "rapport/db/sync"
	"rapport/db/transfer"
	"rapport/model"
)

// probeTime is how long a status waits for the central.
const probeTime = 2 * time.Second

// Workspace is one open home. It implements model.Workspace. Its methods may
// be called from any goroutine.
type Workspace struct {
	settings model.Settings
	now      func() time.Time
	ids      *model.IDSource
	log      *slog.Logger
	backups  *backup.Backuper
	device   string // name of this computer
	program  string // version of this program
	// changed is the central's address where it is not that of the settings
	// any more: a new password came into it, or it was forgotten.
	changed atomic.Pointer[string]
	// chosen is how to back up where that is not as the settings say any
	// more.
	chosen atomic.Pointer[model.BackupSettings]

	// mu guards db, which a restore replaces. Whoever uses the cache for
	// longer than one call must be ready for it to be closed.
	mu       sync.RWMutex
	db       *sqlite.DB
	replaced chan struct{} // closed when db is replaced
}

var _ model.Workspace = (*Workspace)(nil)

func open(ctx context.Context, s model.Settings, o Options) (*Workspace, error) {
	w := &Workspace{settings: s, now: o.Now, ids: model.NewIDSource(o.Now, nil), log: o.log(), program: o.Program, replaced: make(chan struct{})}
	// A computer without a name is listed without one.
	w.device, _ = os.Hostname()
	var err error
	if w.db, err = w.openCache(ctx); err != nil {
		return nil, err
	}
	w.backups = backup.New(backup.Options{Home: s.Home, Config: s.Config, DB: w.cache, Exclusive: w.exclusive, Central: w.central, Now: o.Now, IDs: w.ids,
		Lease: w.lease, ServerNow: w.serverNow})
	return w, nil
}

func (w *Workspace) openCache(ctx context.Context) (*sqlite.DB, error) {
	return sqlite.Open(ctx, filepath.Join(w.settings.Home, sqlite.FileName),
		sqlite.Options{Settings: w.settings, Now: w.now, IDs: w.ids, Log: w.log})
}

// cache returns the cache as it is now.
func (w *Workspace) cache() *sqlite.DB {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.db
}

// exclusive closes the cache while its file is replaced. No sync runs
// meanwhile, in this process or another.
func (w *Workspace) exclusive(ctx context.Context, swap func() error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	release, err := w.db.Lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := w.db.Close(); err != nil {
		return err
	}
	swapErr := swap()
	db, err := w.openCache(context.WithoutCancel(ctx))
	if err != nil {
		return errors.Join(swapErr, err)
	}
	w.db = db
	close(w.replaced)
	w.replaced = make(chan struct{})
	return swapErr
}

// Settings returns the workspace's settings.
func (w *Workspace) Settings() model.Settings {
	s := w.settings
	s.Central = w.address()
	if chosen := w.chosen.Load(); chosen != nil {
		s.Backup = *chosen
	}
	return s
}

// Close closes the cache.
func (w *Workspace) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.db.Close()
}

// Sync pushes and pulls once.
func (w *Workspace) Sync(ctx context.Context, full bool, n model.Notify) (model.SyncResult, error) {
	if w.address() == "" {
		return model.SyncResult{}, w.noCentral()
	}
	res, err := w.engine(w.cache()).Sync(ctx, full, n)
	err = w.answered(ctx, err)
	w.log.Info("sync ended", "kind", outcome(err), "pushed", res.Pushed, "pulled", res.Pulled, "conflicts", res.Conflicts,
		"refused", res.Refused, "round_trips", res.RoundTrips, "ms", res.Duration.Milliseconds())
	return res, err
}

func (w *Workspace) engine(db *sqlite.DB) *engine.Engine {
	return engine.New(db, w.dial, engine.Options{Now: w.now, Name: w.device, Program: w.program})
}

// Follow keeps the workspace up to date until ctx ends or only a person can
// help. After a restore it goes on with the cache that is in place then.
func (w *Workspace) Follow(ctx context.Context, req model.FollowRequest) error {
	if w.address() == "" {
		return w.noCentral()
	}
	tell := req.Tell
	req.Tell = func(s model.Following) {
		w.logStep(s)
		if tell != nil {
			tell(s)
		}
	}
	for {
		replaced, err := w.followOne(ctx, req)
		if !replaced || ctx.Err() != nil || model.KindOf(err) == model.Wiped {
			err = w.answered(ctx, err)
			w.log.Info("follow ended", "kind", outcome(err))
			return err
		}
	}
}

// followOne follows with one cache, and tells whether it ended because that
// was replaced.
func (w *Workspace) followOne(ctx context.Context, req model.FollowRequest) (bool, error) {
	w.mu.RLock()
	db, replaced := w.db, w.replaced
	w.mu.RUnlock()
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-replaced:
			cancel()
		case <-inner.Done():
		}
	}()
	err := w.engine(db).Follow(inner, engine.FollowOptions{FollowRequest: req, Interval: w.settings.SyncInterval, Changes: db.Watch(inner)})
	select {
	case <-replaced:
		return true, err
	default:
		return false, err
	}
}

// logStep logs what a follow did, not what it looked for in vain.
func (w *Workspace) logStep(s model.Following) {
	switch r := s.Result; {
	case s.State == model.FollowOffline:
		w.log.Info("sync failed", "kind", outcome(s.Err), "again_ms", s.Pause.Milliseconds())
	case s.State == model.FollowOnline && r.Pushed+r.Pulled > 0:
		w.log.Info("sync ended", "kind", outcome(nil), "pushed", r.Pushed, "pulled", r.Pulled, "conflicts", r.Conflicts,
			"refused", r.Refused, "round_trips", r.RoundTrips, "ms", r.Duration.Milliseconds())
	}
}

func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	return model.KindOf(err).String()
}

func noCentral() error {
	return model.Errorf(model.NoCentral, "no central database is configured").
		WithHint("name it with --central mysql://user@host/database, RAPPORT_CENTRAL or in config.toml")
}

// dial connects to the central.
func (w *Workspace) dial(ctx context.Context) (model.Central, error) {
	if w.wasWiped() {
		return nil, wipedError()
	}
	url, err := w.central(ctx)
	if err != nil {
		return nil, err
	}
	c, err := mysql.Dial(ctx, url, w.dialOptions())
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Status counts what waits. With probe it asks the central, for two seconds at
// most.
func (w *Workspace) Status(ctx context.Context, probe bool) (model.Status, error) {
	st, err := w.cache().LocalStatus(ctx)
	if err != nil {
		return st, err
	}
	if w.address() == "" {
		return st, nil
	}
	a, err := mysql.ParseURL(w.address())
	if err != nil {
		return st, err
	}
	st.Central = a.String()
	if !probe {
		return st, nil
	}
	if err := w.probe(ctx); err != nil {
		if ctx.Err() != nil {
			return st, err
		}
		st.Problem = sentence(err)
		return st, nil
	}
	st.Online = true
	return st, nil
}

func (w *Workspace) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	_, err := w.head(ctx)
	return err
}

// head asks the central how it is. That is a contact of this device like a
// sync, so the central is told as much of the device as then.
func (w *Workspace) head(ctx context.Context) (model.Head, error) {
	db := w.cache()
	client, err := db.Client(ctx)
	if err != nil {
		return model.Head{}, err
	}
	pending, err := db.PendingRecords(ctx)
	if err != nil {
		return model.Head{}, err
	}
	at, err := db.Position(ctx)
	if err != nil {
		return model.Head{}, err
	}
	c, err := w.dial(ctx)
	if err != nil {
		return model.Head{}, err
	}
	defer c.Close()
	return c.Poll(ctx, model.Device{Client: client, Name: w.device, Program: w.program, Pending: pending}, at)
}

// InitCentral makes the central's tables where they are missing.
func (w *Workspace) InitCentral(ctx context.Context) ([]string, error) {
	url, err := w.central(ctx)
	if err != nil {
		return nil, err
	}
	return mysql.Init(ctx, url)
}

// MigrateCentral adds to the central what this program declares beyond it.
func (w *Workspace) MigrateCentral(ctx context.Context) ([]string, error) {
	url, err := w.central(ctx)
	if err != nil {
		return nil, err
	}
	return mysql.Migrate(ctx, url)
}

// SweepCentral removes from the central what nobody needs any more.
func (w *Workspace) SweepCentral(ctx context.Context) ([]string, error) {
	url, err := w.central(ctx)
	if err != nil {
		return nil, err
	}
	return mysql.Sweep(ctx, url, model.KeepDeleted)
}

// RefreshReports brings the central's report tables up to date.
func (w *Workspace) RefreshReports(ctx context.Context, req model.ReportsRequest, n model.Notify) (model.ReportsResult, error) {
	url, err := w.central(ctx)
	if err != nil {
		return model.ReportsResult{}, err
	}
	return mysql.RefreshReports(ctx, url, req, n)
}

// RebuildTables makes tables of the central anew from their report tables.
func (w *Workspace) RebuildTables(ctx context.Context, req model.RebuildRequest, n model.Notify) (model.RebuildResult, error) {
	url, err := w.central(ctx)
	if err != nil {
		return model.RebuildResult{}, err
	}
	return mysql.RebuildTables(ctx, url, req, n)
}

// CentralStatus tells how the central is.
func (w *Workspace) CentralStatus(ctx context.Context) (model.CentralStatus, error) {
	url, err := w.central(ctx)
	if err != nil {
		return model.CentralStatus{}, err
	}
	return mysql.Status(ctx, url)
}

func (w *Workspace) transfer() *transfer.Transfer {
	return transfer.New(w.cache(), w.settings.Home, transfer.Options{Now: w.now, IDs: w.ids})
}

func (w *Workspace) reporter() *report.Reporter {
	return report.New(w.cache(), w.settings.Currency)
}

// Watch tells of changes, also after a restore put another file in place.
func (w *Workspace) Watch(ctx context.Context) <-chan model.Change {
	out := make(chan model.Change, 1)
	go func() {
		defer close(out)
		for ctx.Err() == nil {
			w.watchOne(ctx, out)
		}
	}()
	return out
}

// watchOne passes changes on until the cache is replaced, which is a change of
// everything.
func (w *Workspace) watchOne(ctx context.Context, out chan model.Change) {
	w.mu.RLock()
	db, replaced := w.db, w.replaced
	w.mu.RUnlock()
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	changes := db.Watch(inner)
	for {
		select {
		case <-ctx.Done():
			return
		case <-replaced:
			pass(out, model.Change{})
			return
		case c, ok := <-changes:
			if !ok {
				changes = nil
				continue
			}
			pass(out, c)
		}
	}
}

// pass leaves a notice and widens one that waits already.
func pass(out chan model.Change, c model.Change) {
	select {
	case old := <-out:
		if old.Nouns == nil || c.Nouns == nil {
			c.Nouns = nil
		} else {
			c.Nouns = append(append([]model.Noun(nil), old.Nouns...), c.Nouns...)
		}
	default:
	}
	out <- c
}
