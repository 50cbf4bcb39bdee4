package mysql

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rapport/db/mysql/servertest"
	"rapport/model"
)

func TestPushAppliesOnceAndTellsClashes(t *testing.T) {
	c := newCompany(t)
	central := c.dial()
	a, b := c.ids.New(), c.ids.New()
	res := c.push(central, insert("contact", a, map[string]any{"last_name": "Meier"}), insert("contact", b, map[string]any{"last_name": "Huber"}))
	if res[0].Outcome != model.PushApplied || res[1].Outcome != model.PushApplied {
		t.Fatalf("%+v", res)
	}
	c.sql("UPDATE contact SET job_title = 'CEO' WHERE last_name = 'Meier'")
	guarded := update("contact", b, "deleted_at", nil, time.Now().UnixMilli())
	guarded.Guard = 7
	res = c.push(central,
		update("contact", a, "department", nil, "Sales"), // another field: fine
		update("contact", a, "job_title", nil, "CTO"),    // changed meanwhile
		update("contact", a, "last_name", "MEIER", "X"),  // differs in case only
		update("contact", a, "last_name", "Meier ", "X"), // differs in a blank only
		update("contact", c.ids.New(), "last_name", nil, "X"),
		guarded,
	)
	want := []model.PushOutcome{model.PushApplied, model.PushClashed, model.PushClashed, model.PushClashed, model.PushClashed, model.PushClashed}
	for i, r := range res {
		if r.Outcome != want[i] {
			t.Errorf("operation %d: %+v", i, r)
		}
	}
	guarded.Guard = 1
	if res = c.push(central, guarded); res[0].Outcome != model.PushApplied {
		t.Errorf("a guarded delete: %+v", res)
	}
	if got := c.one("SELECT CONCAT(last_name, job_title, department) FROM contact WHERE deleted_at IS NULL"); got != "MeierCEOSales" {
		t.Errorf("row is %s", got)
	}
	if got := c.one("SELECT COUNT(*) FROM sync_audit WHERE client = '" + string(c.client) + "'"); got != "4" {
		t.Errorf("%s changes stand in the history under the client", got)
	}
}

func TestPushInsertThatIsThereAlready(t *testing.T) {
	c := newCompany(t)
	central := c.dial()
	id := model.DerivedID("tag", "vip")
	op := insert("tag", id, map[string]any{"name": "vip"})
	c.push(central, op)
	version := c.one("SELECT CONCAT(row_version, updated_at) FROM tag")
	other := insert("tag", id, map[string]any{"name": "VIP"})
	res := c.push(central, op, other)
	if res[0].Outcome != model.PushApplied || res[1].Outcome != model.PushClashed {
		t.Errorf("%+v", res)
	}
	if got := c.one("SELECT CONCAT(row_version, updated_at) FROM tag"); got != version {
		t.Errorf("the row changed from %s to %s", version, got)
	}
}

