package backup

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"rapport/model"
)

func TestFormsOfIDs(t *testing.T) {
	t.Parallel()
	id := model.ID("0193512b-1c09-777a-af5a-a7e30f777adb")
	for in, want := range map[encoding]string{encodingUUID: `["0193512b-1c09-777a-af5a-a7e30f777adb"]`, encodingShort: `["AZNRKxwJd3qvWqfjD3d62w"]`} {
		line, err := in.appendRow(nil, []string{"id"}, []any{id.Bytes()})
		if err != nil || string(line) != want {
			t.Errorf("encoding %d gives %s, %v", in, line, err)
		}
		for other := range map[encoding]bool{encodingUUID: true, encodingShort: true} {
			values, err := other.parseRow(line, []string{"id"})
			if (other == in) != (err == nil) || err == nil && !bytes.Equal(values[0].([]byte), id.Bytes()) {
				t.Errorf("encoding %d reads %s as %q, %v", other, line, values, err)
			}
		}
	}
	for name, line := range map[string]string{
		"too short":       `["AZNRKxwJd3qvWqfjD3d6"]`,
		"no quote":        `["AZNRKxwJd3qvWqfjD3d62w`,
		"padded":          `["AZNRKxwJd3qvWqfjD3d62w=="]`,
		"another form":    `["AZNRKxwJd3qvWqfjD3d62x"]`,
		"carriage return": "[\"AZNRKxwJd3qvWqfjD3d6\rw\"]",
	} {
		if values, err := encodingShort.parseRow([]byte(line), []string{"id"}); err == nil {
			t.Errorf("%s gives %q", name, values)
		}
	}
}

// TestEncodingsOfManifests refuses what it does not know, and says which of it
// is newer.
func TestEncodingsOfManifests(t *testing.T) {
	t.Parallel()
	const sound = model.Kind(-1)
	for number, want := range map[string]model.Kind{"0": model.Corrupt, "1": sound, "2": sound, "3": model.TooNew} {
		_, _, store := fakeChain(t, model.BackupFull)
		store.edit("manifest.json", `"encoding": 2`, `"encoding": `+number)
		list, err := entries(t.Context(), store, pins{})
		if err != nil {
			t.Fatal(err)
		}
		m, err := readManifest(t.Context(), store, list[0].place, keys{}, manifestName, "")
		if kind := model.KindOf(err); err == nil && (want != sound || m.Tables[0].encoding != m.Encoding) || err != nil && kind != want {
			t.Errorf("encoding %s: %v", number, err)
		}
	}
}

// golden unpacks what an earlier program wrote: a repository of a workspace and
// one of a central, and the sums of the tables at the end of each backup.
func golden(t *testing.T) (local, central Store, sums map[model.ID]map[string]tableSum) {
	t.Helper()
	f, err := os.Open("testdata/encoding-1.tar.zst")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zip, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer zip.Close()
	dir := t.TempDir()
	for r := tar.NewReader(zip); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		name := filepath.Join(dir, filepath.FromSlash(h.Name))
		if err = errors.Join(err, os.MkdirAll(filepath.Dir(name), 0o700)); err != nil {
			t.Fatal(err)
		}
		write(t, name, data)
	}
	var told map[model.ID]map[string]struct {
		Rows int64
		Hash string `json:"sha256"`
	}
	if err := json.Unmarshal(read(t, filepath.Join(dir, "sums.json")), &told); err != nil {
		t.Fatal(err)
	}
	sums = map[model.ID]map[string]tableSum{}
	for id, tables := range told {
		sums[id] = map[string]tableSum{}
		for name, s := range tables {
			sums[id][name] = tableSum{s.Rows, s.Hash}
		}
	}
	return Folder(filepath.Join(dir, "local")), Folder(filepath.Join(dir, "central")), sums
}

// sameSums holds that a chain has the rows that it had when it was made.
func sameSums(t *testing.T, c *chain, want map[string]tableSum) {
	t.Helper()
	if len(want) == 0 {
		t.Errorf("nothing is known of %s", c.end().ID)
	}
	for name, got := range c.sums(t) {
		if got.rows != want[name].rows || got.rows > 0 && got != want[name] {
			t.Errorf("%s of %s: %+v, want %+v", name, c.end().ID, got, want[name])
		}
	}
}

