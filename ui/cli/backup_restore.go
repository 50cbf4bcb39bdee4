package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rapport/model"
)

// restoreFlags are those of a restore beside the place of the backups.
type restoreFlags struct {
	source, at, into, laptops string
	position                  int64
	tables                    []string
	noSafety, undo, planOnly  bool
}

func (a *app) backupRestore() *cobra.Command {
	var from, identity string
	var r restoreFlags
	c := &cobra.Command{
		Use: "restore [ID|latest]", Short: "Put the records of a backup into the workspace, or into the company's database", Args: between(0, 1),
		Long: "Put the records of a backup into the workspace. What was there is kept as a safety copy.\nInto an empty workspace it asks nothing.\n\n" +
			"With --source central it puts the company's database back as it was: the end of a backup, a moment, or a position of the feed.\n" +
			"First it tells what would come, change and go, and who syncs with it; then it asks. The records are loaded beside the present\n" +
			"ones and compared with the backup; then all tables change places at once. Meanwhile nobody can send anything, and everybody's\n" +
			"unsent changes are kept. Afterwards the database has a new identity, by which every computer compares its records and offers\n" +
			"again what the database lost. What was there stays beside it for 30 days: --undo puts it back,\n" +
			"with what was entered meanwhile.\n" +
			"With --laptops discard they give it up instead, so that a mistake which has reached them does not come back: what was sent after\n" +
			"the moment stays in their history and bins, from where an undo enters it again; what was not sent is kept and sent.\n" +
			"People, their rights, devices, and what was erased for good stay as they are now.\n\n" +
			"A restore that was interrupted leaves the old records or the new ones; run it again, or --undo, which also ends one.",
		Example: "  rapport --home ~/crm backup restore latest --from /media/usb/rapport\n" +
			"  rapport --home ~/crm backup restore latest --from azblob://ourstorage/crm-backups/ann\n" +
			"  rapport backup restore latest --source central --plan\n" +
			"  rapport backup restore --source central --at 2026-11-21T10:31:07Z\n" +
			"  rapport backup restore --source central --position 88214 --table contact\n" +
			"  rapport backup restore --source central --at 2026-11-21T10:31:07Z --laptops discard --plan\n" +
			"  rapport backup restore latest --source central --into mysql://root@standby/crm\n" +
			"  rapport backup restore --undo",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			req := model.BackupRequest{To: from, Identity: identity}
			if len(args) == 1 {
				req.ID = args[0]
			}
			r.planOnly = r.planOnly || a.flags.dryRun
			switch central, err := a.ofCentral(ctx, req, r); {
			case err != nil:
				return err
			case central:
				return a.restoreCentral(cmd, req, r)
			}
			return a.restoreWorkspace(ctx, req, r.planOnly)
		},
	}
	fromFlags(c, &from, &identity)
	f := c.Flags()
	f.StringVar(&r.source, "source", "", "which backups to take, of the local workspace or of the central; else the one that the id names, or local")
	f.BoolVar(&r.planOnly, "plan", false, "only tell what would be done, with ten samples of each table")
	f.StringVar(&r.at, "at", "", "the moment to go back to, by the database's clock in UTC, as 2026-11-21T10:31:07Z")
	f.Int64Var(&r.position, "position", 0, "the position of the feed to go back to")
	f.StringArrayVar(&r.tables, "table", nil, "replace only the records of a noun, with their parts; repeatable")
	f.StringVar(&r.into, "into", "", "the address of another database, which is empty or not there")
	f.StringVar(&r.laptops, "laptops", "offer", "what computers do with what the database loses and they have sent: offer it again, or discard it")
	f.BoolVar(&r.noSafety, "no-safety-backup", false, "do not back up what is replaced")
	f.BoolVar(&r.undo, "undo", false, "put back what the last restore of the central replaced")
	return c
}

