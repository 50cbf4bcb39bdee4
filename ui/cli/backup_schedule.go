package cli

import (
	"fmt"
	"hash/fnv"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rapport/model"
)

const scheduleHelp = `Tell when the next backup is due and what the last one was, or print the files
that have the computer make them.

The schedule is [backup] schedule in config.toml, for example "30 2 * * *", in
the time zone of time_zone (UTC if there is none). What runs it calls
rapport backup create --if-due, so that a backup that several computers share is
made once, and one that was missed is caught up.

With trial of [backup] in config.toml, for example "weekly", the printed files also call
rapport backup verify --if-due, which restores the newest backup beside and compares every row.`

func (a *app) backupSchedule() *cobra.Command {
	var place, source, format string
	c := &cobra.Command{
		Use: "schedule", Short: "Tell when backups are due, or print units that make them", Args: exactly(0), Long: scheduleHelp,
		Example: "  rapport backup schedule\n  rapport backup schedule --print systemd\n  rapport backup schedule --print cron --source central",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.load()
			if err != nil {
				return err
			}
			if source != model.SourceLocal && source != model.SourceCentral {
				return model.Errorf(model.Invalid, "--source is local or central")
			}
			if format != "" {
				text, err := a.unit(s, format, place, source)
				if err != nil {
					return err
				}
				if a.json {
					return a.result(object{{"format", format}, {"text", text}})
				}
				return a.print("%s", strings.TrimSuffix(text, "\n"))
			}
			ws, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			st, err := ws.BackupState(cmd.Context(), model.BackupRequest{To: place, Source: source}, model.Schedule{})
			if err != nil {
				return err
			}
			return a.printState(st)
		},
	}
	c.Flags().StringVar(&place, "to", "", toHelp)
	c.Flags().StringVar(&source, "source", model.SourceLocal, "local or central")
	c.Flags().StringVar(&format, "print", "", "systemd, cron or windows")
	return c
}

func (a *app) printState(st model.BackupState) error {
	if a.json {
		var last any
		if st.Verified != nil {
			last = backupObject(*st.Verified)
		}
		return a.result(object{{"source", st.Source}, {"place", st.Place}, {"schedule", orNull(st.Schedule)}, {"last_verified", last}, {"last_due", orNull(st.LastDue)},
			{"next_due", orNull(st.Next)}, {"due", st.Due}, {"last_prune", orNull(st.Pruned)},
			{"trial_schedule", orNull(st.TrialSchedule)}, {"last_trial", st.Trial}, {"next_trial", orNull(st.NextTrial)}, {"trial_due", st.TrialDue}, {"clock_ahead_s", int64(st.Skew / time.Second)}, {"warnings", st.Warnings}})
	}
	lines := []string{"source    " + st.Source, "place     " + st.Place}
	if st.Verified == nil {
		lines = append(lines, "last      none")
	} else {
		lines = append(lines, fmt.Sprintf("last      %s  %s  %s", a.value(model.Time, st.Verified.At), st.Verified.Kind, st.Verified.ID))
	}
	switch {
	case st.Schedule == "":
		lines = append(lines, "schedule  none: set schedule of [backup] in config.toml")
	case st.Due:
		lines = append(lines, "schedule  "+st.Schedule, "due       since "+a.value(model.Time, st.LastDue))
	default:
		lines = append(lines, "schedule  "+st.Schedule, "next      "+a.value(model.Time, st.Next))
	}
	switch t := st.Trial; {
	case t != nil && t.OK:
		lines = append(lines, "trial     "+a.value(model.Time, t.At)+"  it restores  "+t.Backup)
	case t != nil:
		lines = append(lines, "trial     "+a.value(model.Time, t.At)+"  failed: "+model.Visible(t.Problem)+"  "+t.Backup)
	default:
		lines = append(lines, "trial     none")
	}
	switch {
	case st.TrialDue:
		lines = append(lines, "          by "+st.TrialSchedule+", due now")
	case st.TrialSchedule != "":
		lines = append(lines, "          by "+st.TrialSchedule+", next "+a.value(model.Time, st.NextTrial))
	}
	if !st.Pruned.IsZero() {
		lines = append(lines, "pruned    "+a.value(model.Time, st.Pruned))
	}
	if st.Skew > time.Minute || st.Skew < -time.Minute {
		lines = append(lines, fmt.Sprintf("clock     this computer's is %s ahead of the server's; nothing depends on it", st.Skew.Round(time.Second)))
	}
	for _, w := range st.Warnings {
		lines = append(lines, "! "+w)
	}
	for _, l := range lines {
		if err := a.print("%s", l); err != nil {
			return err
		}
	}
	return nil
}

