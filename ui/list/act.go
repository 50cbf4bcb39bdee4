package list

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget/draw"
)

// act carries out an action on the record under the cursor or on those that
// are selected.
func (l *List) act(a keymap.Action) (tea.Cmd, bool) {
	noun := l.entity.Noun
	switch a {
	case keymap.Add:
		return screen.Open(screen.OpenMsg{Kind: screen.Form, Noun: noun}), true
	case keymap.Bin:
		return l.bin(!l.base.Bin), true
	case keymap.Export:
		return l.askExport(), true
	}
	r := l.table.Current()
	if r == nil {
		return nil, true
	}
	switch a {
	case keymap.Open:
		return screen.Open(screen.OpenMsg{Kind: screen.Detail, Noun: noun, ID: r.ID, Query: l.table.Query()}), true
	case keymap.Edit:
		return screen.Open(screen.OpenMsg{Kind: screen.Form, Noun: noun, ID: r.ID}), true
	case keymap.Delete:
		return l.remove(), true
	case keymap.Restore:
		return l.restore(), true
	case keymap.Done:
		return l.done(), true
	case keymap.CopyCell:
		return l.env.Copy(l.table.Column().Text(r, l.env.Now())), true
	case keymap.CopyRow:
		return l.env.Copy(l.rowText(r)), true
	case keymap.CopyCard:
		return screen.CopyCard(l.env, noun, r.ID), true
	}
	return nil, false
}

// rowText is the row as cells apart by tabs.
func (l *List) rowText(r *model.Record) string {
	var cells []string
	for _, c := range l.table.Columns() {
		cells = append(cells, strings.NewReplacer("\t", " ", "\n", " ").Replace(c.Text(r, l.env.Now())))
	}
	return strings.Join(cells, "\t")
}

// run carries out work as a command and tells the list how it ended.
func (l *List) run(text string, work func(ctx context.Context) error) tea.Cmd {
	ctx := l.env.Context
	return func() tea.Msg { return actedMsg{l, text, work(ctx)} }
}

// amount is "“Ada Meier”" for one record, "3 contacts" for several.
func (l *List) amount(ids []model.ID) string {
	if len(ids) == 1 {
		if r := l.table.Current(); r != nil && r.ID == ids[0] {
			return "“" + model.Visible(r.Title()) + "”"
		}
		return "1 " + strings.ToLower(l.entity.Title)
	}
	return draw.Count(int64(len(ids))) + " " + l.entity.Plural
}

// remove deletes one record at once, since it can be brought back, and asks
// before it deletes several.
func (l *List) remove() tea.Cmd {
	ids, what := l.table.Selected(), ""
	what = l.amount(ids)
	ws, noun := l.env.Workspace, l.entity.Noun
	text := what + " deleted; " + l.env.Keys.KeyOf(keymap.Bin, keymap.List) + " shows the bin"
	do := l.run(text, func(ctx context.Context) error { return ws.Delete(ctx, noun, ids...) })
	if len(ids) == 1 {
		return do
	}
	ask := screen.AskMsg{Title: "Delete", Text: "Delete " + what + "? They can be restored from the bin.",
		Yes: "Delete", Do: func(string) tea.Cmd { return do }}
	return func() tea.Msg { return ask }
}

func (l *List) restore() tea.Cmd {
	ids := l.table.Selected()
	ws, noun := l.env.Workspace, l.entity.Noun
	return l.run(l.amount(ids)+" restored", func(ctx context.Context) error { return ws.Restore(ctx, noun, ids...) })
}

// hasDone tells whether records of the noun can be marked as done.
func (l *List) hasDone() bool {
	f := l.entity.Field("status")
	return f != nil && slices.Contains(f.Options, "done")
}

func (l *List) done() tea.Cmd {
	ids := l.table.Selected()
	ws, noun := l.env.Workspace, l.entity.Noun
	return l.run(l.amount(ids)+" done", func(ctx context.Context) error {
		edits := make([]model.Edit, len(ids))
		for i, id := range ids {
			edits[i] = model.Edit{Noun: noun, ID: id, Set: map[string]any{"status": "done"}}
		}
		saved, err := ws.SaveAll(ctx, edits, false)
		for _, s := range saved {
			if err == nil {
				err = s.Err
			}
		}
		return err
	})
}

var formats = map[string]bool{"csv": true, "tsv": true, "json": true, "ndjson": true, "vcf": true}

// askExport asks for a file and writes the list as it is shown into it.
func (l *List) askExport() tea.Cmd {
	q := l.table.Query()
	q.Short = false
	ws, ctx := l.env.Workspace, l.env.Context
	ask := screen.AskMsg{
		Title: "Export", Text: "Write this list as it is filtered and sorted into a file. Its ending says how: csv, tsv, json, ndjson or vcf.",
		Yes: "Export", Input: "File", Value: l.entity.Plural + ".csv",
		Do: func(name string) tea.Cmd {
			return func() tea.Msg {
				n, path, err := exportTo(ctx, ws, q, name)
				if err != nil {
					return screen.NoticeMsg{Err: err}
				}
				return screen.NoticeMsg{Text: fmt.Sprintf("%s %s written to %s", draw.Count(n), l.entity.Plural, path)}
			}
		},
	}
	return func() tea.Msg { return ask }
}

// exportTo writes beside the file first, so that a half one never bears the
// name. A file that is there already is not overwritten.
func exportTo(ctx context.Context, ws model.Transfer, q model.Query, name string) (int64, string, error) {
	name = strings.TrimSpace(name)
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			name = filepath.Join(home, rest)
		}
	}
	path, err := filepath.Abs(name)
	if err != nil || name == "" {
		return 0, "", model.Errorf(model.Invalid, "a file name is needed").Because(err)
	}
	format := strings.ToLower(strings.TrimPrefix(filepath.Ext(path), "."))
	if !formats[format] {
		return 0, "", model.Errorf(model.Invalid, "%q does not end in csv, tsv, json, ndjson or vcf", name)
	}
	if _, err := os.Lstat(path); err == nil {
		return 0, "", model.Errorf(model.Invalid, "%s is there already", path).WithHint("choose another name")
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".rapport-export-*")
	if err != nil {
		return 0, "", model.Errorf(model.Invalid, "nothing can be written into %s", filepath.Dir(path)).Because(err)
	}
	defer os.Remove(f.Name())
	n, err := ws.Export(ctx, model.ExportRequest{Query: q, Format: format}, f)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return n, path, err
}