// ofCentral tells whether the company's database is meant.
func (a *app) ofCentral(ctx context.Context, req model.BackupRequest, r restoreFlags) (bool, error) {
	only := r.at != "" || r.position != 0 || len(r.tables) > 0 || r.into != "" || r.undo || r.noSafety || r.laptops != "offer"
	switch r.source {
	case model.SourceCentral:
		return true, nil
	case model.SourceLocal:
		if only {
			return false, model.Errorf(model.Invalid, "--at, --position, --table, --into, --laptops, --undo and --no-safety-backup are for backups of the central").WithHint("add --source central")
		}
		return false, nil
	case "":
	default:
		return false, model.Errorf(model.Invalid, "--source is local or central")
	}
	if only || req.ID == "" || req.ID == "latest" {
		return only, nil
	}
	s, err := a.load()
	if err != nil {
		return false, err
	}
	if info, err := a.Backend.Inspect(ctx, s.home); err != nil || !info.Exists || info.Counts == nil {
		return false, err
	}
	ws, err := a.open(ctx)
	if err != nil {
		return false, nil // it is damaged, and the restore replaces it
	}
	items, err := ws.ListBackups(ctx, req)
	// The restore of a workspace wants it closed.
	a.ws = nil
	if cerr := ws.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return false, err
	}
	b, err := oneBackup(items, req.ID)
	return b.Source == model.SourceCentral, err
}

// restoreWorkspace replaces the records of the home.
func (a *app) restoreWorkspace(ctx context.Context, req model.BackupRequest, plan bool) error {
	s, err := a.load()
	if err != nil {
		return err
	}
	if plan {
		ws, err := a.open(ctx)
		if err != nil {
			return err
		}
		b, err := ws.VerifyBackup(ctx, req, a.notify())
		a.quietly()
		if err != nil {
			return err
		}
		return a.backupLine(b)
	}
	if err := a.mayReplace(ctx, s.home); err != nil {
		return err
	}
	a.startLog(s.home)
	b, safety, err := a.Backend.Restore(ctx, s.workspace(), req, a.notify())
	a.quietly()
	if err != nil {
		return err
	}
	if a.json {
		return a.result(append(backupObject(b), pair{"safety_copy", orNull(safety)}))
	}
	if safety != "" {
		a.say("what was here before is kept in %s", safety)
	}
	return a.print("Restored %s of backup %s", plural(b.Rows, "row", "rows"), b.ID)
}

// mayReplace asks before the records of a home give way to those of a backup.
// What every new workspace begins with is no reason to ask.
func (a *app) mayReplace(ctx context.Context, home string) error {
	info, err := a.Backend.Inspect(ctx, home)
	if err != nil || !info.Exists {
		return err
	}
	seeds := model.SeedRows()
	var rows int64
	for n, count := range info.Counts {
		rows += max(0, count-int64(len(seeds[n])))
	}
	switch {
	case info.Counts == nil:
		return a.confirm(ctx, "Replace the damaged workspace %s by the backup?", home)
	case rows > 0:
		return a.confirm(ctx, "Replace the %s of %s by those of the backup?", plural(rows, "record", "records"), home)
	}
	return nil
}

// restoreRequest reads what a restore of the central is to do.
func restoreRequest(req model.BackupRequest, r restoreFlags) (model.RestoreRequest, error) {
	out := model.RestoreRequest{BackupRequest: req, Position: r.position, Into: r.into, NoSafety: r.noSafety}
	if r.at != "" {
		at, err := time.Parse(time.RFC3339Nano, r.at)
		if err != nil {
			return out, model.Errorf(model.Invalid, "--at is a moment, as 2026-11-21T10:31:07Z").Because(err)
		}
		out.At = at.UTC()
	}
	if r.at != "" && r.position != 0 {
		return out, model.Errorf(model.Invalid, "--at and --position name two moments").WithHint("leave one out")
	}
	switch r.laptops {
	case "offer":
	case "discard":
		out.Discard = true
	default:
		return out, model.Errorf(model.Invalid, "--laptops is offer or discard")
	}
	if r.position < 0 {
		return out, model.Errorf(model.Invalid, "--position is a number above 0")
	}
	if r.into != "" && len(r.tables) > 0 {
		return out, model.Errorf(model.Invalid, "--into makes a whole database").WithHint("leave --table out")
	}
	for _, name := range r.tables {
		e := model.EntityOf(model.Noun(name))
		if e == nil || e.IsPart() {
			return out, model.Errorf(model.NotFound, "there is no table %q", model.Visible(name)).WithHint("name a noun, such as contact; its parts come with it")
		}
		out.Nouns = append(out.Nouns, e.Noun)
	}
	return out, nil
}

