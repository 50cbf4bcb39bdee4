package model

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestParseMoney(t *testing.T) {
	for in, want := range map[string]string{
		"1200.50 EUR": "1200.50 EUR", "1200.50": "1200.50 EUR", "$22,700.00": "22700.00 USD", "$1,117.10K": "1117100.00 USD",
		"1.234,50 €": "1234.50 EUR", "1'200": "1200.00 EUR", "-5": "-5.00 EUR", "(12.30)": "-12.30 EUR", "CHF 1'000.05": "1000.05 CHF",
		"1,5": "1.50 EUR", "1,234": "1234.00 EUR", "1.234.567": "1234567.00 EUR", "500 JPY": "500 JPY", "0": "0.00 EUR", "1.10 KWD": "1.100 KWD",
		"12USD": "12.00 USD", "2.5M": "2500000.00 EUR",
	} {
		m, err := ParseMoney(in, "EUR")
		if err != nil || m.String() != want {
			t.Errorf("ParseMoney(%q) = %s, %v; want %s", in, m, err, want)
		}
	}
	for _, in := range []string{"", "abc", "1.234 EUR EUR", "1.005 EUR", "1..2", "12,34,5.678", "9999999999999999999"} {
		if m, err := ParseMoney(in, "EUR"); err == nil {
			t.Errorf("ParseMoney(%q) = %s, want an error", in, m)
		}
	}
}

func TestMoneyRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Money{rapid.Int64Range(-1e15, 1e15).Draw(t, "minor"), rapid.SampledFrom([]string{"EUR", "JPY", "KWD"}).Draw(t, "currency")}
		got, err := ParseMoney(m.String(), "")
		if err != nil || got != m {
			t.Fatalf("%s came back as %v, %v", m, got, err)
		}
	})
}

func TestParseDate(t *testing.T) {
	now := time.Date(2026, 11, 21, 15, 0, 0, 0, time.FixedZone("CET", 3600)) // a Saturday
	for in, want := range map[string]string{
		"2026-12-01": "2026-12-01", "1.12.2026": "2026-12-01", "1.12.": "2026-12-01", "1.2.": "2027-02-01", "today": "2026-11-21",
		"Tomorrow": "2026-11-22", "fri": "2026-11-27", "sat": "2026-11-28", "+3d": "2026-11-24", "-2w": "2026-11-07", "+1m": "2026-12-21",
		"16 Apr, 2021": "2021-04-16", "20261201": "2026-12-01",
	} {
		if got, err := ParseDate(in, now); err != nil || got != want {
			t.Errorf("ParseDate(%q) = %s, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "31.2.2026", "soon", "2026-13-01", "+d", "0000-00-00"} {
		if got, err := ParseDate(in, now); err == nil {
			t.Errorf("ParseDate(%q) = %s, want an error", in, got)
		}
	}
}

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 11, 21, 15, 0, 0, 0, time.FixedZone("CET", 3600))
	for in, want := range map[string]string{
		"2026-12-01T14:30:00Z": "2026-12-01T14:30:00Z", "2026-12-01 14:30": "2026-12-01T13:30:00Z", "tomorrow 9:00": "2026-11-22T08:00:00Z",
		"9:15": "2026-11-21T08:15:00Z", "+1d": "2026-11-21T23:00:00Z", "2026-12-01T14:30:00.5+01:00": "2026-12-01T13:30:00.5Z",
	} {
		if got, err := ParseTime(in, now); err != nil || FormatTime(got) != want {
			t.Errorf("ParseTime(%q) = %s, %v; want %s", in, FormatTime(got), err, want)
		}
	}
}

func TestIDs(t *testing.T) {
	src := NewIDSource(nil, nil)
	last := ID("")
	for range 10000 {
		id := src.New()
		if id <= last {
			t.Fatalf("%s does not follow %s", id, last)
		}
		if back := IDFromBytes(id.Bytes()); back != id {
			t.Fatalf("%s came back as %s", id, back)
		}
		if p, ok := ParseID(strings.ToUpper(string(id))); !ok || p != id {
			t.Fatalf("ParseID(%s) = %s, %v", id, p, ok)
		}
		last = id
	}
	stuck := NewIDSource(func() time.Time { return time.UnixMilli(1000) }, nil)
	for last = ""; last < "00000000-03ea"; {
		id := stuck.New()
		if id <= last {
			t.Fatalf("%s does not follow %s with a clock that stands", id, last)
		}
		last = id
	}
	one, other := DerivedID("tag", "vip"), DerivedID("tag", "v"+"ip")
	if one != other || DerivedID("a", "bc") == DerivedID("ab", "c") {
		t.Error("derived ids follow from their parts, and from nothing else")
	}
}

// TestFoldASCII holds that texts of ASCII are folded as all others are.
func TestFoldASCII(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOf(rapid.SampledFrom([]rune("aZz \t\n\v\f\r.0@[\x00\x7f"))).Draw(t, "text")
		if got, want := Fold(s), strings.Join(strings.Fields(strings.ToLower(s)), " "); got != want {
			t.Fatalf("Fold(%q) = %q, want %q", s, got, want)
		}
	})
}

