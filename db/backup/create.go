package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"hash"
	"time"

	"rapport/db/sqlite"
	"rapport/model"
)

// leftoverAge is how long a folder without a manifest may belong to a backup
// that is being made.
const leftoverAge = 48 * time.Hour

// discardTime is how long a backup that failed is taken away again. What stays
// is swept later.
const discardTime = 20 * time.Second

// CreateBackup makes a full backup of the workspace as it is now and compares
// it with its source. A difference is Corrupt; the backup stays, unverified.
func (b *Backuper) CreateBackup(ctx context.Context, req model.BackupRequest, n model.Notify) (model.BackupInfo, error) {
	if req.Kind != "" && req.Kind != model.BackupFull {
		return model.BackupInfo{}, model.Errorf(model.Invalid, "%q is not a kind of backup that can be made yet", req.Kind).WithHint("the kind is full")
	}
	s, err := b.store(&req)
	if err != nil {
		return model.BackupInfo{}, err
	}
	k, err := newKeys(req.Recipients)
	if err != nil {
		return model.BackupInfo{}, err
	}
	db := b.o.DB()
	if err := openRepo(ctx, s, func() (repo, error) {
		known, err := db.KnowsBackupPlace(ctx, s.String())
		if err == nil && known {
			err = model.Errorf(model.Unreachable, "the backups that were in %s are not there", s).
				WithHint("connect the disk or the share; rapport backup init --to begins anew where it is empty")
		}
		return b.newRepo(), err
	}); err != nil {
		return model.BackupInfo{}, cannotWrite(s, err)
	}
	if err := b.know(ctx, s); err != nil {
		return model.BackupInfo{}, err
	}
	lineage, err := db.Lineage(ctx)
	if err != nil {
		return model.BackupInfo{}, err
	}
	settings, err := b.settings()
	if err != nil {
		return model.BackupInfo{}, err
	}
	schema, err := sqlite.SchemaVersion()
	if err != nil {
		return model.BackupInfo{}, err
	}
	id := b.o.IDs.New()
	w := &writer{store: s, keys: k, notify: n, place: newPlace(lineage, id, model.BackupFull), m: &manifest{
		Format: formatName, ID: id, Kind: model.BackupFull, Source: model.SourceLocal, Lineage: lineage, At: b.o.Now().UTC().Truncate(time.Millisecond),
		Schema: schema, Encoding: encodingVersion, Recipients: req.Recipients, Settings: settings,
	}}
	info, err := w.run(ctx, db, b.o.Now)
	if err != nil && model.KindOf(err) != model.Corrupt {
		w.discard(ctx)
		return info, cannotWrite(s, err)
	}
	sweep(ctx, s, b.o.Now().Add(-leftoverAge))
	return info, err
}

// writer writes one backup.
type writer struct {
	store  Store
	keys   keys
	notify model.Notify
	place  place
	m      *manifest
	total  int64 // rows in the snapshot
	done   int64
}

// run writes the parts, compares them with the snapshot they were taken from,
// and writes the manifest at the end.
func (w *writer) run(ctx context.Context, db *sqlite.DB, now func() time.Time) (model.BackupInfo, error) {
	var info model.BackupInfo
	tables, err := db.Tables(ctx)
	if err != nil {
		return info, err
	}
	snapshot, err := db.Snapshot(ctx)
	if err != nil {
		return info, err
	}
	defer snapshot.Rollback()
	counts := map[string]int64{}
	for _, t := range tables {
		var n int64
		if err := snapshot.QueryRowContext(ctx, "SELECT count(*) FROM \""+t.Name+"\"").Scan(&n); err != nil {
			return info, err
		}
		counts[t.Name] = n
		w.total += n
	}
	for _, t := range tables {
		if err := w.table(ctx, snapshot, t); err != nil {
			return info, err
		}
	}
	w.m.Verify, err = w.compare(ctx, snapshot, tables, counts)
	if err != nil {
		return info, err
	}
	w.m.Verify.At = now().UTC().Truncate(time.Millisecond)
	if err := w.finish(ctx); err != nil {
		return info, err
	}
	e := entry{place: w.place, manifest: manifestName + w.keys.suffix()}
	if err := e.read(ctx, w.store); unanswered(err) {
		return e.info, err
	} else if err != nil {
		return e.info, model.Errorf(model.Corrupt, "the backup %s cannot be read back: %s", w.place.id.Short(), e.info.Problem).
			WithHint("check the place of the backups, then make another one").Because(err)
	}
	if !w.m.Verify.OK {
		return e.info, model.Errorf(model.Corrupt, "the backup %s differs from the workspace: %s", w.place.id.Short(), w.m.Verify.Problem).
			WithHint("check the disk and the memory of this computer, then make another backup")
	}
	return e.info, nil
}

