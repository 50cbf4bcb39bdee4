package mysql

import (
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"
	"time"

	"rapport/model"
)

// constraint is a reference from one table to another, by name.
type constraint struct{ name, table string }

// putInPlace exchanges tables with those that were made from their copies. At
// no moment is there a table without triggers, and none to write to only where
// there was none before.
func (r *refresher) putInPlace(work []*remake, out *model.RebuildResult) error {
	// Whoever waits for a table holds up everybody who comes after.
	r.run("SET SESSION lock_wait_timeout=30,foreign_key_checks=0")
	var cut []constraint
	for _, w := range work {
		cut = append(cut, r.cutReferences(w)...)
		if w.gone {
			cut = append(cut, ownReferences(w.entity)...)
		}
		r.place(w)
		r.announce(w, out.NewEpoch)
	}
	r.references(cut)
	if out.NewEpoch {
		// Each laptop learns by it that it may have what is not here.
		r.run("UPDATE sync_meta SET parent_epoch=epoch,fork_seq=(SELECT seq FROM sync_counter WHERE id=1),epoch=UUID() WHERE id=1")
	}
	if had := r.list("SELECT columns_hash FROM sync_meta"); len(had) > 0 {
		r.run("UPDATE sync_meta SET columns_hash=" + quote(nextFingerprint(had[0])))
	}
	for _, w := range work {
		if w.entity.Noun == "user" && r.dialect.triggers() {
			r.run("CALL sync_closure(NULL,NULL,NULL,NULL,NULL)")
		}
	}
	if r.err != nil {
		return r.err
	}
	return r.settle()
}

// cutReferences takes away the references to a table, which would follow the
// old one under its other name.
func (r *refresher) cutReferences(w *remake) []constraint {
	var cut []constraint
	if r.err != nil {
		return nil
	}
	noun := string(w.entity.Noun)
	err := r.query(r.ctx, "SELECT constraint_name,table_name FROM information_schema.referential_constraints WHERE constraint_schema=DATABASE() AND (referenced_table_name="+quote(noun)+" OR table_name="+quote(noun)+")", func(_ int, v []driver.Value) error {
		cut = append(cut, constraint{asText(v[0]), asText(v[1])})
		return nil
	})
	r.err = r.explain(err)
	for _, c := range cut {
		r.run("ALTER TABLE " + ident(c.table) + " DROP FOREIGN KEY " + ident(c.name))
	}
	return cut
}

// ownReferences are the references that a table has by the declaration.
func ownReferences(e *model.Entity) []constraint {
	var out []constraint
	for _, c := range e.Columns() {
		if c.Ref != "" {
			out = append(out, constraint{string(e.Noun) + "_" + c.Name, string(e.Noun)})
		}
	}
	return out
}

// place puts one table in its place, with its triggers.
func (r *refresher) place(w *remake) {
	x := exchanged{Table: string(w.entity.Noun), Made: w.back()}
	if !w.gone {
		x.Former = r.freeName(w.title())
		w.out.Replaced = x.Former
	}
	r.giveTriggers(x)
	if r.err == nil {
		r.err = r.lease.renew(r.ctx, true)
	}
	r.run("RENAME TABLE " + x.renameSQL())
	r.takeTriggers(x)
}

// announce tells laptops which rows are others than the table had, unless they
// compare every row anyway, and takes over what was written to the old table
// while the new one was made.
func (r *refresher) announce(w *remake, everything bool) {
	noun, table := string(w.entity.Noun), ident(string(w.entity.Noun))
	if !w.gone && !w.lacking {
		late := r.list(fmt.Sprintf("SELECT DISTINCT HEX(pk) FROM sync_feed WHERE tbl=%s AND seq>%d UNION SELECT HEX(pk) FROM sync_outbox WHERE tbl=%[1]s", quote(noun), r.head))
		r.late(w, late)
	}
	if everything {
		return
	}
	tell := "INSERT INTO sync_outbox (tbl,pk,op,scope_old,scope_new,at) SELECT " + quote(noun) + ",n.id,1,n.scope_id,n.scope_id,UTC_TIMESTAMP(6) FROM " + table + " n"
	if !w.gone && !w.lacking {
		tell += " LEFT JOIN " + ident(w.out.Replaced) + " t ON t.id=n.id LEFT JOIN " + ident(w.title()) + " r ON r.id=n.id AND r." + columnGone + " IS NULL WHERE t.id IS NULL OR r.id IS NULL OR NOT (" + w.rowHashSQL("t") + "<=>" + w.rowHashSQL("n") + ")"
	}
	r.run(tell)
}