func TestFold(t *testing.T) {
	for in, want := range map[string]string{
		"José": "jose", "STRASSE": "strasse", "Straße": "strasse", "Øre  Łódź": "ore lodz", "ﬁx": "fix", "Ǆ": "dz", "I\u0307": "i", "李小龍": "李小龍",
	} {
		if got := Fold(in); got != want {
			t.Errorf("Fold(%q) = %q, want %q", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		if once := Fold(s); Fold(once) != once {
			t.Fatalf("folding %q twice gives %q, then %q", s, once, Fold(once))
		}
	})
}

// TestVisible checks that nothing that a terminal obeys gets through.
func TestVisible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) + rapid.String().Draw(t, "text") + "\x1b[31m\u202e\u009b2J\r\n\t\x00"
		got := Visible(s)
		if !utf8.ValidString(got) {
			t.Fatalf("%q is not UTF-8", got)
		}
		for _, r := range got {
			if r < 0x20 || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r == 0x2028 {
				t.Fatalf("%q lets %U through", got, r)
			}
		}
	})
}

func TestJSONRoundTrip(t *testing.T) {
	env := Env{Now: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC), Currency: "EUR"}
	src := `{"id":"0197aaaa-bbbb-7ccc-8ddd-eeeeffff0000","first_name":"Ada","last_name":"L\u0000 \u2028 <&>","birth_date":"--12-10","do_not_call":true,
	"organization":{"id":"0197aaaa-bbbb-7ccc-8ddd-eeeeffff0001","name":"Acme"},
	"organizations":[{"id":"0197aaaa-bbbb-7ccc-8ddd-eeeeffff0001","name":"Acme","role":"CEO"}],
	"phone":["+41 44 668 18 00:work",{"value":"1:2","label":"x y","primary":true}],"tag":["vip"],
	"address":[{"street":"Hauptstr. 1\n2. OG","city":"Zürich","postcode":"08001"}]}`
	ed, err := EditFromJSON(contact, []byte(src), env)
	if err != nil {
		t.Fatal(err)
	}
	r := &Record{Noun: "contact", ID: ed.ID, Values: ed.Set}
	out := r.JSON(nil)
	again, err := EditFromJSON(contact, out, env)
	if err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	r2 := &Record{Noun: "contact", ID: again.ID, Values: again.Set}
	out2 := r2.JSON(nil)
	if string(out) != string(out2) {
		t.Errorf("not the same:\n%s\n%s", out, out2)
	}
	for _, want := range []string{`"label":"work"`, `"value":"1:2"`, `"tag":["vip"]`, `"role":"CEO"`, `"birth_date":"--12-10"`, `"postcode":"08001"`, `<&>`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%s is missing in %s", want, out)
		}
	}
}

func TestEditFromText(t *testing.T) {
	env := Env{Now: time.Now(), Currency: "EUR"}
	ed, err := EditFromText(contact, []string{"last_name=a=b", "phone=+41 1:mobile", "phone=2:::x", "phone=http://x:y", "tag="}, []string{"email=a@b:work"}, nil, env)
	if err != nil {
		t.Fatal(err)
	}
	phones := ed.Set["phone"].([]*Record)
	got := [][2]string{}
	for _, p := range phones {
		got = append(got, [2]string{p.Text("value"), p.Text("label")})
	}
	want := [][2]string{{"+41 1", "mobile"}, {"2:", "x"}, {"http://x:y", ""}}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("phone %d = %v, want %v", i, got[i], want[i])
		}
	}
	if ed.Set["last_name"] != "a=b" || ed.Add["email"][0].Text("label") != "work" || len(ed.Set["tag"].([]*Record)) != 0 {
		t.Errorf("edit = %+v", ed)
	}
	if _, err := EditFromText(contact, []string{"lastname=x"}, nil, nil, env); KindOf(err) != Invalid || !strings.Contains(err.(*Error).Hint, "last_name") {
		t.Errorf("a misspelt field: %v", err)
	}
}

func TestParseFilter(t *testing.T) {
	got, err := ParseFilter(deal, `stage=Won  name~"van \"der" amount>=1000 close_date<+30d owner!=me lost_reason !source`)
	if err != nil {
		t.Fatal(err)
	}
	want := []Condition{{"stage", Equal, "Won"}, {"name", Contains, `van "der`}, {"amount", AtLeast, "1000"}, {"close_date", Less, "+30d"},
		{"owner", NotEqual, "me"}, {"lost_reason", IsPresent, ""}, {"source", IsEmpty, ""}}
	if len(got) != len(want) {
		t.Fatalf("got %+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("term %d = %+v, want %+v", i, got[i], want[i])
		}
	}
	for _, bad := range []string{"stag=Won", `name="x`, "=x", "amount>"} {
		if _, err := ParseFilter(deal, bad); KindOf(err) != Invalid {
			t.Errorf("ParseFilter(%q) = %v, want Invalid", bad, err)
		}
	}
}

func TestBatchKeepsItsTypes(t *testing.T) {
	b := &PushBatch{Client: "c", Number: 1, Ops: []PushOp{{Table: "deal", ID: "0197aaaa-bbbb-7ccc-8ddd-eeeeffff0000",
		Columns: []string{"name", "amount_minor", "stage_id", "close_date"}, Values: []any{"x", int64(1 << 60), ID("0197aaaa-bbbb-7ccc-8ddd-eeeeffff0001"), nil},
		Base: []any{nil, int64(5), nil, "2026-01-01"}}}}
	data, _ := json.Marshal(b)
	back, err := DecodeBatch(data)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range b.Ops[0].Values {
		if back.Ops[0].Values[i] != v || back.Ops[0].Base[i] != b.Ops[0].Base[i] {
			t.Errorf("value %d = %#v, want %#v", i, back.Ops[0].Values[i], v)
		}
	}
}
