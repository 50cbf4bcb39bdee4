package sqlite

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"rapport/model"
)

// living is the condition of a list that asks for nothing else.
const living = "t.deleted_at IS NULL"

// listing is a query that was read: its condition and its order.
type listing struct {
	e     *model.Entity
	where string
	args  []any
	terms []term
	text  *textMatch // dense matches that are tested row by row; nil where the condition holds the text
}

// term is one expression of an order. Only the first may be NULL; NULLs come
// last, in a stretch of their own.
type term struct {
	expr     string
	desc     bool
	nullable bool
}

// cursor is a place in a listing: whether it lies in the stretch of NULLs, and
// the values of the terms there. It travels as text.
type cursor struct {
	null   bool
	values []any
}

// encode writes a cursor. The last value is the id's bytes.
func (c cursor) encode() string {
	list := []any{c.null}
	for _, v := range c.values {
		if b, ok := v.([]byte); ok {
			v = string(model.IDFromBytes(b))
		}
		list = append(list, v)
	}
	data, _ := json.Marshal(list)
	return base64.RawURLEncoding.EncodeToString(data)
}

func decodeCursor(s string, terms int) (cursor, error) {
	bad := model.Errorf(model.Invalid, "this cursor does not belong to this list").WithHint("leave out --after")
	data, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return cursor{}, bad.Because(err)
	}
	var list []any
	if err := unmarshal(string(data), &list); err != nil || len(list) != terms+1 {
		return cursor{}, bad
	}
	null, ok := list[0].(bool)
	id, isText := list[terms].(string)
	if !ok || !isText {
		return cursor{}, bad
	}
	for i, v := range list {
		if n, ok := v.(json.Number); ok { // a decimal
			if list[i], err = n.Float64(); err != nil {
				return cursor{}, bad
			}
		}
	}
	list[terms] = model.ID(id).Bytes()
	return cursor{null, list[1:]}, nil
}

// List returns a page of a query.
func (d *DB) List(ctx context.Context, q model.Query) (model.Page, error) {
	l, err := d.listing(ctx, q)
	if err != nil {
		return model.Page{}, err
	}
	page, err := d.page(ctx, l, q)
	if err != nil {
		return model.Page{}, mapError("list "+string(l.e.Noun), err)
	}
	return page, mapError("list "+string(l.e.Noun), d.fill(ctx, d.read(), l.e, page.Items, q.Short))
}

// Count returns how many records a query has in all.
func (d *DB) Count(ctx context.Context, q model.Query) (int64, error) {
	if n, ok, err := d.countText(ctx, q); ok || err != nil {
		return n, mapError("count "+string(q.Noun), err)
	}
	q.Limit = 0
	l, err := d.listing(ctx, q)
	if err != nil {
		return 0, err
	}
	query := "SELECT count(*)\nFROM " + quote(string(l.e.Noun)) + " AS t\nWHERE " + l.where
	if l.where == living {
		query = countLiving(l.e)
	}
	var n int64
	err = d.read().QueryRowContext(ctx, query, l.args...).Scan(&n)
	return n, mapError("count "+string(l.e.Noun), err)
}

// listing reads a query.
func (d *DB) listing(ctx context.Context, q model.Query) (*listing, error) {
	e := model.EntityOf(q.Noun)
	if e == nil || e.IsPart() && e.Name == nil {
		return nil, model.Errorf(model.Invalid, "there is no list of %q", q.Noun)
	}
	l := &listing{e: e}
	w := &clauses{ctx: ctx, d: d, q: d.read(), e: e}
	switch {
	case q.Bin:
		w.add("t.deleted_at IS NOT NULL")
	case !slices.ContainsFunc(q.Filter, func(c model.Condition) bool { return c.Field == "deleted" }):
		w.add(living)
	}
	for _, c := range q.Filter {
		if err := w.condition(c); err != nil {
			return nil, err
		}
	}
	var err error
	if strings.TrimSpace(q.Text) != "" {
		if l.text, err = d.textCondition(ctx, w, q); err != nil {
			return nil, mapError("list "+string(e.Noun), err)
		}
	}
	l.where, l.args = w.sql(), w.args
	l.terms, err = order(e, q.Sort)
	return l, err
}

// order turns sort keys into terms that end with the id, so that every place
// in the list is distinct.
func order(e *model.Entity, keys []model.SortKey) ([]term, error) {
	if len(keys) == 0 {
		keys = []model.SortKey{{}}
	}
	var out []term
	for i, k := range keys {
		t, err := sortTerm(e, k)
		if err != nil {
			return nil, err
		}
		if i > 0 && t.nullable {
			out = append(out, term{expr: "(" + t.expr + " IS NULL)"})
			t.expr, t.nullable = "ifnull("+t.expr+", '')", false
		}
		out = append(out, t)
	}
	return append(out, term{expr: "t.id", desc: out[len(out)-1].desc}), nil
}