// unit returns what has a computer make backups when they are due.
func (a *app) unit(s *settings, format, place, source string) (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", model.Errorf(model.Other, "the program's own path is not known").Because(err)
	}
	when := s.schedule
	if when.Expr == "" {
		when.Expr = "0 0 * * *"
	}
	base := []string{exe, "--home", s.home, "--config", s.config}
	if !s.configFound {
		base = base[:3]
	}
	create := append(append([]string{}, base...), "--no-input", "--quiet", "backup", "create", "--if-due", "--source", source)
	prune := append(append([]string{}, base...), "--no-input", "--quiet", "--yes", "backup", "prune", "--source", source)
	trial := append(append([]string{}, base...), "--no-input", "--quiet", "backup", "verify", "--if-due", "--source", source)
	if place != "" {
		create, prune, trial = append(create, "--to", place), append(prune, "--to", place), append(trial, "--to", place)
	}
	commands := [][]string{create}
	if s.keep != (model.KeepRules{}) {
		commands = append(commands, prune)
	}
	if s.trial.Expr != "" {
		commands = append(commands, trial)
	}
	switch format {
	case "systemd":
		return systemdUnits(commands, when), nil
	case "cron":
		return cronLine(commands, when, s.home), nil
	case "windows":
		return windowsTask(commands, when), nil
	}
	return "", model.Errorf(model.Invalid, "--print is systemd, cron or windows")
}

// quoted writes a command with each word quoted.
func quoted(words []string, quote func(string) string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = w
		if !plainWord.MatchString(w) {
			out[i] = quote(w)
		}
	}
	return strings.Join(out, " ")
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:=@+-]+$`)

func systemdUnits(commands [][]string, when model.Schedule) string {
	var b strings.Builder
	b.WriteString("# ~/.config/systemd/user/rapport-backup.service\n[Unit]\nDescription=Back Rapport up if a backup is due\n\n[Service]\nType=oneshot\nNice=10\nIOSchedulingClass=idle\n")
	for _, c := range commands {
		b.WriteString("ExecStart=" + quoted(c, func(w string) string {
			return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`, `$`, `$$`).Replace(w) + `"`
		}) + "\n")
	}
	b.WriteString("\n# ~/.config/systemd/user/rapport-backup.timer\n[Unit]\nDescription=When Rapport looks whether a backup is due\n\n[Timer]\n")
	for _, c := range calendar(when) {
		b.WriteString("OnCalendar=" + c + "\n")
	}
	b.WriteString("Persistent=true\nRandomizedDelaySec=10min\n\n[Install]\nWantedBy=timers.target\n\n" +
		"# systemctl --user daemon-reload && systemctl --user enable --now rapport-backup.timer\n# loginctl enable-linger keeps it running while nobody is logged in.\n")
	return b.String()
}

var (
	weekdays = []string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}
	months   = []string{"", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}
	item     = regexp.MustCompile(`^(\*|[a-z0-9]+)(?:-([a-z0-9]+))?(?:/([0-9]+))?$`)
)

