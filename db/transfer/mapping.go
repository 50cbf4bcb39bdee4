package transfer

import (
	"strings"

	"rapport/model"
)

// table is what a delimited file is taken for.
type table struct {
	noun    model.Noun
	preset  string
	header  []string
	columns []column
	idAt    int // the column of the id, -1 if there is none
}

// fold2 is the key under which headers are compared: folded, punctuation as
// blanks.
func fold2(s string) string { return strings.Join(model.Words(s), " ") }

// synonyms lead from headers of other programs to columns: a field, a list
// item's label after a colon, a part's field after a dot. "given" and "family"
// are pieces of a name.
var synonyms = map[model.Noun]map[string]string{
	"contact": {
		"given name": "first_name", "first": "first_name", "forename": "first_name", "vorname": "first_name",
		"family name": "last_name", "surname": "last_name", "last": "last_name", "nachname": "last_name",
		"additional name": "middle_name", "middle": "middle_name", "name prefix": "salutation", "prefix": "salutation", "anrede": "salutation", "name suffix": "suffix",
		"name": "+name", "full name": "+name", "display name": "+name", "contact name": "+name",
		"title": "job_title", "position": "job_title", "role": "job_title",
		"company": "organization", "company name": "organization", "organisation": "organization", "account name": "organization", "account": "organization",
		"employer": "organization", "firma": "organization", "organization name": "organization", "organization title": "job_title", "organization department": "department",
		"email address": "email", "e mail address": "email", "e mail": "email", "mail": "email", "email work": "email:work", "work email": "email:work",
		"email home": "email:home", "home email": "email:home", "email other": "email:other", "other email": "email:other", "email 2": "email", "e mail 2 address": "email", "e mail 3 address": "email",
		"phone number": "phone", "telephone": "phone", "telefon": "phone", "mobile": "phone:mobile", "mobile phone": "phone:mobile", "cell": "phone:mobile", "cell phone": "phone:mobile", "phone mobile": "phone:mobile",
		"business phone": "phone:work", "work phone": "phone:work", "phone work": "phone:work", "office phone": "phone:work", "business phone 2": "phone:work", "home phone": "phone:home", "phone home": "phone:home",
		"home phone 2": "phone:home", "other phone": "phone:other", "phone other": "phone:other", "fax": "phone:fax", "business fax": "phone:fax", "work fax": "phone:fax", "home fax": "phone:home fax", "other fax": "phone:other fax", "pager": "phone:pager",
		"primary phone": "phone", "company main phone": "phone:main", "assistant s phone": "phone:assistant", "car phone": "phone:car",
		"street": "address.street", "address": "address.street", "mailing street": "address.street", "city": "address.city", "mailing city": "address.city", "region": "address.region",
		"state": "address.region", "mailing state": "address.region", "province": "address.region", "zip": "address.postcode", "zip code": "address.postcode", "postal code": "address.postcode", "mailing zip": "address.postcode", "plz": "address.postcode",
		"country": "address.country", "mailing country": "address.country", "postcode": "address.postcode",
		"birthday": "birth_date", "date of birth": "birth_date", "geburtstag": "birth_date", "note": "notes", "comments": "notes", "background": "notes", "description": "notes",
		"tags": "tag", "labels": "tag", "categories": "tag", "group membership": "tag", "contact owner": "owner", "account owner": "owner",
		"contactid": "external_id", "contact id": "external_id", "lead source": "source", "do not email": "do_not_mail", "email opt out": "do_not_mail",
	},
	"organization": {
		"account": "name", "account name": "name", "company": "name", "company name": "name", "organization": "name", "organisation": "name", "organization name": "name", "firma": "name",
		"website": "domain", "web site": "domain", "url": "domain", "sector": "industry", "year established": "founded", "revenue": "annual_revenue",
		"number of employees": "employees", "size": "employees", "account type": "type", "account owner": "owner", "accountid": "external_id", "account id": "external_id",
		"email address": "email", "e mail": "email", "phone number": "phone", "telephone": "phone", "fax": "phone:fax", "tags": "tag", "labels": "tag", "description": "notes", "note": "notes", "comments": "notes",
		"street": "address.street", "billing street": "address.street:billing", "city": "address.city", "billing city": "address.city:billing", "state": "address.region", "billing state": "address.region:billing",
		"zip": "address.postcode", "postal code": "address.postcode", "billing code": "address.postcode:billing", "country": "address.country", "billing country": "address.country:billing",
		"parent account": "parent", "subsidiary of": "parent", "vat": "tax_id", "vat number": "tax_id",
	},
	"deal": {
		"potential name": "name", "deal name": "name", "opportunity": "name", "opportunity name": "name", "deal": "name", "account": "organization", "account name": "organization", "company": "organization",
		"deal stage": "stage", "closing date": "close_date", "expected close": "close_date", "value": "amount", "deal value": "amount", "close value": "amount", "deal owner": "owner", "potential owner": "owner",
		"sales agent": "owner", "opportunity owner": "owner", "opportunity id": "external_id", "deal id": "external_id", "potentialid": "external_id", "lead source": "source", "tags": "tag", "description": "notes", "contact name": "contact", "closed lost reason": "lost_reason",
	},
	"product": {
		"product name": "name", "product": "name", "product code": "code", "sku": "code", "unit price": "price", "list price": "price", "sales price": "price", "product category": "category", "series": "category", "product active": "active",
	},
	"user": {
		"user name": "login", "username": "login", "full name": "name", "first name": "+name", "last name": "+name", "email address": "email", "e mail": "email", "user": "name", "sales agent": "name", "regional office": "team",
	},
	"activity": {
		"title": "subject", "type": "kind", "notes": "body", "description": "body", "due date": "due_at", "start datetime": "start_at", "end datetime": "end_at", "task owner": "owner", "event owner": "owner", "call owner": "owner",
	},
}

