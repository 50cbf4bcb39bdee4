package mysql

import (
	"net/url"
	"strings"
	"testing"

	"rapport/db/mysql/servertest"
	"rapport/model"
)

func TestChangePassword(t *testing.T) {
	s := servertest.Shared(t)
	name := servertest.Name(s.Database(t))
	s.SQL(t, "", "CREATE USER eve@'%' IDENTIFIED BY 'first one' PASSWORD EXPIRE", "GRANT SELECT ON `"+name+"`.* TO eve@'%'")
	t.Cleanup(func() { s.SQL(t, "", "DROP USER eve@'%'") })
	was := "first%20one"
	for _, next := range []string{"a sentence of words", `it's "quoted" & odd: %41/@é`} {
		if err := ChangePassword(t.Context(), s.URLFor("eve", was, name), next, DialOptions{}); err != nil {
			t.Fatalf("%q: %v", next, err)
		}
		if err := ChangePassword(t.Context(), s.URLFor("eve", was, name), "yet another one", DialOptions{}); model.KindOf(err) != model.Refused {
			t.Errorf("the old password still works: %v", err)
		}
		was = strings.ReplaceAll(url.QueryEscape(next), "+", "%20")
		c, err := Dial(t.Context(), s.URLFor("eve", was, name), DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	for _, bad := range []string{"", "evening eve 1", "12345678", `it's "quoted" & odd: %41/@é`} {
		if err := ChangePassword(t.Context(), s.URLFor("eve", was, name), bad, DialOptions{}); model.KindOf(err) != model.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestSetPasswordByDialect(t *testing.T) {
	for version, want := range map[string]string{
		"5.5.5-10.11.19-MariaDB": "SET PASSWORD = PASSWORD('it''s')",
		"8.4.3":                  "ALTER USER USER() IDENTIFIED BY 'it''s'",
		"8.0.11-TiDB-v8.5.0":     "SET PASSWORD = 'it''s'",
	} {
		if got := dialectOf(version).setPassword("it's"); got != want {
			t.Errorf("%s: %s", version, got)
		}
	}
}
