package model

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxLongText is the longest long text, in characters.
const MaxLongText = 4 << 20

// Problem is one broken rule, told at its field.
type Problem struct {
	Field string
	Msg   string
}

// Problems turns broken rules into one error of kind Invalid; nil if there are
// none.
func Problems(e *Entity, ps []Problem) error {
	if len(ps) == 0 {
		return nil
	}
	var parts []string
	for _, p := range ps {
		label := p.Field
		if f := e.Field(p.Field); f != nil {
			label = f.Label
		}
		parts = append(parts, label+": "+p.Msg)
	}
	return &Error{Kind: Invalid, Msg: strings.Join(parts, "; "), Hint: "correct it and try again", Err: nil}
}

// Edit is a change that a person, a file or a program makes to one record.
// What it leaves out stays as it is.
type Edit struct {
	Noun Noun
	ID   ID // empty for a new record

	Set    map[string]any       // new values by field; nil clears; a list replaces the list
	Add    map[string][]*Record // parts to add to a list
	Remove map[string][]*Record // parts to take out of a list, found by their PartKey

	MakeLinks bool   // make the organization, tag, product, user or stage that a link names and that is missing
	Action    string // what the history says: "" means add or edit
	Run       string // the import run it belongs to, "" if none
}

// ValidateValue checks one field's value on its own, as a form does while a
// person types. A nil result means it is fine.
func ValidateValue(f *Field, v any) error {
	if f.Required {
		if s, ok := v.(string); v == nil || ok && strings.TrimSpace(s) == "" {
			return fmt.Errorf("%s is needed", strings.ToLower(f.Label))
		}
	}
	s, ok := v.(string)
	if !ok {
		if n, ok := v.(int64); ok && (f.Name == "probability") && (n < 0 || n > 100) {
			return fmt.Errorf("a probability lies between 0 and 100")
		}
		return nil
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("this is not valid UTF-8 text")
	}
	limit := f.Max
	switch f.Type {
	case LongText:
		limit = MaxLongText
	case Text, Choice:
		if limit == 0 {
			limit = defaultTextWidth
		}
	default:
		return nil
	}
	if n := Characters(s); n > limit || utf8.RuneCountInString(s) > storedWidth*limit {
		return fmt.Errorf("%d characters are more than the %d allowed", max(n, limit+1), limit)
	}
	if f.Type == Choice && !f.Open && s != "" {
		for _, o := range f.Options {
			if o == s {
				return nil
			}
		}
		return fmt.Errorf("%q is not one of %s", s, strings.Join(f.Options, ", "))
	}
	return nil
}

// storedWidth is how many code points a column keeps for each character that a
// field allows: a letter may carry marks.
const storedWidth = 2

// Characters counts what a person counts: code points that are not marks on
// the one before.
func Characters(s string) int {
	n := 0
	for _, r := range s {
		if r < 0x300 || !unicode.Is(unicode.M, r) {
			n++
		}
	}
	return n
}

// Validate checks a whole record with its parts and returns every broken rule.
func Validate(r *Record) []Problem {
	e := r.Entity()
	var out []Problem
	for i := range e.Fields {
		f := &e.Fields[i]
		if err := ValidateValue(f, r.Values[f.Name]); err != nil {
			out = append(out, Problem{Field: f.Name, Msg: err.Error()})
		}
		if f.Type == List {
			for _, part := range r.List(f.Name) {
				for _, p := range Validate(part) {
					out = append(out, Problem{Field: f.Name, Msg: p.Msg})
				}
			}
		}
	}
	if e.rule != nil && len(out) == 0 {
		out = append(out, e.rule(r)...)
	}
	return out
}

// PartKeyOf returns what tells a part from its siblings, folded; "" where the
// entity has no such key.
func PartKeyOf(part *Record) string {
	e := part.Entity()
	if len(e.PartKey) == 0 {
		return ""
	}
	var keys []string
	for _, name := range e.PartKey {
		v := part.Values[name]
		if ref, ok := v.(Ref); ok {
			if ref.ID != "" {
				keys = append(keys, string(ref.ID))
			} else {
				keys = append(keys, Fold(ref.Name))
			}
			continue
		}
		keys = append(keys, Fold(FormatValue(v)))
	}
	return strings.Join(keys, "\x00")
}

var knownLabels = map[string]bool{"mobile": true, "work": true, "home": true, "fax": true, "other": true}

// ParseItem reads one item of a list from text: "+41 44 668 18 00:work",
// "ada@example.org", "vip", "contact:ID", or a JSON object. The label follows
// the last colon if it is mobile, work, home, fax or other, or is any word
// after two colons.
func ParseItem(f *Field, s string, env Env) (*Record, error) {
	if strings.HasPrefix(strings.TrimSpace(s), "{") {
		return itemFromJSON(f, []byte(s), env)
	}
	e := EntityOf(f.Part)
	part := newPart(f)
	if strings.TrimSpace(s) == "" {
		return nil, fmt.Errorf("%s: an empty item", strings.ToLower(f.Label))
	}
	if f.Target != "" {
		tf := e.Field(f.Target)
		ref := parseRef(tf, strings.TrimSpace(s))
		part.Values[f.Target] = ref
		return part, nil
	}
	if e.Field("value") == nil {
		return nil, fmt.Errorf("%s is given as JSON: {…}", strings.ToLower(f.Label))
	}
	value, label := s, ""
	if i := strings.LastIndex(s, "::"); i > 0 {
		value, label = s[:i], s[i+2:]
	} else if i := strings.LastIndexByte(s, ':'); i > 0 && knownLabels[strings.ToLower(s[i+1:])] {
		value, label = s[:i], strings.ToLower(s[i+1:])
	}
	part.Values["value"] = value
	if label != "" {
		part.Values["label"] = label
	}
	return part, nil
}

