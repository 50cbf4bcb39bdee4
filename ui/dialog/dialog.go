// Package dialog holds what is laid over a screen: questions, the quick log,
// the list of commands, help and the messages. The root keeps them as a stack,
// the top one gets the keys.
//
// Promises: a question that changes anything stands on No until a person moves
// to Yes; a dialog that opens by itself ignores keys for a moment; a dialog
// never draws more cells than it is given.
package dialog

import (
	"strings"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget"
	"rapport/ui/widget/draw"
)

// Dialog is one layer over the screens.
type Dialog interface {
	// Update takes a key with the action it has in the dialog's scope ("" if
	// none), a paste or the answer of a load. done closes the dialog; cmd
	// runs in any case.
	Update(msg tea.Msg, a keymap.Action) (cmd tea.Cmd, done bool)
	// View draws the box into at most w by h cells.
	View(w, h int) string
	// Cursor is where the terminal's cursor stands in the box as it was
	// drawn last; nil hides it.
	Cursor() *tea.Cursor
	// Dirty tells that closing would lose something typed.
	Dirty() bool
}

// still is the action of a key in a dialog in which nothing is typed: letters
// move there, too.
func still(env *screen.Env, key string, a keymap.Action) keymap.Action {
	if a == "" {
		a, _ = env.Keys.Lookup([]keymap.Scope{keymap.Choice}, []string{key})
	}
	return a
}

// box draws a frame with a title around lines of w cells; footer stands in the
// lower edge.
func box(env *screen.Env, title string, lines []string, w int, footer string) string {
	th := env.Theme
	title = ansi.Truncate(model.Visible(title), max(0, w-2), "…")
	top := th.Border.Render("╭─ ") + th.Strong.Render(title) + th.Border.Render(" "+strings.Repeat("─", max(0, w-ansi.StringWidth(title)-1))+"╮")
	out := []string{top}
	side := th.Border.Render("│")
	for _, l := range lines {
		out = append(out, side+" "+draw.Fit(l, w)+" "+side)
	}
	if footer == "" {
		out = append(out, th.Border.Render("╰"+strings.Repeat("─", w+2)+"╯"))
	} else {
		footer = ansi.Truncate(footer, max(0, w-2), "…")
		out = append(out, th.Border.Render("╰"+strings.Repeat("─", max(0, w-ansi.StringWidth(footer)-1))+" ")+footer+th.Border.Render(" ─╯"))
	}
	return strings.Join(out, "\n")
}

// keys writes help for some actions of the dialog scope.
func keys(env *screen.Env, pairs ...string) string {
	var parts []string
	for i := 0; i+1 < len(pairs); i += 2 {
		parts = append(parts, env.Theme.Key.Render(pairs[i])+" "+env.Theme.Muted.Render(pairs[i+1]))
	}
	return strings.Join(parts, "  ")
}

// window returns the first line to show of n so that at is among h lines.
func window(at, n, h int) int {
	return max(0, min(at-h/2, n-h))
}

// field draws a text field with its label before it.
func field(env *screen.Env, label string, in *widget.Input, focus bool, labelWidth, w int) string {
	in.SetSize(max(1, w-labelWidth), 1)
	st, ls := env.Theme.Text, env.Theme.Muted
	if focus {
		st, ls = env.Theme.Focus, env.Theme.Accent
	} else if in.Value() == "" {
		return ls.Render(widget.Fit(label, labelWidth)) + env.Theme.Border.Render(widget.Fit("·", max(1, w-labelWidth)))
	}
	return ls.Render(widget.Fit(label, labelWidth)) + in.View(st)
}

// button draws a choice in brackets, so that it is told from text without
// colour.
func button(env *screen.Env, label string, on bool, st lipgloss.Style) string {
	if on {
		return env.Theme.Selected.Render("[ " + label + " ]")
	}
	return st.Render("  " + label + "  ")
}
