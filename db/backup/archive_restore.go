package backup

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"

	"rapport/db/sqlite"
	"rapport/model"
)

// RestoreRecords brings single records of a backup back as edits. The backup is
// read to its end before the cache is touched; then everything is one
// transaction.
func (b *Backuper) RestoreRecords(ctx context.Context, req model.RecordsRequest, n model.Notify) (model.RecordsRestored, error) {
	var out model.RecordsRestored
	a, err := b.openArchive(ctx, req.ArchiveRequest, true, n)
	if err != nil {
		return out, err
	}
	c := &choice{archive: a, req: req, notify: n, ids: map[model.Noun]map[model.ID]bool{}}
	if err := c.choose(ctx, b); err != nil {
		return out, err
	}
	erased := c.unlist()
	spool, err := newSpool(b.o.Home)
	if err != nil {
		return out, cannotRestore(b.o.Home, err)
	}
	defer spool.close()
	if err := c.collect(ctx, spool); err != nil {
		return out, err
	}
	note := a.noteOf()
	out, err = a.db.BringBack(ctx, sqlite.BackOptions{OnlyMissing: req.OnlyMissing, DryRun: req.DryRun, Note: note}, func(back *sqlite.Back) error {
		return c.feed(ctx, spool, back)
	})
	out.Backup = a.info
	out.Erased += erased
	out.Notes = append(c.notes, out.Notes...)
	return out, err
}

// choice is which records of a backup come back.
type choice struct {
	*archive
	req    model.RecordsRequest
	notify model.Notify
	ids    map[model.Noun]map[model.ID]bool
	notes  []string
}

func (c *choice) add(e *model.Entity, id model.ID) {
	if c.ids[e.Noun] == nil {
		c.ids[e.Noun] = map[model.ID]bool{}
	}
	c.ids[e.Noun][id] = true
}

// unlist takes those out that the ledger beside the backups names, and tells how
// many they were.
func (c *choice) unlist() (n int64) {
	for x := range c.erased {
		if c.ids[x.Noun][x.ID] {
			delete(c.ids[x.Noun], x.ID)
			n++
		}
	}
	return n
}

