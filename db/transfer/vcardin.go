package transfer

import (
	"strings"

	"rapport/model"
)

// product names our own cards, whose ids and X-RAPPORT- properties are read
// back.
const product = "-//Rapport//EN"

// ownPrefix begins the properties for fields that a vCard has no place for.
const ownPrefix = "X-RAPPORT-"

// silent are properties that say nothing about the person.
var silent = map[string]bool{"BEGIN": true, "END": true, "VERSION": true, "PRODID": true, "REV": true, "FN": true, "X-ABADR": true, "X-ABLABEL": true,
	"X-ABUID": true, "X-ABSHOWAS": true, "X-EVOLUTION-FILE-AS": true, "KIND": true, "X-ADDRESSBOOKSERVER-KIND": true, "PROFILE": true, "CLASS": true}

// cardReader turns one card into an item.
type cardReader struct {
	card   *card
	own    bool
	old    bool // version 2.1
	labels map[string]string
	edit   model.Edit
	e      *model.Entity
	notes  *notes
	env    model.Env
}

// readCard turns a card into an item: a contact, or an organization where the
// card says so.
func readCard(file string, c *card, as model.Noun, env model.Env, notes *notes) item {
	it := item{file: file, line: c.line, source: []string{c.raw}, header: []string{"card"}}
	if c.problem != "" {
		it.err = model.Errorf(model.Invalid, "%s", c.problem)
		return it
	}
	r := cardReader{card: c, old: strings.HasPrefix(c.version, "2"), labels: map[string]string{}, notes: notes, env: env}
	noun := model.Noun("contact")
	for i := range c.properties {
		p := &c.properties[i]
		switch p.name {
		case "PRODID":
			r.own = p.value == product
		case "KIND", "X-ADDRESSBOOKSERVER-KIND":
			switch strings.ToLower(strings.TrimSpace(p.value)) {
			case "org":
				noun = "organization"
			case "group":
				it.err = model.Errorf(model.Invalid, "this card is a list of other cards, not a person")
				return it
			}
		case "X-ABLABEL":
			r.labels[p.group] = p.text(r.old)
		}
		if p.western {
			notes.add(readAs, "text without a known charset, taken for windows-1252")
		}
	}
	if as != "" && as != noun {
		it.err = model.Errorf(model.Invalid, "this card is a %s, not a %s", noun, as)
		return it
	}
	if c.strange > 0 {
		for range c.strange {
			notes.add(notKept, "a line that is no property")
		}
	}
	r.e = model.EntityOf(noun)
	r.edit = model.Edit{Noun: noun, Set: map[string]any{}, MakeLinks: true}
	for i := range c.properties {
		if err := r.put(&c.properties[i]); err != nil && it.err == nil {
			it.err = model.Errorf(model.Invalid, "%s: %s", c.properties[i].name, sentence(err))
		}
	}
	r.finish()
	it.edit, it.own = r.edit, r.own && r.edit.ID != ""
	return it
}

// drop names a property that the record cannot keep, if it holds anything.
func (r *cardReader) drop(p *property, what string) {
	if strings.Trim(p.value, "; \t\n") == "" && !p.binary {
		return
	}
	if what == "" {
		what = p.name
		if label := r.labels[p.group]; label != "" && p.group != "" {
			label, _ = cleanLabel(label)
			what += " (" + model.Visible(label) + ")"
		}
	}
	r.notes.add(notKept, what)
}

func (r *cardReader) set(name, value string) {
	if value != "" && r.edit.Set[name] == nil && r.e.Field(name) != nil {
		r.edit.Set[name] = value
	}
}