// late writes what reached the old table while the new one was made, as any
// other program does.
func (r *refresher) late(w *remake, ids []string) {
	if r.err != nil || len(ids) == 0 {
		return
	}
	var set, names []string
	for _, c := range w.columns {
		names = append(names, c.Name)
		if c.Name != model.ColumnID {
			set = append(set, "n."+ident(c.Name)+"=t."+ident(c.Name))
		}
	}
	table, old := ident(string(w.entity.Noun)), ident(w.out.Replaced)
	for some := range slices.Chunk(ids, idChunk) {
		in := hexList(some)
		r.run("UPDATE " + table + " n JOIN " + old + " t ON t.id=n.id SET " + strings.Join(set, ",") + " WHERE n.id IN (" + in + ")")
		r.run("INSERT INTO " + table + " (" + idents(names) + ") SELECT " + idents(names) + " FROM " + old + " t WHERE t.id IN (" + in + ") AND NOT EXISTS (SELECT 1 FROM " + table + " n WHERE n.id=t.id)")
		r.run("DELETE n FROM " + table + " n LEFT JOIN " + old + " t ON t.id=n.id WHERE n.id IN (" + in + ") AND t.id IS NULL")
	}
}

// references adds the references and rules that the declaration has, where the
// rows keep to them.
func (r *refresher) references(cut []constraint) {
	if r.dialect.rules() {
		now := r.shape()
		for _, e := range model.Entities() {
			if r.err == nil {
				r.addRules(e, now)
			}
		}
		return
	}
	for _, e := range model.Entities() {
		for _, c := range e.Columns() {
			if slices.Contains(cut, constraint{string(e.Noun) + "_" + c.Name, string(e.Noun)}) {
				r.run("ALTER TABLE " + ident(string(e.Noun)) + " ADD " + foreignKey(e, c))
			}
		}
	}
}

// settle gives positions to what the rebuild announced, and brings the report
// tables up to it: they are the proof that both sides are the same again.
func (r *refresher) settle() error {
	if err := r.exec(r.ctx, "SET SESSION foreign_key_checks=1"); err != nil {
		return err
	}
	var res model.ReportsResult
	if err := r.refresh(model.ReportsRequest{Check: true}, &res); err != nil {
		return err
	}
	if len(res.Rebuilt) > 0 {
		r.say("made anew %s", strings.Join(res.Rebuilt, ", "))
	}
	r.say("compared %d rows with their copies", res.Rows)
	return nil
}

// replacedFor is how long a table that was replaced stays.
const replacedFor = 30 * 24 * time.Hour

// forgetReplaced removes tables that were replaced long ago.
func (w *sweeper) forgetReplaced() {
	for _, name := range w.tables() {
		_, day, found := strings.Cut(name, replacedMark)
		if !found || !strings.HasPrefix(name, reportPrefix) || len(day) < 8 {
			continue
		}
		at, err := time.Parse("20060102", day[:8])
		if err != nil {
			continue
		}
		if old := w.list("SELECT UTC_TIMESTAMP()>'" + at.Add(replacedFor).Format(time.DateTime) + "'"); len(old) == 1 && truth(old[0]) {
			w.run("DROP TABLE " + ident(name))
			w.say("%s is gone, which a rebuild replaced", name)
		}
	}
}
