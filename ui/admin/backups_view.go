package admin

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget/draw"
)

// Ages from which a person is told.
const (
	oldBackup  = 7 * 24 * time.Hour
	oldTrial   = 14 * 24 * time.Hour
	oldReports = 24 * time.Hour
	lateBeat   = 10 * time.Second
)

// verdict is how good an answer is.
type verdict int

const (
	fine verdict = iota
	plain
	unknown
	look
	bad
)

// answer is one line of the overview: the answer to one question.
func (s *backups) answer(label string, v verdict, text string, do func() tea.Cmd) row {
	th := s.env.Theme
	r := row{label: label, text: text, do: do}
	switch v {
	case fine:
		r.sign, r.style = "✓", &th.Good
	case plain:
		r.sign, r.style = "·", &th.Muted
	case unknown:
		r.sign, r.style = "?", &th.Warn
	case look:
		r.sign, r.style = "!", &th.Warn
	case bad:
		r.sign, r.style = "×", &th.Danger
	}
	return r
}

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
		rows = append(rows, s.lastVerified(), s.farBack(), s.wouldRestore(), s.standby(), s.reports())
		if n := int64(s.all.Left); n > 0 {
			text := draw.Plural(n, "backup that was", "backups that were") + " interrupted; one that nobody goes on with is removed when it is two days old"
			rows = append(rows, s.answer("Left over", plain, text, nil))
		}
	}
	place := ""
	if s.all.Place != "" {
		place = "in " + model.Visible(s.all.Place)
	}
	rows = append(rows, row{head: true, label: "Backups", note: place})
	rows = append(rows, s.listRows()...)
	if len(s.all.Items) == 0 && s.loaded && s.all.PlaceProblem == "" {
		rows = append(rows, row{label: "None yet", text: s.key(keymap.Add) + " makes the first one, which takes a moment only", do: s.create})
	}
	s.set(rows)
	if i := slices.IndexFunc(rows, func(r row) bool { return r.of != nil }); i >= 0 && !s.placed {
		s.at, s.placed = i, true
		s.settle(1)
	}
}

func (s *backups) asOf() string {
	if s.all.At.IsZero() {
		return ""
	}
	return "as of " + s.all.At.In(s.env.Now().Location()).Format("15:04:05")
}

// newest returns the newest backup of a source that was verified.
func (s *backups) newest(source string) (model.BackupInfo, bool) {
	for _, b := range s.all.Items {
		if b.Source == source && b.Verified && b.Problem == "" {
			return b, true
		}
	}
	return model.BackupInfo{}, false
}

// sources are what there are backups of.
func (s *backups) sources() []string {
	var out []string
	for _, source := range []string{model.SourceCentral, model.SourceLocal} {
		if slices.ContainsFunc(s.all.Items, func(b model.BackupInfo) bool { return b.Source == source }) {
			out = append(out, source)
		}
	}
	return out
}

// lastVerified answers when the last verified backup was made.
func (s *backups) lastVerified() row {
	const label = "Last verified"
	if s.all.PlaceProblem != "" {
		return s.answer(label, unknown, "unknown: "+model.Visible(s.all.PlaceProblem), s.reload)
	}
	sources := s.sources()
	if len(sources) == 0 {
		return s.answer(label, bad, "never: "+s.key(keymap.Add)+" makes the first backup", s.create)
	}
	state, now := fine, s.env.Now()
	var at time.Time
	var parts []string
	for _, source := range sources {
		b, ok := s.newest(source)
		word := source
		if source == model.SourceLocal {
			word = "workspace"
		}
		switch {
		case !ok:
			state = bad
			parts = append(parts, word+" never")
			continue
		case now.Sub(b.At) > oldBackup:
			state = max(state, look)
		}
		parts = append(parts, word+" "+draw.Ago(b.At, now))
		at = maxTime(at, b.At)
	}
	text := strings.Join(parts, ", ")
	newest := s.all.Items[0]
	due := s.env.Workspace.Settings().Backup.Schedule.Last(now)
	switch {
	case state == fine && at.Before(due):
		state = look
		text += "; one was due " + draw.Ago(due, now) + ": " + s.key(keymap.Add) + " makes it"
	case state != fine:
		text += ": " + s.key(keymap.Add) + " makes another one"
	case !newest.Verified || newest.Problem != "":
		state = look
		text += "; the newest one is not verified: " + s.key(keymap.Verify) + " on it proves it"
	}
	return s.answer(label, state, text, s.create)
}

