package sqlite

import (
	"context"
	"errors"
	"slices"

	"rapport/model"
)

// elsewhere stands in the history for whoever changed a row without a name.
const elsewhere = "another program"

// errMissingOwners rolls an Apply back whose page lacks the owners of parts.
var errMissingOwners = errors.New("owners of parts are missing")

// Apply merges a page of the feed and stores the position after it in one
// transaction. Where parts have no owner here or in the page it stores nothing
// and names the owners.
func (d *DB) Apply(ctx context.Context, page *model.FeedPage, at model.Position) (model.ApplyResult, error) {
	return d.apply(ctx, page, at, func(*applier) {})
}

// Reconcile is Apply for rows that were found by comparing: those that are new
// here have no history, and what becomes of those that the server does not
// have depends on the mode.
func (d *DB) Reconcile(ctx context.Context, mode model.LoadMode, page *model.FeedPage, at model.Position) (model.ApplyResult, error) {
	return d.apply(ctx, page, at, func(a *applier) {
		a.loading, a.offer, a.discard = true, mode == model.ForkLoad, mode == model.DiscardLoad
	})
}

func (d *DB) apply(ctx context.Context, page *model.FeedPage, at model.Position, mode func(*applier)) (model.ApplyResult, error) {
	var res model.ApplyResult
	var looked map[recordKey]bool
	erased := false
	err := d.write(ctx, "apply page", func(t *Tx) error {
		a := newApplier(t)
		a.looking, a.since, a.regain, a.unsure = true, page.Since, page.Since != nil, page.Unsure
		mode(a)
		if err := a.missing(page); err != nil {
			return err
		}
		res = a.res
		if len(res.Missing) > 0 {
			return errMissingOwners
		}
		present := a.present
		for _, e := range model.Entities() {
			for _, row := range page.Rows[e.Noun] {
				present[row.ID()] = true
				if err := a.row(ctx, e, row); err != nil {
					return err
				}
			}
		}
		if err := a.gone(ctx, page, present); err != nil {
			return err
		}
		if err := t.retryWanting(a.arrived); err != nil {
			return err
		}
		res, looked, erased = a.res, t.looked, t.erased
		return t.setPosition(at)
	})
	if errors.Is(err, errMissingOwners) {
		return res, nil
	}
	if err == nil {
		d.pairUp(ctx, looked)
	}
	if err == nil && erased {
		err = d.scrub(ctx)
	}
	return res, err
}

// applier merges rows of the server into the cache within one transaction.
type applier struct {
	tx      *Tx
	res     model.ApplyResult
	loading bool // a first load writes no history of rows that are new here
	looking bool // what comes is looked for under another id
	offer   bool // a fork: rows that the server does not have are offered again
	discard bool // a fork: what the server lost is given up instead
	regain  bool // and so is what it lost of those that it has
	unsure  bool // the feed has yet to tell what became of rows that do not come
	since   map[model.ID][]model.RowChange
	goneIDs map[model.ID]bool
	present map[model.ID]bool  // rows that the page brings
	arrived map[model.ID]bool  // those of them that were not here, or had left
	lost    map[model.ID]bool  // what the server lost, as opposed to what was removed there
	erased  map[recordKey]bool // the ledger of erasures, nil while not read
}

func newApplier(t *Tx) *applier {
	return &applier{tx: t, goneIDs: map[model.ID]bool{}, present: map[model.ID]bool{}, arrived: map[model.ID]bool{},
		res: model.ApplyResult{Records: map[model.ID]bool{}, Missing: map[model.Noun][]model.ID{}, Suspect: map[model.Noun][]model.ID{}}}
}

// missing finds the owners of parts that are neither here nor in the page.
func (a *applier) missing(page *model.FeedPage) error {
	here := map[model.ID]bool{}
	for _, rows := range page.Rows {
		for _, row := range rows {
			here[row.ID()] = true
		}
	}
	for noun, rows := range page.Rows {
		e := model.EntityOf(noun)
		for _, row := range rows {
			n, id, ok := row.OwnerOf(e)
			if !ok || here[id] {
				continue
			}
			here[id] = true
			owner, err := a.tx.row(model.EntityOf(n), id)
			if err != nil {
				return err
			}
			if owner == nil {
				a.res.Missing[n] = append(a.res.Missing[n], id)
			}
		}
	}
	return nil
}

