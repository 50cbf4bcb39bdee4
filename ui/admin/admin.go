// Package admin is the administrator's menu and the pages it leads to: import,
// export, backups, pipelines and stages, the central with its people and
// devices, and the checks.
//
// Promises: every page is a list of rows of which enter acts on one; what
// takes long runs in a command, shows how far it is and can be stopped; what
// replaces data asks first, names what and how much, and begins at No.
package admin

import (
	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
)

// New returns the page of a kind, the menu for one that is none of them.
func New(env *screen.Env, m screen.OpenMsg) screen.Screen {
	switch m.Kind {
	case screen.Import:
		return newImporter(env)
	case screen.ExportTo:
		return newExporter(env, m)
	case screen.Backups:
		return newBackups(env)
	case screen.Archive:
		return newArchive(env, m)
	case screen.Compare:
		return newCompare(env, m)
	case screen.SetUp:
		return newSetUp(env)
	case screen.Schedule:
		return newSchedule(env)
	case screen.Restore:
		return newRestore(env, m)
	case screen.Pipelines:
		return newPipelines(env)
	case screen.Central:
		return newCentral(env)
	case screen.Doctor:
		return newDoctor(env)
	case screen.People:
		return newPeople(env)
	case screen.Devices:
		return newDevices(env)
	}
	return newMenu(env)
}

// menu is the first page.
type menu struct{ page }

func newMenu(env *screen.Env) screen.Screen {
	m := &menu{page: page{env: env, title: "Administration"}}
	open := func(k screen.Kind, n model.Noun) func() tea.Cmd {
		return func() tea.Cmd { return screen.Open(screen.OpenMsg{Kind: k, Noun: n}) }
	}
	m.set([]row{
		{head: true, label: "Every day"},
		{label: "Sync now", text: "send what is new here, fetch what is new there", do: func() tea.Cmd {
			return func() tea.Msg { return screen.ActMsg{Action: keymap.SyncNow} }
		}},
		{label: "Import a file", text: "CSV, vCard, JSON; a dry run shows what would happen", do: open(screen.Import, "")},
		{label: "Export records", text: "CSV, TSV, JSON, NDJSON, vCard", do: open(screen.ExportTo, "")},
		{label: "Backups", text: "how safe the data is; make, look into, restore copies", do: open(screen.Backups, "")},
		{head: true, label: "Set up"},
		{label: "Pipelines and stages", text: "the steps of selling and their probabilities", do: open(screen.Pipelines, "")},
		{label: "Users", text: "who works with the CRM", do: open(screen.List, "user")},
		{label: "Products", text: "what is sold", do: open(screen.List, "product")},
		{label: "Tags", text: "labels that records carry", do: open(screen.List, "tag")},
		{label: "First steps", text: "the demo, an import, or the company's database", do: open(screen.Welcome, "")},
		{head: true, label: "Look after"},
		{label: "Central database", text: "how the company's database stands", do: open(screen.Central, "")},
		{label: "People", text: "who has an account; let people in, keep them out", do: open(screen.People, "")},
		{label: "Devices", text: "what syncs with it; empty one that is lost", do: open(screen.Devices, "")},
		{label: "Change your password", text: "on the company's database", do: func() tea.Cmd { return func() tea.Msg { return screen.PasswordMsg{} } }},
		{label: "Check this workspace", text: "what is wrong and how to mend it", do: open(screen.Doctor, "")},
	})
	return m
}

// Init does nothing: the menu needs no data.
func (m *menu) Init() tea.Cmd { return nil }

// Update does nothing.
func (m *menu) Update(tea.Msg) tea.Cmd { return nil }
