package backup

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"rapport/model"
)

// writer writes one backup of a snapshot.
type writer struct {
	target
	place place
	m     *manifest
	snap  snapshot
	since *mark // of the parent, nil for a full backup
	// untold are the tables whose changes since the parent nobody told.
	untold []string
	note   string
	meter  *meter
	// before is asked when all but the manifest is written, nil for nobody.
	before func(ctx context.Context) error
}

// meter tells how far the work has come.
type meter struct {
	notify model.Notify
	mu     sync.Mutex
	total  int64
	done   map[string]int64
	told   int64
}

// add counts rows of a phase, and tells of it once in a while. Of two phases
// that go on beside each other it tells the later one.
func (m *meter) add(phase string, rows int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.done == nil {
		m.done = map[string]int64{}
	}
	m.done[phase] += rows
	if m.told += rows; m.told >= 10000 {
		m.told = 0
		m.notify.Tell(phase, min(m.done[phase], m.total), m.total)
	}
}

// say tells of something that is no number.
func (m *meter) say(phase string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.notify.Tell(phase, 0, 0)
}

// job is one table to be written, or to be compared.
type job struct {
	t       table
	te      *tableEntry
	rows    int64 // about
	compare bool
}

// run writes the parts, compares them with the snapshot they were taken from,
// and writes the manifest at the end.
func (w *writer) run(ctx context.Context, now func() time.Time) (entry, error) {
	e := entry{place: w.place, manifest: manifestName + w.keys.suffix()}
	jobs, err := w.jobs(ctx)
	if err != nil {
		return e, err
	}
	v, err := w.work(ctx, jobs)
	if err != nil {
		return e, err
	}
	w.m.Server = w.snap.info().Server
	if w.m.Server != nil {
		w.note = strings.Join(slices.DeleteFunc(slices.Insert(slices.Clone(w.m.Server.Instead), 0, w.note), func(s string) bool { return s == "" }), "; ")
	}
	w.m.Verify = v
	w.m.Verify.At = now().UTC().Truncate(time.Millisecond)
	for i := range w.m.Tables {
		w.m.Tables[i].addTo(w.m)
	}
	if err := w.finish(ctx); err != nil {
		return e, err
	}
	if err := e.read(ctx, w.store, w.repo); unanswered(err) {
		return e, err
	} else if err != nil {
		return e, model.Errorf(model.Corrupt, "the backup %s cannot be read back: %s", w.place.id.Short(), e.info.Problem).
			WithHint("check the place of the backups, then make another one").Because(err)
	}
	if !v.OK {
		return e, model.Errorf(model.Corrupt, "the backup %s differs from %s: %s", w.place.id.Short(), sourceWord(w.m.Source), v.Problem).
			WithHint("check the disk and the memory of this computer, then make another backup")
	}
	return e, nil
}

// addTo adds the sums of a table to those of the backup.
func (te *tableEntry) addTo(m *manifest) {
	m.Rows += te.Rows
	sets := [][]part{te.Parts}
	if te.Gone != nil {
		m.Rows += te.Gone.Rows
		sets = append(sets, te.Gone.Parts)
	}
	for _, parts := range sets {
		for _, p := range parts {
			m.Bytes += p.Size
		}
	}
}

// jobs begins the entries of the tables and returns the largest ones first.
func (w *writer) jobs(ctx context.Context) ([]job, error) {
	tables := w.snap.tables()
	w.m.Tables = make([]tableEntry, len(tables))
	var out []job
	for i, t := range tables {
		t.Whole = t.Whole || slices.Contains(w.untold, t.Name)
		te := &w.m.Tables[i]
		*te = tableEntry{encoding: w.m.Encoding, Name: t.Name, Columns: t.Columns, Types: t.Types, Key: t.Key, Definition: t.Definition, Whole: w.since != nil && t.Whole, Parts: []part{}}
		n, exact, err := w.snap.count(ctx, 0, t)
		if err != nil {
			return nil, err
		}
		if exact {
			te.Total = &n
		}
		w.meter.total += n
		out = append(out, job{t: t, te: te, rows: n})
	}
	slices.SortStableFunc(out, func(a, b job) int { return cmp.Compare(b.rows, a.rows) })
	return out, nil
}

