package backup

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rapport/model"
)

// memory is a store without a disk.
type memory struct {
	mu      sync.Mutex
	objects map[string][]byte
}

// newMemory is an empty repository.
func newMemory() *memory {
	return &memory{objects: map[string][]byte{repoName: []byte(`{"format":"` + formatName + `"}`)}}
}

func (m *memory) String() string { return "memory" }

func (m *memory) Put(_ context.Context, key string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.objects[key] = slices.Clone(data)
	return nil
}

func (m *memory) PutNew(ctx context.Context, key string, data []byte) error {
	if _, err := m.Get(ctx, key); err == nil {
		return fs.ErrExist
	}
	return m.Put(ctx, key, data)
}

func (m *memory) Get(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.objects[key]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return slices.Clone(data), nil
}

func (m *memory) GetRange(ctx context.Context, key string, from, to int64) ([]byte, error) {
	data, err := m.Get(ctx, key)
	return data[min(from, int64(len(data))):min(to, int64(len(data)))], err
}

func (m *memory) List(_ context.Context, prefix string) ([]Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Object
	for _, key := range slices.Sorted(maps.Keys(m.objects)) {
		if strings.HasPrefix(key, prefix) {
			out = append(out, Object{Key: key, Size: int64(len(m.objects[key])), At: time.Now()})
		}
	}
	return out, nil
}

func (m *memory) Stat(ctx context.Context, key string) (Object, error) {
	data, err := m.Get(ctx, key)
	return Object{Key: key, Size: int64(len(data))}, err
}

func (m *memory) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, key)
	return nil
}

// fakeSource is a source: tables whose rows and changes are in memory.
type fakeSource struct {
	now  time.Time
	seq  int64
	list []*fakeTable
	// second answers in place of the rows when a table is read again; nil for
	// the truth.
	second func(t table, read int, values []any) []any
	// fails is asked before a table is read.
	fails func(t table, read int) error
	min   int64 // changes are known from here on
}

type fakeTable struct {
	table
	rows    map[string][]any // by the line of the key
	changed map[string]int64
	keys    map[string][]any
}

func newFakeTable(t table) *fakeTable {
	return &fakeTable{t, map[string][]any{}, map[string]int64{}, map[string][]any{}}
}

func (f *fakeTable) keyOf(values []any) []any {
	var out []any
	for _, i := range keyOf(f.Columns, f.Key) {
		out = append(out, values[i])
	}
	return out
}

func (s *fakeSource) put(t *fakeTable, values []any) {
	s.seq++
	key := t.keyOf(values)
	word := fmt.Sprintf("%#v", key)
	t.rows[word] = values
	t.note(word, s.seq, key)
}

// note tells of a change, if anybody does.
func (f *fakeTable) note(word string, seq int64, key []any) {
	f.keys[word] = key
	if !f.Untold {
		f.changed[word] = seq
	}
}

func (s *fakeSource) remove(t *fakeTable, word string) {
	s.seq++
	delete(t.rows, word)
	t.note(word, s.seq, t.keys[word])
}

// all returns the rows of a table in the order of their key.
func (f *fakeTable) all() [][]any {
	return slices.SortedFunc(maps.Values(f.rows), func(a, b []any) int {
		for _, i := range keyOf(f.Columns, f.Key) {
			if n := compareValues(a[i], b[i]); n != 0 {
				return n
			}
		}
		return 0
	})
}

func (s *fakeSource) open(context.Context, int, bool, model.Notify) (snapshot, error) {
	s.now = s.now.Add(time.Second)
	out := &fakeSnapshot{s: s, at: s.now, seq: s.seq, reads: map[string]int{}}
	for _, t := range s.list {
		out.list = append(out.list, &fakeTable{t.table, maps.Clone(t.rows), maps.Clone(t.changed), maps.Clone(t.keys)})
	}
	return out, nil
}

type fakeSnapshot struct {
	s     *fakeSource
	at    time.Time
	seq   int64
	list  []*fakeTable
	mu    sync.Mutex
	reads map[string]int
}

func (s *fakeSnapshot) info() moment {
	return moment{Source: model.SourceCentral, Lineage: "line", At: s.at, Schema: 1, Readers: 2, Mark: mark{Position: s.seq, At: s.at}}
}

