package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"rapport/model"
)

// noun returns the commands of one entity, all made from its declaration.
func (a *app) noun(e *model.Entity) *cobra.Command {
	n := string(e.Noun)
	c := branch(n, e.Titles+": list, show, add, edit, delete, restore",
		a.list(e), a.show(e), a.add(e), a.edit(e), a.delete(e), a.restore(e))
	for _, alias := range e.Alias {
		c.Aliases = append(c.Aliases, string(alias))
	}
	c.Aliases = append(c.Aliases, e.Plural)
	c.GroupID = "records"
	c.Long = e.Comment + "\n\nFields: " + strings.Join(fieldNames(e), ", ")
	c.Example = fmt.Sprintf("  rapport %s list --json\n  rapport %s show 1a2b3c4d", n, n)
	if e.Field("owner") != nil {
		c.AddCommand(a.assign(e))
	}
	for _, extra := range append(a.verbs(e), a.merging(e)...) {
		c.AddCommand(extra)
	}
	return c
}

func fieldNames(e *model.Entity) []string {
	var out []string
	for i := range e.Fields {
		out = append(out, e.Fields[i].Name)
	}
	return out
}

func (a *app) show(e *model.Entity) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one " + strings.ToLower(e.Title), Args: exactly(1),
		Example: fmt.Sprintf("  rapport %s show 1a2b3c4d --json", e.Noun),
		RunE: func(cmd *cobra.Command, args []string) error {
			ws, id, err := a.find(cmd.Context(), e, args[0])
			if err != nil {
				return err
			}
			r, err := ws.Get(cmd.Context(), e.Noun, id)
			if err != nil {
				return err
			}
			return a.record(r, "")
		},
	}
}

// find opens the workspace and resolves an id.
func (a *app) find(ctx context.Context, e *model.Entity, ref string) (model.Workspace, model.ID, error) {
	ws, err := a.open(ctx)
	if err != nil {
		return nil, "", err
	}
	id, err := ws.Find(ctx, e.Noun, ref)
	return ws, id, err
}

// record prints a record: whole as JSON or as a card, or with a verb in one
// line.
func (a *app) record(r *model.Record, verb string) error {
	switch {
	case a.json:
		return a.result(r)
	case verb == "":
		return a.card(r)
	case a.flags.quiet:
		return a.print("%s", r.ID)
	}
	return a.print("%s %s %s (%s)", verb, strings.ToLower(r.Entity().Title), model.Visible(r.Title()), r.ID.Short())
}

func (a *app) add(e *model.Entity) *cobra.Command {
	var set []string
	var stdin bool
	c := &cobra.Command{
		Use: "add", Short: "Add a " + strings.ToLower(e.Title), Args: exactly(0),
		Example: fmt.Sprintf("  rapport %s add --set %s=…\n  rapport %s add --stdin < many.ndjson", e.Noun, e.Fields[0].Name, e.Noun),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if len(set) == 0 && !stdin {
				return model.Errorf(model.Invalid, "nothing to add").WithHint("give values with --set name=value, or JSON with --stdin")
			}
			ws, err := a.open(ctx)
			if err != nil {
				return err
			}
			base, err := model.EditFromText(e, set, nil, nil, a.env())
			if err != nil {
				return err
			}
			if !stdin {
				return a.save(ctx, ws, base, "Added")
			}
			return a.saveStdin(ctx, ws, e, base, true)
		},
	}
	c.Flags().StringArrayVar(&set, "set", nil, "name=value, repeatable")
	c.Flags().BoolVar(&stdin, "stdin", false, "read a JSON object, an array or NDJSON from the standard input")
	return c
}

func (a *app) edit(e *model.Entity) *cobra.Command {
	var set, add, remove []string
	var stdin bool
	c := &cobra.Command{
		Use: "edit ID", Short: "Change a " + strings.ToLower(e.Title), Args: between(0, 1),
		Example: fmt.Sprintf("  rapport %s edit 1a2b3c4d --set %s=…\n  rapport %s edit --stdin < changes.ndjson", e.Noun, e.Fields[0].Name, e.Noun),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if len(args) == 0 && !stdin {
				return &usageError{err: fmt.Errorf("an id is missing"), hint: "use it as rapport " + string(e.Noun) + " edit ID --set name=value"}
			}
			if len(set)+len(add)+len(remove) == 0 && !stdin {
				return model.Errorf(model.Invalid, "nothing to change").WithHint("give values with --set, --add or --remove name=value, or JSON with --stdin")
			}
			ws, err := a.open(ctx)
			if err != nil {
				return err
			}
			ed, err := model.EditFromText(e, set, add, remove, a.env())
			if err != nil {
				return err
			}
			if len(args) == 1 {
				if ed.ID, err = ws.Find(ctx, e.Noun, args[0]); err != nil {
					return err
				}
			}
			if !stdin {
				return a.save(ctx, ws, ed, "Changed")
			}
			return a.saveStdin(ctx, ws, e, ed, false)
		},
	}
	c.Flags().StringArrayVar(&set, "set", nil, "name=value, repeatable; an empty value clears, a list is replaced")
	c.Flags().StringArrayVar(&add, "add", nil, "name=value, adds to a list")
	c.Flags().StringArrayVar(&remove, "remove", nil, "name=value, takes out of a list")
	c.Flags().BoolVar(&stdin, "stdin", false, "read a JSON object, an array or NDJSON from the standard input")
	return c
}

