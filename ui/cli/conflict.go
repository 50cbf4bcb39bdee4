package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"rapport/model"
)

func (a *app) conflict() *cobra.Command {
	return branch("conflict", "Conflicts that wait for a decision: list, show, resolve", a.conflictList(), a.conflictShow(), a.conflictResolve())
}

func (a *app) conflictList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the open conflicts", Args: exactly(0), Example: "  rapport conflict list --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ws, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			cs, err := ws.Conflicts(cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				items := []object{}
				for _, c := range cs {
					items = append(items, conflictObject(c))
				}
				return a.result(object{{"items", items}})
			}
			if len(cs) == 0 {
				a.say("no conflicts")
				return nil
			}
			t := &table{head: []string{"ID", "NOUN", "RECORD", "FIELD", "MINE", "AT", "THEIRS", "BY", "AT"}, most: a.cellLimit()}
			for _, c := range cs {
				for _, f := range c.Fields {
					t.add(c.ID.Short(), string(c.Noun), c.Title, f.Field, a.value(model.Text, f.Mine), a.value(model.Time, f.MineAt),
						a.value(model.Text, f.Theirs), f.TheirsBy, a.value(model.Time, f.TheirsAt))
				}
			}
			return t.write(a.Out)
		},
	}
}

func conflictObject(c model.Conflict) object {
	fields := object{}
	for _, f := range c.Fields {
		fields = append(fields, pair{f.Field, object{
			{"base", changeJSON(c.Noun, f.Field, conflictValue(c, f, f.Base))},
			{"mine", changeJSON(c.Noun, f.Field, conflictValue(c, f, f.Mine))},
			{"theirs", changeJSON(c.Noun, f.Field, conflictValue(c, f, f.Theirs))},
			{"mine_at", orNull(f.MineAt)}, {"theirs_by", orNull(f.TheirsBy)}, {"theirs_at", orNull(f.TheirsAt)}}})
	}
	return object{{"id", c.ID}, {"noun", c.Noun}, {"record", object{{"id", c.Record}, {"title", c.Title}}}, {"fields", fields}}
}

// conflictValue is a value of a conflict: where a list's part conflicts, the
// part's own value.
func conflictValue(c model.Conflict, f model.ConflictField, v any) any {
	if e := model.EntityOf(c.Noun); e != nil {
		if field := e.Field(f.Field); field != nil && field.Type == model.List {
			if v == nil {
				return nil
			}
			return model.FormatValue(v)
		}
	}
	return v
}

// findConflict resolves the id of a conflict, or of the record it is about.
func findConflict(ctx context.Context, ws model.Workspace, ref string) (model.Conflict, error) {
	cs, err := ws.Conflicts(ctx)
	if err != nil {
		return model.Conflict{}, err
	}
	var ids []model.ID
	for _, c := range cs {
		ids = append(ids, c.ID, c.Record)
	}
	id, err := among(ids, ref, "open conflict")
	if err != nil {
		return model.Conflict{}, err
	}
	i := slices.IndexFunc(cs, func(c model.Conflict) bool { return c.ID == id || c.Record == id })
	return cs[i], nil
}

func (a *app) conflictShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one conflict with both values", Args: exactly(1), Example: "  rapport conflict show 1a2b3c4d",
		RunE: func(cmd *cobra.Command, args []string) error {
			ws, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			c, err := findConflict(cmd.Context(), ws, args[0])
			if err != nil {
				return err
			}
			if a.json {
				return a.result(conflictObject(c))
			}
			if err := a.print("%s %s  (conflict %s)", c.Noun, model.Visible(c.Title), c.ID.Short()); err != nil {
				return err
			}
			t := &table{head: []string{"FIELD", "BEFORE", "MINE", "AT", "THEIRS", "BY", "AT"}, most: a.cellLimit()}
			for _, f := range c.Fields {
				t.add(f.Field, a.value(model.Text, f.Base), a.value(model.Text, f.Mine), a.value(model.Time, f.MineAt),
					a.value(model.Text, f.Theirs), f.TheirsBy, a.value(model.Time, f.TheirsAt))
			}
			return t.write(a.Out)
		},
	}
}

