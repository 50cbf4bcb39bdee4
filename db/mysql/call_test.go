package mysql

import (
	"database/sql/driver"
	"testing"

	"rapport/model"
)

// TestCallReaderOfAnotherVersion: procedures of another version send columns
// that this program does not know and leave out some that it does. The first
// are passed by, the others are absent and not empty.
func TestCallReaderOfAnotherVersion(t *testing.T) {
	e := model.EntityOf("contact")
	id := model.ID("01a1ff22-6df0-71a9-ae71-55cfcdac7d90")
	r := newCallReader([]string{"contact", "last_name", "region", "department"})
	row := r.row([]driver.Value{id.Bytes(), []byte("x"), []byte("north"), nil})
	if row.ID() != id || row.Get(e, "last_name") != "x" || row.Get(e, "department") != nil || row.Get(e, "job_title") != model.Absent {
		t.Errorf("row %v", row)
	}
	local := model.NewRow(e)
	local.Set(e, "job_title", "kept")
	local.Set(e, "department", "gone")
	whole := row.Complete(e, local)
	if whole.Get(e, "job_title") != "kept" || whole.Get(e, "department") != nil || whole.Get(e, "last_name") != "x" {
		t.Errorf("completed: %v", whole)
	}
}
