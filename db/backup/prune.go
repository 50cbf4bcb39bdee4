package backup

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"rapport/model"
)

// pruner is one prune. It works in two steps, so that nothing is deleted that a
// backup which is being made begins to need: what is to go is marked, and a
// prune at least a day later deletes what is marked and is still not needed.
type pruner struct {
	store Store
	guard *guard // nil in a dry run
	// believed are the keys that count.
	believed pins
	now      time.Time
	list     []entry
	chains   *chains
	marks    []*deletion
	res      *model.PruneResult
	notify   model.Notify
	request  model.PruneRequest
	// others are marked, but not by what this prune is about: they stay as
	// they are.
	others map[string]bool
}

// PruneBackups marks what no rule keeps and deletes what was marked a day ago
// and is still not needed.
func (b *Backuper) PruneBackups(ctx context.Context, req model.PruneRequest, n model.Notify) (model.PruneResult, error) {
	res := model.PruneResult{DryRun: req.DryRun, Kept: []model.PrunedBackup{}, Marked: []model.PrunedBackup{}, Deleted: []model.PrunedBackup{}, Spared: []model.PrunedBackup{}}
	s, err := b.store(&req.BackupRequest)
	if err != nil {
		return res, err
	}
	if req.Rules = b.rules(req.Rules); req.Rules.Last < 0 || req.Rules.Daily < 0 || req.Rules.Weekly < 0 || req.Rules.Monthly < 0 || req.Rules.Yearly < 0 {
		return res, model.Errorf(model.Invalid, "a rule cannot keep fewer than no backups")
	}
	p := &pruner{store: s, believed: b.pins(), now: b.o.Now(), res: &res, notify: n, request: req, others: map[string]bool{}}
	if _, err := openRepo(ctx, s, nil); err != nil {
		return res, err
	}
	if !req.DryRun {
		if err := stillThere(ctx, s); err != nil {
			return res, err
		}
		if p.guard, err = b.takeGuard(ctx, s, guardPrune); err != nil {
			return res, err
		}
		p.now = p.guard.now
		res.Guard = "store"
		if p.guard.lease != nil {
			res.Guard = "central"
		}
	}
	err = p.run(ctx, b.ownLines(ctx), b.o.IDs.New())
	if p.guard != nil {
		p.guard.release(ctx, err == nil)
	}
	return res, err
}

// rules returns the rules that hold: those of a request, else those of the
// settings, else the program's.
func (b *Backuper) rules(r model.KeepRules) model.KeepRules {
	none := model.KeepRules{}
	if r == none {
		r = b.settingsOf().Backup.Keep
	}
	if r == none {
		r = model.DefaultKeep()
	}
	return r
}

// ownLines returns the lineages that the workspace itself goes on with.
func (b *Backuper) ownLines(ctx context.Context) map[string]bool {
	own := map[string]bool{}
	if b.o.DB == nil {
		return own
	}
	// What is not known here is guarded by its age.
	if l, err := b.o.DB().Lineage(ctx); err == nil {
		own[l] = true
	}
	if at, err := b.o.DB().Position(ctx); err == nil {
		own[string(at.Epoch)] = true
	}
	return own
}

func (p *pruner) run(ctx context.Context, own map[string]bool, id model.ID) error {
	var err error
	if p.list, err = entries(ctx, p.store, p.believed); err != nil {
		return err
	}
	if p.marks, err = readDeletions(ctx, p.store); err != nil {
		return err
	}
	p.chains = chainsOf(infosOf(p.list))
	unwanted, err := p.unwanted(own)
	if err != nil {
		return err
	}
	fresh := &deletion{Format: formatName, ID: id, At: p.now, Asked: len(p.request.Only) > 0}
	if p.guard != nil {
		fresh.Server = p.guard.server
	}
	p.spare(unwanted)
	due := p.due(unwanted, fresh)
	p.tell(unwanted, due)
	if p.request.DryRun {
		return nil
	}
	// What is spared loses its mark before anything goes, so that the time of
	// grace begins anew if it is marked again.
	if err := p.guard.keep(ctx); err != nil {
		return err
	}
	for _, d := range append(slices.Clone(p.marks), fresh) {
		if d == fresh && len(d.Backups) == 0 {
			continue
		}
		if err := d.write(ctx, p.store); err != nil {
			return cannotWrite(p.store, err)
		}
	}
	for i, e := range due {
		p.notify.Tell("deleting", int64(i), int64(len(due)))
		if err := p.delete(ctx, e); err != nil {
			return err
		}
		p.unmark(e.info.ID)
	}
	for _, d := range p.marks {
		if err := d.write(ctx, p.store); err != nil {
			return cannotWrite(p.store, err)
		}
	}
	if p.res.Swept, err = sweepLeft(ctx, p.store, p.now, p.guard.keep); err != nil {
		return err
	}
	if err := sweepChecks(ctx, p.store); err != nil {
		return err
	}
	return sweepGuards(ctx, p.store, p.now.Add(-leftoverAge))
}