// work writes and compares all tables, as many at a time as there are readers.
// What the comparison finds is in the verification; an error means that it
// could not compare.
func (w *writer) work(ctx context.Context, jobs []job) (verification, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	v := verification{Level: "V3", OK: true}
	var failed error
	open := len(jobs) // tables that are not compared yet
	ready := sync.NewCond(&mu)
	worker := func(reader int) {
		var out [2]*partWriter
		mu.Lock()
		defer mu.Unlock()
		for {
			at := jobFor(reader, jobs)
			for at < 0 && open > 0 && failed == nil {
				ready.Wait()
				at = jobFor(reader, jobs)
			}
			if open == 0 || failed != nil {
				return
			}
			j := jobs[at]
			jobs = slices.Delete(jobs, at, at+1)
			mu.Unlock()
			n, err := w.do(ctx, reader, j, &out)
			mu.Lock()
			switch {
			case err != nil && (!j.compare || model.KindOf(err) != model.Corrupt):
				if failed == nil {
					failed = err
				}
				cancel()
			case j.compare:
				open--
				v.Rows += n
				if err != nil && v.OK {
					v.OK, v.Problem = false, messageOf(err)
				}
			default:
				j.compare = true
				jobs = append(jobs, j)
			}
			ready.Broadcast()
		}
	}
	var wait sync.WaitGroup
	for i := range max(1, min(w.snap.info().Readers, len(jobs))) {
		wait.Go(func() { worker(i) })
	}
	wait.Wait()
	return v, failed
}

// jobFor returns which job a reader does next, -1 for none: the first reader
// does those that no other can before it helps with the rest.
func jobFor(reader int, jobs []job) int {
	at := slices.IndexFunc(jobs, func(j job) bool { return j.t.First == (reader == 0) })
	if at < 0 && reader == 0 && len(jobs) > 0 {
		at = 0
	}
	return at
}

// do does one job and tells how many rows it compared.
func (w *writer) do(ctx context.Context, reader int, j job, out *[2]*partWriter) (int64, error) {
	if j.compare {
		// Little is written after the first table is compared, and who reads one
		// takes as much memory.
		*out = [2]*partWriter{}
		c := w.newComparer(ctx, j.te)
		defer c.close()
		err := w.pass(ctx, reader, j.t, j.te, c)
		return c.n[0] + c.n[1], err
	}
	if err := w.pass(ctx, reader, j.t, j.te, w.newPacker(ctx, j.te, out)); err != nil {
		return 0, err
	}
	if j.te.Total == nil && (w.since == nil || j.te.Whole) {
		n := j.te.Rows
		j.te.Total = &n
	}
	return 0, nil
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
	m := w.m
	sum, err := encodeJSON(summary{
		Format: formatName, ID: m.ID, Kind: m.Kind, Source: m.Source, Lineage: m.Lineage, Parent: m.Parent, Base: m.Base, At: m.At, Position: m.Position, Number: m.Number,
		From: m.From, Mark: m.Mark, Links: m.Links, Encoding: m.Encoding, Definition: m.Definition, Untold: m.Untold, Whole: m.Whole, Rows: m.Rows, Bytes: m.Bytes, Encrypted: w.keys.suffix() != "",
		Verified: m.Verify.OK, Problem: m.Verify.Problem, Note: w.note, Manifest: hashOf(sealed.Bytes()),
	})
	if err != nil {
		return err
	}
	if err := w.store.Put(ctx, w.place.prefix+summaryName, sum); err != nil {
		return err
	}
	if w.signer != nil {
		sig, err := sign(w.signer, m.ID, hashOf(sealed.Bytes()), hashOf(sum))
		if err != nil {
			return err
		}
		if err := w.store.Put(ctx, w.place.prefix+signatureName, sig); err != nil {
			return err
		}
	}
	if err := stillThere(ctx, w.store); err != nil {
		return err
	}
	if err := parentStays(ctx, w.store, w.place, w.m.Parent); err != nil {
		return err
	}
	last := w.store
	if w.before != nil {
		if err := w.before(ctx); err != nil {
			return err
		}
		// What was asked is true for a moment only.
		last = impatient(last)
	}
	return last.PutNew(ctx, w.place.prefix+manifestName+w.keys.suffix(), sealed.Bytes())
}

// discard removes what was written of a backup that failed, the manifest
// first, as far as the store lets it and for as long as one may be kept waiting
// who has stopped it.
func (w *writer) discard(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTime)
	defer cancel()
	_, err := remove(ctx, impatient(w.store), w.place.prefix)
	return err
}
