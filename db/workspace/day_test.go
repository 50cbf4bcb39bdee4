package workspace_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"rapport/db/mysql/servertest"
)

// program is the real program, built once for all tests.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "rapport-test-")
	if err != nil {
		return "", err
	}
	programDir = dir
	path := filepath.Join(dir, "rapport")
	cmd := exec.Command("go", "build", "-o", path, "rapport")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w: %s", err, out)
	}
	return path, nil
})

var programDir string // of the built program, "" if no test needed it

// TestMain takes the built program away again.
func TestMain(m *testing.M) {
	code := m.Run()
	if programDir != "" {
		os.RemoveAll(programDir)
	}
	os.Exit(code)
}

// laptop is one home that is worked with by commands only, as a script does.
type laptop struct {
	t       *testing.T
	dir     string
	central string
}

// run runs one command and returns its exit code and what it printed.
func (l *laptop) run(stdin string, args ...string) (code int, out, errs string) {
	l.t.Helper()
	path, err := program()
	if err != nil {
		l.t.Fatal(err)
	}
	var o, e bytes.Buffer
	cmd := exec.CommandContext(l.t.Context(), path, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + l.dir, "RAPPORT_HOME=" + l.dir, "RAPPORT_CENTRAL=" + l.central}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &o, &e
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		l.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), o.String(), e.String()
}