// calendar writes a schedule as systemd reads it. One that it cannot write is
// looked at each hour: whether a backup is due, the command decides.
func calendar(when model.Schedule) []string {
	hourly := []string{"hourly"}
	zone := when.Zone
	if zone == "" {
		zone = "UTC"
	}
	var f [5]string
	for i := range f {
		var ok bool
		if f[i], ok = calendarField(when.Field(i), i); !ok {
			return hourly
		}
	}
	line := func(day, weekday string) string {
		if weekday != "" {
			weekday += " "
		}
		return fmt.Sprintf("%s*-%s-%s %s:%s:00 %s", weekday, f[3], day, f[1], f[0], zone)
	}
	switch {
	case f[4] == "*":
		return []string{line(f[2], "")}
	case f[2] == "*":
		return []string{line("*", f[4])}
	}
	// In cron one of the two is enough.
	return []string{line(f[2], ""), line("*", f[4])}
}

func calendarField(field string, i int) (string, bool) {
	var out []string
	for _, part := range strings.Split(field, ",") {
		m := item.FindStringSubmatch(part)
		if m == nil || i == 4 && m[3] != "" {
			return "", false
		}
		from, ok := calendarValue(m[1], i)
		to, ok2 := calendarValue(m[2], i)
		if !ok || !ok2 {
			return "", false
		}
		switch {
		case m[1] == "*" && m[3] != "":
			from = "0"
			if i == 2 || i == 3 {
				from = "1"
			}
		case m[2] != "":
			from += ".." + to
		}
		if m[3] != "" {
			from += "/" + m[3]
		}
		out = append(out, from)
	}
	return strings.Join(out, ","), true
}

// calendarValue writes one number or name; "" and * stand for themselves.
func calendarValue(v string, i int) (string, bool) {
	n, err := strconv.Atoi(v)
	switch {
	case v == "" || v == "*":
		return v, true
	case i == 4 && err == nil:
		return weekdays[min(n, 7)], n <= 7
	case i == 4:
		for _, d := range weekdays {
			if strings.EqualFold(d, v) {
				return d, true
			}
		}
		return "", false
	case i == 3 && err != nil:
		for n, m := range months {
			if m == v {
				return fmt.Sprintf("%02d", n), true
			}
		}
		return "", false
	}
	return fmt.Sprintf("%02d", n), err == nil
}

// often tells whether a schedule comes more than once an hour.
func often(when model.Schedule) bool { return strings.ContainsAny(when.Field(0), "*,/-") }

func cronLine(commands [][]string, when model.Schedule, home string) string {
	// Computers that share a place do not all look in the same minute.
	h := fnv.New32a()
	host, err := os.Hostname()
	if err == nil {
		h.Write([]byte(host))
	}
	h.Write([]byte(home))
	minute, every := strconv.Itoa(int(h.Sum32()%60)), "hour"
	if often(when) {
		minute, every = "*/5", "five minutes"
	}
	parts := make([]string, len(commands))
	for i, c := range commands {
		parts[i] = quoted(c, func(w string) string {
			return strings.ReplaceAll("'"+strings.ReplaceAll(w, "'", `'\''`)+"'", "%", `\%`)
		})
	}
	return fmt.Sprintf("# Looks each %s whether a backup is due by %s, also one that was missed.\n%s * * * * %s\n", every, when, minute, strings.Join(parts, " && "))
}

func windowsTask(commands [][]string, when model.Schedule) string {
	span := "-Hours 1"
	if often(when) {
		span = "-Minutes 5"
	}
	single := func(w string) string { return "'" + strings.ReplaceAll(w, "'", "''") + "'" }
	var actions []string
	for _, c := range commands {
		actions = append(actions, fmt.Sprintf("(New-ScheduledTaskAction -Execute %s -Argument %s)", single(c[0]), single(quoted(c[1:], func(w string) string { return `"` + w + `"` }))))
	}
	return fmt.Sprintf(`# Run this in PowerShell. It looks whether a backup is due by %s, also one that was missed.
$actions = %s
$trigger = New-ScheduledTaskTrigger -Once -At (Get-Date).Date -RepetitionInterval (New-TimeSpan %s) -RandomDelay (New-TimeSpan -Minutes 10)
$settings = New-ScheduledTaskSettingsSet -StartWhenAvailable -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries -MultipleInstances IgnoreNew
Register-ScheduledTask -TaskName 'Rapport backup' -Action $actions -Trigger $trigger -Settings $settings
`, when, strings.Join(actions, ", "), span)
}
