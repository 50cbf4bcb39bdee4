package backup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"io/fs"
	"strings"
	"time"

	"rapport/model"
)

// formatName names the format that this program reads and writes; it refuses
// others.
const formatName = "rapport-backup/1"

// repo is REPO.json.
type repo struct {
	Format    string    `json:"format"`
	ID        model.ID  `json:"id"`
	CreatedAt time.Time `json:"created_at"`
	Features  []string  `json:"features"`
	Signers   []string  `json:"signers,omitempty"` // public keys of those who may write backups, in base64
	Vouchers  []voucher `json:"vouchers,omitempty"`

	believed []string // those of the keys that this home believes, and of such as are not named any more
}

// part describes one part in the manifest.
type part struct {
	Name   string `json:"name"` // within the backup
	Rows   int64  `json:"rows"`
	Size   int64  `json:"size"`
	Plain  string `json:"sha256_plain"`
	Stored string `json:"sha256_stored"`
}

// tableEntry describes one table in the manifest. In an increment, its rows are
// those that changed, unless it is whole.
type tableEntry struct {
	Name       string   `json:"name"`
	Columns    []string `json:"columns"`
	Types      []string `json:"types"`
	Key        []string `json:"key"`
	Definition string   `json:"definition,omitempty"` // the statement that makes it, of a central
	Whole      bool     `json:"whole,omitempty"`
	Total      *int64   `json:"total,omitempty"` // rows at the moment of the backup, where they were counted
	Rows       int64    `json:"rows"`
	Hash       string   `json:"sha256_rows"`
	Parts      []part   `json:"parts"`
	Gone       *gone    `json:"gone,omitempty"`
	encoding   encoding // that of the manifest
}

// gone describes the keys of the rows of a table that went since the parent of
// an increment.
type gone struct {
	Rows  int64  `json:"rows"`
	Hash  string `json:"sha256_rows"`
	Parts []part `json:"parts"`
}

// set is a run of lines in the parts of one folder: the rows of a table, or the
// keys of those that went.
type set struct {
	table    string
	folder   string // t or g
	encoding encoding
	columns  []string
	types    []string
	rows     int64
	hash     string
	parts    []part
}

func (te *tableEntry) rowSet() set {
	return set{te.Name, rowFolder, te.encoding, te.Columns, te.Types, te.Rows, te.Hash, te.Parts}
}

func (te *tableEntry) goneSet() set {
	types := make([]string, len(te.Key))
	for i, c := range keyOf(te.Columns, te.Key) {
		types[i] = te.Types[c]
	}
	out := set{table: te.Name, folder: goneFolder, encoding: te.encoding, columns: te.Key, types: types}
	if te.Gone != nil {
		out.rows, out.hash, out.parts = te.Gone.Rows, te.Gone.Hash, te.Gone.Parts
	}
	return out
}

// verification is what came of comparing a backup with its source.
type verification struct {
	Level   string    `json:"level"` // V3: compared with the source in the same snapshot
	At      time.Time `json:"at"`
	Rows    int64     `json:"rows"`
	OK      bool      `json:"ok"`
	Problem string    `json:"problem,omitempty"`
}

// manifest says what a backup consists of.
type manifest struct {
	Format     string       `json:"format"`
	ID         model.ID     `json:"id"`
	Kind       string       `json:"kind"`
	Source     string       `json:"source"`
	Lineage    string       `json:"lineage"`
	Parent     model.ID     `json:"parent,omitempty"`
	Base       model.ID     `json:"base,omitempty"`
	At         time.Time    `json:"at"`
	Position   int64        `json:"position,omitempty"` // of the central's feed
	Number     int64        `json:"number,omitempty"`   // of the backup in its lineage, of a workspace
	From       *mark        `json:"from,omitempty"`     // the mark of the parent
	Mark       mark         `json:"mark"`
	Links      int          `json:"links"` // backups in the chain, this one included
	Schema     int          `json:"schema"`
	Encoding   encoding     `json:"encoding"`
	Definition string       `json:"definition"`       // what the tables are
	Untold     []string     `json:"untold,omitempty"` // tables that the next increment holds whole
	Whole      []string     `json:"whole,omitempty"`  // and those of which an increment to here told no single changes
	Server     *server      `json:"server,omitempty"`
	Recipients []string     `json:"recipients,omitempty"`
	Tables     []tableEntry `json:"tables"`
	Settings   string       `json:"settings,omitempty"`
	Extras     []extra      `json:"extras,omitempty"`
	Rows       int64        `json:"rows"`
	Bytes      int64        `json:"bytes"`
	Verify     verification `json:"verify"`
}

// summary is what a list shows and what the next increment needs to know; it is
// readable without a key.
type summary struct {
	Format     string    `json:"format"`
	ID         model.ID  `json:"id"`
	Kind       string    `json:"kind"`
	Source     string    `json:"source"`
	Lineage    string    `json:"lineage"`
	Parent     model.ID  `json:"parent,omitempty"`
	Base       model.ID  `json:"base,omitempty"`
	At         time.Time `json:"at"`
	Position   int64     `json:"position,omitempty"`
	Number     int64     `json:"number,omitempty"`
	From       *mark     `json:"from,omitempty"`
	Mark       mark      `json:"mark"`
	Links      int       `json:"links"`
	Encoding   encoding  `json:"encoding,omitempty"` // none in backups of encodingUUID
	Definition string    `json:"definition"`
	Untold     []string  `json:"untold,omitempty"`
	Whole      []string  `json:"whole,omitempty"`
	Rows       int64     `json:"rows"`
	Bytes      int64     `json:"bytes"`
	Encrypted  bool      `json:"encrypted"`
	Verified   bool      `json:"verified"`
	Problem    string    `json:"problem,omitempty"`
	Note       string    `json:"note,omitempty"`
	Manifest   string    `json:"sha256_manifest"`
}

