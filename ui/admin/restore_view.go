package admin

import (
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/widget/draw"
)

// The rows that are come back to.
const (
	workOut    = "Look first"
	restoreNow = "Restore now"
	takeBack   = "Take it back"
)

func (s *restore) rebuild() {
	if !s.loaded {
		s.set([]row{{label: "asking …"}})
		return
	}
	back := s.env.Keys.KeyOf(keymap.Back, keymap.Global)
	if len(s.items) == 0 {
		text := "no verified backup: " + back + " goes back to the backups, where " + s.env.Keys.KeyOf(keymap.Add, keymap.Backups) + " makes one"
		rows := []row{{label: "Look again", text: "list the backups anew", do: s.reload}}
		if s.err == nil {
			rows = append(rows, row{label: "Nothing", text: text, sign: "×", style: &s.env.Theme.Danger})
		}
		s.set(append(rows, s.undoRows()...))
		return
	}
	rows := []row{{head: true, label: "What is to come back", note: "you are asked first"}}
	if len(s.of(model.SourceCentral)) > 0 && s.env.Workspace.Settings().Central != "" {
		rows = append(rows, row{label: "Of", text: sourceWord(s.source), do: s.change(s.askSource)})
	}
	rows = append(rows, row{label: "As of", text: s.asOf(), style: &s.env.Theme.Text, do: s.change(s.askMoment)})
	if s.source == model.SourceCentral {
		rows = append(rows, s.centralRows()...)
	} else {
		rows = append(rows, s.hereRows()...)
	}
	s.set(append(rows, s.undoRows()...))
}

// asOf is the moment that is chosen.
func (s *restore) asOf() string {
	if !s.when.IsZero() {
		return s.moment(s.when) + ", out of the history"
	}
	b, ok := s.backup()
	if !ok {
		return "choose a backup"
	}
	return s.moment(b.At) + ", " + b.Kind + " backup, " + draw.Ago(b.At, s.env.Now())
}

func (s *restore) safetyRow() row {
	text := "yes: what is there now becomes a backup of its own"
	if s.bare {
		text = "no"
	}
	return row{label: "Back up first", text: text, do: func() tea.Cmd {
		s.bare = !s.bare
		s.forget()
		s.rebuild()
		return nil
	}}
}

// centralRows are those of a restore of the company's database.
func (s *restore) centralRows() []row {
	th := s.env.Theme
	which := allRecords
	if s.noun != "" {
		which = model.EntityOf(s.noun).Titles + " with their parts"
	}
	after := "computers offer again what the central loses"
	if s.giveUp {
		after = "computers give up what they sent since: a mistake that travelled does not come back"
	}
	rows := []row{{label: "Records", text: which, do: s.change(s.askNoun)}, s.safetyRow(),
		{label: "Afterwards", text: after, do: func() tea.Cmd {
			s.giveUp = !s.giveUp
			s.forget()
			s.rebuild()
			return nil
		}},
		{label: workOut, text: "compare every row: what would come, change and go", style: &th.Text, do: s.workItOut}}
	if s.ahead {
		rows = append(rows, row{label: "Catch up", text: "back up what happened until now, which holds that moment, and look again", sign: "→", style: &th.Text, do: s.catchUp})
	}
	switch {
	case s.plan != nil:
		return append(rows, s.planRows()...)
	case s.done != nil:
		return append(rows, s.doneRows()...)
	}
	return rows
}

// changed counts what a restore does to a table.
func changed(t model.RestoreTable) int64 { return t.Inserts + t.Updates + t.Deletes }

// planRows say what would happen, and offer to do it.
func (s *restore) planRows() []row {
	th, p := s.env.Theme, s.plan
	rows := []row{{head: true, label: "What would happen", note: "it takes about " + p.Estimate.String()},
		{label: restoreNow, text: "as of " + s.moment(p.At) + ", into " + model.Visible(p.Target), sign: "!", style: &th.Danger, do: s.askCentral}}
	if p.Fresh {
		rows = append(rows, row{label: "Empty", text: "there is nothing that could be replaced", sign: "✓", style: &th.Good})
	} else {
		lost := row{label: "Lost", text: draw.Plural(p.Lost, "change", "changes") + " made since then" + s.lostText() + lossText(p.Losses), sign: "!", style: &th.Warn}
		if p.Lost == 0 {
			lost.text, lost.sign, lost.style = "nothing: no change was made since then", "✓", &th.Good
		}
		rows = append(rows, lost)
	}
	var same int64
	for _, t := range p.Tables {
		if changed(t) == 0 {
			same++
			continue
		}
		rows = append(rows, row{label: t.Table, id: "table " + t.Table, text: tableText(t), note: draw.Plural(t.Rows, "row", "rows"), sign: "●", style: &th.Text})
	}
	switch {
	case same == int64(len(p.Tables)):
		rows = append(rows, row{label: "Tables", text: "every row is there already as it was then", sign: "✓", style: &th.Good})
	case same > 0:
		rows = append(rows, row{label: "Other tables", text: draw.Plural(same, "stays as it is", "stay as they are")})
	}
	for _, l := range p.Laptops {
		r := row{label: "Computer", id: "computer " + l.Person + " " + l.Name, text: joined(l.Person, l.Name, "compares every record at its next sync"), note: "seen " + draw.Ago(l.LastSeen, s.env.Now())}
		if l.Pending > 0 {
			r.sign, r.style = "⇅", &th.Warn
			r.text = joined(l.Person, l.Name, draw.Count(l.Pending)+" unsent, which are sent at its next sync")
		}
		rows = append(rows, r)
	}
	for _, n := range p.Notes {
		rows = append(rows, row{label: "Note", id: "note " + n, text: model.Visible(n)})
	}
	return rows
}