// restoreCentral shows what a restore of the company's database would do, asks,
// and does it.
func (a *app) restoreCentral(cmd *cobra.Command, backup model.BackupRequest, r restoreFlags) error {
	ctx := cmd.Context()
	req, err := restoreRequest(backup, r)
	if err != nil {
		return err
	}
	var ws model.Workspace
	if r.into != "" {
		ws, err = a.open(ctx)
	} else {
		ws, err = a.administer(cmd)
	}
	if err != nil {
		return err
	}
	if r.undo {
		return a.undoRestore(ctx, ws, r.planOnly)
	}
	plan, err := ws.PlanRestore(ctx, req, a.notify())
	a.quietly()
	if err != nil {
		return err
	}
	if r.planOnly {
		if a.json {
			return a.result(planObject(plan))
		}
		return a.restorePlan(plan, a.print)
	}
	if !a.json {
		say := func(format string, args ...any) error { a.say(format, args...); return nil }
		if err := a.restorePlan(plan, say); err != nil {
			return err
		}
	}
	question := "Put the records of %s in the place of those in %s?"
	if plan.Fresh {
		question = "Put the records of %s into %s?"
	}
	if err := a.confirm(ctx, question, model.FormatTime(plan.At), redacted(plan.Target)); err != nil {
		return err
	}
	res, err := ws.RestoreCentral(ctx, req, a.notify())
	a.quietly()
	if err != nil {
		return err
	}
	return a.restored(res)
}

// planObject is a plan as JSON.
func planObject(p model.RestorePlan) object {
	backups := []object{}
	for _, b := range p.Backups {
		backups = append(backups, backupObject(b))
	}
	laptops := []object{}
	for _, l := range p.Laptops {
		laptops = append(laptops, object{{"person", l.Person}, {"name", orNull(l.Name)}, {"last_seen", orNull(l.LastSeen)}, {"position", l.Position}, {"pending", l.Pending}})
	}
	return object{{"target", redacted(p.Target)}, {"fresh", p.Fresh}, {"at", orNull(p.At)}, {"position", p.Position}, {"head", p.Head}, {"lost", p.Lost},
		{"backups", backups}, {"tables", list(p.Tables)}, {"laptops", laptops}, {"discard", p.Discard}, {"losses", list(p.Losses)}, {"rows", p.Rows}, {"bytes", p.Bytes}, {"estimate_ms", p.Estimate.Milliseconds()}, {"notes", list(p.Notes)}, {"command", p.Command}}
}

// restorePlan prints a plan.
func (a *app) restorePlan(p model.RestorePlan, tell func(string, ...any) error) error {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	var ids []string
	for _, b := range p.Backups {
		ids = append(ids, fmt.Sprintf("%s (%s)", model.ID(b.ID).Short(), b.Kind))
	}
	add("%s is feed position %d, out of the backups %s.", p.At.UTC().Format("2006-01-02 15:04:05.000Z"), p.Position, strings.Join(ids, ", "))
	switch lost := plural(p.Lost, "change", "changes"); {
	case p.Fresh:
		add("%s is empty: %s come.", redacted(p.Target), plural(p.Rows, "row", "rows"))
	case p.Discard:
		add("%s is at position %d now: %s after that moment are lost there, and computers give them up; they stay in their history and bins.", redacted(p.Target), p.Head, lost)
	default:
		add("%s is at position %d now: %s after that moment are lost there, but for what computers have and offer again.", redacted(p.Target), p.Head, lost)
	}
	for _, x := range p.Losses {
		add("  %s of %s", plural(x.Changes, "change", "changes"), x.Person)
	}
	for _, s := range lines {
		if err := tell("%s", model.Visible(s)); err != nil {
			return err
		}
	}
	t := &table{head: []string{"TABLE", "ROWS", "COME", "CHANGE", "GO"}, right: []bool{false, true, true, true, true}}
	for _, x := range p.Tables {
		if x.Rows+x.Inserts+x.Updates+x.Deletes > 0 {
			t.add(model.Visible(x.Table), strconv.FormatInt(x.Rows, 10), strconv.FormatInt(x.Inserts, 10), strconv.FormatInt(x.Updates, 10), strconv.FormatInt(x.Deletes, 10))
		}
	}
	var b strings.Builder
	if err := t.write(&b); err != nil {
		return err
	}
	if err := tell("%s", strings.TrimRight(b.String(), "\n")); err != nil {
		return err
	}
	lines = nil
	words := map[string]string{"insert": "comes", "update": "changes", "delete": "goes"}
	for _, x := range p.Tables {
		for _, s := range x.Samples {
			line := fmt.Sprintf("  %s %s %s", x.Table, s.ID, words[s.Action])
			if s.Name != "" {
				line += ": " + s.Name
			}
			if len(s.Fields) > 0 {
				line += " (" + strings.Join(s.Fields, ", ") + ")"
			}
			lines = append(lines, line)
		}
	}
	if len(p.Laptops) > 0 {
		add("%s compare every record at their next sync:", plural(int64(len(p.Laptops)), "computer", "computers"))
	}
	for _, l := range p.Laptops {
		add("  %s %s, seen %s at position %d, %d unsent", l.Person, l.Name, model.FormatTime(l.LastSeen), l.Position, l.Pending)
	}
	lines = append(lines, p.Notes...)
	add("It takes about %s.", p.Estimate)
	add("%s", p.Command)
	for _, s := range lines {
		if err := tell("%s", model.Visible(s)); err != nil {
			return err
		}
	}
	return nil
}

