package ui

import (
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/dialog"
	"rapport/ui/screen"
)

// whichKeyAfter is how long a begun chord waits before its ends are shown.
const whichKeyAfter = 400 * time.Millisecond

// key gives a key to whom it belongs: ctrl+c, the top dialog, a screen that is
// typing, then the screen's scope and the global one.
func (r *Root) key(k tea.KeyPressMsg) tea.Cmd {
	r.dropErrors()
	name := k.String()
	if name == "ctrl+c" {
		return r.quit()
	}
	if r.small() {
		if name == "q" {
			return r.quit()
		}
		return nil
	}
	if n := len(r.dialogs); n > 0 {
		return r.dialogKey(k)
	}
	r.leaving = false
	s := r.top()
	if s.Typing() {
		return r.typed(s, k)
	}
	return r.command(s, name, k)
}

func (r *Root) dialogKey(k tea.KeyPressMsg) tea.Cmd {
	n := len(r.dialogs)
	d := r.dialogs[n-1]
	a, _ := r.env.Keys.Lookup([]keymap.Scope{keymap.Dialog}, []string{k.String()})
	cmd, done := d.Update(k, a)
	if done {
		r.leaving = false
		// The command may have opened another dialog, so this one is found
		// by itself.
		for i := range r.dialogs {
			if r.dialogs[i] == d {
				r.dialogs = append(r.dialogs[:i:i], r.dialogs[i+1:]...)
				break
			}
		}
	}
	return cmd
}

// typingScope is where the keys of a screen that is typing are looked up.
func typingScope(s screen.Screen) keymap.Scope {
	switch sc := s.Scope(); sc {
	case keymap.Form, keymap.Search, keymap.Dialog, keymap.Connect, keymap.Text:
		return sc
	}
	return keymap.Text
}

// whileTyping are the global actions that also hold while a person types, by
// keys that are no text.
func whileTyping(a keymap.Action) bool {
	switch a {
	case keymap.Help, keymap.Commands, keymap.SearchAll, keymap.Suspend, keymap.SyncNow:
		return true
	}
	return false
}

func (r *Root) typed(s screen.Screen, k tea.KeyPressMsg) tea.Cmd {
	name := k.String()
	if a, m := r.env.Keys.Lookup([]keymap.Scope{typingScope(s)}, []string{name}); m == keymap.Full {
		if cmd, ok := s.Do(a); ok {
			return cmd
		}
		return s.Update(k)
	}
	if k.Text == "" {
		if a, m := r.env.Keys.Lookup([]keymap.Scope{keymap.Global}, []string{name}); m == keymap.Full && whileTyping(a) {
			cmd, _ := r.act(a)
			return cmd
		}
	}
	return s.Update(k)
}

// command looks a key up as a command, alone or as the next one of a chord.
func (r *Root) command(s screen.Screen, name string, k tea.KeyPressMsg) tea.Cmd {
	scopes := []keymap.Scope{s.Scope(), keymap.Global}
	if len(r.chord) > 0 && name == "esc" {
		r.endChord()
		return nil
	}
	seq := append(append([]string(nil), r.chord...), name)
	a, m := r.env.Keys.Lookup(scopes, seq)
	switch m {
	case keymap.Prefix:
		r.chord = seq
		r.chordGen++
		return r.env.Later(whichKeyAfter, whichKeyMsg{r.chordGen})
	case keymap.None:
		if len(r.chord) > 0 {
			r.endChord()
			return nil
		}
		return s.Update(k)
	}
	r.endChord()
	if cmd, ok := s.Do(a); ok {
		return cmd
	}
	if cmd, ok := r.act(a); ok {
		return cmd
	}
	// The screen has the action in its scope but not now: the key may mean
	// something else everywhere.
	if g, m := r.env.Keys.Lookup([]keymap.Scope{keymap.Global}, seq); m == keymap.Full && g != a {
		if cmd, ok := r.act(g); ok {
			return cmd
		}
	}
	return nil
}

func (r *Root) endChord() {
	r.chord, r.whichKey = nil, false
	r.chordGen++
}

// act carries out a global action. ok is false for an action that is none.
func (r *Root) act(a keymap.Action) (cmd tea.Cmd, ok bool) {
	for i, t := range tabs {
		if t.action == a {
			return r.goTo(i), true
		}
	}
	switch a {
	case keymap.Quit:
		return r.quit(), true
	case keymap.Back:
		return r.back(), true
	case keymap.Help:
		r.dialogs = append(r.dialogs, dialog.NewHelp(r.env, r.w, r.sections(false)))
		return nil, true
	case keymap.Commands:
		r.dialogs = append(r.dialogs, dialog.NewPalette(r.env, r.commands()))
		return nil, true
	case keymap.Messages:
		r.dialogs = append(r.dialogs, dialog.NewText(r.env, "Messages", r.messages()))
		return nil, true
	case keymap.SearchAll:
		return r.open(screen.OpenMsg{Kind: screen.Find}), true
	case keymap.LogCall, keymap.LogNote, keymap.LogTask:
		kind := map[keymap.Action]string{keymap.LogCall: "call", keymap.LogNote: "note", keymap.LogTask: "task"}[a]
		r.dialogs = append(r.dialogs, dialog.NewQuickLog(r.env, kind, r.top().About()))
		return nil, true
	case keymap.SyncNow:
		return r.syncNow(), true
	case keymap.Undo:
		return r.takeBack(model.LastAct), true
	case keymap.Redo:
		return r.takeBack(model.LastUndo), true
	case keymap.Suspend:
		if !canSuspend() {
			return screen.Notice("this terminal has no job control: use another window"), true
		}
		return tea.Suspend, true
	}
	return nil, false
}

