package backup

import (
	"cmp"
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"rapport/db/sqlite"
	"rapport/model"
)

// VerifyBackup proves a backup and those that it needs, as thoroughly as the
// request's level says; without one, every row is read. What comes of it is
// kept beside the backup, where the key of the place may add it, so that a list
// shows it. Damage is Corrupt and named.
func (b *Backuper) VerifyBackup(ctx context.Context, req model.BackupRequest, n model.Notify) (model.BackupInfo, error) {
	var none model.BackupInfo
	level := cmp.Or(req.Level, model.LevelRead)
	if level == model.LevelCompared {
		return none, model.Errorf(model.Invalid, "a backup is compared with its source while it is made, and not later: the source goes on").
			WithHint("the levels are V0, V1, V2 and V4")
	}
	if !slices.Contains([]string{model.LevelListed, model.LevelStored, model.LevelRead, model.LevelRestored}, level) {
		return none, model.Errorf(model.Invalid, "%q is no level of verification", level).WithHint("the levels are V0, V1, V2 and V4")
	}
	s, err := b.store(&req)
	if err != nil {
		return none, err
	}
	k, err := readKeys(req.Identity)
	if err != nil {
		return none, err
	}
	list, err := entries(ctx, s, b.pins())
	if err != nil {
		return none, err
	}
	e, err := pick(s, of(list, req.Source), req.ID, false)
	if err != nil {
		return none, err
	}
	c, err := openChain(ctx, s, k, list, e)
	if err == nil {
		err = b.proveAt(ctx, level, c, n)
	}
	if err != nil && model.KindOf(err) != model.Corrupt {
		return e.info, err
	}
	err = cmp.Or(err, b.note(ctx, s, list, e, level, err), b.noteNeeded(ctx, c, list, level, err))
	for i := range list {
		if x := &list[i]; x.hash != "" {
			x.info.Verified, x.info.Problem = x.sum.Verified, x.sum.Problem
			err = cmp.Or(err, x.apply(ctx, s))
		}
	}
	inherit(list)
	return list[indexOf(list, e.id)].info, err
}

func indexOf(list []entry, id model.ID) int {
	return slices.IndexFunc(list, func(x entry) bool { return x.id == id })
}

// note keeps what a verification found of a backup of a list.
func (b *Backuper) note(ctx context.Context, s Store, list []entry, e entry, level string, problem error) error {
	found := check{Format: formatName, ID: b.o.IDs.New(), Backup: e.id, Source: e.info.Source, Lineage: e.lineage, Level: level, OK: problem == nil}
	found.At = timeOf(found.ID)
	if problem != nil {
		found.Problem = messageOf(problem)
	}
	x := &list[indexOf(list, e.id)]
	x.checks = append(x.checks, found)
	return found.keep(ctx, s)
}

// noteNeeded finds out which of the backups that one needs are damaged, where
// that one could not be proved, or were and are so no more: what needs them, too,
// is no better, and nothing is to follow them.
func (b *Backuper) noteNeeded(ctx context.Context, c *chain, list []entry, level string, problem error) error {
	if c == nil {
		return nil
	}
	alone := min(level, model.LevelRead) // nothing can be restored of one that is not full
	for _, l := range c.links[:len(c.links)-1] {
		if problem == nil && l.info.Problem == "" {
			continue
		}
		err := b.proveAt(ctx, alone, &chain{store: c.store, keys: c.keys, links: []link{l}}, nil)
		if err != nil && model.KindOf(err) != model.Corrupt {
			return err
		}
		if err == nil && l.info.Problem == "" {
			continue
		}
		if err := b.note(ctx, c.store, list, l.entry, alone, err); err != nil {
			return err
		}
	}
	return nil
}

// of leaves the backups of a source, all for "".
func of(list []entry, source string) []entry {
	if source == "" {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), func(e entry) bool { return e.info.Source != source })
}

// proveAt proves a chain at a level.
func (b *Backuper) proveAt(ctx context.Context, level string, c *chain, n model.Notify) error {
	switch level {
	case model.LevelListed:
		return c.proveSizes(ctx)
	case model.LevelStored:
		return c.proveBytes(ctx, n)
	case model.LevelRestored:
		return b.proveRestore(ctx, c, n)
	}
	return c.prove(ctx, n)
}

