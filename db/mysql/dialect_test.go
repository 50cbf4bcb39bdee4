package mysql

import (
	"strings"
	"testing"

	"rapport/db/mysql/servertest"
	"rapport/model"
)

func TestDialectOf(t *testing.T) {
	for _, tt := range []struct {
		version, name         string
		old, triggers, proved bool
	}{
		{"10.11.19-MariaDB-0+deb12u1", "MariaDB 10.11.19", false, true, true},
		{"5.5.5-10.11.6-MariaDB-log", "MariaDB 10.11.6", false, true, true},
		{"11.8.2-MariaDB-ubu2404", "MariaDB 11.8.2", false, true, false},
		{"10.6.0-MariaDB", "MariaDB 10.6.0", false, true, false},
		{"10.5.29-MariaDB-1:10.5.29+maria~deb11", "MariaDB 10.5.29", true, true, false},
		{"5.5.5-10.3.39-MariaDB", "MariaDB 10.3.39", true, true, false},
		{"8.0.36", "MySQL 8.0.36", false, true, false},
		{"8.4.3-3", "MySQL 8.4.3", false, true, false},
		{"9.1.0", "MySQL 9.1.0", false, true, false},
		{"8.0.36-28.1", "MySQL 8.0.36", false, true, false},
		{"8.0.15", "MySQL 8.0.15", true, true, false},
		{"5.7.44-log", "MySQL 5.7.44", true, true, false},
		{"5.6.24", "MySQL 5.6.24", true, true, false},
		{"8.0.11-TiDB-v8.5.0", "TiDB 8.5.0", false, false, false},
		{"8.0.11-TiDB-v8.5.0-alpha-244-gec8b81b98e", "TiDB 8.5.0", false, false, false},
		{"5.7.25-TiDB-v6.1.0", "TiDB 6.1.0", true, false, false},
		{"8.0.30-Vitess", "Vitess 8.0.30", false, false, false},
	} {
		t.Run(tt.version, func(t *testing.T) {
			d := dialectOf(tt.version)
			if d.name() != tt.name || (d.refuse() != nil) != tt.old || d.triggers() != tt.triggers || d.verified() != tt.proved {
				t.Errorf("%s: old %v, triggers %v, verified %v", d.name(), d.refuse(), d.triggers(), d.verified())
			}
		})
	}
	if err := dialectOf("").refuse(); err != nil {
		t.Errorf("a server that does not say what it is: %v", err)
	}
}

func TestGreetingVersion(t *testing.T) {
	whole := "\x4a\x00\x00\x00\x0a8.4.3\x00\x08\x00\x00\x00"
	for _, tt := range []struct{ name, greeting, want string }{
		{"OK", whole, "8.4.3"},
		{"cut", whole[:7], ""},
		{"full server", "\x17\x00\x00\x00\xff\x10\x04Too many connections", ""},
		{"nothing", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := greetingVersion([]byte(tt.greeting)); got != tt.want {
				t.Errorf("version %q, want %q", got, tt.want)
			}
		})
	}
}

// TestGuarantees: an administrator reads which promises hold on a server.
func TestGuarantees(t *testing.T) {
	text := func(version string) string {
		var b strings.Builder
		for _, c := range dialectOf(version).checks() {
			b.WriteString(c.State + " " + c.Detail + "\n")
		}
		return b.String()
	}
	for version, wants := range map[string][]string{
		"10.11.19-MariaDB":   {"ok MariaDB 10.11.19: verified", "ok changes by other programs arrive within seconds"},
		"8.4.3":              {"MySQL 8.4.3: unverified", "within seconds"},
		"8.0.11-TiDB-v8.5.0": {"TiDB 8.5.0: tried by hand", "warn changes by other programs arrive within 10 minutes"},
	} {
		for _, want := range wants {
			if got := text(version); !strings.Contains(got, want) {
				t.Errorf("%s: %q is missing in:\n%s", version, want, got)
			}
		}
	}
	if c := dialectOf("8.0.11-TiDB-v8.5.0").scopeCheck("crm"); c.State != "warn" || !strings.Contains(c.Detail, "NOT enforced") || !strings.Contains(c.Detail, "the database crm") {
		t.Errorf("row scope on a server without procedures: %+v", c)
	}
	if c := dialectOf("8.4.3").scopeCheck("crm"); c.State != "ok" || !strings.Contains(c.Detail, "enforced:") {
		t.Errorf("row scope where procedures enforce it: %+v", c)
	}
}

// TestOldServer: a server that is too old is refused with a sentence, whether
// it is to be set up or used.
func TestOldServer(t *testing.T) {
	srv := servertest.Shared(t)
	url := srv.Database(t)
	for _, version := range []string{"5.6.24", "5.7.44-log", "5.5.5-10.5.29-MariaDB"} {
		old := servertest.Posing(t, srv, version, url)
		name := dialectOf(version).name()
		_, dialErr := Dial(t.Context(), old, DialOptions{})
		_, initErr := Init(t.Context(), old)
		_, statusErr := Status(t.Context(), old)
		for what, err := range map[string]error{"sync": dialErr, "init": initErr, "status": statusErr} {
			if model.KindOf(err) != model.Invalid || !strings.Contains(err.Error(), "this server is "+name+", which is too old") {
				t.Errorf("%s on %s: %v", what, version, err)
			}
		}
	}
}

// TestProceduresByDialect looks for what only one of the products knows.
func TestProceduresByDialect(t *testing.T) {
	if got := allProcedures(dialectOf("8.0.11-TiDB-v8.5.0")); len(got) != 2 {
		t.Errorf("%d procedures for a server without them", len(got))
	}
	if dialectOf("10.6.3-MariaDB").procedures() || dialectOf("8.0.16").procedures() || !dialectOf("8.4.3").procedures() || !dialectOf("11.4.2-MariaDB").procedures() {
		t.Error("which server runs the procedures")
	}
	for _, p := range allProcedures(dialectOf("8.4.3")) {
		q := p.create("'x'@'localhost'", false)
		for _, word := range []string{"check_constraint_checks", "OR REPLACE", "EXECUTE IMMEDIATE", "JSON_VALUE(", "JSON_EXISTS", "RETURNING", "NOT ATOMIC", preludeMark} {
			if strings.Contains(q, word) {
				t.Errorf("%s for MySQL holds %s", p.name, word)
			}
		}
		if !strings.Contains(q, "SQL SECURITY DEFINER") {
			t.Errorf("%s runs with the rights of its caller", p.name)
		}
	}
	public := map[string]bool{}
	for _, name := range personProcedures() {
		public[name] = true
	}
	for _, p := range allProcedures(dialectOf("10.11.6-MariaDB")) {
		if !public[p.name] {
			continue
		}
		delete(public, p.name)
		first, _, _ := strings.Cut(p.body[strings.Index(p.body, "  SET "):], "\n")
		if !strings.Contains(first, "completion_type=0") || !strings.Contains(p.body, "check_constraint_checks=1") || p.name != "sync_poll" && !strings.Contains(p.body, "IF NOT known THEN SIGNAL") {
			t.Errorf("%s trusts its caller: %s", p.name, first)
		}
	}
	if len(public) > 0 {
		t.Errorf("people may execute what there is not: %v", public)
	}
}
