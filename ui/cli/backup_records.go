package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"rapport/model"
)

// archiveFlags reads the flags that name a backup or a moment off a command.
func (a *app) archiveFlags(c *cobra.Command, args []string) (model.ArchiveRequest, error) {
	text := func(name string) string {
		if f := c.Flags().Lookup(name); f != nil {
			return f.Value.String()
		}
		return ""
	}
	req := model.ArchiveRequest{BackupRequest: model.BackupRequest{To: cmp.Or(text("from"), text("to")), Identity: text("identity"), Source: text("source")}}
	if len(args) == 1 {
		req.ID = args[0]
	}
	if req.Source != "" && req.Source != model.SourceLocal && req.Source != model.SourceCentral {
		return req, model.Errorf(model.Invalid, "--source is local or central")
	}
	var err error
	if at := text("at"); at != "" {
		if req.At, err = model.ParseTime(at, a.Now().UTC()); err != nil {
			return req, model.Errorf(model.Invalid, "--at: %v", err)
		}
	}
	if text("position") != "" {
		req.Position, err = c.Flags().GetInt64("position")
	}
	return req, err
}

// momentFlags are those that choose a backup of one source, or a moment.
func momentFlags(c *cobra.Command) {
	f := c.Flags()
	if f.Lookup("source") == nil {
		f.String("source", "", "of the newest ones, that of the local workspace or of the central")
	}
	if f.Lookup("at") == nil {
		f.String("at", "", "a moment of the central, by its clock in UTC, as 2026-11-21T10:31:07Z")
		f.Int64("position", 0, "a position of the central's feed")
	}
}

// parseRecordRef reads "contact:ID" or "contact:Ada Lovelace".
func parseRecordRef(s string) (model.Ref, error) {
	noun, name, ok := strings.Cut(s, ":")
	e := model.EntityOf(model.Noun(strings.TrimSpace(noun)))
	if !ok || e == nil || e.IsPart() || strings.TrimSpace(name) == "" {
		return model.Ref{}, model.Errorf(model.Invalid, "%q names no record", model.Visible(s)).WithHint("write the noun and an id or a name, for example contact:1a2b3c4d")
	}
	ref := model.Ref{Noun: e.Noun, Name: strings.TrimSpace(name)}
	if id, ok := model.ParseID(ref.Name); ok {
		ref.ID, ref.Name = id, ""
	}
	return ref, nil
}

// parseWhere reads "contact: filter" as list takes the filter; without one it is
// all records of the noun.
func parseWhere(s string) (model.Noun, []model.Condition, error) {
	noun, filter, _ := strings.Cut(s, ":")
	e := model.EntityOf(model.Noun(strings.TrimSpace(noun)))
	if e == nil || e.IsPart() {
		return "", nil, model.Errorf(model.Invalid, "%q does not begin with a noun", model.Visible(s)).WithHint("write for example --where 'contact: status=customer owner=me'")
	}
	conds, err := model.ParseFilter(e, filter)
	return e.Noun, conds, err
}

