package mysql

import (
	"context"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"rapport/model"
)

// eraser removes a contact from everywhere on the server: its table and those
// of its parts, what was noted about it alone, the history, the report tables
// and every former table that was kept. What stays of it is a line in the
// ledger of erasures, which refuses the record from then on.
type eraser struct {
	*refresher
	id    string              // of the contact, in hexadecimal
	gone  map[string][]string // ids of the rows that go, by table
	order []string            // the tables, parts before what they belong to
	plan  model.ErasurePlan
}

// Erase removes a contact for good and returns what it did. It may be run again
// where it was interrupted, and where the ledger names the contact already.
// Errors: NotFound, Refused, Locked while the report tables are being written.
func Erase(ctx context.Context, url string, id model.ID) (model.ErasurePlan, error) {
	r, err := openRefresher(ctx, url, nil)
	if err != nil {
		return model.ErasurePlan{}, err
	}
	defer r.close()
	x := &eraser{refresher: r, id: hex.EncodeToString(id.Bytes())}
	err = x.erase()
	return x.plan, mapError("erase", r.explain(err))
}

func (x *eraser) erase() error {
	if !slices.Contains(x.tables(), string(erasures.Noun)) {
		return model.Errorf(model.TooNew, "the central has no ledger of erasures yet").WithHint("run `rapport central migrate` first")
	}
	if err := x.atomically(x.ctx, x.remove); err != nil {
		return err
	}
	if err := x.sequenceOnce(); err != nil {
		return err
	}
	if err := x.copies(); err != nil {
		return err
	}
	x.plan.Done = true
	return nil
}

var erasures = model.EntityOf("erasure")

// remove takes the rows out of the tables, in one transaction.
func (x *eraser) remove() error {
	if err := x.look(); err != nil {
		return err
	}
	q := x.ledger()
	for _, e := range model.Entities() {
		for _, c := range e.Columns() {
			if c.Ref == "contact" && !c.Owner {
				q = append(q, x.unlinkSQL(e, c))
			}
		}
	}
	for _, table := range x.order {
		q = append(q, fmt.Sprintf("DELETE FROM %s WHERE id IN (%s)", ident(table), hexList(x.gone[table])))
	}
	return x.exec(x.ctx, strings.Join(q, ";"))
}

// look finds what goes and counts what stays.
func (x *eraser) look() error {
	x.gone, x.order = map[string][]string{}, nil
	x.plan = model.ErasurePlan{Erased: map[model.Noun]int64{}, Unlinked: map[model.Noun]int64{}, Look: []model.Ref{}, Alike: []model.Ref{}, Notes: []string{}}
	known, err := x.text(x.ctx, fmt.Sprintf("SELECT CONCAT((SELECT COUNT(*) FROM contact WHERE id=X'%[1]s'),(SELECT COUNT(*) FROM erasure WHERE noun='contact' AND target=%[2]s))", x.id, quote(x.uuid(x.id))))
	if err != nil {
		return err
	}
	if known == "00" {
		return model.Errorf(model.NotFound, "the central has no contact %s", x.uuid(x.id)[24:]).WithHint("it was made here and never sent: delete it here, or sync first")
	}
	x.gone["contact"] = []string{x.id}
	about := fmt.Sprintf("SELECT DISTINCT HEX(l.activity_id) FROM activity_link l WHERE l.contact_id=X'%[1]s' AND NOT EXISTS (SELECT 1 FROM activity_link o WHERE o.activity_id=l.activity_id AND o.deleted_at IS NULL AND NOT o.contact_id<=>X'%[1]s')", x.id)
	if x.gone["activity"], err = x.lines(x.ctx, about); err != nil {
		return err
	}
	for _, noun := range model.Erasable {
		if err := x.parts(string(noun)); err != nil {
			return err
		}
	}
	for _, table := range slices.Clone(x.order) {
		x.plan.Erased[model.Noun(table)] = int64(len(x.gone[table]))
	}
	for _, e := range model.Entities() {
		for _, c := range e.Columns() {
			if c.Ref != "contact" || c.Owner {
				continue
			}
			n, err := x.text(x.ctx, "SELECT COUNT(*) FROM "+ident(string(e.Noun))+" WHERE "+ident(c.Name)+"=X'"+x.id+"'"+x.notGone(string(e.Noun)))
			if err != nil {
				return err
			}
			if count := integer([]byte(n)); count > 0 {
				x.plan.Unlinked[e.Noun] += count
			}
		}
	}
	return nil
}

// parts finds the parts of the rows of a table that go.
func (x *eraser) parts(owner string) error {
	ids := x.gone[owner]
	if len(ids) == 0 {
		delete(x.gone, owner)
		return nil
	}
	for _, e := range model.Entities() {
		if !slices.Contains(e.Owner, model.Noun(owner)) {
			continue
		}
		found, err := x.lines(x.ctx, fmt.Sprintf("SELECT HEX(id) FROM %s WHERE %s IN (%s)", ident(string(e.Noun)), ident(owner+"_id"), hexList(ids)))
		if err != nil {
			return err
		}
		if len(found) > 0 {
			x.gone[string(e.Noun)] = append(x.gone[string(e.Noun)], found...)
			x.order = append(x.order, string(e.Noun))
		}
	}
	x.order = append(x.order, owner)
	return nil
}

