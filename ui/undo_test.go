package ui

import (
	"strings"
	"testing"

	"rapport/model"
)

func TestUndoIsToldInWords(t *testing.T) {
	ada := model.Ref{Noun: "contact", ID: "x", Name: "Ada\x1b[1m"}
	edit := model.Act{Action: "edit", Record: ada, Records: 1, Changes: []model.FieldChange{{Field: "job_title"}, {Field: "phone"}, {Field: "job_title"}}}
	stayed := []model.Stayed{{Record: ada, Field: "job_title", Now: "2", By: "bob"}}
	for _, tt := range []struct {
		u    model.Undone
		act  int64
		want string
	}{
		{model.Undone{Act: edit, Records: 1}, model.LastAct, "Took back: edit of Ada␛[1m (job title, phones). R does it again."},
		{model.Undone{Act: edit, Records: 1}, model.LastUndo, "Did again: edit of Ada␛[1m (job title, phones)."},
		{model.Undone{Act: edit, Stayed: stayed}, model.LastAct, "Job title of Ada␛[1m was changed since by bob and stays as it is."},
		{model.Undone{Act: model.Act{Action: "delete", Record: ada, Records: 3}, Records: 3}, model.LastUndo, "Did again: delete of Ada␛[1m and 2 more."},
		{model.Undone{Act: edit}, model.LastAct, "Nothing of it is left to take back: edit of Ada␛[1m (job title, phones)."},
	} {
		if got := undoneText(tt.u, tt.act, "R"); got != tt.want {
			t.Errorf("got  %q\nwant %q", got, tt.want)
		}
		if strings.ContainsRune(undoneText(tt.u, tt.act, "R"), '\x1b') {
			t.Error("a control character is drawn")
		}
	}
}
