// Package board shows the deals of a pipeline by stage, as cards that are moved
// by keys.
//
// Promises: a card that is moved follows at once and is put back, with a
// notice, if the move could not be stored; moves are stored one after the
// other in the order in which they were made; a lost deal always gets a
// reason; only the columns and cards that fit are drawn.
package board

import (
	"context"
	"slices"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget/draw"
)

// firstCards is how many cards of a column are read at first.
const firstCards = 60

// Screen is the board.
type Screen struct {
	screen.Still
	env    *screen.Env
	load   *screen.Loader
	moving *screen.Loader

	pipelines []*model.Record
	board     model.Board
	loaded    bool
	err       error
	cards     int // read of each column

	col, left int
	row, top  []int
	queue     []move // the first one is under way
}

// move is a deal on its way to a stage.
type move struct {
	deal   model.ID
	stage  *model.Record
	reason string
}

type loadedData struct {
	pipelines []*model.Record
	board     model.Board
}

// New returns the board of the default pipeline, or of the one that m.ID names.
func New(env *screen.Env, m screen.OpenMsg) screen.Screen {
	s := &Screen{env: env, load: screen.NewLoader(env.Context), moving: screen.NewLoader(env.Context), cards: firstCards}
	if m.ID != "" {
		s.board.Pipeline = &model.Record{Noun: "pipeline", ID: m.ID}
	}
	return s
}

// Init loads the board.
func (s *Screen) Init() tea.Cmd { return s.reload() }

func (s *Screen) reload() tea.Cmd {
	var id model.ID
	if s.board.Pipeline != nil {
		id = s.board.Pipeline.ID
	}
	return s.loadBoard(id)
}

func (s *Screen) loadBoard(id model.ID) tea.Cmd {
	ws, cards := s.env.Workspace, s.cards
	return s.load.Load(func(ctx context.Context) (any, error) {
		ps, err := ws.List(ctx, model.Query{Noun: "pipeline", Short: true})
		if err != nil {
			return nil, err
		}
		b, err := ws.Board(ctx, id, cards)
		return loadedData{ps.Items, b}, err
	})
}

// Update takes the results of loads and moves and the news that records
// changed.
func (s *Screen) Update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case screen.ChangedMsg:
		if len(s.queue) == 0 {
			return s.reload()
		}
	case screen.LoadedMsg:
		switch {
		case s.load.Take(m):
			return s.applyLoaded(m)
		case s.moving.Take(m):
			return s.applyMoved(m)
		}
	}
	return nil
}

func (s *Screen) applyLoaded(m screen.LoadedMsg) tea.Cmd {
	s.loaded, s.err = true, m.Err
	if m.Err != nil {
		return screen.Fail(m.Err)
	}
	if len(s.queue) > 0 {
		return nil // what was read is older than what is shown
	}
	d := m.Value.(loadedData)
	var id model.ID
	if r := s.current(); r != nil {
		id = r.ID
	}
	other := s.board.Pipeline == nil || d.board.Pipeline == nil || s.board.Pipeline.ID != d.board.Pipeline.ID
	s.pipelines, s.board = d.pipelines, d.board
	s.board.Columns = slices.Clone(d.board.Columns)
	if n := len(s.board.Columns); other || len(s.row) != n {
		s.col, s.left, s.row, s.top = 0, 0, make([]int, n), make([]int, n)
	}
	s.follow(id)
	return nil
}

// follow puts the cursor on a deal, wherever it is now; it stays where it is if
// the deal is not on the board.
func (s *Screen) follow(id model.ID) {
	for c := range s.board.Columns {
		for r, d := range s.board.Columns[c].Deals {
			if id != "" && d.ID == id {
				s.col, s.row[c] = c, r
			}
		}
	}
	s.settle()
}

// settle keeps the cursor on a card and the card on the screen.
func (s *Screen) settle() {
	if len(s.board.Columns) == 0 {
		return
	}
	s.col = max(0, min(s.col, len(s.board.Columns)-1))
	n, _ := s.columns()
	s.left = draw.Window(s.left, s.col, len(s.board.Columns), n)
	for c := range s.board.Columns {
		deals := len(s.board.Columns[c].Deals)
		s.row[c] = max(0, min(s.row[c], deals-1))
		s.top[c] = draw.Window(s.top[c], s.row[c], deals, s.fit())
	}
}

