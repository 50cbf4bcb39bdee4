package model

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"
)

// minPassword is the fewest characters of a password.
const minPassword = 8

// commonPasswords are those that are tried first by whoever guesses; compared
// folded and without digits and signs at the end.
var commonPasswords = []string{"password", "passwort", "passwd", "qwertyui", "qwertyuiop", "qwertzui", "qwertzuiop", "asdfghjk", "iloveyou",
	"letmein", "welcome", "willkommen", "secret", "geheim", "administrator", "admin", "changeme", "rapport"}

// CheckPassword refuses a password that is empty or easily guessed, or that
// some server or file could not hold as it is. The error is of kind Invalid
// and does not show it.
func CheckPassword(login, password string) error {
	bad := func(what string) error {
		return Errorf(Invalid, "%s", what).WithHint("take a sentence of several words, or let a password manager make one")
	}
	distinct := map[rune]bool{}
	run := 0
	last := rune(-1)
	for _, r := range password {
		if unicode.IsControl(r) || r == '\\' || r == utf8.RuneError {
			return bad("a password cannot hold a backslash or a control character")
		}
		if r == last+1 || r == last-1 {
			run++
		}
		distinct[r], last = true, r
	}
	n := utf8.RuneCountInString(password)
	switch {
	case strings.TrimSpace(password) == "":
		return bad("the new password is empty")
	case strings.TrimSpace(password) != password:
		return bad("a password does not begin or end with a space")
	case n < minPassword:
		return bad("the new password is too short: it needs 8 characters")
	case len(distinct) < 5 || run >= n-2:
		return bad("the new password is a row of signs that is easily guessed")
	case login != "" && strings.Contains(Fold(password), Fold(login)):
		return bad("the new password holds your login")
	}
	stem := strings.TrimRightFunc(Fold(password), func(r rune) bool { return !unicode.IsLetter(r) })
	for _, c := range commonPasswords {
		if stem == c {
			return bad("the new password is among those that are guessed first")
		}
	}
	return nil
}

// Account is the person's own account on the central.
type Account interface {
	// ChangePassword gives the account a new password, also where the old
	// one has expired, and says where the workspace's password is kept. One
	// in a file is replaced there, one in the address in Settings; the
	// caller sees to the rest. current is the present password, "" for the
	// one that the workspace has. Errors: Invalid (too weak), Refused,
	// Expired, Unreachable, NoCentral, and Partial where it was changed and
	// could not be kept.
	ChangePassword(ctx context.Context, current, next string) (PasswordPlace, error)
}

// PasswordPlace says where the password that the workspace uses is kept.
type PasswordPlace string

// The places.
const (
	InAddress PasswordPlace = "address" // in the central's address
	InFile    PasswordPlace = "file"    // in the password file
	InCommand PasswordPlace = "command" // where the password command finds it
	Nowhere   PasswordPlace = "nowhere" // the account had none
)
