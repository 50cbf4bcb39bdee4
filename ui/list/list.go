// Package list is the screen that lists the records of a noun: one screen for
// all of them, drawn from the declaration.
//
// Promises: the list holds only what is near the cursor; the filter is applied
// while it is typed; the cursor stays on its record while records change.
package list

import (
	"reflect"
	"strings"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget"
)

// List is a list of records. See New.
type List struct {
	env    *screen.Env
	entity *model.Entity
	table  *widget.Table
	base   model.Query // without what is typed into the filter

	in        widget.Input
	typing    bool
	applied   string // the filter that is shown
	filterErr string
	filterGen int
	whole     int64 // records without the filter, once they were counted
	wholeIs   bool

	w, h int
}

// filterDueMsg applies what was typed, if nothing was typed since.
type filterDueMsg struct {
	list *List
	gen  int
}

// actedMsg is the end of an action on records.
type actedMsg struct {
	list *List
	text string
	err  error
}

// New returns the list of m.Noun. A filter in m.Query becomes the text of the
// filter, where the person sees it and can take it back.
func New(env *screen.Env, m screen.OpenMsg) *List {
	e := model.EntityOf(m.Noun)
	if e == nil {
		e = model.EntityOf("contact")
	}
	q := m.Query
	q.Noun = e.Noun
	l := &List{env: env, entity: e}
	text := filterText(q.Filter)
	if q.Text != "" {
		text = strings.TrimSpace(text + " " + q.Text)
	}
	q.Filter, q.Text = nil, ""
	l.base = q
	l.in.SetValue(text)
	l.applied = text
	conds, words, _ := parseFilter(e, text)
	q.Filter, q.Text = conds, words
	l.table = widget.NewTable(env, q)
	return l
}

// Init implements screen.Screen.
func (l *List) Init() tea.Cmd { return l.table.Load() }

// SetSize implements screen.Screen.
func (l *List) SetSize(w, h int) {
	l.w, l.h = w, h
	l.table.SetSize(w, max(0, h-1))
	l.in.SetSize(max(1, w-24), 1)
}

// Title implements screen.Screen.
func (l *List) Title() string {
	if l.base.Bin {
		return l.entity.Titles + ", deleted"
	}
	return l.entity.Titles
}

// Scope implements screen.Screen.
func (l *List) Scope() keymap.Scope {
	if l.typing {
		return keymap.Text
	}
	return keymap.List
}

// Typing implements screen.Screen.
func (l *List) Typing() bool { return l.typing }

// Dirty implements screen.Screen.
func (l *List) Dirty() bool { return false }

// Cursor implements screen.Screen.
func (l *List) Cursor() *tea.Cursor {
	if !l.typing {
		return nil
	}
	x, _ := l.in.Cursor()
	return tea.NewCursor(3+x, 0)
}

// About implements screen.Screen.
func (l *List) About() model.Ref {
	r := l.table.Current()
	if r == nil {
		return model.Ref{}
	}
	return screen.AboutOf(r)
}

// Update implements screen.Screen.
func (l *List) Update(msg tea.Msg) tea.Cmd {
	if cmd, ok := l.table.Update(msg); ok {
		if n, counted := l.table.Total(); counted && l.applied == "" {
			l.whole, l.wholeIs = n, true
		}
		return cmd
	}
	switch m := msg.(type) {
	case screen.ChangedMsg:
		return l.table.Reload()
	case screen.SeenMsg:
		if reflect.DeepEqual(m.Query, l.table.Query()) {
			return l.table.GoTo(m.ID)
		}
	case screen.ThemeMsg:
		l.table.Restyle()
	case tea.WindowSizeMsg:
		return l.table.Resized()
	case filterDueMsg:
		if m.list == l && m.gen == l.filterGen {
			return l.filter()
		}
	case actedMsg:
		if m.list == l {
			return l.acted(m)
		}
	case tea.KeyPressMsg, tea.PasteMsg:
		if l.typing {
			return l.typed(msg)
		}
	}
	return nil
}

func (l *List) acted(m actedMsg) tea.Cmd {
	if m.err != nil {
		return tea.Batch(screen.Fail(m.err), l.table.Reload())
	}
	l.table.ClearSelection()
	return tea.Batch(screen.Notice(m.text), l.table.Reload())
}

// Can implements screen.Chooser.
func (l *List) Can(a keymap.Action) bool {
	if l.table.Current() == nil && (a == keymap.Open || a == keymap.Edit || a == keymap.Delete || a == keymap.Select || a == keymap.Sort) {
		return false
	}
	switch a {
	case keymap.Done:
		return l.hasDone()
	case keymap.Restore:
		return l.base.Bin
	case keymap.CopyCard:
		return l.entity.Noun == "contact" || l.entity.Noun == "organization"
	case keymap.Delete, keymap.Add, keymap.Edit:
		return !l.base.Bin
	case keymap.Back:
		return l.base.Bin || l.applied != "" || l.table.Marked() > 0
	}
	return true
}

// Do implements screen.Screen.
func (l *List) Do(a keymap.Action) (tea.Cmd, bool) {
	if l.typing {
		return l.doTyping(a)
	}
	if !l.Can(a) {
		return nil, false
	}
	t := l.table
	switch a {
	case keymap.Up:
		return t.Move(-1), true
	case keymap.Down:
		return t.Move(1), true
	case keymap.PageUp:
		return t.Page(-1), true
	case keymap.PageDown:
		return t.Page(1), true
	case keymap.Top:
		return t.Top(), true
	case keymap.Bottom:
		return t.Bottom(), true
	case keymap.Left:
		t.MoveColumn(-1)
		return nil, true
	case keymap.Right:
		t.MoveColumn(1)
		return nil, true
	case keymap.Sort:
		cmd, ok := t.Sort()
		if !ok {
			return screen.Notice("nothing can be sorted by " + strings.ToLower(t.Column().Label)), true
		}
		return cmd, true
	case keymap.Select:
		return t.Toggle(), true
	case keymap.Filter:
		l.typing = true
		return nil, true
	case keymap.Back:
		return l.leave(), true
	}
	return l.act(a)
}

// leave takes back the selection, else the filter, else the bin.
func (l *List) leave() tea.Cmd {
	switch {
	case l.table.ClearSelection():
		return nil
	case l.applied != "":
		l.in.SetValue("")
		return l.filter()
	}
	return l.bin(false)
}

func (l *List) bin(on bool) tea.Cmd {
	l.base.Bin = on
	l.wholeIs = false
	l.table.ClearSelection()
	return l.filter()
}

// Click implements screen.Clicker.
func (l *List) Click(x, y int, double bool) tea.Cmd {
	if y == 1 && l.table.ColumnAt(x) {
		cmd, _ := l.table.Sort()
		return cmd
	}
	if !l.table.RowAt(y - 1) {
		return nil
	}
	if double {
		cmd, _ := l.act(keymap.Open)
		return cmd
	}
	return nil
}

// Working implements screen.Worker.
func (l *List) Working() string { return l.table.Working() }

// Wheel implements screen.Clicker.
func (l *List) Wheel(_, _, by int) tea.Cmd { return l.table.Move(by) }
