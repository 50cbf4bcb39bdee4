package admin

import (
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget/draw"
	"rapport/ui/widget/safety"
)

// answer is the line of an answer, with the key that helps.
func (s *backups) answer(a safety.Answer) row {
	th := s.env.Theme
	r := row{label: a.Label, text: a.Text, sign: a.Verdict.Sign()}
	r.style = map[safety.Verdict]*lipgloss.Style{safety.Good: &th.Good, safety.None: &th.Muted, safety.Unknown: &th.Warn, safety.Look: &th.Warn, safety.Bad: &th.Danger}[a.Verdict]
	with := ""
	switch a.Help {
	case safety.Create:
		r.do, with = s.create, s.key(keymap.Add)
	case safety.Verify:
		r.do, with = s.verifyNewest, s.key(keymap.Verify)+" on it"
	case safety.Trial:
		r.do, with = s.trial, s.key(keymap.Trial)
	case safety.Refresh:
		r.do, with = s.refresh, s.key(keymap.Refresh)
	case safety.Ask:
		r.do = s.reload
	case safety.Standby:
		r.do, with = openCentral, s.key(keymap.Open)
	case safety.SetUp:
		r.do, with = openCentral, "rapport central standby setup"
	}
	if a.Does != "" {
		r.text += ": " + with + " " + a.Does
	}
	return r
}

// nextRow says when this workspace is backed up next by itself.
func (s *backups) nextRow() row {
	r := row{label: "Next one", sign: "·", text: "when you make it: " + s.key(keymap.Schedule) + " sets a schedule", do: openSchedule}
	if when := s.env.Workspace.Settings().Backup.Schedule; !s.next.IsZero() {
		r.text = "of the workspace " + upcoming(s.next, s.env.Now()) + ", " + inWords(when) + ": " + s.key(keymap.Schedule) + " changes that"
	}
	return r
}

// openCentral leads to the page of the central.
func openCentral() tea.Cmd { return screen.Open(screen.OpenMsg{Kind: screen.Central}) }

// verifyNewest proves the newest backup.
func (s *backups) verifyNewest() tea.Cmd { return s.verify(s.all.Items[0]) }

func (s *backups) key(a keymap.Action) string { return s.env.Keys.KeyOf(a, keymap.Backups) }

func (s *backups) rebuild() {
	rows := []row{{head: true, label: "How safe is it?", note: s.asOf()}}
	if s.loaded && s.all.At.IsZero() {
		s.set(append(rows, row{label: "Ask again", text: "it could not be found out", do: s.reload}))
		return
	}
	if !s.loaded {
		rows = append(rows, row{label: "asking …"})
	} else {
		now := s.env.Now()
		for _, a := range safety.Answers(s.all, s.due, now) {
			rows = append(rows, s.answer(a))
		}
		rows = append(rows, s.nextRow())
		if n := int64(s.all.Left); n > 0 {
			text := draw.Count(n) + ", under way elsewhere or interrupted. None of it counts; the next backup takes away what this computer left"
			rows = append(rows, row{label: "Unfinished", sign: "·", text: text})
		}
		if s.undo != nil {
			rows = append(rows, row{label: "Last restore", sign: "·", text: s.key(keymap.TakeBack) + " " + undoText(*s.undo), do: s.askTakeBack})
		}
	}
	if err := s.job.failed; err != nil && s.job.again != nil {
		th := s.env.Theme
		rows = append(rows, row{label: "Once more", text: s.job.name + " did not come to its end: " + s.key(keymap.Open) + " begins it again", sign: "!", style: &th.Warn, do: s.job.again})
		if s.all.PlaceProblem == "" {
			rows = append(rows, row{label: "Place and keys", text: s.key(keymap.SetUp) + " shows where the backups lie and which key opens them", sign: "→", do: openSetUp})
		}
	}
	place := ""
	if s.all.Place != "" {
		place = "in " + model.Visible(s.all.Place)
	}
	rows = append(rows, row{head: true, label: "Backups", note: place})
	rows = append(rows, s.listRows()...)
	switch {
	case !s.loaded:
	case s.all.PlaceProblem != "":
		rows = append(rows, row{label: "Ask again", text: "when it is there again", do: s.reload},
			row{label: "Place and keys", text: s.key(keymap.SetUp) + " chooses another place", do: openSetUp})
	case len(s.all.Items) == 0:
		rows = append(rows, row{label: "None yet", text: s.key(keymap.Add) + " makes the first one, which takes a moment only", do: s.create})
	}
	s.set(rows)
	if i := slices.IndexFunc(rows, func(r row) bool { return r.of != nil }); i >= 0 && !s.placed {
		s.at, s.placed = i, true
		s.settle(1)
	}
}