// lossText says whose changes are lost.
func lossText(losses []model.RestoreLoss) string {
	var out []string
	for _, l := range losses {
		out = append(out, draw.Count(l.Changes)+" of "+model.Visible(l.Person))
	}
	if len(out) == 0 {
		return ""
	}
	return ": " + strings.Join(out, ", ")
}

// tableText says what happens to a table, and to which records first.
func tableText(t model.RestoreTable) string {
	var parts []string
	add := func(n int64, one, many string) {
		if n > 0 {
			parts = append(parts, draw.Plural(n, one, many))
		}
	}
	add(t.Inserts, "comes", "come")
	add(t.Updates, "changes", "change")
	add(t.Deletes, "goes", "go")
	text := strings.Join(parts, ", ")
	if t.Stays {
		text += " (the present ones stay)"
	}
	words := map[string]string{"insert": "comes", "update": "changes", "delete": "goes"}
	var samples []string
	for _, x := range t.Samples {
		if x.Name == "" {
			continue
		}
		sample := model.Visible(x.Name) + " " + words[x.Action]
		if len(x.Fields) > 0 {
			sample += " (" + strings.Join(x.Fields, ", ") + ")"
		}
		samples = append(samples, sample)
	}
	if len(samples) > 0 {
		text += ": " + strings.Join(samples, "; ")
	}
	return text
}

// doneRows say what a restore of the central did.
func (s *restore) doneRows() []row {
	th, r := s.env.Theme, s.done
	rows := []row{{head: true, label: "What was done", note: "in " + r.Took.Round(time.Millisecond).String()},
		{label: "Restored", text: draw.Plural(r.Rows, "row", "rows") + " in " + draw.Plural(int64(len(r.Tables)), "table", "tables") + ", as of " + s.moment(r.At) + "; every computer compares its records at its next sync", sign: "✓", style: &th.Good}}
	if r.Safety != nil {
		rows = append(rows, row{label: "Before", text: "what was there is the backup of " + s.moment(r.Safety.At), sign: "✓", style: &th.Good})
	}
	for _, d := range r.Done {
		rows = append(rows, row{label: "Note", id: "note " + d, text: model.Visible(d)})
	}
	for _, p := range r.People {
		rows = append(rows, row{label: "Account", id: "account " + p, text: p})
	}
	return rows
}

// hereRows are those of a restore of the workspace.
func (s *restore) hereRows() []row {
	th := s.env.Theme
	rows := []row{s.safetyRow()}
	if b, ok := s.backup(); ok {
		rows = append(rows, row{label: restoreNow, text: "every record here gives way to the " + draw.Plural(b.Rows, "row", "rows") + " of that backup", sign: "!", style: &th.Danger, do: s.askHere})
	}
	if s.here == nil {
		return rows
	}
	h := s.here
	rows = append(rows, row{head: true, label: "What was done"},
		row{label: "Restored", text: draw.Plural(h.info.Rows, "row", "rows") + " as of " + s.moment(h.info.At), sign: "✓", style: &th.Good},
		row{label: "Safety copy", text: h.safe, sign: "✓", style: &th.Good})
	if h.before.ID != "" {
		rows = append(rows, row{label: takeBack, text: "this workspace is then as it was before", sign: "→", style: &th.Text, do: s.askBackHere})
	}
	return rows
}

// undoRows offer to take the last restore of the central back.
func (s *restore) undoRows() []row {
	if s.undo == nil || s.source == model.SourceLocal && len(s.items) > 0 {
		return nil
	}
	return []row{{head: true, label: "The last restore"}, {label: takeBack, text: undoText(*s.undo), sign: "→", style: &s.env.Theme.Text, do: s.askTakeBack}}
}

// undoText says what taking the last restore of the central back would do.
func undoText(r model.RestoreResult) string {
	var out []string
	if n := int64(len(r.Kept)); n > 0 {
		out = append(out, "puts "+draw.Plural(n, "table", "tables")+" back, kept for 30 days")
	}
	for _, d := range r.Done {
		out = append(out, model.Visible(d))
	}
	return strings.Join(out, "; ")
}