func (r *cardReader) put(p *property) error {
	switch p.name {
	case "N":
		r.putName(p)
	case "ORG":
		r.putOrganization(p)
	case "TITLE":
		if r.edit.Set["job_title"] != nil || r.e.Field("job_title") == nil {
			r.drop(p, "a further TITLE")
			return nil
		}
		r.set("job_title", p.text(r.old))
	case "TEL", "X-MS-TEL":
		r.putMethod("phone", p, phoneText(p.text(r.old)))
	case "EMAIL":
		r.putMethod("email", p, strings.TrimPrefix(p.text(r.old), "mailto:"))
	case "ADR":
		r.putAddress(p)
	case "BDAY":
		return r.putBirthday(p)
	case "NOTE":
		s := p.text(r.old)
		if had, _ := r.edit.Set["notes"].(string); had != "" && s != "" {
			s = had + "\n" + s
		}
		if s != "" {
			r.edit.Set["notes"] = s
		}
	case "CATEGORIES":
		f := r.e.Field("tag")
		items, _ := r.edit.Set["tag"].([]*model.Record)
		for _, name := range p.texts(',', r.old) {
			if !r.own {
				name = strings.TrimSpace(name)
			}
			if strings.TrimSpace(name) != "" {
				it := model.NewPart(f)
				it.Values[f.Target] = model.Ref{Noun: "tag", Name: name}
				items = append(items, it)
			}
		}
		r.edit.Set["tag"] = items
	case "UID":
		s := strings.TrimSpace(p.text(r.old))
		if id, ok := model.ParseID(strings.TrimPrefix(s, "urn:uuid:")); ok && r.own {
			r.edit.ID = id
		} else {
			r.set("external_id", s)
		}
	default:
		if r.own && strings.HasPrefix(p.name, ownPrefix) {
			return r.putOwn(p)
		}
		if !silent[p.name] {
			r.drop(p, "")
		}
	}
	return nil
}

func (r *cardReader) putName(p *property) {
	if r.e.Field("last_name") == nil {
		return
	}
	parts := p.texts(';', r.old)
	for i, name := range []string{"last_name", "first_name", "middle_name", "salutation", "suffix"} {
		if i < len(parts) {
			s := parts[i]
			if !r.own {
				s = strings.TrimSpace(s)
			}
			r.set(name, s)
		}
	}
}

// putOrganization takes the first ORG as the organization and its units as the
// department; further ones become memberships.
func (r *cardReader) putOrganization(p *property) {
	parts := p.texts(';', r.old)
	name, unit := parts[0], ""
	if len(parts) > 1 {
		unit = strings.Join(nonBlank(parts[1:]), ", ")
	}
	if r.own && len(parts) > 1 {
		unit = parts[1]
	}
	if r.e.Noun == "organization" {
		if r.edit.Set["name"] = name; unit != "" {
			r.drop(p, "a unit of ORG")
		}
		return
	}
	ref := model.Ref{Noun: "organization", Name: name}
	if id, ok := model.ParseID(p.param(ownPrefix + "ID")); ok && r.own {
		ref.ID = id
	}
	first, _ := r.edit.Set["organization"].(model.Ref)
	switch {
	case strings.TrimSpace(name) == "" && ref.ID == "":
		r.set("department", unit)
	case first.IsZero():
		r.edit.Set["organization"] = ref
		r.set("department", unit)
	case model.Fold(first.Name) != model.Fold(name):
		f := r.e.Field("organizations")
		m := model.NewPart(f)
		m.Values[f.Target] = ref
		had, _ := r.edit.Set[f.Name].([]*model.Record)
		r.edit.Set[f.Name] = append(had, m)
		if unit != "" {
			r.drop(p, "a unit of a further ORG")
		}
	}
}

func nonBlank(parts []string) []string {
	var out []string
	for _, p := range parts {
		if strings.TrimSpace(p) != "" {
			out = append(out, p)
		}
	}
	return out
}

// phoneText takes the number out of a tel: address.
func phoneText(s string) string {
	rest, ok := strings.CutPrefix(s, "tel:")
	if !ok {
		return s
	}
	return strings.Replace(rest, ";ext=", " ext. ", 1)
}

func (r *cardReader) putMethod(list string, p *property, value string) {
	if !r.own {
		value = strings.TrimSpace(value)
	}
	if strings.TrimSpace(value) == "" {
		return
	}
	f := r.e.Field(list)
	it := model.NewPart(f)
	it.Values["value"] = value
	r.kind(it, p)
	r.append(f, it)
}

