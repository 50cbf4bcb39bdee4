package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"rapport/model"
)

// verbs returns what a noun can do beside what all can.
func (a *app) verbs(e *model.Entity) []*cobra.Command {
	switch e.Noun {
	case "deal":
		return []*cobra.Command{a.move(e), a.closeDeal(e, "win", model.StageWon), a.closeDeal(e, "lose", model.StageLost)}
	case "activity":
		return []*cobra.Command{a.done(e)}
	}
	return nil
}

func (a *app) move(e *model.Entity) *cobra.Command {
	var stage, reason string
	c := &cobra.Command{
		Use: "move ID --stage STAGE", Short: "Put a deal into another stage", Args: exactly(1),
		Example: "  rapport deal move 1a2b3c4d --stage Negotiation",
		RunE: func(cmd *cobra.Command, args []string) error {
			if stage == "" {
				return model.Errorf(model.Invalid, "it is not said into which stage").WithHint("add --stage NAME")
			}
			ws, id, err := a.find(cmd.Context(), e, args[0])
			if err != nil {
				return err
			}
			return a.moveDeal(cmd.Context(), ws, id, stage, reason, "Moved")
		},
	}
	c.Flags().StringVar(&stage, "stage", "", "name or id of the stage")
	c.Flags().StringVar(&reason, "reason", "", "why it is lost, for a lost stage")
	return c
}

func (a *app) moveDeal(ctx context.Context, ws model.Workspace, id model.ID, stage, reason, verb string) error {
	if a.flags.dryRun {
		return a.tryMove(ctx, ws, id, stage, reason, verb)
	}
	r, err := ws.MoveDeal(ctx, id, stage, reason)
	if err != nil {
		return err
	}
	return a.record(r, verb)
}

// tryMove does all that moving a deal does and takes it back, so that a dry run
// fails where the move would.
func (a *app) tryMove(ctx context.Context, ws model.Workspace, id model.ID, stage, reason, verb string) error {
	ref := model.Ref{Noun: "stage", Name: stage}
	if sid, ok := model.ParseID(stage); ok {
		ref.ID, ref.Name = sid, ""
	}
	ed := model.Edit{Noun: "deal", ID: id, Set: map[string]any{"stage": ref}}
	if reason != "" {
		ed.Set["lost_reason"] = reason
	}
	saved, err := ws.SaveAll(ctx, []model.Edit{ed}, true)
	if err != nil {
		return err
	}
	if saved[0].Err != nil {
		return saved[0].Err
	}
	r, err := ws.Get(ctx, "deal", id)
	if err != nil {
		return err
	}
	if a.json {
		return a.result(object{{"dry_run", true}, {"items", []*model.Record{r}}})
	}
	return a.record(r, "Would be "+strings.ToLower(verb)+":")
}

// closeDeal moves a deal into the stage of its pipeline that means won or
// lost.
func (a *app) closeDeal(e *model.Entity, name, kind string) *cobra.Command {
	var reason string
	verb := map[string]string{model.StageWon: "Won", model.StageLost: "Lost"}[kind]
	c := &cobra.Command{
		Use: name + " ID", Short: "Mark a deal as " + kind, Args: exactly(1),
		Example: "  rapport deal " + name + " 1a2b3c4d",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			ws, id, err := a.find(ctx, e, args[0])
			if err != nil {
				return err
			}
			stage, err := stageOfKind(ctx, ws, id, kind)
			if err != nil {
				return err
			}
			if kind == model.StageLost && strings.TrimSpace(reason) == "" {
				if reason, err = a.ask(ctx, "The reason", "--reason TEXT"); err != nil {
					return err
				}
			}
			return a.moveDeal(ctx, ws, id, stage, reason, verb)
		},
	}
	if kind == model.StageLost {
		c.Use += " --reason TEXT"
		c.Example += " --reason price"
		c.Flags().StringVar(&reason, "reason", "", "why: "+strings.Join(e.Field("lost_reason").Options, ", ")+", or any text")
	}
	return c
}

// stageOfKind returns the first stage of that kind in the deal's pipeline.
func stageOfKind(ctx context.Context, ws model.Workspace, deal model.ID, kind string) (string, error) {
	r, err := ws.Get(ctx, "deal", deal)
	if err != nil {
		return "", err
	}
	p, err := ws.Get(ctx, "pipeline", r.Ref("pipeline").ID)
	if err != nil {
		return "", err
	}
	for _, s := range p.List("stages") {
		if s.Text("kind") == kind {
			return string(s.ID), nil
		}
	}
	return "", model.Errorf(model.Invalid, "the pipeline %s has no stage that means %s", p.Title(), kind).
		WithHint("add one with rapport pipeline edit")
}

func (a *app) done(e *model.Entity) *cobra.Command {
	return &cobra.Command{
		Use: "done ID…", Short: "Mark activities as done", Args: atLeast(1),
		Example: "  rapport activity done 1a2b3c4d",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.many(cmd.Context(), e, args, "done", func(ws model.Workspace, ids []model.ID) error {
				var edits []model.Edit
				for _, id := range ids {
					edits = append(edits, model.Edit{Noun: e.Noun, ID: id, Set: map[string]any{"status": "done"}})
				}
				saved, err := ws.SaveAll(cmd.Context(), edits, false)
				if err != nil {
					return err
				}
				for _, s := range saved {
					if s.Err != nil {
						return s.Err
					}
				}
				return nil
			})
		},
	}
}

// allHits is how many findings --limit 0 means. Ranking more of them would
// help nobody.
const allHits = 1000

