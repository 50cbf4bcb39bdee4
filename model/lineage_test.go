package model

import "testing"

// TestLostBase tells a row that comes from the one known here from one that
// was put back to before it, however often it changed since.
func TestLostBase(t *testing.T) {
	e := EntityOf("contact")
	row := func(version int64, title, department, status any) Row {
		r := NewRow(e)
		r[0] = DerivedID("lineage")
		for name, v := range map[string]any{ColumnVersion: version, "job_title": title, "department": department, "status": status} {
			r.Set(e, name, v)
		}
		return r
	}
	change := func(column string, old, new any) RowChange {
		return RowChange{Columns: map[string][2]any{column: {old, new}}}
	}
	made := RowChange{Made: true, Columns: map[string][2]any{"job_title": {nil, "2"}}}
	for _, tt := range []struct {
		name          string
		known, theirs Row
		since         []RowChange
		want          Row // nil where nothing was lost
	}{
		{"untouched since and newer", row(2, "2", nil, nil), row(1, "1", nil, nil), nil, row(1, "1", nil, nil)},
		{"untouched since and older", row(1, "1", nil, nil), row(2, "2", nil, nil), nil, nil},
		{"as it was known, changed since", row(2, "2", nil, nil), row(3, "3", nil, nil), []RowChange{change("job_title", "2", "3")}, nil},
		{"lost, another field changed since", row(2, "2", nil, nil), row(2, "1", "d", nil), []RowChange{change("department", nil, "d")}, row(2, "1", nil, nil)},
		{"lost, and passed by two changes", row(2, "2", nil, nil), row(3, "1", "d", "s"), []RowChange{change("department", nil, "d"), change("status", nil, "s")}, row(3, "1", nil, nil)},
		{"lost, the same field changed since", row(3, "2", "x", nil), row(2, "3", nil, nil), []RowChange{change("job_title", "1", "3")}, row(2, "2", nil, nil)},
		{"offered by another and changed since", row(2, "2", nil, nil), row(3, "3", nil, nil), []RowChange{change("job_title", "1", "2"), change("job_title", "2", "3")}, row(3, "2", nil, nil)},
		{"made again by another", row(2, "2", "d", nil), row(2, "3", nil, nil), []RowChange{made, change("job_title", "2", "3")}, row(2, "2", nil, nil)},
		{"in the bin here alone", row(0, "2", nil, nil), row(1, "1", nil, nil), nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, lost := LostBase(e, tt.known, tt.theirs, tt.since)
			if lost != (tt.want != nil) || lost && !SameData(e, got, tt.want) {
				t.Errorf("%v, %v; want %v", got, lost, tt.want)
			}
		})
	}
}