// restored prints what a restore of the central did.
func (a *app) restored(res model.RestoreResult) error {
	if a.json {
		var safety any
		if res.Safety != nil {
			safety = backupObject(*res.Safety)
		}
		return a.result(object{{"target", redacted(res.Target)}, {"at", orNull(res.At)}, {"position", res.Position}, {"epoch", orNull(res.Epoch)}, {"parent_epoch", orNull(res.Parent)}, {"rows", res.Rows},
			{"tables", list(res.Tables)}, {"safety_backup", safety}, {"kept", list(res.Kept)}, {"done", list(res.Done)}, {"people", list(res.People)}, {"visible_ms", res.Visible.Milliseconds()}, {"took_ms", res.Took.Milliseconds()}})
	}
	var lines []string
	if res.Epoch != "" {
		lines = append(lines, fmt.Sprintf("Restored %s into %s; the database is %s now.", plural(res.Rows, "row", "rows"), redacted(res.Target), res.Epoch))
	}
	if res.Safety != nil {
		lines = append(lines, "What was there before is in the backup "+res.Safety.ID+".")
	}
	if len(res.Kept) > 0 {
		lines = append(lines, fmt.Sprintf("The former tables stay for 30 days (%s, …): rapport backup restore --undo puts them back.", res.Kept[0]))
	}
	lines = append(lines, res.Done...)
	if len(res.People) > 0 {
		lines = append(lines, "What the former server had beside the tables follows: settings, what an administrator made, and accounts, which are locked until `rapport central user password` gives each person a password. Look it through, and give what is to hold to the program mariadb:")
		lines = append(lines, script(res.People)...)
	}
	for _, s := range lines {
		if err := a.print("%s", model.Visible(s)); err != nil {
			return err
		}
	}
	return nil
}

// script writes statements as the programs mariadb and mysql read them.
func script(statements []string) (lines []string) {
	for _, s := range statements {
		if settings, create, found := strings.Cut(s, ";CREATE "); found && strings.HasPrefix(s, "SET SESSION ") {
			lines = append(lines, settings+";")
			s = "CREATE " + create
		}
		switch body := strings.Split(s, "\n"); {
		case strings.HasPrefix(s, "-- "):
			lines = append(lines, s)
		case strings.Contains(s, ";"):
			end := "$$"
			for strings.Contains(s, end) {
				end += "$"
			}
			lines = append(append(append(lines, "DELIMITER "+end), body...), end, "DELIMITER ;")
		default:
			body[len(body)-1] += ";"
			lines = append(lines, body...)
		}
	}
	return lines
}

// undoRestore puts back what a restore replaced.
func (a *app) undoRestore(ctx context.Context, ws model.Workspace, plan bool) error {
	res, err := ws.UndoRestore(ctx, true, a.notify())
	a.quietly()
	if err != nil {
		return err
	}
	if plan || !a.json {
		if err := a.undoPlan(res); err != nil || plan {
			return err
		}
	}
	if err := a.confirm(ctx, "Put back what the last restore replaced in %s?", redacted(res.Target)); err != nil {
		return err
	}
	if res, err = ws.UndoRestore(ctx, false, a.notify()); err != nil {
		a.quietly()
		return err
	}
	a.quietly()
	return a.restored(res)
}

func (a *app) undoPlan(res model.RestoreResult) error {
	if a.json {
		return a.restored(res)
	}
	if len(res.Kept) > 0 {
		if err := a.print("These come back: %s", model.Visible(strings.Join(res.Kept, ", "))); err != nil {
			return err
		}
	}
	for _, s := range res.Done {
		if err := a.print("%s", model.Visible(s)); err != nil {
			return err
		}
	}
	return nil
}
