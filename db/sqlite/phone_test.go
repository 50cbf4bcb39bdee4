package sqlite

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"

	"rapport/model"
)

// TestE164OfAnAssumedCountry holds that a number is made international only
// where its country is known or fits it.
func TestE164OfAnAssumedCountry(t *testing.T) {
	d, _ := testDB(t)
	for region, numbers := range map[string]map[string]string{
		"CH": {"079 123 45 67": "+41791234567", "0041 79 123 45 67": "+41791234567", "+1 202 555 0100": "+12025550100", "12": "", "call me": ""},
		"US": {"079 123 45 67": "", "(212) 736-5000": "+12127365000", "+41 79 123 45 67": "+41791234567", "+41446681800": "+41446681800"},
		"":   {"079 123 45 67": "", "212-736-5000": "+12127365000"},
	} {
		d.settings.Region = region
		for typed, want := range numbers {
			if got := d.e164(typed); got != want {
				t.Errorf("%s in %q: %q, want %q", typed, region, got, want)
			}
		}
	}
}

// TestPhoneIsRemovedInAnyForm holds that a phone can be taken out as it is
// dialled, not only as it was typed.
func TestPhoneIsRemovedInAnyForm(t *testing.T) {
	d, _ := testDB(t)
	e := model.EntityOf("contact")
	edit := func(set, remove []string) (*model.Record, error) {
		ed, err := model.EditFromText(e, set, nil, remove, d.env())
		if err != nil {
			t.Fatal(err)
		}
		if len(remove) > 0 {
			ed.ID = must(d.List(ctx, model.Query{Noun: "contact"}))(t).Items[0].ID
		}
		return d.Save(ctx, ed)
	}
	must(edit([]string{"last_name=A", "phone=+41 44 111 22 33:mobile", "phone=call me"}, nil))(t)
	if _, err := edit(nil, []string{"phone=+41441112234"}); model.KindOf(err) != model.Invalid {
		t.Errorf("another number: %v", err)
	}
	r := must(edit(nil, []string{"phone=+41441112233"}))(t)
	if left := r.List("phone"); len(left) != 1 || left[0].Text("value") != "call me" || !left[0].Bool("primary") {
		t.Errorf("%v", left)
	}
}

// TestAmericanPhones holds that a phone without its country is taken apart as
// the library does it, where its country code would be 1.
func TestAmericanPhones(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	sure := 0
	for range 6000 {
		var b strings.Builder
		for i := range 7 + random.IntN(10) {
			digit := random.IntN(10)
			if i < 3 && random.IntN(2) == 0 {
				digit = random.IntN(2)
			}
			b.WriteString(strconv.Itoa(digit))
			if random.IntN(4) == 0 {
				b.WriteByte(" ()-./"[random.IntN(6)])
			}
		}
		value := b.String()
		if strings.Contains(value, "(0)") {
			continue
		}
		_, digits := plainPhone(value)
		code, national, ok := splitAmerican(value, digits)
		if !ok {
			continue
		}
		sure++
		wantCode, wantNational := "", ""
		if n, err := phonenumbers.Parse(value, "US"); err == nil && phonenumbers.IsPossibleNumber(n) {
			wantCode, wantNational = strconv.Itoa(int(n.GetCountryCode())), phonenumbers.GetNationalSignificantNumber(n)
		}
		if code != wantCode || national != wantNational {
			t.Errorf("%q: %s %s, want %s %s", value, code, national, wantCode, wantNational)
		}
	}
	if sure < 1000 {
		t.Errorf("only %d phones were taken apart", sure)
	}
}