// withRecords lets the restore of a whole backup restore single records too.
func (a *app) withRecords(c *cobra.Command) *cobra.Command {
	var records []string
	var where string
	var missing bool
	f := c.Flags()
	f.StringArrayVar(&records, "record", nil, "bring one record back with its parts, NOUN:ID or NOUN:NAME; repeatable")
	f.StringVar(&where, "where", "", "bring back the records that fitted a filter in the backup, for example 'contact: status=customer'")
	f.BoolVar(&missing, "only-missing", false, "bring back only what is in the bin or not here any more")
	momentFlags(c)
	if f.Lookup("plan") == nil {
		f.Bool("plan", false, "only tell what would be done, with ten samples")
	}
	c.Long += "\n\nWith --record, --where or --only-missing single records come back as they were. They become edits like any other:\n" +
		"they are sent to everybody, conflicts go by the usual rules, and one \"rapport undo\" takes all of them back.\n" +
		"The filter is that of list and is asked of the records as they were in the backup."
	c.Example += "\n  rapport backup restore latest --record contact:1a2b3c4d\n" +
		"  rapport backup restore 0199c1d2 --where 'contact: tag=vip' --plan\n" +
		"  rapport backup restore latest --where deal: --only-missing\n" +
		"  rapport backup restore latest --record contact:1a2b3c4d --where 'activity: about=contact:0199c1d2-…' --only-missing\n" +
		"  rapport backup restore --at 2026-11-21T10:31:07Z --record contact:1a2b3c4d"
	whole := c.RunE
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if len(records) == 0 && !f.Changed("where") && !missing {
			return whole(cmd, args)
		}
		at, err := a.archiveFlags(cmd, args)
		if err != nil {
			return err
		}
		req := model.RecordsRequest{ArchiveRequest: at, OnlyMissing: missing}
		for _, s := range records {
			ref, err := parseRecordRef(s)
			if err != nil {
				return err
			}
			req.Records = append(req.Records, ref)
		}
		if f.Changed("where") {
			if req.Noun, req.Where, err = parseWhere(where); err != nil {
				return err
			}
		}
		plan, err := f.GetBool("plan")
		if err != nil {
			return err
		}
		return a.restoreRecords(cmd, req, plan || a.flags.dryRun)
	}
	return c
}

// restoreRecords brings records back. Of several it says before what would be
// done and asks.
func (a *app) restoreRecords(cmd *cobra.Command, req model.RecordsRequest, plan bool) error {
	ctx := cmd.Context()
	ws, err := a.open(ctx)
	if err != nil {
		return err
	}
	one := len(req.Records) == 1 && req.Noun == ""
	if plan || !one && !a.flags.yes {
		req.DryRun = true
		out, err := ws.RestoreRecords(ctx, req, a.notify())
		a.quietly()
		if err != nil || plan {
			return a.restoredTold(out, err)
		}
		if out.Records() == 0 {
			return a.restoredTold(out, nil)
		}
		if err := a.confirm(ctx, "Restore %s of the backup of %s (%s)?", plural(out.Records(), "record", "records"), a.value(model.Time, out.Backup.At), restoredCounts(out)); err != nil {
			return err
		}
		req.DryRun = false
	}
	out, err := ws.RestoreRecords(ctx, req, a.notify())
	a.quietly()
	return a.restoredTold(out, err)
}

// restoredCounts says how many records changed in which way.
func restoredCounts(r model.RecordsRestored) string {
	var parts []string
	for _, x := range []struct {
		n    int64
		word string
	}{{r.Added, "new"}, {r.Restored, "from the bin"}, {r.Edited, "changed"}, {r.Unchanged, "left as they are"}, {r.Erased, "erased for good"}} {
		if x.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", x.n, x.word))
		}
	}
	if len(parts) == 0 {
		return "no record fits, or none is missing"
	}
	return strings.Join(parts, ", ")
}

