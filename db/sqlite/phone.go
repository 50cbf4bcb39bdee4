package sqlite

import (
	"strconv"
	"strings"
	"sync"

	"github.com/nyaruka/phonenumbers"
)

// defaultRegion is where phones without a country code lie if the workspace
// does not say.
const defaultRegion = "US"

// minPhoneDigits is how many digits a query needs to be looked up as a phone.
const minPhoneDigits = 2

// region returns the country in which phones without a country code lie.
func (d *DB) region() string {
	if r := strings.ToUpper(strings.TrimSpace(d.settings.Region)); r != "" {
		return r
	}
	return defaultRegion
}

// e164 returns a phone in its international form such as +41446681800, ""
// if it cannot be a phone number. Where the country is not written but assumed
// the number must be one that this country gives out: 079 123 45 67 is none of
// the United States, and what is not known must not be dialled.
func (d *DB) e164(value string) string {
	n, err := phonenumbers.Parse(value, d.region())
	if err != nil || !phonenumbers.IsPossibleNumber(n) {
		return ""
	}
	if !strings.HasPrefix(strings.TrimSpace(value), "+") && !phonenumbers.IsValidNumber(n) {
		return ""
	}
	return phonenumbers.Format(n, phonenumbers.E164)
}

// callingCodes are the country codes in use. Reading them costs a start
// nothing: they are made when the first phone is looked at.
var callingCodes = sync.OnceValue(func() map[string]bool {
	m := map[string]bool{}
	for code := range phonenumbers.GetSupportedCallingCodes() {
		m[strconv.Itoa(code)] = true
	}
	return m
})

// phoneKeys returns the digits by whose beginnings a phone is found: its
// national number, the last seven digits of that, and the number with its
// country code. A value that is no phone number gives its bare digits.
func phoneKeys(value, region string) []string {
	if len(value) > 250 {
		value = value[:250]
	}
	value = stripExtension(value)
	code, national := splitPhone(value, region)
	if national == "" {
		national = digitsOf(value)
	}
	var keys []string
	add := func(k string) {
		if k == "" {
			return
		}
		for _, have := range keys {
			if strings.HasPrefix(have, k) {
				return
			}
		}
		keys = append(keys, k)
	}
	if code != "" {
		add(code + national)
	}
	add(strings.TrimLeft(national, "0"))
	if len(national) > 7 {
		add(national[len(national)-7:])
	}
	return keys
}

// splitPhone takes a phone apart into country code and national number. The
// plain cases are read directly, because a first load has millions of them and
// the library takes as long for one as the rest of the work on a contact.
func splitPhone(value, region string) (code, national string) {
	plain, digits := plainPhone(value)
	if plain && strings.HasPrefix(strings.TrimSpace(value), "+") && len(digits) >= 8 && len(digits) <= 15 {
		for n := 1; n <= 3; n++ {
			if callingCodes()[digits[:n]] {
				return digits[:n], digits[n:]
			}
		}
	}
	if plain && (region == "US" || region == "CA") {
		if code, national, sure := splitAmerican(value, digits); sure {
			return code, national
		}
	}
	n, err := phonenumbers.Parse(value, region)
	if err != nil || !phonenumbers.IsPossibleNumber(n) {
		return "", ""
	}
	return strconv.Itoa(int(n.GetCountryCode())), phonenumbers.GetNationalSignificantNumber(n)
}

// splitAmerican is splitPhone for a plain phone in a country whose code is 1. It
// is not sure of what may be anything but a national number, with or without
// the prefix 1, or of none that is a phone there.
func splitAmerican(value, digits string) (code, national string, sure bool) {
	switch n := len(digits); {
	case n == 10 && digits[0] >= '2':
		return "1", digits, true
	case n < 8 || n > 15 || strings.Trim(value, "0123456789 ().-/") != "" || strings.Contains(value, "(0)"):
	case n == 11 && digits[0] == '1' && digits[1] >= '2':
		return "1", digits[1:], true
	case digits[0] == '0' && !strings.HasPrefix(digits, "011"):
		if n == 10 {
			return "1", digits, true
		}
		return "", "", true
	}
	return "", "", false
}

// plainPhone returns the digits of a phone, without a national prefix in
// brackets, and whether there is nothing in it but digits and what separates
// them.
func plainPhone(s string) (plain bool, digits string) {
	s = strings.Replace(s, "(0)", "", 1)
	plain = true
	b := make([]byte, 0, len(s))
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			b = append(b, byte(r))
		case !phoneSeparator(r) && !(r == '+' && len(b) == 0):
			plain = false
		}
	}
	return plain, string(b)
}

// digitsOf returns the ASCII digits of a text.
func digitsOf(s string) string {
	_, digits := plainPhone(s)
	return digits
}

// phoneSeparator tells what people write between the digits of a phone.
func phoneSeparator(r rune) bool {
	switch r {
	case ' ', '\t', '(', ')', '[', ']', '-', '.', '/', '\u00a0', '\u2007', '\u2009', '\u202f', '\u2010', '\u2011', '\u2012', '\u2013', '\u2014', '\u2212':
		return true
	}
	return false
}

// stripExtension cuts off what follows a phone: x12, ext. 12, #12.
func stripExtension(s string) string {
	t := strings.TrimRight(s, " 0123456789")
	if len(t) == len(strings.TrimRight(s, " ")) {
		return s
	}
	low := strings.TrimRight(strings.Map(asciiLower, t), " .:=")
	for _, mark := range []string{"extension", ";ext", "ext", "x", "#"} {
		if cut, ok := strings.CutSuffix(low, mark); ok && len(digitsOf(cut)) >= 5 {
			return strings.TrimRight(t[:len(cut)], " ,;")
		}
	}
	return s
}

// asciiLower lowers ASCII letters only, so that the text keeps its length.
func asciiLower(r rune) rune {
	if r >= 'A' && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}

// phoneForms returns the beginnings of keys that a typed number may mean: as
// typed, without the zeros that lead a national or an international number,
// and as the library reads a whole one. nil means it is too short.
func phoneForms(typed, region string) []string {
	_, digits := plainPhone(typed)
	if len(digits) < minPhoneDigits {
		return nil
	}
	if len(digits) > 20 {
		digits = digits[:20]
	}
	forms := []string{digits}
	add := func(f string) {
		for _, have := range forms {
			if f == "" || have == f {
				return
			}
		}
		forms = append(forms, f)
	}
	add(strings.TrimLeft(digits, "0"))
	if len(digits) >= 7 {
		if code, national := splitPhone(typed, region); national != "" {
			add(code + national)
		}
	}
	return forms
}