const (
	repoName     = "REPO.json"
	summaryName  = "summary.json"
	manifestName = "manifest.json"
)

// place is the folder of one backup in a store: "b/<lineage>/<id>-full/".
type place struct {
	prefix  string
	lineage string
	id      model.ID
	kind    string
}

func newPlace(lineage string, id model.ID, kind string) place {
	return place{prefix: fmt.Sprintf("b/%s/%s-%s/", lineage, id, kind), lineage: lineage, id: id, kind: kind}
}

// placeOf reads the place out of an object's name; name is the rest.
func placeOf(key string) (p place, name string, ok bool) {
	parts := strings.SplitN(key, "/", 4)
	if len(parts) < 4 || parts[0] != "b" || len(parts[2]) < 38 || parts[2][36] != '-' {
		return p, "", false
	}
	id, ok := model.ParseID(parts[2][:36])
	if !ok || string(id) != parts[2][:36] {
		return p, "", false
	}
	return newPlace(parts[1], id, parts[2][37:]), parts[3], true
}

// at is when the backup was begun, from its id.
func (p place) at() time.Time { return timeOf(p.id) }

// timeOf is when an id was made.
func timeOf(id model.ID) time.Time {
	b := id.Bytes()
	var ms int64
	for _, x := range b[:6] {
		ms = ms<<8 | int64(x)
	}
	return time.UnixMilli(ms).UTC()
}

// encodeJSON writes a manifest or summary, a line for each value so that it
// can be read by people too.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	err := enc.Encode(v)
	return b.Bytes(), err
}

// checkFormat refuses an archive that a newer program wrote.
func checkFormat(what, format string) error {
	switch {
	case format == formatName:
		return nil
	case strings.HasPrefix(format, "rapport-backup/"):
		return tooNew(what)
	}
	return model.Errorf(model.Corrupt, "%s is damaged", what)
}

func tooNew(what string) error {
	return model.Errorf(model.TooNew, "%s was made by a newer Rapport", what).WithHint("update the program")
}

// openRepo reads what a store is, and makes it a repository if create is set and
// it is none yet. Of two that make it at once, one does.
func openRepo(ctx context.Context, s Store, create func() (repo, error)) (repo, error) {
	r, err := readRepo(ctx, s)
	if !errors.Is(err, fs.ErrNotExist) || create == nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return r, err
	}
	if r, err = create(); err != nil {
		return r, err
	}
	data, err := encodeJSON(r)
	if err != nil {
		return r, err
	}
	if err = s.PutNew(ctx, repoName, data); !errors.Is(err, fs.ErrExist) {
		return r, err
	}
	return readRepo(ctx, s)
}

// readRepo reads REPO.json. Where there is none it is fs.ErrNotExist.
func readRepo(ctx context.Context, s Store) (repo, error) {
	var r repo
	data, err := s.Get(ctx, repoName)
	if errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	if err != nil {
		return r, cannotRead(s, err)
	}
	if json.Unmarshal(data, &r) != nil {
		return r, model.Errorf(model.Corrupt, "%s in %s is damaged", repoName, s)
	}
	return r, checkFormat("the folder of backups "+s.String(), r.Format)
}

// stillThere fails where a repository that was there is gone: a share that was
// disconnected leaves an empty folder behind.
func stillThere(ctx context.Context, s Store) error {
	_, err := s.Get(ctx, repoName)
	if errors.Is(err, fs.ErrNotExist) {
		return vanished(s).Because(err)
	}
	if err != nil {
		return cannotRead(s, err)
	}
	return nil
}

// readManifest reads and checks the manifest of a backup.
func readManifest(ctx context.Context, s Store, p place, k keys, name, hash string) (*manifest, error) {
	data, err := s.Get(ctx, p.prefix+name)
	if unanswered(err) {
		return nil, err
	}
	if err != nil {
		return nil, damaged(p, name, "").Because(err)
	}
	if hash != "" && hashOf(data) != hash {
		return nil, damaged(p, name, "")
	}
	plain, err := k.open(name, bytes.NewReader(data))
	if err != nil {
		if model.KindOf(err) != model.Other {
			return nil, err
		}
		return nil, damaged(p, name, "").Because(err)
	}
	data, err = io.ReadAll(plain)
	if err != nil {
		return nil, damaged(p, name, "").Because(err)
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, damaged(p, name, "").Because(err)
	}
	if err := checkFormat("the backup "+p.id.Short(), m.Format); err != nil {
		return nil, err
	}
	if m.Encoding > written {
		return nil, tooNew("the backup " + p.id.Short())
	}
	if m.ID != p.id || !m.Encoding.known() {
		return nil, damaged(p, name, "")
	}
	for i := range m.Tables {
		m.Tables[i].encoding = m.Encoding
	}
	return &m, nil
}

// damaged is the error that names the damaged object of a backup. what says
// which rows are in it, "" for none.
func damaged(p place, name, what string) *model.Error {
	if what != "" {
		what = " (" + what + ")"
	}
	return model.Errorf(model.Corrupt, "the backup %s is damaged: %s%s", p.id.Short(), name, what).
		WithHint("restore another one: rapport backup list shows them").By(model.OtherBackup)
}
