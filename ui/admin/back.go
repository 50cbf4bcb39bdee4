package admin

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/theme"
	"rapport/ui/widget/draw"
)

// bringing brings one record of a backup back with two keys: the first one
// finds out what would change, the second one does it.
type bringing struct {
	env    *screen.Env
	plan   *screen.Loader
	doing  *screen.Loader
	backup model.BackupInfo
	ref    model.Ref
	found  *model.RecordsRestored // what would change; nil before that is known
}

// inBackup names a backup by its id.
func inBackup(id string) model.ArchiveRequest {
	return model.ArchiveRequest{BackupRequest: model.BackupRequest{ID: id}}
}

func newBringing(env *screen.Env) *bringing {
	return &bringing{env: env, plan: screen.NewLoader(env.Context), doing: screen.NewLoader(env.Context)}
}

func (b *bringing) request(dry bool) model.RecordsRequest {
	return model.RecordsRequest{ArchiveRequest: inBackup(b.backup.ID), Records: []model.Ref{b.ref}, DryRun: dry}
}

// ask finds out what would change.
func (b *bringing) ask(of model.BackupInfo, ref model.Ref) tea.Cmd {
	if b.doing.Busy() {
		return screen.Notice("One thing at a time: this is still running.")
	}
	b.backup, b.ref, b.found = of, ref, nil
	ws, req := b.env.Workspace, b.request(true)
	return b.plan.Load(func(ctx context.Context) (any, error) { return ws.RestoreRecords(ctx, req, nil) })
}

// waits tells whether the second key would do something.
func (b *bringing) waits() bool { return b.found != nil && b.found.Records() > 0 && !b.doing.Busy() }

// yes brings the record back.
func (b *bringing) yes() tea.Cmd {
	ws, req := b.env.Workspace, b.request(false)
	return b.doing.Load(func(ctx context.Context) (any, error) { return ws.RestoreRecords(ctx, req, nil) })
}

// Lasts is what goes on when the screen is left.
func (b *bringing) Lasts() (what, stopped string) {
	if !b.doing.Busy() {
		return "", ""
	}
	return "restoring " + model.Visible(b.ref.Name), "What was begun is done to its end all the same."
}

// Stop does nothing: it takes a moment and comes to its end.
func (b *bringing) Stop() {}

// Failed is nothing: a failure tells itself.
func (b *bringing) Failed() error { return nil }

// drop forgets what would change. It tells whether there was anything to
// forget.
func (b *bringing) drop() bool {
	if b.doing.Busy() {
		return false
	}
	was := b.found != nil || b.plan.Busy()
	b.plan.Stop()
	b.found = nil
	return was
}

// working says what is under way.
func (b *bringing) working() string {
	switch {
	case b.doing.Busy():
		return "restoring"
	case b.plan.Busy():
		return "finding out what would change"
	}
	return ""
}

// take takes the answers. done tells that the record is back.
func (b *bringing) take(m screen.LoadedMsg) (cmd tea.Cmd, done, ok bool) {
	switch {
	case b.plan.Take(m):
		if m.Err != nil {
			return screen.Fail(m.Err), false, true
		}
		found := m.Value.(model.RecordsRestored)
		b.found = &found
		return nil, false, true
	case b.doing.Take(m):
		b.found = nil
		if m.Err != nil {
			return screen.Fail(m.Err), false, true
		}
		back := m.Value.(model.RecordsRestored)
		if back.Records() == 0 {
			return screen.Notice("It is as in the backup already."), true, true
		}
		name := b.ref.Name
		if len(back.Samples) > 0 {
			name = back.Samples[0].Record.Name
		}
		return screen.Notice(model.Visible(name) + " is as it was on " + b.when() + ". " + b.env.Keys.KeyOf(keymap.Undo, keymap.Global) + " takes that back."), true, true
	}
	return nil, false, false
}

func (b *bringing) when() string {
	return b.backup.At.In(b.env.Now().Location()).Format("2 Jan 2006 15:04")
}

// lines say what would change and which key does it.
func (b *bringing) lines(th *theme.Theme, scope keymap.Scope, width int) []string {
	if w := b.working(); w != "" {
		return append([]string{""}, draw.Paragraph(th.Accent, "… "+w, width)...)
	}
	if b.found == nil {
		return nil
	}
	var text string
	switch f := b.found; {
	case f.Erased > 0:
		text = "This record was erased for good and does not come back."
	case f.Records() == 0:
		text = "Nothing would change: it is as in the backup."
	default:
		text = b.env.Keys.KeyOf(keymap.Yes, scope) + " restores " + b.sentence() + " " + b.env.Keys.KeyOf(keymap.Back, keymap.Global) + " leaves it."
	}
	out := append([]string{""}, draw.Paragraph(th.Strong, text, width)...)
	for _, n := range b.found.Notes {
		out = append(out, draw.Paragraph(th.Warn, "! "+model.Visible(n), width)...)
	}
	return out
}

// sentence names the record and what changes in it.
func (b *bringing) sentence() string {
	name := model.Visible(b.ref.Name)
	if len(b.found.Samples) == 0 {
		return name + "."
	}
	s := b.found.Samples[0]
	name = model.Visible(s.Record.Name)
	switch s.Action {
	case "add":
		return name + ", which is not here any more, as on " + b.when() + "."
	case "restore":
		name += " from the bin"
	}
	fields := changedLabels(s)
	if len(fields) == 0 {
		return name + " as on " + b.when() + "."
	}
	return name + " as on " + b.when() + ". It changes: " + strings.Join(fields, ", ") + "."
}

// changedLabels are the labels of the fields that change, each once.
func changedLabels(s model.RecordRestored) []string {
	e := model.EntityOf(s.Record.Noun)
	var out []string
	seen := map[string]bool{}
	for _, d := range s.Differences {
		f := e.Field(d.Field)
		if f == nil || seen[d.Field] {
			continue
		}
		seen[d.Field] = true
		out = append(out, strings.ToLower(f.Label))
	}
	return out
}
