package syncer

import (
	"fmt"
	"strings"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/widget/draw"
)

// View draws the page.
func (s *Screen) View() string {
	if s.Width <= 0 || s.Height <= 0 {
		return ""
	}
	if !s.loaded {
		return draw.View(nil, s.Width, s.Height)
	}
	th := s.env.Theme
	lines := s.words()
	if s.err != nil {
		return draw.View(append(lines, draw.Paragraph(th.Danger, draw.Error(s.err), s.Width)...), s.Width, s.Height)
	}
	lines = append(lines, "")
	foot := s.foot()
	lines = append(lines, s.lists(len(lines), s.Height-len(lines)-len(foot))...)
	if len(foot) > 0 {
		lines = append(draw.Block(lines, s.Width, max(0, s.Height-len(foot))), foot...)
	}
	return draw.View(lines, s.Width, s.Height)
}

// words says in plain words where the workspace stands.
func (s *Screen) words() []string {
	th, st, now := s.env.Theme, s.status, s.env.Now()
	sync := s.key(keymap.SyncNow)
	var out []string
	switch {
	case st.Central == "":
		out = append(out, "  "+th.Strong.Render("On its own"))
		return append(out, draw.Paragraph(th.Muted, "This workspace has no central database. Everything is kept here; what is new is sent once a central is configured.", s.Width)...)
	case st.Syncing, s.running.Phase != "":
		out = append(out, "  "+th.Accent.Bold(true).Render("Syncing now"))
	case s.heard.Stopped:
		out = append(out, "  "+th.Danger.Bold(true).Render("! Stopped"))
	case st.Online:
		out = append(out, "  "+th.Good.Bold(true).Render("✓ Online"))
	case st.Problem != "":
		out = append(out, "  "+th.Warn.Bold(true).Render("Offline"))
	default:
		out = append(out, "  "+th.Strong.Render("Asking the central …"))
	}
	out[0] += th.Muted.Render("  " + model.Visible(st.Central))
	if s.running.Phase != "" {
		return append(out, draw.Paragraph(th.Muted, s.progress(), s.Width)...)
	}
	text := "Last sync " + draw.Ago(st.LastSync, now) + ". "
	if st.LastSync.IsZero() {
		text = "It has never been synced. "
	}
	if st.Problem != "" && !st.Online {
		text = draw.Sentence(st.Problem) + " " + text + "Work goes on here; nothing is lost. "
	}
	n := len(s.items[pending])
	switch {
	case s.total() == 0:
		text += "Everything is sent. "
	case n > 0:
		text += draw.Plural(int64(n), "change waits", "changes wait") + " to be sent. "
	}
	switch {
	case s.heard.Stopped:
		text += sync + " tries again."
	case !st.Online && !s.heard.Again.IsZero():
		text += "It is tried again at " + s.heard.Again.Format("15:04:05") + "; " + sync + " syncs now."
	default:
		text += sync + " syncs now."
	}
	return append(out, draw.Paragraph(th.Muted, text, s.Width)...)
}

// progress says how far the sync is that goes on.
func (s *Screen) progress() string {
	p := s.running
	text := draw.Sentence(p.Phase)
	if p.Total > 0 {
		text = draw.Sentence(p.Phase + ": " + draw.Count(p.Done) + " of " + draw.Plural(p.Total, "row", "rows") + p.Speed)
	}
	if s.status.LastSync.IsZero() {
		text += " What is here can be used already; until this first load is over, the search finds names only."
	}
	return text
}

func (s *Screen) total() int { return len(s.clashes) + len(s.items[refused]) + len(s.items[pending]) }

// lists draws the lists that have something and shares the height among them.
// Its place, y lines down, is noted for the mouse.
func (s *Screen) lists(y, h int) []string {
	th := s.env.Theme
	s.spots = s.spots[:0]
	if s.total() == 0 {
		return []string{"  " + th.Good.Render("✓ No conflict, nothing refused, nothing pending.")}
	}
	var ps []part
	var least, want []int
	for p := range parts {
		if n := s.rows(p); n > 0 {
			ps = append(ps, p)
			least = append(least, 2)
			want = append(want, n+1)
		}
	}
	gaps := len(ps) - 1
	heights := draw.Share(least, want, max(0, h-gaps))
	var out []string
	for i, p := range ps {
		if heights[i] == 0 {
			continue
		}
		if len(out) > 0 {
			out = append(out, "")
		}
		n := heights[i] - 1
		top := draw.Window(0, s.row[p], s.rows(p), n)
		note := draw.Count(int64(s.rows(p)))
		if n < s.rows(p) && n > 0 {
			note = fmt.Sprintf("%d–%d of %s", top+1, top+n, note)
		}
		out = append(out, draw.Heading(th, p.title(), note, s.Width, p == s.at))
		s.spots = append(s.spots, spot{p, y + len(out), min(n, s.rows(p)-top), top})
		for j := top; j < min(top+n, s.rows(p)); j++ {
			out = append(out, s.line(p, j))
		}
	}
	return out
}