// paste gives pasted text to the one text field that has the cursor.
func (r *Root) paste(m tea.PasteMsg) tea.Cmd {
	if n := len(r.dialogs); n > 0 {
		cmd, _ := r.dialogs[n-1].Update(m, "")
		return cmd
	}
	if s := r.top(); s.Typing() {
		return s.Update(m)
	}
	return nil
}

// sections are the keys that work here, for help, or only those that the help
// line may show.
func (r *Root) sections(ranked bool) []dialog.Section {
	s := r.top()
	scope := s.Scope()
	if s.Typing() {
		scope = typingScope(s)
	}
	here := dialog.Section{Title: s.Title()}
	for _, b := range r.env.Keys.In(scope) {
		if (b.Rank > 0 || !ranked) && can(s, b.Action) {
			here.Bindings = append(here.Bindings, b)
		}
	}
	everywhere := dialog.Section{Title: "Everywhere"}
	for _, b := range r.env.Keys.In(keymap.Global) {
		if b.Rank == 0 && ranked {
			continue
		}
		if s.Typing() {
			b.Keys = notText(b.Keys)
			if len(b.Keys) == 0 || !whileTyping(b.Action) {
				continue
			}
		}
		b.Keys = r.free(s, scope, b.Keys)
		if len(b.Keys) > 0 {
			everywhere.Bindings = append(everywhere.Bindings, b)
		}
	}
	return []dialog.Section{here, everywhere}
}

// free leaves out keys that mean something else on a screen now.
func (r *Root) free(s screen.Screen, scope keymap.Scope, keys []string) []string {
	var out []string
	for _, k := range keys {
		a, m := r.env.Keys.Lookup([]keymap.Scope{scope}, strings.Fields(k))
		if m == keymap.None || m == keymap.Full && !can(s, a) {
			out = append(out, k)
		}
	}
	return out
}

func notText(keys []string) []string {
	var out []string
	for _, k := range keys {
		if len(k) > 1 && !strings.Contains(k, " ") {
			out = append(out, k)
		}
	}
	return out
}

// commands are the actions that can be chosen by name: those of the screen,
// then the global ones.
func (r *Root) commands() []dialog.Command {
	s := r.top()
	var out []dialog.Command
	for i, sec := range r.sections(false) {
		for _, b := range sec.Bindings {
			if b.Action == keymap.Commands || i == 0 && s.Typing() {
				continue
			}
			a := b.Action
			do := func() tea.Msg { return screen.ActMsg{Action: a} }
			if i == 0 {
				do = func() tea.Msg { return doMsg{a} }
			}
			title := strings.ToUpper(b.Help[:1]) + b.Help[1:]
			for _, t := range tabs {
				if t.action == a {
					title = "Go to " + b.Help
				}
			}
			out = append(out, dialog.Command{Title: title, Key: b.Keys[0], Do: do})
		}
	}
	return append(out, r.more()...)
}

// doMsg carries out an action of the screen that is seen.
type doMsg struct{ action keymap.Action }

// more are commands that have no key of their own.
func (r *Root) more() []dialog.Command {
	open := func(title string, m screen.OpenMsg) dialog.Command {
		return dialog.Command{Title: title, Do: screen.Open(m)}
	}
	return []dialog.Command{
		open("New contact", screen.OpenMsg{Kind: screen.Form, Noun: "contact"}),
		open("New organization", screen.OpenMsg{Kind: screen.Form, Noun: "organization"}),
		open("New deal", screen.OpenMsg{Kind: screen.Form, Noun: "deal"}),
		open("New activity", screen.OpenMsg{Kind: screen.Form, Noun: "activity"}),
		open("Products", screen.OpenMsg{Kind: screen.List, Noun: "product"}),
		open("Users", screen.OpenMsg{Kind: screen.List, Noun: "user"}),
		open("Tags", screen.OpenMsg{Kind: screen.List, Noun: "tag"}),
		open("Pipelines and stages", screen.OpenMsg{Kind: screen.List, Noun: "pipeline"}),
		open("Import a file", screen.OpenMsg{Kind: screen.Import}),
		open("Backups", screen.OpenMsg{Kind: screen.Backups}),
	}
}