// scanner reads rows as values of the archive's types.
type scanner struct {
	rows   *sql.Rows
	values []any
	dest   []any
}

func query(ctx context.Context, tx *sql.Tx, t sqlite.Table) (*scanner, error) {
	rows, err := tx.QueryContext(ctx, t.Select())
	if err != nil {
		return nil, err
	}
	sc := &scanner{rows: rows, values: make([]any, len(t.Columns)), dest: make([]any, len(t.Columns))}
	for i := range sc.values {
		sc.dest[i] = &sc.values[i]
	}
	return sc, nil
}

// next returns the next row, nil at the end; it is valid until the call after.
func (sc *scanner) next() ([]any, error) {
	if !sc.rows.Next() {
		return nil, sc.rows.Err()
	}
	return sc.values, sc.rows.Scan(sc.dest...)
}

// table writes the parts of a table.
func (w *writer) table(ctx context.Context, tx *sql.Tx, t sqlite.Table) error {
	w.m.Tables = append(w.m.Tables, tableEntry{Name: t.Name, Columns: t.Columns, Types: t.Types, Key: t.Key, Parts: []part{}})
	te := &w.m.Tables[len(w.m.Tables)-1]
	sc, err := query(ctx, tx, t)
	if err != nil {
		return err
	}
	defer sc.rows.Close()
	all := sha256.New()
	var p *partWriter
	var line []byte
	for {
		values, err := sc.next()
		if err != nil {
			return err
		}
		if p != nil && (values == nil || p.size >= partSize) {
			if err := w.part(ctx, te, p); err != nil {
				return err
			}
			p = nil
		}
		if values == nil {
			break
		}
		if p == nil {
			h := header{Table: t.Name, Columns: t.Columns, Types: t.Types, Schema: w.m.Schema, Encoding: encodingVersion, Part: len(te.Parts) + 1}
			if p, err = newPartWriter(w.keys, h); err != nil {
				return err
			}
		}
		if line, err = appendRow(line[:0], t.Types, values); err != nil {
			return model.Errorf(model.Corrupt, "a row of %s cannot be backed up", t.Name).Because(err)
		}
		line = append(line, '\n')
		all.Write(line)
		if err := p.row(line); err != nil {
			return err
		}
		if w.done++; w.done%10000 == 0 {
			w.notify.Tell("writing", w.done, w.total)
		}
	}
	te.Hash = sumOf(all)
	return nil
}

// part ends a part and stores it.
func (w *writer) part(ctx context.Context, te *tableEntry, p *partWriter) error {
	d, err := p.close()
	if err != nil {
		return err
	}
	d.Name = partName(te.Name, len(te.Parts)+1) + w.keys.suffix()
	if err := w.store.Put(ctx, w.place.prefix+d.Name, p.stored.Bytes()); err != nil {
		return err
	}
	te.Parts = append(te.Parts, d)
	te.Rows += d.Rows
	w.m.Rows += d.Rows
	w.m.Bytes += d.Size
	return nil
}

// compare reads the backup back from its store and compares every row with the
// snapshot. What it finds is in the verification; an error means that it could
// not compare.
func (w *writer) compare(ctx context.Context, tx *sql.Tx, tables []sqlite.Table, counts map[string]int64) (verification, error) {
	v := verification{Level: "V3", OK: true}
	for i := range tables {
		te := &w.m.Tables[i]
		n, err := w.compareTable(ctx, tx, tables[i], te)
		v.Rows += n
		if err == nil && (n != te.Rows || n != counts[te.Name]) {
			err = model.Errorf(model.Corrupt, "of %d rows of %s %d were compared", counts[te.Name], te.Name, n)
		}
		if model.KindOf(err) == model.Corrupt {
			v.OK, v.Problem = false, messageOf(err)
			return v, nil
		}
		if err != nil {
			return v, err
		}
	}
	return v, nil
}

