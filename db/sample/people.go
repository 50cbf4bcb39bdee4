package sample

import (
	"strconv"
	"strings"
	"time"

	"rapport/model"
)

// company is what a contact needs to know about an organization. It is made
// from the organization's number alone.
type company struct {
	id     model.ID
	name   string
	domain string
	locale *locale
	trade  int
}

// company makes the i-th organization's facts. Its id is derived, so that
// contacts can point to it without a list of all.
func (m *maker) company(i int) company {
	m.about("organization", i)
	l := &locales[m.weights[m.IntN(len(m.weights))]]
	trade := m.IntN(len(companyTrades))
	name := m.pick(companyWords) + " " + companyTrades[trade]
	if i >= len(companyWords) {
		name = l.last[m.IntN(len(l.last))] + " " + name
	}
	domain := strings.Join(strings.FieldsFunc(ascii(name), func(r rune) bool { return r < 'a' || r > 'z' }), "-")
	if domain == "" {
		domain = "firm"
	}
	if i >= 300 {
		name += " " + strconv.Itoa(i)
		domain += strconv.Itoa(i)
	}
	if form := companyForms[l.country]; form != "" {
		name += " " + form
	}
	return company{model.DerivedID("sample", strconv.FormatInt(m.req.Seed, 10), strconv.Itoa(i)), name, domain + "." + l.domain, l, trade}
}

// ascii is the folded text without what a mail address cannot hold.
func ascii(s string) string {
	return strings.Map(func(r rune) rune {
		if r > 0x7e {
			return -1
		}
		return r
	}, model.Fold(s))
}

// owner picks who looks after the i-th thing: the first ones are mostly the
// rep's own.
func (m *maker) owner(i int) user {
	if i < 80 && m.chance(75) || m.chance(3) {
		return m.users[0]
	}
	return m.users[m.IntN(len(m.users))]
}

func (m *maker) makeOrganization(i int) {
	c := m.company(i)
	at := m.past(700)
	own := m.owner(i)
	employees := int64(5 + m.IntN(40)*m.IntN(60))
	var parent model.ID
	if i > 20 && m.chance(4) {
		parent = model.DerivedID("sample", strconv.FormatInt(m.req.Seed, 10), strconv.Itoa(m.IntN(20)))
	}
	m.add("organization", c.id, at, own.login, "name", c.name, "domain", c.domain, "industry", industries[c.trade], "employees", employees,
		"type", []string{"prospect", "customer", "customer", "partner", "other"}[m.IntN(5)],
		"annual_revenue_minor", employees*int64(80000+m.IntN(90000))*100, "annual_revenue_currency", m.currency,
		"founded", int64(1900+m.IntN(120)), "parent_id", parent, "owner_id", own.id)
	m.method(at, own.login, "organization_id", c.id, "phone", m.number(c.locale.offices), "work", 0)
	if m.chance(30) {
		m.method(at, own.login, "organization_id", c.id, "phone", m.number(c.locale.offices), "fax", 1)
	}
	m.method(at, own.login, "organization_id", c.id, "email", "info@"+c.domain, "work", 0)
	m.address(at, own.login, "organization_id", c.id, c.locale, "work")
	if m.chance(8) {
		m.tag(at, own.login, "organization_id", c.id)
	}
}

// past is a moment within so many days before the day.
func (m *maker) past(days int) time.Time {
	return m.day.Add(-time.Duration(m.IntN(days*24*60)) * time.Minute)
}

// number fills the digits into one of some phones.
func (m *maker) number(forms []string) string {
	b := []byte(m.pick(forms))
	for i, c := range b {
		if c == '#' {
			b[i] = byte('0' + m.IntN(10))
		}
	}
	return strings.TrimSpace(string(b))
}

func (m *maker) method(at time.Time, by, owner string, id model.ID, kind, value, label string, position int64) {
	primary := int64(0)
	if position == 0 {
		primary = 1
	}
	m.add("contact_method", m.newID(), at, by, owner, id, "kind", kind, "value", value, "label", label, "is_primary", primary, "position", position)
}

