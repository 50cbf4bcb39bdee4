package list

import (
	"errors"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/widget/draw"
)

// filterPause is how long the filter waits for the next letter.
const filterPause = 50 * time.Millisecond

// parseFilter reads what a person typed: terms with a comparison are
// conditions on fields, the rest are words to look for. A term that is not
// complete yet is left out, and the error says what is wrong with it.
func parseFilter(e *model.Entity, s string) (conds []model.Condition, words string, err error) {
	var rest []string
	for _, t := range terms(s) {
		if !strings.ContainsAny(t, "=~<>") {
			rest = append(rest, strings.Trim(t, `"`))
			continue
		}
		cs, e := model.ParseFilter(e, t)
		if e != nil {
			err = e
			continue
		}
		conds = append(conds, cs...)
	}
	return conds, strings.TrimSpace(strings.Join(rest, " ")), err
}

// terms cuts at blanks outside quotes; a quote that is not closed yet reaches
// to the end.
func terms(s string) []string {
	var out []string
	start, quoted := -1, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
			if start < 0 {
				start = i
			}
		case c == ' ' && !quoted:
			if start >= 0 {
				out = append(out, s[start:i])
				start = -1
			}
		case start < 0:
			start = i
		}
	}
	if start >= 0 {
		out = append(out, s[start:])
	}
	return out
}

// filterText writes conditions as a person would type them.
func filterText(conds []model.Condition) string {
	var parts []string
	for _, c := range conds {
		switch c.Op {
		case model.IsEmpty:
			parts = append(parts, c.Field+"=")
		case model.IsPresent:
			parts = append(parts, c.Field+"!=")
		default:
			v := c.Value
			if strings.ContainsAny(v, " \"\\") {
				v = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`
			}
			parts = append(parts, c.Field+string(c.Op)+v)
		}
	}
	return strings.Join(parts, " ")
}

// short is what there is room for of an error: its hint, if it has one.
func short(err error) string {
	var e *model.Error
	if errors.As(err, &e) && strings.HasPrefix(e.Hint, "did you mean") {
		return e.Hint
	}
	return draw.Error(err)
}

// filter shows what the filter says now.
func (l *List) filter() tea.Cmd {
	l.filterGen++
	q := l.table.Query()
	q.Bin = l.base.Bin
	conds, words, err := parseFilter(l.entity, l.in.Value())
	l.filterErr = ""
	if err != nil {
		l.filterErr = short(err)
	}
	l.applied = strings.TrimSpace(l.in.Value())
	q.Filter, q.Text = append(append([]model.Condition(nil), l.base.Filter...), conds...), words
	return l.table.SetQuery(q)
}

func (l *List) typed(msg tea.Msg) tea.Cmd {
	before := l.in.Value()
	l.in.Update(msg)
	if l.in.Value() == before {
		return nil
	}
	l.filterGen++
	return l.env.Later(filterPause, filterDueMsg{l, l.filterGen})
}

// doTyping carries out the actions there are while the filter is typed.
func (l *List) doTyping(a keymap.Action) (tea.Cmd, bool) {
	switch a {
	case keymap.Save:
		l.typing = false
		if strings.TrimSpace(l.in.Value()) != l.applied {
			return l.filter(), true
		}
		return nil, true
	case keymap.Cancel:
		l.typing = false
		l.in.SetValue("")
		if l.applied == "" {
			l.filterGen++
			return nil, true
		}
		return l.filter(), true
	case keymap.Up:
		return l.table.Move(-1), true
	case keymap.Down:
		return l.table.Move(1), true
	}
	return nil, false
}
