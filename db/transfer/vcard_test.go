package transfer

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"rapport/model"
)

// flat writes the fields of all records of a noun.
func (w *world) flat(n model.Noun) string {
	var b strings.Builder
	for _, r := range w.list(n) {
		var names []string
		for i := range r.Entity().Fields {
			names = append(names, r.Entity().Fields[i].Name)
		}
		b.Write(r.JSON(names))
		b.WriteByte('\n')
	}
	return b.String()
}

// wanted is what a file of cards holds: cards, phones, mails and addresses
// that are no repetition of another of their card.
var wanted = map[string][4]int{
	"John_Doe_ANDROID.vcf": {6, 7, 5, 0}, "John_Doe_BLACK_BERRY.vcf": {1, 1, 0, 0}, "John_Doe_EVOLUTION.vcf": {1, 2, 1, 1},
	"John_Doe_GMAIL.vcf": {1, 2, 1, 1}, "John_Doe_IPHONE.vcf": {1, 7, 1, 2}, "John_Doe_LOTUS_NOTES.vcf": {1, 2, 2, 1},
	"John_Doe_MAC_ADDRESS_BOOK.vcf": {1, 7, 1, 2}, "John_Doe_MS_OUTLOOK.vcf": {1, 2, 1, 2}, "fullcontact.vcf": {1, 9, 5, 4},
	"gmail-list.vcf": {3, 0, 3, 0}, "gmail-single.vcf": {1, 2, 1, 2}, "gmail-single2.vcf": {1, 11, 5, 5}, "issue114.vcf": {1, 2, 1, 1},
	"outlook-2003.vcf": {1, 4, 1, 1}, "outlook-2007.vcf": {1, 4, 1, 1}, "rfc2426-example.vcf": {2, 4, 3, 2}, "rfc6350-example.vcf": {1, 2, 1, 1},
	"thunderbird-MoreFunctionsForAddressBook-extension.vcf": {1, 5, 5, 2}, "apple.vcf": {1, 0, 0, 1}, "johndoe.vcf": {1, 2, 2, 1},
	"photo.vcf": {1, 0, 0, 0}, "thebat.vcf": {1, 0, 1, 0}, "utf-16_sample.vcf": {1, 0, 0, 1},
}

var photoLine = regexp.MustCompile(`(?mi)^(item\d+\.)?PHOTO[;:]`)

func TestRealCards(t *testing.T) {
	files, _ := filepath.Glob(testdata(t, "vcf", "*", "*.vcf"))
	if len(files) != len(wanted) {
		t.Errorf("%d files, %d known", len(files), len(wanted))
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			w := newWorld(t)
			res := w.load(model.ImportRequest{Files: []string{f}})
			want := wanted[filepath.Base(f)]
			n := int64(want[0])
			counts(t, res.Counts, n, n, 0, 0, 0, 0)
			var got [4]int
			for _, r := range w.list("contact") {
				got[0]++
				got[1] += len(r.List("phone"))
				got[2] += len(r.List("email"))
				got[3] += len(r.List("address"))
			}
			if got != want {
				t.Errorf("cards, phones, mails, addresses: %v, want %v", got, want)
			}
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if photoLine.Match(data) != noted(res.Notes, "not kept: PHOTO") {
				t.Errorf("photos: %q", res.Notes)
			}
			again := w.load(model.ImportRequest{Files: []string{f}})
			counts(t, again.Counts, n, 0, 0, n, 0, 0)
		})
	}
}

func TestRealCardsComeBack(t *testing.T) {
	files, _ := filepath.Glob(testdata(t, "vcf", "*", "*.vcf"))
	w := newWorld(t)
	w.load(model.ImportRequest{Files: files})
	n := int64(len(w.list("contact")))
	if n < 20 {
		t.Fatalf("%d contacts", n)
	}
	for _, format := range []string{"vcf", "vcf4", "csv", "tsv", "json", "ndjson"} {
		t.Run(format, func(t *testing.T) {
			other := newWorld(t)
			path := other.file("x."+strings.TrimRight(format, "4"), w.export("contact", format))
			back := other.load(model.ImportRequest{Files: []string{path}, As: "contact"})
			counts(t, back.Counts, n, n, 0, 0, 0, 0)
			if a, b := w.flat("contact"), other.flat("contact"); a != b {
				t.Errorf("was\n%s\nis\n%s", a, b)
			}
			same := w.load(model.ImportRequest{Files: []string{path}, As: "contact"})
			counts(t, same.Counts, n, 0, 0, n, 0, 0)
		})
	}
}