// eachPart calls do for every part of every backup of the chain.
func (c *chain) eachPart(do func(l link, te *tableEntry, p part) error) error {
	for _, l := range c.links {
		for i := range l.m.Tables {
			te := &l.m.Tables[i]
			for _, p := range slices.Concat(te.rowSet().parts, te.goneSet().parts) {
				if err := do(l, te, p); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// proveSizes looks whether every part is there with its size.
func (c *chain) proveSizes(ctx context.Context) error {
	sizes := map[string]int64{}
	for _, l := range c.links {
		objects, err := c.store.List(ctx, l.prefix)
		if err != nil {
			return cannotRead(c.store, err)
		}
		for _, o := range objects {
			sizes[o.Key] = o.Size
		}
	}
	return c.eachPart(func(l link, te *tableEntry, p part) error {
		if size, ok := sizes[l.prefix+p.Name]; !ok || size != p.Size {
			return damaged(l.place, p.Name, "rows of "+te.Name)
		}
		return nil
	})
}

// proveBytes reads every part and compares its hash.
func (c *chain) proveBytes(ctx context.Context, n model.Notify) error {
	var total, done int64
	for _, l := range c.links {
		total += l.m.Bytes
	}
	return c.eachPart(func(l link, te *tableEntry, p part) error {
		if _, err := storedPart(ctx, c.store, l.place, p); unanswered(err) {
			return err
		} else if err != nil {
			return damaged(l.place, p.Name, "rows of "+te.Name).Because(err)
		}
		done += p.Size
		n.Tell("reading", done, total)
		return nil
	})
}

// prove reads every row of every backup of the chain.
func (c *chain) prove(ctx context.Context, n model.Notify) error {
	var total, done int64
	for _, l := range c.links {
		total += l.m.Rows
	}
	for _, l := range c.links {
		var rows int64
		for i := range l.m.Tables {
			te := &l.m.Tables[i]
			for _, what := range []set{te.rowSet(), te.goneSet()} {
				err := readSet(ctx, c.store, l.place, c.keys, what, func([]byte, []any) error {
					if rows++; (done+rows)%10000 == 0 {
						n.Tell("verifying", done+rows, total)
					}
					return nil
				})
				if err != nil {
					return err
				}
			}
		}
		if done += rows; rows != l.m.Rows {
			return damaged(l.place, manifestName, "the tables do not have the rows it tells")
		}
	}
	return nil
}

// proveRestore restores the chain beside the workspace and compares what came
// of it: a workspace's as a cache, a central's into tables of a file.
func (b *Backuper) proveRestore(ctx context.Context, c *chain, n model.Notify) error {
	b.deadScratch(scratchTrial, func(string) bool { return true })
	dir, free, err := b.scratch(scratchTrial)
	if err != nil {
		return err
	}
	defer free(true)
	name := filepath.Join(dir, sqlite.FileName)
	if c.end().Source == model.SourceCentral {
		return trialOf(ctx, name, c, n)
	}
	return b.build(ctx, name, c, n)
}

// checksPrefix is where the outcomes of verifications lie:
// "v/<id of the backup>/<id>-<level>-<outcome>.json", where the outcome is sound
// or damaged. A list needs their names only.
const checksPrefix = "v/"

// check is the outcome of a verification after the backup was made.
type check struct {
	Format  string    `json:"format"`
	ID      model.ID  `json:"id"`
	Backup  model.ID  `json:"backup"`
	Source  string    `json:"source,omitempty"`
	Lineage string    `json:"lineage,omitempty"`
	Level   string    `json:"level"`
	At      time.Time `json:"at"`
	OK      bool      `json:"ok"`
	Problem string    `json:"problem,omitempty"`
}

func (c check) key() string {
	outcome := "damaged"
	if c.OK {
		outcome = "sound"
	}
	return checksPrefix + string(c.Backup) + "/" + string(c.ID) + "-" + c.Level + "-" + outcome + ".json"
}

// checkOf reads an outcome from the name of its object, but for its problem.
func checkOf(key string) (check, bool) {
	c := check{Format: formatName}
	parts := strings.Split(strings.TrimPrefix(key, checksPrefix), "/")
	if len(parts) != 2 || len(parts[1]) < 36 {
		return c, false
	}
	words := strings.Split(parts[1][36:], "-")
	var known, own bool
	c.Backup, known = model.ParseID(parts[0])
	c.ID, own = model.ParseID(parts[1][:36])
	if !known || !own || len(words) != 3 {
		return c, false
	}
	c.Level, c.OK, c.At = words[1], words[2] == "sound.json", timeOf(c.ID)
	return c, c.key() == key
}

// keep adds the outcome to the store. It is no matter if the key may not, or if
// the place is read-only or full: what was found is told to whoever asked.
func (c check) keep(ctx context.Context, s Store) error {
	data, err := encodeJSON(c)
	if err != nil {
		return err
	}
	err = s.PutNew(ctx, c.key(), data)
	if err == nil || mayNot(err) || isFull(err) {
		return nil
	}
	return cannotWrite(s, err)
}

// checksIn returns the outcomes for each backup, the oldest first.
func checksIn(ctx context.Context, s Store) (map[model.ID][]check, error) {
	objects, err := s.List(ctx, checksPrefix)
	if err != nil {
		return nil, cannotRead(s, err)
	}
	out := map[model.ID][]check{}
	for _, o := range objects {
		if c, ok := checkOf(o.Key); ok {
			out[c.Backup] = append(out[c.Backup], c)
		}
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b check) int { return cmp.Compare(a.ID, b.ID) })
	}
	return out, nil
}

// apply says of a backup what its verifications found. Damage stands until it is
// looked for at least as thoroughly and not found any more.
func (e *entry) apply(ctx context.Context, s Store) error {
	if len(e.checks) == 0 || e.hash == "" {
		return nil
	}
	last := e.checks[len(e.checks)-1]
	e.info.Level, e.info.CheckedAt, e.info.Verified, e.info.Problem = last.Level, last.At, e.sum.Verified, e.sum.Problem
	for i, c := range slices.Backward(e.checks) {
		if c.OK || slices.ContainsFunc(e.checks[i:], func(x check) bool { return x.OK && x.Level >= c.Level }) {
			continue
		}
		e.info.Verified = false
		if c.Problem == "" {
			data, err := s.Get(ctx, c.key())
			if unanswered(err) {
				return err
			}
			if err != nil || json.Unmarshal(data, &c) != nil || c.Problem == "" {
				c.Problem = "a verification found it damaged"
			}
		}
		e.info.Problem = cmp.Or(e.sum.Problem, c.Problem)
		break
	}
	return nil
}
