package sample

import (
	"math"
	"strconv"
	"strings"
	"time"

	"rapport/model"
)

// dealFacts are what an activity says about a deal.
type dealFacts struct {
	id model.ID
}

// makeDeal makes a deal with its line, its contact role and the moves that
// brought it where it is: about half are open and close around the day, the
// others were won or lost over the last twelve months.
func (m *maker) makeDeal(i int, p person) dealFacts {
	m.about("deal", i)
	id := m.newID()
	it := m.products[m.IntN(len(m.products))]
	quantity := int64(1 + math.Exp(m.NormFloat64()*0.9+1.2))
	amount := it.price * quantity / 5000 * 5000
	discount := ""
	if m.chance(30) {
		discount = strconv.Itoa(5 * (1 + m.IntN(4)))
	}
	var open, won, lost []stage
	for _, s := range m.stages {
		switch s.kind {
		case model.StageOpen:
			open = append(open, s)
		case model.StageWon:
			won = append(won, s)
		default:
			lost = append(lost, s)
		}
	}
	path := open[:1+m.IntN(len(open))]
	opened := m.past(90)
	closing := m.day.AddDate(0, 0, m.IntN(75)-4)
	var closed any
	reason, next := "", m.pick(nextSteps)
	last := path[len(path)-1]
	switch roll := m.IntN(100); {
	case i < 12 || roll < 50: // open; every sixth is slow
		if i%6 == 5 {
			opened = opened.AddDate(0, 0, -70)
		}
		if i%3 == 0 {
			closing = m.day.AddDate(0, 0, m.IntN(max(1, 28-m.day.Day())+1))
		}
	default:
		at := m.past(364)
		opened = at.Add(-time.Duration(5+m.IntN(90)) * 24 * time.Hour)
		last, path = won[0], open
		if roll >= 78 {
			last, reason = lost[0], m.pick(lostReasons)
			path = open[:1+m.IntN(len(open))]
		}
		next, closed, closing = "", at.UnixMilli(), at
		path = append(path[:len(path):len(path)], last)
	}
	// The moves are spread between the opening and the close, or today.
	end := m.day.Add(-time.Duration(m.IntN(24*60)) * time.Minute)
	if ms, ok := closed.(int64); ok {
		end = time.UnixMilli(ms)
	} else if i%6 == 5 && len(path) == 1 {
		end = opened
	} else if i%6 == 5 {
		end = m.day.AddDate(0, 0, -35-m.IntN(20))
	}
	if end.Before(opened) {
		opened = end.AddDate(0, 0, -3)
	}
	entered := opened
	if len(path) > 1 {
		entered = end
	}
	by := p.owner.login
	m.add("deal", id, opened, by, "name", m.dealName(it, p), "pipeline_id", m.pipeline, "stage_id", last.id, "organization_id", p.org.id, "contact_id", p.id,
		"amount_minor", amount, "amount_currency", m.currency, "opened_on", opened.Format("2006-01-02"), "close_date", closing.Format("2006-01-02"), "closed_at", closed,
		"stage_entered_at", entered.UnixMilli(), "lost_reason", reason, "next_step", next, "source", m.pick(sources), "owner_id", p.owner.id)
	m.add("deal_line", m.newID(), opened, by, "deal_id", id, "product_id", it.id, "quantity", strconv.FormatInt(quantity, 10), "price_minor", it.price, "price_currency", m.currency, "discount", discount, "position", int64(0))
	if m.chance(40) {
		m.add("deal_contact", partID("deal_contact", id, p.id), opened, by, "deal_id", id, "contact_id", p.id, "role", m.pick([]string{"decision maker", "evaluator", "influencer", "user"}), "position", int64(0))
	}
	var from model.ID
	for k, s := range path {
		at := opened
		if k > 0 {
			at = opened.Add(end.Sub(opened) * time.Duration(k) / time.Duration(len(path)-1))
		}
		m.add("stage_history", m.newID(), at, by, "deal_id", id, "from_stage_id", from, "to_stage_id", s.id, "moved_at", at.UnixMilli(), "amount_minor", amount, "amount_currency", m.currency)
		from = s.id
	}
	return dealFacts{id}
}

// dealName says in a few words what a deal is about.
func (m *maker) dealName(it item, p person) string {
	l := p.org.locale
	if l == nil {
		l = &locales[0]
	}
	city, _, _ := strings.Cut(m.pick(l.cities), "|")
	return strings.NewReplacer("{n}", strconv.Itoa(5*(1+m.IntN(16))), "{city}", city).Replace(m.pick(dealNames[it.category]))
}

// makeActivity makes the i-th activity. The first ones are the rep's day:
// tasks due today, some overdue, some coming, and what was logged lately.
func (m *maker) makeActivity(i int, p person, deal dealFacts) {
	m.about("activity", i)
	own := p.owner
	kind := []string{"call", "call", "call", "note", "meeting", "task"}[m.IntN(6)]
	at := m.past(360)
	due := m.day.Add(time.Duration(m.IntN(90*24)-20*24) * time.Hour)
	open := kind == "task" && m.chance(40)
	if i < 48 {
		own = m.users[0]
		at = m.past(9)
		switch {
		case i%8 == 0: // today
			kind, open, due = "task", true, m.day.Add(time.Duration(8+m.IntN(10))*time.Hour)
		case i%8 == 1: // overdue
			kind, open, due = "task", true, m.day.AddDate(0, 0, -1-m.IntN(5)).Add(15*time.Hour)
		case i%8 == 2: // next
			kind, open, due = []string{"task", "meeting"}[m.IntN(2)], true, m.day.AddDate(0, 0, 1+m.IntN(12)).Add(time.Duration(8+m.IntN(9))*time.Hour)
		default:
			kind, open = []string{"call", "call", "note", "meeting"}[m.IntN(4)], false
		}
	}
	m.activityRow(p, deal, own, kind, at, due, open)
}

func (m *maker) activityRow(p person, deal dealFacts, own user, kind string, at, due time.Time, open bool) {
	subjects := map[string][]string{"task": taskSubjects, "call": callSubjects, "meeting": meetSubjects, "note": noteSubjects}[kind]
	id := m.newID()
	values := []any{"kind", kind, "subject", m.pick(subjects), "body", m.pick(activityTexts), "owner_id", own.id}
	if kind == "task" {
		values = append(values, "priority", []string{"low", "normal", "normal", "high", "urgent"}[m.IntN(5)])
	}
	if kind == "call" && !open {
		values = append(values, "direction", []string{"in", "out", "out"}[m.IntN(3)], "outcome", m.pick(callOutcomes), "duration_s", int64(30+m.IntN(1500)))
	}
	start := at
	if open {
		start = due
		values = append(values, "status", "open")
		if at.After(due) {
			at = due.AddDate(0, 0, -2)
		}
	} else {
		values = append(values, "status", "done", "done_at", at.UnixMilli())
	}
	if open || kind == "task" {
		values = append(values, "due_at", due.UnixMilli())
	}
	if kind == "meeting" {
		values = append(values, "start_at", start.UnixMilli(), "end_at", start.Add(time.Hour).UnixMilli())
	}
	m.add("activity", id, at, own.login, values...)
	m.link(id, at, own.login, "contact_id", p.id)
	if deal.id != "" {
		m.link(id, at, own.login, "deal_id", deal.id)
	}
}

func (m *maker) link(activity model.ID, at time.Time, by, column string, to model.ID) {
	m.add("activity_link", partID("activity_link", activity, to), at, by, "activity_id", activity, column, to)
}