func TestCardForms(t *testing.T) {
	for name, c := range map[string]struct{ card, field, want string }{
		"name from FN":        {"FN:Ada Lovelace", "last_name", "Lovelace"},
		"quoted-printable":    {"N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCl=\r\nler;;;;", "last_name", "Müller"},
		"windows-1252":        {"N;CHARSET=windows-1252:M\xfcller;;;;", "last_name", "Müller"},
		"no charset":          {"N:M\xfcller;;;;", "last_name", "Müller"},
		"folded":              {"N:Mei\r\n er;;;;", "last_name", "Meier"},
		"escaped":             {`N:Meier\, Sons\; Co;A\\B;;;`, "last_name", "Meier, Sons; Co"},
		"birthday bare":       {"N:M;;;;\r\nBDAY:19800321", "birth_date", "1980-03-21"},
		"birthday no year":    {"N:M;;;;\r\nBDAY:--0321", "birth_date", "--03-21"},
		"birthday of Apple":   {"N:M;;;;\r\nBDAY;X-APPLE-OMIT-YEAR=1604:1604-03-21", "birth_date", "--03-21"},
		"unit of ORG":         {"N:M;;;;\r\nORG:Acme;Sales", "department", "Sales"},
		"two notes":           {"N:M;;;;\r\nNOTE:a\r\nNOTE:b", "notes", "a\nb"},
		"id of another world": {"N:M;;;;\r\nUID:abc", "external_id", "abc"},
		"break in a note":     {`N:M;;;;` + "\r\n" + `NOTE:a\nb`, "notes", "a\nb"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.load(model.ImportRequest{Files: []string{w.file("a.vcf", "BEGIN:VCARD\r\nVERSION:3.0\r\n"+c.card+"\r\nEND:VCARD\r\n")}})
			l := w.list("contact")
			if len(l) != 1 || l[0].Text(c.field) != c.want {
				t.Errorf("%v", w.flat("contact"))
			}
		})
	}
}

func TestBrokenCardsAreRefusedByName(t *testing.T) {
	w := newWorld(t)
	res := w.load(model.ImportRequest{Files: []string{w.file("a.vcf", "BEGIN:VCARD\nVERSION:3.0\nN:Cut;;;;\nBEGIN:VCARD\nVERSION:3.0\nN:Whole;;;;\nEND:VCARD\n"+
		"BEGIN:VCARD\nVERSION:3.0\nNICKNAME:x\nEND:VCARD\nBEGIN:VCARD\nVERSION:4.0\nKIND:group\nFN:Friends\nEND:VCARD\n"+
		"BEGIN:VCARD\nVERSION:4.0\nKIND:org\nFN:Acme\nTEL:+41446681800\nEND:VCARD\n"), w.file("b.vcf", "no card")}})
	counts(t, res.Counts, 6, 2, 0, 0, 0, 4)
	if len(w.list("organization")) != 1 || w.list("contact")[0].Title() != "Whole" {
		t.Errorf("%s", w.flat("contact"))
	}
	data, err := os.ReadFile(res.RejectsFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"file,line,code,message,card", "the card has no end", "a contact needs a name", "list of other cards", "there is no vCard"} {
		if !strings.Contains(string(data), part) {
			t.Errorf("the rejects file lacks %q: %s", part, data)
		}
	}
	if st, _ := os.Stat(res.RejectsFile); st.Mode().Perm() != 0o600 {
		t.Errorf("mode %o", st.Mode().Perm())
	}
}
