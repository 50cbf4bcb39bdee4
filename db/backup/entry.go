package backup

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"rapport/model"
)

// entry is one backup in a store, as far as a list tells.
type entry struct {
	place
	info     model.BackupInfo
	sum      summary
	manifest string  // its object's name within the backup
	hash     string  // that it must have
	checks   []check // outcomes of later verifications, the oldest first
}

// inherit has every backup that needs a damaged one, or one that is not there,
// say so: nothing can come out of it whole, whatever it is itself.
func inherit(list []entry) {
	at := map[model.ID]int{}
	for i := range list {
		at[list[i].id] = i
	}
	seen := map[model.ID]bool{}
	var problem func(e *entry) string
	problem = func(e *entry) string {
		if seen[e.id] || e.info.Problem != "" || e.info.Parent == "" {
			return e.info.Problem
		}
		seen[e.id] = true
		parent := model.ID(e.info.Parent)
		i, there := at[parent]
		if !there {
			e.info.Problem = "it needs the backup " + parent.Short() + ", which is not there"
		} else if problem(&list[i]) != "" {
			e.info.Problem, e.info.Remedy = "it needs the backup "+parent.Short()+", which does not count", list[i].info.Remedy
		}
		if e.info.Problem != "" {
			e.info.Verified = false
		}
		return e.info.Problem
	}
	for i := range list {
		problem(&list[i])
	}
}

// listers is how many backups are read at once for a list.
const listers = 8

