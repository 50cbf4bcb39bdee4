package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"rapport/model"
)

// merging returns the commands that deal with records which are the same thing.
func (a *app) merging(e *model.Entity) []*cobra.Command {
	if !model.Mergeable(e.Noun) {
		return []*cobra.Command{unbuilt("merge")}
	}
	return []*cobra.Command{a.merge(e), a.duplicates(e), a.distinct(e)}
}

func (a *app) merge(e *model.Entity) *cobra.Command {
	return &cobra.Command{
		Use: "merge KEEP OTHER…", Short: "Join " + strings.ToLower(e.Titles) + " that are the same into one", Args: atLeast(2),
		Long: "Join records into the first one: it gets the others' phones, e-mails, tags, deals and activities and, where it is empty, their values. " +
			"The others go to the bin. `rapport undo` takes it back.",
		Example: fmt.Sprintf("  rapport %s duplicates\n  rapport %s merge 1a2b3c4d 5e6f7a8b", e.Noun, e.Noun),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			ws, ids, err := a.findAll(ctx, e, args)
			if err != nil {
				return err
			}
			if a.flags.dryRun && a.json {
				return a.result(object{{"dry_run", true}, {"keep", ids[0]}, {"merge", ids[1:]}})
			}
			if a.flags.dryRun {
				return a.print("would merge %s; nothing was changed", plural(int64(len(ids)), strings.ToLower(e.Title), strings.ToLower(e.Titles)))
			}
			if len(ids) > 2 {
				if err := a.confirm(ctx, "Merge %s into one?", plural(int64(len(ids)), strings.ToLower(e.Title), strings.ToLower(e.Titles))); err != nil {
					return err
				}
			}
			r, err := ws.Merge(ctx, e.Noun, ids[0], ids[1:]...)
			if err != nil {
				return err
			}
			return a.record(r, "Merged into")
		},
	}
}

// findAll opens the workspace and resolves several ids.
func (a *app) findAll(ctx context.Context, e *model.Entity, refs []string) (model.Workspace, []model.ID, error) {
	ws, err := a.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	var ids []model.ID
	for _, ref := range refs {
		id, err := ws.Find(ctx, e.Noun, ref)
		if err != nil {
			return nil, nil, err
		}
		ids = append(ids, id)
	}
	return ws, ids, nil
}

func (a *app) duplicates(e *model.Entity) *cobra.Command {
	return &cobra.Command{
		Use: "duplicates", Short: "List " + strings.ToLower(e.Titles) + " that may be the same", Args: exactly(0),
		Long: "List pairs that agree in an e-mail, a name or a domain, whatever the case, the accents and the blanks. " +
			"Merge them, or say with `distinct` that they are two: nobody is asked about them again.",
		Example: fmt.Sprintf("  rapport %s duplicates --json", e.Noun),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			ws, err := a.open(ctx)
			if err != nil {
				return err
			}
			pairs, err := ws.Duplicates(ctx, e.Noun, !ws.Settings().ReadOnly)
			if err != nil {
				return err
			}
			if a.json {
				items := []object{}
				for _, p := range pairs {
					items = append(items, object{{"noun", e.Noun}, {"first", object{{"id", p.First.ID}, {"title", p.First.Name}}},
						{"second", object{{"id", p.Second.ID}, {"title", p.Second.Name}}}, {"field", p.Field}, {"value", p.Value}, {"found_at", orNull(p.FoundAt)}})
				}
				return a.result(object{{"items", items}})
			}
			if len(pairs) == 0 {
				a.say("no possible duplicates")
				return nil
			}
			t := &table{head: []string{"ID", "", "ID", "", "AGREE IN", ""}, most: a.cellLimit()}
			for _, p := range pairs {
				t.add(p.First.ID.Short(), p.First.Name, p.Second.ID.Short(), p.Second.Name, p.Field, p.Value)
			}
			return t.write(a.Out)
		},
	}
}

func (a *app) distinct(e *model.Entity) *cobra.Command {
	return &cobra.Command{
		Use: "distinct ID ID", Short: "Say that two " + strings.ToLower(e.Titles) + " are not the same", Args: exactly(2),
		Example: fmt.Sprintf("  rapport %s distinct 1a2b3c4d 5e6f7a8b", e.Noun),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			ws, ids, err := a.findAll(ctx, e, args)
			if err != nil {
				return err
			}
			if !a.flags.dryRun {
				if err := ws.Distinct(ctx, e.Noun, ids[0], ids[1]); err != nil {
					return err
				}
			}
			if a.json {
				return a.result(object{{"noun", e.Noun}, {"distinct", ids}})
			}
			return a.print("Kept as two: %s and %s", ids[0].Short(), ids[1].Short())
		},
	}
}
