package transfer

import (
	"fmt"
	"strings"

	"rapport/model"
)

// item is one record read from a file, or the reason why it could not be.
type item struct {
	file   string
	line   int
	edit   model.Edit
	own    bool     // it carries the id of a record of ours, and whole lists
	source []string // as read, for the rejects file
	header []string // of source
	err    error
}

// readRow turns a row of a table into an item. Notes are what it left out.
func (t *table) readRow(file string, row csvRow, env model.Env, notes *notes) item {
	it := item{file: file, line: row.Line, source: row.Cells, header: t.header}
	if row.Problem != "" {
		it.err = model.Errorf(model.Invalid, "%s", row.Problem)
		return it
	}
	for i := len(t.header); i < len(row.Cells); i++ {
		if strings.TrimSpace(row.Cells[i]) != "" {
			it.err = model.Errorf(model.Invalid, "the row has %d cells, the header %d", len(row.Cells), len(t.header))
			return it
		}
	}
	e := model.EntityOf(t.noun)
	b := rowBuilder{e: e, env: env, edit: model.Edit{Noun: t.noun, Set: map[string]any{}, MakeLinks: true}, money: map[string][2]string{}, links: map[string]model.Ref{}, groups: map[string]*group{}}
	if t.idAt >= 0 && t.idAt < len(row.Cells) {
		if id, ok := model.ParseID(strings.TrimSpace(row.Cells[t.idAt])); ok {
			b.edit.ID, it.own = id, true
		} else if s := strings.TrimSpace(row.Cells[t.idAt]); s != "" && e.Field("external_id") != nil {
			b.edit.Set["external_id"] = s
		}
	}
	for i, c := range t.columns {
		cell := ""
		if i < len(row.Cells) {
			cell = unguard(row.Cells[i])
		}
		if c.role == ignored || c.role == whole && c.field == nil {
			if c.role != ignored && strings.TrimSpace(cell) != "" {
				notes.add(notKept, fmt.Sprintf("column %q", t.header[i]))
			}
			continue
		}
		if err := b.put(c, cell); err != nil && it.err == nil {
			it.err = model.Errorf(model.Invalid, "%s: %s", t.header[i], sentence(err))
		}
	}
	b.finish()
	it.edit = b.edit
	return it
}

// sentence is what an error tells the person.
func sentence(err error) string {
	if e, ok := err.(*model.Error); ok && e.Msg != "" {
		return e.Msg
	}
	return err.Error()
}

// group collects the columns of one list item.
type group struct {
	field *model.Field
	label string
	split string
	parts map[string]string
}

// rowBuilder collects a row's cells into an edit.
type rowBuilder struct {
	e      *model.Entity
	env    model.Env
	edit   model.Edit
	money  map[string][2]string
	links  map[string]model.Ref
	names  []string
	groups map[string]*group
	order  []string
}

func (b *rowBuilder) put(c column, cell string) error {
	blank := strings.TrimSpace(cell) == "" && (cell == "" || b.edit.ID == "")
	if blank && c.clears && c.role == whole {
		if b.edit.Set[c.field.Name] = nil; c.field.Type == model.List {
			b.edit.Set[c.field.Name] = []*model.Record{}
		}
	}
	if blank {
		return nil
	}
	switch c.role {
	case nameBit:
		b.names = append(b.names, strings.TrimSpace(cell))
	case currency:
		m := b.money[c.field.Name]
		b.money[c.field.Name] = [2]string{m[0], strings.ToUpper(strings.TrimSpace(cell))}
	case linkID:
		id, ok := model.ParseID(strings.TrimSpace(cell))
		if !ok {
			return model.Errorf(model.Invalid, "%q is not an id", cell)
		}
		ref := b.links[c.field.Name]
		ref.Noun, ref.ID = c.field.To[0], id
		b.links[c.field.Name] = ref
	case partText, partKind:
		g := b.groups[c.group]
		if g == nil {
			g = &group{field: c.field, label: c.label, split: c.split, parts: map[string]string{}}
			b.groups[c.group], b.order = g, append(b.order, c.group)
		}
		part := c.part
		if c.role == partKind {
			part = "label"
		}
		if part == "street+" {
			part = "street"
			if had := g.parts[part]; had != "" {
				cell = had + "\n" + cell
			}
		}
		g.parts[part] = cell
	default:
		return b.putWhole(c, cell)
	}
	return nil
}

func (b *rowBuilder) putWhole(c column, cell string) error {
	f := c.field
	switch f.Type {
	case model.List:
		items, err := parseListCell(f, cell, c, b.env)
		if err != nil {
			return err
		}
		had, _ := b.edit.Set[f.Name].([]*model.Record)
		for i, it := range items {
			if f.Shape == model.Names && c.split == googleSeparator {
				ref := it.Ref(f.Target)
				ref.Name = strings.TrimPrefix(ref.Name, "* ")
				if ref.Name == "myContacts" || ref.Name == "" {
					continue
				}
				it.Values[f.Target] = ref
			}
			if i == 0 && len(had) > 0 && it.Bool("primary") {
				delete(it.Values, "primary")
			}
			had = append(had, it)
		}
		b.edit.Set[f.Name] = had
	case model.MoneyType:
		m := b.money[f.Name]
		b.money[f.Name] = [2]string{cell, m[1]}
	case model.Link:
		v, err := model.ParseValue(f, cell, b.env)
		if err != nil {
			return err
		}
		ref, _ := v.(model.Ref)
		if had := b.links[f.Name]; had.ID != "" {
			ref.ID = had.ID
		}
		b.links[f.Name] = ref
	case model.Bool:
		v, err := model.ParseValue(f, strings.TrimSpace(cell), b.env)
		if err != nil {
			return err
		}
		b.edit.Set[f.Name] = v
	case model.Date, model.PartialDate:
		day := foreignDate(cell)
		if day == "" {
			return nil
		}
		v, err := model.ParseValue(f, day, b.env)
		if err != nil {
			// The reason names what stands in the file.
			if _, typed := model.ParseValue(f, strings.TrimSpace(cell), b.env); typed != nil {
				return typed
			}
			return err
		}
		b.edit.Set[f.Name] = v
	default:
		if c.web {
			cell = domainOf(cell)
		}
		v, err := model.ParseValue(f, cell, b.env)
		if err != nil {
			return err
		}
		if err := model.ValidateValue(f, v); err != nil {
			return err
		}
		b.edit.Set[f.Name] = v
	}
	return nil
}

