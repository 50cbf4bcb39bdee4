package sqlite

import (
	"context"
	"strings"
	"time"

	"rapport/model"
)

// clauses collects the conditions of a query on the table with the alias t.
type clauses struct {
	ctx   context.Context
	d     *DB
	q     querier // what names are looked up with
	e     *model.Entity
	parts []string
	args  []any
}

func (w *clauses) add(sql string, args ...any) {
	w.parts = append(w.parts, sql)
	w.args = append(w.args, args...)
}

func (w *clauses) sql() string {
	if len(w.parts) == 0 {
		return "1"
	}
	return strings.Join(w.parts, " AND ")
}

// titleField returns the field that alone is an entity's title, nil if there
// is none: its folded value stands in the indexed title key.
func titleField(e *model.Entity) *model.Field { return titleFields[e.Noun] }

var titleFields = func() map[model.Noun]*model.Field {
	m := map[model.Noun]*model.Field{}
	for _, e := range model.Entities() {
		for i := range e.Fields {
			f := &e.Fields[i]
			if e.Name == nil || e.Sort != nil || f.Type != model.Text || !f.Required {
				continue
			}
			r := probe(model.NewRecord(e.Noun))
			for j := range e.Fields {
				if e.Fields[j].Type == model.Text {
					r.Values[e.Fields[j].Name] = "other"
				}
			}
			if r.Values[f.Name] = "this"; e.Name(r) == "this" {
				m[e.Noun] = f
			}
		}
	}
	return m
}()

// fieldExpr is the expression of a field's first column. A deal without a
// probability of its own has that of its stage.
func fieldExpr(e *model.Entity, f *model.Field) string {
	s := "t." + quote(f.Columns()[0].Name)
	if e.Noun == "deal" && f.Name == "probability" {
		return "coalesce(" + s + ", (SELECT x.probability FROM stage AS x WHERE x.id = t.stage_id))"
	}
	return s
}

// comparison returns SQL's sign of a comparison, "" for those that are none.
func comparison(op model.Op) string {
	switch op {
	case model.Equal, model.Greater, model.Less, model.AtLeast, model.AtMost:
		return string(op)
	}
	return ""
}

func invalid(c model.Condition, err error) error {
	return model.Errorf(model.Invalid, "%s: %v", c.Field, err)
}

// condition adds one term of a filter.
func (w *clauses) condition(c model.Condition) error {
	if c.Op == model.NotEqual { // absent values differ as well
		sub := &clauses{ctx: w.ctx, d: w.d, q: w.q, e: w.e}
		c.Op = model.Equal
		if err := sub.condition(c); err != nil {
			return err
		}
		w.add("NOT coalesce("+sub.sql()+", 0)", sub.args...)
		return nil
	}
	f := w.e.Field(c.Field)
	if f == nil {
		return w.service(c)
	}
	switch f.Type {
	case model.List:
		return w.list(f, c)
	case model.Link:
		sql, args, err := w.link("t", f, c)
		if err == nil {
			w.add(sql, args...)
		}
		return err
	}
	expr := fieldExpr(w.e, f)
	if c.Op == model.IsEmpty || c.Op == model.IsPresent {
		switch {
		case f.Type == model.Bool:
			w.add(expr+" = ?", map[model.Op]int64{model.IsEmpty: 0, model.IsPresent: 1}[c.Op])
		case c.Op == model.IsEmpty:
			w.add(expr + " IS NULL")
		default:
			w.add(expr + " IS NOT NULL")
		}
		return nil
	}
	sql, args, err := w.scalar(expr, f, c)
	if err != nil {
		return err
	}
	w.add(sql, args...)
	return nil
}

// scalar compares an expression of a field that is neither link nor list.
func (w *clauses) scalar(expr string, f *model.Field, c model.Condition) (string, []any, error) {
	if c.Op == model.Contains {
		return "instr(fold(" + expr + "), ?) > 0", []any{model.Fold(c.Value)}, nil
	}
	op := comparison(c.Op)
	if op == "" {
		return "", nil, model.Errorf(model.Invalid, "%s cannot be compared by %q", c.Field, c.Op)
	}
	env := w.d.env()
	v, err := model.ParseValue(f, c.Value, env)
	if err != nil {
		return "", nil, invalid(c, err)
	}
	switch f.Type {
	case model.Text, model.LongText:
		switch {
		case f == titleField(w.e) && strings.HasPrefix(expr, "t."):
			return "t.title_key " + op + " ?", []any{model.Fold(c.Value)}, nil
		case f.Sorted:
			return expr + " COLLATE NOCASE " + op + " ?", []any{c.Value}, nil
		}
		return "fold(" + expr + ") " + op + " ?", []any{model.Fold(c.Value)}, nil
	case model.Choice:
		if s, ok := v.(string); ok && f.Open {
			return "fold(" + expr + ") " + op + " ?", []any{model.Fold(s)}, nil
		}
	case model.Decimal:
		return "CAST(" + expr + " AS REAL) " + op + " CAST(? AS REAL)", []any{v}, nil
	case model.MoneyType:
		return w.money(expr, f, op, c)
	case model.Time:
		return timeClause(expr, op, c.Value, v.(time.Time), env)
	}
	return expr + " " + op + " ?", []any{cell(v)}, nil
}