func (s *fakeSnapshot) tables() []table {
	var out []table
	for _, t := range s.list {
		out = append(out, t.table)
	}
	return out
}

func (s *fakeSnapshot) of(t table) *fakeTable {
	return s.list[slices.IndexFunc(s.list, func(f *fakeTable) bool { return f.Name == t.Name })]
}

func (s *fakeSnapshot) count(_ context.Context, _ int, t table) (int64, bool, error) {
	return int64(len(s.of(t).rows)), true, nil
}

// read begins the reading of a table, and tells the how many-th it is.
func (s *fakeSnapshot) read(t table) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads[t.Name]++
	if s.s.fails != nil {
		return 0, s.s.fails(t, s.reads[t.Name])
	}
	return s.reads[t.Name], nil
}

func (s *fakeSnapshot) answer(t table, read int, values []any) []any {
	if s.s.second == nil {
		return values
	}
	return s.s.second(t, read, values)
}

func (s *fakeSnapshot) rows(_ context.Context, _ int, t table, row func([]any) error) error {
	n, err := s.read(t)
	if err != nil {
		return err
	}
	for _, v := range s.of(t).all() {
		if err := row(s.answer(t, n, v)); err != nil {
			return err
		}
	}
	return nil
}

func (s *fakeSnapshot) changed(_ context.Context, _ int, t table, since mark, row func([]any) error, gone func([]any) error) error {
	n, err := s.read(t)
	if err != nil {
		return err
	}
	f := s.of(t)
	words := slices.SortedFunc(maps.Keys(f.changed), func(a, b string) int {
		for i := range t.Key {
			if n := compareValues(f.keys[a][i], f.keys[b][i]); n != 0 {
				return n
			}
		}
		return 0
	})
	for _, w := range words {
		if f.changed[w] <= since.Position {
			continue
		}
		if v, ok := f.rows[w]; ok {
			err = row(s.answer(t, n, v))
		} else {
			err = gone(f.keys[w])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *fakeSnapshot) follows(_ context.Context, _ model.ID, since mark) (string, error) {
	if since.Position < s.s.min {
		return "changes are known from later on", nil
	}
	return "", nil
}

func (s *fakeSnapshot) keep(context.Context, model.ID, bool) error { return nil }
func (s *fakeSnapshot) close() error                               { return nil }

// fakeTables are tables with keys of every sort.
func fakeTables() []*fakeTable {
	return []*fakeTable{
		newFakeTable(table{Name: "pair", Columns: []string{"text", "a", "blob", "b"}, Types: []string{"text", "text", "blob", "int"}, Key: []string{"a", "b"}}),
		newFakeTable(table{Name: "one", Columns: []string{"id", "text", "int"}, Types: []string{"id", "text", "int"}, Key: []string{"id"}}),
		newFakeTable(table{Name: "Whole/..", Columns: []string{"id", "text", "int"}, Types: []string{"id", "text", "int"}, Key: []string{"id"}, Whole: true, Untold: true}),
	}
}

func fakeRow(t *rapid.T, f *fakeTable) []any {
	values := make([]any, len(f.Columns))
	for i, typ := range f.Types {
		key := slices.Contains(f.Key, f.Columns[i])
		switch {
		case key && typ == "id":
			values[i] = model.DerivedID("x", fmt.Sprint(rapid.IntRange(0, 12).Draw(t, "id"))).Bytes()
		case key && typ == "text":
			values[i] = rapid.SampledFrom([]string{"", "a", "A", "a ", "ä", "z", "\xff", "\x00", "\U0001f4a9"}).Draw(t, "a")
		case key:
			values[i] = rapid.SampledFrom([]int64{-1 << 63, -1, 0, 9, 10, 1<<63 - 1}).Draw(t, "b")
		case rapid.IntRange(0, 4).Draw(t, "null") == 0:
		case typ == "text":
			values[i] = rapid.SampledFrom(strange).Draw(t, "text")
		case typ == "int":
			values[i] = rapid.Int64().Draw(t, "int")
		default:
			values[i] = rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "blob")
		}
	}
	return values
}

// edit makes some random changes.
func (s *fakeSource) edit(t *rapid.T) {
	if f := s.list[rapid.IntRange(0, 9).Draw(t, "told")%len(s.list)]; rapid.IntRange(0, 5).Draw(t, "toggle") == 0 {
		f.Untold = !f.Untold
		f.Whole = f.Untold
	}
	for range rapid.IntRange(0, 8).Draw(t, "edits") {
		f := s.list[rapid.IntRange(0, len(s.list)-1).Draw(t, "table")]
		if words := slices.Sorted(maps.Keys(f.rows)); len(words) > 0 && rapid.IntRange(0, 2).Draw(t, "what") == 0 {
			s.remove(f, rapid.SampledFrom(words).Draw(t, "gone"))
			continue
		}
		s.put(f, fakeRow(t, f))
	}
}

// state is what a chain must give: the lines of each table.
func (s *fakeSource) state(t interface{ Fatal(...any) }) map[string][]byte {
	out := map[string][]byte{}
	for _, f := range s.list {
		var b []byte
		for _, v := range f.all() {
			var err error
			if b, err = written.appendRow(b, f.Types, v); err != nil {
				t.Fatal(err)
			}
			b = append(b, '\n')
		}
		out[f.Name] = b
	}
	return out
}

// chainState reads what a chain gives.
func chainState(ctx context.Context, c *chain) (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, te := range c.tables() {
		var b []byte
		if err := c.lines(ctx, te.Name, func(line []byte, _ []any) error { b = append(b, line...); return nil }); err != nil {
			return nil, err
		}
		out[te.Name] = b
	}
	return out, nil
}

func sameState(got, want map[string][]byte) string {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !bytes.Equal(got[name], want[name]) {
			return fmt.Sprintf("%s is\n%swant\n%s", name, got[name], want[name])
		}
	}
	return ""
}

