package sync_test

import (
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"rapport/model"
)

// naughty are texts that a careless link between two databases changes.
var naughty = []string{
	"", " ", "trailing  ", "\ttab\t", "\n", "line\r\nline", "lone\rreturn", "nul\x00inside", "\x00", "\x1a control", "\x7f\u0080\u009f",
	`back\slash`, `\`, `\'`, `'`, `"`, "`", "';--", "%_", "\\0\\n", "''", "/* */ # --", "? :a @b {{}}",
	"😀", "👩🏽‍🚒", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "é", "e\u0301", "Å", "\u212b", "ﬀ", "ß", "ẞ", "İ", "ı",
	"שלום", "مرحبا", "\u202eevil", "\u200b", "\ufeffbom", "\u2028", "𝒜𝓁𝒾𝒸𝑒", "\U0010fffd", "漢字", "￥",
	"NULL", "null", "0", "-0", "1e309", "NaN", "true", "0000-00-00",
}

// T80: a text arrives as it was typed, whichever way it goes.
func TestT80Texts(t *testing.T) {
	c := newCentral(t)
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	texts := append([]string{strings.Repeat("näßlich 😀\r\x00\\'", 1<<20/20)}, naughty...) // a megabyte
	ids := map[model.ID]string{}
	for i, s := range texts {
		r := a.save(t, "contact", "", map[string]any{"last_name": fmt.Sprint("c", i), "notes": s})
		ids[r.ID] = s
	}
	a.sync(t)
	b.sync(t)
	// The other way: another program writes them.
	for i, s := range texts {
		c.exec(t, "INSERT INTO contact (id, last_name, notes) VALUES (?, ?, ?)", foreignID(i), fmt.Sprint("f", i), s)
		ids[model.IDFromBytes(foreignID(i))] = s
	}
	converge(t, c, a, b)
	e := model.EntityOf("contact")
	check := func(when string) {
		t.Helper()
		server := serverRows(t, c.url, e)
		for id, want := range ids {
			for _, h := range []*home{a, b} {
				row, err := h.Row(t.Context(), e, id)
				if err != nil {
					t.Fatal(err)
				}
				// An empty text that a person leaves in a form is no text.
				if got, _ := row.Get(e, "notes").(string); got != want {
					t.Errorf("%s, on %s: %.40q, want %.40q", when, h.me, got, want)
				}
			}
			if got, _ := server[id].Get(e, "notes").(string); got != want {
				t.Errorf("%s, on the server: %.40q, want %.40q", when, got, want)
			}
		}
	}
	check("as made")
	if got := c.value(t, "SELECT HEX(notes) FROM contact WHERE last_name = ?", fmt.Sprint("c", 1+slices.Index(naughty, "nul\x00inside"))); got != strings.ToUpper(hex.EncodeToString([]byte("nul\x00inside"))) {
		t.Errorf("the bytes on the server are %s", got)
	}
	// Each is the base of an edit, and the edit of another column leaves it.
	for id, s := range ids {
		b.save(t, "contact", id, map[string]any{"job_title": "x"})
		b.save(t, "contact", id, map[string]any{"notes": s + "+"})
		ids[id] = s + "+"
	}
	converge(t, c, a, b)
	check("edited")
	if n := len(a.conflicts(t)) + len(b.conflicts(t)); n > 0 {
		t.Errorf("%d conflicts", n)
	}
}

// foreignID is the id of a row that another program makes.
func foreignID(i int) []byte {
	return []byte(fmt.Sprintf("\x01\x93\x00\x00\x00\x00\x70\x00\x80foreig%c", 'A'+i))
}

// T80: a change of case, of an accent's form or of a trailing blank is a
// change, from here and from there.
func TestT80SmallChanges(t *testing.T) {
	c := newCentral(t)
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	r := a.save(t, "contact", "", map[string]any{"last_name": "Smith", "job_title": "é"})
	a.sync(t)
	b.sync(t)
	for _, step := range []struct{ name, title string }{
		{"SMITH", "é"}, {"SMITH ", "e\u0301"}, {"Smith  ", "É"}, {"Smith", "E"},
	} {
		a.save(t, "contact", r.ID, map[string]any{"last_name": step.name, "job_title": step.title})
		a.sync(t)
		if res := b.sync(t); res.Pulled != 1 {
			t.Errorf("%q: pulled %d", step.name, res.Pulled)
		}
		if got := b.get(t, "contact", r.ID); got.Text("last_name") != step.name || got.Text("job_title") != step.title {
			t.Errorf("arrived as %q, %q; want %q, %q", got.Text("last_name"), got.Text("job_title"), step.name, step.title)
		}
	}
	for _, name := range []string{"sMITH", "sMITH ", "sM\u0131TH"} {
		c.exec(t, "UPDATE contact SET last_name = ?", name)
		if res := a.sync(t); res.Pulled != 1 || a.get(t, "contact", r.ID).Text("last_name") != name {
			t.Errorf("%q by another program: pulled %d", name, res.Pulled)
		}
	}
	converge(t, c, a, b)
}

// T80: an empty text and no text are two values of another program, and stay
// two.
func TestT80EmptyAndAbsent(t *testing.T) {
	c := newCentral(t)
	c.exec(t, "INSERT INTO contact (last_name, job_title, department) VALUES ('x', '', NULL)")
	a := newHome(t, "ann", c.url)
	a.sync(t)
	id := onlyID(t, a, "contact")
	a.save(t, "contact", id, map[string]any{"salutation": "Dr"})
	a.sync(t)
	if got := c.value(t, "SELECT CONCAT(job_title, '|', department IS NULL) FROM contact"); got != "|1" {
		t.Errorf("after an edit of another column: %q", got)
	}
	a.save(t, "contact", id, map[string]any{"job_title": "y", "department": "z"})
	converge(t, c, a)
	if got := c.value(t, "SELECT CONCAT(job_title, department) FROM contact"); got != "yz" {
		t.Errorf("edited: %q", got)
	}
	c.exec(t, "UPDATE contact SET job_title = NULL, department = ''")
	if res := a.sync(t); res.Pulled != 1 {
		t.Errorf("from empty to absent: pulled %d", res.Pulled)
	}
	converge(t, c, a)
}

func onlyID(t *testing.T, h *home, n model.Noun) model.ID {
	t.Helper()
	page, err := h.List(t.Context(), model.Query{Noun: n})
	if err != nil || len(page.Items) != 1 {
		t.Fatalf("%d records of %s: %v", len(page.Items), n, err)
	}
	return page.Items[0].ID
}

// T81: a column that an administrator made in a narrower character set refuses
// what it cannot hold, the refusal names the field, and what it can hold
// travels.
func TestT81NarrowCharacterSet(t *testing.T) {
	for _, charset := range []string{"latin1", "utf8mb3"} {
		t.Run(charset, func(t *testing.T) {
			c := newCentral(t)
			c.exec(t, "ALTER TABLE contact MODIFY job_title VARCHAR(255) CHARACTER SET "+charset+" NULL, MODIFY notes TEXT CHARACTER SET "+charset+" NULL")
			a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
			good := a.save(t, "contact", "", map[string]any{"last_name": "good", "job_title": "Müller ß", "notes": "naïve\n"})
			bad := a.save(t, "contact", "", map[string]any{"last_name": "bad", "job_title": "chef 😀"})
			if res := a.sync(t); res.Refused != 1 {
				t.Errorf("refused %d, want 1", res.Refused)
			}
			p := a.pending(t)
			if len(p) != 1 || p[0].ID != bad.ID || !strings.Contains(p[0].Error, "Job title") {
				t.Fatalf("the refusal does not name the field: %+v", p)
			}
			if got := c.value(t, "SELECT COUNT(*) FROM contact WHERE job_title LIKE '%?%'"); got != "0" {
				t.Error("a question mark stands for what the column cannot hold")
			}
			a.save(t, "contact", bad.ID, map[string]any{"job_title": "chef"})
			a.sync(t)
			b.sync(t)
			// Compared with a value in the column's own character set.
			b.save(t, "contact", good.ID, map[string]any{"job_title": "Möller", "notes": "naïf"})
			converge(t, c, a, b)
			if got := a.get(t, "contact", good.ID).Text("job_title"); got != "Möller" {
				t.Errorf("job title %q", got)
			}
		})
	}
}

// T82: whole and decimal numbers are exact up to their limits, in rows of ours
// and in columns that an administrator added.
func TestT82Numbers(t *testing.T) {
	c := newCentral(t)
	const odd = "12345678901234.567891, 9223372036854775807, 18446744073709551615, 0.1, -0.0, b'1', 2, 0"
	c.exec(t, `ALTER TABLE deal ADD x_dec DECIMAL(20,6), ADD x_big BIGINT, ADD x_unsigned BIGINT UNSIGNED, ADD x_float FLOAT, ADD x_double DOUBLE,
		ADD x_bit BIT(1), ADD x_tiny TINYINT(1), ADD x_year YEAR`)
	c.exec(t, "INSERT INTO deal (name, amount_minor, amount_currency, probability, x_dec, x_big, x_unsigned, x_float, x_double, x_bit, x_tiny, x_year) VALUES"+
		" ('most', 9223372036854775807, 'EUR', 1, "+odd+"), ('least', -9223372036854775808, 'EUR', 2, "+odd+")")
	c.exec(t, "INSERT INTO deal_line (deal_id, quantity, discount, price_minor, price_currency) SELECT id, 99999999999999.9999, -0.0001, 1, 'EUR' FROM deal WHERE name = 'most'")
	before := c.value(t, "SELECT GROUP_CONCAT(CONCAT_WS(',', x_dec, x_big, x_unsigned, x_float, x_double, HEX(x_bit), x_tiny, x_year) ORDER BY name SEPARATOR ';') FROM deal")
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	a.sync(t)
	page, err := a.List(t.Context(), model.Query{Noun: "deal"})
	if err != nil || len(page.Items) != 2 {
		t.Fatalf("%d deals: %v", len(page.Items), err)
	}
	for _, r := range page.Items {
		m, _ := r.Money("amount")
		if want := map[string]int64{"most": 1<<63 - 1, "least": -1 << 63}[r.Text("name")]; m.Minor != want {
			t.Errorf("amount of %s: %d, want %d", r.Text("name"), m.Minor, want)
		}
		a.save(t, "deal", r.ID, map[string]any{"next_step": "call"}) // another column
	}
	a.sync(t)
	if got := c.value(t, "SELECT GROUP_CONCAT(CONCAT_WS(',', x_dec, x_big, x_unsigned, x_float, x_double, HEX(x_bit), x_tiny, x_year) ORDER BY name SEPARATOR ';') FROM deal"); got != before {
		t.Errorf("columns of the administrator changed:\n from %s\n to   %s", before, got)
	}
	if got := c.value(t, "SELECT CONCAT(quantity, ' ', discount) FROM deal_line"); got != "99999999999999.9999 -0.0001" {
		t.Errorf("decimals: %s", got)
	}
	// Each limit is the base of an edit.
	for _, r := range page.Items {
		m, _ := r.Money("amount")
		a.save(t, "deal", r.ID, map[string]any{"amount": model.Money{Minor: m.Minor / 2, Currency: "CHF"}})
	}
	converge(t, c, a, b)
	if got := c.value(t, "SELECT GROUP_CONCAT(amount_minor ORDER BY name) FROM deal"); got != "-4611686018427387904,4611686018427387903" {
		t.Errorf("amounts: %s", got)
	}
	line, err := b.Row(t.Context(), model.EntityOf("deal_line"), lineID(t, c))
	if err != nil || line.Get(model.EntityOf("deal_line"), "quantity") != "99999999999999.9999" {
		t.Errorf("quantity on the laptop: %v, %v", line, err)
	}
}

func lineID(t *testing.T, c *central) model.ID {
	t.Helper()
	b, err := hex.DecodeString(c.value(t, "SELECT HEX(id) FROM deal_line"))
	if err != nil {
		t.Fatal(err)
	}
	return model.IDFromBytes(b)
}

// T83: days and moments that another program wrote and that are none survive
// an edit of another column, and an edit of their own column replaces them.
func TestT83Dates(t *testing.T) {
	c := newCentral(t)
	c.exec(t, "ALTER TABLE deal ADD x_time TIME(6), ADD x_stamp TIMESTAMP(6) NULL, ADD x_micro DATETIME(6)")
	type row struct{ name, closing, closed, opened string }
	rows := []row{
		{"zero", "0000-00-00", "0000-00-00 00:00:00", "2024-01-01"},
		{"month", "2024-00-00", "2024-00-00 00:00:00", "2024-02-00"},
		{"last", "9999-12-31", "9999-12-31 23:59:59.999", "0001-01-01"},
	}
	for _, r := range rows {
		c.exec(t, "SET STATEMENT sql_mode='' FOR INSERT INTO deal (name, close_date, closed_at, opened_on, x_time, x_stamp, x_micro) VALUES (?, ?, ?, ?, '838:59:59.999999', '2038-01-19 03:14:07.999999', '9999-12-31 23:59:59.999999')",
			r.name, r.closing, r.closed, r.opened)
	}
	const all = "SELECT GROUP_CONCAT(CONCAT_WS(',', name, CAST(close_date AS CHAR), CAST(closed_at AS CHAR), CAST(opened_on AS CHAR), x_time, CAST(x_stamp AS CHAR), CAST(x_micro AS CHAR)) ORDER BY name SEPARATOR ';') FROM deal"
	before := c.value(t, all)
	if !strings.Contains(before, "zero,0000-00-00,0000-00-00 00:00:00.000,") {
		t.Fatalf("the server did not take them: %s", before)
	}
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	a.sync(t)
	page, err := a.List(t.Context(), model.Query{Noun: "deal"})
	if err != nil || len(page.Items) != len(rows) {
		t.Fatalf("%d deals: %v", len(page.Items), err)
	}
	for _, r := range page.Items {
		a.save(t, "deal", r.ID, map[string]any{"next_step": "call"})
	}
	if res := a.sync(t); res.Pushed != int64(len(rows)) {
		t.Errorf("sent %d of %d edits", res.Pushed, len(rows))
	}
	if got := c.value(t, all); got != before {
		t.Errorf("an edit of another column changed\n %s\nto\n %s", before, got)
	}
	// Now the columns themselves: a win sets close_date and closed_at.
	for _, r := range page.Items {
		a.save(t, "deal", r.ID, map[string]any{"close_date": "2026-03-29", "opened_on": "2026-03-28"})
		if _, err := a.MoveDeal(t.Context(), r.ID, "Won", ""); err != nil {
			t.Fatal(err)
		}
	}
	converge(t, c, a, b)
	if got := c.value(t, "SELECT COUNT(*) FROM deal WHERE close_date = '2026-03-29' AND opened_on = '2026-03-28' AND closed_at > '2020-01-01'"); got != "3" {
		t.Errorf("%s of 3 deals have the new days", got)
	}
}

// T83: a deletion mark that is no moment is none, and stays what it is.
func TestT83ZeroDeletionMark(t *testing.T) {
	c := newCentral(t)
	c.exec(t, "SET STATEMENT sql_mode='' FOR INSERT INTO contact (last_name, deleted_at) VALUES ('x', '0000-00-00 00:00:00')")
	a := newHome(t, "ann", c.url)
	a.sync(t)
	id := onlyID(t, a, "contact")
	a.save(t, "contact", id, map[string]any{"job_title": "y"})
	converge(t, c, a)
	if got := c.value(t, "SELECT CONCAT(job_title, CAST(deleted_at AS CHAR)) FROM contact"); got != "y0000-00-00 00:00:00.000" {
		t.Errorf("the row is %s", got)
	}
	if err := a.Delete(t.Context(), "contact", id); err != nil {
		t.Fatal(err)
	}
	converge(t, c, a)
	if got := c.value(t, "SELECT deleted_at > '2020-01-01' FROM contact"); got != "1" {
		t.Error("the deletion did not arrive")
	}
}

// T83: a moment in a column that an administrator made finer than ours is
// compared as fine as we know it.
func TestT83FinerMoment(t *testing.T) {
	c := newCentral(t)
	c.exec(t, "ALTER TABLE activity MODIFY due_at DATETIME(6) NULL")
	c.exec(t, "INSERT INTO activity (kind, subject, due_at) VALUES ('task', 'x', '2026-03-29 02:30:00.123456')")
	a := newHome(t, "ann", c.url)
	a.sync(t)
	id := onlyID(t, a, "activity")
	a.save(t, "activity", id, map[string]any{"due_at": time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)})
	converge(t, c, a)
	if got := c.value(t, "SELECT due_at FROM activity"); !strings.HasPrefix(got, "2026-04-01 09:00:00") {
		t.Errorf("due at %s", got)
	}
}

// T84: a document in a column that an administrator added stays as it is.
func TestT84Document(t *testing.T) {
	c := newCentral(t)
	c.exec(t, "ALTER TABLE contact ADD x_doc JSON")
	c.exec(t, `INSERT INTO contact (last_name, x_doc) VALUES ('x', '{"b": 1.00, "a": [1e2, "é\\u00e9"],  "b2": {}}')`)
	before := c.value(t, "SELECT HEX(x_doc) FROM contact")
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	a.sync(t)
	a.save(t, "contact", onlyID(t, a, "contact"), map[string]any{"job_title": "y"})
	converge(t, c, a, b)
	if got := c.value(t, "SELECT HEX(x_doc) FROM contact"); got != before {
		t.Errorf("the document changed to %s", got)
	}
	c.exec(t, `UPDATE contact SET x_doc = JSON_SET(x_doc, '$.c', 3)`)
	if res := a.sync(t); res.Pulled != 0 {
		t.Errorf("a change that we do not know moved %d rows", res.Pulled)
	}
	converge(t, c, a, b)
}

// T85: an update by another program that changes nothing moves nothing.
func TestT85NothingChanged(t *testing.T) {
	c := newCentral(t)
	const rows = 3000
	c.exec(t, fmt.Sprintf("INSERT INTO contact (last_name, job_title) SELECT CONCAT('c', seq), 'x' FROM seq_1_to_%d", rows))
	a := newHome(t, "ann", c.url)
	a.sync(t)
	c.exec(t, "UPDATE contact SET last_name = last_name, job_title = 'x', updated_at = UTC_TIMESTAMP(3), row_version = 77")
	if n := c.value(t, "SELECT COUNT(*) FROM sync_outbox"); n != "0" {
		t.Errorf("%s changes noted", n)
	}
	if res := a.sync(t); res.Pulled != 0 || res.RoundTrips != 1 {
		t.Errorf("pulled %d in %d round trips", res.Pulled, res.RoundTrips)
	}
	converge(t, c, a)
}

// T86: the ways in which other programs write: a row that is replaced arrives
// as changed and is at no time gone.
func TestT86OtherWaysToWrite(t *testing.T) {
	c := newCentral(t)
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	r := a.save(t, "contact", "", map[string]any{"last_name": "one", "notes": "n"})
	o := a.save(t, "organization", "", map[string]any{"name": "Acme"})
	a.sync(t)
	b.sync(t)
	c.exec(t, "REPLACE INTO contact (id, last_name, job_title) VALUES (?, 'replaced', 'r')", r.ID.Bytes())
	a.sync(t)
	if got := a.get(t, "contact", r.ID); got.Text("last_name") != "replaced" || got.Text("notes") != "" || !got.DeletedAt.IsZero() {
		t.Errorf("after REPLACE: %v", got.Values)
	}
	history, err := a.History(t.Context(), "contact", r.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, rev := range history {
		if rev.Action == "delete" {
			t.Errorf("a deletion flashed by: %+v", rev)
		}
	}
	c.exec(t, "INSERT INTO contact (id, last_name, job_title) VALUES (?, 'never', 'v') ON DUPLICATE KEY UPDATE job_title = VALUES(job_title)", r.ID.Bytes())
	c.exec(t, "UPDATE contact c JOIN organization o ON o.name = 'Acme' SET c.department = o.name, o.notes = c.last_name WHERE c.id = ?", r.ID.Bytes())
	driver.RegisterReaderHandler(t.Name(), func() io.Reader { return strings.NewReader("loaded\t1\nloaded\t2\n") })
	defer driver.DeregisterReaderHandler(t.Name())
	c.exec(t, "LOAD DATA LOCAL INFILE 'Reader::"+t.Name()+"' INTO TABLE contact (last_name, job_title)")
	if res := a.sync(t); res.Pulled != 4 {
		t.Errorf("pulled %d records, want the two loaded and the two changed", res.Pulled)
	}
	converge(t, c, a, b)
	if got := b.get(t, "contact", r.ID); got.Text("job_title") != "v" || got.Text("department") != "Acme" || got.Text("last_name") != "replaced" {
		t.Errorf("contact: %v", got.Values)
	}
	if got := b.get(t, "organization", o.ID).Text("notes"); got != "replaced" {
		t.Errorf("organization: %q", got)
	}
	// REPLACE under an edit that is not sent yet.
	a.save(t, "contact", r.ID, map[string]any{"salutation": "Dr"})
	c.exec(t, "REPLACE INTO contact (id, last_name, job_title) VALUES (?, 'again', 'r2')", r.ID.Bytes())
	converge(t, c, a, b)
	if got := b.get(t, "contact", r.ID); got.Text("salutation") != "Dr" || got.Text("last_name") != "again" || got.Text("job_title") != "r2" {
		t.Errorf("edit and REPLACE: %v", got.Values)
	}
}
