package ui

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget/draw"
)

// A screen that is left while it is at work is kept: it goes on hearing of its
// work, the status line says what it is at, and it is shown again, as it is by
// then, when the same screen is opened.

// place tells the same screen from another one.
type place struct {
	kind      screen.Kind
	noun      model.Noun
	id, other model.ID
}

// maxAway is how many screens that were left are kept, if their work has ended.
const maxAway = 8

func placeOf(m screen.OpenMsg) place {
	m = withNoun(m)
	return place{m.Kind, m.Noun, m.ID, m.Other}
}

// lasts is what the screen is at that goes on when it is left.
func (e entry) lasts() (what, stopped string) {
	if l, ok := e.Screen.(screen.Laster); ok {
		return l.Lasts()
	}
	return "", ""
}

// leave keeps those of some screens that are at work.
func (r *Root) leave(es ...entry) {
	for _, e := range es {
		if what, _ := e.lasts(); what != "" {
			e.told = false
			r.away = append(r.away, e)
		}
	}
	// Of those whose work has ended only some wait to be looked at.
	for len(r.away) > maxAway {
		i := slices.IndexFunc(r.away, func(e entry) bool { return e.told })
		if i < 0 {
			return
		}
		r.away = slices.Delete(r.away, i, i+1)
	}
}

// fetch takes the screen of a place from where it is at work, or waits to be
// opened again.
func (r *Root) fetch(p place) (entry, bool) {
	if i := slices.IndexFunc(r.away, func(e entry) bool { return e.place == p }); i >= 0 {
		e := r.away[i]
		r.away = slices.Delete(r.away, i, i+1)
		return e, true
	}
	for t, st := range r.stacks {
		for i, e := range st {
			if what, _ := e.lasts(); i > 0 && e.place == p && what != "" {
				r.stacks[t] = slices.Delete(slices.Clone(st), i, i+1)
				return e, true
			}
		}
	}
	return entry{}, false
}

// updateAway gives a message to the screens that were left, and tells how the
// work of one ended that did not succeed; a success tells itself.
func (r *Root) updateAway(msg tea.Msg) []tea.Cmd {
	var cmds []tea.Cmd
	for i := range r.away {
		e := &r.away[i]
		cmds = append(cmds, e.Update(msg))
		what, _ := e.lasts()
		if what != "" || e.told {
			continue
		}
		e.told = true
		if err := e.Screen.(screen.Laster).Failed(); err != nil {
			cmds = append(cmds, r.notify(screen.NoticeMsg{Text: e.Title(), Err: err}))
		}
	}
	return cmds
}

// atWork are the screens that are at work, the one that is seen last.
func (r *Root) atWork() []screen.Laster {
	var out []screen.Laster
	add := func(e entry) {
		if what, _ := e.lasts(); what != "" {
			out = append(out, e.Screen.(screen.Laster))
		}
	}
	for _, e := range r.away {
		add(e)
	}
	for i, st := range r.stacks {
		for j, e := range st {
			if i != r.tab || j < len(st)-1 {
				add(e)
			}
		}
	}
	add(entry{Screen: r.top()})
	return out
}

// elsewhere is what the screens are at that are not seen.
func (r *Root) elsewhere() []string {
	var out []string
	for _, l := range r.atWork() {
		if any(l) != any(r.top()) {
			what, _ := l.Lasts()
			out = append(out, what)
		}
	}
	return out
}

// underWay says what ends with the session, "" if nothing does.
func (r *Root) underWay() string {
	var out []string
	for _, l := range r.atWork() {
		what, stopped := l.Lasts()
		out = append(out, draw.Sentence(what+" is under way and would be stopped"), stopped)
	}
	return strings.Join(out, " ")
}

// finish stops what is under way and ends the session.
func (r *Root) finish() tea.Cmd {
	for _, l := range r.atWork() {
		l.Stop()
	}
	return r.ws.finish()
}