func (x *eraser) notGone(table string) string {
	if len(x.gone[table]) == 0 {
		return ""
	}
	return " AND id NOT IN (" + hexList(x.gone[table]) + ")"
}

// unlinkSQL lets what stays point to nothing: a part that is only the link goes.
func (x *eraser) unlinkSQL(e *model.Entity, c model.Column) string {
	where := " WHERE " + ident(c.Name) + "=X'" + x.id + "'"
	if e.IsPart() {
		return "DELETE FROM " + ident(string(e.Noun)) + where
	}
	return "UPDATE " + ident(string(e.Noun)) + " SET " + ident(c.Name) + "=NULL" + where
}

// ledger writes down which records go.
func (x *eraser) ledger() []string {
	var q []string
	for _, noun := range model.Erasable {
		for _, id := range x.gone[string(noun)] {
			record := model.ID(x.uuid(id))
			row := model.ErasureRow(noun, record)
			q = append(q, fmt.Sprintf("INSERT IGNORE INTO erasure (id,noun,target) VALUES (%s,%s,%s)", idLiteral(row.ID()), quote(string(noun)), quote(string(record))))
		}
	}
	return q
}

func (x *eraser) uuid(id string) string {
	raw, err := hex.DecodeString(id)
	if err != nil {
		return ""
	}
	return string(model.IDFromBytes(raw))
}

// copies takes the rows out of everything that repeats them: the history, the
// report tables, those that are being made, and former tables. It comes after
// the rows have a position, because the history of the removal itself holds
// what they were.
func (x *eraser) copies() error {
	for table, ids := range x.gone {
		if err := x.exec(x.ctx, fmt.Sprintf("DELETE FROM sync_audit WHERE tbl=%s AND pk IN (%s)", quote(table), hexList(ids))); err != nil {
			return err
		}
	}
	have, err := x.shapes()
	if err != nil {
		return err
	}
	for table, columns := range have {
		if strings.HasPrefix(table, "sync_audit"+replacedMark) {
			// A history that a restore replaced.
			for of, ids := range x.gone {
				if err := x.exec(x.ctx, fmt.Sprintf("DELETE FROM %s WHERE tbl=%s AND pk IN (%s)", ident(table), quote(of), hexList(ids))); err != nil {
					return err
				}
			}
		}
		noun := model.Noun(copied(table))
		if noun == "" || columns["id"] == "" {
			continue
		}
		if ids := x.gone[string(noun)]; len(ids) > 0 {
			if err := x.exec(x.ctx, fmt.Sprintf("DELETE FROM %s WHERE id IN (%s)", ident(table), hexList(ids))); err != nil {
				return err
			}
		}
		for _, c := range model.EntityOf(noun).Columns() {
			name := strings.TrimSuffix(c.Name, "_id") + "_name"
			if c.Ref != "contact" || columns[name] == "" || columns[c.Name] == "" {
				continue
			}
			if err := x.exec(x.ctx, fmt.Sprintf("UPDATE %s SET %s=NULL WHERE %s=X'%s'", ident(table), ident(name), ident(c.Name), x.id)); err != nil {
				return err
			}
		}
	}
	return nil
}

// shapes lists the columns of every table, by table.
func (x *eraser) shapes() (map[string]map[string]string, error) {
	lines, err := x.lines(x.ctx, "SELECT CONCAT(c.table_name,'\n',c.column_name) FROM information_schema.columns c JOIN information_schema.tables t ON t.table_schema=c.table_schema AND t.table_name=c.table_name WHERE c.table_schema=DATABASE() AND t.table_type='BASE TABLE'")
	out := map[string]map[string]string{}
	for _, l := range lines {
		table, column, _ := strings.Cut(l, "\n")
		if out[table] == nil {
			out[table] = map[string]string{}
		}
		out[table][column] = column
	}
	return out, err
}

var copyName = regexp.MustCompile(`^(report_)?([a-z_]+?)(_new|_old|_back|` + replacedMark + `.*)?$`)

// copied returns the noun of which a table is a copy, "" if it is none.
func copied(table string) string {
	m := copyName.FindStringSubmatch(table)
	if m == nil || m[1] == "" && m[3] == "" || model.EntityOf(model.Noun(m[2])) == nil || string(model.EntityOf(model.Noun(m[2])).Noun) != m[2] {
		return ""
	}
	return m[2]
}

// notErased refuses a record of the ledger, whoever brings it: a laptop that
// was away, an import, a restored table.
func notErased(e *model.Entity) string {
	if !slices.Contains(model.Erasable, e.Noun) {
		return ""
	}
	id, _ := e.Column(model.ColumnID)
	return fmt.Sprintf("  IF EXISTS (SELECT 1 FROM erasure WHERE target = %s AND noun = %s) THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'this record was erased because the person in it asked for it'; END IF;\n",
		jsonOf(e.Columns()[id], "NEW.id"), quote(string(e.Noun)))
}
