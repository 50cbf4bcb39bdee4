// Package safety answers what an administrator asks of backups at a glance: when
// the last verified one was made, how far back one can go, whether it would
// restore, how far behind the standby is, how fresh the report tables are. The
// page of backups and the command both show its answers.
//
// Promises: an answer is a line; what is not known says so and why; what is bad
// comes with what helps.
package safety

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"rapport/model"
	"rapport/ui/widget/draw"
)

// Ages from which a person is told.
const (
	oldBackup  = 7 * 24 * time.Hour
	oldTrial   = 14 * 24 * time.Hour
	oldReports = 24 * time.Hour
	lateBeat   = 10 * time.Second
)

// Verdict is how good an answer is, the best first.
type Verdict int

// The verdicts.
const (
	Good    Verdict = iota
	None            // there is nothing that could be good or bad
	Unknown         // it could not be found out
	Look            // a person should look at it
	Bad
)

// Sign is the verdict's sign, which stands for itself without colour.
func (v Verdict) Sign() string { return [...]string{"✓", "·", "?", "!", "×"}[v] }

// String is the verdict in a word.
func (v Verdict) String() string { return [...]string{"ok", "none", "unknown", "warn", "fail"}[v] }

// Help is what can be done about an answer.
type Help int

// What helps.
const (
	Nothing Help = iota
	Create       // make a backup
	Verify       // verify the newest backup
	Trial        // restore one beside and compare it
	Refresh      // refresh the report tables
	Ask          // ask again
	Standby      // look at the servers
	SetUp        // set a standby up
)

// Answer is the answer to one question.
type Answer struct {
	Label   string
	Verdict Verdict
	Text    string
	Help    Help
	Does    string // what the help does: "makes another one"; "" where that need not be said
}

// Answers are the answers of an overview, in the order of the questions. due is
// when the schedule wanted the last backup, the zero time without one.
func Answers(o model.BackupOverview, due, now time.Time) []Answer {
	q := question{o, due, now}
	return []Answer{q.lastVerified(), q.farBack(), q.wouldRestore(), q.standby(), q.reports()}
}

type question struct {
	model.BackupOverview
	due, now time.Time
}

// sound tells whether a backup counts.
func sound(b model.BackupInfo) bool { return b.Verified && b.Problem == "" }

// newest returns the newest sound backup of a source.
func (q question) newest(source string) (model.BackupInfo, bool) {
	i := slices.IndexFunc(q.Items, func(b model.BackupInfo) bool { return b.Source == source && sound(b) })
	if i < 0 {
		return model.BackupInfo{}, false
	}
	return q.Items[i], true
}

func (q question) lastVerified() Answer {
	a := Answer{Label: "Last verified", Help: Create}
	if q.PlaceProblem != "" {
		a.Verdict, a.Text, a.Help = Unknown, "unknown: "+model.Visible(q.PlaceProblem), Ask
		return a
	}
	var parts []string
	var at time.Time
	for _, s := range []struct{ source, word string }{{model.SourceCentral, "central"}, {model.SourceLocal, "workspace"}} {
		if !slices.ContainsFunc(q.Items, func(b model.BackupInfo) bool { return b.Source == s.source }) {
			continue
		}
		b, ok := q.newest(s.source)
		if !ok {
			a.Verdict = Bad
			parts = append(parts, s.word+" never")
			continue
		}
		if q.now.Sub(b.At) > oldBackup {
			a.Verdict = max(a.Verdict, Look)
		}
		if b.At.After(at) {
			at = b.At
		}
		parts = append(parts, s.word+" "+draw.Ago(b.At, q.now))
	}
	a.Text = strings.Join(parts, ", ")
	switch {
	case len(parts) == 0:
		a.Verdict, a.Text, a.Does = Bad, "never", "makes the first backup"
	case a.Verdict == Good && at.Before(q.due):
		a.Verdict, a.Text, a.Does = Look, a.Text+"; one was due "+draw.Ago(q.due, q.now), "makes it"
	case a.Verdict != Good:
		a.Does = "makes another one"
	case !sound(q.Items[0]):
		a.Verdict, a.Text, a.Help, a.Does = Look, a.Text+"; the newest one is not verified", Verify, "proves it"
	}
	return a
}