// target reads the text form of a column's meaning: field, field:label,
// list.part:label; an exclamation mark at the end lets blank cells clear.
func target(e *model.Entity, s string) (column, error) {
	var c column
	s, c.clears = strings.CutSuffix(strings.TrimSpace(s), "!")
	if s == "" {
		return column{role: ignored}, nil
	}
	if s == "+name" {
		return column{role: nameBit}, nil
	}
	s, label, _ := strings.Cut(s, ":")
	c.label = label
	name, part, dotted := strings.Cut(s, ".")
	f := e.Field(name)
	if f == nil && !dotted {
		if base, ok := strings.CutSuffix(name, "_currency"); ok && e.Field(base) != nil && e.Field(base).Type == model.MoneyType {
			c.field, c.role = e.Field(base), currency
			return c, nil
		}
		if base, ok := strings.CutSuffix(name, "_id"); ok && e.Field(base) != nil && e.Field(base).Type == model.Link {
			c.field, c.role = e.Field(base), linkID
			return c, nil
		}
	}
	f, err := model.WritableField(e, name)
	if err != nil {
		return c, err
	}
	c.field = f
	if f.Type == model.List {
		pe := model.EntityOf(f.Part)
		if !dotted && pe.Field("value") == nil && f.Target == "" && f.Shape == model.Objects && label != "" {
			return c, model.Errorf(model.Invalid, "%s needs a part, as in %s.%s", name, name, pe.Fields[0].Name)
		}
		if dotted {
			if _, err := model.WritableField(pe, part); err != nil {
				return c, err
			}
			c.role, c.part, c.group = partText, part, f.Name+":"+label
		}
	} else if dotted || label != "" {
		return c, model.Errorf(model.Invalid, "%s is not a list", name)
	}
	return c, nil
}

// knownColumn finds out what a header means for an entity; ok is false if
// nothing is known.
func knownColumn(e *model.Entity, header string) (column, bool) {
	name := strings.TrimSpace(header)
	for _, s := range serviceColumns {
		if name == s {
			return column{role: ignored}, true
		}
	}
	if f := e.Field(name); f != nil && f.ReadOnly {
		return column{role: ignored}, true
	}
	if c, err := target(e, name); err == nil && name != "" && !strings.ContainsAny(name, ".:!+") {
		return c, true
	}
	key := fold2(header)
	if key == "" {
		return column{}, false
	}
	for i := range e.Fields {
		f := &e.Fields[i]
		if f.ReadOnly {
			continue
		}
		if fold2(f.Label) == key || fold2(f.Name) == key {
			return column{field: f}, true
		}
	}
	if s, ok := synonyms[e.Noun][key]; ok {
		if c, err := target(e, s); err == nil {
			c.web = s == "domain"
			return c, true
		}
	}
	return column{}, false
}

// names tells whether a column gives the records of an entity their names.
func (c column) names() bool {
	return c.role == nameBit || c.field != nil && (c.field.Search == model.SearchName || c.field.Search == model.SearchMail || c.field.Where == "kind=email")
}