// TestChainsReadAsTheirEnd makes backups of all kinds between random changes,
// and reads each of them as the full set of rows that there was.
func TestChainsReadAsTheirEnd(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		ctx := t.Context()
		src := &fakeSource{now: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC), list: fakeTables()}
		b := New(Options{Home: t.TempDir(), Now: func() time.Time { return src.now }})
		store := newMemory()
		want := map[string]map[string][]byte{}
		for range rapid.IntRange(1, 7).Draw(rt, "backups") {
			src.edit(rt)
			kind := rapid.SampledFrom([]string{model.BackupFull, model.BackupIncremental, model.BackupIncremental, model.BackupDifferential, model.BackupSegment}).Draw(rt, "kind")
			info, err := b.create(ctx, src, target{store: store}, order{kind: kind}, nil)
			if err != nil || !info.Verified {
				rt.Fatalf("%s: %+v, %v", kind, info, err)
			}
			if (info.Kind != kind) != (info.Note != "") {
				rt.Fatalf("%s became %s, note %q", kind, info.Kind, info.Note)
			}
			want[info.ID] = src.state(rt)
		}
		list, err := entries(ctx, store, pins{})
		if err != nil || len(list) != len(want) {
			rt.Fatalf("%d backups, %v, want %d", len(list), err, len(want))
		}
		for _, e := range list {
			c, err := openChain(ctx, store, keys{}, list, e)
			if err != nil {
				rt.Fatal(err)
			}
			got, err := chainState(ctx, c)
			if err != nil {
				rt.Fatal(err)
			}
			if s := sameState(got, want[string(e.id)]); s != "" {
				rt.Fatalf("the %s backup of %d: %s", e.kind, len(c.links), s)
			}
			if err := c.prove(ctx, nil); err != nil {
				rt.Fatal(err)
			}
		}
	})
}

// fakeChain makes a full backup and increments of a small source.
func fakeChain(t *testing.T, kinds ...string) (*fakeSource, *Backuper, *memory) {
	t.Helper()
	src := &fakeSource{now: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC), list: fakeTables()}
	b := New(Options{Home: t.TempDir(), Now: func() time.Time { return src.now }})
	store := newMemory()
	for i, kind := range kinds {
		for j := range 10 {
			src.put(src.list[0], []any{"x", fmt.Sprint(j * (i + 1)), nil, int64(i)})
			src.put(src.list[1], []any{model.DerivedID("x", fmt.Sprint(j*(i+1))).Bytes(), "text", int64(i)})
		}
		if i > 0 {
			src.remove(src.list[1], slices.Sorted(maps.Keys(src.list[1].rows))[0])
		}
		if info, err := b.create(t.Context(), src, target{store: store}, order{kind: kind}, nil); err != nil || info.Kind != kind {
			t.Fatalf("%s: %+v, %v", kind, info, err)
		}
	}
	return src, b, store
}

