package board

import (
	"context"
	"slices"

	tea "charm.land/bubbletea/v2"

	"rapport/model"
	"rapport/ui/screen"
)

// stageOf is the column of the first stage of a kind, -1 if there is none.
func (s *Screen) stageOf(kind string) int {
	return slices.IndexFunc(s.board.Columns, func(c model.BoardColumn) bool { return c.Stage.Text("kind") == kind })
}

// moveTo moves the deal under the cursor to a column. A lost stage asks for the
// reason first.
func (s *Screen) moveTo(col int) (tea.Cmd, bool) {
	r := s.current()
	if r == nil || col == s.col || col < 0 || col >= len(s.board.Columns) {
		return nil, false
	}
	stage := s.board.Columns[col].Stage
	if stage.Text("kind") == model.StageLost {
		return s.askReason(r, stage), true
	}
	return s.begin(move{deal: r.ID, stage: stage}), true
}

// other is the choice that lets a person type a reason.
const other = "another reason …"

// askReason asks why a deal is lost: one of the declared reasons, or another.
func (s *Screen) askReason(r, stage *model.Record) tea.Cmd {
	id, name := r.ID, r.Title()
	var options []string
	if f := r.Entity().Field("lost_reason"); f != nil {
		options = append(slices.Clone(f.Options), other)
	}
	typed := screen.AskMsg{Title: "Why was it lost?", Text: name + " goes to " + stage.Title() + ".", Yes: "Lost", Input: "Reason",
		Do: func(text string) tea.Cmd {
			if text == "" {
				return screen.Notice("A lost deal needs a reason; it stayed where it was.")
			}
			return s.begin(move{deal: id, stage: stage, reason: text})
		}}
	ask := screen.AskMsg{Title: typed.Title, Text: typed.Text, Yes: typed.Yes, Options: options,
		Do: func(text string) tea.Cmd {
			if text == other {
				return func() tea.Msg { return typed }
			}
			return typed.Do(text)
		}}
	return func() tea.Msg { return ask }
}

// begin shows a move at once and stores it after those before it. A move of the
// same deal that waits is replaced.
func (s *Screen) begin(m move) tea.Cmd {
	if !s.place(m.deal, m.stage) {
		return screen.Notice("The deal is no longer on this board.")
	}
	s.follow(m.deal)
	if n := len(s.queue); n > 1 && s.queue[n-1].deal == m.deal {
		s.queue[n-1] = m
		return nil
	}
	s.queue = append(s.queue, m)
	if len(s.queue) > 1 {
		return nil
	}
	return s.store()
}

// store stores the first move that waits.
func (s *Screen) store() tea.Cmd {
	ws, m := s.env.Workspace, s.queue[0]
	return s.moving.Load(func(ctx context.Context) (any, error) {
		_, err := ws.MoveDeal(ctx, m.deal, string(m.stage.ID), m.reason)
		return m, err
	})
}

// applyMoved goes on with the next move. After the last one, and after one that
// failed, the board is read again: that is what puts a card back.
func (s *Screen) applyMoved(m screen.LoadedMsg) tea.Cmd {
	if m.Err != nil {
		s.queue = nil
		return tea.Batch(screen.Fail(m.Err), s.reload())
	}
	done := s.queue[0]
	s.queue = s.queue[1:]
	if len(s.queue) > 0 {
		return s.store()
	}
	var said tea.Cmd
	if k := done.stage.Text("kind"); k == model.StageWon || k == model.StageLost {
		said = screen.Notice("The deal is " + k + ".")
	}
	return tea.Batch(said, s.reload())
}

// place puts a deal into the column of a stage and corrects the figures of both
// columns until they are read again. It returns false if the deal is not there.
func (s *Screen) place(id model.ID, stage *model.Record) bool {
	to := slices.IndexFunc(s.board.Columns, func(c model.BoardColumn) bool { return c.Stage.ID == stage.ID })
	for i := range s.board.Columns {
		from := &s.board.Columns[i]
		j := slices.IndexFunc(from.Deals, func(d *model.Record) bool { return d.ID == id })
		if j < 0 || to < 0 {
			continue
		}
		if i == to {
			return true
		}
		d := from.Deals[j]
		from.Deals = slices.Delete(slices.Clone(from.Deals), j, j+1)
		count(from, d, -1)
		column := &s.board.Columns[to]
		at, _ := slices.BinarySearchFunc(column.Deals, d.Text("close_date"), func(x *model.Record, day string) int {
			switch c := x.Text("close_date"); {
			case c < day:
				return -1
			case c > day:
				return 1
			}
			return 0
		})
		column.Deals = slices.Insert(slices.Clone(column.Deals), at, d)
		count(column, d, 1)
		return true
	}
	return false
}

// count adds a deal to the figures of a column, or takes it out of them.
func count(c *model.BoardColumn, d *model.Record, sign int64) {
	c.Count += sign
	m, ok := d.Money("amount")
	if !ok {
		return
	}
	p := c.Stage.Int("probability")
	if own, ok := d.Values["probability"].(int64); ok {
		p = own
	}
	c.Sum = plus(c.Sum, m, sign)
	c.Weighted = plus(c.Weighted, m.Weighted(p), sign)
}

func plus(ms []model.Money, m model.Money, sign int64) []model.Money {
	m.Minor *= sign
	out := slices.Clone(ms)
	for i := range out {
		if out[i].Currency == m.Currency {
			out[i].Minor += m.Minor
			return out
		}
	}
	return append(out, m)
}
