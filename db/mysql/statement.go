package mysql

import (
	"slices"
	"strconv"
	"strings"

	"rapport/model"
)

// whole checks that an operation can be written as a statement.
func whole(op *model.PushOp) error {
	e := model.EntityOf(op.Table)
	if e == nil {
		return model.Errorf(model.TooNew, "an unsent change names the unknown table %q", op.Table)
	}
	if op.ID.Bytes() == nil || len(op.Values) < len(op.Columns) || !op.Insert && (len(op.Base) < len(op.Columns) || len(op.Columns) == 0) {
		return model.Errorf(model.Corrupt, "an unsent change of a %s is not whole", e.Noun)
	}
	for _, name := range op.Columns {
		if at, _ := e.Column(name); at < 0 {
			return model.Errorf(model.TooNew, "an unsent change of a %s names the unknown column %q", e.Noun, name)
		}
	}
	return nil
}

// statement writes an operation. An update changes its columns only where each
// of them still holds what the change was measured against. The server sets @n
// for the row that an update changes or an insert finds.
func statement(op *model.PushOp) string {
	if op.Insert {
		return insertion([]model.PushOp{*op})
	}
	e := model.EntityOf(op.Table)
	var b strings.Builder
	b.WriteString("UPDATE " + ident(string(e.Noun)) + " SET ")
	for i, name := range op.Columns {
		// A column that is compared only stays as it is there.
		if op.Values[i] != op.Base[i] {
			_, c := e.Column(name)
			b.WriteString(ident(name) + "=" + literal(c, op.Values[i]) + ",")
		}
	}
	at := model.ColumnUpdatedAt
	if op.EditedAt != 0 {
		at = timeLiteral(op.EditedAt)
	}
	b.WriteString(model.ColumnUpdatedAt + "=IF(@n:=1," + at + "," + at + ")")
	b.WriteString(" WHERE id=" + idLiteral(op.ID))
	for i, name := range op.Columns {
		_, c := e.Column(name)
		b.WriteString(" AND " + equals(c, op.Base[i]))
	}
	if op.Guard != 0 {
		b.WriteString(" AND row_version=" + strconv.FormatInt(op.Guard, 10))
	}
	return b.String()
}

// insertion writes inserts into one table as one statement. A row that is
// there already stays as it is: setting the id to itself changes nothing, and
// the triggers note nothing.
func insertion(ops []model.PushOp) string {
	e := model.EntityOf(ops[0].Table)
	var columns []model.Column
	for _, c := range e.Columns() {
		if c.Name == model.ColumnID || slices.ContainsFunc(ops, func(op model.PushOp) bool { return insertValue(&op, c) != "DEFAULT" }) {
			columns = append(columns, c)
		}
	}
	var b strings.Builder
	b.WriteString("INSERT INTO " + ident(string(e.Noun)) + " (")
	for i, c := range columns {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(ident(c.Name))
	}
	b.WriteString(") VALUES ")
	for i := range ops {
		if i > 0 {
			b.WriteByte(',')
		}
		for j, c := range columns {
			b.WriteByte("(,"[min(j, 1)])
			b.WriteString(insertValue(&ops[i], c))
		}
		b.WriteByte(')')
	}
	id := ident(string(e.Noun)) + ".id"
	b.WriteString(" ON DUPLICATE KEY UPDATE id=IF(@n:=1," + id + "," + id + ")")
	return b.String()
}

// insertValue is what an insert puts into a column. A row that was made
// offline keeps the time at which it was made.
func insertValue(op *model.PushOp, c model.Column) string {
	if c.Name == model.ColumnID {
		return idLiteral(op.ID)
	}
	if i := slices.Index(op.Columns, c.Name); i >= 0 {
		return literal(c, op.Values[i])
	}
	if op.EditedAt != 0 && (c.Name == model.ColumnCreatedAt || c.Name == model.ColumnUpdatedAt) {
		return timeLiteral(op.EditedAt)
	}
	return "DEFAULT"
}