// save applies one edit and prints the record.
func (a *app) save(ctx context.Context, ws model.Workspace, ed model.Edit, verb string) error {
	if a.flags.dryRun {
		saved, err := ws.SaveAll(ctx, []model.Edit{ed}, true)
		if err != nil {
			return err
		}
		if saved[0].Err != nil {
			return saved[0].Err
		}
		if a.json {
			return a.result(object{{"dry_run", true}, {"created", saved[0].Created}, {"changed", saved[0].Changed}})
		}
		return a.print("would be %s; nothing was changed", strings.ToLower(verb))
	}
	r, err := ws.Save(ctx, ed)
	if err != nil {
		return err
	}
	return a.record(r, verb)
}

func (a *app) delete(e *model.Entity) *cobra.Command {
	return &cobra.Command{
		Use: "delete ID…", Short: "Delete " + strings.ToLower(e.Titles) + "; they can be restored", Args: atLeast(1),
		Example: fmt.Sprintf("  rapport %s delete 1a2b3c4d\n  rapport %s list --bin", e.Noun, e.Noun),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.many(cmd.Context(), e, args, "deleted", func(ws model.Workspace, ids []model.ID) error {
				if len(ids) > 1 {
					if err := a.confirm(cmd.Context(), "Delete %s?", plural(int64(len(ids)), strings.ToLower(e.Title), strings.ToLower(e.Titles))); err != nil {
						return err
					}
				}
				return ws.Delete(cmd.Context(), e.Noun, ids...)
			})
		},
	}
}

func (a *app) restore(e *model.Entity) *cobra.Command {
	return &cobra.Command{
		Use: "restore ID…", Short: "Bring deleted " + strings.ToLower(e.Titles) + " back", Args: atLeast(1),
		Example: fmt.Sprintf("  rapport %s list --bin\n  rapport %s restore 1a2b3c4d", e.Noun, e.Noun),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.many(cmd.Context(), e, args, "restored", func(ws model.Workspace, ids []model.ID) error {
				return ws.Restore(cmd.Context(), e.Noun, ids...)
			})
		},
	}
}

// many does something to several records and prints them: one as itself, more
// as a list.
func (a *app) many(ctx context.Context, e *model.Entity, refs []string, done string, do func(model.Workspace, []model.ID) error) error {
	ws, err := a.open(ctx)
	if err != nil {
		return err
	}
	var ids []model.ID
	for _, ref := range refs {
		id, err := ws.Find(ctx, e.Noun, ref)
		if err != nil {
			return err
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	verb := strings.ToUpper(done[:1]) + done[1:]
	if a.flags.dryRun {
		verb = "Would be " + done + ":"
	} else if err := do(ws, ids); err != nil {
		return err
	}
	var records []*model.Record
	for _, id := range ids {
		r, err := ws.Get(ctx, e.Noun, id)
		if err != nil {
			return err
		}
		records = append(records, r)
	}
	if a.json && a.flags.dryRun {
		return a.result(object{{"dry_run", true}, {"items", records}})
	}
	if a.json && len(records) > 1 {
		return a.result(object{{"items", records}})
	}
	for _, r := range records {
		if err := a.record(r, verb); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) assign(e *model.Entity) *cobra.Command {
	var to string
	c := &cobra.Command{
		Use: "assign ID --to LOGIN", Short: "Give a " + strings.ToLower(e.Title) + " to somebody", Args: exactly(1),
		Example: fmt.Sprintf("  rapport %s assign 1a2b3c4d --to ada", e.Noun),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if to == "" {
				return model.Errorf(model.Invalid, "it is not said to whom").WithHint("add --to LOGIN")
			}
			ws, id, err := a.find(ctx, e, args[0])
			if err != nil {
				return err
			}
			ed, err := model.EditFromText(e, []string{"owner=" + to}, nil, nil, a.env())
			if err != nil {
				return err
			}
			ed.ID = id
			return a.save(ctx, ws, ed, "Assigned")
		},
	}
	c.Flags().StringVar(&to, "to", "", "login of the new owner")
	return c
}

// readAll reads the standard input, which must not be a terminal: nobody
// guesses that a program waits for JSON.
func (a *app) readAll(ctx context.Context) ([]byte, error) {
	if a.InTerminal {
		return nil, model.Errorf(model.Invalid, "nothing comes from the standard input: it is the terminal").WithHint("give it a file, for example < records.ndjson")
	}
	type read struct {
		data []byte
		err  error
	}
	done := make(chan read, 1)
	go func() {
		data, err := io.ReadAll(a.In)
		done <- read{data, err}
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-done:
		if r.err != nil {
			return nil, fmt.Errorf("read the standard input: %w", r.err)
		}
		return r.data, nil
	}
}