// restoredTold prints what was, or would be, done.
func (a *app) restoredTold(r model.RecordsRestored, err error) error {
	if err != nil {
		return err
	}
	if a.json {
		samples := []object{}
		for _, s := range r.Samples {
			samples = append(samples, object{{"action", s.Action}, {"noun", s.Record.Noun}, {"id", s.Record.ID}, {"title", s.Record.Name}, {"changes", differenceObjects(s.Record.Noun, s.Differences)}})
		}
		return a.result(object{{"backup", r.Backup.ID}, {"at", orNull(r.Backup.At)}, {"dry_run", r.DryRun}, {"added", r.Added}, {"restored", r.Restored}, {"edited", r.Edited},
			{"unchanged", r.Unchanged}, {"erased", r.Erased}, {"samples", samples}, {"notes", list(r.Notes)}, {"act", orNull(r.Act)}})
	}
	verb := "Restored"
	if r.DryRun {
		verb = "Would restore"
	}
	if err := a.print("%s %s of the backup of %s: %s", verb, plural(r.Records(), "record", "records"), a.value(model.Time, r.Backup.At), restoredCounts(r)); err != nil {
		return err
	}
	for _, s := range r.Samples {
		line := fmt.Sprintf("  %-7s %s %s  %s", s.Action, s.Record.Noun, s.Record.ID.Short(), model.Visible(s.Record.Name))
		if len(s.Differences) > 0 {
			line += "  " + a.differencesText(s.Record.Noun, s.Differences)
		}
		if err := a.print("%s", line); err != nil {
			return err
		}
	}
	if more := r.Records() - int64(len(r.Samples)); more > 0 {
		if err := a.print("  … and %d more", more); err != nil {
			return err
		}
	}
	for _, n := range r.Notes {
		a.say("%s", model.Visible(n))
	}
	if !r.DryRun && r.Act != 0 {
		a.say("rapport undo takes it back")
	}
	return nil
}

// differencesText writes what a record has and what it gets on one line.
func (a *app) differencesText(n model.Noun, ds []model.Difference) string {
	e := model.EntityOf(n)
	var out []string
	for _, d := range ds {
		f := e.Field(d.Field)
		was, is := a.differenceText(f, d.Now), a.differenceText(f, d.Backup)
		switch {
		case f.Type == model.List && d.Now == nil:
			out = append(out, d.Field+" + "+is)
		case f.Type == model.List && d.Backup == nil:
			out = append(out, d.Field+" − "+was)
		default:
			out = append(out, d.Field+" "+was+" → "+is)
		}
	}
	return strings.Join(out, "; ")
}

func (a *app) differenceText(f *model.Field, v any) string {
	text := a.value(f.Type, v)
	if part, ok := v.(*model.Record); ok {
		text = itemText(f, part)
	}
	if text == "" {
		return "–"
	}
	return model.Visible(text)
}

func differenceObjects(n model.Noun, ds []model.Difference) []object {
	out := []object{}
	for _, d := range ds {
		out = append(out, object{{"field", d.Field}, {"backup", differenceJSON(n, d.Field, d.Backup)}, {"now", differenceJSON(n, d.Field, d.Now)}})
	}
	return out
}

// differenceJSON is changeJSON that knows the items of lists.
func differenceJSON(n model.Noun, field string, v any) any {
	part, ok := v.(*model.Record)
	if !ok {
		return changeJSON(n, field, v)
	}
	var items []json.RawMessage
	if err := json.Unmarshal(model.JSONValue(model.EntityOf(n).Field(field), []*model.Record{part}), &items); err != nil || len(items) != 1 {
		return nil
	}
	return items[0]
}

// withBrowsing lets the command that shows a backup show its records.
func (a *app) withBrowsing(c *cobra.Command) *cobra.Command {
	var noun, search, after, record, diff string
	var different bool
	var limit int
	f := c.Flags()
	f.StringVar(&noun, "noun", "", "list the records of a noun as they were in the backup")
	f.StringVar(&search, "search", "", "only those with this in their name, a mail or a phone")
	f.BoolVar(&different, "different", false, "only those that are missing or changed today")
	f.IntVar(&limit, "limit", 50, "most records, 0 for all")
	f.StringVar(&after, "after", "", "go on after this record, the \"next\" of the page before")
	f.StringVar(&record, "record", "", "show one record as it was, NOUN:ID or NOUN:NAME")
	f.StringVar(&diff, "diff", "", "set one record against today's, NOUN:ID or NOUN:NAME")
	momentFlags(c)
	c.Example += "\n  rapport backup show latest --noun contact --search miller\n  rapport backup show latest --noun deal --different\n  rapport backup show 0199c1d2 --diff contact:1a2b3c4d"
	whole := c.RunE
	c.RunE = func(cmd *cobra.Command, args []string) error {
		req, err := a.archiveFlags(cmd, args)
		switch {
		case err != nil:
			return err
		case record != "" || diff != "":
			return a.showArchived(cmd.Context(), req, record, diff)
		case noun == "" && (search != "" || different || after != ""):
			return model.Errorf(model.Invalid, "it is not said of what").WithHint("add --noun contact, or another noun")
		case noun == "":
			return whole(cmd, args)
		case limit < 0:
			return model.Errorf(model.Invalid, "--limit is 0 for all, or more")
		}
		return a.listArchive(cmd.Context(), model.ArchiveQuery{ArchiveRequest: req, Noun: model.Noun(noun), Search: search, Different: different, After: model.ID(after)}, limit)
	}
	return c
}