// SetSize gives the page its rectangle; in a narrow one it tells less.
func (s *backups) SetSize(w, h int) {
	s.page.SetSize(w, h)
	s.rebuild()
}

func (s *backups) asOf() string {
	if s.all.At.IsZero() {
		return ""
	}
	return "as of " + s.all.At.In(s.env.Now().Location()).Format("15:04:05")
}

// listRows are the backups, newest first, those of a chain together: what needs
// another one stands above it, marked with a plus. Segments in a row are one
// row.
func (s *backups) listRows() []row {
	var rows []row
	for _, chain := range chains(s.all.Items) {
		for i := 0; i < len(chain); i++ {
			b, n := chain[i], int64(1)
			for b.Kind == model.BackupSegment && b.Problem == "" && i+1 < len(chain) && chain[i+1].Kind == model.BackupSegment && chain[i+1].Problem == "" {
				i++
				n++
				b.Rows, b.Bytes = b.Rows+chain[i].Rows, b.Bytes+chain[i].Bytes
			}
			rows = append(rows, s.backupRow(b, chain[i-int(n)+1], n))
		}
	}
	return rows
}

// backupRow is the row of a backup, or of n segments of which it has the sums;
// of is the newest of them.
func (s *backups) backupRow(b, of model.BackupInfo, n int64) row {
	th, now := s.env.Theme, s.env.Now()
	kind := b.Kind
	switch {
	case n > 1:
		kind = "+ " + draw.Count(n) + " segments"
	case kind != model.BackupFull:
		kind = "+ " + kind
	}
	source := "workspace"
	if b.Source == model.SourceCentral {
		source = "central"
	}
	state := "verified"
	r := row{label: draw.Ago(of.At, now), sign: "✓", style: &th.Good, of: of, id: of.ID, do: func() tea.Cmd { return s.look(of) },
		note: draw.Bytes(b.Bytes)}
	if s.Width >= 100 {
		r.note = draw.Plural(b.Rows, "row", "rows") + ", " + r.note
	}
	switch {
	case b.Problem != "":
		r.sign, r.style, state = "!", &th.Danger, s.problem(b)
	case !b.Verified:
		r.sign, r.style, state = "?", &th.Warn, "not verified"
	case b.Level == model.LevelRestored:
		state = "tried"
	}
	if b.Encrypted {
		state += ", encrypted"
	}
	r.text = fmt.Sprintf("%-9s %-14s %s", source, kind, state)
	return r
}

// problem is why a backup does not count, with the key that helps.
func (s *backups) problem(b model.BackupInfo) string {
	if b.Remedy == model.TrustKeys {
		return "signed with an unknown key: " + s.key(keymap.SetUp) + ", “Try it”"
	}
	return model.Visible(b.Problem)
}

// chains groups backups by the full one that they need, the newest chain first
// and within it the newest backup first.
func chains(items []model.BackupInfo) [][]model.BackupInfo {
	root := map[string]string{}
	byID := map[string]model.BackupInfo{}
	for _, b := range items {
		byID[b.ID] = b
	}
	rootOf := func(b model.BackupInfo) string {
		for range items {
			parent, ok := byID[b.Parent]
			if b.Parent == "" || !ok {
				break
			}
			if known := root[parent.ID]; known != "" {
				return known
			}
			b = parent
		}
		return b.ID
	}
	at := map[string]int{}
	var out [][]model.BackupInfo
	for _, b := range items { // newest first
		id := rootOf(b)
		root[b.ID] = id
		i, ok := at[id]
		if !ok {
			i = len(out)
			at[id] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], b)
	}
	return out
}
