package board

import (
	"fmt"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/theme"
	"rapport/ui/uitest/fake"
)

func eur(n int64) model.Money { return model.Money{Minor: n * 100, Currency: "EUR"} }

func workspace() *fake.Workspace {
	now := fake.Now()
	pipelines := []*model.Record{fake.Record("pipeline", "Sales", "name", "Sales"), fake.Record("pipeline", "Partners", "name", "Partners")}
	names := []string{"Fleet renewal", "Museum audio guides", "Warehouse scanners", "見積もり依頼", "Clinic portal", "Harbour sensors"}
	var cols []model.BoardColumn
	for i, st := range []struct {
		name, kind string
		p          int64
		n          int
	}{{"Lead", "open", 10, 3}, {"Qualified", "open", 30, 6}, {"Proposal", "open", 50, 1}, {"Negotiation", "open", 80, 0}, {"Won", "won", 100, 2}, {"Lost", "lost", 0, 1}} {
		c := model.BoardColumn{Stage: fake.Record("stage", st.name, "name", st.name, "kind", st.kind, "probability", st.p, "rot_days", int64(21))}
		for j := range st.n {
			d := fake.Record("deal", fmt.Sprint(st.name, j), "name", names[(i+j)%len(names)], "amount", eur(int64(9500*(j+1))),
				"organization", model.Ref{Noun: "organization", ID: fake.ID("o"), Name: "Acme & Söhne"},
				"close_date", now.AddDate(0, 0, 10*(j-1)+i).Format("2006-01-02"), "stage_entered_at", now.AddDate(0, 0, -9*(j+1)))
			d.Sync = model.SyncState(j % 3)
			count(&c, d, 1)
			c.Deals = append(c.Deals, d)
		}
		cols = append(cols, c)
	}
	cols[1].Count = 340
	return &fake.Workspace{
		Pages:  map[model.Noun][]*model.Record{"pipeline": pipelines},
		Boards: []model.Board{{Pipeline: pipelines[0], Columns: cols}, {Pipeline: pipelines[1], Columns: cols[:2]}},
	}
}

func opener(t *testing.T, ws *fake.Workspace) func(*theme.Theme) screen.Screen {
	return fake.Opener(t, ws, screen.OpenMsg{Kind: screen.Board}, New)
}

func open(t *testing.T, ws *fake.Workspace) *Screen {
	s := opener(t, ws)(theme.New(true)).(*Screen)
	s.SetSize(120, 37)
	return s
}

func TestLooks(t *testing.T) {
	fake.Goldens(t, "board", opener(t, workspace()))
	fake.Goldens(t, "empty", opener(t, &fake.Workspace{}))
	fake.Survives(t, opener(t, workspace()))
}

func TestAsksTheStoreOnlyInCommands(t *testing.T) {
	ws := workspace()
	fake.StoreFree(t, ws, opener(t, ws))
	fake.HasAll(t, opener(t, ws), keymap.MoveLeft) // the first column has none at its left
}

func TestCardFollowsAtOnce(t *testing.T) {
	ws := workspace()
	s := open(t, ws)
	cmd, ok := s.Do(keymap.MoveRight)
	if !ok || s.col != 1 || s.current().ID != fake.ID("Lead0") || s.board.Columns[0].Count != 2 || s.board.Columns[1].Count != 341 {
		t.Fatalf("column %d, counts %d and %d", s.col, s.board.Columns[0].Count, s.board.Columns[1].Count)
	}
	fake.Run(s, cmd)
	if want := fmt.Sprintf("%s %s ", fake.ID("Lead0"), fake.ID("Qualified")); len(ws.Moves) != 1 || ws.Moves[0] != want {
		t.Errorf("stored %q, want %q", ws.Moves, want)
	}
}

func TestMovesAreStoredInOrder(t *testing.T) {
	ws := workspace()
	s := open(t, ws)
	first, _ := s.Do(keymap.MoveRight)
	for range 2 { // while the first is under way
		if cmd, _ := s.Do(keymap.MoveRight); cmd != nil {
			t.Fatal("a second move began before the first was stored")
		}
	}
	fake.Run(s, first)
	want := []string{fmt.Sprintf("%s %s ", fake.ID("Lead0"), fake.ID("Qualified")), fmt.Sprintf("%s %s ", fake.ID("Lead0"), fake.ID("Negotiation"))}
	if fmt.Sprint(ws.Moves) != fmt.Sprint(want) {
		t.Errorf("stored %q, want %q", ws.Moves, want)
	}
}

