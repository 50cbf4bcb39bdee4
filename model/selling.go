package model

// StageKind is what a stage means for a deal in it.
const (
	StageOpen = "open"
	StageWon  = "won"
	StageLost = "lost"
)

var product = &Entity{
	Noun: "product", Plural: "products", Title: "Product", Titles: "Products", Shared: true,
	Comment: "Something that is sold.",
	Fields: []Field{
		{Name: "code", Label: "Code", Type: Text, Max: 120, Essential: true, Search: SearchName, Sorted: true},
		{Name: "name", Label: "Name", Type: Text, Required: true, Essential: true, Search: SearchName},
		{Name: "category", Label: "Category", Type: Text, Max: 120, Essential: true},
		{Name: "unit", Label: "Unit", Type: Text, Max: 40, Narrow: true},
		{Name: "price", Label: "Price", Type: MoneyType, Essential: true, Narrow: true},
		{Name: "active", Label: "Active", Type: Bool, Default: true, Narrow: true},
	},
	RowName: [][]string{{"name"}},
	Name:    func(r *Record) string { return r.Text("name") },
}

var pipeline = &Entity{
	Noun: "pipeline", Plural: "pipelines", Title: "Pipeline", Titles: "Pipelines", Shared: true, Derived: true, PartKey: []string{"name"},
	Comment: "A way of selling: an ordered set of stages.",
	Fields: []Field{
		{Name: "name", Label: "Name", Type: Text, Required: true, Essential: true, Search: SearchName},
		{Name: "is_default", Label: "Default", Type: Bool, Essential: true},
		{Name: "currency", Label: "Currency", Type: Text, Max: 3, Essential: true, Comment: "ISO 4217 code"},
		{Name: "stages", Label: "Stages", Type: List, Part: "stage", Essential: true},
	},
	RowName: [][]string{{"name"}},
	Name:    func(r *Record) string { return r.Text("name") },
}

var stage = &Entity{
	Noun: "stage", Plural: "stages", Title: "Stage", Titles: "Stages", Shared: true, Derived: true,
	Comment: "One step of a pipeline.",
	Owner:   []Noun{"pipeline"}, PartKey: []string{"name"},
	Fields: []Field{
		{Name: "name", Label: "Name", Type: Text, Required: true},
		{Name: "probability", Label: "Probability", Type: Int, Comment: "0 to 100 percent"},
		{Name: "kind", Label: "Kind", Type: Choice, Max: 20, Options: []string{StageOpen, StageWon, StageLost}, Default: StageOpen, Required: true},
		{Name: "rot_days", Label: "Rots after", Type: Int, Comment: "days in the stage after which a deal is marked"},
		{Name: "position", Label: "Position", Type: Int, ReadOnly: true, Comment: "order in the pipeline"},
	},
	RowName: [][]string{{"name"}},
	Name:    func(r *Record) string { return r.Text("name") },
}

var deal = &Entity{
	Noun: "deal", Plural: "deals", Title: "Deal", Titles: "Deals",
	Comment: "An opportunity to sell something.",
	Fields: []Field{
		{Name: "name", Label: "Name", Type: Text, Required: true, Essential: true, Search: SearchName},
		{Name: "pipeline", Label: "Pipeline", Type: Link, To: []Noun{"pipeline"}, Follows: "stage"},
		{Name: "stage", Label: "Stage", Type: Link, To: []Noun{"stage"}, Policy: Ask, Essential: true},
		{Name: "organization", Label: "Organization", Type: Link, To: []Noun{"organization"}, Essential: true},
		{Name: "contact", Label: "Contact", Type: Link, To: []Noun{"contact"}, Essential: true, Comment: "the primary one"},
		{Name: "contacts", Label: "Contacts", Type: List, Part: "deal_contact", Shape: Linked, Target: "contact"},
		{Name: "amount", Label: "Amount", Type: MoneyType, Policy: Ask, Essential: true, Sorted: true, Narrow: true},
		{Name: "probability", Label: "Probability", Type: Int, Narrow: true, Follows: "stage", Comment: "percent, where it differs from the stage's"},
		{Name: "opened_on", Label: "Opened on", Type: Date, Narrow: true},
		{Name: "close_date", Label: "Close date", Type: Date, Policy: Ask, Essential: true, Sorted: true, Narrow: true, Comment: "when it is expected to close, or closed"},
		{Name: "closed_at", Label: "Closed at", Type: Time, ReadOnly: true, Follows: "stage", Comment: "when it was won or lost"},
		{Name: "stage_entered_at", Label: "In stage since", Type: Time, ReadOnly: true, Follows: "stage"},
		{Name: "lost_reason", Label: "Lost reason", Type: Text, Open: true, Follows: "stage", Options: []string{"price", "competitor", "no budget", "no decision", "timing", "not given"}},
		{Name: "next_step", Label: "Next step", Type: Text, Max: 500},
		{Name: "source", Label: "Source", Type: Text, Narrow: true},
		{Name: "lines", Label: "Lines", Type: List, Part: "deal_line"},
		tags, owner, notes, external,
	},
	RowName: [][]string{{"name"}},
	Name:    func(r *Record) string { return r.Text("name") },
}