// TestPromotions asks for another kind than full where there is nothing to
// follow. A full one is made, and its note says why.
func TestPromotions(t *testing.T) {
	t.Parallel()
	full, incremental, differential := model.BackupFull, model.BackupIncremental, model.BackupDifferential
	for name, c := range map[string]struct {
		chain []string
		spoil func(*fakeSource, *memory)
		kind  string
		note  string // "" for no promotion
	}{
		"OK":                       {[]string{full}, nil, incremental, ""},
		"nothing":                  {nil, nil, incremental, "there is none yet"},
		"not verified":             {[]string{full}, func(_ *fakeSource, m *memory) { m.edit("summary.json", `"verified": true`, `"verified": false`) }, incremental, "is not verified"},
		"damaged":                  {[]string{full}, func(_ *fakeSource, m *memory) { m.edit("manifest.json", `"rows"`, `"rowz"`) }, differential, "is not verified"},
		"tables":                   {[]string{full, incremental}, func(s *fakeSource, _ *memory) { s.list[0].Definition = "other" }, incremental, "the tables are not what they were"},
		"encoding":                 {[]string{full}, func(_ *fakeSource, m *memory) { m.edit("summary.json", ` "encoding": 2,`, "") }, incremental, "in an older form"},
		"feed cut":                 {[]string{full}, func(s *fakeSource, _ *memory) { s.min = s.seq + 1 }, incremental, "changes are known from later on"},
		"long chain":               {[]string{full}, func(_ *fakeSource, m *memory) { m.edit("summary.json", `"links": 1`, `"links": 30`) }, incremental, "the chain has 30 backups"},
		"long chain, differential": {[]string{full}, func(_ *fakeSource, m *memory) { m.edit("summary.json", `"links": 1`, `"links": 30`) }, differential, ""},
		"large differential":       {[]string{full, differential}, nil, differential, "more than half"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src, b, store := fakeChain(t, c.chain...)
			if c.spoil != nil {
				c.spoil(src, store)
			}
			info, err := b.create(t.Context(), src, target{store: store}, order{kind: c.kind}, nil)
			if err != nil || !info.Verified || (info.Kind == c.kind) != (c.note == "") || !strings.Contains(info.Note, c.note) || (info.Parent == "") != (c.note != "") {
				t.Errorf("%+v, %v", info, err)
			}
			list, err := entries(t.Context(), store, pins{})
			if err != nil || list[0].info.Note != info.Note {
				t.Errorf("list: %+v, %v", list[0].info, err)
			}
		})
	}
}

// edit changes a text in every object of a name. The manifest's hash in the
// summary is left as it is.
func (m *memory) edit(name, from, to string) {
	for key, data := range m.objects {
		if strings.HasSuffix(key, name) {
			m.objects[key] = bytes.ReplaceAll(data, []byte(from), []byte(to))
		}
	}
}