func (q question) farBack() Answer {
	a := Answer{Label: "How far back"}
	if q.PlaceProblem != "" {
		a.Verdict, a.Text, a.Help = Unknown, "unknown: the backups cannot be listed", Ask
		return a
	}
	var oldest time.Time
	var n int64
	for _, b := range q.Items {
		if sound(b) {
			oldest = b.At
			if !b.Reaches.IsZero() && b.Reaches.Before(oldest) {
				oldest = b.Reaches // its history tells what was before it
			}
			n++
		}
	}
	when := draw.When(oldest, q.now)
	if !strings.Contains(when, " ") {
		when = "today " + when
	}
	if oldest.Before(q.now.AddDate(0, 0, -6)) {
		when = oldest.In(q.now.Location()).Format("2 January 2006")
	}
	switch n {
	case 0:
		a.Verdict, a.Text, a.Help, a.Does = Bad, "nowhere", Create, "makes a backup"
	case 1:
		a.Verdict, a.Text, a.Help = Look, "to "+when+", one backup only", Create
	default:
		a.Text = "to " + when + ", " + draw.Count(n) + " verified backups"
	}
	return a
}

func (q question) wouldRestore() Answer {
	a := Answer{Label: "Would restore", Help: Trial}
	switch t := q.Trial; {
	case t == nil && len(q.Items) == 0:
		a.Verdict, a.Text, a.Help = Unknown, "there is nothing to try", Nothing
	case t == nil:
		a.Verdict, a.Text, a.Does = Unknown, "never tried", "restores one beside and compares it"
	case !t.OK:
		a.Verdict, a.Text = Bad, "no: the trial "+draw.Ago(t.At, q.now)+" failed: "+model.Visible(t.Problem)
	case q.now.Sub(t.At) > oldTrial:
		a.Verdict, a.Text, a.Does = Look, "yes, but last tried "+draw.Ago(t.At, q.now), "tries again"
	default:
		a.Text = "yes, tried " + draw.Ago(t.At, q.now)
	}
	return a
}

// offline is what is said of the central where it did not answer.
func (q question) offline() string {
	if q.CentralProblem == "" {
		return "unknown"
	}
	return "unknown: " + model.Visible(q.CentralProblem)
}

const noCentral = "there is no central database"

func (q question) standby() Answer {
	a := Answer{Label: "Standby", Help: Standby}
	switch {
	case q.Central == "":
		a.Verdict, a.Text, a.Help = None, noCentral, Nothing
		return a
	case q.Standby == nil:
		a.Verdict, a.Text, a.Help = Unknown, q.offline(), Ask
		return a
	}
	a.Verdict, a.Text, a.Help, a.Does = None, "none", SetUp, "makes one"
	for _, n := range q.Standby.Servers {
		if v, text := server(n); text != "" && (a.Help == SetUp || v > a.Verdict) {
			a.Verdict, a.Text, a.Help, a.Does = v, text, Standby, ""
		}
	}
	if a.Help == Standby && a.Verdict != Good {
		a.Does = "tells more"
	}
	return a
}

// server says how a server is that is not the primary, "" for that.
func server(n model.ServerState) (Verdict, string) {
	switch n.Role {
	case model.RolePrimary:
		return Good, ""
	case model.RoleStandby:
		behind := "follows, " + lag(n.Lag) + " behind"
		switch {
		case !n.Receiving.Running || !n.Applying.Running:
			return Bad, "does not follow: " + cmp.Or(model.Visible(n.Applying.Message), model.Visible(n.Receiving.Message), "its replication has stopped")
		case n.Lag > lateBeat:
			return Look, behind
		}
		return Good, behind
	}
	return Bad, model.Visible(n.Address) + " is " + string(n.Role)
}

func lag(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return d.Round(time.Second).String()
}

func (q question) reports() Answer {
	a := Answer{Label: "Report tables", Help: Refresh}
	switch r := q.Reports; {
	case q.Central == "":
		a.Verdict, a.Text, a.Help = None, noCentral, Nothing
	case q.CentralProblem != "" && r == nil:
		a.Verdict, a.Text, a.Help = Unknown, q.offline(), Ask
	case r == nil:
		a.Verdict, a.Text, a.Does = None, "none yet", "makes them"
	case r.Behind == 0:
		a.Text = "up to date, refreshed " + draw.Ago(r.RefreshedAt, q.now)
	default:
		a.Text = draw.Plural(r.Behind, "change", "changes") + " behind, of " + draw.Ago(r.RefreshedAt, q.now)
		if q.now.Sub(r.RefreshedAt) >= oldReports {
			a.Verdict, a.Does = Look, "refreshes them"
		}
	}
	return a
}
