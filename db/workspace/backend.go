package workspace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"rapport/db/backup"
	"rapport/db/sample"
	"rapport/db/sqlite"
	"rapport/model"
)

// demoMark is the file that tells a demo from a person's own workspace.
const demoMark = "demo.json"

// demoMe is the login of the rep whose day a demo shows.
const demoMe = "you"

// mark is what a demo's file says.
type mark struct {
	Me       string `json:"me"`
	Contacts int    `json:"contacts"`
	Seed     int64  `json:"seed"`
	Day      string `json:"day"`
}

// readMark tells whether a home is a demo. A mark that cannot be read marks a
// demo all the same.
func readMark(home string) (mark, bool) {
	m := mark{Me: demoMe}
	data, err := os.ReadFile(filepath.Join(home, demoMark))
	if err != nil {
		return m, false
	}
	if json.Unmarshal(data, &m) != nil || m.Me == "" {
		m.Me = demoMe
	}
	return m, true
}

// Options are what every workspace of a backend depends on. Zero values give
// the real clock and the log of the process.
type Options struct {
	Now     func() time.Time
	Log     *slog.Logger
	Program string // version, for the administrator's list of devices
}

func (o Options) log() *slog.Logger {
	if o.Log != nil {
		return o.Log
	}
	return slog.Default()
}

// Backend opens workspaces. It implements model.Backend.
type Backend struct{ o Options }

var _ model.Backend = (*Backend)(nil)

// New returns a backend.
func New(o Options) *Backend {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Backend{o: o}
}

// Open opens the workspace of a home and makes it if it is absent.
func (b *Backend) Open(ctx context.Context, s model.Settings) (model.Workspace, error) {
	if m, ok := readMark(s.Home); ok {
		// In a demo one is the rep whose day it shows.
		s.Demo, s.Me = true, m.Me
	}
	w, err := open(ctx, s, b.o)
	if err != nil {
		return nil, err
	}
	return w, nil
}

// Demo fills an empty home with sample data.
func (b *Backend) Demo(ctx context.Context, s model.Settings, req model.DemoRequest, n model.Notify) (map[model.Noun]int64, error) {
	info, err := b.Inspect(ctx, s.Home)
	if err != nil {
		return nil, err
	}
	if !info.Empty {
		return nil, model.Errorf(model.Invalid, "%s is not empty", s.Home).WithHint("name an empty folder with --home")
	}
	s.Demo, s.Me = true, demoMe
	data, err := json.Marshal(mark{Me: s.Me, Contacts: req.Contacts, Seed: req.Seed, Day: req.Day.Format("2006-01-02")})
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.Home, 0o700); err != nil {
		return nil, model.Errorf(model.Invalid, "the folder %s cannot be made", s.Home).Because(err)
	}
	if err := os.WriteFile(filepath.Join(s.Home, demoMark), append(data, '\n'), 0o600); err != nil {
		return nil, model.Errorf(model.Invalid, "%s cannot be written to", s.Home).Because(err)
	}
	if err := b.fill(ctx, s, req, n); err != nil {
		// Half a demo would be used again as a whole one.
		return nil, errors.Join(err, removeCache(s.Home))
	}
	info, err = b.Inspect(ctx, s.Home)
	return info.Counts, err
}

func (b *Backend) fill(ctx context.Context, s model.Settings, req model.DemoRequest, n model.Notify) error {
	db, err := sqlite.Open(ctx, filepath.Join(s.Home, sqlite.FileName), sqlite.Options{Settings: s, Now: b.o.Now, Log: b.o.log()})
	if err != nil {
		return err
	}
	_, err = sample.Fill(ctx, db, req, s.Me, n)
	return errors.Join(err, db.Close())
}

func removeCache(home string) error {
	var err error
	for _, suffix := range []string{"", "-wal", "-shm"} {
		e := os.Remove(filepath.Join(home, sqlite.FileName) + suffix)
		if !errors.Is(e, os.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// Restore restores a backup into a home that nobody has opened.
func (b *Backend) Restore(ctx context.Context, s model.Settings, req model.BackupRequest, n model.Notify) (model.BackupInfo, string, error) {
	info, safety, err := backup.New(backup.Options{Home: s.Home, Config: s.Config, Settings: s, Now: b.o.Now}).RestoreBackup(ctx, req, n)
	b.o.log().Info("restore ended", "kind", outcome(err), "id", info.ID, "rows", info.Rows)
	return info, safety, err
}

// Inspect tells what a home holds.
func (b *Backend) Inspect(ctx context.Context, home string) (model.HomeInfo, error) {
	var info model.HomeInfo
	entries, err := os.ReadDir(home)
	switch {
	case errors.Is(err, os.ErrNotExist):
		info.Empty = true
		return info, nil
	case err != nil:
		return info, model.Errorf(model.Invalid, "%s cannot be read", home).Because(err)
	}
	info.Empty = len(entries) == 0
	for _, e := range entries {
		info.Exists = info.Exists || e.Name() == sqlite.FileName
		info.Demo = info.Demo || e.Name() == demoMark
	}
	if !info.Exists {
		return info, nil
	}
	db, err := sqlite.Open(ctx, filepath.Join(home, sqlite.FileName), sqlite.Options{Now: b.o.Now, Log: b.o.log()})
	if err != nil {
		// A file that cannot be opened is there all the same.
		return info, ctx.Err()
	}
	info.Counts, err = db.Counts(ctx)
	if err = errors.Join(err, db.Close()); err != nil {
		return info, fmt.Errorf("inspect %s: %w", home, err)
	}
	return info, nil
}
