// Package sqlite is the cache: one SQLite file in the workspace's home that
// holds every record, the unsent edits, the conflicts and the local history,
// and that works without any network.
//
// Promises:
//   - Tables and columns follow the declaration in package model. A field that
//     is declared there is stored, listed, filtered and sorted here.
//   - An edit is written together with its pending change and its history
//     entry in one transaction, or not at all. Watchers hear of it after the
//     commit.
//   - There is one writer and a pool of readers; a reader never waits for the
//     writer.
//   - Text is kept byte for byte. Only the derived columns title, title_key
//     and sort_key are folded, and they never travel.
//   - The file is readable by its owner only. A file of a newer program is
//     refused, an older one is copied before it is migrated.
package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"rapport/model"
)

// FileName is the name of the cache in a home.
const FileName = "rapport.db"

// readers is how many connections read at the same time.
const readers = 4

// Options are what a cache needs to know beside its path. Zero values give
// the real clock, fresh ids and no log.
type Options struct {
	Settings model.Settings
	Now      func() time.Time
	IDs      *model.IDSource
	Random   func([]byte) (int, error) // of the nonces of batches; nil means crypto/rand
	Log      *slog.Logger
}

// DB is an open cache. Its methods may be called from any goroutine.
type DB struct {
	path     string
	settings model.Settings
	now      func() time.Time
	ids      *model.IDSource
	random   func([]byte) (int, error)
	log      *slog.Logger
	writer   *sql.DB
	reader   *sql.DB
	watch    watchers
	moment   chan struct{} // holds a token while a moment is open
}

// Open opens the cache at path and makes it if it is absent. Errors: TooNew
// for a file of a newer program, Invalid for a file that is no cache, Corrupt,
// Locked.
func Open(ctx context.Context, path string, o Options) (*DB, error) {
	if err := registerFunctions(); err != nil {
		return nil, fmt.Errorf("register SQL functions: %w", err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.IDs == nil {
		o.IDs = model.NewIDSource(o.Now, nil)
	}
	if o.Random == nil {
		o.Random = rand.Read
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if err := createFile(abs); err != nil {
		verb := "made"
		if _, there := os.Stat(abs); there == nil {
			verb = "written"
		}
		return nil, model.Errorf(model.Invalid, "the workspace's file %s cannot be %s", abs, verb).
			WithHint("check the rights of its folder and the room on the disk, or name another with --home").Because(err)
	}
	d := &DB{path: abs, settings: o.Settings, now: o.Now, ids: o.IDs, random: o.Random, log: o.Log, moment: make(chan struct{}, 1)}
	d.writer, err = sql.Open("sqlite", dsn(abs, "_txlock=immediate", "_pragma=synchronous(FULL)", "_pragma=cache_size("+writerCache+")"))
	if err != nil {
		return nil, mapError("open", err)
	}
	d.writer.SetMaxOpenConns(1)
	d.reader, err = sql.Open("sqlite", dsn(abs, "_pragma=query_only(1)"))
	if err != nil {
		d.writer.Close()
		return nil, mapError("open", err)
	}
	d.reader.SetMaxOpenConns(readers)
	d.reader.SetMaxIdleConns(readers)
	if err := d.prepare(ctx); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// writerCache is the cache of the connection that writes, in KiB below zero: room
// for the pages of a thousand rows from all over a large table, which would else
// go to the journal and come back within their transaction.
const writerCache = "-16384"

// createFile makes the file, so that SQLite does not make it readable to
// others. Its journal takes over the mode.
func createFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// dsn returns the address of the file with every pragma in it: a pragma that
// is executed once reaches one connection of a pool only.
func dsn(path string, more ...string) string {
	slash := filepath.ToSlash(path)
	if slash[0] != '/' {
		slash = "/" + slash
	}
	query := "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=foreign_keys(1)&_pragma=temp_store(2)"
	for _, m := range more {
		query += "&" + m
	}
	u := url.URL{Scheme: "file", Path: slash, RawQuery: query}
	return u.String()
}

// Close closes the file. Watchers are told nothing more.
func (d *DB) Close() error {
	return errors.Join(d.reader.Close(), d.writer.Close())
}

// Path returns where the file lies.
func (d *DB) Path() string { return d.path }

// Settings returns the workspace's settings.
func (d *DB) Settings() model.Settings { return d.settings }

// env is what reading a value from text needs to know.
func (d *DB) env() model.Env {
	return model.Env{Now: d.now(), Currency: d.settings.Currency, Me: d.settings.Me}
}

// read returns the pool of readers.
func (d *DB) read() *sql.DB { return d.reader }

// registerFunctions gives every connection the SQL function fold, with which
// text is compared without case and accents. The driver keeps functions for
// the whole process.
var registerFunctions = sync.OnceValue(func() error {
	return driver.RegisterDeterministicScalarFunction("fold", 1, foldFunction)
})

// mapError turns a driver's error into one that a person can be told. It
// leaves other errors alone.
func mapError(op string, err error) error {
	if err == nil {
		return nil
	}
	var own *model.Error
	if errors.As(err, &own) {
		return err
	}
	if errors.Is(err, context.Canceled) {
		return &model.Error{Kind: model.Interrupted, Op: op, Msg: "it was stopped", Err: err}
	}
	var se *driver.Error
	if !errors.As(err, &se) {
		return fmt.Errorf("%s: %w", op, err)
	}
	e := &model.Error{Op: op, Err: err}
	switch se.Code() & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		e.Kind, e.Msg, e.Hint = model.Locked, "another process is writing to the workspace", "wait a moment and try again"
	case lib.SQLITE_CORRUPT:
		e.Kind, e.Msg, e.Hint = model.Corrupt, "the workspace's file is damaged", "restore a backup, or sync into a new home"
	case lib.SQLITE_NOTADB:
		e.Kind, e.Msg = model.Invalid, "the workspace's file is no Rapport file"
	case lib.SQLITE_FULL:
		e.Msg, e.Hint = "the disk is full", "make room and try again; nothing was changed"
	case lib.SQLITE_IOERR:
		e.Msg, e.Hint = "the disk took no more or did not answer", "make room, or look after the disk, and try again; nothing was changed"
	case lib.SQLITE_READONLY, lib.SQLITE_CANTOPEN, lib.SQLITE_PERM:
		e.Msg, e.Hint = "the workspace's file cannot be written", "check the rights of the home's folder"
	case lib.SQLITE_INTERRUPT:
		e.Kind, e.Msg = model.Interrupted, "it was stopped"
	default:
		e.Msg = "the workspace's file could not be used"
	}
	return e
}
