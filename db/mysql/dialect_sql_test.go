package mysql

import (
	"strings"
	"testing"

	"rapport/model"
)

// What differs between servers is written down here as it is sent. Only
// MariaDB 10.11 runs it in the tests; the rest follows the documentation and is
// called unverified.
func TestStatementsOfServers(t *testing.T) {
	maria, my8, my9, ti, vt := dialectOf("10.11.19-MariaDB"), dialectOf("8.0.36"), dialectOf("9.1.0"), dialectOf("8.0.11-TiDB-v8.5.0"), dialectOf("8.0.30-Vitess")
	contact := model.EntityOf("contact")
	_, id := contact.Column(model.ColumnID)
	_, name := contact.Column("last_name")
	for _, tt := range []struct {
		what, got, want string
	}{
		{"id on MariaDB", columnDef(maria, contact, id), "`id` BINARY(16) NOT NULL DEFAULT (" + newIDSQL + ") COMMENT 'the row\\'s UUID'"},
		{"id on MySQL 8", columnDef(my8, contact, id), columnDef(maria, contact, id)},
		{"id on MySQL 9", columnDef(my9, contact, id), columnDef(maria, contact, id)},
		{"id on TiDB", columnDef(ti, contact, id), "`id` BINARY(16) NOT NULL DEFAULT (UUID_TO_BIN(UUID())) COMMENT 'the row\\'s UUID'"},
		{"text on MySQL 8", columnDef(my8, contact, name), columnDef(maria, contact, name)},
		{"sequencer on MariaDB", maria.sequenceSQL(), "UPDATE sync_counter SET tick=tick+1 WHERE id=1"},
		{"sequencer on MySQL 8", my8.sequenceSQL(), "UPDATE sync_counter SET tick=tick+1 WHERE id=1"},
		{"sequencer on TiDB", ti.sequenceSQL(), blindSequenceSQL},
		{"sequencer on Vitess", vt.sequenceSQL(), blindSequenceSQL},
	} {
		if tt.got != tt.want {
			t.Errorf("%s:\n  %s\nwant\n  %s", tt.what, tt.got, tt.want)
		}
	}
	if !maria.replacesTriggers() || my8.replacesTriggers() || my9.replacesTriggers() {
		t.Error("CREATE OR REPLACE TRIGGER is MariaDB's alone")
	}
	for _, d := range []dialect{my8, my9} {
		if !d.procedures() || !d.triggers() || d.verified() {
			t.Errorf("%s: procedures %v, triggers %v, verified %v", d.name(), d.procedures(), d.triggers(), d.verified())
		}
	}
}

// TestNoWordsOfOneServer holds that what is sent to MySQL and to servers
// without triggers has none of the words that these do not know.
func TestNoWordsOfOneServer(t *testing.T) {
	op := model.PushOp{Table: "contact", ID: model.ID("01a1ff22-6df0-71a9-ae71-55cfcdac7d90"), Columns: []string{"last_name"}, Base: []any{"a"}, Values: []any{"b"}}
	made := op
	made.Insert, made.Base = true, nil
	sent := map[string]string{"head": headSQL(model.Position{}), "session": sessionSQL, "sequencer": sequenceSQL, "sequencer in statements": blindSequenceSQL,
		"update": statement(&op), "insert": statement(&made), "update noted": noted(&op), "insert noted": noted(&made)}
	my8 := dialectOf("8.4.3")
	for _, e := range model.Entities() {
		sent["table "+string(e.Noun)] = createTable(my8, e)
		for _, tr := range triggersOf(e) {
			sent["trigger "+tr.name] = tr.create()
		}
	}
	for _, p := range allProcedures(my8) {
		sent["procedure "+p.name] = p.create("", false)
	}
	for what, q := range sent {
		plain := strings.ReplaceAll(q, "/*M!100300 ,idle_transaction_timeout=15*/", "")
		for _, word := range []string{"RETURNING", "CREATE OR REPLACE", "EXECUTE IMMEDIATE", "SKIP LOCKED", "GET_LOCK", "SET STATEMENT", "check_constraint_checks", "JSON_EXISTS", "NEXTVAL", "UUID_v7"} {
			if strings.Contains(plain, word) {
				t.Errorf("%s says %s", what, word)
			}
		}
	}
}
