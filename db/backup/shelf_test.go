package backup

import (
	"context"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"pgregory.net/rapid"

	"rapport/model"
)

// shelf is a store with a clock of its own.
type shelf struct {
	mu   sync.Mutex
	data map[string][]byte
	at   map[string]time.Time
	now  time.Time
}

func newShelf() *shelf {
	return &shelf{data: map[string][]byte{}, at: map[string]time.Time{}, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
}

func (s *shelf) String() string { return "the shelf" }

func (s *shelf) Put(_ context.Context, key string, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data[key], s.at[key] = slices.Clone(data), s.now
	return nil
}

func (s *shelf) PutNew(ctx context.Context, key string, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.data[key]; there {
		return errTaken
	}
	s.data[key], s.at[key] = slices.Clone(data), s.now
	return nil
}

func (s *shelf) Get(_ context.Context, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, there := s.data[key]
	if !there {
		return nil, &fs.PathError{Op: "get", Path: key, Err: fs.ErrNotExist}
	}
	return slices.Clone(data), nil
}

func (s *shelf) GetRange(ctx context.Context, key string, from, to int64) ([]byte, error) {
	data, err := s.Get(ctx, key)
	n := int64(len(data))
	return data[min(from, n):min(to, n)], err
}

func (s *shelf) List(_ context.Context, prefix string) ([]Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Object
	for key, data := range s.data {
		if strings.HasPrefix(key, prefix) {
			out = append(out, Object{Key: key, Size: int64(len(data)), At: s.at[key]})
		}
	}
	return sortedByKey(out), nil
}

func (s *shelf) Stat(ctx context.Context, key string) (Object, error) {
	data, err := s.Get(ctx, key)
	s.mu.Lock()
	defer s.mu.Unlock()
	return Object{Key: key, Size: int64(len(data)), At: s.at[key]}, err
}

func (s *shelf) Delete(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.data, key)
	delete(s.at, key)
	return nil
}

func (s *shelf) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// shed is a place of backups that holds as much of them as a list reads.
type shed struct {
	*shelf
	t    rapid.TB
	made int64
	ids  *model.IDSource
}

func newShed(t rapid.TB) *shed {
	a := &shed{shelf: newShelf(), t: t}
	a.ids = model.NewIDSource(func() time.Time { return a.now }, nil)
	a.put(repoName, repo{Format: formatName, ID: a.ids.New()})
	return a
}

func (a *shed) put(key string, v any) []byte {
	a.t.Helper()
	data, err := encodeJSON(v)
	if err != nil {
		a.t.Fatal(err)
	}
	if err := a.Put(context.Background(), key, data); err != nil {
		a.t.Fatal(err)
	}
	return data
}

// add stores a backup made now that needs parent, "" for a full one.
func (a *shed) add(kind, parent string, verified bool) string {
	return a.addTo(model.SourceLocal, "mine", kind, parent, verified)
}

func (a *shed) addTo(source, lineage, kind, parent string, verified bool) string {
	a.t.Helper()
	a.made++
	id := a.ids.New()
	p := newPlace(lineage, id, kind)
	if err := a.Put(context.Background(), p.prefix+"t/contact/00001.jsonl.zst", []byte("rows")); err != nil {
		a.t.Fatal(err)
	}
	m := a.put(p.prefix+manifestName, manifest{Format: formatName, ID: id, Encoding: written, Parent: model.ID(parent)})
	a.put(p.prefix+summaryName, summary{Format: formatName, ID: id, Kind: kind, Source: source, Parent: model.ID(parent), At: a.now, Number: a.made,
		Rows: 1, Bytes: 4, Verified: verified, Manifest: hashOf(m)})
	return string(id)
}

func (a *shed) keeper() *Backuper {
	return New(Options{Now: func() time.Time { return a.now }, IDs: a.ids, Open: func(string) (Store, error) { return a, nil }})
}

func (a *shed) prune(req model.PruneRequest) model.PruneResult {
	a.t.Helper()
	res, err := a.keeper().PruneBackups(context.Background(), req, nil)
	if err != nil {
		a.t.Fatalf("prune: %v", err)
	}
	return res
}

// there returns the backups that are listed, by id.
func (a *shed) there() map[string]model.BackupInfo {
	a.t.Helper()
	list, err := entries(context.Background(), a, pins{})
	if err != nil {
		a.t.Fatal(err)
	}
	out := map[string]model.BackupInfo{}
	for _, e := range list {
		out[e.info.ID] = e.info
	}
	return out
}

// whole holds that every backup that is listed has all that it needs.
func (a *shed) whole() map[string]model.BackupInfo {
	a.t.Helper()
	list := a.there()
	for id, b := range list {
		if b.Problem != "" {
			a.t.Fatalf("%s: %s", id, b.Problem)
		}
		if _, ok := list[b.Parent]; !ok && b.Parent != "" {
			a.t.Fatalf("the %s backup %s is listed and %s, which it needs, is not", b.Kind, id, b.Parent)
		}
	}
	return list
}
