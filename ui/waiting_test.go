package ui

import (
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"rapport/model"
)

// TestLongWorkIsShown reads a list whose answer does not come.
func TestLongWorkIsShown(t *testing.T) {
	x := begin(t, 80, 24, model.Settings{})
	x.press("2", "right", "right")
	_, cmd := x.r.Update(tea.KeyPressMsg{Code: 's', Text: "s"})
	if strings.Contains(x.screen(), "sorting") {
		t.Error("the sign comes before anybody waits")
	}
	// The load is left unanswered; only the wait goes on.
	var wait tea.Msg
	for _, c := range cmd().(tea.BatchMsg) {
		if m, ok := c().(laterMsg); ok && m.d == spinAfter {
			wait = m.m
		}
	}
	_, cmd = x.r.Update(wait)
	before := x.r.waitingText()
	x.sees("sorting by organization")
	_, next := x.r.Update(cmd())
	if next == nil || x.r.waitingText() == before {
		t.Error("it stands still")
	}
	x.press("s")
	x.r.attend() // as Update does after every message
	x.misses("sorting")
	if _, cmd := x.r.Update(next()); cmd != nil {
		t.Error("the sign goes on after the work")
	}
	if _, cmd := x.r.Update(wait); cmd != nil {
		t.Error("a wait that is over shows a sign")
	}
}