// current is the deal under the cursor, nil if the column is empty.
func (s *Screen) current() *model.Record {
	if s.col >= len(s.board.Columns) {
		return nil
	}
	deals := s.board.Columns[s.col].Deals
	if s.row[s.col] >= len(deals) {
		return nil
	}
	return deals[s.row[s.col]]
}

// Do carries out the actions of the board.
func (s *Screen) Do(a keymap.Action) (tea.Cmd, bool) {
	if len(s.board.Columns) == 0 {
		return nil, false
	}
	c := s.col
	switch a {
	case keymap.Down:
		s.row[c]++
	case keymap.Up:
		s.row[c]--
	case keymap.Left:
		s.col--
	case keymap.Right:
		s.col++
	case keymap.Top:
		s.row[c] = 0
	case keymap.Bottom:
		s.row[c] = len(s.board.Columns[c].Deals) - 1
	case keymap.Pipelines:
		return s.nextPipeline()
	case keymap.Add:
		return s.add()
	case keymap.Open:
		if r := s.current(); r != nil {
			return screen.Open(screen.OpenMsg{Kind: screen.Detail, Noun: r.Noun, ID: r.ID}), true
		}
		return nil, false
	case keymap.MoveLeft:
		return s.moveTo(c - 1)
	case keymap.MoveRight:
		return s.moveTo(c + 1)
	case keymap.Win:
		return s.moveTo(s.stageOf(model.StageWon))
	case keymap.Lose:
		return s.moveTo(s.stageOf(model.StageLost))
	default:
		return nil, false
	}
	s.settle()
	return s.more(), true
}

// Can tells whether an action would do something here and now.
func (s *Screen) Can(a keymap.Action) bool {
	switch a {
	case keymap.Open:
		return s.current() != nil
	case keymap.MoveLeft:
		return s.current() != nil && s.col > 0
	case keymap.MoveRight:
		return s.current() != nil && s.col < len(s.board.Columns)-1
	case keymap.Win:
		return s.current() != nil && s.stageOf(model.StageWon) >= 0
	case keymap.Lose:
		return s.current() != nil && s.stageOf(model.StageLost) >= 0
	case keymap.Pipelines:
		return len(s.pipelines) > 1
	}
	return len(s.board.Columns) > 0
}

// more reads further cards when the cursor comes near the last one that is at
// hand.
func (s *Screen) more() tea.Cmd {
	c := s.board.Columns[s.col]
	if n := len(c.Deals); s.load.Busy() || int64(n) >= c.Count || n < s.cards || s.row[s.col] < n-10 {
		return nil
	}
	s.cards *= 2
	return s.reload()
}

func (s *Screen) nextPipeline() (tea.Cmd, bool) {
	if len(s.pipelines) < 2 || s.board.Pipeline == nil {
		return screen.Notice("There is one pipeline only."), true
	}
	i := slices.IndexFunc(s.pipelines, func(p *model.Record) bool { return p.ID == s.board.Pipeline.ID })
	s.cards = firstCards
	return s.loadBoard(s.pipelines[(i+1)%len(s.pipelines)].ID), true
}

func (s *Screen) add() (tea.Cmd, bool) {
	p, st := s.board.Pipeline, s.board.Columns[s.col].Stage
	return screen.Open(screen.OpenMsg{Kind: screen.Form, Noun: "deal", Set: map[string]any{
		"pipeline": model.Ref{Noun: p.Noun, ID: p.ID, Name: p.Title()},
		"stage":    model.Ref{Noun: st.Noun, ID: st.ID, Name: st.Title()},
	}}), true
}

// About is the deal under the cursor.
func (s *Screen) About() model.Ref {
	if r := s.current(); r != nil {
		return model.Ref{Noun: r.Noun, ID: r.ID, Name: r.Title()}
	}
	return model.Ref{}
}

// SetSize gives the board its rectangle.
func (s *Screen) SetSize(w, h int) {
	s.Width, s.Height = w, h
	s.settle()
}

// Title is the name of the pipeline.
func (s *Screen) Title() string {
	if p := s.board.Pipeline; p != nil && s.loaded && len(s.pipelines) > 1 {
		return "Board: " + p.Title()
	}
	return "Board"
}

// Scope is where its keys are looked up.
func (s *Screen) Scope() keymap.Scope { return keymap.Board }

// Working implements screen.Worker.
func (s *Screen) Working() string {
	if s.load.Busy() {
		return "reading"
	}
	return ""
}
