package backup

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"io/fs"
	"path/filepath"
	"sync/atomic"
	"time"

	"rapport/db/sqlite"
	"rapport/model"
)

// Options say which workspace a Backuper serves.
type Options struct {
	Home   string // the folder of the cache
	Config string // the settings' file; "" for config.toml in Home
	// Settings are the workspace's own, with the country of its phones; those
	// of DB if they are left out.
	Settings model.Settings
	// DB returns the workspace's open cache. It is needed for making
	// backups; a restore into a home that nobody has opened needs none.
	DB func() *sqlite.DB
	// Exclusive takes the sync lock, closes the cache, calls swap, and opens
	// the cache again whatever swap returned. nil where the cache is not
	// open.
	Exclusive func(ctx context.Context, swap func() error) error
	Now       func() time.Time
	IDs       *model.IDSource
	// Open opens the store at an address; nil means OpenStore with the
	// credentials of the settings.
	Open func(address string) (Store, error)
	// Central returns the address of the central with its password; nil
	// where there is none. Error: NoCentral.
	Central func(ctx context.Context) (string, error)
	// Lease takes a lease of the central by its name; nil where there is
	// none. Error: Locked where somebody else has it.
	Lease func(ctx context.Context, name string) (Lease, error)
	// Now of the central's server; nil where there is none.
	ServerNow func(ctx context.Context) (time.Time, error)

	// Wait is how long a backup that is being made waits for its place when
	// that is gone: 0 for a quarter of an hour, less for not at all. A request
	// may say otherwise.
	Wait time.Duration

	// look pauses between two looks whether a place is back.
	look func(ctx context.Context, attempt int) error
	// before is asked when a backup is complete but for its manifest. An
	// error discards the backup.
	before func(ctx context.Context) error
}

// Lease is the right to do alone what only one may do at a time, given by the
// central's server.
type Lease interface {
	// Keep prolongs the lease and returns the server's time. Error: Locked
	// where somebody else has it by now.
	Keep(ctx context.Context) (time.Time, error)
	Release()
}

// Backuper makes and restores the backups of one workspace. It implements
// model.Backuper.
type Backuper struct {
	o Options
	// chosen is how to back up where that is not as the settings say any
	// more.
	chosen atomic.Pointer[model.BackupSettings]
}

var _ model.Backuper = (*Backuper)(nil)

// New returns a Backuper.
func New(o Options) *Backuper {
	o.Now = cmpFunc(o.Now, time.Now)
	if o.look == nil {
		o.look = look
	}
	if o.IDs == nil {
		o.IDs = model.NewIDSource(o.Now, nil)
	}
	if o.Config == "" {
		o.Config = filepath.Join(o.Home, "config.toml")
	}
	return &Backuper{o: o}
}

func cmpFunc(f, fallback func() time.Time) func() time.Time {
	if f == nil {
		return fallback
	}
	return f
}

// settingsOf returns the settings under which the workspace is opened.
func (b *Backuper) settingsOf() model.Settings {
	s := b.o.Settings
	if s.Home == "" && b.o.DB != nil {
		s = b.o.DB().Settings()
	}
	if chosen := b.chosen.Load(); chosen != nil {
		s.Backup = *chosen
	}
	return s
}

// ChooseBackups sets how the workspace is backed up from now on.
func (b *Backuper) ChooseBackups(s model.BackupSettings) { b.chosen.Store(&s) }

// store fills in what the settings say where a request does not, and opens the
// store that it names, the home's backups folder if nobody names one.
func (b *Backuper) store(req *model.BackupRequest) (Store, error) {
	s := b.settingsOf().Backup
	req.To = cmp.Or(req.To, s.To, filepath.Join(b.o.Home, "backups"))
	req.Identity = cmp.Or(req.Identity, s.Identity)
	req.ReadFrom = cmp.Or(req.ReadFrom, s.ReadFrom)
	if len(req.Recipients) == 0 {
		req.Recipients = s.Recipients
	}
	if b.o.Open != nil {
		return b.o.Open(req.To)
	}
	c := Credentials{Command: s.CredentialsCommand, File: s.CredentialsFile}
	if req.CredentialsFile != "" {
		c = Credentials{File: req.CredentialsFile}
	}
	return openStore(req.To, c)
}