// listArchive prints the records of a backup page by page.
func (a *app) listArchive(ctx context.Context, q model.ArchiveQuery, limit int) error {
	ws, err := a.open(ctx)
	if err != nil {
		return err
	}
	items := []object{}
	t := &table{head: []string{"ID", "NAME", "TODAY", "CHANGED"}, most: a.cellLimit()}
	var of model.BackupInfo
	for left := limit; ; {
		q.Limit = pageSize
		if limit > 0 {
			q.Limit = min(left, pageSize)
		}
		p, err := ws.ListArchive(ctx, q)
		if err != nil {
			return err
		}
		of = p.Backup
		for _, it := range p.Items {
			r := it.Record
			items = append(items, object{{"id", r.ID}, {"title", r.Title()}, {"standing", it.Standing}, {"updated_at", orNull(r.UpdatedAt)}})
			t.add(r.ID.Short(), r.Title(), string(it.Standing), a.value(model.Time, r.UpdatedAt))
		}
		q.After = p.Next
		left -= len(p.Items)
		if p.Next == "" || limit > 0 && left <= 0 {
			break
		}
	}
	if a.json {
		return a.result(object{{"backup", of.ID}, {"noun", q.Noun}, {"items", items}, {"next", orNull(string(q.After))}})
	}
	if len(items) == 0 {
		a.say("no such record in the backup of %s", a.value(model.Time, of.At))
		return nil
	}
	if err := t.write(a.Out); err != nil {
		return err
	}
	if q.After != "" {
		a.say("more: --after %s", q.After)
	}
	return nil
}

// showArchived prints one record of a backup, or how it differs from today's.
func (a *app) showArchived(ctx context.Context, req model.ArchiveRequest, record, diff string) error {
	if record != "" && diff != "" {
		return model.Errorf(model.Invalid, "--record and --diff do not go together")
	}
	ref, err := parseRecordRef(record + diff)
	if err != nil {
		return err
	}
	ws, err := a.open(ctx)
	if err != nil {
		return err
	}
	c, err := ws.Compare(ctx, req, ref)
	if err != nil {
		return err
	}
	if record != "" {
		return a.record(c.Record, "")
	}
	r := c.Record
	if a.json {
		return a.result(object{{"backup", c.Backup.ID}, {"at", orNull(c.Backup.At)}, {"noun", r.Noun}, {"id", r.ID}, {"title", r.Title()}, {"standing", c.Standing},
			{"differences", differenceObjects(r.Noun, c.Differences)}})
	}
	words := map[model.Standing]string{model.StandingSame: "is as it was", model.StandingChanged: "was changed since", model.StandingBin: "is in the bin", model.StandingGone: "is not here any more"}
	if err := a.print("%s %s %s %s", r.Noun, r.ID.Short(), model.Visible(r.Title()), words[c.Standing]); err != nil {
		return err
	}
	if len(c.Differences) == 0 {
		return nil
	}
	t := &table{head: []string{"FIELD", "IN THE BACKUP", "TODAY"}, most: a.cellLimit()}
	for _, d := range c.Differences {
		f := r.Entity().Field(d.Field)
		t.add(d.Field, a.differenceText(f, d.Backup), a.differenceText(f, d.Now))
	}
	return t.write(a.Out)
}
