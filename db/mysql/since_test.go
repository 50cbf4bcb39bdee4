package mysql

import (
	"strings"
	"testing"

	"rapport/model"
)

// TestAttackHistory asks for the history of what is not bob's, and of what was
// not his while it happened.
func TestAttackHistory(t *testing.T) {
	s := newSiege(t)
	foreign, own := plainHex(s.contact), plainHex(s.own)
	ask := func(ids string) string {
		t.Helper()
		text, err := s.try(s.bobs, `CALL sync_since('2000-01-01', '[{"t":"contact","i":[`+ids+`]}]')`)
		if err != nil {
			t.Error(err)
		}
		return text
	}
	for _, ids := range []string{`"` + foreign + `"`, `"` + foreign + `","` + own + `"`, `"` + foreign + `'') OR 1=1 -- "`} {
		ask(ids)
	}
	s.try(s.bobs, "CALL sync_since(NULL, NULL)")
	s.try(s.bobs, `CALL sync_since('2000-01-01', '[{"t":"sync_person","i":["`+own+`"]}]')`)
	if text := ask(`"` + own + `"`); !strings.Contains(text, "Bob's") {
		t.Errorf("the history of bob's own contact: %s", text)
	}
	// What was in ann's hands and comes to bob begins for him when it comes.
	s.sql("UPDATE contact SET notes = 'for everybody', last_name = 'moved' WHERE id = "+idLiteral(s.contact), "UPDATE contact SET owner_id = "+idLiteral(s.bob)+" WHERE id = "+idLiteral(s.contact),
		"UPDATE contact SET job_title = 'of bob' WHERE id = "+idLiteral(s.contact), sequenceSQL)
	s.fence = s.around()
	if text := ask(`"` + foreign + `"`); !strings.Contains(text, "of bob") || strings.Contains(text, "for everybody") || strings.Contains(text, secretOfAnn) {
		t.Errorf("the history of the contact that came to bob: %s", text)
	}
}

// TestNewProcedureIsShared: people who were let in before there was a procedure
// may execute it after a migration; before, they are told of nothing.
func TestNewProcedureIsShared(t *testing.T) {
	s := newSiege(t)
	ids := map[model.Noun][]model.ID{"contact": {s.own}}
	s.sql("DROP PROCEDURE sync_since")
	if got, err := s.as("bob").ChangesSince(t.Context(), ids, 1); got != nil || err != nil {
		t.Errorf("without the procedure: %v, %v", got, err)
	}
	if _, err := Migrate(t.Context(), s.url); err != nil {
		t.Fatal(err)
	}
	got, err := s.as("bob").ChangesSince(t.Context(), ids, 1)
	if err != nil || len(got[s.own]) != 1 || !got[s.own][0].Made || got[s.own][0].Columns["last_name"] != [2]any{nil, "Bob's"} {
		t.Errorf("with it: %v, %v", got, err)
	}
}