// guessNoun tells what a header's rows are: the noun for which most columns
// are known, one of which gives the rows a name.
func guessNoun(file string, header []string) model.Noun {
	best, most := model.Noun(""), 0
	for _, e := range model.Records() {
		score, named := 0, false
		for _, h := range header {
			if c, ok := knownColumn(e, h); ok && c.role != ignored {
				score += 2
				named = named || c.names()
				if c.field != nil && (c.field.Required || c.field.Essential) {
					score++
				}
			}
		}
		if !named {
			continue
		}
		name := fold2(file)
		if strings.Contains(name, fold2(e.Plural)) || strings.Contains(name, string(e.Noun)) {
			score += 4
		}
		for _, h := range header {
			if key := fold2(h); key == string(e.Noun)+"id" || key == string(e.Noun)+" id" || key == string(e.Noun)+" name" {
				score += 4
			}
		}
		if score > most || score == most && score > 0 && e.Noun == "contact" {
			best, most = e.Noun, score
		}
	}
	return best
}

// describe writes a column's meaning in the form that target reads.
func (c column) describe() string {
	if c.role == nameBit {
		return "+name"
	}
	if c.field == nil {
		return ""
	}
	s := c.field.Name
	switch c.role {
	case currency:
		s += "_currency"
	case linkID:
		s += "_id"
	case partText:
		s += "." + c.part
	case partKind:
		return s + ".label"
	}
	if c.label != "" {
		s += ":" + c.label
	}
	if c.clears {
		s += "!"
	}
	return s
}

// mapTable finds out what the columns of a file mean.
func mapTable(file string, header []string, req model.ImportRequest) (*table, error) {
	t := &table{noun: req.As, preset: req.Preset, header: header, idAt: -1}
	if t.preset == "" {
		t.preset = guessPreset(header)
	}
	if e := model.EntityOf(t.noun); e != nil {
		t.noun = e.Noun
	} else if t.noun != "" {
		return nil, model.Errorf(model.Invalid, "there is no noun %q", t.noun)
	}
	if t.noun == "" {
		switch t.preset {
		case presetGoogle, presetOutlook:
			t.noun = "contact"
		default:
			t.noun = guessNoun(file, header)
		}
	}
	if t.noun == "" && len(req.Map) > 0 {
		t.noun = "contact"
	}
	if t.noun == "" {
		return nil, model.Errorf(model.Invalid, "nothing in the header of %s is known", file).
			WithHint("say with --as what its rows are and with --map what its columns mean")
	}
	e := model.EntityOf(t.noun)
	t.columns = make([]column, len(header))
	known := map[string]bool{}
	for i, h := range header {
		// A mapping that a person left as it was proposed means the column
		// that was found, with what its description cannot say.
		c, isID := t.proposed(e, h)
		said, given := saidOf(h, req.Map)
		switch {
		case given && isID && said == model.ColumnID || !given && isID:
			t.idAt, c = i, column{role: ignored}
		case given && said != c.describe():
			var err error
			if c, err = target(e, said); err != nil {
				return nil, err
			}
		case !given && c.field != nil && c.field.Type != model.List && c.role == whole:
			// The first of several columns of one meaning is it.
			if known[c.field.Name] {
				c = column{}
			} else {
				known[c.field.Name] = true
			}
		}
		t.columns[i] = c
	}
	if len(header) > 4 && strings.Join(header[:4], ",") == strings.Join(rejectHeader, ",") {
		for i := range rejectHeader {
			t.columns[i] = column{role: ignored}
		}
	}
	return t, nil
}

// proposed is what a column means by its header alone; isID tells that it is
// the record's id.
func (t *table) proposed(e *model.Entity, header string) (c column, isID bool) {
	if strings.EqualFold(strings.TrimSpace(header), model.ColumnID) {
		return column{}, true
	}
	c, ok := presetColumn(t.preset, e, header)
	if !ok {
		c, _ = knownColumn(e, header)
	}
	return c, false
}

// saidOf returns what the caller said about a column.
func saidOf(header string, said map[string]string) (string, bool) {
	if s, ok := said[header]; ok {
		return s, true
	}
	for k, v := range said {
		if fold2(k) == fold2(header) && fold2(k) != "" {
			return v, true
		}
	}
	return "", false
}

// mappedColumn is what the caller said about a column.
func mappedColumn(e *model.Entity, header string, said map[string]string) (column, bool, error) {
	s, ok := saidOf(header, said)
	if !ok {
		return column{}, false, nil
	}
	c, err := target(e, s)
	return c, true, err
}

// mapping returns the proposed mapping for a person to check.
func (t *table) mapping() map[string]string {
	out := make(map[string]string, len(t.header))
	for i, h := range t.header {
		out[h] = t.columns[i].describe()
		if i == t.idAt {
			out[h] = model.ColumnID
		}
	}
	return out
}
