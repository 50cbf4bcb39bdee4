package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rapport/db/workspace"
	"rapport/model"
	"rapport/ui/cli"
)

// now is the clock of every test: a Saturday.
var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// shell runs commands on one home.
type shell struct {
	t    *testing.T
	home string
	env  map[string]string
}

func newShell(t *testing.T) *shell {
	t.Helper()
	return &shell{t: t, home: filepath.Join(t.TempDir(), "home"), env: map[string]string{"RAPPORT_ME": "ada"}}
}

// flags name the home; without one the folders of XDG hold.
func (s *shell) flags() []string {
	if s.home == "" {
		return nil
	}
	return []string{"--home", s.home}
}

// answer is what a command printed.
type answer struct {
	t        *testing.T
	code     int
	out, err string
}

func (s *shell) input(in string, args ...string) answer {
	s.t.Helper()
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	code := cli.Run(ctx, append(s.flags(), args...), cli.Program{
		Streams: cli.Streams{In: strings.NewReader(in), Out: &out, Err: &errs},
		Backend: workspace.New(workspace.Options{Log: slog.New(slog.DiscardHandler)}),
		Env:     func(name string) string { return s.env[name] },
		Now:     func() time.Time { return now },
		Build:   cli.Build{Version: "test", Go: "go"},
	})
	return answer{t: s.t, code: code, out: out.String(), err: errs.String()}
}

func (s *shell) run(args ...string) answer { s.t.Helper(); return s.input("", args...) }

// ok runs a command that must succeed and returns its JSON.
func (s *shell) ok(args ...string) map[string]any {
	s.t.Helper()
	a := s.run(append(args, "--json")...)
	if a.code != 0 {
		s.t.Fatalf("%v: exit %d\n%s%s", args, a.code, a.out, a.err)
	}
	return a.json()
}

func (a answer) json() map[string]any {
	a.t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(a.out), &v); err != nil {
		a.t.Fatalf("this is not one JSON object: %v\n%s", err, a.out)
	}
	return v
}

// failure returns the code of the error on the standard error.
func (a answer) failure() string {
	a.t.Helper()
	var v struct {
		Error struct{ Code, Message, Hint string }
	}
	if err := json.Unmarshal([]byte(a.err), &v); err != nil || v.Error.Message == "" {
		a.t.Fatalf("the standard error is not an error in JSON: %v\n%s", err, a.err)
	}
	return v.Error.Code
}