func (a *app) conflictResolve() *cobra.Command {
	var take string
	var fields, set []string
	c := &cobra.Command{
		Use: "resolve ID", Short: "Settle a conflict; the next sync sends the choice", Args: exactly(1),
		Example: "  rapport conflict resolve 1a2b3c4d --take theirs\n  rapport conflict resolve 1a2b3c4d --field amount --take mine\n  rapport conflict resolve 1a2b3c4d --set amount='1500 EUR'",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if take != "" && take != "mine" && take != "theirs" {
				return model.Errorf(model.Invalid, "--take is mine or theirs")
			}
			if take == "" && len(set) == 0 {
				return model.Errorf(model.Invalid, "it is not said how to settle it").WithHint("add --take mine, --take theirs or --set field=value")
			}
			if take == "" && len(fields) > 0 {
				return model.Errorf(model.Invalid, "--field needs --take mine or --take theirs")
			}
			ws, err := a.open(ctx)
			if err != nil {
				return err
			}
			conflict, err := findConflict(ctx, ws, args[0])
			if err != nil {
				return err
			}
			choices, err := a.choices(conflict, take, fields, set)
			if err != nil {
				return err
			}
			if !a.flags.dryRun {
				if err := ws.Settle(ctx, conflict.ID, choices); err != nil {
					return err
				}
			}
			return a.settled(ctx, ws, conflict, choices)
		},
	}
	c.Flags().StringVar(&take, "take", "", "mine or theirs")
	c.Flags().StringSliceVar(&fields, "field", nil, "only this field")
	c.Flags().StringArrayVar(&set, "set", nil, "field=value, another value than both")
	return c
}

// choices turns the flags into one choice for each field.
func (a *app) choices(c model.Conflict, take string, fields, set []string) ([]model.Settlement, error) {
	open := make([]string, 0, len(c.Fields))
	for _, f := range c.Fields {
		open = append(open, f.Field)
	}
	e := model.EntityOf(c.Noun)
	var out []model.Settlement
	chosen := map[string]bool{}
	for _, s := range set {
		name, text, ok := strings.Cut(s, "=")
		if !ok {
			return nil, model.Errorf(model.Invalid, "%q is not field=value", s)
		}
		if !slices.Contains(open, name) {
			return nil, model.Errorf(model.Invalid, "%s does not conflict here", name).WithHint("open are %s", strings.Join(open, ", "))
		}
		var v any = text
		if f := e.Field(name); f != nil && f.Type != model.List {
			parsed, err := model.ParseValue(f, text, a.env())
			if err != nil {
				return nil, model.Errorf(model.Invalid, "%s: %v", f.Label, err)
			}
			v = parsed
		}
		chosen[name] = true
		out = append(out, model.Settlement{Field: name, Value: v})
	}
	if take == "" {
		return out, nil
	}
	if len(fields) == 0 {
		fields = open
	}
	for _, name := range fields {
		if !slices.Contains(open, name) {
			return nil, model.Errorf(model.Invalid, "%s does not conflict here", name).WithHint("open are %s", strings.Join(open, ", "))
		}
		if !chosen[name] {
			chosen[name] = true
			out = append(out, model.Settlement{Field: name, Take: take})
		}
	}
	return out, nil
}

func (a *app) settled(ctx context.Context, ws model.Workspace, c model.Conflict, choices []model.Settlement) error {
	done := []string{}
	for _, s := range choices {
		done = append(done, s.Field)
	}
	left := []string{}
	for _, f := range c.Fields {
		if !slices.Contains(done, f.Field) && !slices.Contains(left, f.Field) {
			left = append(left, f.Field)
		}
	}
	if a.json {
		o := object{{"id", c.ID}, {"noun", c.Noun}, {"record", object{{"id", c.Record}, {"title", c.Title}}}, {"settled", done}, {"open", left}}
		if a.flags.dryRun {
			o = append(o, pair{"dry_run", true})
		}
		return a.result(o)
	}
	s := "Settled " + strings.Join(done, ", ") + " of " + model.Visible(c.Title)
	if len(left) > 0 {
		s += "; still open: " + strings.Join(left, ", ")
	}
	return a.print("%s", s)
}
