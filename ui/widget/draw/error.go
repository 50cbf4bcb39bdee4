package draw

import (
	"context"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"rapport/model"
)

// sentence tells an error to a person.
func sentence(err error) string {
	var e *model.Error
	switch {
	case errors.As(err, &e) && e.Msg != "":
		if e.Hint != "" {
			return e.Msg + " – " + e.Hint
		}
		return e.Msg
	case errors.Is(err, context.Canceled):
		return "stopped"
	}
	return err.Error()
}

// Sentence begins a text with a capital and ends it with one full stop.
func Sentence(s string) string {
	s = strings.TrimSuffix(strings.TrimSpace(model.Visible(s)), ".")
	if s == "" {
		return ""
	}
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:] + "."
}