func text(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func (s *shell) want(got any, want string) {
	s.t.Helper()
	if g := text(got); g != want {
		s.t.Fatalf("got  %s\nwant %s", g, want)
	}
}

func TestEmptyList(t *testing.T) {
	s := newShell(t)
	a := s.run("contact", "list", "--json")
	if want := `{"schema":"rapport.contact/1","items":[],"next":null,"total":0}` + "\n"; a.code != 0 || a.out != want || a.err != "" {
		t.Fatalf("exit %d, %q, %q", a.code, a.out, a.err)
	}
	a = s.run("contact", "list")
	if a.code != 0 || a.out != "" || strings.Count(a.err, "\n") != 1 {
		t.Fatalf("exit %d, %q, %q", a.code, a.out, a.err)
	}
	if info, err := os.Stat(s.home); err != nil || info.Mode().Perm() != 0o700 {
		t.Fatalf("the home's mode is %v, %v", info.Mode(), err)
	}
}

func TestExitCodes(t *testing.T) {
	s := newShell(t)
	s.ok("contact", "add", "--set", "last_name=Meier")
	for _, c := range []struct {
		args string
		code int
		kind string
	}{
		{"", 2, "usage"},
		{"nope", 2, "usage"},
		{"contact", 2, "usage"},
		{"contact nope", 2, "usage"},
		{"contact list --nope", 2, "usage"},
		{"contact list --limit x", 2, "usage"},
		{"contact list --limit -1", 2, "invalid"},
		{"contact list --filter nope=1", 2, "invalid"},
		{"contact list --sort nope", 2, "invalid"},
		{"contact list --columns nope", 2, "invalid"},
		{"contact list --view mine", 2, "invalid"},
		{"contact show", 2, "usage"},
		{"contact show 00000000", 10, "not_found"},
		{"contact add", 2, "invalid"},
		{"contact add --set", 2, "usage"},
		{"contact add --set nope=1", 2, "invalid"},
		{"contact add --set last_name", 2, "invalid"},
		{"organization add --set name=", 2, "invalid"},
		{"deal add --set name=x --set amount=lots", 2, "invalid"},
		{"contact edit 00000000 --set last_name=x", 10, "not_found"},
		{"contact delete 00000000", 10, "not_found"},
		{"tag merge a b", 2, "invalid"},
		{"ticket list", 2, "invalid"},
		{"campaign add --set name=x", 2, "invalid"},
		{"serve", 2, "invalid"},
		{"sync", 2, "no_central"},
		{"central init", 2, "no_central"},
		{"central status", 2, "no_central"},
		{"central migrate", 2, "no_central"},
		{"central sweep", 2, "no_central"},
		{"backup create --kind half", 2, "invalid"},
		{"backup create --source central", 2, "no_central"},
		{"backup create --continuous --source central", 2, "no_central"},
		{"backup create --continuous --kind full", 2, "invalid"},
		{"backup verify --level V3", 2, "invalid"},
		{"backup verify", 10, "not_found"},
		{"backup restore latest --yes", 10, "not_found"},
		{"import absent.csv", 10, "not_found"},
		{"import", 2, "usage"},
		{"import undo nope", 10, "not_found"},
		{"export nope", 2, "invalid"},
		{"report nope", 2, "invalid"},
		{"report", 2, "usage"},
		{"history contact 00000000", 10, "not_found"},
		{"conflict show 00000000", 10, "not_found"},
		{"conflict resolve 00000000", 2, "invalid"},
		{"pending discard", 2, "invalid"},
		{"search ", 2, "usage"},
	} {
		a := s.run(append([]string{"--json"}, strings.Fields(c.args)...)...)
		if a.code != c.code || a.out != "" || a.failure() != c.kind {
			t.Errorf("%q: exit %d, want %d, %q; %q %s", c.args, a.code, c.code, c.kind, a.out, a.err)
		}
	}
}

func TestHelpIsNoError(t *testing.T) {
	s := newShell(t)
	for _, args := range [][]string{{"--help"}, {"contact", "--help"}, {"contact", "add", "--help"}, {"help", "deal", "move"}, {"completion", "bash"}, {"man"}, {"keys"}, {"version"}, {"--version"}} {
		if a := s.run(args...); a.code != 0 || a.out == "" || a.err != "" {
			t.Errorf("%v: exit %d, %q", args, a.code, a.err)
		}
	}
}

func TestSuggestions(t *testing.T) {
	s := newShell(t)
	for args, near := range map[string]string{
		"contct list": "contact", "contact lsit": "list", "contact list --fliter x": "--filter", "contact add --set last_nam=x": "last_name", "export contac": "contact",
	} {
		if a := s.run(strings.Fields(args)...); a.code != 2 || !strings.Contains(a.err, near) {
			t.Errorf("%q: exit %d, %q", args, a.code, a.err)
		}
	}
	// A command is never guessed from its beginning.
	if a := s.run("cont", "list"); a.code != 2 {
		t.Errorf("an abbreviation was taken: exit %d", a.code)
	}
}

func TestContactLists(t *testing.T) {
	s := newShell(t)
	r := s.ok("contact", "add", "--set", "first_name=Ada", "--set", "phone=+41 44 668 18 00:work", "--set", "phone=0791234567:mobile",
		"--set", "email=ada@example.org", "--set", "email=a@x.org::second best", "--set", "tag=vip", "--set", "birth_date=1815-12-10")
	phones := r["phone"].([]any)
	s.want(phones[0].(map[string]any)["value"], `"+41 44 668 18 00"`)
	s.want(phones[0].(map[string]any)["label"], `"work"`)
	s.want(phones[0].(map[string]any)["primary"], `true`)
	s.want(phones[0].(map[string]any)["e164"], `"+41446681800"`)
	s.want(phones[1].(map[string]any)["primary"], `false`)
	s.want(r["email"].([]any)[1].(map[string]any)["label"], `"second best"`)
	s.want(r["tag"], `["vip"]`)
	s.want(r["sync"], `"pending"`)
	id := r["id"].(string)
	if len(id) != 36 || strings.ToLower(id) != id {
		t.Fatalf("id %q", id)
	}
	r = s.ok("contact", "edit", id[:8], "--add", "tag=math", "--remove", "phone=0791234567")
	s.want(r["tag"], `["vip","math"]`)
	if n := len(r["phone"].([]any)); n != 1 {
		t.Fatalf("%d phones are left", n)
	}
	r = s.ok("contact", "edit", id[28:], "--set", "email=new@example.org", "--set", "birth_date=", "--set", "tag=")
	s.want(r["birth_date"], `null`)
	s.want(r["tag"], `[]`)
	s.want(len(r["email"].([]any)), `1`)
	// What is left out stays as it is.
	s.want(r["first_name"], `"Ada"`)
}

func TestMoneyLinksAndFilters(t *testing.T) {
	s := newShell(t)
	org := s.ok("org", "add", "--set", "name=Acme Corp")
	d := s.ok("deal", "add", "--set", "name=One", "--set", "amount=1200.50", "--set", "organization=Acme Corp", "--set", "close_date=+7d")
	s.want(d["amount"], `{"amount":"1200.50","currency":"EUR"}`)
	s.want(d["organization"], `{"id":"`+org["id"].(string)+`","name":"Acme Corp"}`)
	s.want(d["close_date"], `"2026-11-28"`)
	s.ok("deal", "add", "--set", "name=Two", "--set", "amount=5 USD")
	for filter, want := range map[string]string{
		`amount>1000`: "1", `name~tw`: "1", `organization="Acme Corp"`: "1", `close_date<+30d`: "1", `owner=me`: "2", `name!=One`: "1", `organization=`: "1", `sync=pending`: "2",
	} {
		l := s.ok("deal", "list", "--filter", filter)
		if text(l["total"]) != want || len(l["items"].([]any)) != int(l["total"].(float64)) {
			t.Errorf("%s: %v", filter, l)
		}
	}
	l := s.ok("deal", "list", "--sort", "-name", "--columns", "name")
	if got := text(l["items"].([]any)[0].(map[string]any)["name"]); got != `"Two"` || len(l["items"].([]any)[0].(map[string]any)) != 2 {
		t.Errorf("%v", l["items"])
	}
	one := s.ok("deal", "list", "--limit", "1")
	rest := s.ok("deal", "list", "--limit", "1", "--after", one["next"].(string))
	if rest["next"] != nil || text(rest["total"]) != "2" || text(rest["items"]) == text(one["items"]) {
		t.Errorf("second page: %v", rest)
	}
	if all := s.ok("deal", "list", "--limit", "0"); len(all["items"].([]any)) != 2 {
		t.Errorf("all: %v", all)
	}
}

func TestDealsMove(t *testing.T) {
	s := newShell(t)
	id := s.ok("deal", "add", "--set", "name=One")["id"].(string)
	s.want(s.ok("deal", "move", id, "--stage", "Proposal")["stage"].(map[string]any)["name"], `"Proposal"`)
	if a := s.run("deal", "lose", id, "--json"); a.code != 2 || a.failure() != "invalid" {
		t.Fatalf("lost without a reason: exit %d", a.code)
	}
	lost := s.ok("deal", "lose", id, "--reason", "price")
	s.want(lost["stage"].(map[string]any)["name"], `"Lost"`)
	s.want(lost["lost_reason"], `"price"`)
	won := s.ok("deal", "win", id)
	s.want(won["stage"].(map[string]any)["name"], `"Won"`)
	if won["closed_at"] == nil {
		t.Error("a won deal has no time of closing")
	}
	s.ok("user", "add", "--set", "login=bob", "--set", "name=Bob")
	s.want(s.ok("deal", "assign", id, "--to", "bob")["owner"].(map[string]any)["name"], `"Bob"`)
	act := s.ok("activity", "add", "--set", "subject=Call", "--set", "kind=call", "--set", "about=deal:"+id)
	s.want(act["about"].([]any)[0].(map[string]any)["noun"], `"deal"`)
	s.want(s.ok("activity", "done", act["id"].(string))["status"], `"done"`)
}

func TestStdin(t *testing.T) {
	s := newShell(t)
	one := s.input(`{"last_name":"Meier","email":[{"value":"m@x.org","label":"work"}]}`, "contact", "add", "--stdin", "--json")
	if one.code != 0 || text(one.json()["last_name"]) != `"Meier"` {
		t.Fatalf("one: exit %d %s%s", one.code, one.out, one.err)
	}
	many := s.input("{\"last_name\":\"A\"}\n{\"last_name\":1,\"nope\":2}\n\nthis is no JSON\n{\"last_name\":\"B\"}\n", "contact", "add", "--stdin", "--json")
	if many.code != 3 || many.failure() != "partial" {
		t.Fatalf("many: exit %d %s%s", many.code, many.out, many.err)
	}
	v := many.json()
	if len(v["items"].([]any)) != 2 || len(v["rejected"].([]any)) != 2 {
		t.Fatalf("many: %s", many.out)
	}
	for i, line := range []string{"2", "4"} {
		r := v["rejected"].([]any)[i].(map[string]any)
		if text(r["line"]) != line || text(r["code"]) != `"invalid"` || r["message"] == "" {
			t.Errorf("rejected %d: %v", i, r)
		}
	}
	array := s.input(`[{"last_name":"C"},{"last_name":"D"}]`, "contact", "add", "--stdin", "--json")
	if array.code != 0 || text(array.json()["rejected"]) != `[]` || len(array.json()["items"].([]any)) != 2 {
		t.Fatalf("array: exit %d %s%s", array.code, array.out, array.err)
	}
	id := one.json()["id"].(string)
	edit := s.input(`{"id":"`+id+`","first_name":"Max"}`, "contact", "edit", "--stdin", "--json")
	if edit.code != 0 || text(edit.json()["last_name"]) != `"Meier"` || text(edit.json()["first_name"]) != `"Max"` {
		t.Fatalf("edit: exit %d %s%s", edit.code, edit.out, edit.err)
	}
	for _, bad := range []string{"", "[", "nope", "42"} {
		if a := s.input(bad, "contact", "add", "--stdin", "--json"); a.code != 2 || a.out != "" {
			t.Errorf("%q: exit %d %s", bad, a.code, a.out)
		}
	}
	if n := text(s.ok("contact", "list")["total"]); n != "5" {
		t.Errorf("%s contacts", n)
	}
}

func TestDeleteAndRestore(t *testing.T) {
	s := newShell(t)
	a := s.ok("contact", "add", "--set", "last_name=A")["id"].(string)
	b := s.ok("contact", "add", "--set", "last_name=B")["id"].(string)
	if r := s.run("contact", "delete", a, b, "--json"); r.code != 2 {
		t.Fatalf("two were deleted without a question: exit %d", r.code)
	}
	if d := s.ok("contact", "delete", a); d["deleted_at"] == nil {
		t.Fatalf("%v", d)
	}
	s.want(s.ok("contact", "list", "--bin")["total"], "1")
	s.want(s.ok("contact", "restore", a[28:])["deleted_at"], "null")
	if d := s.ok("contact", "delete", a, b, "--yes"); len(d["items"].([]any)) != 2 {
		t.Fatalf("%v", d)
	}
	s.want(s.ok("contact", "list")["total"], "0")
	s.want(len(s.ok("history", "contact", a)["items"].([]any)) >= 3, "true")
}

func TestAmbiguousID(t *testing.T) {
	s := newShell(t)
	var lines strings.Builder
	for range 3 {
		lines.WriteString("{\"last_name\":\"X\"}\n")
	}
	items := s.input(lines.String(), "contact", "add", "--stdin", "--json").json()["items"].([]any)
	id := items[0].(map[string]any)["id"].(string)
	a := s.run("contact", "show", id[:8], "--json")
	if a.code != 2 || a.failure() != "ambiguous" || !strings.Contains(a.err, id) {
		t.Fatalf("exit %d %s", a.code, a.err)
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	s := newShell(t)
	id := s.ok("deal", "add", "--set", "name=D")["id"].(string)
	before := s.ok("deal", "show", id)
	s.want(s.ok("deal", "edit", id, "--set", "name=E", "--dry-run")["dry_run"], "true")
	for _, args := range [][]string{{"deal", "delete", id}, {"deal", "win", id}, {"deal", "add", "--set", "name=F"}} {
		s.ok(append(args, "--dry-run")...)
	}
	if after := s.ok("deal", "show", id); text(after) != text(before) {
		t.Errorf("changed: %v", after)
	}
	s.want(s.ok("deal", "list")["total"], "1")
}

func TestStatusWithoutCentral(t *testing.T) {
	s := newShell(t)
	if a := s.run("status", "--json"); a.code != 0 || a.out != `{"pending":0,"conflicts":0,"refused":0,"last_sync":null,"central":null,"online":false,"duplicates":0,"left":0}`+"\n" {
		t.Fatalf("exit %d %s", a.code, a.out)
	}
	s.env["RAPPORT_CENTRAL"] = "mysql://eve:secret@127.0.0.1:1/crm"
	a := s.run("status", "--json")
	if a.code != 0 || strings.Contains(a.out, "secret") || text(a.json()["online"]) != "false" {
		t.Fatalf("exit %d %s", a.code, a.out)
	}
	sync := s.run("sync", "--json")
	if sync.code != 5 || sync.failure() != "unreachable" || strings.Contains(sync.err, "secret") {
		t.Fatalf("exit %d %s", sync.code, sync.err)
	}
	if c := s.run("config", "--json"); c.code != 0 || strings.Contains(c.out, "secret") {
		t.Fatalf("exit %d %s", c.code, c.out)
	}
}

func TestConfigIsReadStrictly(t *testing.T) {
	s := newShell(t)
	write := func(text string) {
		if err := os.MkdirAll(s.home, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.home, "config.toml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("me = \"bob\"\n\ncurency = \"CHF\"\n")
	a := s.run("contact", "list", "--json")
	for _, want := range []string{"line 3", "curency", "did you mean currency"} {
		if a.code != 2 || !strings.Contains(a.err, want) {
			t.Fatalf("exit %d, no %q in %s", a.code, want, a.err)
		}
	}
	write("central = [\"mysql://a@h1/crm\", \"mysql://a@h2/crm\"]\ncurrency = \"chf\"\n[backup]\nto = \"/x\"\n")
	c := s.ok("config")
	s.want(c["central"], `"mysql://a@h1/crm,mysql://a@h2/crm"`)
	s.want(c["currency"], `"CHF"`)
	s.want(c["me"], `"ada"`) // the environment stands above the file
	s.env["RAPPORT_ME"] = ""
	s.want(s.ok("config")["me"], `"a"`)
	s.want(s.ok("--central", "mysql://zoe@h/x", "config")["me"], `"zoe"`)
}

func TestOwnKeys(t *testing.T) {
	s := newShell(t)
	s.ok("status")
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(s.home, cli.KeysFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("[list]\nedit = [\"N\"]\n")
	if a := s.run("keys"); a.code != 0 || !strings.Contains(a.out, "| `N` | edit |") {
		t.Errorf("exit %d %s", a.code, a.err)
	}
	write("[list]\nnope = [\"N\"]\n")
	if a := s.run("keys"); a.code != 2 || !strings.Contains(a.err, "nope") {
		t.Errorf("an unknown action: exit %d %s", a.code, a.err)
	}
	write("[list]\nedit = [\"d\"]\n")
	if a := s.run("keys"); a.code != 2 || !strings.Contains(a.err, "delete") {
		t.Errorf("a key of two actions: exit %d %s", a.code, a.err)
	}
}

func TestHostileTextIsMadeVisible(t *testing.T) {
	s := newShell(t)
	name := "a\x1b[31mred\u202e"
	r := s.ok("organization", "add", "--set", "name="+name)
	s.want(r["name"], text(name))
	for _, args := range [][]string{{"organization", "list"}, {"organization", "show", r["id"].(string)}, {"search", "red"}, {"pending", "list"}, {"history", "organization", r["id"].(string)}} {
		if a := s.run(args...); a.code != 0 || strings.ContainsAny(a.out, "\x1b\u202e") {
			t.Errorf("%v: exit %d %q", args, a.code, a.out)
		}
	}
}

func TestSearchFindsEverything(t *testing.T) {
	s := newShell(t)
	s.ok("contact", "add", "--set", "last_name=Müller", "--set", "phone=+41446681800")
	s.ok("organization", "add", "--set", "name=Muller AG")
	if n := len(s.ok("search", "mull")["items"].([]any)); n != 2 {
		t.Errorf("%d found by name", n)
	}
	hits := s.ok("search", "044", "668", "--in", "contact")["items"].([]any)
	if len(hits) != 1 || text(hits[0].(map[string]any)["noun"]) != `"contact"` {
		t.Errorf("by phone: %v", hits)
	}
	s.want(s.ok("search", "nobody")["items"], "[]")
}

func TestExportAndImport(t *testing.T) {
	s := newShell(t)
	s.ok("contact", "add", "--set", "last_name=Meier", "--set", "email=m@x.org")
	file := filepath.Join(t.TempDir(), "c.ndjson")
	s.want(s.ok("export", "contact", "-o", file)["records"], "1")
	other := newShell(t)
	res := other.ok("import", file, "--as", "contact", "--dry-run")
	s.want(res["dry_run"], "true")
	s.want(res["created"], "1")
	other.want(other.ok("contact", "list")["total"], "0")
	res = other.ok("import", file, "--as", "contact")
	for _, name := range []string{"run", "read", "created", "updated", "unchanged", "skipped", "rejected", "rejects_file"} {
		if _, ok := res[name]; !ok {
			t.Errorf("an import does not tell %s", name)
		}
	}
	other.want(other.ok("contact", "list")["total"], "1")
	piped := other.input("last_name,email\nFoo,f@x.org\n,\n", "import", "-", "--as", "contact", "--format", "csv", "--json", "--dry-run")
	if piped.code != 0 && piped.code != 3 || text(piped.json()["created"]) != "1" {
		t.Errorf("from the standard input: exit %d %s%s", piped.code, piped.out, piped.err)
	}
	runs := other.ok("import", "list")["items"].([]any)
	if len(runs) != 1 {
		t.Fatalf("runs: %v", runs)
	}
	other.want(other.ok("import", "undo", res["run"].(string))["kept"], "[]")
	other.want(other.ok("contact", "list")["total"], "0")
}

func TestBackupAndRestore(t *testing.T) {
	s := newShell(t)
	s.ok("contact", "add", "--set", "last_name=Meier")
	to := filepath.Join(t.TempDir(), "backups")
	b := s.ok("backup", "create", "--to", to)
	s.want(b["verified"], "true")
	s.want(b["kind"], `"full"`)
	s.want(len(s.ok("backup", "list", "--from", to)["items"].([]any)), "1")
	s.want(s.ok("backup", "verify", "latest", "--from", to)["id"], text(b["id"]))
	other := newShell(t)
	other.ok("status")
	other.ok("backup", "restore", "--from", to)
	other.want(other.ok("contact", "list")["total"], "1")
	if a := other.run("backup", "restore", "--from", to, "--json"); a.code != 2 {
		t.Errorf("records were replaced without a question: exit %d", a.code)
	}
	other.ok("backup", "restore", "--from", to, "--yes")
	s.want(s.ok("status")["pending"], text(other.ok("status")["pending"]))
}

func TestDemo(t *testing.T) {
	s := newShell(t)
	d := s.ok("demo", "--contacts", "40", "--seed", "7")
	s.want(d["contacts"], "40")
	s.want(d["organizations"], "8")
	s.want(d["deals"], "10")
	s.want(d["activities"], "40")
	s.want(d["home"], text(s.home))
	s.want(s.ok("status")["pending"], "0")
	id := s.ok("contact", "list", "--limit", "1")["items"].([]any)[0].(map[string]any)["id"].(string)
	s.ok("contact", "delete", id)
	s.want(s.ok("demo")["contacts"], "39")
	s.want(s.ok("demo", "--contacts", "40", "--seed", "7", "--reset")["contacts"], "40")

	own := newShell(t)
	own.ok("contact", "add", "--set", "last_name=Mine")
	if a := own.run("demo", "--reset", "--json"); a.code != 2 || a.out != "" {
		t.Fatalf("a person's home was made a demo: exit %d %s", a.code, a.out)
	}
	own.want(own.ok("contact", "list")["total"], "1")
}

func TestReportsHaveOneRowPerCurrency(t *testing.T) {
	s := newShell(t)
	s.ok("deal", "add", "--set", "name=A", "--set", "amount=10 EUR")
	s.ok("deal", "add", "--set", "name=B", "--set", "amount=5 USD")
	r := s.ok("report", "pipeline")
	for _, name := range []string{"report", "as_of", "columns", "rows"} {
		if r[name] == nil {
			t.Errorf("no %s in %v", name, r)
		}
	}
	if n := strings.Count(text(r["rows"]), `"currency":"USD"`); n == 0 {
		t.Errorf("no dollars in %v", r["rows"])
	}
	for _, format := range []string{"csv", "html", "table"} {
		if a := s.run("report", "pipeline", "--format", format); a.code != 0 || a.out == "" {
			t.Errorf("%s: exit %d %s", format, a.code, a.err)
		}
	}
	if n := len(s.ok("report", "list")["items"].([]any)); n < 4 {
		t.Errorf("%d reports", n)
	}
}

func TestDoctor(t *testing.T) {
	s := newShell(t)
	d := s.ok("doctor")
	s.want(d["ok"], "true")
	for _, c := range d["items"].([]any) {
		if c.(map[string]any)["state"] == "fail" {
			t.Errorf("%v", c)
		}
	}
	if err := os.WriteFile(filepath.Join(s.home, "rapport.db"), []byte("this is no database, and it is long enough to be read as one"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		os.Remove(filepath.Join(s.home, "rapport.db"+suffix))
	}
	if a := s.run("doctor", "--json"); a.code == 0 || !strings.Contains(a.out, `"fail"`) {
		t.Errorf("exit %d %s", a.code, a.out)
	}
}

func TestEveryCommandHasAnExample(t *testing.T) {
	s := newShell(t)
	for _, e := range model.Records() {
		for _, verb := range []string{"list", "show", "add", "edit", "delete", "restore"} {
			if a := s.run(string(e.Noun), verb, "--help"); !strings.Contains(a.out, "Examples:") {
				t.Errorf("%s %s has no example", e.Noun, verb)
			}
		}
	}
}