func maxTime(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// farBack answers how far back one can go.
func (s *backups) farBack() row {
	const label = "How far back"
	if s.all.PlaceProblem != "" {
		return s.answer(label, unknown, "unknown: the backups cannot be listed", s.reload)
	}
	var oldest model.BackupInfo
	var n int64
	for _, b := range s.all.Items {
		if b.Verified && b.Problem == "" {
			oldest = b
			n++
		}
	}
	now := s.env.Now()
	when := draw.When(oldest.At, now)
	if !strings.Contains(when, " ") {
		when = "today " + when
	}
	if oldest.At.Before(now.AddDate(0, 0, -6)) {
		when = oldest.At.In(now.Location()).Format("2 January 2006")
	}
	switch n {
	case 0:
		return s.answer(label, bad, "nowhere: "+s.key(keymap.Add)+" makes a backup", s.create)
	case 1:
		return s.answer(label, look, "to "+when+", one backup only", s.create)
	}
	return s.answer(label, fine, "to "+when+", "+draw.Count(n)+" verified backups", nil)
}

// wouldRestore answers whether it would restore.
func (s *backups) wouldRestore() row {
	const label = "Would restore"
	t, now := s.all.Trial, s.env.Now()
	switch {
	case t == nil && len(s.all.Items) == 0:
		return s.answer(label, unknown, "there is nothing to try", nil)
	case t == nil:
		return s.answer(label, unknown, "never tried: "+s.key(keymap.Trial)+" restores one beside and compares it", s.trial)
	case !t.OK:
		return s.answer(label, bad, "no: the trial "+draw.Ago(t.At, now)+" failed: "+model.Visible(t.Problem), s.trial)
	case now.Sub(t.At) > oldTrial:
		return s.answer(label, look, "yes, but last tried "+draw.Ago(t.At, now)+": "+s.key(keymap.Trial)+" tries again", s.trial)
	}
	return s.answer(label, fine, "yes, tried "+draw.Ago(t.At, now), s.trial)
}

// openCentral leads to the page of the central.
func openCentral() tea.Cmd { return screen.Open(screen.OpenMsg{Kind: screen.Central}) }

// offline is what is said of the central where it did not answer.
func (s *backups) offline() string {
	if s.all.CentralProblem == "" {
		return "unknown"
	}
	return "unknown: " + model.Visible(s.all.CentralProblem)
}

// standby answers how far behind the standby is.
func (s *backups) standby() row {
	const label = "Standby"
	switch {
	case s.all.Central == "":
		return s.answer(label, plain, "there is no central database", nil)
	case s.all.Standby == nil:
		return s.answer(label, unknown, s.offline(), s.reload)
	}
	state, text := plain, "none: rapport central standby setup makes one"
	for _, n := range s.all.Standby.Servers {
		switch n.Role {
		case model.RoleStandby:
			state, text = fine, "follows, "+lag(n.Lag)+" behind"
			switch {
			case !n.Receiving.Running || !n.Applying.Running:
				state, text = bad, "does not follow: "+cmp.Or(model.Visible(n.Applying.Message), model.Visible(n.Receiving.Message), "its replication has stopped")+"; enter tells more"
			case n.Lag > lateBeat:
				state, text = look, text+"; enter tells more"
			}
		case model.RoleStalePrimary, model.RoleStopped, model.RoleUnreachable:
			state, text = bad, model.Visible(n.Address)+" is "+string(n.Role)+": enter tells more"
		}
		if state == bad {
			break
		}
	}
	return s.answer(label, state, text, openCentral)
}

func lag(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return d.Round(time.Second).String()
}

// reports answers how fresh the report tables are.
func (s *backups) reports() row {
	const label = "Report tables"
	r, now := s.all.Reports, s.env.Now()
	switch {
	case s.all.Central == "":
		return s.answer(label, plain, "there is no central database", nil)
	case s.all.CentralProblem != "" && r == nil:
		return s.answer(label, unknown, s.offline(), s.reload)
	case r == nil:
		return s.answer(label, plain, "none yet: "+s.key(keymap.Refresh)+" makes them", s.refresh)
	case r.Behind == 0:
		return s.answer(label, fine, "up to date, refreshed "+draw.Ago(r.RefreshedAt, now), s.refresh)
	}
	text := draw.Plural(r.Behind, "change", "changes") + " behind, of " + draw.Ago(r.RefreshedAt, now)
	if now.Sub(r.RefreshedAt) < oldReports {
		return s.answer(label, fine, text, s.refresh)
	}
	return s.answer(label, look, text+": "+s.key(keymap.Refresh)+" refreshes them", s.refresh)
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
		note: draw.Plural(b.Rows, "row", "rows") + ", " + draw.Bytes(b.Bytes)}
	switch {
	case b.Problem != "":
		r.sign, r.style, state = "!", &th.Danger, model.Visible(b.Problem)
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
