package model

import "strings"

// phones, mails, addresses and tags are the same lists wherever they occur.
var (
	phones    = Field{Name: "phone", Label: "Phones", Type: List, Part: "contact_method", Where: "kind=phone", Essential: true}
	mails     = Field{Name: "email", Label: "E-mails", Type: List, Part: "contact_method", Where: "kind=email", Essential: true}
	addresses = Field{Name: "address", Label: "Addresses", Type: List, Part: "address"}
	tags      = Field{Name: "tag", Label: "Tags", Type: List, Part: "tagging", Shape: Names, Target: "tag"}
	owner     = Field{Name: "owner", Label: "Owner", Type: Link, To: []Noun{"user"}, Policy: Ask, Essential: true, Comment: "the user who looks after it"}
	notes     = Field{Name: "notes", Label: "Notes", Type: LongText, Search: SearchNote, Policy: JoinLines}
	external  = Field{Name: "external_id", Label: "External id", Type: Text, Sorted: true, Comment: "the id in the system it was imported from"}
)

var contact = &Entity{
	Noun: "contact", Plural: "contacts", Title: "Contact", Titles: "Contacts",
	Comment: "A person.",
	Fields: []Field{
		{Name: "salutation", Label: "Salutation", Type: Text, Max: 40, Narrow: true},
		{Name: "first_name", Label: "First name", Type: Text, Search: SearchName, Narrow: true, Essential: true},
		{Name: "middle_name", Label: "Middle name", Type: Text, Search: SearchName, Narrow: true},
		{Name: "last_name", Label: "Last name", Type: Text, Search: SearchName, Narrow: true, Essential: true},
		{Name: "suffix", Label: "Suffix", Type: Text, Max: 40, Narrow: true},
		{Name: "job_title", Label: "Job title", Type: Text, Search: SearchNote, Essential: true},
		{Name: "department", Label: "Department", Type: Text},
		{Name: "organization", Label: "Organization", Type: Link, To: []Noun{"organization"}, Essential: true, Comment: "the primary one"},
		{Name: "organizations", Label: "Organizations", Type: List, Part: "contact_organization", Shape: Linked, Target: "organization"},
		phones, mails, addresses, tags,
		{Name: "birth_date", Label: "Birthday", Type: PartialDate, Narrow: true},
		{Name: "do_not_call", Label: "Do not call", Type: Bool, Policy: Ask, Narrow: true},
		{Name: "do_not_mail", Label: "Do not mail", Type: Bool, Policy: Ask, Narrow: true},
		{Name: "source", Label: "Source", Type: Text, Open: true, Options: []string{"web", "referral", "event", "cold call", "partner"}, Narrow: true},
		{Name: "status", Label: "Status", Type: Text, Open: true, Options: []string{"new", "active", "customer", "former"}, Narrow: true},
		owner, notes, external,
	},
	RowName: [][]string{{"first_name", "middle_name", "last_name"}},
	Name:    contactName,
	Sort: func(r *Record) string {
		s := strings.TrimSpace(strings.Join(compact(r.Text("last_name"), r.Text("first_name"), r.Text("middle_name")), " "))
		if s == "" {
			return contactName(r)
		}
		return s
	},
	rule: func(r *Record) []Problem {
		if contactName(r) == "" {
			return []Problem{{Field: "last_name", Msg: "a contact needs a name, an e-mail or an organization"}}
		}
		return nil
	},
}

// contactName is the person's name, else the mail, phone or organization that
// stands for it.
func contactName(r *Record) string {
	if s := strings.Join(compact(r.Text("first_name"), r.Text("middle_name"), r.Text("last_name")), " "); s != "" {
		return s
	}
	for _, list := range []string{"email", "phone"} {
		if parts := r.List(list); len(parts) > 0 {
			if s := parts[0].Text("value"); strings.TrimSpace(s) != "" {
				return s
			}
		}
	}
	if ref := r.Ref("organization"); ref.Name != "" {
		return ref.Name
	} else if ref.ID != "" {
		return "(" + ref.ID.Short() + ")"
	}
	return strings.TrimSpace(strings.Join(compact(r.Text("salutation"), r.Text("suffix"), r.Text("job_title")), " "))
}

// compact leaves out blank strings.
func compact(parts ...string) []string {
	var out []string
	for _, p := range parts {
		if strings.TrimSpace(p) != "" {
			out = append(out, p)
		}
	}
	return out
}

var organization = &Entity{
	Noun: "organization", Alias: []Noun{"org", "orgs"}, Plural: "organizations", Title: "Organization", Titles: "Organizations",
	Comment: "A company, authority, club or household.",
	Fields: []Field{
		{Name: "name", Label: "Name", Type: Text, Required: true, Search: SearchName, Essential: true},
		{Name: "legal_name", Label: "Legal name", Type: Text, Search: SearchName},
		{Name: "domain", Label: "Domain", Type: Text, Max: 190, Search: SearchMail, Sorted: true, Narrow: true},
		{Name: "tax_id", Label: "Tax id", Type: Text, Max: 60, Narrow: true},
		{Name: "type", Label: "Type", Type: Text, Open: true, Max: 60, Options: []string{"prospect", "customer", "partner", "supplier", "competitor", "other"}, Narrow: true},
		{Name: "industry", Label: "Industry", Type: Text, Max: 120, Narrow: true, Essential: true},
		{Name: "employees", Label: "Employees", Type: Int, Narrow: true, Essential: true},
		{Name: "annual_revenue", Label: "Annual revenue", Type: MoneyType, Narrow: true},
		{Name: "founded", Label: "Founded", Type: Int, Narrow: true, Comment: "year"},
		{Name: "parent", Label: "Parent", Type: Link, To: []Noun{"organization"}, Comment: "the organization it is part of"},
		phones, mails, addresses, tags,
		owner, notes, external,
	},
	RowName: [][]string{{"name"}},
	Name:    func(r *Record) string { return r.Text("name") },
}

