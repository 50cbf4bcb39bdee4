package backup

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"rapport/model"
)

const (
	pageRecords = 50   // of a page for which nobody says how many
	mostRecords = 1000 // of any page
	// lookAt is how many rows are compared with the cache at a time.
	lookAt = 200
	// mostOwners is how many records are held whose phone or mail fits a
	// search.
	mostOwners = 2000
)

// ListArchive returns a page of the records of a backup, in the order of their
// ids. It reads the backup as a stream: memory depends on the page alone.
func (b *Backuper) ListArchive(ctx context.Context, q model.ArchiveQuery) (model.ArchivePage, error) {
	var out model.ArchivePage
	e, err := recordEntity(q.Noun)
	if err != nil {
		return out, err
	}
	a, err := b.openArchive(ctx, q.ArchiveRequest, false, nil)
	if err != nil {
		return out, err
	}
	out.Backup, out.Items = a.info, []model.ArchivedRecord{}
	q.Limit = min(cmp.Or(max(0, q.Limit), pageRecords), mostRecords)
	l := &archivePage{a: a, e: e, q: q, words: strings.Fields(model.Fold(q.Search))}
	if err := l.read(ctx); err != nil {
		return out, err
	}
	out.Items, out.Next = l.items, l.next
	return out, l.nameless(ctx)
}

// archivePage is a page that is being read.
type archivePage struct {
	a     *archive
	e     *model.Entity
	q     model.ArchiveQuery
	words []string // of the search
	// owners are records after q.After of which a phone or a mail fits. There
	// may be more of them after until, if that is not "".
	owners map[model.ID]bool
	until  model.ID

	rows  []model.Row // that wait to be compared with the cache
	items []model.ArchivedRecord
	next  model.ID
}

func (l *archivePage) read(ctx context.Context) error {
	if len(l.words) > 0 {
		if err := l.findOwners(ctx); err != nil {
			return err
		}
	}
	err := l.a.each(ctx, l.e, func(row model.Row) error {
		id := row.ID()
		if l.until != "" && id > l.until {
			if err := l.look(ctx); err != nil {
				return err
			}
			l.next = cmp.Or(l.next, l.until)
			return errEnough
		}
		if id <= l.q.After || isDeleted(l.e, row) || !l.fits(row) {
			return nil
		}
		if l.rows = append(l.rows, row); len(l.rows) < min(lookAt, l.q.Limit+1) {
			return nil
		}
		return l.look(ctx)
	})
	if err != nil || l.next != "" {
		return err
	}
	if err = l.look(ctx); err == errEnough {
		return nil
	}
	return err
}

// look compares the rows at hand with the cache and adds them to the page. It
// returns errEnough when the page is full.
func (l *archivePage) look(ctx context.Context) error {
	rows := l.rows
	l.rows = nil
	standings, err := l.a.db.Standings(ctx, l.e, rows, l.a.info.At)
	if err != nil {
		return err
	}
	for _, row := range rows {
		id := row.ID()
		standing := standings[id]
		if standing == model.StandingSame && l.q.Different {
			continue
		}
		if standing == model.StandingGone {
			if erased, err := l.a.wasErased(ctx, l.e.Noun, id); err != nil {
				return err
			} else if erased {
				continue
			}
		}
		if len(l.items) == l.q.Limit {
			l.next = l.items[len(l.items)-1].Record.ID
			return errEnough
		}
		l.items = append(l.items, model.ArchivedRecord{Record: model.RecordOf(l.e, row.Complete(l.e, nil)), Standing: standing})
	}
	return nil
}

// fits tells whether a row, or one of its phones and mails, holds every word of
// the search.
func (l *archivePage) fits(row model.Row) bool {
	if len(l.words) == 0 || l.owners[row.ID()] {
		return true
	}
	var texts []string
	for i := range l.e.Fields {
		f := &l.e.Fields[i]
		if f.Search == model.SearchName || f.Search == model.SearchMail {
			if s, ok := model.FieldValue(l.e, f, row).(string); ok {
				texts = append(texts, s)
			}
		}
	}
	text := model.Fold(strings.Join(texts, " "))
	return !slices.ContainsFunc(l.words, func(w string) bool { return !strings.Contains(text, w) })
}

// findOwners finds the records of which a phone or a mail holds the search, the
// first ones after the page before.
func (l *archivePage) findOwners(ctx context.Context) error {
	l.owners = map[model.ID]bool{}
	// A number is found with and without the code of its country.
	whole, digits := strings.Join(l.words, " "), strings.TrimLeft(digitsOf(l.q.Search), "0")
	for _, pe := range l.a.partEntities(l.e) {
		f := reached(pe)
		if f == nil {
			continue
		}
		err := l.a.each(ctx, pe, func(row model.Row) error {
			n, owner, ok := row.OwnerOf(pe)
			if !ok || n != l.e.Noun || owner <= l.q.After || l.until != "" && owner > l.until || isDeleted(pe, row) {
				return nil
			}
			s, _ := model.FieldValue(pe, f, row).(string)
			if !strings.Contains(model.Fold(s), whole) && (len(digits) < 4 || !strings.Contains(digitsOf(s), digits)) {
				return nil
			}
			l.owners[owner] = true
			l.bound()
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// bound keeps the smaller half of the owners when they are too many.
func (l *archivePage) bound() {
	if len(l.owners) <= mostOwners {
		return
	}
	ids := make([]model.ID, 0, len(l.owners))
	for id := range l.owners {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	l.until = ids[len(ids)/2]
	for _, id := range ids[len(ids)/2+1:] {
		delete(l.owners, id)
	}
}

// reached is the field of a part by which a person is reached, nil if it has
// none.
func reached(pe *model.Entity) *model.Field {
	for i := range pe.Fields {
		if f := &pe.Fields[i]; f.Search == model.SearchPhone || f.Search == model.SearchMail {
			return f
		}
	}
	return nil
}

func digitsOf(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// nameless gives records their parts that have no name but by these.
func (l *archivePage) nameless(ctx context.Context) error {
	of := map[model.ID]bool{}
	for _, it := range l.items {
		if l.e.Name != nil && strings.TrimSpace(l.e.Name(it.Record)) == "" {
			of[it.Record.ID] = true
		}
	}
	if len(of) == 0 {
		return nil
	}
	parts, err := l.a.parts(ctx, l.e, of)
	if err != nil {
		return err
	}
	for _, it := range l.items {
		for _, p := range parts[it.Record.ID] {
			part := model.RecordOf(p.Entity, p.Row.Complete(p.Entity, nil))
			for _, f := range l.e.Lists() {
				if !isDeleted(p.Entity, p.Row) && model.BelongsTo(f, part) {
					it.Record.Values[f.Name] = append(it.Record.List(f.Name), part)
				}
			}
		}
	}
	return nil
}