func (w *writer) compareTable(ctx context.Context, tx *sql.Tx, t sqlite.Table, te *tableEntry) (int64, error) {
	sc, err := query(ctx, tx, t)
	if err != nil {
		return 0, err
	}
	defer sc.rows.Close()
	var n int64
	different := func() error {
		return model.Errorf(model.Corrupt, "row %d of %s is not that of the workspace", n+1, t.Name)
	}
	err = readTable(ctx, w.store, w.place, w.keys, te, func(values []any) error {
		source, err := sc.next()
		if err != nil {
			return err
		}
		if source == nil || !equalRows(source, values) {
			return different()
		}
		if n++; n%10000 == 0 {
			w.notify.Tell("comparing", n, te.Rows)
		}
		return nil
	})
	if err != nil {
		return n, err
	}
	if rest, err := sc.next(); err != nil {
		return n, err
	} else if rest != nil {
		return n, different()
	}
	return n, nil
}

func equalRows(a, b []any) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, isBytes := a[i].([]byte)
		y, both := b[i].([]byte)
		if isBytes != both || isBytes && !bytes.Equal(x, y) || !isBytes && a[i] != b[i] {
			return false
		}
	}
	return true
}

// readTable reads the parts of a table in order and proves each of them and
// their whole.
func readTable(ctx context.Context, s Store, p place, k keys, te *tableEntry, row func(values []any) error) error {
	all := sha256.New()
	var rows int64
	for i := range te.Parts {
		err := readPart(ctx, s, p, k, te, i+1, rows, func(line []byte, values []any) error {
			all.Write(line)
			return row(values)
		})
		if err != nil {
			return err
		}
		rows += te.Parts[i].Rows
	}
	return checkTable(p, te, rows, all)
}

func checkTable(p place, te *tableEntry, rows int64, all hash.Hash) error {
	if rows != te.Rows || sumOf(all) != te.Hash {
		return damaged(p, "t/"+te.Name, "the parts of the table do not make it whole")
	}
	return nil
}

// readTables reads a whole backup.
func readTables(ctx context.Context, s Store, p place, k keys, m *manifest, n model.Notify, phase string, row func(te *tableEntry, values []any) error) error {
	var done int64
	for i := range m.Tables {
		te := &m.Tables[i]
		err := readTable(ctx, s, p, k, te, func(values []any) error {
			if done++; done%10000 == 0 {
				n.Tell(phase, done, m.Rows)
			}
			return row(te, values)
		})
		if err != nil {
			return err
		}
	}
	if done != m.Rows {
		return damaged(p, manifestName, "the tables do not have the rows it tells")
	}
	return nil
}

// finish writes the summary and, last of all, the manifest: from then on the
// backup exists.
func (w *writer) finish(ctx context.Context) error {
	data, err := encodeJSON(w.m)
	if err != nil {
		return err
	}
	var sealed bytes.Buffer
	out, err := w.keys.seal(&sealed)
	if err != nil {
		return err
	}
	if _, err := out.Write(data); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	sum, err := json.MarshalIndent(summary{Format: formatName, ID: w.m.ID, Kind: w.m.Kind, Source: w.m.Source, Parent: w.m.Parent, At: w.m.At, Position: w.m.Position, Rows: w.m.Rows, Bytes: w.m.Bytes,
		Encrypted: w.keys.suffix() != "", Verified: w.m.Verify.OK, Problem: w.m.Verify.Problem, Manifest: hashOf(sealed.Bytes())}, "", " ")
	if err != nil {
		return err
	}
	if err := w.store.Put(ctx, w.place.prefix+summaryName, append(sum, '\n')); err != nil {
		return err
	}
	if err := stillThere(ctx, w.store); err != nil {
		return err
	}
	return w.store.PutNew(ctx, w.place.prefix+manifestName+w.keys.suffix(), sealed.Bytes())
}

// discard removes what was written of a backup that failed, the manifest
// first, as far as the store lets it and for as long as one may be kept waiting
// who has stopped it.
func (w *writer) discard(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTime)
	defer cancel()
	objects, err := w.store.List(ctx, w.place.prefix)
	if err != nil {
		return
	}
	for _, o := range objects {
		if w.store.Delete(ctx, o.Key) != nil {
			return
		}
	}
}

// sweep removes what interrupted backups left before a moment. It is no matter
// if it cannot: the next backup tries again.
func sweep(ctx context.Context, s Store, before time.Time) {
	objects, err := s.List(ctx, "b/")
	if err != nil {
		return
	}
	whole := map[string]bool{}
	for _, o := range objects {
		if p, name, ok := placeOf(o.Key); ok && (name == manifestName || name == manifestName+suffix) {
			whole[p.prefix] = true
		}
	}
	for _, o := range objects {
		if p, _, ok := placeOf(o.Key); ok && !whole[p.prefix] && p.at().Before(before) && o.At.Before(before) {
			if s.Delete(ctx, o.Key) != nil {
				return
			}
		}
	}
}