// money compares amounts in the smallest unit. A value that names its
// currency finds amounts in that currency only.
func (w *clauses) money(expr string, f *model.Field, op string, c model.Condition) (string, []any, error) {
	m, err := model.ParseMoney(c.Value, "")
	if err != nil {
		return "", nil, invalid(c, err)
	}
	if m.Currency == "" {
		return expr + " " + op + " ?", []any{m.Minor}, nil
	}
	return "(" + expr + " " + op + " ? AND t." + quote(f.Columns()[1].Name) + " = ?)", []any{m.Minor, m.Currency}, nil
}

// timeClause compares moments. A bare date means its whole day.
func timeClause(expr, op, value string, at time.Time, env model.Env) (string, []any, error) {
	day, err := model.ParseDate(value, env.Now)
	if err != nil {
		return expr + " " + op + " ?", []any{at.UnixMilli()}, nil
	}
	begin, err := time.ParseInLocation(time.DateOnly, day, env.Now.Location())
	if err != nil {
		return "", nil, err
	}
	from, to := begin.UnixMilli(), begin.AddDate(0, 0, 1).UnixMilli()
	switch op {
	case "=":
		return "(" + expr + " >= ? AND " + expr + " < ?)", []any{from, to}, nil
	case ">":
		return expr + " >= ?", []any{to}, nil
	case "<=":
		return expr + " < ?", []any{to}, nil
	}
	return expr + " " + op + " ?", []any{from}, nil
}

// service compares one of the columns that every table carries.
func (w *clauses) service(c model.Condition) error {
	switch c.Field {
	case "deleted":
		f := &model.Field{Name: "deleted", Type: model.Bool}
		v, err := model.ParseValue(f, c.Value, w.d.env())
		if err != nil {
			return invalid(c, err)
		}
		if yes := v == true || c.Op == model.IsPresent; yes {
			w.add("t.deleted_at IS NOT NULL")
		} else {
			w.add("t.deleted_at IS NULL")
		}
		return nil
	case "sync":
		return w.syncState(c)
	case "id":
		id, err := w.d.Find(w.ctx, w.e.Noun, c.Value)
		if err != nil {
			return err
		}
		w.add("t.id = ?", id.Bytes())
		return nil
	}
	i, col := w.e.Column(c.Field)
	if i < 0 || !col.Service {
		return model.Errorf(model.Invalid, "%s has no field %q", w.e.One(), c.Field)
	}
	f := &model.Field{Name: c.Field, Type: model.Text}
	if col.Type == model.ColTime {
		f.Type = model.Time
	}
	expr := "t." + quote(col.Name)
	if c.Field == model.ColumnUpdatedAt {
		expr = lastChange(w.e)
	}
	switch c.Op {
	case model.IsEmpty:
		w.add(expr + " IS NULL")
		return nil
	case model.IsPresent:
		w.add(expr + " IS NOT NULL")
		return nil
	}
	sql, args, err := w.scalar(expr, f, c)
	if err == nil {
		w.add(sql, args...)
	}
	return err
}

// syncState finds records by where they stand towards the central.
func (w *clauses) syncState(c model.Condition) error {
	const (
		pending  = "t.id IN (SELECT record_id FROM sync_base)"
		refused  = "t.id IN (SELECT record_id FROM sync_base WHERE code IS NOT NULL)"
		conflict = "t.id IN (SELECT record_id FROM sync_conflict WHERE settled_at IS NULL)"
	)
	switch strings.ToLower(c.Value) {
	case model.Pending.String():
		w.add("(" + pending + " AND NOT " + refused + " AND NOT " + conflict + ")")
	case model.Rejected.String():
		w.add(refused)
	case model.Conflicted.String():
		w.add("(" + conflict + " AND NOT " + refused + ")")
	case model.Clean.String():
		w.add("(NOT " + pending + " AND NOT " + conflict + ")")
	default:
		return model.Errorf(model.Invalid, "sync: %q is not one of clean, pending, conflict, refused", c.Value)
	}
	return nil
}

// link compares a link by id or by the folded name of what it points to.
func (w *clauses) link(alias string, f *model.Field, c model.Condition) (string, []any, error) {
	cols := f.Columns()
	var ors []string
	var args []any
	for _, col := range cols {
		expr := alias + "." + quote(col.Name)
		switch c.Op {
		case model.IsEmpty:
			ors = append(ors, expr+" IS NOT NULL")
		case model.IsPresent:
			ors = append(ors, expr+" IS NOT NULL")
		case model.Contains:
			ors = append(ors, expr+" IN (SELECT x.id FROM "+quote(string(col.Ref))+" AS x WHERE instr(x.title_key, ?) > 0)")
			args = append(args, model.Fold(c.Value))
		case model.Equal:
			ids, err := w.targets(f, col.Ref, c.Value)
			if err != nil {
				return "", nil, err
			}
			if f.Name == "owner" && w.d.isMe(col.Ref, c.Value) {
				ors = append(ors, "("+expr+" IS NULL AND "+alias+".created_by = ?)")
				args = append(args, w.d.settings.Me)
			}
			if len(ids) == 0 {
				continue
			}
			ors = append(ors, expr+" IN ("+marks(len(ids))+")")
			for _, id := range ids {
				args = append(args, id.Bytes())
			}
		default:
			return "", nil, model.Errorf(model.Invalid, "%s cannot be compared by %q", c.Field, c.Op)
		}
	}
	sql := "(" + strings.Join(ors, " OR ") + ")"
	if len(ors) == 0 {
		sql = "0"
	}
	if c.Op == model.IsEmpty {
		sql = "NOT " + sql
	}
	return sql, args, nil
}