// sortTerm returns the expression that a key orders by.
func sortTerm(e *model.Entity, k model.SortKey) (term, error) {
	t := term{desc: k.Desc}
	f := e.Field(k.Field)
	switch {
	case k.Field == "" || f != nil && f == titleField(e):
		t.expr = "t." + columnSortKey
		return t, nil
	case f == nil:
		if k.Field == model.ColumnUpdatedAt {
			t.expr, t.nullable = lastChange(e), true
			return t, nil
		}
		if i, c := e.Column(k.Field); i >= 0 && c.Service {
			t.expr, t.nullable = "t."+quote(c.Name), true
			return t, nil
		}
		return t, model.Errorf(model.Invalid, "%s has no field %q to sort by", e.One(), k.Field)
	case f.Type == model.List:
		return t, model.Errorf(model.Invalid, "%s is a list: nothing can be sorted by it", f.Name)
	}
	t.nullable = true
	c := f.Columns()[0]
	switch f.Type {
	case model.Link:
		var names []string
		for _, c := range f.Columns() {
			by := columnSortKey
			if i, _ := model.EntityOf(c.Ref).Column("position"); i >= 0 {
				by = "position"
			}
			names = append(names, "(SELECT x."+by+" FROM "+quote(string(c.Ref))+" AS x WHERE x.id = t."+quote(c.Name)+")")
		}
		if t.expr = names[0]; len(names) > 1 {
			t.expr = "coalesce(" + strings.Join(names, ", ") + ")"
		}
	case model.Choice:
		t.expr = "CASE t." + quote(c.Name)
		for i, o := range f.Options {
			t.expr += " WHEN '" + o + "' THEN " + model.FormatValue(int64(i))
		}
		t.expr += " END"
	case model.Decimal:
		t.expr = "CAST(t." + quote(c.Name) + " AS REAL)"
	case model.Text, model.LongText:
		if t.expr = "t." + sortColumn(c); !f.Sorted {
			t.expr = "fold(t." + quote(c.Name) + ")"
		}
	default:
		t.expr = fieldExpr(e, f)
	}
	return t, nil
}

// page runs a listing in the way that a query asks for.
func (d *DB) page(ctx context.Context, l *listing, q model.Query) (model.Page, error) {
	more := q.Limit
	if more > 0 {
		more++
	}
	cut := func(s *stretch) bool {
		if q.Limit > 0 && len(s.items) > q.Limit {
			s.items, s.cursors = s.items[:q.Limit], s.cursors[:q.Limit]
			return true
		}
		return false
	}
	switch {
	case q.Around != "":
		return d.around(ctx, l, q)
	case q.Last || q.Before != "":
		var at *cursor
		if q.Before != "" {
			c, err := decodeCursor(q.Before, len(l.terms))
			if err != nil {
				return model.Page{}, err
			}
			at = &c
		}
		s, err := d.stretch(ctx, l, at, false, true, more)
		if err != nil {
			return model.Page{}, err
		}
		before := cut(s)
		s.reverse()
		return s.page(before, q.Before != ""), nil
	}
	var at *cursor
	if q.After != "" {
		c, err := decodeCursor(q.After, len(l.terms))
		if err != nil {
			return model.Page{}, err
		}
		at = &c
	}
	s, err := d.stretch(ctx, l, at, false, false, more)
	if err != nil {
		return model.Page{}, err
	}
	after := cut(s)
	return s.page(q.After != "", after), nil
}

// around returns a page that holds a record, or the first page where the
// record is not in the list.
func (d *DB) around(ctx context.Context, l *listing, q model.Query) (model.Page, error) {
	one := *l
	one.where, one.args = l.where+" AND t.id = ?", append(slices.Clone(l.args), q.Around.Bytes())
	s, err := d.stretch(ctx, &one, nil, false, false, 1)
	if err != nil {
		return model.Page{}, err
	}
	if len(s.items) == 0 {
		q.Around = ""
		return d.page(ctx, l, q)
	}
	at := s.cursors[0]
	more := q.Limit
	if more > 0 {
		more++
	}
	tail, err := d.stretch(ctx, l, &at, true, false, more)
	if err != nil {
		return model.Page{}, err
	}
	after := q.Limit > 0 && len(tail.items) > q.Limit
	if after {
		tail.items, tail.cursors = tail.items[:q.Limit], tail.cursors[:q.Limit]
	}
	missing := 0
	if q.Limit > 0 {
		missing = q.Limit - len(tail.items) + 1
	}
	head, err := d.stretch(ctx, l, &at, false, true, missing)
	if err != nil {
		return model.Page{}, err
	}
	before := missing > 0 && len(head.items) == missing
	if before {
		head.items, head.cursors = head.items[:missing-1], head.cursors[:missing-1]
	}
	head.reverse()
	head.items, head.cursors = append(head.items, tail.items...), append(head.cursors, tail.cursors...)
	return head.page(before, after), nil
}