func TestCardIsPutBackWhenTheMoveFails(t *testing.T) {
	ws := workspace()
	s := open(t, ws)
	cmd, _ := s.Do(keymap.MoveRight)
	ws.Err = model.Errorf(model.Invalid, "the stage is gone")
	msg := cmd()
	ws.Err = nil
	out := fake.Run(s, s.Update(msg))
	if m := fake.Want[screen.NoticeMsg](t, out); m.Err == nil {
		t.Error("no error is shown")
	}
	if s.board.Columns[0].Count != 3 || s.current().ID != fake.ID("Lead0") || s.col != 0 {
		t.Errorf("the card is not back: column %d", s.col)
	}
}

func TestLostNeedsAReason(t *testing.T) {
	ws := workspace()
	s := open(t, ws)
	ask := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Lose))
	if len(ws.Moves) != 0 || ask.Options[0] != "price" {
		t.Fatalf("moved %v before the answer, or offers %v", ws.Moves, ask.Options)
	}
	typed := fake.Want[screen.AskMsg](t, fake.Run(s, ask.Do(other)))
	fake.Want[screen.NoticeMsg](t, fake.Run(s, typed.Do("")))
	if len(ws.Moves) != 0 {
		t.Fatal("lost without a reason")
	}
	fake.Run(s, typed.Do("they merged"))
	if want := fmt.Sprintf("%s %s they merged", fake.ID("Lead0"), fake.ID("Lost")); len(ws.Moves) != 1 || ws.Moves[0] != want {
		t.Errorf("stored %q, want %q", ws.Moves, want)
	}
}

func TestNarrowBoardShowsOneColumnWithMarks(t *testing.T) {
	s := open(t, workspace())
	s.SetSize(40, 20)
	fake.Do(t, s, keymap.Right)
	view := ansi.Strip(s.View())
	if !strings.Contains(view, "‹ 2 of 6 ›") || !strings.Contains(view, "1–5 of 340") {
		t.Errorf("\n%s", view)
	}
}

func TestNewDealBeginsInTheStage(t *testing.T) {
	s := open(t, workspace())
	fake.Do(t, s, keymap.Right)
	m := fake.Want[screen.OpenMsg](t, fake.Do(t, s, keymap.Add))
	if m.Kind != screen.Form || m.Set["stage"].(model.Ref).Name != "Qualified" || m.Set["pipeline"].(model.Ref).Name != "Sales" {
		t.Errorf("%+v", m)
	}
}

func TestNextPipeline(t *testing.T) {
	s := open(t, workspace())
	fake.Do(t, s, keymap.Pipelines)
	if s.board.Pipeline.Title() != "Partners" || s.Title() != "Board: Partners" {
		t.Errorf("shows %s", s.Title())
	}
	fake.Do(t, s, keymap.Pipelines)
	if s.board.Pipeline.Title() != "Sales" {
		t.Errorf("shows %s", s.Title())
	}
}

func TestCursorStaysOnItsDealOverAReload(t *testing.T) {
	ws := workspace()
	s := open(t, ws)
	fake.Do(t, s, keymap.Right, keymap.Down, keymap.Down)
	id := s.current().ID
	deals := ws.Boards[0].Columns[1].Deals
	ws.Boards[0].Columns[1].Deals = append([]*model.Record{fake.Record("deal", "new", "name", "New")}, deals...)
	fake.Run(s, s.Update(screen.ChangedMsg{}))
	if s.current().ID != id {
		t.Error("the cursor moved to another deal")
	}
}

func TestMouse(t *testing.T) {
	s := open(t, workspace())
	_, w := s.columns()
	if cmd := s.Click(w+3, headLines+cardLines+2, false); cmd != nil || s.col != 1 || s.row[1] != 1 {
		t.Errorf("column %d, card %d", s.col, s.row[1])
	}
	m := fake.Want[screen.OpenMsg](t, fake.Run(s, s.Click(w+3, headLines+cardLines+2, true)))
	if m.ID != fake.ID("Qualified1") {
		t.Errorf("opens %+v", m)
	}
	s.Wheel(w+3, 10, 3)
	if s.row[1] != 4 {
		t.Errorf("card %d", s.row[1])
	}
	for x := -1; x < 200; x += 7 { // nothing outside the cards may panic
		for y := -1; y < 60; y += 5 {
			s.Click(x, y, true)
			s.Wheel(x, y, -3)
		}
	}
}

func TestMoreCardsAreReadNearTheLastOne(t *testing.T) {
	ws := workspace()
	c := &ws.Boards[0].Columns[0]
	c.Deals = nil
	for i := range firstCards {
		c.Deals = append(c.Deals, fake.Record("deal", fmt.Sprint("x", i), "name", fmt.Sprint("Deal ", i)))
	}
	c.Count = 340
	s := open(t, ws)
	if cmd, _ := s.Do(keymap.Down); cmd != nil || s.cards != firstCards {
		t.Error("read more at the beginning")
	}
	if cmd, _ := s.Do(keymap.Bottom); cmd == nil || s.cards != 2*firstCards {
		t.Errorf("reads %d cards at the end", s.cards)
	}
}
