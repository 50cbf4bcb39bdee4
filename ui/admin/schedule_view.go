package admin

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/widget/draw"
)

const keepTimes = "Keep this"

func (s *schedule) rebuild() {
	th := s.env.Theme
	now, zone := s.env.Now(), "UTC"
	if z := s.now.backups.Zone; z != "" {
		zone = model.Visible(z)
	}
	due := func(when model.Schedule, next time.Time, never string) string {
		switch {
		case when.Expr == "":
			return never
		case next.IsZero():
			return inWords(when)
		}
		return inWords(when) + ", next " + upcoming(next, now)
	}
	rows := []row{{head: true, label: "When are they made?"},
		{label: "Backups", text: due(s.now.backups, s.next.backups, everNever+", only when you make them"), style: &th.Text, do: func() tea.Cmd {
			return s.askWhen("When are backups made?", "One is made only where none was since that moment.", s.now.backups, func(t *timing, expr string) { t.backups.Expr = expr })
		}},
		{label: "Trial restores", text: due(s.now.trials, s.next.trials, everNever+": nobody knows whether they would restore"), style: &th.Text, do: func() tea.Cmd {
			return s.askWhen("When are they tried?", "The newest backup is restored beside, and every row compared.", s.now.trials, func(t *timing, expr string) { t.trials.Expr = expr })
		}},
		{label: "Time zone", text: zone, style: &th.Text, do: func() tea.Cmd { return s.askZone(s.now) }},
	}
	rows = append(rows, s.keepRows()...)
	if s.env.Workspace.Settings().Central != "" {
		rows = append(rows, row{head: true, label: "What does a backup of the company's database read?"}, row{label: "Reads", text: readWord(s.now.readFrom), style: &th.Text, do: s.askReadFrom})
	}
	rows = append(rows, row{head: true, label: "Then"})
	if s.env.Hooks.Backups == nil {
		rows = append(rows, row{label: "Not from here", text: "it is set under [backup] in this workspace's config.toml", sign: "·"})
	} else {
		r := row{label: keepTimes, text: "write it to config.toml; it holds from then on", style: &th.Text, do: s.keep}
		if s.Dirty() {
			r.sign, r.style, r.text = "!", &th.Warn, "not yet: write it to config.toml; it holds from then on"
		}
		rows = append(rows, r)
	}
	s.set(append(rows, s.standRows()...))
}

// keepRows are the rules of what stays.
func (s *schedule) keepRows() []row {
	rules := s.now.rules()
	note := ""
	if s.now.keep == (model.KeepRules{}) {
		note = "the usual ones"
	}
	rows := []row{{head: true, label: "Which ones stay?", note: note}}
	add := func(label, one, many, title string, of func(*model.KeepRules) *int) {
		text := "none more"
		if n := *of(&rules); n > 0 {
			text = draw.Plural(int64(n), one, many)
		}
		rows = append(rows, row{label: label, text: text, style: &s.env.Theme.Text, do: func() tea.Cmd {
			return s.askKeep(title, "0 keeps none by this rule. What another backup needs stays as well, and always the newest verified one. The others go when you press "+s.env.Keys.KeyOf(keymap.Prune, keymap.Backups)+" on the page of the backups.", of)
		}})
	}
	add("The newest", "backup", "backups", "How many of the newest stay?", func(k *model.KeepRules) *int { return &k.Last })
	add("One a day", "day", "days", "For how many days does the newest of each stay?", func(k *model.KeepRules) *int { return &k.Daily })
	add("One a week", "week", "weeks", "For how many weeks does the newest of each stay?", func(k *model.KeepRules) *int { return &k.Weekly })
	add("One a month", "month", "months", "For how many months does the newest of each stay?", func(k *model.KeepRules) *int { return &k.Monthly })
	add("One a year", "year", "years", "For how many years does the newest of each stay?", func(k *model.KeepRules) *int { return &k.Yearly })
	return rows
}