// stretch is some consecutive records of a listing.
type stretch struct {
	items   []*model.Record
	cursors []cursor
}

func (s *stretch) reverse() {
	slices.Reverse(s.items)
	slices.Reverse(s.cursors)
}

// page makes a page; before and after tell whether the list goes on there.
func (s *stretch) page(before, after bool) model.Page {
	p := model.Page{Items: s.items}
	if p.Items == nil {
		p.Items = []*model.Record{}
	}
	for _, c := range s.cursors {
		p.Cursors = append(p.Cursors, c.encode())
	}
	if n := len(p.Cursors); n > 0 {
		if before {
			p.Prev = p.Cursors[0]
		}
		if after {
			p.Next = p.Cursors[n-1]
		}
	}
	return p
}

// stretch reads at most limit records behind a place, or before it in reverse
// order. A nil place is the end of the list; limit 0 means all. Where the
// first term may be NULL, the list is read in two parts, so that an index
// serves each.
func (d *DB) stretch(ctx context.Context, l *listing, at *cursor, inclusive, reverse bool, limit int) (*stretch, error) {
	out := &stretch{}
	parts := []bool{false}
	if l.terms[0].nullable {
		parts = []bool{false, true}
	}
	if reverse {
		slices.Reverse(parts)
	}
	if at != nil {
		for len(parts) > 0 && parts[0] != at.null {
			parts = parts[1:]
		}
	}
	for i, null := range parts {
		left := limit - len(out.items)
		if limit > 0 && left == 0 {
			break
		}
		var from *cursor
		if i == 0 {
			from = at
		}
		if err := d.readPart(ctx, l, out, null, from, inclusive, reverse, max(left, 0)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// partQuery is the query of the stretch of values or of that of NULLs.
// It selects what is given.
func partQuery(l *listing, selected string, null bool, from *cursor, inclusive, reverse bool, limit int) (string, []any) {
	where, args, terms := l.where, slices.Clone(l.args), l.terms
	switch first := l.terms[0]; {
	case null:
		where, terms = where+" AND "+first.expr+" IS NULL", terms[1:]
	case first.nullable:
		where += " AND " + first.expr + " IS NOT NULL"
	}
	skipped := len(l.terms) - len(terms)
	if from != nil {
		sql, more := keyset(terms, from.values[skipped:], inclusive, reverse)
		where, args = where+" AND "+sql, append(args, more...)
	}
	var by []string
	for _, t := range terms {
		s := t.expr
		if t.desc != reverse {
			s += " DESC"
		}
		by = append(by, s)
	}
	query := "SELECT " + selected + "\nFROM " + quote(string(l.e.Noun)) + " AS t\nWHERE " + where + "\nORDER BY " + strings.Join(by, ", ")
	if limit > 0 {
		query, args = query+"\nLIMIT ?", append(args, limit)
	}
	return query, args
}

// readPart reads from the stretch of values or from that of NULLs.
func (d *DB) readPart(ctx context.Context, l *listing, out *stretch, null bool, from *cursor, inclusive, reverse bool, limit int) error {
	if l.text != nil {
		var err error
		if l, err = d.narrow(ctx, l, null, from, inclusive, reverse, limit); err != nil {
			return err
		}
	}
	selected := columnList(l.e, "t")
	for _, t := range l.terms {
		selected += ", " + t.expr
	}
	query, args := partQuery(l, selected, null, from, inclusive, reverse, limit)
	rows, err := d.read().QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		c := cursor{null: null, values: make([]any, len(l.terms))}
		dest := make([]any, len(l.terms))
		for i := range dest {
			dest[i] = &c.values[i]
		}
		row, err := scanRowWith(l.e, rows, dest...)
		if err != nil {
			return err
		}
		out.items = append(out.items, model.RecordOf(l.e, row))
		out.cursors = append(out.cursors, c)
	}
	return rows.Err()
}

// keyset is the condition that a row lies behind a place, or before it.
func keyset(terms []term, values []any, inclusive, reverse bool) (string, []any) {
	sign := func(t term) string {
		if t.desc != reverse {
			return "<"
		}
		return ">"
	}
	same := true
	for _, t := range terms {
		same = same && t.desc == terms[0].desc
	}
	if same {
		var exprs []string
		for _, t := range terms {
			exprs = append(exprs, t.expr)
		}
		op := sign(terms[0])
		if inclusive {
			op += "="
		}
		return "(" + strings.Join(exprs, ", ") + ") " + op + " (" + marks(len(terms)) + ")", values
	}
	var ors []string
	var args []any
	equal := ""
	for i, t := range terms {
		op := sign(t)
		if inclusive && i == len(terms)-1 {
			op += "="
		}
		ors = append(ors, equal+t.expr+" "+op+" ?")
		args = append(append(args, values[:i]...), values[i])
		equal += t.expr + " = ? AND "
	}
	return "(" + strings.Join(ors, " OR ") + ")", args
}
