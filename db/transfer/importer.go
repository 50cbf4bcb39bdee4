package transfer

import (
	"context"
	"errors"
	"iter"
	"path/filepath"
	"strings"

	"rapport/model"
)

// batchRows is how many rows are written in one transaction, so that others
// may write between.
const batchRows = 500

// source is one file ready to be read.
type source struct {
	noun  model.Noun // of its rows, "" if they differ
	items iter.Seq[item]
	total int64 // rows, 0 if unknown
}

// importer is one run.
type importer struct {
	t        *Transfer
	req      model.ImportRequest
	n        model.Notify
	notes    *notes
	result   model.ImportResult
	binned   map[model.Noun]map[string]bool // keys of deleted records
	links    map[string]model.Ref           // names resolved in this run
	byNoun   map[model.Noun]*model.Counts
	total    int64 // rows of all files, about
	sources  []source
	rejected [][]string // header of each rejected row
}

// Import reads files into the workspace. Errors: Invalid, NotFound for a file
// that is not there. Rejected rows are no error.
func (t *Transfer) Import(ctx context.Context, req model.ImportRequest, n model.Notify) (model.ImportResult, error) {
	im := &importer{t: t, req: req, n: n, notes: newNotes(), binned: map[model.Noun]map[string]bool{},
		links: map[string]model.Ref{}, byNoun: map[model.Noun]*model.Counts{}}
	if err := im.check(); err != nil {
		return im.result, err
	}
	im.result.Run, im.result.DryRun = t.newRun(), req.DryRun
	if err := im.open(); err != nil {
		return im.result, err
	}
	var err error
	if req.DryRun {
		err = t.store.ImportBatch(ctx, true, func(tx model.ImportTx) error { return im.all(ctx, tx) })
	} else {
		err = im.batches(ctx)
	}
	im.finish()
	if err != nil && (req.DryRun || im.result.Created+im.result.Updated == 0) {
		return im.result, err
	}
	return im.result, errors.Join(err, im.record(context.WithoutCancel(ctx)))
}