// standRows say what is due by the schedule that holds.
func (s *schedule) standRows() []row {
	th, now := s.env.Theme, s.env.Now()
	note := ""
	if !s.asOf.IsZero() {
		note = "as of " + s.asOf.Format("15:04:05")
	}
	rows := []row{{head: true, label: "How does it stand?", note: note}}
	if s.asOf.IsZero() {
		return append(rows, row{label: "Ask again", text: "asking …", do: s.reload})
	}
	for _, st := range s.stands {
		what := "Workspace"
		if st.Source == model.SourceCentral {
			what = "Central"
		}
		if st.err != nil {
			rows = append(rows, row{label: what, text: s.env.Sentence(st.err), sign: "?", style: &th.Warn, do: s.reload})
			continue
		}
		r := row{label: what, text: "no verified backup", sign: "✓", style: &th.Good, do: s.reload}
		if st.Verified != nil {
			r.text = "last verified " + draw.Ago(st.Verified.At, now)
		}
		switch {
		case st.Due:
			r.sign, r.style, r.text = "!", &th.Warn, r.text+"; due since "+upcoming(st.LastDue, now)
		case st.Schedule != "":
			r.text += "; due " + upcoming(st.Next, now)
		case st.Verified == nil:
			r.sign, r.style = "·", nil
		}
		rows = append(rows, r, trialRow(s, st.BackupState, what))
		for i, w := range st.Warnings {
			rows = append(rows, row{id: fmt.Sprint(st.Source, i), text: model.Visible(w), sign: "!", style: &th.Warn})
		}
	}
	return append(rows, row{label: "Who makes them", text: "Rapport while it is open, or a timer of this computer, which rapport backup schedule --print systemd, cron or windows writes. Backups of the company's database are made by a timer only: add --source central"})
}

// trialRow says when a backup was tried last and when that is due.
func trialRow(s *schedule, st model.BackupState, what string) row {
	th, now := s.env.Theme, s.env.Now()
	r := row{label: what + ", tried", text: "never", sign: "·", do: s.reload}
	if t := st.Trial; t != nil {
		r.text, r.sign, r.style = draw.Ago(t.At, now)+", it restores", "✓", &th.Good
		if !t.OK {
			r.text, r.sign, r.style = draw.Ago(t.At, now)+", it failed: "+model.Visible(t.Problem), "×", &th.Danger
		}
	}
	switch {
	case st.TrialDue:
		r.text += "; due now"
		if r.sign != "×" {
			r.sign, r.style = "!", &th.Warn
		}
	case st.TrialSchedule != "":
		r.text += "; due " + upcoming(st.NextTrial, now)
	}
	return r
}

// upcoming writes a moment with its day.
func upcoming(t, now time.Time) string {
	word, l := draw.When(t, now), t.In(now.Location())
	switch {
	case l.Hour() == 0 && l.Minute() == 0:
		return word + " 00:00"
	case !strings.Contains(word, " "):
		return "today " + word
	}
	return word
}

// weekdays are the days of the week, the first working day first.
func weekdays() []string {
	var out []string
	for d := range 7 {
		out = append(out, time.Weekday((d+1)%7).String())
	}
	return out
}

func weekdayOf(name string) time.Weekday {
	return time.Weekday((slices.Index(weekdays(), name) + 1) % 7)
}

// parts says how often a schedule comes, on which day and at what time, as far
// as that can be asked for, and otherwise what is usual.
func parts(s model.Schedule) (often, day, at string) {
	day, at = time.Monday.String(), noon
	minute, err := strconv.Atoi(s.Field(0))
	hour, err2 := strconv.Atoi(s.Field(1))
	weekday, err3 := strconv.Atoi(s.Field(4))
	timed := err == nil && err2 == nil && s.Field(2) == "*" && s.Field(3) == "*"
	if timed {
		at = fmt.Sprintf("%02d:%02d", hour, minute)
	}
	switch {
	case s.Expr == "":
		return everDay, day, at
	case s.Expr == "0 * * * *":
		return everHour, day, at
	case timed && s.Field(4) == "*":
		return everDay, day, at
	case timed && err3 == nil:
		return everWeek, time.Weekday(weekday % 7).String(), at
	}
	return everTyped, day, at
}

// inWords writes a schedule as people say it.
func inWords(s model.Schedule) string {
	switch often, day, at := parts(s); {
	case s.Expr == "":
		return everNever
	case often == everHour:
		return everHour
	case often == everDay:
		return everDay + " at " + at
	case often == everWeek:
		return "each " + day + " at " + at
	}
	return "by " + model.Visible(s.Expr)
}
