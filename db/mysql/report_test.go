package mysql

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"rapport/db/mysql/servertest"
	"rapport/model"
)

// refresh refreshes the report tables and must succeed.
func (c *company) refresh(req model.ReportsRequest) model.ReportsResult {
	c.Helper()
	res, err := RefreshReports(c.Context(), c.url, req, nil)
	if err != nil {
		c.Fatalf("refresh: %v", err)
	}
	return res
}

// cells reads some columns of a table as text, by id; NULL is told from text.
func (c *company) cells(table, where string, columns []string) map[string][]string {
	c.Helper()
	db := c.server.DB(c.database)
	defer db.Close()
	var list []string
	for _, name := range columns {
		list = append(list, "IF(`"+name+"` IS NULL,'NULL',CONCAT('=',HEX(`"+name+"`)))")
	}
	rows, err := db.QueryContext(c.Context(), "SELECT "+strings.Join(list, ",")+" FROM `"+table+"`"+where)
	if err != nil {
		c.Fatal(err)
	}
	defer rows.Close()
	out := map[string][]string{}
	for rows.Next() {
		row, dest := make([]string, len(columns)), make([]any, len(columns))
		for i := range row {
			dest[i] = &row[i]
		}
		if err := rows.Scan(dest...); err != nil {
			c.Fatal(err)
		}
		out[row[0]] = row
	}
	if err := rows.Err(); err != nil {
		c.Fatal(err)
	}
	return out
}

func columnNames(e *model.Entity) []string {
	var out []string
	for _, col := range e.Columns() {
		out = append(out, col.Name)
	}
	return out
}

// sameReports holds that each report table has exactly the rows of its table,
// every column of them, the name behind every link, and when something last
// happened. It knows nothing of how a refresh works.
func (c *company) sameReports() {
	c.Helper()
	for _, e := range model.Entities() {
		names := columnNames(e)
		want, got := c.cells(string(e.Noun), "", names), c.cells("report_"+string(e.Noun), " WHERE report_gone_at IS NULL", names)
		for id, row := range want {
			if !slices.Equal(row, got[id]) {
				c.Errorf("%s %s\n  is copied as %q\n  it is         %q", e.Noun, id, got[id], row)
			}
		}
		for id := range got {
			if want[id] == nil {
				c.Errorf("%s %s is in the copy only", e.Noun, id)
			}
		}
		if n := c.one("SELECT copied FROM report_state WHERE tbl='" + string(e.Noun) + "'"); n != fmt.Sprint(len(want)) {
			c.Errorf("the state of %s tells %s rows, there are %d", e.Noun, n, len(want))
		}
		for _, col := range e.Columns() {
			to := model.EntityOf(col.Ref)
			if col.Ref == "" || to.RowName == nil {
				continue
			}
			name := strings.TrimSuffix(col.Name, "_id") + "_name"
			title := "NULLIF(l.`" + to.RowName[0][0] + "`,'')"
			switch col.Ref {
			case "contact":
				title = "NULLIF(CONCAT_WS(' ',NULLIF(l.first_name,''),NULLIF(l.middle_name,''),NULLIF(l.last_name,'')),'')"
			case "user":
				title = "COALESCE(NULLIF(l.name,''),l.login)"
			}
			wrong := c.one("SELECT GROUP_CONCAT(HEX(t.id),'/',COALESCE(r." + name + ",'NULL')) FROM " + string(e.Noun) + " t JOIN report_" + string(e.Noun) + " r ON r.id=t.id LEFT JOIN " + string(col.Ref) + " l ON l.id=t." + col.Name +
				" WHERE NOT BINARY r." + name + "<=>BINARY LEFT(" + title + ",255)")
			if wrong != "NULL" {
				c.Errorf("%s of %s is wrong for %s", name, e.Noun, wrong)
			}
		}
	}
	for _, n := range []string{"contact", "organization", "deal"} {
		wrong := c.one("SELECT GROUP_CONCAT(HEX(t.id)) FROM " + n + " t JOIN report_" + n + " r ON r.id=t.id LEFT JOIN (SELECT l." + n + "_id AS about, MAX(COALESCE(a.done_at,a.start_at,a.due_at,a.created_at)) AS at" +
			" FROM activity_link l JOIN activity a ON a.id=l.activity_id WHERE l.deleted_at IS NULL AND a.deleted_at IS NULL AND (a.status='done' OR a.kind='note') GROUP BY 1) x ON x.about=t.id WHERE NOT r.last_activity_at<=>x.at")
		if wrong != "NULL" {
			c.Errorf("the last activity of %s is wrong for %s", n, wrong)
		}
	}
}