// TestBackupsOfEncoding1 verifies, lists and restores backups of the encoding
// that came before.
func TestBackupsOfEncoding1(t *testing.T) {
	store, _, sums := golden(t)
	h := newHome(t)
	h.store = store
	list, err := entries(t.Context(), store, pins{})
	if err != nil || len(list) != 3 {
		t.Fatalf("%d backups, %v", len(list), err)
	}
	names := map[string][]string{model.BackupFull: {"3 "}, model.BackupIncremental: {"4 Golden"}, model.BackupDifferential: {"3 Golden"}}
	for _, e := range slices.Backward(list) {
		t.Run(e.kind, func(t *testing.T) {
			req := model.BackupRequest{ID: string(e.id)}
			for _, level := range []string{model.LevelListed, model.LevelStored, model.LevelRead, model.LevelRestored} {
				at := req
				at.Level = level
				if info, err := h.VerifyBackup(t.Context(), at, nil); err != nil || !info.Verified || info.Level != level {
					t.Errorf("%s: %+v, %v", level, info, err)
				}
			}
			c, err := openChain(t.Context(), store, keys{}, list, e)
			if err != nil {
				t.Fatal(err)
			}
			if c.end().Encoding != encodingUUID {
				t.Errorf("it is of encoding %d", c.end().Encoding)
			}
			sameSums(t, c, sums[e.id])
			titles, _ := h.page(model.ArchiveQuery{ArchiveRequest: endOf(req), Noun: "contact", Limit: 9})
			if found := slices.ContainsFunc(titles, func(s string) bool { return strings.HasPrefix(s, "Golden") }); found != (e.kind != model.BackupFull) {
				t.Errorf("it lists %q", titles)
			}
			if _, _, err := h.RestoreBackup(t.Context(), req, nil); err != nil {
				t.Fatal(err)
			}
			got := ""
			if err := h.raw.QueryRow("SELECT count(*) || ' ' || coalesce(max(first_name) FILTER (WHERE id = x'0193512b1c00777aaf5aa7e30f777adb'), '') FROM contact").Scan(&got); err != nil || got != names[e.kind][0] {
				t.Errorf("restored %q, %v", got, err)
			}
		})
	}
}

// TestChainsOfEncoding1 restores a central's chain of the encoding that came
// before on trial. None is continued: a full backup begins another.
func TestChainsOfEncoding1(t *testing.T) {
	t.Parallel()
	_, store, sums := golden(t)
	list, err := entries(t.Context(), store, pins{})
	if err != nil || len(list) != 4 {
		t.Fatalf("%d backups, %v", len(list), err)
	}
	src := &fakeSource{now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), list: fakeTables()}
	b := New(Options{Home: t.TempDir(), Now: func() time.Time { return src.now }})
	for range 2 {
		for _, e := range list {
			c, err := openChain(t.Context(), store, keys{}, list, e)
			if err != nil {
				t.Fatal(err)
			}
			if want := sums[e.id]; want != nil {
				sameSums(t, c, want)
			}
			if err := b.proveAt(t.Context(), model.LevelRestored, c, nil); err != nil {
				t.Errorf("%s %s: %v", e.kind, e.id, err)
			}
		}
		src.put(src.list[1], []any{model.DerivedID("y").Bytes(), "text", int64(1)})
		info, err := b.create(t.Context(), src, target{store: store}, order{kind: model.BackupIncremental}, nil)
		if err != nil || !info.Verified || len(list) == 4 && (info.Kind != model.BackupFull || !strings.Contains(info.Note, "in an older form")) {
			t.Errorf("%+v, %v", info, err)
		}
		if list, err = entries(t.Context(), store, pins{}); err != nil {
			t.Fatal(err)
		}
	}
	if list[0].kind != model.BackupIncremental || list[0].sum.Encoding != written {
		t.Errorf("the second one is %+v", list[0].sum)
	}
	// What is not of one encoding is no chain.
	newest, err := openChain(t.Context(), store, keys{}, list, list[0])
	if err != nil {
		t.Fatal(err)
	}
	parent := *newest.links[0].m
	parent.Encoding = encodingUUID
	if err := continues(newest.end(), &parent); model.KindOf(err) != model.Corrupt {
		t.Errorf("a chain of two encodings: %v", err)
	}
}
