package sqlite

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"rapport/model"
)

// Limits of one query: what a person types has fewer groups, and what is
// pasted need not be looked up in full.
const (
	maxGroups     = 12
	maxSplit      = 4 // groups of a query that is looked up mixed
	minNotePrefix = 3 // letters of a word that is looked up in notes by its beginning
)

// wordGroup is a part of a query that must be found: one word, or a run of
// digits that is either one phone or several words.
type wordGroup struct {
	words  []string
	phones [][]string // for each word the key beginnings it may mean as a phone
	whole  []string   // the same for the whole run, where it has several words
}

// reading is how strictly a query is matched.
type reading int

const (
	nameExact reading = iota // every word is a whole word of a name
	nameBegin                // every word begins a word of a name
	mailExact                // begins one of a name, or is a whole word of a mail
	mailBegin                // begins one of a name or a mail
	anyBegin                 // of a name, a mail or a phone
	noteExact                // every word is a word of the notes
	noteBegin                // every word begins a word of the notes
	mixed                    // some words here, some in the notes
)

// parseSearch cuts what a person typed into groups. Nothing in it has a
// meaning to the full-text engine afterwards.
func parseSearch(text, region string) []wordGroup {
	if len(text) > 1000 {
		text = strings.ToValidUTF8(text[:1000], "")
	}
	rest := model.Fold(text)
	var out []wordGroup
	words := func(s string) {
		for _, w := range appendWords(nil, s) {
			out = append(out, wordGroup{words: []string{w}, phones: [][]string{phonesOf(w, region)}})
		}
	}
	for rest != "" && len(out) < maxGroups {
		from, to := digitRun(rest)
		if from < 0 {
			words(rest)
			break
		}
		words(rest[:from])
		run := rest[from:to]
		rest = rest[to:]
		g := wordGroup{words: appendWords(nil, run), whole: phoneForms(run, region)}
		if len(digitsOf(run)) >= 7 {
			rest = strings.TrimPrefix(rest, extensionOf(rest))
		}
		for _, w := range g.words {
			g.phones = append(g.phones, phonesOf(w, region))
		}
		if len(g.words) == 1 {
			g.phones[0], g.whole = g.whole, nil
		}
		out = append(out, g)
	}
	return out[:min(len(out), maxGroups)]
}

// phonesOf returns what a word may mean as a phone.
func phonesOf(word, region string) []string {
	if len(digitsOf(word)) != len(word) {
		return nil
	}
	return phoneForms(word, region)
}

// digitRun finds the first run of digits, with what people write between them,
// that is not part of a word. from is -1 if there is none.
func digitRun(s string) (from, to int) {
	before := ' '
	for i, r := range s {
		if isDigit(r) && !wordRune(before) {
			to = runEnd(s, i)
			if to > i {
				for j := i; j > 0 && (s[j-1] == '+' || s[j-1] == '('); j-- {
					i = j - 1
				}
				return i, to
			}
		}
		before = r
	}
	return -1, -1
}

// runEnd returns where a run of digits that begins at i ends; i if it is part
// of a word, such as 4th.
func runEnd(s string, i int) int {
	end, digits := i, i
	for j, r := range s[i:] {
		switch {
		case isDigit(r):
			digits = i + j + 1
			continue
		case phoneSeparator(r):
			if digits > end {
				end = digits
			}
			continue
		case wordRune(r) && digits == i+j:
			return end
		}
		return digits
	}
	return digits
}

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

// extensionOf returns the extension that follows a phone, "" if none does.
func extensionOf(s string) string {
	t := strings.TrimLeft(s, " ,;")
	for _, mark := range []string{"extension", "ext", "x", "#"} {
		if after, ok := strings.CutPrefix(t, mark); ok {
			n := strings.TrimLeft(after, " .:=")
			end := strings.IndexFunc(n, func(r rune) bool { return !isDigit(r) })
			if end < 0 {
				end = len(n)
			}
			next, _ := utf8.DecodeRuneInString(n[end:])
			if end > 0 && !wordRune(next) {
				return s[:len(s)-len(n)+end]
			}
		}
	}
	return ""
}

// match returns the full-text expression of groups.
func match(groups []wordGroup, r reading) string {
	var all []string
	for _, g := range groups {
		var words []string
		for i, w := range g.words {
			words = append(words, matchWord(w, g.phones[i], r))
		}
		expr := strings.Join(words, " AND ")
		if r == anyBegin && len(g.whole) > 0 {
			expr = "(" + expr + ") OR " + matchPhones(g.whole)
		}
		all = append(all, "("+expr+")")
	}
	return strings.Join(all, " AND ")
}