// finish puts together what several columns said.
func (b *rowBuilder) finish() {
	for name, ref := range b.links {
		if !ref.IsZero() {
			b.edit.Set[name] = ref
		}
	}
	b.finishGroups()
	if len(b.names) > 0 {
		b.finishName(strings.Join(b.names, " "))
	}
	for name, m := range b.money {
		if m[0] == "" {
			continue
		}
		fallback := b.env.Currency
		if m[1] != "" {
			fallback = m[1]
		}
		if v, err := model.ParseMoney(m[0], fallback); err == nil {
			b.edit.Set[name] = v
		} else {
			b.edit.Set[name] = badValue{err}
		}
	}
}

// badValue stands for a value that could not be read once all columns of its
// field were known.
type badValue struct{ err error }

// finishName uses a whole name where its parts are not given.
func (b *rowBuilder) finishName(full string) {
	if b.e.Field("last_name") == nil {
		if f := b.e.Field("name"); f != nil && b.edit.Set["name"] == nil {
			b.edit.Set["name"] = full
		}
		return
	}
	for _, n := range []string{"first_name", "last_name"} {
		if s, _ := b.edit.Set[n].(string); strings.TrimSpace(s) != "" {
			return
		}
	}
	if org, _ := b.edit.Set["organization"].(model.Ref); model.Fold(org.Name) == model.Fold(full) {
		return
	}
	first, last := splitName(full)
	b.edit.Set["last_name"] = last
	if first != "" {
		b.edit.Set["first_name"] = first
	}
}

// splitName takes a whole name apart: "Last, First", or the last word is the
// family name.
func splitName(full string) (first, last string) {
	full = strings.TrimSpace(full)
	if l, f, ok := strings.Cut(full, ","); ok && strings.TrimSpace(f) != "" && strings.TrimSpace(l) != "" {
		return strings.TrimSpace(f), strings.TrimSpace(l)
	}
	if i := strings.LastIndexByte(full, ' '); i > 0 {
		return strings.TrimSpace(full[:i]), full[i+1:]
	}
	return "", full
}

// finishGroups turns the columns of list items into items.
func (b *rowBuilder) finishGroups() {
	for _, key := range b.order {
		g := b.groups[key]
		label, preferred := cleanLabel(g.parts["label"])
		if g.label != "" && label == "" {
			label = g.label
		}
		delete(g.parts, "label")
		formatted := g.parts["formatted"]
		delete(g.parts, "formatted")
		if len(g.parts) == 0 && formatted != "" {
			g.parts["street"] = formatted
		}
		if len(g.parts) == 0 {
			continue
		}
		values := []map[string]string{g.parts}
		if v, ok := g.parts["value"]; ok && g.split != "" {
			values = nil
			for _, s := range strings.Split(v, g.split) {
				if s = strings.TrimSpace(s); s != "" {
					values = append(values, map[string]string{"value": s})
				}
			}
		}
		items, _ := b.edit.Set[g.field.Name].([]*model.Record)
		for _, parts := range values {
			it := model.NewPart(g.field)
			for name, v := range parts {
				it.Values[name] = v
			}
			if label != "" {
				it.Values["label"] = label
			}
			if preferred {
				it.Values["primary"] = true
				preferred = false
			}
			items = append(items, it)
		}
		b.edit.Set[g.field.Name] = items
	}
}

// domainOf leaves the host of a web address.
func domainOf(s string) string {
	t := strings.TrimSpace(s)
	low := strings.ToLower(t)
	for _, p := range []string{"https://", "http://"} {
		if strings.HasPrefix(low, p) {
			t, low = t[len(p):], low[len(p):]
		}
	}
	if strings.HasPrefix(low, "www.") {
		t = t[4:]
	}
	if i := strings.IndexAny(t, "/?#"); i > 0 {
		t = t[:i]
	}
	return t
}

// foreignDate brings dates as other programs write them into a form that
// model.ParseDate reads: a time of day is left out, 3/21/1980 is the American
// order unless the month would be above 12, and zeros mean no date.
func foreignDate(s string) string {
	s = strings.TrimSpace(s)
	if strings.Trim(s, "0/.- :") == "" {
		return ""
	}
	if len(s) > 10 && s[4] == '-' && (s[10] == 'T' || s[10] == ' ') {
		s = s[:10]
	}
	if i := strings.LastIndexByte(s, ' '); i > 0 && strings.Count(s[i:], ":") > 0 {
		s = strings.TrimSpace(s[:i])
	}
	var a, b, y int
	if n, _ := fmt.Sscanf(s, "%d/%d/%d", &a, &b, &y); n == 3 && a <= 31 && b <= 31 && y >= 1000 {
		if a > 12 {
			a, b = b, a
		}
		return fmt.Sprintf("%04d-%02d-%02d", y, a, b)
	}
	return s
}
