package backup

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
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
type Backuper struct{ o Options }

var _ model.Backuper = (*Backuper)(nil)

// New returns a Backuper.
func New(o Options) *Backuper {
	o.Now = cmpFunc(o.Now, time.Now)
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
	if b.o.Settings.Home == "" && b.o.DB != nil {
		return b.o.DB().Settings()
	}
	return b.o.Settings
}

// store fills in what the settings say where a request does not, and opens the
// store that it names, the home's backups folder if nobody names one.
func (b *Backuper) store(req *model.BackupRequest) (Store, error) {
	s := b.settingsOf().Backup
	req.To = cmp.Or(req.To, s.To, filepath.Join(b.o.Home, "backups"))
	req.Identity = cmp.Or(req.Identity, s.Identity)
	if len(req.Recipients) == 0 {
		req.Recipients = s.Recipients
	}
	if b.o.Open != nil {
		return b.o.Open(req.To)
	}
	return openStore(req.To, Credentials{Command: s.CredentialsCommand, File: s.CredentialsFile})
}

// entry is one backup in a store, as far as a list tells.
type entry struct {
	place
	info     model.BackupInfo
	sum      summary
	manifest string // its object's name within the backup
	hash     string // that it must have
}

// entries lists the backups of a store, newest first. A folder without a
// manifest is no backup.
func entries(ctx context.Context, s Store) ([]entry, error) {
	if err := openRepo(ctx, s, nil); err != nil {
		return nil, err
	}
	objects, err := s.List(ctx, "b/")
	if err != nil {
		return nil, cannotRead(s, err)
	}
	var out []entry
	for _, o := range objects {
		p, name, ok := placeOf(o.Key)
		if ok && (name == manifestName || name == manifestName+suffix) {
			e := entry{place: p, manifest: name}
			// What is wrong with it, the entry tells.
			if err := e.read(ctx, s); unanswered(err) {
				return nil, err
			}
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b entry) int {
		return cmp.Or(b.info.At.Compare(a.info.At), cmp.Compare(b.id, a.id))
	})
	return out, nil
}

// read fills the entry from the summary, which must fit the manifest. What is
// wrong is the entry's Problem; the error is its cause.
func (e *entry) read(ctx context.Context, s Store) error {
	e.info = model.BackupInfo{ID: string(e.id), Kind: e.kind, Source: model.SourceLocal, Lineage: e.lineage, At: e.at(), Path: strings.TrimSuffix(s.String(), "/") + "/" + strings.TrimSuffix(e.prefix, "/")}
	e.sum = summary{}
	data, err := s.Get(ctx, e.prefix+summaryName)
	if unanswered(err) {
		return err
	}
	if err == nil {
		err = json.Unmarshal(data, &e.sum)
	}
	sum := &e.sum
	if err == nil && sum.ID != e.id {
		err = fmt.Errorf("it is that of %s", sum.ID)
	}
	if err != nil {
		e.info.Problem = summaryName + " is damaged"
		return err
	}
	e.hash = sum.Manifest
	data, err = s.Get(ctx, e.prefix+e.manifest)
	if unanswered(err) {
		return err
	}
	if err == nil && hashOf(data) != sum.Manifest {
		err = fmt.Errorf("its hash is %s, want %s", hashOf(data), sum.Manifest)
	}
	if err != nil {
		e.info.Problem = e.manifest + " is damaged"
		return err
	}
	if err := checkFormat("this backup", sum.Format); err != nil {
		e.info.Problem = messageOf(err)
		return err
	}
	e.info.Source, e.info.Parent, e.info.Position = cmp.Or(sum.Source, model.SourceLocal), string(sum.Parent), sum.Position
	e.info.Number = sum.Number
	e.info.At, e.info.Rows, e.info.Bytes, e.info.Verified, e.info.Problem = sum.At, sum.Rows, sum.Bytes, sum.Verified, sum.Problem
	e.info.Encrypted, e.info.Note = sum.Encrypted, sum.Note
	return nil
}

// ListBackups lists the backups of a store, newest first, with what was found
// when they were made. One whose manifest is damaged has a Problem.
func (b *Backuper) ListBackups(ctx context.Context, req model.BackupRequest) ([]model.BackupInfo, error) {
	s, err := b.store(&req)
	if err != nil {
		return nil, err
	}
	list, err := entries(ctx, s)
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
	if err := openRepo(ctx, s, func() (repo, error) { fresh = true; return b.newRepo(), nil }); err != nil {
		return model.BackupTarget{Address: s.String()}, cannotWrite(s, err)
	}
	if err := b.know(ctx, s); err != nil {
		return model.BackupTarget{Address: s.String()}, err
	}
	t, err := Probe(ctx, s, b.o.IDs.New())
	t.Fresh = fresh
	return t, err
}

func (b *Backuper) newRepo() repo {
	return repo{Format: formatName, ID: b.o.IDs.New(), CreatedAt: b.o.Now().UTC(), Features: []string{"zstd", "age"}}
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

// within tells whether a store lies in the home.
func (b *Backuper) within(s Store) bool {
	f, ok := s.(Folder)
	if !ok {
		return b.o.DB == nil
	}
	rel, err := filepath.Rel(b.o.Home, string(f))
	return err == nil && filepath.IsLocal(rel) || b.o.DB == nil
}

// find returns the backup of a store that a request names. See pick.
func find(ctx context.Context, s Store, ref string, sound bool) (entry, error) {
	list, err := entries(ctx, s)
	if err != nil {
		return entry{}, err
	}
	return pick(s, list, ref, sound)
}

// pick returns the backup that a request names: by id, by eight or more
// characters of its beginning or end, or the newest one. Where it must be
// sound, the newest is the newest that was verified.
func pick(s Store, list []entry, ref string, sound bool) (entry, error) {
	if ref == "" || ref == "latest" {
		for _, e := range list {
			if e.info.Verified || !sound {
				return e, nil
			}
		}
		if len(list) > 0 {
			problem := cmp.Or(list[0].info.Problem, "it was not verified")
			return entry{}, model.Errorf(model.Corrupt, "no backup in %s is sound; the newest: %s", s, problem).WithHint("rapport backup list shows them; name one by its id to try it")
		}
		return entry{}, model.Errorf(model.NotFound, "there is no backup in %s", s).WithHint("rapport backup create makes one")
	}
	var found []entry
	word := strings.ToLower(ref)
	for _, e := range list {
		if string(e.id) == word || len(word) >= 8 && (strings.HasPrefix(string(e.id), word) || strings.HasSuffix(string(e.id), word)) {
			found = append(found, e)
		}
	}
	switch len(found) {
	case 0:
		return entry{}, model.Errorf(model.NotFound, "there is no backup %q in %s", ref, s).WithHint("rapport backup list shows them")
	case 1:
		return found[0], nil
	}
	ids := make([]string, len(found))
	for i, e := range found {
		ids[i] = string(e.id)
	}
	return entry{}, model.Errorf(model.Ambiguous, "%q fits %d backups", ref, len(found)).WithHint("write one of %s", strings.Join(ids, ", "))
}

// manifestOf reads the manifest of a backup that was found.
func (e *entry) manifestOf(ctx context.Context, s Store, k keys) (*manifest, error) {
	if e.hash == "" {
		return nil, damaged(e.place, summaryName, "")
	}
	return readManifest(ctx, s, e.place, k, e.manifest, e.hash)
}

// messageOf is the sentence of an error.
func messageOf(err error) string {
	if own, ok := err.(*model.Error); ok {
		return own.Msg
	}
	return err.Error()
}
