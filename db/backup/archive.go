package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"rapport/db/sqlite"
	"rapport/model"
)

// archive is a backup that is looked into, with the cache of today beside it.
type archive struct {
	*chain
	state  *centralState // of a moment between two backups; nil for the end of one
	info   model.BackupInfo
	db     *sqlite.DB
	erased map[model.Target]bool // by the ledger beside the backups
}

// errEnough ends a reading that has found what it looks for.
var errEnough = errors.New("enough")

// openArchive opens the backup, or the moment, that a request names. Where it
// must be sound, the newest is the newest that was verified.
func (b *Backuper) openArchive(ctx context.Context, req model.ArchiveRequest, sound bool, n model.Notify) (*archive, error) {
	s, err := b.store(&req.BackupRequest)
	if err != nil {
		return nil, err
	}
	k, err := readKeys(req.Identity)
	if err != nil {
		return nil, err
	}
	list, err := entries(ctx, s, b.pins())
	if err != nil {
		return nil, err
	}
	a := &archive{db: b.o.DB(), erased: map[model.Target]bool{}}
	ledger, err := readErasures(ctx, s)
	if err != nil {
		return nil, err
	}
	for _, x := range ledger {
		a.erased[model.Target{Noun: x.Noun, ID: x.ID}] = true
	}
	if !req.At.IsZero() || req.Position != 0 {
		return a, a.openMoment(ctx, b, s, k, list, req, n)
	}
	if req.Source != "" && (req.ID == "" || req.ID == "latest") {
		list = slices.DeleteFunc(list, func(e entry) bool { return e.info.Source != req.Source })
	}
	end, err := pick(s, list, req.ID, sound)
	if err != nil {
		return nil, err
	}
	a.info = end.info
	a.chain, err = openChain(ctx, s, k, list, end)
	return a, err
}

// openMoment opens a moment of a central.
func (a *archive) openMoment(ctx context.Context, b *Backuper, s Store, k keys, list []entry, req model.ArchiveRequest, n model.Notify) error {
	r := &centralRestore{b: b, store: s, keys: k, req: model.RestoreRequest{BackupRequest: req.BackupRequest, At: req.At, Position: req.Position}}
	if err := r.choose(ctx, slices.DeleteFunc(list, func(e entry) bool { return e.info.Source != model.SourceCentral }), n); err != nil {
		return err
	}
	a.chain, a.state = r.state.base, r.state
	a.info = a.chain.links[len(a.chain.links)-1].info
	a.info.At, a.info.Position = r.state.at, r.state.position
	return nil
}

// read passes the rows of a table of the backup or the moment.
func (a *archive) read(ctx context.Context, table string, row func(values []any) error) error {
	if a.state != nil {
		return a.state.Rows(ctx, table, row)
	}
	return a.rows(ctx, table, row)
}

// wasErased tells whether a record was erased for good since.
func (a *archive) wasErased(ctx context.Context, n model.Noun, id model.ID) (bool, error) {
	if a.erased[model.Target{Noun: n, ID: id}] {
		return true, nil
	}
	return a.db.WasErased(ctx, n, id)
}

// recordEntity returns the entity of records that a person may ask for.
func recordEntity(n model.Noun) (*model.Entity, error) {
	e := model.EntityOf(n)
	if e == nil || e.IsPart() || e.Inner {
		return nil, model.Errorf(model.Invalid, "there is no noun %q", n).WithHint("name one as: contact, organization, deal, activity, product, pipeline, tag, user")
	}
	return e, nil
}

