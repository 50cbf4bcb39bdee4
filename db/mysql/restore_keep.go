package mysql

import (
	"slices"
	"strings"

	"rapport/model"
)

// carry takes over rows that stay, whatever the state had.
func (r *restorer) carry() {
	r.keepOthersParts()
	for _, x := range r.entry.Tables {
		if r.err != nil || x.Former == "" || model.EntityOf(model.Noun(x.Table)) == nil {
			continue
		}
		var conds []string
		switch {
		case x.Table == erasureTable:
			conds = append(conds, "TRUE")
		case x.Table == "user":
			// Who has an account is somebody in the CRM.
			conds = append(conds, "t.id IN (SELECT user_id FROM sync_person)")
		}
		if len(r.asked.Nouns) > 0 {
			conds = append(conds, r.pointedTo(x.Table)...)
		}
		if len(conds) == 0 {
			continue
		}
		names := idents(r.common(x))
		stay := " FROM " + ident(x.Table) + " t WHERE (" + strings.Join(conds, " OR ") + ") AND NOT EXISTS (SELECT 1 FROM " + ident(x.Made) + " m WHERE m.id=t.id)"
		r.remember(x.Table, "SELECT t.id"+stay)
		r.run("INSERT INTO " + ident(x.Made) + " (" + names + ") SELECT " + names + stay)
		if n := r.list("SELECT ROW_COUNT()"); r.err == nil && n[0] != "0" {
			r.say("%s rows of %s that are newer stay: something that is not restored needs them", n[0], x.Table)
		}
	}
	r.noOrphans()
}

// keepOthersParts leaves the parts of records that are not restored as they are.
func (r *restorer) keepOthersParts() {
	for _, x := range r.entry.Tables {
		e := model.EntityOf(model.Noun(x.Table))
		if len(r.asked.Nouns) == 0 || e == nil || len(e.Owner) < 2 || x.Former == "" {
			continue
		}
		var ours []string
		for _, n := range e.Owner {
			if r.restores(string(n)) {
				ours = append(ours, ident(string(n)+"_id"))
			}
		}
		others := "COALESCE(" + strings.Join(ours, ",") + ") IS NULL"
		names := idents(r.common(x))
		r.remember(x.Table, "SELECT id FROM "+ident(x.Made)+" WHERE "+others+" UNION SELECT id FROM "+ident(x.Table)+" WHERE "+others)
		r.run("DELETE FROM " + ident(x.Made) + " WHERE " + others)
		r.run("REPLACE INTO " + ident(x.Made) + " (" + names + ") SELECT " + names + " FROM " + ident(x.Table) + " WHERE " + others)
	}
}

// history rolls the history of the restored tables back with them, where not
// everything is restored: laptops ask it what became of their rows. A row that
// is as it was before keeps all of its own.
func (r *restorer) history() {
	if len(r.asked.Nouns) == 0 || r.asked.At.IsZero() || !r.restores(historyTables[0]) {
		return
	}
	var tables, same []string
	for _, x := range r.entry.Tables {
		if model.EntityOf(model.Noun(x.Table)) == nil {
			continue
		}
		tables = append(tables, quote(x.Table))
		same = append(same, "a.tbl="+quote(x.Table)+" AND EXISTS (SELECT 1 FROM "+ident(x.Table)+" t JOIN "+ident(x.Made)+" m ON m.id=t.id AND m.row_version=t.row_version AND m.updated_at=t.updated_at WHERE t.id=a.pk)")
	}
	made := ident(r.now(historyTables[0]))
	r.run("CREATE TABLE " + made + " LIKE sync_audit")
	r.run("INSERT INTO " + made + " SELECT a.* FROM sync_audit a WHERE a.at<=" + quote(r.asked.At.UTC().Format(timeLayout)) + " OR a.tbl NOT IN (" + strings.Join(tables, ",") + ") OR " + strings.Join(same, " OR "))
}

// common lists the columns that somebody fills of a table as it is and as it was.
func (r *restorer) common(x exchanged) []string {
	had := r.writable(x.Made)
	return slices.DeleteFunc(r.writable(x.Table), func(name string) bool { return !slices.Contains(had, name) })
}

// pointedTo are conditions on the rows of a table that others refer to, which
// are not restored.
func (r *restorer) pointedTo(table string) []string {
	var out []string
	for _, e := range model.Entities() {
		if r.restores(string(e.Noun)) {
			continue
		}
		for _, c := range e.Columns() {
			if string(c.Ref) == table {
				out = append(out, "t.id IN (SELECT "+ident(c.Name)+" FROM "+ident(string(e.Noun))+")")
			}
		}
	}
	return out
}

func (r *restorer) restores(table string) bool {
	return slices.ContainsFunc(r.entry.Tables, func(x exchanged) bool { return x.Table == table })
}

// noOrphans refuses tables whose rows refer to what others do not have any more.
func (r *restorer) noOrphans() {
	if len(r.asked.Nouns) == 0 {
		return
	}
	for _, x := range r.entry.Tables {
		e := model.EntityOf(model.Noun(x.Table))
		if e == nil {
			continue
		}
		columns := r.common(x)
		for _, c := range e.Columns() {
			if r.err != nil || c.Ref == "" || !slices.Contains(columns, c.Name) {
				continue
			}
			col := ident(c.Name)
			n := r.list("SELECT COUNT(*) FROM " + ident(x.Made) + " t LEFT JOIN " + ident(r.now(string(c.Ref))) + " o ON o.id=t." + col + " WHERE t." + col + " IS NOT NULL AND o.id IS NULL")
			if r.err == nil && n[0] != "0" {
				r.err = model.Errorf(model.Refused, "%s rows of %s refer to rows of %s that are gone since", n[0], x.Table, c.Ref).
					WithHint("restore both: --table %s --table %s", x.Table, c.Ref)
			}
		}
	}
}
