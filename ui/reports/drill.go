package reports

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"rapport/model"
	"rapport/ui/screen"
)

// month is what a row of a report by months begins with.
var month = regexp.MustCompile(`^\d{4}-\d{2}$`)

// days are the fields of deals that the months and the periods of reports
// count by.
var days = map[string]string{"pipeline": "close_date", "forecast": "close_date", "won-lost": "closed_at"}

// drill is the list of the records that the row under the cursor counts. It has
// no kind where a filter cannot say which those are.
func (s *Screen) drill() screen.OpenMsg {
	if s.row >= len(s.report.Rows) || s.mixed() {
		return screen.OpenMsg{}
	}
	noun := model.Noun("deal")
	day, ok := days[s.report.Name]
	switch {
	case s.report.Name == "activity" && s.period == 0:
		noun = "activity"
	case !ok:
		return screen.OpenMsg{}
	}
	var conds []model.Condition
	for c, col := range s.report.Columns {
		if col.Numeric() || col.Name == "currency" {
			continue
		}
		more, ok := s.term(model.EntityOf(noun), col, model.FormatValue(s.value(s.row, c)), day)
		if !ok {
			return screen.OpenMsg{}
		}
		conds = append(conds, more...)
	}
	if p := periods(s.env.Now())[s.period]; p.from != "" {
		conds = append(conds, between(day, p.from, p.to)...)
	}
	switch s.report.Name {
	case "forecast":
		conds = append(conds, model.Condition{Field: "closed_at", Op: model.IsEmpty})
	case "won-lost":
		conds = append(conds, model.Condition{Field: "closed_at", Op: model.IsPresent})
	}
	return screen.OpenMsg{Kind: screen.List, Noun: noun, Query: model.Query{Noun: noun, Filter: conds}}
}

// mixed tells whether the rows are of several currencies, which a filter does
// not tell apart.
func (s *Screen) mixed() bool {
	c := slices.IndexFunc(s.report.Columns, func(c model.ReportColumn) bool { return c.Name == "currency" })
	return c >= 0 && slices.ContainsFunc(s.report.Rows, func(r []any) bool { return c < len(r) && r[c] != s.report.Rows[0][c] })
}

// term is what a value of a column says as conditions.
func (s *Screen) term(e *model.Entity, col model.ReportColumn, text, day string) ([]model.Condition, bool) {
	today := s.env.Now().Format("2006-01-02")
	switch {
	case col.Type == "month" && text == "overdue":
		return []model.Condition{{Field: day, Op: model.Less, Value: today}}, true
	case col.Type == "month" && text == "no date":
		return []model.Condition{{Field: day, Op: model.IsEmpty}}, true
	case col.Type == "month":
		if !month.MatchString(text) {
			return nil, false
		}
		from, err := time.Parse("2006-01", text)
		first, last := text+"-01", from.AddDate(0, 1, -1).Format("2006-01-02")
		if s.report.Name == "forecast" && first < today {
			first = today // what is past is overdue
		}
		return between(day, first, last), err == nil
	case text == "" || strings.HasPrefix(text, "("):
		return nil, false
	case col.Name == "user":
		return []model.Condition{{Field: "owner", Op: model.Equal, Value: text}}, true
	case e.Field(col.Name) != nil:
		return []model.Condition{{Field: col.Name, Op: model.Equal, Value: text}}, true
	}
	// What kind of stage it is follows from the stage.
	return nil, col.Name == "kind"
}

// between are the conditions that a day lies in a stretch, its ends included.
func between(field, from, to string) []model.Condition {
	out := []model.Condition{{Field: field, Op: model.AtLeast, Value: from}}
	if model.EntityOf("deal").Field(field).Type == model.Time {
		if end, err := time.Parse("2006-01-02", to); err == nil {
			return append(out, model.Condition{Field: field, Op: model.Less, Value: end.AddDate(0, 0, 1).Format("2006-01-02")})
		}
	}
	return append(out, model.Condition{Field: field, Op: model.AtMost, Value: to})
}
