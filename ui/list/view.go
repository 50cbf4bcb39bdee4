package list

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/widget"
	"rapport/ui/widget/draw"
)

// View implements screen.Screen.
func (l *List) View() string {
	if l.w <= 0 || l.h <= 0 {
		return ""
	}
	if l.h == 1 {
		return l.infoLine()
	}
	return l.infoLine() + "\n" + l.table.View(l.empty())
}

// infoLine is the filter while it is typed, else what the list shows and how
// many.
func (l *List) infoLine() string {
	th := l.env.Theme
	if l.typing {
		right := l.counts()
		if l.filterErr != "" {
			right = l.filterErr
		}
		right = ansi.Truncate(right, max(0, l.w/2), "…")
		room := l.w - 3 - ansi.StringWidth(right) - 3
		l.in.SetSize(max(1, room), 1)
		return draw.Fit(th.Key.Render(" / ")+l.in.View(th.Focus)+"  "+th.Muted.Render(right)+" ", l.w)
	}
	parts := []string{th.Strong.Render(l.Title())}
	if c := l.counts(); c != "" {
		parts = append(parts, th.Muted.Render(c))
	}
	if l.applied != "" {
		parts = append(parts, th.Accent.Render("/ "+model.Visible(l.applied)))
		if l.filterErr != "" {
			parts = append(parts, th.Warn.Render(l.filterErr))
		}
	}
	if n := l.table.Marked(); n > 0 {
		parts = append(parts, th.Marked.Render("✓ "+draw.Count(int64(n))+" selected"))
	}
	return draw.Fit("   "+strings.Join(parts, "  "), l.w)
}

func (l *List) counts() string {
	switch _, ok := l.table.Total(); {
	case !ok:
		return ""
	case l.applied != "" && l.wholeIs:
		return l.table.Count() + " of " + draw.Count(l.whole)
	}
	return l.table.Count()
}

// empty says why there is nothing to see and what to press.
func (l *List) empty() []string {
	th := l.env.Theme
	key := func(a keymap.Action, s keymap.Scope) string {
		return th.Key.Render(l.env.Keys.KeyOf(a, s))
	}
	mute := th.Muted.Render
	switch {
	case !l.table.Empty():
		return nil
	case l.applied != "":
		esc := key(keymap.Back, keymap.Global)
		return []string{
			th.Text.Render("Nothing fits “" + widget.Fit(l.applied, min(30, ansi.StringWidth(model.Visible(l.applied)))) + "”."),
			"", mute("Press ") + esc + mute(" to see all "+l.entity.Plural+" again."),
		}
	case l.base.Bin:
		return []string{th.Text.Render("The bin is empty."), "", mute("Press ") + key(keymap.Bin, keymap.List) + mute(" to go back.")}
	}
	return []string{
		th.Text.Render("There are no " + l.entity.Plural + " yet."), "",
		mute("Press ") + key(keymap.Add, keymap.List) + mute(" for the first one, or ") +
			key(keymap.GoAdmin, keymap.Global) + mute(" to import a file."),
	}
}