func (p part) title() string {
	return [...]string{"Conflicts: changed here and there", "Possible duplicates: the same twice?", "Refused by the server", "Pending: not sent yet"}[p]
}

// line draws one row of a list.
func (s *Screen) line(p part, i int) string {
	th, now := s.env.Theme, s.env.Now()
	here := s.at == p && s.row[p] == i
	if p == conflicts {
		c := s.clashes[i]
		var names []string
		e := model.EntityOf(c.Noun)
		for _, f := range c.Fields {
			name := f.Field
			if e != nil && e.Field(name) != nil {
				name = strings.ToLower(e.Field(name).Label)
			}
			names = append(names, name)
		}
		return draw.Row(th, here, s.Width, draw.Cell{Text: "!", Width: 1, Style: th.Danger}, draw.Cell{Text: string(c.Noun), Width: 12, Style: th.Muted},
			draw.Cell{Text: c.Title, Style: th.Text}, draw.Cell{Text: strings.Join(names, ", "), Width: s.Width / 3, Style: th.Danger})
	}
	if p == twins {
		d := s.pairs[i]
		same := d.Field
		if f := model.EntityOf(d.First.Noun).Field(d.Field); f != nil {
			same = strings.ToLower(f.Label)
		}
		same += " " + d.Value
		return draw.Row(th, here, s.Width, draw.Cell{Text: "?", Width: 1, Style: th.Warn}, draw.Cell{Text: string(d.First.Noun), Width: 12, Style: th.Muted},
			draw.Cell{Text: d.First.Name + " = " + d.Second.Name, Style: th.Text}, draw.Cell{Text: same, Width: s.Width / 3, Style: th.Warn})
	}
	it := s.items[p][i]
	what := it.Action
	switch {
	case it.Action == "add":
		what = "new"
	case len(it.Fields) > 0:
		what = strings.Join(s.fields(it), ", ")
	}
	sign, style := "●", th.Warn
	if p == refused {
		sign, style = "×", th.Danger
		what = it.Error
	}
	return draw.Row(th, here, s.Width, draw.Cell{Text: sign, Width: 1, Style: style}, draw.Cell{Text: string(it.Noun), Width: 12, Style: th.Muted},
		draw.Cell{Text: it.Title, Style: th.Text}, draw.Cell{Text: what, Width: s.Width / 3, Style: style},
		draw.Cell{Text: draw.Ago(it.At, now), Width: 16, Right: true, Style: th.Muted})
}

// foot says more about the row under the cursor and what to press.
func (s *Screen) foot() []string {
	th := s.env.Theme
	if s.Height < 12 || s.total() == 0 {
		return nil
	}
	text := s.key(keymap.Open) + " shows both versions and settles it."
	if s.at == twins {
		text = s.key(keymap.Open) + " shows the two beside each other, to merge them or keep both."
	}
	if it := s.item(); it != nil {
		text = s.key(keymap.Open) + " opens the record, " + s.key(keymap.Discard) + " gives the change up."
		switch {
		case it.Code == model.CodeLeft:
			text = draw.Sentence(it.Error) + " " + s.key(keymap.Open) + " opens the record, to copy what you typed; " + s.key(keymap.Discard) + " gives it up."
		case s.at == refused:
			text = "The server says: " + draw.Sentence(it.Error) + " Correct the record (" + s.key(keymap.Open) + "), then " +
				s.key(keymap.Retry) + " sends it again; " + s.key(keymap.Discard) + " gives the change up."
		}
	}
	out := []string{th.Border.Render("  " + strings.Repeat("─", max(0, s.Width-3)))}
	return append(out, draw.Paragraph(th.Text, text, s.Width)...)
}