// TestGapsInAChain takes a backup out of a chain, and exchanges one. Both are
// named.
func TestGapsInAChain(t *testing.T) {
	t.Parallel()
	_, _, store := fakeChain(t, model.BackupFull, model.BackupIncremental, model.BackupIncremental)
	list, err := entries(t.Context(), store, pins{})
	if err != nil || len(list) != 3 {
		t.Fatalf("%d, %v", len(list), err)
	}
	if c, err := openChain(t.Context(), store, keys{}, list, list[0]); err != nil || len(c.links) != 3 {
		t.Fatalf("the whole chain: %v", err)
	}
	_, err = openChain(t.Context(), store, keys{}, slices.Concat(list[:1], list[2:]), list[0])
	says(t, err, model.Corrupt, "needs the backup "+list[1].id.Short()+", which is not there")
	m, err := list[0].manifestOf(t.Context(), store, keys{})
	if err != nil {
		t.Fatal(err)
	}
	parent, err := list[1].manifestOf(t.Context(), store, keys{})
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(m *manifest){
		"mark":       func(m *manifest) { m.From.Position-- },
		"moment":     func(m *manifest) { m.From.At = m.From.At.Add(1) },
		"no mark":    func(m *manifest) { m.From = nil },
		"lineage":    func(m *manifest) { m.Lineage = "other" },
		"definition": func(m *manifest) { m.Definition = "other" },
		"source":     func(m *manifest) { m.Source = model.SourceLocal },
	} {
		other, from := *m, *m.From
		other.From = &from
		spoil(&other)
		if err := continues(&other, parent); model.KindOf(err) != model.Corrupt {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := continues(m, parent); err != nil {
		t.Error(err)
	}
}

// TestMergeAgainstAMap merges random sets with a map as the oracle.
func TestMergeAgainstAMap(t *testing.T) {
	t.Parallel()
	columns, types := []string{"v", "k"}, []string{"int", "text"}
	rapid.Check(t, func(rt *rapid.T) {
		store := newMemory()
		of := place{prefix: "b/"}
		oracle := map[string]int64{}
		g := &merge{key: []int{1}}
		var sets [][2]set
		for age := range rapid.IntRange(1, 6).Draw(rt, "sets") {
			rows := rapid.MapOf(rapid.StringN(0, 2, 4), rapid.Bool()).Draw(rt, "rows")
			here := [2]set{{table: "t" + fmt.Sprint(age), folder: rowFolder, encoding: written, columns: columns, types: types}, {table: "t" + fmt.Sprint(age), folder: goneFolder, encoding: written, columns: columns[1:], types: types[1:]}}
			w, err := newPartWriter(keys{})
			if err != nil {
				rt.Fatal(err)
			}
			for i := range here {
				var data []byte
				n := int64(0)
				for _, k := range slices.Sorted(maps.Keys(rows)) {
					switch {
					case rows[k] != (i == 0):
						continue
					case i == 0:
						oracle[k] = int64(age)
						data, err = written.appendRow(data, types, []any{int64(age), k})
					default:
						delete(oracle, k)
						data, err = written.appendRow(data, types[1:], []any{k})
					}
					if err != nil {
						rt.Fatal(err)
					}
					data = append(data, '\n')
					n++
				}
				if n == 0 {
					continue
				}
				head, err := headLine(header{Table: here[i].table, Columns: here[i].columns, Types: here[i].types, Encoding: written, Part: 1, Gone: i == 1})
				if err := cmp.Or(err, w.begin(head), w.lines(data, n)); err != nil {
					rt.Fatal(err)
				}
				p, err := w.end()
				if err != nil {
					rt.Fatal(err)
				}
				p.Name = partName(here[i].folder, here[i].table, 1)
				if err := store.Put(t.Context(), of.prefix+p.Name, w.stored.Bytes()); err != nil {
					rt.Fatal(err)
				}
				here[i].rows, here[i].hash, here[i].parts = n, hashOf(data), []part{p}
			}
			sets = append(sets, here)
		}
		for _, here := range slices.Backward(sets) {
			for i := range here {
				if err := g.add(newSetReader(t.Context(), store, of, keys{}, here[i]), i == 1); err != nil {
					rt.Fatal(err)
				}
			}
		}
		got := map[string]int64{}
		last := ""
		err := g.run(func(_ []byte, v []any) error {
			k := v[1].(string)
			if _, twice := got[k]; twice || len(got) > 0 && k < last {
				return fmt.Errorf("%q after %q", k, last)
			}
			got[k], last = v[0].(int64), k
			return nil
		})
		if err != nil || !maps.Equal(got, oracle) {
			rt.Fatalf("%v, %v; want %v", got, err, oracle)
		}
	})
}

// counted is a source that says how many rows the table one has.
type counted struct {
	snapshot
	number int64
}

func (c counted) open(context.Context, int, bool, model.Notify) (snapshot, error) { return c, nil }

func (c counted) count(ctx context.Context, reader int, t table) (int64, bool, error) {
	if t.Name == "one" {
		return c.number, true, nil
	}
	return c.snapshot.count(ctx, reader, t)
}
