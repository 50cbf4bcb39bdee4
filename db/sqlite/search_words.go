package sqlite

import (
	"bytes"
	"database/sql"
	"strings"
	"unicode"
	"unicode/utf8"

	"rapport/model"
)

// doc is one record as the index sees it.
type doc struct {
	rid        int64
	text, note string
}

// newDoc sorts a record's texts into the columns of the index.
func newDoc(rid int64, kinds []model.Search, texts []sql.NullString, region string) doc {
	f := folder{region: region}
	for i, t := range texts {
		f.add(kinds[i], []byte(t.String))
	}
	return doc{rid: rid, text: string(f.text), note: string(f.note)}
}

// folder makes texts into the words of the index, which stand in its buffers
// with blanks between.
type folder struct {
	region     string
	text, note []byte
}

func (f *folder) reset() { f.text, f.note = f.text[:0], f.note[:0] }

// add adds the words of a text.
func (f *folder) add(kind model.Search, text []byte) {
	if len(text) == 0 {
		return
	}
	switch kind {
	case model.SearchName:
		f.text = appendFolded(f.text, markName, text)
	case model.SearchMail:
		f.text = appendFolded(f.text, markMail, text)
	case model.SearchNote:
		f.note = appendFolded(f.note, "", text)
	case model.SearchPhone:
		for more := true; more; {
			var one []byte
			one, text, more = bytes.Cut(text, []byte(partBreak))
			for _, key := range phoneKeys(string(one), f.region) {
				f.text = append(appendMark(f.text, markPhone), key...)
			}
		}
	}
}

// appendMark begins a word.
func appendMark(words []byte, mark string) []byte {
	if len(words) > 0 {
		words = append(words, ' ')
	}
	return append(words, mark...)
}

// appendFolded adds the words of a text as appendWords makes them, each led by
// a mark. Words of ASCII, which most are, are folded as they are copied.
func appendFolded(words []byte, mark string, text []byte) []byte {
	for i := 0; i < len(text); {
		if asciiWord[text[i]] == 0 {
			i++
			continue
		}
		from, plain := i, true
		for i < len(text) && asciiWord[text[i]] != 0 {
			plain = plain && text[i] < utf8.RuneSelf
			i++
		}
		if !plain {
			for _, w := range appendWords(nil, string(text[from:i])) {
				words = append(appendMark(words, mark), w...)
			}
			continue
		}
		words = appendMark(words, mark)
		for _, c := range text[from:min(i, from+maxWordRunes)] {
			words = append(words, asciiWord[c])
		}
	}
	return words
}

// asciiWord is what a byte is in a folded word, 0 where it divides words. A byte
// outside ASCII stays.
var asciiWord = func() (folded [256]byte) {
	for c := range folded {
		switch {
		case c >= 'A' && c <= 'Z':
			folded[c] = byte(c) + 'a' - 'A'
		case c >= utf8.RuneSelf, c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			folded[c] = byte(c)
		}
	}
	return folded
}()

// appendWords adds the words of a text as the index and the query know them:
// folded runs of letters, digits and signs outside ASCII such as emoji.
func appendWords(words []string, text string) []string {
	for _, w := range strings.FieldsFunc(model.Fold(text), func(r rune) bool { return !wordRune(r) }) {
		words = append(words, shortWord(w))
	}
	return words
}

func wordRune(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= '0' && r <= '9' || r >= 'a' && r <= 'z'
	}
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r) || unicode.IsSymbol(r))
}

// shortWord cuts a word at the length that the index keeps.
func shortWord(w string) string {
	if len(w) <= maxWordRunes {
		return w
	}
	n := 0
	for i := range w {
		if n == maxWordRunes {
			return w[:i]
		}
		n++
	}
	return w
}