func matchWord(w string, phones []string, r reading) string {
	name, mail := `"`+markName+w+`"`, `"`+markMail+w+`"`
	switch r {
	case nameExact:
		return name
	case nameBegin:
		return name + " *"
	case mailExact:
		return "(" + name + " * OR " + mail + ")"
	case mailBegin:
		return "(" + name + " * OR " + mail + " *)"
	case anyBegin:
		expr := name + " * OR " + mail + " *"
		if len(phones) > 0 {
			expr += " OR " + matchPhones(phones)
		}
		return "(" + expr + ")"
	case noteBegin:
		if utf8.RuneCountInString(w) >= minNotePrefix {
			return `"` + w + `" *`
		}
	}
	return `"` + w + `"`
}

func matchPhones(forms []string) string {
	var out []string
	for _, f := range forms {
		out = append(out, `"`+markPhone+f+`" *`)
	}
	return strings.Join(out, " OR ")
}

// matches tells whether an entry of the index would be found by the groups as
// anyBegin among the names, as noteBegin in the notes, or mixed as in splits.
func (m *textMatch) matches(d doc) bool {
	text, note := strings.Fields(d.text), strings.Fields(d.note)
	texts, notes, either := true, true, len(m.groups) >= 2 && len(m.groups) <= maxSplit
	for _, g := range m.groups {
		inText, inNote := g.beginsIn(text), g.noteIn(note)
		texts, notes = texts && inText, notes && inNote
		either = either && (inText || inNote && g.splits())
		if !texts && !notes && !either {
			return false
		}
	}
	return true
}

// beginsIn tells whether the marked words of an entry match as anyBegin.
func (g wordGroup) beginsIn(words []string) bool {
	begins := func(mark, w string) bool {
		return slices.ContainsFunc(words, func(have string) bool { return have[:len(mark)] == mark && strings.HasPrefix(have[len(mark):], w) })
	}
	phone := func(f string) bool { return begins(markPhone, f) }
	if slices.ContainsFunc(g.whole, phone) {
		return true
	}
	for i, w := range g.words {
		if !begins(markName, w) && !begins(markMail, w) && !slices.ContainsFunc(g.phones[i], phone) {
			return false
		}
	}
	return true
}

// noteIn tells whether the words of a note match as noteBegin.
func (g wordGroup) noteIn(words []string) bool {
	for _, w := range g.words {
		long := utf8.RuneCountInString(w) >= minNotePrefix
		if !slices.ContainsFunc(words, func(have string) bool { return have == w || long && strings.HasPrefix(have, w) }) {
			return false
		}
	}
	return true
}

// splits tells whether a group may be looked up in the notes while others are
// among the names: words too short to be looked up there by their beginning
// stay with the names.
func (g wordGroup) splits() bool {
	return !slices.ContainsFunc(g.words, func(w string) bool { return utf8.RuneCountInString(w) < minNotePrefix })
}

// hasDigits tells whether a query may mean a phone.
func hasDigits(groups []wordGroup) bool {
	return slices.ContainsFunc(groups, func(g wordGroup) bool {
		return len(g.whole) > 0 || slices.ContainsFunc(g.phones, func(p []string) bool { return len(p) > 0 })
	})
}

// splits returns the ways to look some groups up among the names and the
// others in the notes, for queries short enough.
func splits(groups []wordGroup) [][2][]wordGroup {
	if len(groups) < 2 || len(groups) > maxSplit {
		return nil
	}
	var out [][2][]wordGroup
	for mask := 1; mask < 1<<len(groups)-1; mask++ {
		var s [2][]wordGroup
		for i, g := range groups {
			side := mask >> i & 1
			s[side] = append(s[side], g)
		}
		if !slices.ContainsFunc(s[1], func(g wordGroup) bool { return !g.splits() }) {
			out = append(out, s)
		}
	}
	return out
}

// piece returns the part of a text around the first word of a query.
func piece(text string, groups []wordGroup) string {
	const before, width = 20, 80
	runes := []rune(strings.Join(strings.Fields(strings.ReplaceAll(text, partBreak, " ")), " "))
	at, start := 0, -1
search:
	for i := 0; i <= len(runes); i++ {
		inWord := i < len(runes) && (unicode.IsLetter(runes[i]) || unicode.IsNumber(runes[i]) || unicode.IsMark(runes[i]))
		switch {
		case inWord && start < 0:
			start = i
		case !inWord && start >= 0:
			word := model.Fold(string(runes[start:i]))
			for _, g := range groups {
				for _, w := range g.words {
					if strings.HasPrefix(word, w) {
						at = start
						break search
					}
				}
			}
			start = -1
		}
	}
	from := max(0, at-before)
	to := min(len(runes), from+width)
	out := string(runes[from:to])
	if from > 0 {
		out = "…" + out
	}
	if to < len(runes) {
		out += "…"
	}
	return out
}