var dealContact = &Entity{
	Noun: "deal_contact", Plural: "deal_contacts", Title: "Contact role", Titles: "Contact roles", Derived: true,
	Comment: "A contact's part in a deal.",
	Owner:   []Noun{"deal"}, PartKey: []string{"contact"},
	Fields: []Field{
		{Name: "contact", Label: "Contact", Type: Link, To: []Noun{"contact"}, Required: true},
		{Name: "role", Label: "Role", Type: Text, Max: 120, Open: true, Options: []string{"decision maker", "evaluator", "influencer", "user", "other"}},
		{Name: "position", Label: "Position", Type: Int, ReadOnly: true, Comment: "order among its siblings"},
	},
}

var dealLine = &Entity{
	Noun: "deal_line", Plural: "deal_lines", Title: "Line", Titles: "Lines",
	Comment: "A product in a deal.",
	Owner:   []Noun{"deal"}, PartKey: []string{"product"},
	Fields: []Field{
		{Name: "product", Label: "Product", Type: Link, To: []Noun{"product"}},
		{Name: "quantity", Label: "Quantity", Type: Decimal, Default: "1"},
		{Name: "price", Label: "Price", Type: MoneyType, Comment: "of one"},
		{Name: "discount", Label: "Discount", Type: Decimal, Comment: "percent"},
		{Name: "position", Label: "Position", Type: Int, ReadOnly: true, Comment: "order among its siblings"},
	},
}

var stageHistory = &Entity{
	Noun: "stage_history", Plural: "stage_history", Title: "Stage change", Titles: "Stage changes",
	Comment: "A move of a deal from one stage to another.",
	Owner:   []Noun{"deal"},
	Fields: []Field{
		{Name: "from_stage", Label: "From", Type: Link, To: []Noun{"stage"}},
		{Name: "to_stage", Label: "To", Type: Link, To: []Noun{"stage"}},
		{Name: "at", Column: "moved_at", Label: "At", Type: Time},
		{Name: "amount", Label: "Amount", Type: MoneyType, Comment: "of the deal at that time"},
	},
}

var activity = &Entity{
	Noun: "activity", Plural: "activities", Title: "Activity", Titles: "Activities",
	Comment: "A task, call, meeting or note.",
	Fields: []Field{
		{Name: "kind", Label: "Kind", Type: Choice, Max: 20, Options: []string{"task", "call", "meeting", "note"}, Default: "task", Required: true, Essential: true, Narrow: true},
		{Name: "subject", Label: "Subject", Type: Text, Max: 500, Search: SearchName, Essential: true},
		{Name: "body", Label: "Body", Type: LongText, Search: SearchNote, Policy: JoinLines},
		{Name: "status", Label: "Status", Type: Choice, Max: 20, Options: []string{"open", "done", "cancelled"}, Default: "open", Essential: true, Narrow: true},
		{Name: "priority", Label: "Priority", Type: Choice, Max: 20, Options: []string{"low", "normal", "high", "urgent"}, Default: "normal", Narrow: true},
		{Name: "due_at", Label: "Due", Type: Time, Sorted: true, Essential: true, Narrow: true},
		{Name: "start_at", Label: "Start", Type: Time, Narrow: true},
		{Name: "end_at", Label: "End", Type: Time, Narrow: true},
		{Name: "direction", Label: "Direction", Type: Choice, Max: 20, Options: []string{"in", "out"}, Narrow: true},
		{Name: "outcome", Label: "Outcome", Type: Text, Open: true, Options: []string{"reached", "voicemail", "no answer", "wrong number"}, Narrow: true},
		{Name: "duration_s", Label: "Duration", Type: Int, Narrow: true, Comment: "seconds"},
		{Name: "done_at", Label: "Done at", Type: Time, ReadOnly: true},
		{Name: "about", Label: "About", Type: List, Part: "activity_link", Shape: Linked, Target: "record", Essential: true},
		owner, external,
	},
	RowName: [][]string{{"subject"}},
	Name: func(r *Record) string {
		if s := r.Text("subject"); s != "" {
			return s
		}
		if s := firstLine(r.Text("body")); s != "" {
			return s
		}
		return r.Text("kind")
	},
	rule: func(r *Record) []Problem {
		var out []Problem
		if firstLine(r.Text("subject")) == "" && firstLine(r.Text("body")) == "" {
			out = append(out, Problem{Field: "subject", Msg: "an activity needs a subject or a text"})
		}
		if s, e := r.Time("start_at"), r.Time("end_at"); !s.IsZero() && !e.IsZero() && e.Before(s) {
			out = append(out, Problem{Field: "end_at", Msg: "the end lies before the start"})
		}
		return out
	},
}

var activityLink = &Entity{
	Noun: "activity_link", Plural: "activity_links", Title: "Link", Titles: "Links", Derived: true,
	Comment: "A record that an activity is about.",
	Owner:   []Noun{"activity"}, PartKey: []string{"record"},
	Fields: []Field{
		{Name: "record", Label: "Record", Type: Link, To: []Noun{"contact", "organization", "deal"}, Required: true},
	},
}