func TestLostAcknowledgement(t *testing.T) {
	c := newCompany(t)
	p := servertest.NewProxy(t, c.server)
	central, err := Dial(t.Context(), p.URL(c.url), DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer central.Close()
	if _, err := central.Poll(t.Context(), model.Device{Client: c.client}, model.Position{}); err != nil {
		t.Fatal(err)
	}
	id := c.ids.New()
	b := c.batch(insert("contact", id, map[string]any{"last_name": "Once"}), update("contact", c.ids.New(), "last_name", "a", "b"),
		insert("contact", c.ids.New(), map[string]any{"salutation": strings.Repeat("long", 30)}))
	p.On("", func() bool { return false })
	if _, err := central.Push(t.Context(), b, model.Position{}); model.KindOf(err) != model.Unreachable {
		t.Fatalf("got %v", err)
	}
	// The refused change ends the first attempt without a commit; the second
	// one commits and loses its answer.
	b.Ops = b.Ops[:2]
	central2, err := Dial(t.Context(), p.URL(c.url), DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer central2.Close()
	if _, err := central2.Poll(t.Context(), model.Device{Client: c.client}, model.Position{}); err != nil {
		t.Fatal(err)
	}
	p.On("", func() bool { return false })
	if _, err := central2.Push(t.Context(), b, model.Position{}); model.KindOf(err) != model.Unreachable {
		t.Fatalf("got %v", err)
	}
	c.waitFor("SELECT COUNT(*) > 0 FROM sync_push", "1")
	// Somebody else changes the row; the batch comes again and must tell what
	// became of it, not what would become of it now.
	c.sql("UPDATE contact SET last_name = 'Later'")
	r, err := c.dial().Push(t.Context(), b, model.Position{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Foreign || r.Results[0].Outcome != model.PushApplied || r.Results[1].Outcome != model.PushClashed || r.Head.Seq == 0 {
		t.Errorf("%+v", r)
	}
	if got := c.one("SELECT CONCAT(COUNT(*), MAX(last_name)) FROM contact"); got != "1Later" {
		t.Errorf("contacts: %s", got)
	}
	b.Nonce = "copy"
	if r, err = c.dial().Push(t.Context(), b, model.Position{}); err != nil || !r.Foreign {
		t.Errorf("a copied workspace is not told apart: %+v, %v", r, err)
	}
}

func TestRefusedInTheMiddle(t *testing.T) {
	c := newCompany(t)
	central := c.dial()
	c.sql("INSERT INTO organization (id, name) VALUES (UNHEX(MD5('o')), 'Acme')")
	org := model.ID(c.one("SELECT LOWER(CONCAT_WS('-',LEFT(HEX(id),8),SUBSTR(HEX(id),9,4),SUBSTR(HEX(id),13,4),SUBSTR(HEX(id),17,4),SUBSTR(HEX(id),21))) FROM organization"))
	good := func() model.PushOp { return insert("contact", c.ids.New(), map[string]any{"last_name": "good"}) }
	ops := []model.PushOp{
		good(),
		insert("contact", c.ids.New(), map[string]any{"salutation": strings.Repeat("x", 100)}),
		good(),
		insert("contact", c.ids.New(), map[string]any{"organization_id": c.ids.New()}),
		insert("activity", c.ids.New(), map[string]any{"subject": "s", "kind": "dream"}),
		update("organization", org, "name", "Acme", nil),
		insert("tagging", c.ids.New(), map[string]any{}),
		good(),
	}
	b := c.batch(ops...)
	for _, again := range []string{"first", "repeated"} {
		r, err := central.Push(t.Context(), b, model.Position{})
		if err != nil {
			t.Fatal(err)
		}
		codes := ""
		for _, x := range r.Results {
			codes += x.Code + ";"
			if x.Outcome == model.PushRefused && x.Message == "" {
				t.Errorf("%s: no words for %+v", again, x)
			}
		}
		if codes != ";too_long;;reference;check;check;check;;" {
			t.Errorf("%s: %s", again, codes)
		}
		if m := r.Results[1].Message; !strings.HasPrefix(m, "Salutation") {
			t.Errorf("%s: %q does not name the field", again, m)
		}
	}
	if got := c.one("SELECT COUNT(*) FROM contact"); got != "3" {
		t.Errorf("%s contacts of 3", got)
	}
}

func TestRefusedRights(t *testing.T) {
	c := newCompany(t)
	c.sql("CREATE USER rep@'127.0.0.1' IDENTIFIED BY 'p'")
	t.Cleanup(func() { c.server.SQL(c, "", "DROP USER rep@'127.0.0.1'") })
	for _, table := range []string{"sync_meta", "sync_counter", "sync_outbox", "sync_feed", "sync_run", "sync_push", "sync_client", "tag"} {
		c.sql("GRANT SELECT, INSERT, UPDATE ON " + table + " TO rep@'127.0.0.1'")
	}
	central, err := Dial(t.Context(), c.server.URLFor("rep", "p", c.database), DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer central.Close()
	res := c.push(central, insert("product", c.ids.New(), map[string]any{"name": "a"}), insert("tag", c.ids.New(), map[string]any{"name": "t"}), insert("product", c.ids.New(), map[string]any{"name": "b"}))
	if res[0].Code != "not_allowed" || res[1].Outcome != model.PushApplied || res[2].Code != "not_allowed" {
		t.Errorf("%+v", res)
	}
	if got := c.one("SELECT created_by FROM tag"); got != "rep" {
		t.Errorf("made by %q", got)
	}
	for name, url := range map[string]string{"wrong password": c.server.URLFor("rep", "q", c.database)} {
		if _, err := Dial(t.Context(), url, DialOptions{}); model.KindOf(err) != model.Refused {
			t.Errorf("%s: %v", name, err)
		}
	}
	c.sql("ALTER USER rep@'127.0.0.1' ACCOUNT LOCK")
	_, err = Dial(t.Context(), c.server.URLFor("rep", "p", c.database), DialOptions{})
	var e *model.Error
	if !errors.As(err, &e) || e.Kind != model.Refused || !strings.Contains(e.Msg, "locked") {
		t.Errorf("locked account: %v", err)
	}
}

// naughty returns the lines of the list of naughty strings, where there is one.
func naughty(t *testing.T) []string {
	folder := os.Getenv("RAPPORT_TESTDATA")
	if folder == "" {
		return nil
	}
	b, err := os.ReadFile(filepath.Join(folder, "naughty-strings", "blns.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(b), "\n")
}

// TestTextIsKeptByteForByte sends hostile text up, measures a change against
// it and reads it back.
func TestTextIsKeptByteForByte(t *testing.T) {
	c := newCompany(t)
	central := c.dial()
	if _, err := central.Poll(t.Context(), model.Device{Client: c.client}, model.Position{}); err != nil {
		t.Fatal(err)
	}
	texts := []string{"'; DROP TABLE contact; --", `back\slash\'`, "\x00nul\x00", "lone\rcr", "\x1a", "😀👩‍👩‍👧", "שלום", "Jose\u0301", "José", "\u200b", "?", "/* ? */ # -- \"", "trail ", " ", "", "\n\t", "`", "%_", "\ufeff", strings.Repeat("€", 300000)}
	texts = append(texts, naughty(t)...)
	contact := model.EntityOf("contact")
	var inserts, updates []model.PushOp
	for _, s := range texts {
		id := c.ids.New()
		inserts = append(inserts, insert("contact", id, map[string]any{"notes": s}))
		updates = append(updates, update("contact", id, "notes", s, s+s))
	}
	for i, r := range c.push(central, inserts...) {
		if r.Outcome != model.PushApplied {
			t.Errorf("insert %.40q: %+v", texts[i], r)
		}
	}
	page, _ := c.follow(central, model.Position{})
	for _, row := range page.Rows["contact"] {
		for j, op := range inserts {
			if op.ID == row.ID() && row.Get(contact, "notes") != texts[j] {
				t.Errorf("%.40q came back as %.40q", texts[j], row.Get(contact, "notes"))
			}
		}
	}
	if len(page.Rows["contact"]) != len(texts) {
		t.Errorf("%d rows of %d", len(page.Rows["contact"]), len(texts))
	}
	for i, r := range c.push(central, updates...) {
		if texts[i] != "" && r.Outcome != model.PushApplied {
			t.Errorf("update of %.40q: %+v", texts[i], r)
		}
	}
	rows, err := c.server.DB(c.database).Query("SELECT changes FROM sync_audit WHERE tbl = 'contact'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		var v map[string][2]any
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(s), &v); err != nil {
			t.Errorf("history %.80q: %v", s, err)
		}
	}
}

func TestValuesOfEachType(t *testing.T) {
	c := newCompany(t)
	central := c.dial()
	deal, line := model.EntityOf("deal"), model.EntityOf("deal_line")
	d, l := c.ids.New(), c.ids.New()
	at := time.Date(2026, 10, 25, 0, 30, 0, 7_000_000, time.UTC).UnixMilli() // within a repeated hour in Berlin
	values := map[string]any{"name": "d", "amount_minor": int64(9007199254740993), "amount_currency": "EUR", "close_date": "2026-03-29", "closed_at": at}
	part := map[string]any{"deal_id": d, "quantity": "12345678901234.5678", "discount": "-0.5"}
	for i, r := range c.push(central, insert("deal", d, values), insert("deal_line", l, part)) {
		if r.Outcome != model.PushApplied {
			t.Fatalf("%d: %+v", i, r)
		}
	}
	rows, err := central.Fetch(t.Context(), map[model.Noun][]model.ID{"deal": {d}, "deal_line": {l}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range values {
		if got := rows["deal"][0].Get(deal, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	for name, want := range part {
		if got := rows["deal_line"][0].Get(line, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	res := c.push(central,
		update("deal", d, "amount_minor", int64(9007199254740992), int64(1)), // a neighbour in floating point
		update("deal", d, "amount_minor", int64(9007199254740993), int64(1)),
		update("deal", d, "closed_at", at+1, nil),
		update("deal", d, "closed_at", at, at+1),
		update("deal", d, "close_date", "2026-03-29", nil),
		update("deal", d, "close_date", nil, "2028-02-29"),
		update("deal_line", l, "quantity", "12345678901234.5678", "1"),
		update("deal_line", l, "discount", "-0.5", nil),
		update("deal_line", l, "product_id", nil, nil),
	)
	for i, want := range "010111111" {
		if (res[i].Outcome == model.PushApplied) != (want == '1') {
			t.Errorf("operation %d: %+v", i, res[i])
		}
	}
}

func TestEditedAtIsClamped(t *testing.T) {
	c := newCompany(t)
	central := c.dial()
	past, future := c.ids.New(), c.ids.New()
	ops := []model.PushOp{insert("contact", past, map[string]any{"last_name": "p"}), insert("contact", future, map[string]any{"last_name": "f"})}
	ops[0].EditedAt = time.Date(2020, 1, 2, 3, 4, 5, 6_000_000, time.UTC).UnixMilli()
	ops[1].EditedAt = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	c.push(central, ops...)
	if got := c.one("SELECT CONCAT(created_at, '/', updated_at) FROM contact WHERE last_name='p'"); got != "2020-01-02 03:04:05.006/2020-01-02 03:04:05.006" {
		t.Errorf("made offline: %s", got)
	}
	if got := c.one("SELECT updated_at <= UTC_TIMESTAMP(3) FROM contact WHERE last_name='f'"); got != "1" {
		t.Error("a clock that runs ahead is believed")
	}
}

func TestLongBatchIsCut(t *testing.T) {
	s := servertest.Start(t, servertest.MaxAllowedPacket(1<<20))
	url := s.Database(t)
	if _, err := Init(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	c := &company{T: t, server: s, url: url, database: servertest.Name(url), ids: model.NewIDSource(nil, nil)}
	c.client = c.ids.New()
	central := c.dial()
	if _, err := central.Poll(t.Context(), model.Device{Client: c.client}, model.Position{}); err != nil {
		t.Fatal(err)
	}
	var ops []model.PushOp
	for range 10 {
		ops = append(ops, insert("contact", c.ids.New(), map[string]any{"notes": strings.Repeat("é", 150000)}))
	}
	ops = append(ops, insert("contact", c.ids.New(), map[string]any{"notes": strings.Repeat("x", 3<<20)}))
	res := c.push(central, ops...)
	for i, r := range res[:10] {
		if r.Outcome != model.PushApplied {
			t.Errorf("operation %d: %+v", i, r)
		}
	}
	if res[10].Code != "too_long" {
		t.Errorf("a row beyond the limit: %+v", res[10])
	}
}

func TestServerGoneAndBack(t *testing.T) {
	s := servertest.Start(t)
	url := s.Database(t)
	if _, err := Init(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	central, err := Dial(t.Context(), url, DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer central.Close()
	s.Kill9()
	if _, err := central.Poll(t.Context(), model.Device{}, model.Position{}); model.KindOf(err) != model.Unreachable {
		t.Errorf("on a connection that died: %v", err)
	}
	if _, err := Dial(t.Context(), url, DialOptions{Timeout: time.Second}); model.KindOf(err) != model.Unreachable {
		t.Errorf("on a new one: %v", err)
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	again, err := Dial(t.Context(), "mysql://root@127.0.0.1:1/x,"+url, DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if h, err := again.Poll(t.Context(), model.Device{}, model.Position{}); err != nil || h.Seq != 7 {
		t.Errorf("%+v, %v", h, err)
	}
	if err := s.Pause(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = again.Poll(ctx, model.Device{}, model.Position{})
	if model.KindOf(err) != model.Unreachable {
		t.Errorf("a server that hangs: %v", err)
	}
	if err := s.Resume(); err != nil {
		t.Fatal(err)
	}
	s.SQL(t, "", "SET GLOBAL read_only = 1", "CREATE USER r@'127.0.0.1'", "GRANT ALL ON *.* TO r@'127.0.0.1'", "REVOKE SUPER, READ_ONLY ADMIN ON *.* FROM r@'127.0.0.1'")
	standby, err := Dial(t.Context(), s.URLFor("r", "", servertest.Name(url)), DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer standby.Close()
	if h, err := standby.Poll(t.Context(), model.Device{Client: model.CompanyScope}, model.Position{}); err != nil || !h.ReadOnly {
		t.Errorf("a standby: %+v, %v", h, err)
	}
	_, err = standby.Push(t.Context(), &model.PushBatch{Client: model.CompanyScope, Number: 1, Nonce: "n"}, model.Position{})
	if model.KindOf(err) != model.Unreachable {
		t.Errorf("a push to a standby: %v", err)
	}
}

func TestNoCentral(t *testing.T) {
	s := servertest.Shared(t)
	central, err := Dial(t.Context(), s.Database(t), DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer central.Close()
	if _, err := central.Poll(t.Context(), model.Device{}, model.Position{}); model.KindOf(err) != model.NoCentral {
		t.Errorf("an empty database: %v", err)
	}
	if _, err := Dial(t.Context(), s.URL("not_there"), DialOptions{}); model.KindOf(err) != model.NoCentral {
		t.Errorf("a missing database: %v", err)
	}
}

// TestPartOfALongBatchIsGone takes away a part of a batch that needs several
// requests before the last of them comes: nothing is applied without it, and the
// whole batch is sent again.
func TestPartOfALongBatchIsGone(t *testing.T) {
	c := newCompany(t)
	c.person("ann", "sales", "all", "")
	p := servertest.NewProxy(t, c.server)
	central, err := Dial(t.Context(), p.URL(c.urlOf("ann")), DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer central.Close()
	if _, err := central.Poll(t.Context(), model.Device{Client: c.client}, model.Position{}); err != nil {
		t.Fatal(err)
	}
	central.head.MaxPacket = 4096
	var ops []model.PushOp
	for i := range 20 {
		ops = append(ops, insert("contact", c.ids.New(), map[string]any{"last_name": strings.Repeat("n", 10*i+1), "notes": strings.Repeat("long", 100)}))
	}
	gone := ""
	p.On("CALL sync_push", func() bool {
		gone = c.one("SELECT COUNT(*) FROM sync_stage")
		c.sql("DELETE FROM sync_stage WHERE part = 1")
		return true
	})
	for i, r := range c.push(central, ops...) {
		if r.Outcome != model.PushApplied {
			t.Errorf("operation %d: %+v", i, r)
		}
	}
	if got := c.one("SELECT COUNT(*) FROM contact"); got != "20" || gone < "3" {
		t.Errorf("%s contacts of 20, in %s parts", got, gone)
	}
}
