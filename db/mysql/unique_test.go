package mysql

import (
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"rapport/model"
)

// TestRefusalsSayWhatToDo: a refused change is explained with the field's name
// and with what a person can do, whatever the server's language.
func TestRefusalsSayWhatToDo(t *testing.T) {
	op := &model.PushOp{Table: "contact", Insert: true, Columns: []string{"last_name", "external_id", "job_title", "organization_id"},
		Values: []any{"Lovelace", "A-1", "Analyst", nil}}
	for _, tt := range []struct {
		number     uint16
		text, code string
		want       []string
	}{
		{erTooLong, "Data too long for column 'job_title' at row 1", "too_long", []string{"Job title", "shorten"}},
		{erNullColumn, "Column 'last_name' cannot be null", "check", []string{"Last name", "fill it in"}},
		{erIncorrectString, `Incorrect string value: '\xF0\x9F' for column 'job_title' at row 1`, "check", []string{"Job title", "emoji", "leave it out"}},
		{erOutOfRange, "Out of range value for column 'job_title' at row 1", "check", []string{"Job title", "correct it"}},
		{erBadReference, "Cannot add or update a child row (... FOREIGN KEY (`organization_id`) REFERENCES `organization` (`id`))", "reference", []string{"Organization", "choose another"}},
		{erCheckMariaDB, "CONSTRAINT `no_bots` failed for `crm`.`contact`", "check", []string{"no_bots", "administrator"}},
		{erColumnDenied, "UPDATE command denied to user 'ann'@'%' for column 'job_title' in table 'contact'", "not_allowed", []string{"Job title", "administrator"}},
		{erDupEntry, "Duplicate entry 'a-1' for key 'one_each'", "duplicate", []string{"possible duplicate", "External id", "merge"}},
		{erDupEntry, "Doppelter Eintrag 'x-y' für Schlüssel 'contact.external_id'", "duplicate", []string{"possible duplicate", "External id"}},
		{erDupEntry, "Duplicate entry 'x' for key 'other'", "duplicate", []string{"possible duplicate", "only one such contact"}},
	} {
		r, ok := refusal(model.EntityOf("contact"), op, &mysql.MySQLError{Number: tt.number, Message: tt.text}, false)
		if !ok || r.Code != tt.code {
			t.Errorf("%q: %v, code %q, want %q", tt.text, ok, r.Code, tt.code)
		}
		for _, w := range tt.want {
			if !strings.Contains(r.Message, w) {
				t.Errorf("%q is told as %q, without %q", tt.text, r.Message, w)
			}
		}
	}
}

// TestMovedOutOfTheWay: the row that gives a value up takes one that nobody else
// has, and is then looked for there.
func TestMovedOutOfTheWay(t *testing.T) {
	id := model.DerivedID("test", "one")
	op := model.PushOp{Table: "product", ID: id, Columns: []string{"name", "code"}, Base: []any{"a", "1"}, Values: []any{"b", "2"}}
	away, then := moved(op, []string{"code"})
	first := statement(&away)
	if !strings.Contains(first, string(id)) || !strings.Contains(first, "CAST('a' AS BINARY)") || strings.Contains(first, "'b'") || then.Base[1] != string(id) || then.Values[1] != "2" || op.Base[1] != "1" {
		t.Errorf("first %s\nthen %+v", first, then)
	}
}