// json runs a command that must succeed and decodes its answer.
func (l *laptop) json(args ...string) map[string]any {
	l.t.Helper()
	code, out, errs := l.run("", append(args, "--json", "--no-input")...)
	if code != 0 {
		l.t.Fatalf("rapport %s: exit %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return l.decode(out)
}

func (l *laptop) decode(out string) map[string]any {
	l.t.Helper()
	var v map[string]any
	dec := json.NewDecoder(strings.NewReader(out))
	if err := dec.Decode(&v); err != nil {
		l.t.Fatalf("%v in %q", err, out)
	}
	return v
}

// want compares numbers of an answer.
func want(t *testing.T, what string, got map[string]any, fields map[string]float64) {
	t.Helper()
	for k, n := range fields {
		if got[k] != n {
			t.Errorf("%s: %s = %v, want %v", what, k, got[k], n)
		}
	}
}

// realData returns the folder of real files that nobody here wrote.
func realData(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("RAPPORT_TESTDATA")
	if dir == "" {
		t.Skip("RAPPORT_TESTDATA does not name the folder with the real data")
	}
	return dir
}

// TestDay is a rep's day on the real sales dataset: two laptops, one central,
// edits that join and edits that conflict, another program, a backup and a
// lost laptop.
func TestDay(t *testing.T) {
	data := realData(t)
	srv := servertest.Shared(t)
	url := srv.Database(t)
	db := srv.DB(servertest.Name(url))
	a, b := &laptop{t, t.TempDir(), url}, &laptop{t, t.TempDir(), url}
	a.json("central", "init")

	files := []string{"import", "--currency", "USD"}
	for _, f := range []string{"sales_pipeline.csv", "accounts.csv", "products.csv", "sales_teams.csv"} {
		files = append(files, filepath.Join(data, "maven-crm", f))
	}
	got := a.json(files...)
	deals := got["by_noun"].(map[string]any)["deal"].(map[string]any)
	want(t, "import", deals, map[string]float64{"read": 8800, "created": 8800, "rejected": 0})
	orgs := got["by_noun"].(map[string]any)["organization"].(map[string]any)
	want(t, "import", orgs, map[string]float64{"created": 85, "rejected": 0})
	want(t, "import again", a.json(files...), map[string]float64{"created": 0, "updated": 0, "rejected": 0})

	won, count := 0.0, 0.0
	report := a.json("report", "won-lost", "--by", "month")
	cols := map[string]int{}
	for i, c := range report["columns"].([]any) {
		cols[c.(map[string]any)["name"].(string)] = i
	}
	for _, r := range report["rows"].([]any) {
		row := r.([]any)
		count += row[cols["won"]].(float64)
		if m, ok := row[cols["won_amount"]].(map[string]any); ok {
			var n float64
			fmt.Sscanf(m["amount"].(string), "%f", &n)
			won += n
		}
	}
	if won != 10005534 || count != 4238 {
		t.Errorf("the report of won deals says %.2f and %v, want 10005534 and 4238", won, count)
	}

	first := a.json("sync")
	if n := first["pushed"].(float64); n < 8800 {
		t.Errorf("the first sync sent %v records", n)
	}
	b.json("sync")
	if n := b.json("deal", "list", "--limit", "1")["total"]; n != 8800.0 {
		t.Errorf("B has %v deals, want 8800", n)
	}

	id := a.json("deal", "list", "--filter", "external_id=1C1I7A6R")["items"].([]any)[0].(map[string]any)["id"].(string)
	deal := func(l *laptop) map[string]any { l.t.Helper(); return l.json("deal", "show", id) }

	t.Run("different fields join", func(t *testing.T) {
		a.json("deal", "edit", id, "--set", "next_step=call")
		b.json("deal", "edit", id, "--set", "source=fair")
		a.json("sync")
		b.json("sync")
		a.json("sync")
		for _, l := range []*laptop{a, b} {
			if d := deal(l); d["next_step"] != "call" || d["source"] != "fair" {
				t.Errorf("next_step %v, source %v", d["next_step"], d["source"])
			}
		}
		var both string
		if err := db.QueryRow("SELECT CONCAT(next_step, ' ', source) FROM deal WHERE external_id = '1C1I7A6R'").Scan(&both); err != nil || both != "call fair" {
			t.Errorf("on the server: %q, %v", both, err)
		}
	})

	t.Run("one amount, two values", func(t *testing.T) {
		a.json("deal", "edit", id, "--set", "amount=1111 USD")
		b.json("deal", "edit", id, "--set", "amount=2222 USD")
		a.json("sync")
		code, out, _ := b.run("", "sync", "--json")
		if code != 4 || b.decode(out)["conflicts"] != 1.0 {
			t.Fatalf("sync of B: exit %d, %s; want 4 and one conflict", code, out)
		}
		open := b.json("conflict", "list")["items"].([]any)
		if len(open) != 1 {
			t.Fatalf("%d conflicts", len(open))
		}
		c := open[0].(map[string]any)
		f := c["fields"].(map[string]any)["amount"].(map[string]any)
		if amount(f["base"]) != "1054.00" || amount(f["mine"]) != "2222.00" || amount(f["theirs"]) != "1111.00" {
			t.Errorf("conflict: %v", f)
		}
		b.json("conflict", "resolve", c["id"].(string), "--take", "mine")
		want(t, "settled", b.json("status"), map[string]float64{"pending": 1, "conflicts": 0})
		b.json("sync")
		a.json("sync")
		for _, l := range []*laptop{a, b} {
			if got := amount(deal(l)["amount"]); got != "2222.00" {
				t.Errorf("amount = %s, want 2222.00", got)
			}
		}
	})

	t.Run("another program's change arrives", func(t *testing.T) {
		if _, err := db.Exec("UPDATE deal SET name = 'Changed straight in MySQL' WHERE external_id = '1C1I7A6R'"); err != nil {
			t.Fatal(err)
		}
		want(t, "sync", a.json("sync"), map[string]float64{"pulled": 1, "pushed": 0})
		if d := deal(a); d["name"] != "Changed straight in MySQL" {
			t.Errorf("name = %v", d["name"])
		}
		want(t, "idle sync", a.json("sync"), map[string]float64{"pulled": 0, "pushed": 0, "round_trips": 1})
	})

	t.Run("the laptop is lost", func(t *testing.T) {
		a.json("deal", "edit", id, "--set", "next_step=unsent")
		a.json("contact", "add", "--set", "last_name=Unsent")
		before := a.json("pending", "list")["items"].([]any)
		stick := t.TempDir()
		want(t, "backup", map[string]any{"verified": b2f(a.json("backup", "create", "--to", stick)["verified"])}, map[string]float64{"verified": 1})
		if err := os.RemoveAll(a.dir); err != nil {
			t.Fatal(err)
		}
		a = &laptop{t, t.TempDir(), url}
		a.json("backup", "restore", "--from", stick)
		after := a.json("pending", "list")["items"].([]any)
		if len(after) != len(before) || len(after) == 0 {
			t.Errorf("%d unsent records after the restore, %d before", len(after), len(before))
		}
		if n := a.json("deal", "list", "--limit", "1")["total"]; n != 8800.0 {
			t.Errorf("%v deals after the restore", n)
		}
		a.json("sync")
		b.json("sync")
		if d := deal(b); d["next_step"] != "unsent" {
			t.Errorf("the unsent edit did not arrive: %v", d["next_step"])
		}
		want(t, "afterwards", a.json("status"), map[string]float64{"pending": 0})
	})
}

func b2f(v any) float64 {
	if v == true {
		return 1
	}
	return 0
}

func amount(v any) string {
	m, _ := v.(map[string]any)
	s, _ := m["amount"].(string)
	return s
}