var contactMethod = &Entity{
	Noun: "contact_method", Plural: "contact_methods", Title: "Phone or e-mail", Titles: "Phones and e-mails",
	Comment: "One way to reach a contact or an organization: a phone or an e-mail.",
	Owner:   []Noun{"contact", "organization"}, PartKey: []string{"kind", "value"},
	Fields: []Field{
		{Name: "kind", Label: "Kind", Type: Choice, Max: 20, Options: []string{"phone", "email"}, Default: "phone", Required: true},
		{Name: "value", Label: "Value", Type: Text, Max: 320, Required: true, AskWhere: "kind=email", Search: SearchPhone, Comment: "as typed"},
		{Name: "label", Label: "Label", Type: Text, Max: 120, Open: true, Options: []string{"mobile", "work", "home", "fax", "other"}},
		{Name: "primary", Column: "is_primary", Label: "Primary", Type: Bool},
		{Name: "position", Label: "Position", Type: Int, ReadOnly: true, Comment: "order among its siblings"},
	},
}

var address = &Entity{
	Noun: "address", Plural: "addresses", Title: "Address", Titles: "Addresses",
	Comment: "A postal address of a contact or an organization.",
	Owner:   []Noun{"contact", "organization"}, PartKey: []string{"street", "city", "postcode", "country"},
	Fields: []Field{
		{Name: "label", Label: "Label", Type: Text, Max: 120, Open: true, Options: []string{"work", "home", "billing", "shipping", "other"}},
		{Name: "street", Label: "Street", Type: LongText},
		{Name: "city", Label: "City", Type: Text, Search: SearchNote},
		{Name: "region", Label: "Region", Type: Text},
		{Name: "postcode", Label: "Postcode", Type: Text, Max: 40},
		{Name: "country", Label: "Country", Type: Text, Comment: "as typed, or an ISO 3166 code"},
		{Name: "primary", Column: "is_primary", Label: "Primary", Type: Bool},
		{Name: "position", Label: "Position", Type: Int, ReadOnly: true, Comment: "order among its siblings"},
	},
}

var contactOrganization = &Entity{
	Noun: "contact_organization", Plural: "contact_organizations", Title: "Membership", Titles: "Memberships",
	Comment: "A contact's place at an organization.",
	Owner:   []Noun{"contact"}, PartKey: []string{"organization"}, Derived: true,
	Fields: []Field{
		{Name: "organization", Label: "Organization", Type: Link, To: []Noun{"organization"}, Required: true},
		{Name: "role", Label: "Role", Type: Text, Max: 120},
		{Name: "position", Label: "Position", Type: Int, ReadOnly: true, Comment: "order among its siblings"},
	},
}

var tag = &Entity{
	Noun: "tag", Plural: "tags", Title: "Tag", Titles: "Tags", Shared: true, Derived: true, PartKey: []string{"name"},
	Comment: "A label that records can carry.",
	Fields: []Field{
		{Name: "name", Label: "Name", Type: Text, Required: true, Max: 120, Essential: true, Search: SearchName},
		{Name: "color", Label: "Colour", Type: Text, Max: 20, Essential: true},
	},
	RowName: [][]string{{"name"}},
	Name:    func(r *Record) string { return r.Text("name") },
}

var tagging = &Entity{
	Noun: "tagging", Plural: "taggings", Title: "Tagging", Titles: "Taggings", Derived: true,
	Comment: "A tag on a record.",
	Owner:   []Noun{"contact", "organization", "deal"}, PartKey: []string{"tag"},
	Fields: []Field{
		{Name: "tag", Label: "Tag", Type: Link, To: []Noun{"tag"}, Required: true},
	},
}

var user = &Entity{
	Noun: "user", Plural: "users", Title: "User", Titles: "Users", Shared: true, Derived: true, PartKey: []string{"login"},
	Comment: "A person who works with the CRM.",
	Fields: []Field{
		{Name: "login", Label: "Login", Type: Text, Max: 80, Required: true, Essential: true, Sorted: true, Search: SearchName, Comment: "the name of the account on the server"},
		{Name: "name", Label: "Name", Type: Text, Essential: true, Search: SearchName},
		{Name: "email", Label: "E-mail", Type: Text, Max: 320, Essential: true, Search: SearchMail},
		{Name: "role", Label: "Role", Type: Text, Max: 60, Open: true, Options: []string{"sales", "support", "administrator", "read-only"}, Default: "sales", Essential: true},
		{Name: "team", Label: "Team", Type: Text, Max: 120, Essential: true},
		{Name: "manager", Label: "Manager", Type: Link, To: []Noun{"user"}},
		{Name: "time_zone", Label: "Time zone", Type: Text, Max: 60},
		{Name: "active", Label: "Active", Type: Bool, Default: true, Essential: true},
	},
	RowName: [][]string{{"name"}, {"login"}},
	Name: func(r *Record) string {
		if s := r.Text("name"); s != "" {
			return s
		}
		return r.Text("login")
	},
}