// each passes the rows of a declared table in the order of their ids. A table
// that the backup does not have is empty: it was made before there was one.
func (a *archive) each(ctx context.Context, e *model.Entity, row func(model.Row) error) error {
	te := a.table(string(e.Noun))
	if te == nil {
		return nil
	}
	rd := newRowReader(e, te)
	err := a.read(ctx, te.Name, func(values []any) error { return row(rd.row(values)) })
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// partEntities returns the entities whose rows belong to records of one, as far
// as the backup has them.
func (a *archive) partEntities(e *model.Entity) []*model.Entity {
	var out []*model.Entity
	for _, pe := range model.Entities() {
		if slices.Contains(pe.Owner, e.Noun) && a.table(string(pe.Noun)) != nil {
			out = append(out, pe)
		}
	}
	return out
}

// parts collects the parts of some records.
func (a *archive) parts(ctx context.Context, e *model.Entity, of map[model.ID]bool) (map[model.ID][]sqlite.PartRow, error) {
	out := map[model.ID][]sqlite.PartRow{}
	for _, pe := range a.partEntities(e) {
		err := a.each(ctx, pe, func(row model.Row) error {
			if n, owner, ok := row.OwnerOf(pe); ok && n == e.Noun && of[owner] {
				out[owner] = append(out[owner], sqlite.PartRow{Entity: pe, Row: row})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// mostNamed is how many records are named where a word fits several.
const mostNamed = 5

// find returns the row of the record that a person names by id, by eight or
// more characters of its beginning or end, or by its whole name.
func (a *archive) find(ctx context.Context, e *model.Entity, ref model.Ref) (model.Row, error) {
	word := ref.Name
	if ref.ID != "" {
		word = string(ref.ID)
	}
	id, whole := model.ParseID(word)
	short, name := strings.ToLower(strings.TrimSpace(word)), model.Fold(word)
	var byID, byName []model.Row
	err := a.each(ctx, e, func(row model.Row) error {
		has := string(row.ID())
		switch {
		case whole && row.ID() == id:
			byID = append(byID, row)
			return errEnough
		case whole:
		case len(short) >= 8 && (strings.HasPrefix(has, short) || strings.HasSuffix(has, short)):
			byID = append(byID, row)
		case len(byName) <= mostNamed && !isDeleted(e, row) && model.Fold(model.RecordOf(e, row).Title()) == name:
			byName = append(byName, row)
		}
		if len(byID) > mostNamed {
			return errEnough
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	found := byID
	if len(found) == 0 {
		found = byName
	}
	switch {
	case len(found) == 0:
		return nil, model.Errorf(model.NotFound, "there is no %s %q in the backup %s", e.Noun, word, model.ID(a.info.ID).Short()).
			WithHint("rapport backup show %s --noun %s --search … looks for it", model.ID(a.info.ID).Short(), e.Noun)
	case len(found) > 1:
		names := make([]string, 0, mostNamed)
		for _, row := range found[:min(len(found), mostNamed)] {
			names = append(names, string(row.ID()))
		}
		return nil, model.Errorf(model.Ambiguous, "%q fits %d %s of the backup", word, len(found), e.Plural).WithHint("write one of %s", strings.Join(names, ", "))
	}
	if erased, err := a.wasErased(ctx, e.Noun, found[0].ID()); err != nil || erased {
		if err == nil {
			err = model.Errorf(model.NotFound, "this %s was erased for good since", e.Noun)
		}
		return nil, err
	}
	return found[0], nil
}

func isDeleted(e *model.Entity, row model.Row) bool {
	v := row.Get(e, model.ColumnDeletedAt)
	return v != nil && v != model.Absent
}

// record makes a whole record of a row.
func (a *archive) record(ctx context.Context, e *model.Entity, row model.Row) (*model.Record, error) {
	parts, err := a.parts(ctx, e, map[model.ID]bool{row.ID(): true})
	if err != nil {
		return nil, err
	}
	r, err := a.db.Assemble(ctx, e, row, parts[row.ID()])
	if err != nil {
		return nil, err
	}
	return r, a.nameLinks(ctx, r)
}

// nameLinks gives the links their names of then that the cache has none for.
func (a *archive) nameLinks(ctx context.Context, r *model.Record) error {
	names := map[model.Noun]map[model.ID]string{}
	eachLink(r, func(ref model.Ref) model.Ref {
		if ref.Name == "" {
			if names[ref.Noun] == nil {
				names[ref.Noun] = map[model.ID]string{}
			}
			names[ref.Noun][ref.ID] = ""
		}
		return ref
	})
	for n, wanted := range names {
		e := model.EntityOf(n)
		left := len(wanted)
		err := a.each(ctx, e, func(row model.Row) error {
			if _, ok := wanted[row.ID()]; !ok {
				return nil
			}
			wanted[row.ID()] = model.RecordOf(e, row.Complete(e, nil)).Title()
			if left--; left == 0 {
				return errEnough
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	eachLink(r, func(ref model.Ref) model.Ref {
		if ref.Name == "" {
			ref.Name = names[ref.Noun][ref.ID]
		}
		return ref
	})
	return nil
}

// eachLink replaces each link of a record and its parts.
func eachLink(r *model.Record, fn func(model.Ref) model.Ref) {
	for k, v := range r.Values {
		switch x := v.(type) {
		case model.Ref:
			if x.ID != "" {
				r.Values[k] = fn(x)
			}
		case []*model.Record:
			for _, part := range x {
				eachLink(part, fn)
			}
		}
	}
}

// Compare sets one record of a backup against today's.
func (b *Backuper) Compare(ctx context.Context, req model.ArchiveRequest, ref model.Ref) (model.Comparison, error) {
	var out model.Comparison
	e, err := recordEntity(ref.Noun)
	if err != nil {
		return out, err
	}
	a, err := b.openArchive(ctx, req, false, nil)
	if err != nil {
		return out, err
	}
	out.Backup = a.info
	row, err := a.find(ctx, e, ref)
	if err != nil {
		return out, err
	}
	if out.Record, err = a.record(ctx, e, row); err != nil {
		return out, err
	}
	out.Today, err = a.db.Get(ctx, e.Noun, row.ID())
	if model.KindOf(err) == model.NotFound {
		out.Today, out.Standing = nil, model.StandingGone
		return out, nil
	}
	if err != nil {
		return out, err
	}
	out.Differences = model.Differences(out.Record, out.Today)
	switch {
	case !out.Today.DeletedAt.IsZero() && out.Record.DeletedAt.IsZero():
		out.Standing = model.StandingBin
	case len(out.Differences) > 0:
		out.Standing = model.StandingChanged
	default:
		out.Standing = model.StandingSame
	}
	return out, nil
}

// noteOf is what the history says of records that came back.
func (a *archive) noteOf() string {
	return fmt.Sprintf("from the backup %s of %s UTC", model.ID(a.info.ID).Short(), a.info.At.UTC().Format("2006-01-02 15:04"))
}