// choose finds the ids.
func (c *choice) choose(ctx context.Context, b *Backuper) error {
	for _, ref := range c.req.Records {
		e, err := recordEntity(ref.Noun)
		if err != nil {
			return err
		}
		row, err := c.find(ctx, e, ref)
		if err != nil {
			return err
		}
		if isDeleted(e, row) {
			c.notes = append(c.notes, string(e.Noun)+" "+row.ID().Short()+" was in the bin already when the backup was made")
		}
		c.add(e, row.ID())
	}
	switch {
	case c.req.Noun != "":
		e, err := recordEntity(c.req.Noun)
		if err != nil {
			return err
		}
		if len(c.req.Where) == 0 {
			return c.all(ctx, e)
		}
		return c.fitting(ctx, b, e)
	case len(c.req.Records) == 0:
		if !c.req.OnlyMissing {
			return model.Errorf(model.Invalid, "it is not said which records are to come back").WithHint("name records, a filter, or only what is missing")
		}
		for _, e := range model.Records() {
			if err := c.all(ctx, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// wants tells whether a record that was chosen by no name comes back.
func (c *choice) wants(ctx context.Context, e *model.Entity, id model.ID) (bool, error) {
	if !c.req.OnlyMissing {
		return true, nil
	}
	return c.db.Missing(ctx, e, id)
}

// all chooses every living record of a noun.
func (c *choice) all(ctx context.Context, e *model.Entity) error {
	var n int64
	return c.each(ctx, e, func(row model.Row) error {
		if n++; n%10000 == 0 {
			c.notify.Tell("reading", n, 0)
		}
		if isDeleted(e, row) {
			return nil
		}
		wanted, err := c.wants(ctx, e, row.ID())
		if wanted {
			c.add(e, row.ID())
		}
		return err
	})
}

// fitting chooses the records that a filter fits as they were in the backup. It
// is asked of a cache that holds what the filter needs and is thrown away.
func (c *choice) fitting(ctx context.Context, b *Backuper, e *model.Entity) (err error) {
	if slices.ContainsFunc(c.req.Where, func(x model.Condition) bool { return x.Field == "sync" }) {
		return model.Errorf(model.Invalid, "sync says how a record stands today: it is in no backup")
	}
	dir, free, err := b.scratch(scratchRestore)
	if err != nil {
		return err
	}
	defer free(true)
	settings := b.settingsOf()
	settings.ReadOnly = false
	db, err := sqlite.Open(ctx, filepath.Join(dir, sqlite.FileName), sqlite.Options{Settings: settings, Now: b.o.Now, IDs: b.o.IDs})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := c.fill(ctx, db, around(e)); err != nil {
		return err
	}
	q := model.Query{Noun: e.Noun, Filter: c.req.Where, Short: true, Limit: mostRecords}
	for {
		page, err := db.List(ctx, q)
		if err != nil {
			return err
		}
		for _, r := range page.Items {
			wanted, err := c.wants(ctx, e, r.ID)
			if err != nil {
				return err
			}
			if wanted {
				c.add(e, r.ID)
			}
		}
		if q.After = page.Next; q.After == "" {
			return nil
		}
	}
}

// around are the nouns that a filter over records of one may ask for: its parts,
// and what it and they point to.
func around(e *model.Entity) map[model.Noun]bool {
	out := map[model.Noun]bool{e.Noun: true, "user": true}
	links := func(x *model.Entity) {
		for i := range x.Fields {
			for _, n := range x.Fields[i].To {
				out[n] = true
			}
		}
	}
	links(e)
	for _, pe := range model.Entities() {
		if slices.Contains(pe.Owner, e.Noun) {
			out[pe.Noun] = true
			links(pe)
		}
	}
	return out
}

// fill puts the tables of some nouns into an empty cache.
func (c *choice) fill(ctx context.Context, db *sqlite.DB, nouns map[model.Noun]bool) error {
	fill, err := db.BeginRefill(ctx)
	if err != nil {
		return err
	}
	defer fill.Discard()
	var n int64
	for _, e := range model.Entities() {
		if !nouns[e.Noun] {
			continue
		}
		names := make([]string, len(e.Columns()))
		for i, col := range e.Columns() {
			names[i] = col.Name
		}
		err := c.each(ctx, e, func(row model.Row) error {
			if n++; n%10000 == 0 {
				c.notify.Tell("reading", n, 0)
			}
			return fill.Put(string(e.Noun), names, row.Complete(e, nil))
		})
		if err != nil {
			return err
		}
	}
	return fill.Ready()
}

// collect keeps the rows of the chosen records and their parts.
func (c *choice) collect(ctx context.Context, s *spool) error {
	var n int64
	var line []byte
	for _, e := range model.Entities() {
		te := c.table(string(e.Noun))
		if te == nil || !c.concerns(e) {
			continue
		}
		s.begin(e, te)
		rd := newRowReader(e, te)
		left := len(c.ids[e.Noun])
		keep := func(values []any) (err error) {
			if line, err = te.encoding.appendRow(line[:0], te.Types, values); err != nil {
				return err
			}
			return s.add(append(line, '\n'))
		}
		err := c.read(ctx, te.Name, func(values []any) error {
			if n++; n%10000 == 0 {
				c.notify.Tell("reading", n, 0)
			}
			row := rd.row(values)
			if e.IsPart() {
				if noun, owner, ok := row.OwnerOf(e); !ok || !c.ids[noun][owner] {
					return nil
				}
				return keep(values)
			}
			if !c.ids[e.Noun][row.ID()] {
				return nil
			}
			if err := keep(values); err != nil {
				return err
			}
			if left--; left == 0 {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			return err
		}
	}
	return nil
}

// concerns tells whether a table has rows of the chosen records.
func (c *choice) concerns(e *model.Entity) bool {
	if !e.IsPart() {
		return len(c.ids[e.Noun]) > 0
	}
	return slices.ContainsFunc(e.Owner, func(n model.Noun) bool { return len(c.ids[n]) > 0 })
}

// feed hands what was collected to the cache.
func (c *choice) feed(ctx context.Context, s *spool, back *sqlite.Back) error {
	var n int64
	for _, run := range s.runs {
		if run.e.IsPart() {
			back.Parts(run.e)
		}
		rd := newRowReader(run.e, run.te)
		err := s.each(run, func(line []byte) error {
			if n++; n%1000 == 0 {
				c.notify.Tell("restoring", n, s.rows)
				if err := ctx.Err(); err != nil {
					return stopped(err)
				}
			}
			values, err := run.te.encoding.parseRow(line[:len(line)-1], run.te.Types)
			if err != nil {
				return err
			}
			if row := rd.row(values); run.e.IsPart() {
				return back.Part(run.e, row)
			} else {
				_, err = back.Record(run.e, row)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// spool keeps rows between their reading from the backup and their writing into
// the cache, in a file of the home that goes when that is done.
type spool struct {
	f    *os.File
	out  *bufio.Writer
	size int64
	rows int64
	runs []*spoolRun
}

// spoolRun is where the rows of one table lie.
type spoolRun struct {
	e        *model.Entity
	te       *tableEntry
	from, to int64
}

func newSpool(home string) (*spool, error) {
	f, err := os.CreateTemp(home, ".restore-*")
	if err != nil {
		return nil, err
	}
	return &spool{f: f, out: bufio.NewWriter(f)}, nil
}

func (s *spool) close() {
	s.f.Close()
	os.Remove(s.f.Name())
}

func (s *spool) begin(e *model.Entity, te *tableEntry) {
	s.runs = append(s.runs, &spoolRun{e: e, te: te, from: s.size, to: s.size})
}

// add adds a line with its line feed.
func (s *spool) add(line []byte) error {
	s.rows++
	n, err := s.out.Write(line)
	s.size += int64(n)
	s.runs[len(s.runs)-1].to = s.size
	if err != nil {
		return model.Errorf(model.Other, "what is to come back cannot be kept in %s meanwhile", filepath.Dir(s.f.Name())).WithHint("see that there is room on the disk").Because(err)
	}
	return nil
}

// each passes the lines of a run.
func (s *spool) each(run *spoolRun, line func([]byte) error) error {
	if err := s.out.Flush(); err != nil {
		return model.Errorf(model.Other, "what is to come back cannot be kept in %s meanwhile", filepath.Dir(s.f.Name())).WithHint("see that there is room on the disk").Because(err)
	}
	r := bufio.NewReader(io.NewSectionReader(s.f, run.from, run.to-run.from))
	for {
		b, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(b) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		if err := line(b); err != nil {
			return err
		}
	}
}
