package backup

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"runtime"
	"slices"
	"strings"
	"time"

	"rapport/db/mysql"
	"rapport/model"
)

// leftoverAge is how long a folder without a manifest may belong to a backup
// that is being made.
const leftoverAge = 48 * time.Hour

// discardTime is how long a backup that failed is taken away again. What stays
// is swept later.
const discardTime = 20 * time.Second

// CreateBackup makes a backup and compares it with its source. A difference is
// Corrupt; the backup stays, unverified. Where there is nothing that another
// kind than full could follow, a full one is made and its Note says why.
func (b *Backuper) CreateBackup(ctx context.Context, req model.BackupRequest, n model.Notify) (model.BackupInfo, error) {
	kind := cmp.Or(req.Kind, model.BackupFull)
	if !slices.Contains([]string{model.BackupFull, model.BackupIncremental, model.BackupDifferential}, kind) {
		return model.BackupInfo{}, model.Errorf(model.Invalid, "%q is no kind of backup", kind).WithHint("the kinds are full, incremental and differential")
	}
	to, err := b.target(ctx, &req)
	if err != nil {
		return model.BackupInfo{}, err
	}
	src, err := b.source(req, to.store)
	if err != nil {
		return model.BackupInfo{}, err
	}
	info, err := b.create(ctx, src, to, order{kind: kind, wait: cmp.Or(req.Wait, b.o.Wait, outageTime)}, n)
	if to.cleared != "" {
		info.Note = strings.TrimPrefix(info.Note+"; "+to.cleared, "; ")
	}
	if err == nil || model.KindOf(err) == model.Corrupt {
		// It is no matter if it cannot: the next one tries again.
		_, _ = sweepLeft(ctx, to.store, time.Time{}, nil)
		err = errors.Join(err, b.noteOwn(ctx, to.store))
	}
	return info, err
}

// target is where backups go, for whom, and who signs them.
type target struct {
	store      Store
	repo       repo
	keys       keys
	recipients []string
	signer     ed25519.PrivateKey
	cleared    string // what is told of what an interruption left
}

// target opens the place of the backups for writing.
func (b *Backuper) target(ctx context.Context, req *model.BackupRequest) (target, error) {
	s, err := b.store(req)
	if err != nil {
		return target{}, err
	}
	to := target{store: s, recipients: req.Recipients}
	if to.keys, err = newKeys(req.Recipients); err != nil {
		return to, err
	}
	if err := b.enoughKeys(req); err != nil {
		return to, err
	}
	if to.signer, err = b.signingKey(); err != nil {
		return to, err
	}
	db := b.o.DB()
	fresh := false
	to.repo, err = openRepo(ctx, s, func() (repo, error) {
		fresh = true
		known, err := db.KnowsBackupPlace(ctx, s.String())
		if err == nil && known {
			err = notThere(s)
		}
		return b.newRepo(to.signer), err
	})
	if err == nil {
		to.repo, err = b.enter(ctx, s, to.repo, to.signer, fresh)
	}
	if err != nil {
		return to, cannotWrite(s, err)
	}
	to.cleared = b.clear(ctx, s)
	return to, b.know(ctx, s)
}

// source returns what a request wants backed up into a store.
func (b *Backuper) source(req model.BackupRequest, s Store) (source, error) {
	switch cmp.Or(req.Source, model.SourceLocal) {
	case model.SourceLocal:
		return localSource{db: b.o.DB(), now: b.o.Now, place: s.String()}, nil
	case model.SourceCentral:
		if b.o.Central == nil {
			return nil, model.Errorf(model.NoCentral, "no central database is configured").
				WithHint("name it with --central mysql://user@host/database, RAPPORT_CENTRAL or in config.toml")
		}
		if !slices.Contains([]string{"", model.ReadPrimary, model.ReadStandby, model.ReadReport}, req.ReadFrom) {
			return nil, model.Errorf(model.Invalid, "a backup cannot be read from %q", req.ReadFrom).WithHint("it is read from the primary, standby or report")
		}
		return centralSource{url: b.o.Central, from: mysql.DumpFrom{Standby: req.ReadFrom == model.ReadStandby, Copies: req.ReadFrom == model.ReadReport, Check: req.Check}}, nil
	}
	return nil, model.Errorf(model.Invalid, "%q cannot be backed up", req.Source).WithHint("the source is local or central")
}

