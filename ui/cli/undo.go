package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"rapport/model"
)

func (a *app) undo() *cobra.Command {
	var list, redo bool
	var limit int
	c := &cobra.Command{
		Use: "undo [NUMBER]", Short: "Take the last change of this workspace back", Args: between(0, 1),
		Long: "Take the last change that was made in this workspace back, whatever it was: an edit, a deletion, a move, a merge, a settled conflict, " +
			"or what a sync decided by itself. An undo is an edit like any other: it stands in the history and is sent. What somebody changed since stays as it is and is named.",
		Example: "  rapport undo\n  rapport undo --list\n  rapport undo 42\n  rapport undo --redo",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			act := model.LastAct
			switch {
			case redo && len(args)+btoi(list) > 0, list && len(args) > 0:
				return model.Errorf(model.Invalid, "--list, --redo and a number do not go together")
			case redo:
				act = model.LastUndo
			case len(args) == 1:
				n, err := strconv.ParseInt(args[0], 10, 64)
				if err != nil || n < 1 {
					return model.Errorf(model.Invalid, "%q is no number of a change", args[0]).WithHint("see rapport undo --list")
				}
				act = n
			}
			ws, err := a.open(ctx)
			if err != nil {
				return err
			}
			if list {
				acts, err := ws.Acts(ctx, limit)
				if err != nil {
					return err
				}
				return a.acts(acts)
			}
			if a.flags.dryRun {
				return a.wouldUndo(ctx, ws, act)
			}
			done, err := ws.Undo(ctx, act)
			if err != nil {
				return err
			}
			return a.undone(done, redo)
		},
	}
	c.Flags().BoolVar(&list, "list", false, "list what can be taken back, newest first")
	c.Flags().BoolVar(&redo, "redo", false, "do again what the last undo took back")
	c.Flags().IntVar(&limit, "limit", 20, "most changes listed, 0 for all")
	return c
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// acts lists what was done here.
func (a *app) acts(acts []model.Act) error {
	if a.json {
		items := []object{}
		for _, act := range acts {
			items = append(items, actObject(act))
		}
		return a.result(object{{"items", items}})
	}
	if len(acts) == 0 {
		a.say("nothing was done here yet")
		return nil
	}
	t := &table{head: []string{"NUMBER", "AT", "WHAT", "RECORD", "CHANGED", ""}, right: []bool{true}, most: a.cellLimit()}
	for _, act := range acts {
		state := act.Note
		if act.Undone {
			state = "taken back"
		}
		t.add(strconv.FormatInt(act.ID, 10), a.value(model.Time, act.At), actWord(act), actTitle(act), strings.Join(changedFields(act), ", "), state)
	}
	return t.write(a.Out)
}

func actObject(act model.Act) object {
	changes := []object{}
	for _, c := range act.Changes {
		changes = append(changes, object{{"field", c.Field}, {"old", changeJSON(act.Record.Noun, c.Field, c.Old)}, {"new", changeJSON(act.Record.Noun, c.Field, c.New)}})
	}
	return object{{"id", act.ID}, {"at", orNull(act.At)}, {"by", orNull(act.By)}, {"action", act.Action}, {"noun", act.Record.Noun},
		{"record", object{{"id", act.Record.ID}, {"title", act.Record.Name}}}, {"records", act.Records}, {"changes", changes},
		{"note", orNull(act.Note)}, {"undoes", orNull(act.Undoes)}, {"undone", act.Undone}}
}

func actWord(act model.Act) string {
	if act.Action == "merge" && act.Note != "" && !strings.HasPrefix(act.Note, "joined with") {
		return "decided by sync"
	}
	return act.Action
}

func actTitle(act model.Act) string {
	title := string(act.Record.Noun) + " " + model.Visible(act.Record.Name)
	if act.Records > 1 {
		title += fmt.Sprintf(" and %d more", act.Records-1)
	}
	return title
}

func changedFields(act model.Act) []string {
	var out []string
	for _, c := range act.Changes {
		if !slices.Contains(out, c.Field) {
			out = append(out, c.Field)
		}
	}
	return out
}

// wouldUndo says which change an undo would take back.
func (a *app) wouldUndo(ctx context.Context, ws model.Workspace, act int64) error {
	acts, err := ws.Acts(ctx, 0)
	if err != nil {
		return err
	}
	undoes := map[int64]int64{}
	for _, x := range acts {
		undoes[x.ID] = x.Undoes
	}
	i := slices.IndexFunc(acts, func(x model.Act) bool {
		switch act {
		case model.LastAct:
			return !x.Undone && x.Undoes == 0
		case model.LastUndo:
			return !x.Undone && x.Undoes != 0 && undoes[x.Undoes] == 0
		}
		return x.ID == act
	})
	if i < 0 {
		return model.Errorf(model.NotFound, "there is nothing to take back")
	}
	if a.json {
		return a.result(append(actObject(acts[i]), pair{"dry_run", true}))
	}
	return a.print("would take back: %s %s; nothing was changed", actWord(acts[i]), actTitle(acts[i]))
}

// undone prints what an undo did and what it left.
func (a *app) undone(u model.Undone, redo bool) error {
	verb := "Took back"
	if redo {
		verb = "Did again"
	}
	if a.json {
		stayed := []object{}
		for _, s := range u.Stayed {
			stayed = append(stayed, object{{"noun", s.Record.Noun}, {"id", s.Record.ID}, {"title", s.Record.Name}, {"field", orNull(s.Field)},
				{"now", changeJSON(s.Record.Noun, s.Field, s.Now)}, {"by", orNull(s.By)}})
		}
		if err := a.result(append(actObject(u.Act), pair{"changed", u.Records}, pair{"stayed", stayed})); err != nil {
			return err
		}
	} else if u.Records > 0 {
		if err := a.print("%s: %s %s", verb, actWord(u.Act), actTitle(u.Act)); err != nil {
			return err
		}
	}
	if len(u.Stayed) == 0 {
		return nil
	}
	return model.Errorf(model.Partial, "%s", model.StayedSentence(u)).WithHint("see rapport history %s %s", u.Stayed[0].Record.Noun, u.Stayed[0].Record.ID.Short())
}