func (a *app) search() *cobra.Command {
	var in string
	var limit int
	c := &cobra.Command{
		Use: "search TEXT", Short: "Search everything at once", Args: atLeast(1),
		Long:    "Search names, mails, notes and phones in any format. Any word's beginning will do; accents and case do not matter.",
		Example: "  rapport search muller\n  rapport search '044 668 18' --in contact",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			var noun model.Noun
			if in != "" {
				e, err := entity(in)
				if err != nil {
					return err
				}
				noun = e.Noun
			}
			text := strings.TrimSpace(strings.Join(args, " "))
			if text == "" {
				return model.Errorf(model.Invalid, "there is nothing to search for")
			}
			if limit < 0 {
				return model.Errorf(model.Invalid, "--limit is 0 for all, or more")
			}
			if limit == 0 {
				limit = allHits
			}
			ws, err := a.open(ctx)
			if err != nil {
				return err
			}
			hits, err := ws.Search(ctx, text, noun, limit)
			if err != nil {
				return err
			}
			return a.hits(hits)
		},
	}
	c.Flags().StringVar(&in, "in", "", "only this noun")
	c.Flags().IntVar(&limit, "limit", 50, "most findings")
	return c
}

func (a *app) hits(hits []model.Hit) error {
	if a.json {
		return a.result(object{{"items", list(hitObjects(hits))}})
	}
	if len(hits) == 0 {
		a.say("nothing found")
		return nil
	}
	t := &table{head: []string{"ID", "NOUN", "TITLE", ""}, most: a.cellLimit()}
	for _, h := range hits {
		t.add(h.ID.Short(), string(h.Noun), h.Title, h.Snippet)
	}
	return t.write(a.Out)
}

func hitObjects(hits []model.Hit) []object {
	var items []object
	for _, h := range hits {
		items = append(items, object{{"noun", h.Noun}, {"id", h.ID}, {"title", h.Title}, {"snippet", h.Snippet}})
	}
	return items
}

// entity resolves a noun that a person typed.
func entity(name string) (*model.Entity, error) {
	var known []string
	for _, e := range model.Records() {
		known = append(known, string(e.Noun))
	}
	e := model.EntityOf(model.Noun(strings.ToLower(name)))
	if e == nil || e.IsPart() {
		err := model.Errorf(model.Invalid, "%q is no noun", name)
		if near := model.Nearest(name, known); near != "" {
			return nil, err.WithHint("did you mean %s?", near)
		}
		return nil, err.WithHint("one of %s", strings.Join(known, ", "))
	}
	return e, nil
}

func (a *app) history() *cobra.Command {
	return &cobra.Command{
		Use: "history NOUN ID", Short: "Show who changed what in a record, and when", Args: exactly(2),
		Example: "  rapport history deal 1a2b3c4d",
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := entity(args[0])
			if err != nil {
				return err
			}
			ws, id, err := a.find(cmd.Context(), e, args[1])
			if err != nil {
				return err
			}
			revs, err := ws.History(cmd.Context(), e.Noun, id)
			if err != nil {
				return err
			}
			if a.json {
				return a.historyJSON(revs)
			}
			return a.historyText(revs)
		},
	}
}

func (a *app) historyJSON(revs []model.Revision) error {
	return a.result(object{{"items", revisions(revs)}})
}

func revisions(revs []model.Revision) []object {
	items := []object{}
	for _, r := range revs {
		changes := []object{}
		for _, c := range r.Changes {
			changes = append(changes, object{{"field", c.Field}, {"old", changeJSON(r.Noun, c.Field, c.Old)}, {"new", changeJSON(r.Noun, c.Field, c.New)}})
		}
		o := object{{"at", orNull(r.At)}, {"by", orNull(r.By)}, {"action", r.Action}, {"noun", r.Noun}, {"id", r.ID}, {"changes", changes}}
		if r.Note != "" {
			o = append(o, pair{"note", r.Note})
		}
		items = append(items, o)
	}
	return items
}

// changeJSON writes an old or new value the way a record would show it.
func changeJSON(n model.Noun, field string, v any) any {
	if v == nil {
		return nil
	}
	if e := model.EntityOf(n); e != nil {
		if f := e.Field(field); f != nil {
			return model.JSONValue(f, v)
		}
	}
	if ref, ok := v.(model.Ref); ok {
		return object{{"noun", ref.Noun}, {"id", ref.ID}, {"name", orNull(ref.Name)}}
	}
	if ms, ok := v.(int64); ok && field == model.ColumnDeletedAt {
		return model.FormatTime(msTime(ms))
	}
	return model.FormatValue(v)
}

func (a *app) historyText(revs []model.Revision) error {
	if len(revs) == 0 {
		a.say("no history")
		return nil
	}
	for _, r := range revs {
		who := r.By
		if who == "" {
			who = "somebody"
		}
		what := r.Action
		if e := model.EntityOf(r.Noun); e != nil && e.IsPart() {
			what += " " + strings.ToLower(e.Title)
		}
		if err := a.print("%s  %s  %s", a.value(model.Time, r.At), model.Visible(who), what); err != nil {
			return err
		}
		for _, c := range r.Changes {
			label := c.Field
			if e := model.EntityOf(r.Noun); e != nil && e.Field(c.Field) != nil {
				label = e.Field(c.Field).Label
			}
			old, new := a.changeText(c.Field, c.Old), a.changeText(c.Field, c.New)
			if old == new {
				continue // a no where nothing was said
			}
			if err := a.print("    %s: %s → %s", label, old, new); err != nil {
				return err
			}
		}
		if r.Note != "" {
			if err := a.print("    %s", model.Visible(r.Note)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *app) changeText(field string, v any) string {
	if ms, ok := v.(int64); ok && field == model.ColumnDeletedAt {
		v = msTime(ms)
	}
	if s := a.value(model.Text, v); s != "" {
		return fmt.Sprintf("“%s”", model.Visible(s))
	}
	return "nothing"
}
