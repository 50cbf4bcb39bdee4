package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"rapport/model"
)

func (a *app) privacy() *cobra.Command {
	c := branch("privacy", "Answer a person who asks what is kept, or that it be erased: export, erase, list", a.privacyExport(), a.privacyErase(), a.privacyList())
	c.Long = "Answer a person who asks what is kept, or that it be erased.\n\n" +
		"erase removes a contact for good: from the company's database, its history and its report tables\n" +
		"at once, from every device at its next sync, and out of every restore of an earlier backup.\n" +
		"With a central it takes an administrator, and the central must be reachable."
	return c
}

// person finds the contact that a command is about.
func (a *app) person(ctx context.Context, ref string) (model.Workspace, model.ID, error) {
	return a.find(ctx, model.EntityOf("contact"), strings.TrimPrefix(ref, "contact:"))
}

func (a *app) privacyExport() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "export CONTACT", Short: "Write everything that is known of a person as JSON", Args: exactly(1),
		Long:    "Write everything that is known of a person as JSON: the record with its lists, what points to it, and its history.\nThe file is made readable to you alone.",
		Example: "  rapport privacy export 'Ada Lovelace' -o ada.json",
		RunE: func(cmd *cobra.Command, args []string) error {
			ws, id, err := a.person(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			d, err := ws.Disclose(cmd.Context(), id)
			if err != nil {
				return err
			}
			data, err := json.MarshalIndent(disclosure(d), "", "  ")
			if err != nil {
				return err
			}
			if file == "" || file == "-" {
				return a.print("%s", data)
			}
			if a.flags.dryRun {
				return a.print("would write %d bytes to %s", len(data)+1, file)
			}
			if err := writeFile(file, func(w io.Writer) error { _, err := w.Write(append(data, '\n')); return err }); err != nil {
				return err
			}
			if a.json {
				return a.result(object{{"id", id}, {"file", file}, {"bytes", len(data) + 1}})
			}
			return a.print("Wrote what is known of %s to %s", model.Visible(d.Record.Title()), file)
		},
	}
	c.Flags().StringVarP(&file, "output", "o", "-", "the file; - for the terminal")
	return c
}

// disclosure is the document that a person gets.
func disclosure(d model.Disclosure) object {
	related := object{}
	for _, e := range model.Records() {
		if list := d.Related[e.Noun]; len(list) > 0 {
			related = append(related, pair{e.Plural, list})
		}
	}
	return object{{"as_of", model.FormatTime(d.At)}, {"contact", d.Record}, {"related", related}, {"history", revisions(d.History)}}
}

func (a *app) privacyErase() *cobra.Command {
	c := &cobra.Command{
		Use: "erase CONTACT", Short: "Erase a person for good, everywhere", Args: exactly(1),
		Long: "Erase a person for good: the contact with its lists and history, and activities that are about it alone.\n" +
			"Deals and other activities stay and point to nobody. It cannot be undone. See what it would do with --dry-run.",
		Example: "  rapport privacy erase 'Ada Lovelace' --dry-run\n  rapport privacy erase 0199f2c4 --yes",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			ws, id, err := a.person(ctx, args[0])
			if err != nil {
				return err
			}
			plan, err := ws.PlanErasure(ctx, id)
			if err != nil {
				return err
			}
			if a.flags.dryRun {
				return a.erasure(plan)
			}
			if !a.json {
				a.say("%s", strings.Join(erasureLines(plan), "\n"))
			}
			if err := a.confirm(ctx, "Erase %s for good? It cannot be undone.", model.Visible(plan.Record.Name)); err != nil {
				return err
			}
			done, err := ws.EraseRecord(ctx, id)
			if err != nil {
				return err
			}
			done.Backups, done.Notes = plan.Backups, slices.Concat(plan.Notes, done.Notes)
			return a.erasure(done)
		},
	}
	return c
}

// erasure prints a plan, or what was done.
func (a *app) erasure(p model.ErasurePlan) error {
	if !a.json {
		return a.print("%s", strings.Join(erasureLines(p), "\n"))
	}
	refs := func(list []model.Ref) []object {
		out := []object{}
		for _, r := range list {
			out = append(out, object{{"noun", r.Noun}, {"id", r.ID}, {"name", orNull(r.Name)}})
		}
		return out
	}
	return a.result(object{{"id", p.Record.ID}, {"erased", p.Erased}, {"unlinked", p.Unlinked}, {"look_at", refs(p.Look)}, {"alike", refs(p.Alike)},
		{"backups", p.Backups}, {"notes", p.Notes}, {"dry_run", !p.Done}})
}

func erasureLines(p model.ErasurePlan) []string {
	verb := "Would erase"
	if p.Done {
		verb = "Erased"
	}
	count := func(m map[model.Noun]int64) string {
		var out []string
		for _, n := range slices.Sorted(maps.Keys(m)) {
			e := model.EntityOf(n)
			out = append(out, plural(m[n], strings.ToLower(e.Title), strings.ToLower(e.Titles)))
		}
		return strings.Join(out, ", ")
	}
	lines := []string{fmt.Sprintf("%s: %s", verb, count(p.Erased))}
	if len(p.Unlinked) > 0 {
		lines = append(lines, "Stays, and points to nobody: "+count(p.Unlinked))
	}
	for _, r := range p.Look {
		lines = append(lines, fmt.Sprintf("Look whether it names the person: %s %s  %s", r.Noun, r.ID.Short(), model.Visible(r.Name)))
	}
	for _, r := range p.Alike {
		lines = append(lines, fmt.Sprintf("May be the same person: %s %s  %s", r.Noun, r.ID.Short(), model.Visible(r.Name)))
	}
	switch {
	case p.Backups < 0:
		lines = append(lines, "The place of the backups does not answer; a restore of an old one leaves the person out all the same")
	case p.Backups > 0:
		lines = append(lines, fmt.Sprintf("%s until retention removes them; a restore leaves the person out", plural(int64(p.Backups), "backup may hold the person", "backups may hold the person")))
	}
	for _, n := range p.Notes {
		lines = append(lines, "Note: "+model.Visible(n))
	}
	return lines
}

func (a *app) privacyList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List what was erased: ids only", Args: exactly(0), Example: "  rapport privacy list --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ws, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			list, err := ws.Erasures(cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				items := []object{}
				for _, x := range list {
					items = append(items, object{{"noun", x.Noun}, {"id", x.ID}, {"at", orNull(x.At)}, {"by", orNull(x.By)}})
				}
				return a.result(object{{"items", items}})
			}
			if len(list) == 0 {
				a.say("nobody was erased")
				return nil
			}
			for _, x := range list {
				if err := a.print("%s  %s %s  %s", a.value(model.Time, x.At), x.Noun, x.ID, model.Visible(x.By)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
