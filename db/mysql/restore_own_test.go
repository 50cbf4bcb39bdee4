package mysql

import (
	"strings"
	"testing"
)

// contactsByName reads contacts with their own columns, as plain SQL tells them.
const contactsByName = "SELECT GROUP_CONCAT(CONCAT_WS(' ',last_name,COALESCE(legacy,'-'),score,COALESCE(HEX(raw),'-'),COALESCE(CAST(ratio AS CHAR),'-')) ORDER BY last_name SEPARATOR '; ') FROM contact"

// TestUndoKeepsOwnColumns undoes a restore after columns that an administrator
// added were written to, and changed themselves. No value of either side is lost:
// what was written since stays, on rows that only the restore had brought back
// too, what nobody wrote to is as before the restore, and a value that gives way
// is in the history.
func TestUndoKeepsOwnColumns(t *testing.T) {
	c := newCompany(t)
	c.sql("ALTER TABLE contact ADD COLUMN legacy VARCHAR(20) CHARACTER SET latin1 NULL, ADD COLUMN score DECIMAL(10,4) NOT NULL DEFAULT 1, ADD COLUMN raw VARBINARY(20) NULL, ADD COLUMN ratio FLOAT NULL, ADD COLUMN code INT NULL, ADD COLUMN dropped INT NULL, ADD COLUMN large VARCHAR(9000) NULL, ADD COLUMN stamp TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), ADD COLUMN twice DECIMAL(12,4) AS (score*2) VIRTUAL",
		"INSERT INTO contact (id,last_name,legacy,dropped) VALUES (UNHEX(MD5('a')),'a','one',1),(UNHEX(MD5('b')),'b','one',1),(UNHEX(MD5('c')),'c','one',1),(UNHEX(MD5('d')),'d','one',1),(UNHEX(MD5('e')),'e','one',1),(UNHEX(MD5('f')),'f','one',1),(UNHEX(MD5('g')),'g','one',1)")
	s := c.take()
	c.sql("UPDATE contact SET legacy='theirs',code=5 WHERE last_name='a'", "UPDATE contact SET legacy='both theirs' WHERE last_name='b'", "UPDATE contact SET score=2.5 WHERE last_name='c'",
		"DELETE FROM contact WHERE last_name='d'", "ALTER TABLE contact ADD UNIQUE KEY codes (code)",
		"INSERT INTO contact (id,last_name,legacy,score,stamp) VALUES (UNHEX(MD5('n')),'n','n theirs',7,'2020-01-02 03:04:05')")
	c.restore(s)
	c.sql("UPDATE contact SET legacy='both mine',code=5 WHERE last_name='b'", "UPDATE contact SET legacy='für c',raw=X'00FF',ratio=0.1 WHERE last_name='c'", "UPDATE contact SET score=9 WHERE last_name='d'",
		"UPDATE contact SET legacy=NULL WHERE last_name='e'", "UPDATE contact SET legacy='ONE' WHERE last_name='f'",
		// As a laptop offers it: it knows nothing of these columns.
		"INSERT INTO contact (id,last_name) VALUES (UNHEX(MD5('n')),'n')", "INSERT INTO contact (last_name,legacy) VALUES ('m','m')",
		"ALTER TABLE contact ADD COLUMN later INT NULL, DROP COLUMN dropped, MODIFY COLUMN legacy VARCHAR(60) CHARACTER SET latin1 NULL",
		// The table that comes back has no room for both.
		"ALTER TABLE contact DROP COLUMN large", "ALTER TABLE contact ADD COLUMN larger VARCHAR(9000) NULL",
		"UPDATE contact SET later=5,larger='x' WHERE last_name='a'", "UPDATE contact SET legacy=REPEAT('g',50) WHERE last_name='g'")
	restored := c.one(contactsByName)

	told, err := UndoRestore(t.Context(), c.url, true, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	says(t, told.Done, "contact.later, which is new since, comes along", "contact.dropped comes back", "what was written since to contact.legacy, contact.score, contact.raw, contact.ratio and 4 more stays, too")
	out, err := UndoRestore(t.Context(), c.url, false, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	kept := ""
	for _, name := range out.Kept {
		if strings.HasPrefix(name, "contact_replaced_") {
			kept = name
		}
	}
	says(t, out.Done, "contact.dropped comes back", "8 values that were written since to columns that Rapport does not know stay so", "1 values of contact.code do not fit into the column that comes back: they lie in "+kept, "contact.larger, which is new since, could not be added: its values lie in "+kept)
	want := "a theirs 1.0000 - -; b both mine 1.0000 - -; c für c 2.5000 00FF 0.1; d one 9.0000 - -; e - 1.0000 - -; f ONE 1.0000 - -; g " + strings.Repeat("g", 50) + " 1.0000 - -; m m 1.0000 - -; n n theirs 7.0000 - -"
	is := func(query, want string) {
		t.Helper()
		if got := c.one(query); got != want {
			t.Errorf("%s\n  is   %s\n  want %s", query, got, want)
		}
	}
	is(contactsByName, want)
	is("SELECT CONCAT_WS(' ',GROUP_CONCAT(IF(code=5,last_name,NULL)),GROUP_CONCAT(IF(later=5,last_name,NULL)),SUM(dropped),SUM(last_name='n' AND stamp='2020-01-02 03:04:05')) FROM contact", "a a 6 1")
	is("SELECT GROUP_CONCAT(last_name,COALESCE(larger,'') ORDER BY last_name) FROM "+ident(kept)+" WHERE code=5 OR larger='x'", "ax,b")
	is("SELECT GROUP_CONCAT(changes) FROM sync_audit WHERE changes LIKE '%legacy%'", `{"legacy":["both theirs", "both mine"]}`)
	c.whole()

	// The undoing is undone in its turn, with what was written after it.
	c.sql("UPDATE contact SET legacy='after' WHERE last_name='b'", "UPDATE contact SET score=2.5 WHERE last_name='f'")
	if _, err := UndoRestore(t.Context(), c.url, false, nil, nil); err != nil {
		t.Fatal(err)
	}
	is(contactsByName, strings.NewReplacer("b both mine", "b after", "f ONE 1.0000", "f ONE 2.5000").Replace(restored))
	is("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema=DATABASE() AND table_name LIKE '%\\_own'", "1")

	// Where nobody knows what was brought, nothing is guessed.
	c.sql("UPDATE contact SET legacy='unknown' WHERE last_name='a'", "DROP TABLE "+ident(c.one("SELECT table_name FROM information_schema.tables WHERE table_schema=DATABASE() AND table_name LIKE '%\\_own'")))
	if out, err = UndoRestore(t.Context(), c.url, false, nil, nil); err != nil {
		t.Fatal(err)
	}
	says(t, out.Done, "cannot be told from what was restored")
	is("SELECT legacy FROM contact WHERE last_name='a'", "theirs")
	c.whole()
}

// TestUndoMeetsAnIndex: what was entered since meets a unique index that an
// administrator made before. It stays in the table that goes, which is told, and
// nothing refers to what is not there.
func TestUndoMeetsAnIndex(t *testing.T) {
	c := newCompany(t)
	c.sql("INSERT INTO contact (id,last_name,job_title) VALUES (UNHEX(MD5('a')),'a','chief'),(UNHEX(MD5('b')),'b','other')")
	s := c.take()
	c.sql("ALTER TABLE contact ADD UNIQUE KEY titles (job_title)")
	c.restore(s)
	c.sql("UPDATE contact SET job_title='chief',department='b' WHERE last_name='b'", "INSERT INTO contact (id,last_name,job_title) VALUES (UNHEX(MD5('n')),'n','chief')", "INSERT INTO contact (id,last_name,job_title) VALUES (UNHEX(MD5('m')),'m','mine')",
		"INSERT INTO address (street,contact_id) VALUES ('of n',UNHEX(MD5('n'))),('of m',UNHEX(MD5('m')))", "INSERT INTO deal (id,name,contact_id) VALUES (UNHEX(MD5('d')),'d',UNHEX(MD5('n')))")
	out := c.undo()
	says(t, out.Done, "2 rows of contact meet an index", "1 rows of address meet an index")
	if got := c.one("SELECT CONCAT_WS(' | ',(SELECT GROUP_CONCAT(last_name,job_title ORDER BY last_name) FROM contact),(SELECT GROUP_CONCAT(street) FROM address),(SELECT GROUP_CONCAT(name,COALESCE(HEX(contact_id),'-')) FROM deal))"); got != "achief,bother,mmine | of m | d-" {
		t.Errorf("after the undoing: %s", got)
	}
	for table, want := range map[string]string{"contact": "4", "address": "2"} {
		kept := ""
		for _, name := range out.Kept {
			if strings.HasPrefix(name, table+"_replaced_") {
				kept = name
			}
		}
		if got := c.one("SELECT COUNT(*) FROM " + ident(kept)); got != want {
			t.Errorf("%s holds %s rows, it had %s", kept, got, want)
		}
	}
	c.whole()
}

// says holds that lines tell of something.
func says(t *testing.T, lines []string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(strings.Join(lines, "\n"), want) {
			t.Errorf("nothing says %q in:\n%s", want, strings.Join(lines, "\n"))
		}
	}
}