// unwanted returns the backups that are to go, with the reason: those that a
// person named, now or before, and those that no rule keeps.
func (p *pruner) unwanted(own map[string]bool) (map[string]string, error) {
	out := map[string]string{}
	if len(p.request.Only) == 0 {
		out = p.chains.leftOver(p.request.Rules, p.now)
		for id := range maps.Clone(out) {
			if s := p.request.Source; s != "" && p.chains.byID[id].Source != s {
				delete(out, id)
			}
		}
	}
	for _, d := range p.marks {
		for _, x := range d.Backups {
			// Marked by a person, or by a prune that was about something
			// else than this one is.
			elsewhere := len(p.request.Only) > 0 || p.request.Source != "" && p.chains.byID[x.ID].Source != p.request.Source
			if _, there := p.chains.byID[x.ID]; !there || !d.Asked && !elsewhere {
				continue
			}
			p.others[x.ID] = elsewhere
			if _, err := p.chains.mayGo([]string{x.ID}, true, own, p.now); err == nil {
				out[x.ID] = x.Why
			}
		}
	}
	if len(p.request.Only) > 0 {
		var ids []string
		for _, ref := range p.request.Only {
			e, err := pick(p.store, p.list, ref, false)
			if err != nil {
				return nil, err
			}
			ids = append(ids, e.info.ID)
		}
		all, err := p.chains.mayGo(ids, p.request.Cascade, own, p.now)
		if err != nil {
			return nil, err
		}
		for _, id := range all {
			out[id] = "it was named"
			if !slices.Contains(ids, id) {
				out[id] = "it needs one that was named"
			}
			p.others[id] = false
		}
	}
	// Nothing goes that something else needs.
	set := map[string]bool{}
	for id := range out {
		set[id] = true
	}
	closed := p.chains.closed(set)
	clear(set)
	for _, id := range closed {
		set[id] = true
	}
	maps.DeleteFunc(out, func(id, _ string) bool { return !set[id] })
	return out, nil
}

// spare takes the mark off what is to stay.
func (p *pruner) spare(unwanted map[string]string) {
	for _, d := range p.marks {
		if d.At.After(p.now.Add(time.Hour)) {
			// It was made under a clock that was wrong: its time begins now.
			d.At, d.Server = p.now, time.Time{}
		}
		d.Backups = slices.DeleteFunc(d.Backups, func(x doomed) bool {
			b, there := p.chains.byID[x.ID]
			if there && unwanted[x.ID] == "" {
				p.res.Spared = append(p.res.Spared, model.PrunedBackup{BackupInfo: b, Why: "it is needed or kept by a rule by now"})
			}
			return !there || unwanted[x.ID] == ""
		})
	}
}

// due marks what is not marked yet and returns what may be deleted now, in the
// order in which it has to be.
func (p *pruner) due(unwanted map[string]string, fresh *deletion) []entry {
	over := map[string]bool{}
	for _, e := range p.list {
		id := e.info.ID
		if unwanted[id] == "" {
			continue
		}
		i := slices.IndexFunc(p.marks, func(d *deletion) bool { return d.names(id) })
		switch {
		case i < 0:
			fresh.Backups = append(fresh.Backups, doomed{ID: id, Why: unwanted[id]})
		case !p.others[id] && p.marks[i].over(p.now, fresh.Server):
			over[id] = true
		}
	}
	var out []entry
	byID := map[string]entry{}
	for _, e := range p.list {
		byID[e.info.ID] = e
	}
	for _, id := range p.chains.closed(over) {
		out = append(out, byID[id])
	}
	return out
}

// tell fills in the answer; the deleted ones are told as they go.
func (p *pruner) tell(unwanted map[string]string, due []entry) {
	kept := p.chains.keep(p.request.Rules, p.now)
	for _, e := range p.list {
		b := model.PrunedBackup{BackupInfo: e.info, Why: unwanted[e.info.ID]}
		if b.Why == "" {
			b.Why = kept[e.info.ID]
			if b.Why == "" {
				b.Why = "needed by another one, or not what was asked about"
			}
			p.res.Kept = append(p.res.Kept, b)
			continue
		}
		if slices.ContainsFunc(due, func(d entry) bool { return d.info.ID == e.info.ID }) {
			if p.request.DryRun {
				p.res.Deleted = append(p.res.Deleted, b)
			}
			continue
		}
		b.From = p.now.Add(grace)
		if i := slices.IndexFunc(p.marks, func(d *deletion) bool { return d.names(e.info.ID) }); i >= 0 {
			b.From = p.marks[i].At.Add(grace)
		}
		p.res.Marked = append(p.res.Marked, b)
	}
}

// delete removes a backup: its manifest first, so that it is none any more
// before any of its parts goes.
func (p *pruner) delete(ctx context.Context, e entry) error {
	objects, err := p.store.List(ctx, e.prefix)
	if err != nil {
		return cannotRead(p.store, err)
	}
	slices.SortStableFunc(objects, func(a, b Object) int {
		rank := func(o Object) int {
			if isManifest(strings.TrimPrefix(o.Key, e.prefix)) {
				return 0
			}
			return 1
		}
		return rank(a) - rank(b)
	})
	if err := p.guard.keep(ctx); err != nil {
		return err
	}
	// Who was stopped since the guard was looked at is too late. Without its
	// manifest the rest belongs to nothing and may go at any time.
	timely, cancel := context.WithTimeout(ctx, guardFor/2)
	defer cancel()
	for i, o := range objects {
		if i > 0 {
			timely = ctx
		}
		if err := p.store.Delete(timely, o.Key); err != nil {
			return cannotWrite(p.store, err)
		}
		if i == 0 {
			p.res.Deleted = append(p.res.Deleted, model.PrunedBackup{BackupInfo: e.info, Why: p.why(e.info.ID)})
		}
	}
	return nil
}

func (p *pruner) why(id string) string {
	for _, d := range p.marks {
		for _, x := range d.Backups {
			if x.ID == id {
				return x.Why
			}
		}
	}
	return ""
}

func (p *pruner) unmark(id string) {
	for _, d := range p.marks {
		d.Backups = slices.DeleteFunc(d.Backups, func(x doomed) bool { return x.ID == id })
	}
}