// create makes one backup of a source.
func (b *Backuper) create(ctx context.Context, src source, to target, o order, n model.Notify) (model.BackupInfo, error) {
	if o.kind != model.BackupFull {
		var err error
		if o.list, err = unmarked(ctx, to.store, b.pins()); err != nil {
			return model.BackupInfo{}, err
		}
	}
	e, err := b.attempt(ctx, src, to, o, n)
	return e.info, err
}

// order says what backup is to be made.
type order struct {
	kind string
	list []entry // those that it may follow, newest first
	// unless is the mark at which none is made, nil for always.
	unless *mark
	// wait is how long a place that is gone meanwhile is waited for.
	wait time.Duration
}

// attempt makes one backup. Where the moment of the source is lost on the way,
// it begins anew.
func (b *Backuper) attempt(ctx context.Context, src source, to target, o order, n model.Notify) (entry, error) {
	for attempt := 1; ; attempt++ {
		e, err := b.createOnce(ctx, src, to, o, n)
		if !errors.Is(err, errMoved) {
			return e, err
		}
		if attempt == attempts {
			return e, model.Errorf(model.Locked, "the tables changed under the backup %d times: it was not made", attempts).
				WithHint("try again when nobody alters tables").Because(err)
		}
	}
}

// errMoved says that the moment of a snapshot is lost: the backup must begin
// anew.
var errMoved = errors.New("the moment of the source is lost")

// errUnchanged says that there is nothing to back up.
var errUnchanged = errors.New("nothing has changed")

func (b *Backuper) createOnce(ctx context.Context, src source, to target, o order, n model.Notify) (e entry, err error) {
	readers := mostReaders()
	if o.kind == model.BackupSegment {
		readers = 1
	}
	snap, err := src.open(ctx, readers, o.kind != model.BackupFull, n)
	if err != nil {
		return e, err
	}
	defer snap.close()
	if at := snap.info().Mark; o.unless != nil && o.unless.same(at) {
		return e, errUnchanged
	}
	p := plan{kind: o.kind}
	if o.kind != model.BackupFull {
		if p, err = planOf(ctx, snap, o.list, o.kind); err != nil {
			return e, err
		}
	}
	m, err := b.manifest(ctx, snap, p, to.recipients)
	if err != nil {
		return e, err
	}
	w := &writer{target: to, place: newPlace(m.Lineage, m.ID, m.Kind), m: m, snap: snap, since: m.From, untold: p.untold, note: p.note, before: b.o.before, meter: &meter{notify: n}}
	w.store = b.patience(to.store, o.wait, w.meter.say)
	end, err := b.begin(to.store, w.place)
	if err != nil {
		return e, err
	}
	left := false
	defer func() { end(left) }()
	e, err = w.run(ctx, b.o.Now)
	if err != nil && model.KindOf(err) != model.Corrupt {
		left = w.discard(ctx) != nil
		if errors.Is(err, errMoved) {
			return e, err
		}
		return e, cannotWrite(to.store, err)
	}
	if err == nil {
		err = snap.keep(ctx, m.ID, p.kind == model.BackupFull)
	}
	return e, err
}

// manifest begins the manifest of a backup.
func (b *Backuper) manifest(ctx context.Context, snap snapshot, p plan, recipients []string) (*manifest, error) {
	what := snap.info()
	definition, err := definitionOf(what.Schema, snap.tables())
	if err != nil {
		return nil, err
	}
	settings, number := "", int64(0)
	if what.Source == model.SourceLocal {
		if settings, err = b.settings(); err != nil {
			return nil, err
		}
		if number, err = b.o.DB().NumberBackup(ctx); err != nil {
			return nil, err
		}
	}
	m := &manifest{
		Format: formatName, ID: b.o.IDs.New(), Kind: p.kind, Source: what.Source, Lineage: what.Lineage, At: what.At, Position: what.Mark.Position, Number: number,
		Mark: what.Mark, Links: 1, Schema: what.Schema, Encoding: written, Definition: definition, Untold: namesOf(snap.tables(), func(t table) bool { return t.Untold }), Whole: namesOf(snap.tables(), func(t table) bool { return t.Whole }), Server: what.Server,
		Recipients: recipients, Settings: settings, Extras: what.Extras,
	}
	if p.parent != nil {
		m.Parent, m.Base, m.From, m.Links = p.parent.id, cmp.Or(p.parent.sum.Base, p.parent.id), &p.parent.sum.Mark, p.parent.sum.Links+1
	}
	return m, nil
}

// mostReaders is how many readers share the work: each holds a part in memory.
func mostReaders() int { return min(2, runtime.GOMAXPROCS(0)) }
