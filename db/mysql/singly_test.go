package mysql

import (
	"slices"
	"testing"
)

func TestStatements(t *testing.T) {
	for q, want := range map[string][]string{
		"":                      nil,
		"SELECT 1":              {"SELECT 1"},
		"SELECT 1;":             {"SELECT 1"},
		"SET a=1; SELECT ';';":  {"SET a=1", "SELECT ';'"},
		`SELECT 'it\'s;';B`:     {`SELECT 'it\'s;'`, "B"},
		`SELECT '\\';B`:         {`SELECT '\\'`, "B"},
		"SELECT 'a''b;c';B":     {"SELECT 'a''b;c'", "B"},
		"SELECT `a;b`,'`;`';B":  {"SELECT `a;b`,'`;`'", "B"},
		"SELECT 'never closed;": {"SELECT 'never closed;"},
	} {
		if got := statements(q); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", q, got, want)
		}
	}
}
