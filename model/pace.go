package model

import (
	"fmt"
	"time"
)

// Pace tells how fast something long goes on. The zero Pace is ready.
type Pace struct {
	phase string
	from  time.Time
	begun int64 // rows that were done at from
}

// paceAfter is how long a phase must have run before its speed means something.
const paceAfter = time.Second

// Words says how far a report is, and how fast and for how long it goes on
// where that is known: "loading 12000 of 200000, 41000 a second, 5s left".
func (p *Pace) Words(now time.Time, q Progress) string {
	speed := p.Speed(now, q)
	switch {
	case q.Done <= 0 && q.Total <= 0:
		return q.Phase
	case q.Total <= 0:
		return fmt.Sprintf("%s %d", q.Phase, q.Done)
	}
	return fmt.Sprintf("%s %d of %d", q.Phase, q.Done, q.Total) + speed
}

// Speed is the end of Words: ", 41000 a second, 5s left", or "" where that is
// not known.
func (p *Pace) Speed(now time.Time, q Progress) string {
	if q.Phase != p.phase || now.Before(p.from) {
		*p = Pace{phase: q.Phase, from: now, begun: q.Done}
	}
	took, done := now.Sub(p.from), q.Done-p.begun
	if took < paceAfter || done <= 0 || q.Total <= 0 {
		return ""
	}
	rate := float64(done) / took.Seconds()
	words := fmt.Sprintf(", %.0f a second", rate)
	if left := time.Duration(float64(q.Total-q.Done) / rate * float64(time.Second)).Round(time.Second); left > 0 {
		words += fmt.Sprintf(", %s left", left)
	}
	return words
}
