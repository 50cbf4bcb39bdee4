package sqlite

import "testing"

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
