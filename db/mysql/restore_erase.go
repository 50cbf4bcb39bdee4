package mysql

import (
	"context"
	"slices"

	"rapport/model"
)

// Forget takes erased records out of the loaded tables, with their parts and
// their history: those of a list, and those that the ledger among the tables
// names. What else refers to them refers to nothing.
func (l *Loaded) Forget(ctx context.Context, list []model.Erased) error {
	gone := map[model.Noun][]string{}
	for _, x := range list {
		gone[x.Noun] = append(gone[x.Noun], hexOf(x.ID))
	}
	if ledger := l.Name(erasureTable); ledger != "" {
		for _, noun := range model.Erasable {
			known, err := l.Lines(ctx, "SELECT REPLACE(target,'-','') FROM "+ident(ledger)+" WHERE noun="+quote(string(noun))+" AND deleted_at IS NULL")
			if err != nil {
				return err
			}
			for _, id := range known {
				if len(id) == 32 && hexOnly(id) == id {
					gone[noun] = append(gone[noun], id)
				}
			}
		}
	}
	for _, noun := range model.Erasable {
		for ids := range slices.Chunk(gone[noun], idChunk) {
			if err := l.forget(ctx, noun, ids); err != nil {
				return err
			}
		}
	}
	return nil
}

func hexOf(id model.ID) string { return hexBytes(id.Bytes())[2:34] }

// forget takes rows of a table out with everything that is theirs.
func (l *Loaded) forget(ctx context.Context, noun model.Noun, ids []string) error {
	in := " IN (" + hexList(ids) + ")"
	remove := func(table, where string) error {
		made := l.Name(table)
		if made == "" {
			return nil
		}
		if audit := l.Name("sync_audit"); audit != "" {
			if err := l.Run(ctx, "DELETE FROM "+ident(audit)+" WHERE tbl="+quote(table)+" AND pk IN (SELECT id FROM "+ident(made)+" WHERE "+where+")"); err != nil {
				return err
			}
		}
		return l.Run(ctx, "DELETE FROM "+ident(made)+" WHERE "+where)
	}
	if audit := l.Name("sync_audit"); audit != "" {
		if err := l.Run(ctx, "DELETE FROM "+ident(audit)+" WHERE tbl="+quote(string(noun))+" AND pk"+in); err != nil {
			return err
		}
	}
	for _, e := range model.Entities() {
		for _, c := range e.Columns() {
			made := l.Name(string(e.Noun))
			if c.Ref != noun || made == "" {
				continue
			}
			col := ident(c.Name)
			var err error
			if c.Owner || e.IsPart() {
				err = remove(string(e.Noun), col+in)
			} else {
				err = l.Run(ctx, "UPDATE "+ident(made)+" SET "+col+"=NULL WHERE "+col+in)
			}
			if err != nil {
				return err
			}
		}
	}
	return remove(string(noun), "id"+in)
}
