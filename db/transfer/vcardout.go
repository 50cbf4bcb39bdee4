package transfer

import (
	"strconv"
	"strings"

	"rapport/model"
)

// cardTypes are labels that a vCard has a word for; any other stands in an
// X-ABLabel beside its property, as Apple and Google write it.
var cardTypes = map[string]string{"mobile": "CELL", "work": "WORK", "home": "HOME", "fax": "FAX", "pager": "PAGER"}

// cardWriter writes one record as a card.
type cardWriter struct {
	b     []byte
	four  bool // version 4.0, else 3.0
	group int
	done  map[string]bool
	r     *model.Record
}

// appendCard appends a contact or an organization with everything it holds.
// Fields that a vCard has no place for stand in X-RAPPORT- properties.
func appendCard(b []byte, r *model.Record, four bool) []byte {
	w := cardWriter{b: b, four: four, r: r, done: map[string]bool{}}
	w.plain("BEGIN", "VCARD")
	if four {
		w.plain("VERSION", "4.0")
		w.plain("PRODID", product)
		w.plain("UID", "urn:uuid:"+string(r.ID))
	} else {
		w.plain("VERSION", "3.0")
		w.plain("PRODID", product)
		w.plain("UID", string(r.ID))
	}
	if r.Noun == "organization" {
		w.organization()
	} else {
		w.contact()
	}
	w.methods("phone", "TEL")
	w.methods("email", "EMAIL")
	w.addresses()
	w.text("notes", "NOTE")
	w.tags()
	w.rest()
	w.plain("END", "VCARD")
	return w.b
}

func (w *cardWriter) plain(name, value string) { w.b = fold(w.b, name+":"+value) }

func (w *cardWriter) line(head string, parts ...string) { w.b = cardLine(w.b, head, parts, ";") }

func (w *cardWriter) text(field, name string) {
	w.done[field] = true
	if s := w.r.Text(field); s != "" {
		w.line(name, s)
	}
}

func (w *cardWriter) contact() {
	r := w.r
	w.line("FN", r.Title())
	var name []string
	for _, f := range []string{"last_name", "first_name", "middle_name", "salutation", "suffix"} {
		name = append(name, r.Text(f))
		w.done[f] = true
	}
	w.line("N", name...)
	w.done["organization"], w.done["department"] = true, true
	if ref, dep := r.Ref("organization"), r.Text("department"); !ref.IsZero() || dep != "" {
		head := "ORG"
		if ref.ID != "" {
			head += ";" + ownPrefix + "ID=" + string(ref.ID)
		}
		parts := []string{ref.Name}
		if dep != "" {
			parts = append(parts, dep)
		}
		w.line(head, parts...)
	}
	w.text("job_title", "TITLE")
	w.done["birth_date"] = true
	switch s := r.Text("birth_date"); {
	case s == "":
	case strings.HasPrefix(s, "--") && w.four:
		w.plain("BDAY", "--"+strings.ReplaceAll(s[2:], "-", ""))
	case strings.HasPrefix(s, "--"):
		w.plain("BDAY;X-APPLE-OMIT-YEAR=1604", "1604-"+s[2:])
	case w.four:
		w.plain("BDAY", strings.ReplaceAll(s, "-", ""))
	default:
		w.plain("BDAY;VALUE=date", s)
	}
}

func (w *cardWriter) organization() {
	name := w.r.Text("name")
	w.done["name"] = true
	if w.four {
		w.plain("KIND", "org")
	} else {
		w.plain("X-ADDRESSBOOKSERVER-KIND", "org")
	}
	w.line("FN", name)
	if !w.four {
		w.line("N", "", "", "", "", "")
	}
	w.line("ORG", name)
}

// item writes one item of a list with its label and whether it is the primary
// one.
func (w *cardWriter) item(name string, it *model.Record, parts ...string) {
	label := it.Text("label")
	word := cardTypes[label]
	if it.Bool("primary") {
		if w.four {
			name += ";PREF=1"
		} else {
			word = strings.TrimPrefix(word+",PREF", ",")
		}
	}
	if word != "" {
		name += ";TYPE=" + word
	}
	if label == "" || cardTypes[label] != "" {
		w.line(name, parts...)
		return
	}
	w.group++
	prefix := "item" + strconv.Itoa(w.group) + "."
	w.line(prefix+name, parts...)
	w.line(prefix+"X-ABLabel", label)
}

func (w *cardWriter) methods(list, name string) {
	w.done[list] = true
	for _, it := range w.r.List(list) {
		w.item(name, it, it.Text("value"))
	}
}

func (w *cardWriter) addresses() {
	w.done["address"] = true
	for _, it := range w.r.List("address") {
		w.item("ADR", it, "", "", it.Text("street"), it.Text("city"), it.Text("region"), it.Text("postcode"), it.Text("country"))
	}
}

func (w *cardWriter) tags() {
	w.done["tag"] = true
	var names []string
	for _, it := range w.r.List("tag") {
		names = append(names, it.Ref("tag").Name)
	}
	if len(names) > 0 {
		w.b = cardLine(w.b, "CATEGORIES", names, ",")
	}
}

// rest writes the fields that a vCard has no place for.
func (w *cardWriter) rest() {
	e := w.r.Entity()
	for i := range e.Fields {
		f := &e.Fields[i]
		v := w.r.Values[f.Name]
		if w.done[f.Name] || v == nil || v == false || v == "" {
			continue
		}
		head := ownPrefix + strings.ToUpper(strings.ReplaceAll(f.Name, "_", "-"))
		switch x := v.(type) {
		case []*model.Record:
			if len(x) > 0 {
				w.line(head, string(model.JSONValue(f, x)))
			}
		case model.Ref:
			w.line(head+";"+ownPrefix+"ID="+string(x.ID), x.Name)
		default:
			w.line(head, model.FormatValue(v))
		}
	}
}
