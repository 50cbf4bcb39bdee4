package model

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParseFilterQuotes(t *testing.T) {
	e := EntityOf("contact")
	for text, want := range map[string][]Condition{
		`last_name="van Dijk" status=active`:   {{"last_name", Equal, "van Dijk"}, {"status", Equal, "active"}},
		`last_name='van Dijk' status=active`:   {{"last_name", Equal, "van Dijk"}, {"status", Equal, "active"}},
		`last_name~'a "b" \c'`:                 {{"last_name", Contains, `a "b" \c`}},
		`last_name=O'Brien first_name=D'Arcy`:  {{"last_name", Equal, "O'Brien"}, {"first_name", Equal, "D'Arcy"}},
		`last_name='t`:                         {{"last_name", Equal, "'t"}},
		`last_name='t status=active`:           {{"last_name", Equal, "'t"}, {"status", Equal, "active"}},
		`last_name='O'Neil x' status!='a=b c'`: {{"last_name", Equal, "O'Neil x"}, {"status", NotEqual, "a=b c"}},
		`last_name=''`:                         {{"last_name", IsEmpty, ""}},
		`last_name="a\"b"`:                     {{"last_name", Equal, `a"b`}},
	} {
		got, err := ParseFilter(e, text)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v; want %q", text, got, err, want)
		}
	}
	_, err := ParseFilter(e, "last_name = Meier")
	if own := (*Error)(nil); !errors.As(err, &own) || !strings.Contains(own.Hint, "without blanks") {
		t.Errorf("blanks around the sign: %v", err)
	}
}

func TestOneNamesARecord(t *testing.T) {
	for noun, want := range map[Noun]string{"organization": "an organization", "activity": "an activity", "address": "an address", "user": "a user", "contact": "a contact"} {
		if got := EntityOf(noun).One(); got != want {
			t.Errorf("%s: %q, want %q", noun, got, want)
		}
	}
}
