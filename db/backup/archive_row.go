package backup

import (
	"slices"
	"strconv"
	"time"

	"rapport/model"
)

// rowReader turns the values of a backup into rows of an entity. Those of a
// cache and those of a central's server differ in how they write moments,
// numbers with decimals and truths; a row has one form. A column that the
// backup does not have is absent, one that this program does not know is left
// out.
type rowReader struct {
	columns []model.Column
	at      []int // position among the values, -1 for none
}

func newRowReader(e *model.Entity, te *tableEntry) rowReader {
	r := rowReader{columns: e.Columns(), at: make([]int, len(e.Columns()))}
	for i, c := range r.columns {
		r.at[i] = slices.Index(te.Columns, c.Name)
	}
	return r
}

func (r rowReader) row(values []any) model.Row {
	row := make(model.Row, len(r.columns))
	for i, at := range r.at {
		if at < 0 {
			row[i] = model.Absent
		} else {
			row[i] = cellOf(r.columns[i].Type, values[at])
		}
	}
	return row
}

// cellOf gives a value the type of its column. What a column of ours cannot
// hold is absent.
func cellOf(t model.ColumnType, v any) any {
	if v == nil {
		return nil
	}
	text, isText := v.(string)
	if b, ok := v.([]byte); ok && t != model.ColID {
		text, isText = string(b), true
	}
	switch t {
	case model.ColID:
		if b, ok := v.([]byte); ok {
			if id := model.IDFromBytes(b); id != "" {
				return id
			}
			return nil
		}
		if id, ok := model.ParseID(text); ok {
			return id
		}
	case model.ColInt, model.ColBool:
		if !isText {
			return v
		}
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
	case model.ColTime:
		if !isText {
			return v
		}
		if at, err := time.Parse("2006-01-02 15:04:05.999999", text); err == nil && at.Year() > 0 {
			return at.UnixMilli()
		}
	case model.ColDecimal:
		if d, ok := model.CanonicalDecimal(text); isText && ok {
			return d
		}
	case model.ColDate:
		if isText {
			return text[:min(len(text), len(time.DateOnly))]
		}
	default:
		if isText {
			return text
		}
		if n, ok := v.(int64); ok {
			return strconv.FormatInt(n, 10)
		}
	}
	return nil
}