// row merges one row of the server.
func (a *applier) row(ctx context.Context, e *model.Entity, theirs model.Row) error {
	t, id := a.tx, theirs.ID()
	if e == erasureEntity {
		if err := a.erasure(theirs); err != nil {
			return err
		}
	} else if erased, err := a.wasErased(e, theirs); err != nil || erased {
		return err
	}
	local, err := t.row(e, id)
	if err != nil {
		return err
	}
	if local == nil {
		a.arrived[id] = true
		theirs = theirs.Complete(e, nil)
		a.changed(e, theirs)
		if a.looking {
			t.look(e, nil, theirs)
		}
		if err := t.put(e, theirs); err != nil || a.loading {
			return err
		}
		return a.came(e, nil, theirs)
	}
	base, pending, err := t.base(e, id)
	if err != nil {
		return err
	}
	known := local // as the server was last heard to have it
	if pending {
		known = base
	}
	theirs = theirs.Complete(e, known)
	if known != nil && a.discard {
		if done, err := a.giveUp(ctx, e, known, local, theirs); done || err != nil {
			return err
		}
	} else if known != nil && a.regain {
		if from, lost := model.LostBase(e, known, theirs, a.since[id]); lost {
			// What the server lost is offered, with the edit if there is one.
			base, pending = from, true
		}
	}
	if pending {
		left, err := t.isLeft(e, id)
		if err != nil {
			return err
		}
		if left {
			a.arrived[id] = true
		}
		if err := t.back(e, id); err != nil {
			return err
		}
		return a.merge(ctx, e, base, local, theirs)
	}
	if model.SameData(e, local, theirs) {
		return a.adopt(e, local, theirs)
	}
	a.changed(e, theirs)
	if err := a.stayBehind(e, local, theirs); err != nil {
		return err
	}
	if err := t.put(e, theirs); err != nil {
		return err
	}
	return a.came(e, local, theirs)
}

// came remembers what somebody else did, looks whether it is here already under
// another id, and brings back what it needs.
func (a *applier) came(e *model.Entity, old, theirs model.Row) error {
	if err := a.remember(e, old, theirs); err != nil {
		return err
	}
	if a.looking && old != nil {
		a.tx.look(e, old, theirs)
	}
	if deleted(e, old) && !deleted(e, theirs) {
		if err := a.tx.reopenDuplicates(theirs.ID()); err != nil {
			return err
		}
		if err := a.tx.retryReferences(); err != nil {
			return err
		}
	}
	return a.needed(e, old, theirs)
}

// adopt takes over the service columns of a row whose data is the same, such
// as the echo of one's own change.
func (a *applier) adopt(e *model.Entity, local, theirs model.Row) error {
	for i, c := range e.Columns() {
		if local[i] != theirs[i] && c.Name != model.ColumnVersion {
			return a.tx.put(e, theirs)
		}
	}
	if versionOf(e, local) == versionOf(e, theirs) {
		return nil
	}
	return a.tx.setVersion(e, theirs.ID(), versionOf(e, theirs))
}

// merge joins an unsent edit with the server's row.
func (a *applier) merge(ctx context.Context, e *model.Entity, base, local, theirs model.Row) error {
	t, id := a.tx, theirs.ID()
	t.beginAct()
	if base == nil && stranger(e, local, theirs) {
		if err := t.rekey(ctx, e, local); err != nil {
			return err
		}
		a.changed(e, theirs)
		if err := t.put(e, theirs); err != nil {
			return err
		}
		return a.remember(e, nil, theirs)
	}
	open, err := openConflicts(ctx, t, "tbl = ? AND row_id = ?", string(e.Noun), id.Bytes())
	if err != nil {
		return err
	}
	known := a.known(e, base, open)
	waiting := map[string]bool{}
	for _, c := range open {
		waiting[c.field] = true
	}
	m := model.MergeWaiting(e, base, asMine(e, local, open), theirs, waiting)
	if !model.SameData(e, local, m.Row) {
		a.changed(e, m.Row)
	}
	if err := t.put(e, m.Row); err != nil {
		return err
	}
	if err := t.setBase(e, id, m.Base, !model.SameData(e, m.Row, m.Base)); err != nil {
		return err
	}
	opened, err := t.holdConflicts(ctx, e, m.Conflicts, m.Row, theirs)
	if err != nil {
		return err
	}
	a.res.Conflicts += opened
	if base != nil && !model.SameData(e, known, theirs) {
		if err := a.remember(e, known, theirs); err != nil {
			return err
		}
		if err := a.needed(e, known, theirs); err != nil {
			return err
		}
	}
	for _, lost := range m.Overruled {
		note := "two people changed this; the later arrival stands, the other value is kept here"
		if err := a.note(e, m.Row, "merge", note, lost); err != nil {
			return err
		}
	}
	for _, c := range m.Joined {
		note := "two people changed this text; their lines were joined"
		if m.Clashing {
			note = "two people changed the same lines; both are kept, each under a line that says whose it is"
		}
		if err := a.note(e, m.Row, "merge", note, c); err != nil {
			return err
		}
	}
	if m.Revived {
		return a.note(e, m.Row, "merge", noteRevived, revived(m.DeletedAt))
	}
	return nil
}