// odd are texts that something gets wrong somewhere.
var odd = []string{"", " ", "NULL", "a", "A", "á", "á", "Zoë 😀", "ſtraße", "x ", "x", "'; --", `\`, "|", "1:a|2:b", "مرحبا", "\t", strings.Repeat("ü", 80)}

// life makes random changes as other programs do, in every table.
type life struct {
	*company
	*rand.Rand
	conn *sql.DB
	ids  map[model.Noun][]string
}

func newLife(c *company, seed uint64) *life {
	db := c.server.DB(c.database)
	c.Cleanup(func() { db.Close() })
	l := &life{c, rand.New(rand.NewPCG(seed, 1)), db, map[model.Noun][]string{}}
	for _, n := range []model.Noun{"pipeline", "stage"} {
		for id := range c.cells(string(n), "", []string{"id"}) {
			l.ids[n] = append(l.ids[n], "X'"+strings.TrimPrefix(id, "=")+"'")
		}
		slices.Sort(l.ids[n])
	}
	return l
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

func (l *life) value(e *model.Entity, col model.Column) string {
	if !required(e, col) && l.IntN(4) == 0 {
		return "NULL"
	}
	switch col.Type {
	case model.ColText:
		if f := col.Field; f != nil && f.Type == model.Choice {
			return quote(pick(l.Rand, f.Options))
		}
		s := pick(l.Rand, odd)
		if required(e, col) {
			s = fmt.Sprint("n", l.IntN(1000), s)
		}
		return quote(string([]rune(s)[:min(len([]rune(s)), col.Max)]))
	case model.ColLong:
		return quote(strings.Repeat(pick(l.Rand, odd), l.IntN(30)))
	case model.ColDate:
		return fmt.Sprintf("'%04d-%02d-%02d'", 1900+l.IntN(300), 1+l.IntN(12), 1+l.IntN(28))
	case model.ColDecimal:
		return fmt.Sprintf("%d.%04d", l.IntN(1e9)-5e8, l.IntN(10000))
	case model.ColInt:
		return pick(l.Rand, []string{"0", "-1", "9223372036854775807", "-9223372036854775808", "42"})
	case model.ColBool:
		return fmt.Sprint(l.IntN(2))
	case model.ColTime:
		return fmt.Sprintf("'20%02d-%02d-%02d 0%d:%02d:00.%03d'", l.IntN(40), 1+l.IntN(12), 1+l.IntN(28), l.IntN(10), l.IntN(60), l.IntN(1000))
	}
	return "NULL"
}

// columns are those that other programs write.
func (l *life) columns(e *model.Entity) map[string]string {
	out := map[string]string{}
	for _, col := range e.Columns() {
		switch {
		case col.Name == model.ColumnID || col.Service || col.Ref != "":
		default:
			out[col.Name] = l.value(e, col)
		}
	}
	for _, col := range e.Columns() {
		if col.Ref == "" || len(l.ids[col.Ref]) == 0 || col.Owner && len(e.Owner) > 1 || col.Field != nil && len(col.Field.To) > 1 {
			continue
		}
		if required(e, col) || l.IntN(3) > 0 {
			out[col.Name] = pick(l.Rand, l.ids[col.Ref])
		}
	}
	one := func(names []model.Noun) {
		n := pick(l.Rand, names)
		for len(l.ids[n]) == 0 {
			n = pick(l.Rand, names)
		}
		out[string(n)+"_id"] = pick(l.Rand, l.ids[n])
	}
	if len(e.Owner) > 1 {
		one(e.Owner)
	}
	if f := e.Field("record"); f != nil {
		one(f.To)
	}
	return out
}

// exec runs a statement. A deadlock with another writer is tried again, as
// programs do.
func (l *life) exec(q string) {
	l.Helper()
	_, err := l.conn.ExecContext(l.Context(), q)
	for tries := 1; number(err) == erDeadlock && tries < 10; tries++ {
		_, err = l.conn.ExecContext(l.Context(), q)
	}
	if n := number(err); err != nil && n != erReferenced && n != erBadReference {
		l.Fatalf("%s: %v", q, err)
	}
}

// insert makes a row of an entity.
func (l *life) insert(e *model.Entity) {
	l.Helper()
	id := idLiteral(l.company.ids.New())
	set := l.columns(e)
	names := slices.Sorted(maps.Keys(set))
	var values []string
	for _, n := range names {
		values = append(values, set[n])
	}
	l.exec("INSERT INTO " + ident(string(e.Noun)) + " (id," + idents(names) + ") VALUES (" + id + "," + strings.Join(values, ",") + ")")
	l.ids[e.Noun] = append(l.ids[e.Noun], id)
}

// step makes one random change.
func (l *life) step() {
	l.Helper()
	e := pick(l.Rand, model.Entities())
	table := ident(string(e.Noun))
	if len(l.ids[e.Noun]) == 0 {
		l.insert(e)
		return
	}
	where := " WHERE id=" + pick(l.Rand, l.ids[e.Noun])
	switch l.IntN(10) {
	case 0, 1, 2, 3:
		l.insert(e)
	case 4:
		l.exec("UPDATE " + table + " SET deleted_at=IF(deleted_at IS NULL,UTC_TIMESTAMP(3),NULL)" + where)
	case 5:
		l.exec("DELETE FROM " + table + where)
	default:
		set := l.columns(e)
		names := slices.Sorted(maps.Keys(set))
		name := pick(l.Rand, names)
		if _, col := e.Column(name); col.Ref != "" && (len(e.Owner) > 1 || e.Field("record") != nil) {
			return // which of several owners it has is no plain change
		}
		l.exec("UPDATE " + table + " SET " + ident(name) + "=" + set[name] + where)
	}
}

// fillLife makes some rows of every table.
func (l *life) fill(rounds int) {
	l.Helper()
	for range rounds {
		for _, e := range model.Entities() {
			l.insert(e)
		}
	}
}

// TestReportsFollow makes random changes of every kind, and after each refresh
// every copy is exactly its table, by whatever way it came to that.
func TestReportsFollow(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := newCompany(t)
	l := newLife(c, seed)
	l.fill(3)
	c.refresh(model.ReportsRequest{})
	c.sameReports()
	for round := range 8 {
		for range 5 + l.IntN(60) {
			l.step()
		}
		switch round {
		case 3:
			c.sql("UPDATE contact_method SET deleted_at=UTC_TIMESTAMP(3)-INTERVAL 200 DAY LIMIT 2", "UPDATE sync_run SET at=at-INTERVAL 200 DAY")
			l.step()
			c.sql(sequenceSQL)
			if _, err := Sweep(t.Context(), c.url, model.KeepDeleted); err != nil {
				t.Fatal(err)
			}
		case 5:
			c.sql("DROP TABLE report_contact")
		}
		res := c.refresh(model.ReportsRequest{Rebuild: round == 6})
		if c.sameReports(); t.Failed() {
			t.Fatalf("after round %d: %+v", round, res)
		}
		if got := c.one("SELECT COUNT(*) FROM report_state WHERE position<>" + fmt.Sprint(res.Position)); got != "0" {
			t.Errorf("%s tables are not at %d", got, res.Position)
		}
	}
	if res := c.refresh(model.ReportsRequest{Check: true}); len(res.Rebuilt) > 0 {
		t.Errorf("the check finds fault with %q", res.Reasons)
	}
	sums := c.sums()
	c.sql("UPDATE report_state SET hash=NULL")
	c.refresh(model.ReportsRequest{})
	if got := c.sums(); got != sums {
		t.Errorf("the sums that followed the changes are\n%s, those of all rows\n%s", sums, got)
	}
}

func (c *company) sums() string {
	return c.one("SELECT GROUP_CONCAT(CONCAT(tbl,copied,hash) ORDER BY tbl) FROM report_state")
}

// TestReportsFindPlantedErrors plants the two errors that checksums by CRC and
// XOR do not see, in the table and in the copy, and some of the copy's own.
func TestReportsFindPlantedErrors(t *testing.T) {
	c := newCompany(t)
	c.sql("INSERT INTO user (id,login) VALUES (UNHEX(MD5('u')),'ann')",
		"INSERT INTO activity (subject,due_at,start_at,owner_id) SELECT CONCAT('a',seq),'2026-11-21 10:00:00','2026-11-21 09:00:00',UNHEX(MD5('u')) FROM seq_1_to_40",
		"INSERT INTO contact (last_name,job_title,department) SELECT CONCAT('c',seq),NULL,'x' FROM seq_1_to_40")
	c.refresh(model.ReportsRequest{})
	for name, plant := range map[string]string{
		"four moments ten minutes later":  "UPDATE report_activity SET due_at=due_at+INTERVAL 10 MINUTE ORDER BY id LIMIT 4",
		"NULL in the column beside":       "UPDATE report_contact SET job_title='x',department=NULL ORDER BY id LIMIT 1",
		"empty instead of NULL":           "UPDATE report_contact SET job_title='' ORDER BY id LIMIT 1",
		"a name of a link":                "UPDATE report_activity SET owner_name='bob' ORDER BY id LIMIT 1",
		"a row too few":                   "DELETE FROM report_contact ORDER BY id LIMIT 1",
		"a row too many":                  "INSERT INTO report_contact (id,last_name,report_hash) VALUES (UNHEX(MD5('more')),'more',REPEAT('x',32))",
		"a row that passes for gone":      "UPDATE report_contact SET report_gone_at=UTC_TIMESTAMP(3) ORDER BY id LIMIT 1",
		"a change that no trigger saw":    "DROP TRIGGER contact_before_update; DROP TRIGGER contact_after_update; UPDATE contact SET notes='unseen' ORDER BY id LIMIT 1",
		"another trailing blank and case": "UPDATE report_contact SET last_name=CONCAT(UPPER(last_name),' ') ORDER BY id LIMIT 1",
	} {
		t.Run(name, func(t *testing.T) {
			c.sql(plant)
			if _, err := Migrate(t.Context(), c.url); err != nil { // puts triggers back
				t.Fatal(err)
			}
			if res := c.refresh(model.ReportsRequest{}); len(res.Rebuilt) > 0 {
				t.Fatalf("found without looking: %q", res.Reasons)
			}
			res := c.refresh(model.ReportsRequest{Check: true})
			if len(res.Rebuilt) != 1 || len(res.Reasons) != 1 || !strings.Contains(res.Reasons[0], "differed from its table in ") {
				t.Errorf("the check made %q anew: %q", res.Rebuilt, res.Reasons)
			}
			if res := c.refresh(model.ReportsRequest{Check: true}); len(res.Rebuilt) > 0 {
				t.Errorf("it is there still: %q", res.Reasons)
			}
		})
	}
	c.sameReports()
}

// TestReportsKeepWhatIsLost: a refresh never takes the last copy of rows away.
func TestReportsKeepWhatIsLost(t *testing.T) {
	for name, lose := range map[string][]string{
		"truncated":           {"SET foreign_key_checks=0; TRUNCATE contact"},
		"dropped":             {"SET foreign_key_checks=0; DROP TABLE contact"},
		"a column is dropped": {"ALTER TABLE contact DROP COLUMN notes"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCompany(t)
			c.sql("INSERT INTO contact (last_name,notes) SELECT CONCAT('c',seq),'n' FROM seq_1_to_10")
			c.refresh(model.ReportsRequest{})
			c.sql(lose...)
			for _, req := range []model.ReportsRequest{{}, {Rebuild: true}, {Check: true}} {
				_, err := RefreshReports(t.Context(), c.url, req, nil)
				var e *model.Error
				if !errors.As(err, &e) || e.Kind != model.Corrupt || !strings.Contains(e.Hint, "rebuild contact --from report") {
					t.Errorf("%+v: %v", req, err)
				}
			}
			if n := c.one("SELECT COUNT(notes) FROM report_contact WHERE report_gone_at IS NULL"); n != "10" {
				t.Errorf("%s rows are left in the copy", n)
			}
		})
	}
}

// TestReportsOfOldCentral are asked for on a central that an earlier version
// made, and on none.
func TestReportsOfOldCentral(t *testing.T) {
	c := newCompany(t)
	c.sql("DROP TABLE report_state, sync_lease")
	if _, err := RefreshReports(t.Context(), c.url, model.ReportsRequest{}, nil); model.KindOf(err) != model.TooNew {
		t.Errorf("an older central: %v", err)
	}
	if _, err := Migrate(t.Context(), c.url); err != nil {
		t.Fatal(err)
	}
	c.refresh(model.ReportsRequest{})
	c.sameReports()
	if _, err := RefreshReports(t.Context(), servertest.Shared(t).Database(t), model.ReportsRequest{}, nil); model.KindOf(err) != model.NoCentral {
		t.Errorf("none: %v", err)
	}
}

// TestReportsAreClosedToPeople: who may see some records sees none of their
// copies, unless an administrator grants it.
func TestReportsAreClosedToPeople(t *testing.T) {
	s := newSiege(t)
	s.refresh(model.ReportsRequest{})
	for _, q := range []string{"SELECT * FROM report_contact", "SELECT * FROM report_state", "UPDATE sync_lease SET token=0", "REPLACE INTO report_state (tbl) VALUES ('contact')", "SHOW COLUMNS FROM report_contact"} {
		if got, err := ask(t.Context(), s.bobs, q); number(err) != erTableDenied || strings.Contains(got, secretOfAnn) {
			t.Errorf("%s: %s", q, got)
		}
	}
	s.sql("CREATE USER reports IDENTIFIED BY 'p'", "GRANT SELECT ON "+s.database+".report_contact TO reports")
	t.Cleanup(func() { s.server.SQL(t, "", "DROP USER reports") })
	office, err := OpenOffice(t.Context(), s.url, DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer office.Close()
	checks, err := office.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range checks {
		if k.State == "fail" {
			t.Errorf("with an account for reports: %+v", k)
		}
	}
}
