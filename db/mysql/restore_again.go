package mysql

import (
	"fmt"
	"slices"
	"strings"

	"rapport/model"
)

// The undoing of a restore changes the tables that come back before they are in
// their places. Where it ends before that, people go on with the restored central,
// and what was changed has to be as it was: the next undoing merges anew, with
// what was entered until then. So every row is noted before it is changed, in
// tables beside the one that it is of.

// asItWas is the table of the rows of one that comes back as they were.
func asItWas(made string) string { return shorten(made, "_was"+restoreSuffix) }

// notInIt is the table of the ids that one that comes back did not have.
func notInIt(made string) string { return shorten(made, "_new"+restoreSuffix) }

// atOnce runs statements as one transaction.
func (b *builder) atOnce(q ...string) {
	if b.err == nil {
		b.err = b.explain(b.atomically(b.ctx, func() error { return b.exec(b.ctx, strings.Join(q, ";")) }))
	}
}

// remember notes rows of a table before they are changed, removed or put there.
// ids is a query for their ids, each of them once. Where a restore is not undone
// that is of no use: nobody misses the tables which a backup was loaded into.
func (r *restorer) remember(table, ids string) {
	if r.err != nil || r.entry.Undoes == 0 {
		return
	}
	made := r.now(table)
	was, fresh := ident(asItWas(made)), ident(notInIt(made))
	if r.noted[table] == nil {
		columns := r.writable(made)
		r.run("CREATE TABLE " + was + " LIKE " + ident(made))
		r.run("CREATE TABLE " + fresh + " (id BINARY(16) NOT NULL PRIMARY KEY)" + tableOptions + quote("Rows that the undoing of a restore adds to "+table))
		if r.err != nil {
			return
		}
		r.noted[table] = columns
	}
	find := " FROM (" + ids + ") i LEFT JOIN " + ident(made) + " m ON m.id=i.id LEFT JOIN " + was + " w ON w.id=i.id LEFT JOIN " + fresh + " f ON f.id=i.id WHERE w.id IS NULL AND f.id IS NULL AND m.id IS "
	r.atOnce("INSERT INTO "+fresh+" (id) SELECT i.id"+find+"NULL",
		"INSERT INTO "+was+" ("+idents(r.noted[table])+") SELECT m."+strings.Join(quoted(r.noted[table]), ",m.")+find+"NOT NULL")
}

func quoted(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = ident(n)
	}
	return out
}

// writable lists the columns of a table that somebody fills.
func (b *builder) writable(table string) []string {
	return b.list("SELECT column_name FROM information_schema.columns WHERE table_schema=DATABASE() AND COALESCE(generation_expression,'')='' AND table_name=" + quote(table))
}

// putBack makes the tables that were to come back what they were before an
// undoing that ended too early. It may be run again.
func (r *restorer) putBack() {
	if r.entry.Undoes == 0 {
		return
	}
	have, there := r.tables(), r.columns()
	for _, x := range r.entry.Tables {
		was, fresh := asItWas(x.Made), notInIt(x.Made)
		// Nothing was changed before both were made, and they go when all is back.
		if slices.Contains(have, x.Made) && slices.Contains(have, was) && slices.Contains(have, fresh) {
			made, columns := ident(x.Made), idents(r.writable(x.Made))
			r.atOnce("DELETE m FROM "+made+" m JOIN "+ident(fresh)+" f ON f.id=m.id",
				"DELETE m FROM "+made+" m JOIN "+ident(was)+" w ON w.id=m.id",
				"INSERT INTO "+made+" ("+columns+") SELECT "+columns+" FROM "+ident(was))
		}
		r.dropNoted(x, have)
		for _, c := range x.Added {
			if there[model.Noun(x.Made)][c] {
				r.run("ALTER TABLE " + ident(x.Made) + " DROP COLUMN " + ident(c))
			}
		}
		if x.Table == "sync_run" && slices.Contains(have, x.Made) {
			// No run of the sequencer came as far as the one that was to follow.
			r.run(fmt.Sprintf("DELETE FROM %s WHERE last_seq>%d", ident(x.Made), r.entry.Head))
		}
	}
}

// dropNoted removes the notes of a table's rows.
func (r *restorer) dropNoted(x exchanged, have []string) {
	for _, table := range []string{asItWas(x.Made), notInIt(x.Made)} {
		if slices.Contains(have, table) {
			r.run("DROP TABLE " + ident(table))
		}
	}
}