// asMine is a row as the person made it: where a restriction holds while the
// two sides differ about it, their own choice stands in the conflict.
func asMine(e *model.Entity, local model.Row, open []conflictRow) model.Row {
	out := local
	for _, c := range open {
		if f := e.Field(c.field); f.Type == model.Bool {
			out = slices.Clone(out)
			model.SetFieldValue(e, f, out, c.value(c.mine))
		}
	}
	return out
}

// known returns what of a row's base the server is known to have now. A field
// that waits for a person keeps its old base, while the server's value of it
// stands in the conflict: it is in the history already.
func (a *applier) known(e *model.Entity, base model.Row, open []conflictRow) model.Row {
	if base == nil || len(open) == 0 {
		return base
	}
	out := slices.Clone(base)
	for _, c := range open {
		model.SetFieldValue(e, e.Field(c.field), out, c.value(c.theirs))
	}
	return out
}

// gone takes out what the feed says is gone. A row that the page brings, or
// that another entry of the page brings back, is not gone.
func (a *applier) gone(ctx context.Context, page *model.FeedPage, present map[model.ID]bool) error {
	done := map[model.ID]bool{}
	for _, entry := range page.Entries {
		if !present[entry.ID] {
			a.goneIDs[entry.ID] = true
		}
	}
	if a.offer || a.discard {
		if err := a.findLost(page); err != nil {
			return err
		}
	}
	entities := model.Entities()
	for i := len(entities) - 1; i >= 0; i-- { // parts before their owners
		for _, entry := range page.Entries {
			if entry.Table != entities[i].Noun || present[entry.ID] || done[entry.ID] {
				continue
			}
			done[entry.ID] = true
			take := a.takeOut
			if a.offer && a.lost[entry.ID] {
				take = a.offerAgain
			} else if a.offer || a.discard {
				entry.Op = model.FeedDelete
			}
			if err := take(ctx, entities[i], entry); err != nil {
				return err
			}
		}
	}
	return nil
}

// takeOut handles a row that the server does not have any more, or does not
// show: see leave. A row with unsent edits, or with something unsent that belongs to it or
// points to it anew, stays and is sent as a new one; else the last state goes
// to the bin.
func (a *applier) takeOut(ctx context.Context, e *model.Entity, entry model.FeedEntry) error {
	t := a.tx
	local, err := t.row(e, entry.ID)
	if err != nil || local == nil {
		return err
	}
	if entry.Op == model.FeedLeave {
		return a.leave(ctx, e, entry.ID)
	}
	if err := t.back(e, entry.ID); err != nil {
		return err
	}
	base, pending, err := t.base(e, entry.ID)
	if err != nil {
		return err
	}
	if err := t.dropConflicts(ctx, e, entry.ID); err != nil {
		return err
	}
	ownerGone, ownerNew, err := a.ownerOf(e, local)
	if err != nil {
		return err
	}
	binned, err := a.binned(e, local)
	if err != nil {
		return err
	}
	wanted := !binned && (ownerNew || pending && (base == nil || model.Edited(e, base, local)))
	if !wanted && !binned && entry.Op == model.FeedDelete {
		if wanted, err = t.wantedHere(ctx, e, entry.ID); err != nil {
			return err
		}
	}
	if wanted {
		t.beginAct()
		if err := t.retryReferences(); err != nil {
			return err
		}
		if err := t.setVersion(e, entry.ID, 0); err != nil {
			return err
		}
		if err := t.setBase(e, entry.ID, nil, true); err != nil {
			return err
		}
		if err := t.offerParts(e, entry.ID); err != nil {
			return err
		}
		if err := a.suspect(ctx, e, entry.ID); err != nil {
			return err
		}
		return a.note(e, local, "merge", noteResent)
	}
	if binned {
		if err := a.unsaid(e, base, local); err != nil {
			return err
		}
	}
	if err := t.setBase(e, entry.ID, nil, false); err != nil {
		return err
	}
	if err := a.suspect(ctx, e, entry.ID); err != nil {
		return err
	}
	row := slices.Clone(local)
	row.Set(e, model.ColumnVersion, int64(0))
	if ownerGone {
		return t.put(e, row) // it lies in the bin with its record and comes back with it
	}
	if row.Get(e, model.ColumnDeletedAt) == nil {
		row.Set(e, model.ColumnDeletedAt, t.now.UnixMilli())
		row.Set(e, model.ColumnUpdatedBy, nil)
		a.changed(e, row)
		if a.discard && a.lost[entry.ID] {
			err = a.noteGivenUp(e, row, "delete", model.Changes(e, local, row))
		} else {
			err = a.remember(e, local, row)
		}
		if err != nil {
			return err
		}
	}
	return t.put(e, row)
}