// newPart returns an empty part of a list with its discriminating value.
func newPart(f *Field) *Record {
	part := NewRecord(f.Part)
	if name, value, ok := strings.Cut(f.Where, "="); ok {
		part.Values[name] = value
	}
	return part
}

// NewPart returns an empty part for a list field, with the defaults of its
// fields and the list's discriminating value (the kind of a contact method).
func NewPart(f *Field) *Record {
	part := newPart(f)
	e := part.Entity()
	for i := range e.Fields {
		if _, ok := part.Values[e.Fields[i].Name]; !ok && e.Fields[i].Default != nil {
			part.Values[e.Fields[i].Name] = e.Fields[i].Default
		}
	}
	return part
}

// BelongsTo tells whether a part belongs into a list field, by the list's
// discriminating value.
func BelongsTo(f *Field, part *Record) bool {
	name, value, ok := strings.Cut(f.Where, "=")
	return part.Noun == f.Part && (!ok || part.Text(name) == value)
}

// EditFromText builds an Edit from name=value pairs, as the flags --set, --add
// and --remove give them. A repeated list field collects its items; a list
// value that begins with "[" is JSON; an empty value clears.
func EditFromText(e *Entity, set, add, remove []string, env Env) (Edit, error) {
	ed := Edit{Noun: e.Noun, Set: map[string]any{}, Add: map[string][]*Record{}, Remove: map[string][]*Record{}}
	for _, pair := range set {
		f, value, err := cutPair(e, pair)
		if err != nil {
			return ed, err
		}
		if f.Type != List {
			v, err := ParseValue(f, value, env)
			if err != nil {
				return ed, Errorf(Invalid, "%s: %v", f.Label, err)
			}
			ed.Set[f.Name] = v
			continue
		}
		items, _ := ed.Set[f.Name].([]*Record)
		switch {
		case value == "":
			items = []*Record{}
		case strings.HasPrefix(strings.TrimSpace(value), "["):
			more, err := listFromJSON(f, []byte(value), env)
			if err != nil {
				return ed, err
			}
			items = append(items, more...)
		default:
			item, err := ParseItem(f, value, env)
			if err != nil {
				return ed, Errorf(Invalid, "%s: %v", f.Label, err)
			}
			items = append(items, item)
		}
		ed.Set[f.Name] = items
	}
	for _, part := range []struct {
		pairs []string
		into  map[string][]*Record
	}{{add, ed.Add}, {remove, ed.Remove}} {
		for _, pair := range part.pairs {
			f, value, err := cutPair(e, pair)
			if err != nil {
				return ed, err
			}
			if f.Type != List {
				return ed, Errorf(Invalid, "%s is not a list", f.Name).WithHint("use --set %s=…", f.Name)
			}
			item, err := ParseItem(f, value, env)
			if err != nil {
				return ed, Errorf(Invalid, "%s: %v", f.Label, err)
			}
			part.into[f.Name] = append(part.into[f.Name], item)
		}
	}
	return ed, nil
}

func cutPair(e *Entity, pair string) (*Field, string, error) {
	name, value, ok := strings.Cut(pair, "=")
	if !ok {
		return nil, "", Errorf(Invalid, "%q is not name=value", pair).WithHint("for example --set %s=…", e.Fields[0].Name)
	}
	f, err := WritableField(e, strings.TrimSpace(name))
	return f, value, err
}

// WritableField returns a field that a caller may set, or an error that names
// the nearest one.
func WritableField(e *Entity, name string) (*Field, error) {
	f := e.Field(name)
	if f == nil {
		err := Errorf(Invalid, "%s has no field %q", e.One(), name)
		if near := Nearest(name, fieldNames(e)); near != "" {
			return nil, err.WithHint("did you mean %s?", near)
		}
		return nil, err.WithHint("its fields are %s", strings.Join(fieldNames(e), ", "))
	}
	if f.ReadOnly {
		return nil, Errorf(Invalid, "%s is set by the program", f.Name)
	}
	return f, nil
}

func fieldNames(e *Entity) []string {
	var out []string
	for i := range e.Fields {
		out = append(out, e.Fields[i].Name)
	}
	return out
}

// Nearest returns the candidate that differs from s by the fewest edits, ""
// if all differ by more than a third of their length and two.
func Nearest(s string, candidates []string) string {
	best, dist := "", 1<<30
	for _, c := range candidates {
		d := editDistance(strings.ToLower(s), c)
		if d < dist {
			best, dist = c, d
		}
	}
	if dist > max(2, len(s)/3) {
		return ""
	}
	return best
}

// editDistance is Levenshtein's distance in bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		prev := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := prev
			if a[i-1] != b[j-1] {
				cost = 1 + min(prev, row[j], row[j-1])
			}
			prev, row[j] = row[j], cost
		}
	}
	return row[len(b)]
}