// entries lists the backups of a store, newest first. A folder without a
// manifest is no backup. Those of a key that is not believed have a problem.
func entries(ctx context.Context, s Store, believed pins) ([]entry, error) {
	r, err := openRepo(ctx, s, nil)
	if err == nil {
		r, err = believed.check(s, r)
	}
	if err != nil {
		return nil, err
	}
	objects, err := s.List(ctx, "b/")
	if err != nil {
		return nil, cannotRead(s, err)
	}
	var out []entry
	for _, o := range objects {
		p, name, ok := placeOf(o.Key)
		if ok && (name == manifestName || name == manifestName+suffix) {
			out = append(out, entry{place: p, manifest: name})
		}
	}
	checks, err := checksIn(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := each(ctx, listers, len(out), func(ctx context.Context, i int) error {
		// What is wrong with it, the entry tells.
		if err := out[i].read(ctx, s, r); unanswered(err) {
			return err
		}
		out[i].checks = checks[out[i].id]
		return out[i].apply(ctx, s)
	}); err != nil {
		return nil, err
	}
	inherit(out)
	slices.SortFunc(out, func(a, b entry) int {
		return cmp.Or(b.info.At.Compare(a.info.At), cmp.Compare(b.id, a.id))
	})
	return out, nil
}

// each calls do for the numbers below n, most of them at once, and returns the
// first error.
func each(ctx context.Context, most, n int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var wait sync.WaitGroup
	for range min(most, n) {
		wait.Go(func() {
			for i := range next {
				if err := do(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := 0; i < n && ctx.Err() == nil; i++ {
		next <- i
	}
	close(next)
	wait.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// read fills the entry from the summary, which must fit the manifest and be
// signed with it. What is wrong is the entry's Problem; the error is its cause.
func (e *entry) read(ctx context.Context, s Store, r repo) error {
	e.info = model.BackupInfo{ID: string(e.id), Kind: e.kind, Source: model.SourceLocal, Lineage: e.lineage, At: e.at(), Path: strings.TrimSuffix(s.String(), "/") + "/" + strings.TrimSuffix(e.prefix, "/")}
	e.sum, e.hash = summary{}, ""
	text, err := s.Get(ctx, e.prefix+summaryName)
	if unanswered(err) {
		return err
	}
	if err == nil {
		err = json.Unmarshal(text, &e.sum)
	}
	sum := &e.sum
	if err == nil && sum.ID != e.id {
		err = fmt.Errorf("it is that of %s", sum.ID)
	}
	if err != nil {
		e.info.Problem = summaryName + " is damaged"
		return err
	}
	data, err := s.Get(ctx, e.prefix+e.manifest)
	if unanswered(err) {
		return err
	}
	if err == nil && hashOf(data) != sum.Manifest {
		err = fmt.Errorf("its hash is %s, want %s", hashOf(data), sum.Manifest)
	}
	if err != nil {
		e.info.Problem = e.manifest + " is damaged"
		return err
	}
	if err := e.signed(ctx, s, r, text); err != nil {
		return err
	}
	if err := checkFormat("this backup", sum.Format); err != nil {
		e.info.Problem = messageOf(err)
		return err
	}
	e.hash = sum.Manifest
	e.info.Source, e.info.Parent, e.info.Position = cmp.Or(sum.Source, model.SourceLocal), string(sum.Parent), sum.Position
	e.info.Number, e.info.Reaches = sum.Number, sum.Mark.Begins
	e.info.At, e.info.Rows, e.info.Bytes, e.info.Verified, e.info.Problem = sum.At, sum.Rows, sum.Bytes, sum.Verified, sum.Problem
	e.info.Encrypted, e.info.Note = sum.Encrypted, sum.Note
	if sum.Verified {
		e.info.Level, e.info.CheckedAt = model.LevelCompared, sum.At
	}
	return nil
}

// signed proves that one who may write to the repository wrote the backup.
func (e *entry) signed(ctx context.Context, s Store, r repo, text []byte) error {
	if len(r.believed) == 0 {
		return nil
	}
	data, err := s.Get(ctx, e.prefix+signatureName)
	if unanswered(err) {
		return err
	}
	if err == nil && signedBy(r.strangers(), data, e.id, e.sum.Manifest, hashOf(text)) {
		e.info.Problem, e.info.Remedy = "it is signed with a key that this workspace does not know", model.TrustKeys
		return fmt.Errorf("%s is that of a stranger", signatureName)
	}
	if err == nil && !signedBy(r.believed, data, e.id, e.sum.Manifest, hashOf(text)) {
		err = fmt.Errorf("%s does not fit", signatureName)
	}
	if err != nil {
		e.info.Problem = "it was not written by one who may: its signature is missing or wrong"
	}
	return err
}

// manifestOf reads the manifest of a backup that was found.
func (e *entry) manifestOf(ctx context.Context, s Store, k keys) (*manifest, error) {
	if e.info.Remedy == model.TrustKeys {
		return nil, model.Errorf(model.Corrupt, "the backup %s does not count: %s", e.id.Short(), e.info.Problem).
			WithHint("rapport backup init --trust believes all keys of the place").By(model.TrustKeys)
	}
	if e.hash == "" {
		return nil, model.Errorf(model.Corrupt, "the backup %s is damaged: %s", e.id.Short(), cmp.Or(e.info.Problem, summaryName)).
			WithHint("restore another one: rapport backup list shows them").By(model.OtherBackup)
	}
	return readManifest(ctx, s, e.place, k, e.manifest, e.hash)
}

// pick returns the backup that a request names: by id, by eight or more
// characters of its beginning or end, or the newest one. Where it must be
// sound, the newest is the newest that was verified.
func pick(s Store, list []entry, ref string, sound bool) (entry, error) {
	if ref == "" || ref == "latest" {
		for _, e := range list {
			if e.info.Verified || !sound {
				return e, nil
			}
		}
		if len(list) > 0 {
			problem := cmp.Or(list[0].info.Problem, "it was not verified")
			return entry{}, model.Errorf(model.Corrupt, "no backup in %s is sound; the newest: %s", s, problem).WithHint("rapport backup list shows them; name one by its id to try it").By(model.OtherBackup)
		}
		return entry{}, model.Errorf(model.NotFound, "there is no backup in %s", s).WithHint("rapport backup create makes one").By(model.NewBackup)
	}
	var found []entry
	word := strings.ToLower(ref)
	for _, e := range list {
		if string(e.id) == word || len(word) >= 8 && (strings.HasPrefix(string(e.id), word) || strings.HasSuffix(string(e.id), word)) {
			found = append(found, e)
		}
	}
	switch len(found) {
	case 0:
		return entry{}, model.Errorf(model.NotFound, "there is no backup %q in %s", ref, s).WithHint("rapport backup list shows them").By(model.OtherBackup)
	case 1:
		return found[0], nil
	}
	ids := make([]string, len(found))
	for i, e := range found {
		ids[i] = string(e.id)
	}
	return entry{}, model.Errorf(model.Ambiguous, "%q fits %d backups", ref, len(found)).WithHint("write one of %s", strings.Join(ids, ", "))
}