// ownerOf tells of a part whether its record is gone from the server, and
// whether it is one that is offered to the server again.
func (a *applier) ownerOf(e *model.Entity, part model.Row) (gone, offered bool, err error) {
	n, id, ok := part.OwnerOf(e)
	if !ok {
		return false, false, nil
	}
	oe := model.EntityOf(n)
	owner, err := a.tx.row(oe, id)
	if err != nil || owner == nil {
		return false, false, err
	}
	if a.goneIDs[id] {
		return true, false, nil
	}
	if versionOf(oe, owner) != 0 {
		return false, false, nil
	}
	base, pending, err := a.tx.base(oe, id)
	return deleted(oe, owner), !deleted(oe, owner) && pending && base == nil, err
}

// offerParts makes the parts of a record that the server does not have new
// again, because the record itself is.
func (t *Tx) offerParts(e *model.Entity, id model.ID) error {
	return t.binnedParts(e, id, func(part *model.Entity, id model.ID) error { return t.setBase(part, id, nil, true) })
}

// binnedParts calls fn for each part that lies in the bin with a record that
// the server does not have.
func (t *Tx) binnedParts(e *model.Entity, id model.ID, fn func(*model.Entity, model.ID) error) error {
	for _, part := range model.Entities() {
		if !slices.Contains(part.Owner, e.Noun) {
			continue
		}
		table := quote(string(part.Noun))
		ids, err := t.ids("SELECT id FROM "+table+" AS p WHERE "+ownerColumn(e)+" = ? AND row_version = 0 AND deleted_at IS NULL"+
			" AND NOT EXISTS (SELECT 1 FROM sync_base WHERE tbl = ? AND sync_base.id = p.id)", id.Bytes(), string(part.Noun))
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := fn(part, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// stayBehind leaves in the bin the parts of a record that somebody else brought
// back: those that the server has come with it.
func (a *applier) stayBehind(e *model.Entity, local, theirs model.Row) error {
	if versionOf(e, local) != 0 || !deleted(e, local) || deleted(e, theirs) {
		return nil
	}
	return a.tx.binnedParts(e, theirs.ID(), func(part *model.Entity, id model.ID) error {
		old, err := a.tx.row(part, id)
		if err != nil {
			return err
		}
		row := slices.Clone(old)
		row.Set(part, model.ColumnDeletedAt, a.tx.now.UnixMilli())
		row.Set(part, model.ColumnUpdatedBy, nil)
		if err := a.remember(part, old, row); err != nil {
			return err
		}
		return a.tx.put(part, row)
	})
}

// ids reads one column of ids.
func (t *Tx) ids(query string, args ...any) ([]model.ID, error) {
	rows, err := t.query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []model.ID
	for rows.Next() {
		var id []byte
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		out = append(out, model.IDFromBytes(id))
	}
	return out, rows.Err()
}

// changed counts the record that a row is or belongs to.
func (a *applier) changed(e *model.Entity, row model.Row) {
	if _, id, ok := row.OwnerOf(e); ok {
		a.res.Records[id] = true
		return
	}
	a.res.Records[row.ID()] = true
}

// remember writes a change that came from the server into the history.
func (a *applier) remember(e *model.Entity, old, row model.Row) error {
	k := recordOf(e, row)
	r := revision{Action: "edit", Noun: k.noun, Record: k.id, Entity: e, Row: row.ID(), Changes: model.Changes(e, old, row), Foreign: true}
	r.By, _ = row.Get(e, model.ColumnUpdatedBy).(string)
	r.At, _ = row.Get(e, model.ColumnUpdatedAt).(int64)
	switch was, is := deleted(e, old), deleted(e, row); {
	case old == nil:
		r.Action = "add"
		if by, ok := row.Get(e, model.ColumnCreatedBy).(string); ok {
			r.By = by
		}
		if at, ok := row.Get(e, model.ColumnCreatedAt).(int64); ok {
			r.At = at
		}
	case is && !was:
		r.Action = "delete"
	case was && !is:
		r.Action = "restore"
	}
	if r.By == "" {
		r.By = elsewhere
	}
	return a.tx.log(r)
}

// note writes what the program decided by itself into the history.
func (a *applier) note(e *model.Entity, row model.Row, action, note string, changes ...model.FieldChange) error {
	k := recordOf(e, row)
	return a.tx.log(revision{Action: action, Noun: k.noun, Record: k.id, Entity: e, Row: row.ID(), Changes: changes, Note: note})
}

func deleted(e *model.Entity, row model.Row) bool {
	return row != nil && row.Get(e, model.ColumnDeletedAt) != nil
}

func versionOf(e *model.Entity, row model.Row) int64 {
	n, _ := row.Get(e, model.ColumnVersion).(int64)
	return n
}