// ListBackups lists the backups of a store, newest first, with what was found
// when they were made. One whose manifest is damaged has a Problem.
func (b *Backuper) ListBackups(ctx context.Context, req model.BackupRequest) ([]model.BackupInfo, error) {
	s, err := b.store(&req)
	if err != nil {
		return nil, err
	}
	list, err := b.whole(ctx, s)
	if err != nil {
		return nil, err
	}
	out := []model.BackupInfo{}
	for _, e := range list {
		out = append(out, e.info)
	}
	return out, nil
}

// InitBackups makes the place of backups a repository if it is none yet, and
// tries out what may be done there.
func (b *Backuper) InitBackups(ctx context.Context, req model.BackupRequest) (model.BackupTarget, error) {
	s, err := b.store(&req)
	if err != nil {
		return model.BackupTarget{}, err
	}
	fresh := false
	key, err := b.signingKey()
	if err != nil {
		return model.BackupTarget{}, err
	}
	r, err := openRepo(ctx, s, func() (repo, error) { fresh = true; return b.newRepo(key), nil })
	if err != nil {
		return model.BackupTarget{Address: s.String()}, cannotWrite(s, err)
	}
	if err := b.know(ctx, s); err != nil {
		return model.BackupTarget{Address: s.String()}, err
	}
	if !req.Trust && !fresh {
		if _, err := b.pins().check(s, r); err != nil {
			return model.BackupTarget{Address: s.String()}, err
		}
	}
	t, err := Probe(ctx, s, b.o.IDs.New())
	t.Fresh = fresh
	if err == nil && t.Write && key != nil {
		r, err = b.initKeys(ctx, s, r, key, fresh, req.Trust)
		t.Strangers = len(r.strangers())
	}
	if err == nil && req.NewKey {
		t.Recovery, err = newRecovery(req.Recipients)
	}
	if err == nil && req.OwnKey {
		t.Own, err = b.ownKey()
	}
	return t, err
}

// initKeys enters a repository that had no keys or has some. With trust the home
// believes all that it names, and vouches for them.
func (b *Backuper) initKeys(ctx context.Context, s Store, r repo, key ed25519.PrivateKey, fresh, trust bool) (repo, error) {
	if !trust {
		if len(r.Signers) == 0 {
			var err error
			if r, err = join(ctx, s, r, key); err != nil {
				return r, err
			}
		}
		return b.enter(ctx, s, r, key, fresh)
	}
	r, err := join(ctx, s, r, key)
	if err == nil {
		r, err = vouch(ctx, s, r, key)
	}
	if err != nil {
		return r, err
	}
	r.believed = r.Signers
	return r, b.pins().trust(s, r)
}

// newRepo is a repository to which a key may write backups.
func (b *Backuper) newRepo(key ed25519.PrivateKey) repo {
	r := repo{Format: formatName, ID: b.o.IDs.New(), CreatedAt: b.o.Now().UTC(), Features: []string{"zstd", "age", "ed25519"}}
	if key != nil {
		r.Signers = []string{publicText(key)}
	}
	return r
}

// know keeps that backups go to a store, if that lies outside the home: when it
// is empty later, it is a share that is not connected, and nothing may be
// written where it would be.
func (b *Backuper) know(ctx context.Context, s Store) error {
	if b.within(s) {
		return nil
	}
	return b.o.DB().KnowBackupPlace(ctx, s.String())
}

// notThere says that a place of backups is empty that was none.
func notThere(s Store) error {
	return model.Errorf(model.Unreachable, "the backups that were in %s are not there", s).
		WithHint("connect the disk or the share; rapport backup init --to begins anew where it is empty").By(model.MissingPlace)
}

// whole lists the backups of a store. That of a share which is not connected is
// not an empty one.
func (b *Backuper) whole(ctx context.Context, s Store) ([]entry, error) {
	list, err := entries(ctx, s, b.pins())
	if err != nil || len(list) > 0 || b.within(s) {
		return list, err
	}
	if known, err := b.o.DB().KnowsBackupPlace(ctx, s.String()); err != nil || !known {
		return nil, err
	}
	if _, err := s.Get(ctx, repoName); errors.Is(err, fs.ErrNotExist) {
		return nil, notThere(s)
	}
	return nil, nil
}

// within tells whether a store lies in the home.
func (b *Backuper) within(s Store) bool {
	f, ok := s.(Folder)
	if !ok {
		return b.o.DB == nil
	}
	rel, err := filepath.Rel(b.o.Home, string(f))
	return err == nil && filepath.IsLocal(rel) || b.o.DB == nil
}

// messageOf is the sentence of an error.
func messageOf(err error) string {
	if own, ok := err.(*model.Error); ok {
		return own.Msg
	}
	return err.Error()
}
