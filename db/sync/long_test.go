package sync_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"rapport/model"
)

// times is how often a trap is sprung: a few times in each run of the tests,
// very often with RAPPORT_SOAK=1 in the environment, as the soak sets it.
func times(short, long int) int {
	if os.Getenv("RAPPORT_SOAK") != "" {
		return long
	}
	return short
}

// tells holds that an error is of a kind and says what happened in a sentence
// for a person: none of the words of a driver, a network or a file system.
func tells(t *testing.T, err error, kinds ...model.Kind) {
	t.Helper()
	var e *model.Error
	if !errors.As(err, &e) {
		t.Errorf("the error is told in the words of a driver: %v", err)
		return
	}
	known := false
	for _, k := range kinds {
		known = known || e.Kind == k
	}
	if !known {
		t.Errorf("the error is %s (%v), want %v", e.Kind, err, kinds)
	}
	plain(t, e.Msg+"; "+e.Hint)
	if len(e.Msg) < 10 {
		t.Errorf("the error says %q only (%v)", e.Msg, err)
	}
}

// plain holds that a text has none of the words of a driver, a network or a
// file system.
func plain(t *testing.T, text string) {
	t.Helper()
	for _, word := range []string{"mysql", "tcp", "eof", "packet", "invalid connection", "sqlite", "driver", "errno", "error 1", "pipe", "sqlstate", "context", "i/o"} {
		if strings.Contains(strings.ToLower(text), word) {
			t.Errorf("the person reads %q", text)
		}
	}
}