// kind gives an item its label and whether it is the primary one.
func (r *cardReader) kind(it *model.Record, p *property) {
	label := ""
	home, fax := false, false
	for _, t := range p.types() {
		switch t {
		case "pref":
			it.Values["primary"] = true
		case "voice", "internet", "msg", "text", "video", "postal", "parcel", "dom", "intl", "x400", "textphone", "pcs", "modem", "bbs", "isdn", "iphone":
		case "fax", "workfax":
			fax = true
		case "homefax":
			home, fax = true, true
		case "cell":
			label = "mobile"
		case "home", "work":
			home = home || t == "home"
			if label == "" {
				label = t
			}
		default:
			if label == "" || label == "work" || label == "home" {
				label = strings.TrimPrefix(t, "x-")
			}
		}
	}
	if fax {
		if label = "fax"; home {
			label = "home fax"
		}
	}
	if own := r.labels[p.group]; p.group != "" && own != "" {
		if label = own; !r.own {
			label, _ = cleanLabel(own)
		}
	}
	if p.param("PREF") == "1" {
		it.Values["primary"] = true
	}
	if label != "" {
		it.Values["label"] = label
	}
}

func (r *cardReader) append(f *model.Field, it *model.Record) {
	had, _ := r.edit.Set[f.Name].([]*model.Record)
	for _, h := range had {
		if it.Bool("primary") && h.Bool("primary") {
			delete(it.Values, "primary")
		}
	}
	r.edit.Set[f.Name] = append(had, it)
}

func (r *cardReader) putAddress(p *property) {
	parts := p.texts(';', r.old)
	for len(parts) < 7 {
		parts = append(parts, "")
	}
	if !r.own {
		for i := range parts {
			parts[i] = strings.TrimSpace(parts[i])
		}
	}
	f := r.e.Field("address")
	it := model.NewPart(f)
	r.kind(it, p)
	empty := true
	for name, s := range map[string]string{"street": strings.Join(nonBlank(parts[:3]), "\n"), "city": parts[3], "region": parts[4], "postcode": parts[5], "country": strings.Join(parts[6:], ", ")} {
		if name == "street" && r.own {
			s = parts[2]
		}
		if s != "" {
			it.Values[name] = s
			empty = false
		}
	}
	if !empty || r.own {
		r.append(f, it)
	}
}

// putBirthday reads the forms of all versions, with and without a year, also
// Apple's year that means none.
func (r *cardReader) putBirthday(p *property) error {
	f := r.e.Field("birth_date")
	s := strings.TrimSpace(p.text(r.old))
	if f == nil || s == "" {
		return nil
	}
	if r.edit.Set[f.Name] != nil {
		if v, err := model.ParseValue(f, foreignDate(s), r.env); err != nil || v != r.edit.Set[f.Name] {
			r.drop(p, "a further BDAY")
		}
		return nil
	}
	if year := p.param("X-APPLE-OMIT-YEAR"); year != "" && strings.HasPrefix(s, year+"-") {
		s = "--" + s[len(year)+1:]
	}
	if i := strings.IndexByte(s, 'T'); i >= 6 {
		s = s[:i]
	}
	s = foreignDate(s)
	v, err := model.ParseValue(f, s, r.env)
	if err != nil {
		r.drop(p, "BDAY \""+model.Visible(p.value)+"\", which is no date")
		return nil
	}
	if v != nil {
		r.edit.Set[f.Name] = v
	}
	return nil
}

// putOwn reads a field that only our cards carry.
func (r *cardReader) putOwn(p *property) error {
	f := r.e.Field(strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(p.name, ownPrefix), "-", "_")))
	if f == nil || f.ReadOnly {
		return nil
	}
	s := p.text(r.old)
	switch f.Type {
	case model.List:
		items, err := parseListCell(f, s, column{field: f}, r.env)
		if err != nil {
			return err
		}
		r.edit.Set[f.Name] = items
		return nil
	case model.Link:
		ref := model.Ref{Noun: f.To[0], Name: s}
		if id, ok := model.ParseID(p.param(ownPrefix + "ID")); ok {
			ref.ID = id
		}
		r.edit.Set[f.Name] = ref
		return nil
	}
	v, err := model.ParseValue(f, s, r.env)
	if err != nil {
		return err
	}
	r.edit.Set[f.Name] = v
	return nil
}

// finish names who has a formatted name only.
func (r *cardReader) finish() {
	full := ""
	for i := range r.card.properties {
		if p := &r.card.properties[i]; p.name == "FN" && full == "" {
			full = p.text(r.old)
		}
	}
	if r.e.Noun == "organization" {
		if s, _ := r.edit.Set["name"].(string); s == "" {
			r.set("name", full)
		}
		return
	}
	if full = strings.TrimSpace(full); !r.own && full != "" && !strings.Contains(full, "@") {
		b := rowBuilder{e: r.e, edit: r.edit}
		b.finishName(full)
	}
}
