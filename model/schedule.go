package model

import (
	"strings"
	"time"

	"github.com/adhocore/gronx"
)

// Schedule says when something is due: an expression of cron with five fields,
// in a named time zone.
type Schedule struct {
	Expr string // "" for never
	Zone string // of the IANA; "" for UTC
}

// everyWords are the schedules that have a name.
var everyWords = map[string]string{"hourly": "0 * * * *", "daily": "0 0 * * *", "weekly": "0 0 * * 1"}

// ParseSchedule reads an expression of cron with five fields, or hourly, daily
// or weekly, and the name of a time zone. Error: Invalid.
func ParseSchedule(expr, zone string) (Schedule, error) {
	s := Schedule{Expr: strings.Join(strings.Fields(strings.ToLower(expr)), " "), Zone: zone}
	if _, err := s.location(); err != nil {
		return Schedule{}, err
	}
	if s.Expr == "" {
		return s, nil
	}
	if word, ok := everyWords[strings.TrimPrefix(s.Expr, "@")]; ok {
		s.Expr = word
	}
	hint := "write minute, hour, day, month and weekday, for example \"30 2 * * *\", or hourly, daily, weekly"
	if strings.Count(s.Expr, " ") != 4 || !gronx.IsValid(s.Expr) {
		return Schedule{}, Errorf(Invalid, "%q is no schedule", Visible(expr)).WithHint("%s", hint)
	}
	// A year is enough for the day that comes soonest of those that come at
	// all, but for the 29th of February.
	if s.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return Schedule{}, Errorf(Invalid, "the schedule %q never comes", Visible(expr)).WithHint("%s", hint)
	}
	return s, nil
}

func (s Schedule) location() (*time.Location, error) {
	if s.Zone == "Local" {
		return nil, Errorf(Invalid, "%q is no time zone", s.Zone).WithHint("write a name like Europe/Zurich, or UTC")
	}
	z, err := time.LoadLocation(s.Zone)
	if err != nil {
		return nil, Errorf(Invalid, "%q is no time zone", Visible(s.Zone)).WithHint("write a name like Europe/Zurich, or UTC").Because(err)
	}
	return z, nil
}

// String returns the schedule as people write it.
func (s Schedule) String() string {
	if s.Zone == "" {
		return s.Expr + " (UTC)"
	}
	return s.Expr + " (" + s.Zone + ")"
}

// mostSteps bounds the search for a moment near the change of the clocks.
const mostSteps = 200

// Last returns the newest due moment that is not after t, the zero time if
// there is none. A time of day that the change of the clocks skips comes an
// hour later, one that comes twice counts once.
func (s Schedule) Last(t time.Time) time.Time {
	z, err := s.location()
	if s.Expr == "" || err != nil {
		return time.Time{}
	}
	wall := onWall(t, z)
	for range mostSteps {
		if wall, err = gronx.PrevTickBefore(s.Expr, wall, true); err != nil {
			return time.Time{}
		}
		if at := offWall(wall, z); !at.After(t) {
			return at
		}
		wall = wall.Add(-time.Minute)
	}
	return time.Time{}
}

// Next returns the first due moment after t, the zero time if there is none.
func (s Schedule) Next(t time.Time) time.Time {
	z, err := s.location()
	if s.Expr == "" || err != nil {
		return time.Time{}
	}
	// The hour that comes twice is looked at from its beginning.
	wall := onWall(t, z).Add(-2 * time.Hour)
	for range mostSteps {
		if wall, err = gronx.NextTickAfter(s.Expr, wall, false); err != nil {
			return time.Time{}
		}
		if at := offWall(wall, z); at.After(t) {
			return at
		}
	}
	return time.Time{}
}

// onWall returns what a clock on the wall shows, as if it never changed.
func onWall(t time.Time, z *time.Location) time.Time {
	t = t.In(z)
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

// offWall returns the moment at which a clock on the wall shows a time: the
// first of two, and for one that is skipped the moment as if nothing were.
func offWall(wall time.Time, z *time.Location) time.Time {
	at := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), 0, 0, z)
	if early := at.Add(-time.Hour); onWall(early, z).Equal(wall) {
		return early.UTC()
	}
	if onWall(at, z).Before(wall) {
		at = at.Add(time.Hour)
	}
	return at.UTC()
}

// Field is one of the five parts of a schedule, in the order they are written.
func (s Schedule) Field(i int) string {
	if f := strings.Fields(s.Expr); i < len(f) {
		return f[i]
	}
	return "*"
}