// targets returns the records that a filter's value names: an id or a name,
// which several may share. A name that nobody has is Invalid, so that a
// mistyped stage does not look like an empty list.
func (w *clauses) targets(f *model.Field, n model.Noun, value string) ([]model.ID, error) {
	v, err := model.ParseValue(f, value, w.d.env())
	if err != nil {
		return nil, err
	}
	ref, _ := v.(model.Ref)
	if ref.ID != "" {
		return []model.ID{ref.ID}, nil
	}
	if len(f.To) > 1 && ref.Noun != n {
		return nil, nil
	}
	ids, err := w.d.named(w.ctx, w.q, n, ref.Name)
	if err != nil || len(ids) > 0 || w.d.isMe(n, ref.Name) || len(f.To) > 1 {
		return ids, err
	}
	return nil, model.Errorf(model.Invalid, "there is no %s %q", n, ref.Name).WithHint("name one as list prints it, or an id")
}

// list compares the items of a list: by what they link to, or by their value.
func (w *clauses) list(f *model.Field, c model.Condition) error {
	pe := model.EntityOf(f.Part)
	sub := "SELECT p." + ownerColumn(w.e) + "\nFROM " + quote(string(pe.Noun)) + " AS p\nWHERE p." + ownerColumn(w.e) + " IS NOT NULL AND p.deleted_at IS NULL"
	var args []any
	if name, value, ok := strings.Cut(f.Where, "="); ok {
		sub, args = sub+" AND p."+quote(pe.Field(name).Columns()[0].Name)+" = ?", append(args, value)
	}
	own, ownArgs := "", []any(nil)
	if link := primaryLink(w.e, f); link != nil {
		oc := c
		if c.Op == model.IsEmpty {
			oc.Op = model.IsPresent
		}
		var err error
		if own, ownArgs, err = w.link("t", link, oc); err != nil {
			return err
		}
		own = " OR " + own
	}
	not := ""
	target := itemLink(f, pe)
	switch {
	case c.Op == model.IsEmpty:
		not = "NOT "
	case c.Op == model.IsPresent:
	case target != nil:
		sql, more, err := w.link("p", target, c)
		if model.KindOf(err) == model.Invalid && f.Shape == model.Names {
			sql, more, err = "0", nil, nil
		}
		if err != nil {
			return err
		}
		sub, args = sub+" AND "+sql, append(args, more...)
	default:
		sql, more, err := itemClause(pe, c)
		if err != nil {
			return err
		}
		sub, args = sub+" AND "+sql, append(args, more...)
	}
	w.add(not+"(t.id IN ("+sub+")"+own+")", append(args, ownArgs...)...)
	return nil
}

// itemLink returns the link by which the items of a list are compared: the one
// that the list stands for, or that of parts which hold no text, such as the
// product of a deal's line. It is nil where text is compared.
func itemLink(f *model.Field, pe *model.Entity) *model.Field {
	if f.Target != "" {
		return pe.Field(f.Target)
	}
	main := mainField(pe)
	if main == nil || main.Type != model.Link {
		return nil
	}
	for i := range pe.Fields {
		if t := pe.Fields[i].Type; t == model.Text || t == model.LongText {
			return nil
		}
	}
	return main
}

// itemClause compares the value of a part, or any text of a part that has
// none.
func itemClause(pe *model.Entity, c model.Condition) (string, []any, error) {
	if c.Op != model.Equal && c.Op != model.Contains {
		return "", nil, model.Errorf(model.Invalid, "%s is a list: compare it by = or ~", c.Field)
	}
	var ors []string
	var args []any
	for i := range pe.Fields {
		f := &pe.Fields[i]
		if f.Type != model.Text && f.Type != model.LongText || pe.Field("value") != nil && f.Name != "value" {
			continue
		}
		expr := "p." + quote(f.Columns()[0].Name)
		switch {
		case c.Op == model.Contains:
			ors, args = append(ors, "instr(fold("+expr+"), ?) > 0"), append(args, model.Fold(c.Value))
		case indexedItem(f):
			ors, args = append(ors, expr+" = ? COLLATE NOCASE"), append(args, c.Value)
		default:
			ors, args = append(ors, "fold("+expr+") = ?"), append(args, model.Fold(c.Value))
		}
	}
	return "(" + strings.Join(ors, " OR ") + ")", args, nil
}
