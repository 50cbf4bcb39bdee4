package backup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rapport/db/sqlite"
	"rapport/model"
)

func TestDamageIsNamedAndRefused(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.fill(30)
	info := h.create(model.BackupRequest{})
	dir := filepath.FromSlash(info.Path)
	contact, deal := filepath.Join(dir, "t", "contact", "00001.jsonl.zst"), filepath.Join(dir, "t", "deal", "00001.jsonl.zst")
	before := h.dump()
	for name, c := range map[string]struct {
		damage func(t *testing.T)
		want   string
	}{
		"flipped bit":      {func(t *testing.T) { b := read(t, contact); b[len(b)/2] ^= 4; write(t, contact, b) }, "t/contact/00001.jsonl.zst"},
		"flipped last bit": {func(t *testing.T) { b := read(t, contact); b[len(b)-1] ^= 1; write(t, contact, b) }, "t/contact/00001.jsonl.zst"},
		"truncated":        {func(t *testing.T) { b := read(t, deal); write(t, deal, b[:len(b)-1]) }, "t/deal/00001.jsonl.zst (rows 1 to 30 of deal)"},
		"longer":           {func(t *testing.T) { write(t, deal, append(read(t, deal), 0)) }, "t/deal/00001.jsonl.zst"},
		"empty":            {func(t *testing.T) { write(t, deal, nil) }, "t/deal/00001.jsonl.zst"},
		"dropped":          {func(t *testing.T) { os.Remove(contact) }, "t/contact/00001.jsonl.zst"},
		"swapped": {func(t *testing.T) {
			a, b := read(t, contact), read(t, deal)
			write(t, contact, b)
			write(t, deal, a)
		}, "t/contact/00001.jsonl.zst"},
		"manifest": {func(t *testing.T) {
			n := filepath.Join(dir, "manifest.json")
			b := read(t, n)
			b[len(b)/2] ^= 1
			write(t, n, b)
		}, "manifest.json"},
		"summary": {func(t *testing.T) { write(t, filepath.Join(dir, "summary.json"), []byte("{}")) }, "summary.json"},
	} {
		t.Run(name, func(t *testing.T) {
			saved := map[string][]byte{}
			for _, f := range files(t, dir, "") {
				saved[f] = read(t, f)
			}
			defer func() {
				for f, b := range saved {
					write(t, f, b)
				}
			}()
			c.damage(t)
			got, err := h.VerifyBackup(t.Context(), model.BackupRequest{ID: info.ID}, nil)
			e, _ := err.(*model.Error)
			if e == nil || e.Kind != model.Corrupt || !strings.Contains(e.Msg, c.want) || got.Verified || got.Problem == "" {
				t.Errorf("verify: %+v, %v", got, err)
			}
			if _, _, err := h.RestoreBackup(t.Context(), model.BackupRequest{ID: info.ID}, nil); model.KindOf(err) != model.Corrupt {
				t.Errorf("restore: %v", err)
			}
			if got, err := h.VerifyBackup(t.Context(), model.BackupRequest{ID: "latest"}, nil); model.KindOf(err) != model.Corrupt || got.ID != info.ID {
				t.Errorf("verify the latest: %+v, %v", got, err)
			}
			if _, _, err := h.RestoreBackup(t.Context(), model.BackupRequest{}, nil); model.KindOf(err) != model.Corrupt {
				t.Errorf("restore the latest: %v", err)
			}
			sameDump(t, "after the refusal", h.dump(), before)
			list, err := h.ListBackups(t.Context(), model.BackupRequest{})
			if err != nil || len(list) != 1 || list[0].Problem == "" || list[0].Verified {
				t.Errorf("list: %+v, %v", list, err)
			}
		})
	}
	if _, err := h.VerifyBackup(t.Context(), model.BackupRequest{}, nil); err != nil {
		t.Errorf("the undamaged backup: %v", err)
	}
}

// TestDeepDamage damages what the hashes of the objects hide: the manifest
// agrees with the object, but the object is not what it says.
func TestDeepDamage(t *testing.T) {
	t.Parallel()
	columns := sqlite.Table{Name: "t", Columns: []string{"a"}, Types: []string{"text"}}
	one := func(edit func(*partWriter, *header)) (Store, tableEntry) {
		h := header{Table: "t", Columns: columns.Columns, Types: columns.Types, Encoding: written, Part: 1}
		if edit != nil {
			edit(nil, &h)
		}
		w, err := newPartWriter(keys{})
		if err != nil {
			t.Fatal(err)
		}
		head, err := headLine(h)
		if err == nil {
			err = w.begin(head)
		}
		if err == nil {
			err = w.lines([]byte("[\"x\"]\n"), 1)
		}
		if err != nil {
			t.Fatal(err)
		}
		hash := hashOf([]byte("[\"x\"]\n"))
		if edit != nil {
			edit(w, &h)
		}
		d, err := w.end()
		if err != nil {
			t.Fatal(err)
		}
		d.Name = partName(rowFolder, "t", 1)
		s := newShelf()
		if err := s.Put(t.Context(), d.Name, w.stored.Bytes()); err != nil {
			t.Fatal(err)
		}
		return s, tableEntry{encoding: written, Name: "t", Columns: columns.Columns, Types: columns.Types, Rows: 1, Hash: hash, Parts: []part{d}}
	}
	for name, edit := range map[string]func(*partWriter, *header){
		"OK":             nil,
		"other table":    func(w *partWriter, h *header) { h.Table = "u" },
		"other part":     func(w *partWriter, h *header) { h.Part = 2 },
		"other encoding": func(w *partWriter, h *header) { h.Encoding = encodingUUID },
		"keys that went": func(w *partWriter, h *header) { h.Gone = true },
		"other columns":  func(w *partWriter, h *header) { h.Columns = []string{"b"} },
		"not a row": func(w *partWriter, h *header) {
			if w != nil {
				w.write([]byte("[1,2]\n"))
			}
		},
		"a row too many": func(w *partWriter, h *header) {
			if w != nil {
				w.write([]byte("[\"y\"]\n"))
			}
		},
		"two ends": func(w *partWriter, h *header) {
			if w != nil {
				w.write([]byte("{\"rows\":1,\"sha256\":\"" + sumOf(w.hash) + "\"}\n"))
			}
		},
		"no line feed": func(w *partWriter, h *header) {
			if w != nil {
				w.write([]byte("[\"y\"]"))
			}
		},
	} {
		s, te := one(edit)
		err := readSet(t.Context(), s, place{}, keys{}, te.rowSet(), func([]byte, []any) error { return nil })
		if name == "OK" && err != nil || name != "OK" && (model.KindOf(err) != model.Corrupt || !strings.Contains(err.Error(), "t/t/00001.jsonl.zst")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
