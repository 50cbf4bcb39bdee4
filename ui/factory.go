package ui

import (
	"rapport/keymap"
	"rapport/model"
	"rapport/ui/admin"
	"rapport/ui/board"
	"rapport/ui/conflict"
	"rapport/ui/detail"
	"rapport/ui/find"
	"rapport/ui/form"
	"rapport/ui/list"
	"rapport/ui/reports"
	"rapport/ui/screen"
	"rapport/ui/start"
	"rapport/ui/syncer"
	"rapport/ui/welcome"
)

// factories says which package makes which screen. A kind that is missing is
// told to the person as not built yet.
func factories() map[screen.Kind]func(*screen.Env, screen.OpenMsg) screen.Screen {
	return map[screen.Kind]func(*screen.Env, screen.OpenMsg) screen.Screen{
		screen.List:    func(e *screen.Env, m screen.OpenMsg) screen.Screen { return list.New(e, m) },
		screen.Detail:  func(e *screen.Env, m screen.OpenMsg) screen.Screen { return detail.New(e, m) },
		screen.History: func(e *screen.Env, m screen.OpenMsg) screen.Screen { return detail.NewHistory(e, m) },
		screen.Form:    func(e *screen.Env, m screen.OpenMsg) screen.Screen { return form.New(e, m) },

		screen.Start:     start.New,
		screen.Board:     board.New,
		screen.Reports:   reports.New,
		screen.Sync:      syncer.New,
		screen.Conflict:  conflict.New,
		screen.Duplicate: conflict.NewDuplicate,
		screen.Find:      find.New,
		screen.Welcome:   welcome.New,

		screen.Admin:     admin.New,
		screen.Import:    admin.New,
		screen.ExportTo:  admin.New,
		screen.Backups:   admin.New,
		screen.Archive:   admin.New,
		screen.Compare:   admin.New,
		screen.Restore:   admin.New,
		screen.SetUp:     admin.New,
		screen.Schedule:  admin.New,
		screen.Pipelines: admin.New,
		screen.Central:   admin.New,
		screen.People:    admin.New,
		screen.Devices:   admin.New,
		screen.Doctor:    admin.New,
		screen.Users: func(e *screen.Env, _ screen.OpenMsg) screen.Screen {
			return list.New(e, withNoun(screen.OpenMsg{Kind: screen.List, Noun: "user"}))
		},
	}
}

// tab is one of the places that a digit goes to.
type tab struct {
	action keymap.Action
	open   screen.OpenMsg
	name   string
	short  string
}

// openActivities lists what is to be done, the next one first; esc shows what
// is done, too.
var openActivities = screen.OpenMsg{Kind: screen.List, Noun: "activity", Query: model.Query{
	Noun:   "activity",
	Filter: []model.Condition{{Field: "status", Op: model.Equal, Value: "open"}},
	Sort:   []model.SortKey{{Field: "due_at"}},
}}

var tabs = [...]tab{
	{keymap.GoStart, screen.OpenMsg{Kind: screen.Start}, "Start", "Start"},
	{keymap.GoContacts, screen.OpenMsg{Kind: screen.List, Noun: "contact"}, "Contacts", "People"},
	{keymap.GoOrgs, screen.OpenMsg{Kind: screen.List, Noun: "organization"}, "Organizations", "Orgs"},
	{keymap.GoDeals, screen.OpenMsg{Kind: screen.List, Noun: "deal"}, "Deals", "Deals"},
	{keymap.GoBoard, screen.OpenMsg{Kind: screen.Board}, "Board", "Board"},
	{keymap.GoTasks, openActivities, "Activities", "Tasks"},
	{keymap.GoReports, screen.OpenMsg{Kind: screen.Reports}, "Reports", "Reports"},
	{keymap.GoSync, screen.OpenMsg{Kind: screen.Sync}, "Sync", "Sync"},
	{keymap.GoAdmin, screen.OpenMsg{Kind: screen.Admin}, "Admin", "Admin"},
}

// withNoun fills in what the caller of a screen left out.
func withNoun(m screen.OpenMsg) screen.OpenMsg {
	// A record that was opened from no list has no next one.
	if m.Noun != "" && m.Query.Noun == "" && m.Kind != screen.Detail {
		m.Query.Noun = m.Noun
	}
	if m.Noun == "" && m.Query.Noun != "" {
		m.Noun = m.Query.Noun
	}
	if e := model.EntityOf(m.Noun); e != nil {
		m.Noun = e.Noun
	}
	return m
}