func (m *maker) address(at time.Time, by, owner string, id model.ID, l *locale, label string) {
	city := strings.Split(m.pick(l.cities), "|")
	number := strconv.Itoa(1 + m.IntN(140))
	street := m.pick(l.streets) + " " + number
	if l.country == "United States" || l.country == "United Kingdom" || l.country == "France" {
		street = number + " " + strings.TrimSuffix(street, " "+number)
	}
	m.add("address", m.newID(), at, by, owner, id, "label", label, "street", street, "city", city[0], "postcode", city[1], "region", city[2], "country", l.country, "is_primary", int64(1), "position", int64(0))
}

func (m *maker) tag(at time.Time, by, owner string, id model.ID) {
	tag := m.tags[m.IntN(len(m.tags))]
	m.add("tagging", partID("tagging", id, tag), at, by, owner, id, "tag_id", tag)
}

// person is what deals and activities need to know about a contact.
type person struct {
	id    model.ID
	name  string
	org   company
	owner user
	at    time.Time
}

func (m *maker) makeContact(i int) {
	var c company
	l := &locales[0]
	if m.orgs > 0 {
		c = m.company(i / 5)
		l = c.locale
	}
	m.about("contact", i)
	if c.locale == nil || m.chance(15) {
		l = &locales[m.weights[m.IntN(len(m.weights))]]
	}
	if m.chance(7) { // no employer
		c = company{}
	}
	first, last := m.pick(l.first), m.pick(l.last)
	middle := ""
	if !l.family && m.chance(6) {
		middle = m.pick(l.first)
	}
	p := person{id: m.newID(), name: first + " " + last, org: c, owner: m.owner(i), at: m.past(600)}
	if l.family {
		p.name = last + " " + first
	}
	birth := ""
	if m.chance(30) {
		birth = time.Date(1955+m.IntN(50), time.Month(1+m.IntN(12)), 1+m.IntN(28), 0, 0, 0, 0, time.UTC).Format("2006-01-02")
		if m.chance(20) {
			birth = "-" + birth[4:]
		}
	}
	note := ""
	if m.chance(25) {
		note = m.pick(personNotes)
	}
	by := p.owner.login
	m.add("contact", p.id, p.at, by, "first_name", first, "middle_name", middle, "last_name", last, "job_title", m.pick(jobTitles), "department", m.pick(departments),
		"organization_id", c.id, "birth_date", birth, "source", m.pick(sources), "status", []string{"new", "active", "active", "customer", "customer", "former"}[m.IntN(6)],
		"owner_id", p.owner.id, "notes", note, "do_not_mail", int64(m.IntN(20)/19), "do_not_call", int64(m.IntN(25)/24))
	m.contactMethods(i, p, l, first, last)
	if m.chance(35) {
		m.address(p.at, by, "contact_id", p.id, l, "home")
	}
	if c.id != "" && m.chance(20) {
		m.add("contact_organization", partID("contact_organization", p.id, c.id), p.at, by, "contact_id", p.id, "organization_id", c.id, "role", m.pick(jobTitles[:5]), "position", int64(0))
	}
	if m.chance(10) {
		m.tag(p.at, by, "contact_id", p.id)
	}
	var deal dealFacts
	if i%4 == 3 {
		deal = m.makeDeal(i/4, p)
	}
	m.makeActivity(i, p, deal)
}

// contactMethods makes a contact's mails and phones.
func (m *maker) contactMethods(i int, p person, l *locale, first, last string) {
	by := p.owner.login
	local := strings.Trim(strings.ReplaceAll(ascii(first+"."+last), " ", ""), ".'-")
	if local == "" {
		local = "contact" + strconv.Itoa(i)
	}
	private := local + strconv.Itoa(i) + "@" + m.pick([]string{"mail", "post", "inbox"}) + ".example"
	if p.org.id != "" && m.chance(90) {
		m.method(p.at, by, "contact_id", p.id, "email", local+"@"+p.org.domain, "work", 0)
		if m.chance(12) {
			m.method(p.at, by, "contact_id", p.id, "email", private, "home", 1)
		}
	} else if m.chance(85) {
		m.method(p.at, by, "contact_id", p.id, "email", private, "home", 0)
	}
	phones := int64(0)
	if m.chance(70) {
		m.method(p.at, by, "contact_id", p.id, "phone", m.number(l.mobiles), "mobile", phones)
		phones++
	}
	if m.chance(35) {
		m.method(p.at, by, "contact_id", p.id, "phone", m.number(l.offices), "work", phones)
	}
}
