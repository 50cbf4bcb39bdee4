package widget

import (
	"strconv"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"rapport/model"
	"rapport/ui/widget/draw"
)

// Fit returns data on one line of exactly w cells: control characters made
// visible, too long a text cut with an ellipsis, the rest filled with blanks.
// It takes no styled text.
func Fit(s string, w int) string { return draw.Fit(apart(model.Visible(s)), w) }

// apart keeps a text's first and last character from melting into what stands
// beside it, which would move the rest of the line.
func apart(s string) string {
	if n := len(s); n == 0 || s[0] < 0x80 && s[n-1] < 0x80 {
		return s
	}
	w := ansi.StringWidth(s)
	if ansi.StringWidth(" "+s) != w+1 {
		s = "◌" + s
		w = ansi.StringWidth(s)
	}
	if ansi.StringWidth(s+" ") != w+1 {
		s += "·"
	}
	return s
}

// FitRight is Fit with the text at the right edge.
func FitRight(s string, w int) string { return draw.Right(apart(model.Visible(s)), w) }

// Center puts lines, which may carry styles, into the middle of a rectangle.
func Center(lines []string, w, h int) string {
	var out []string
	for range max(0, (h-len(lines))/3) {
		out = append(out, "")
	}
	for _, l := range lines {
		out = append(out, strings.Repeat(" ", max(0, (w-ansi.StringWidth(l))/2))+l)
	}
	return draw.View(out, w, h)
}

// Wrap breaks data into lines of at most w cells; control characters are made
// visible.
func Wrap(s string, w int) []string { return draw.Wrap(model.VisibleLines(s), w) }

// birthday writes a day whose year may be unknown.
func birthday(s string) string {
	if d, err := time.Parse("--01-02", s); err == nil {
		return d.Format("2 Jan")
	}
	if d, err := time.Parse("2006-01-02", s); err == nil {
		return d.Format("2 Jan 2006")
	}
	return s
}

// counted tells whether a list is one of parts with names of their own, as the
// stages of a pipeline: how many there are says more than the first one.
func counted(f *model.Field) bool {
	return f.Type == model.List && f.Target == "" && model.EntityOf(f.Part).Name != nil
}

// Value writes a field's value for people. Lists are their first item and how
// many more there are, or how many parts with names.
func Value(f *model.Field, v any, now time.Time) string {
	switch x := v.(type) {
	case nil:
		return ""
	case model.Money:
		return draw.Amount(x)
	case int64:
		switch {
		case f != nil && f.Comment == "year":
			return strconv.FormatInt(x, 10)
		case f != nil && f.Comment == "seconds":
			return draw.Plural((x+59)/60, "minute", "minutes")
		}
		return draw.Count(x)
	case bool:
		if x {
			return "yes"
		}
		return "no"
	case time.Time:
		return draw.When(x, now)
	case model.Ref:
		if x.Name == "" && x.ID != "" {
			return "(not visible to you)"
		}
		return x.Name
	case []*model.Record:
		if len(x) == 0 {
			return ""
		}
		if f != nil && counted(f) {
			e := model.EntityOf(f.Part)
			return draw.Plural(int64(len(x)), strings.ToLower(e.Title), e.Plural)
		}
		s := Item(f, x[0])
		if len(x) > 1 {
			s += " +" + strconv.Itoa(len(x)-1)
		}
		return s
	case string:
		switch {
		case f != nil && f.Type == model.Date:
			return draw.Day(x, now)
		case f != nil && f.Type == model.PartialDate:
			return birthday(x)
		}
		return x
	}
	return model.FormatValue(v)
}

// Item writes one part of a list on a line, without its label: the record it
// links to, its value, or its fields, numbers with their labels.
func Item(f *model.Field, part *model.Record) string {
	if f != nil && f.Target != "" {
		return Value(nil, part.Ref(f.Target), time.Time{})
	}
	if s := part.Text("value"); s != "" {
		return s
	}
	e := part.Entity()
	if e.Name != nil {
		return e.Name(part)
	}
	skip := ""
	if f != nil {
		skip, _, _ = strings.Cut(f.Where, "=")
	}
	var parts []string
	for i := range e.Fields {
		pf := &e.Fields[i]
		v := part.Values[pf.Name]
		if pf.ReadOnly || pf.Name == skip || pf.Name == "label" || v == nil || pf.Type == model.Bool {
			continue
		}
		text := Value(pf, v, time.Time{})
		if RightAligned(pf) {
			text = strings.ToLower(pf.Label) + " " + text
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

// RightAligned tells whether values of the field stand at the right edge of
// their column.
func RightAligned(f *model.Field) bool {
	return f != nil && (f.Type == model.Int || f.Type == model.Decimal || f.Type == model.MoneyType)
}

// StateMark is the sign of a record's state towards the central, with its
// style's name left to the theme; a blank where all is well.
func StateMark(s model.SyncState) string {
	return [...]string{" ", "●", "!", "×"}[s]
}

// StateWords says the state in words, "" where all is well.
func StateWords(s model.SyncState) string {
	return [...]string{"", "pending: not sent yet", "conflict: changed here and there", "refused by the server"}[s]
}

// Styled returns s in a style, or s itself where it is empty.
func Styled(st lipgloss.Style, s string) string {
	if s == "" {
		return ""
	}
	return st.Render(s)
}