// check refuses a request that makes no sense.
func (im *importer) check() error {
	if len(im.req.Files) == 0 {
		return model.Errorf(model.Invalid, "no file is given")
	}
	switch im.req.Mode {
	case "":
		im.req.Mode = "upsert"
	case "create", "update", "upsert":
	default:
		return model.Errorf(model.Invalid, "there is no mode %q", im.req.Mode).WithHint("it is create, update or upsert")
	}
	if p := im.req.Preset; p != "" && !contains(presets, p) {
		return model.Errorf(model.Invalid, "there is no preset %q", p).WithHint("it is one of %s", strings.Join(presets, ", "))
	}
	if im.req.Env.Now.IsZero() {
		im.req.Env.Now = im.t.now()
	}
	if e := model.EntityOf(im.req.As); e != nil && !e.IsPart() {
		im.req.As = e.Noun
	} else if im.req.As != "" {
		return model.Errorf(model.Invalid, "there is no noun %q", im.req.As)
	}
	return nil
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// finish brings the counts together.
func (im *importer) finish() {
	im.result.Notes = im.notes.lines()
	if len(im.byNoun) > 1 || len(im.req.Files) > 1 {
		im.result.ByNoun = map[model.Noun]model.Counts{}
		for n, c := range im.byNoun {
			im.result.ByNoun[n] = *c
		}
	}
}

// record stores the run and its rejected rows.
func (im *importer) record(ctx context.Context) error {
	if im.req.DryRun {
		return nil
	}
	var names []string
	for _, f := range im.req.Files {
		names = append(names, filepath.Base(f))
	}
	run := model.ImportRun{Run: im.result.Run, At: im.t.now().UTC(), Source: strings.Join(names, ", "), Counts: im.result.Counts}
	if err := im.t.store.RecordImportRun(ctx, run); err != nil {
		return err
	}
	return nil
}

// count notes the outcome of one row.
func (im *importer) count(n model.Noun, fn func(*model.Counts)) {
	if n == "" {
		n = im.req.As
	}
	if im.byNoun[n] == nil {
		im.byNoun[n] = &model.Counts{}
	}
	fn(im.byNoun[n])
	fn(&im.result.Counts)
}

// batches writes the rows in transactions of some hundred.
func (im *importer) batches(ctx context.Context) error {
	for _, src := range im.sources {
		next, stop := iter.Pull(src.items)
		for more := true; more; {
			before := im.snapshot()
			err := im.t.store.ImportBatch(ctx, false, func(tx model.ImportTx) error {
				for range batchRows {
					it, ok := next()
					if !ok {
						more = false
						return nil
					}
					if err := im.one(ctx, tx, src, it); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				stop()
				im.restore(before)
				return errors.Join(err, im.writeRejects())
			}
		}
		stop()
	}
	return im.writeRejects()
}

// snapshot returns the counts as they are; restore goes back to them when a
// transaction failed.
func (im *importer) snapshot() map[model.Noun]model.Counts {
	out := map[model.Noun]model.Counts{"": im.result.Counts}
	for n, c := range im.byNoun {
		out[n] = *c
	}
	return out
}

func (im *importer) restore(before map[model.Noun]model.Counts) {
	im.result.Counts = before[""]
	delete(before, "")
	clear(im.byNoun)
	for n, c := range before {
		im.byNoun[n] = &c
	}
	im.result.Rejects = im.result.Rejects[:im.result.Rejected]
	im.rejected = im.rejected[:im.result.Rejected]
}

// all writes every row in one transaction.
func (im *importer) all(ctx context.Context, tx model.ImportTx) error {
	for _, src := range im.sources {
		for it := range src.items {
			if err := im.one(ctx, tx, src, it); err != nil {
				return err
			}
		}
	}
	return nil
}

// one imports one row. Its error ends the run; a row that is refused is no
// error.
func (im *importer) one(ctx context.Context, tx model.ImportTx, src source, it item) error {
	if err := ctx.Err(); err != nil {
		return model.Errorf(model.Interrupted, "the import was stopped; what was imported is kept").WithHint("import the file again to go on, or take it back with: import undo %s", im.result.Run).Because(err)
	}
	noun := it.edit.Noun
	if noun == "" {
		noun = src.noun
	}
	im.count(noun, func(c *model.Counts) { c.Read++ })
	if im.result.Read%100 == 0 {
		im.n.Tell("importing", im.result.Read, im.total)
	}
	outcome, err := im.save(ctx, tx, it)
	if err != nil {
		var own *model.Error
		if !errors.As(err, &own) || own.Kind != model.Invalid && own.Kind != model.NotFound && own.Kind != model.Ambiguous {
			return err
		}
		im.reject(it, noun, own)
		return nil
	}
	im.count(noun, func(c *model.Counts) {
		switch outcome {
		case wasCreated:
			c.Created++
		case wasUpdated:
			c.Updated++
		case wasUnchanged:
			c.Unchanged++
		case wasSkipped:
			c.Skipped++
		}
	})
	return nil
}

// outcome is what became of a row.
type outcome int

const (
	wasCreated outcome = iota
	wasUpdated
	wasUnchanged
	wasSkipped
)

// save finds the record that a row means and makes or changes it.
func (im *importer) save(ctx context.Context, tx model.ImportTx, it item) (outcome, error) {
	if it.err != nil {
		return 0, it.err
	}
	e := model.EntityOf(it.edit.Noun)
	for _, v := range it.edit.Set {
		if bad, ok := v.(badValue); ok {
			return 0, model.Errorf(model.Invalid, "%s", bad.err)
		}
	}
	if e.Field("login") != nil && model.FormatValue(it.edit.Set["login"]) == "" {
		nameLogin(it.edit.Set)
	}
	it.edit.Action, it.edit.Run = "import", im.result.Run
	m, err := im.match(ctx, tx, e, it)
	if err != nil {
		return 0, err
	}
	switch {
	case m.deleted:
		im.notes.add(passedOver, "a "+string(e.Noun)+" that was deleted here")
		return wasSkipped, nil
	case m.id == "" && im.req.Mode == "update":
		im.notes.add(passedOver, "a "+string(e.Noun)+" that is not here (mode update)")
		return wasSkipped, nil
	case m.id != "" && im.req.Mode == "create":
		im.notes.add(passedOver, "a "+string(e.Noun)+" that is here already (mode create)")
		return wasSkipped, nil
	}
	if err := im.ensureStage(ctx, tx, it.edit); err != nil {
		return 0, err
	}
	if err := im.resolveLinks(ctx, tx, e, &it.edit); err != nil {
		return 0, err
	}
	if m.id == "" {
		for i := range e.Fields {
			if f := &e.Fields[i]; f.Type == model.List {
				if items, ok := it.edit.Set[f.Name].([]*model.Record); ok {
					it.edit.Set[f.Name] = im.unique(f, items)
				}
			}
		}
		saved, err := tx.SaveNew(ctx, it.edit)
		if err != nil || saved.Created {
			return wasCreated, err
		}
		return wasUpdated, nil
	}
	return im.update(ctx, tx, e, m.id, it)
}

// nameLogin gives a user without a login one derived from the name, else from
// the mail.
func nameLogin(set map[string]any) {
	name, _ := set["name"].(string)
	mail, _ := set["email"].(string)
	local, _, _ := strings.Cut(mail, "@")
	switch {
	case strings.TrimSpace(name) != "":
		set["login"] = loginOf(name)
	case strings.TrimSpace(local) != "":
		set["login"] = strings.TrimSpace(local)
	}
}

// unique leaves out items that repeat an earlier one, as a number that stands
// in a card as mobile and as work.
func (im *importer) unique(f *model.Field, items []*model.Record) []*model.Record {
	seen := map[string]bool{}
	var out []*model.Record
	for _, it := range items {
		key := model.PartKeyOf(it)
		if key != "" && seen[key] {
			im.notes.add(notKept, "the repetition of an item of "+f.Label)
			continue
		}
		seen[key] = true
		out = append(out, it)
	}
	return out
}
