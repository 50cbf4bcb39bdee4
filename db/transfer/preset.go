package transfer

import (
	"regexp"
	"strings"

	"rapport/model"
)

// The presets.
const (
	presetGoogle  = "google"
	presetOutlook = "outlook"
	presetSales   = "sales"
)

// Presets are the names that ImportRequest.Preset takes.
var presets = []string{presetGoogle, presetOutlook, presetSales}

// guessPreset recognises a program by the header it writes.
func guessPreset(header []string) string {
	if salesFile(header) != "" {
		return presetSales
	}
	has := map[string]bool{}
	for _, h := range header {
		has[fold2(h)] = true
	}
	switch {
	case has["e mail 1 value"] || has["phone 1 value"]:
		return presetGoogle
	case has["e mail address"] || has["business street"] || has["e mail 2 address"]:
		return presetOutlook
	}
	return ""
}

// presetColumn is what a header means in a program's files.
func presetColumn(preset string, e *model.Entity, header string) (column, bool) {
	if e.Noun != "contact" {
		return column{}, false
	}
	switch preset {
	case presetGoogle:
		return googleColumn(e, header)
	case presetOutlook:
		return outlookColumn(e, header)
	}
	return column{}, false
}

// googleSeparator joins several values in one cell of Google's files.
const googleSeparator = ":::"

var googleHeader = regexp.MustCompile(`^(E-mail|Phone|Address|Organization) (\d+) - (.+)$`)

var googleAddress = map[string]string{
	"Street": "street", "City": "city", "Region": "region", "Postal Code": "postcode", "Country": "country",
	"PO Box": "street+", "Extended Address": "street+", "Formatted": "formatted",
}

// googleColumn reads Google's headers in their old form ("E-mail 1 - Type")
// and their new one ("E-mail 1 - Label").
func googleColumn(e *model.Entity, header string) (column, bool) {
	m := googleHeader.FindStringSubmatch(strings.TrimSpace(header))
	if m == nil {
		switch strings.TrimSpace(header) {
		case "Group Membership", "Labels":
			return column{field: e.Field("tag"), split: googleSeparator}, true
		}
		return column{}, false
	}
	list, number, what := m[1], m[2], m[3]
	if list == "Organization" {
		switch what {
		case "Name":
			if number == "1" {
				return column{field: e.Field("organization")}, true
			}
			return column{field: e.Field("organizations"), split: googleSeparator}, true
		case "Title":
			return column{field: e.Field("job_title")}, number == "1"
		case "Department":
			return column{field: e.Field("department")}, number == "1"
		}
		return column{}, false
	}
	c := column{field: e.Field(map[string]string{"E-mail": "email", "Phone": "phone", "Address": "address"}[list]), group: list + number, split: googleSeparator}
	switch {
	case what == "Type" || what == "Label":
		c.role = partKind
	case list != "Address" && what == "Value":
		c.role, c.part = partText, "value"
	case list == "Address" && googleAddress[what] != "":
		c.role, c.part = partText, googleAddress[what]
	default:
		return column{}, false
	}
	return c, true
}

var outlookHeader = regexp.MustCompile(`(?i)^(Business|Home|Other) (Street|Street 2|Street 3|Address|City|State|Postal Code|Country|Country/Region|Address PO Box)$`)

var outlookPlain = map[string]string{
	"title": "salutation", "e mail address": "email", "e mail 2 address": "email", "e mail 3 address": "email",
	"company": "organization", "categories": "tag", "e mail display name": "", "home fax": "phone:home fax", "primary phone": "phone", "business phone 2": "phone:work", "home phone 2": "phone:home",
}

func outlookColumn(e *model.Entity, header string) (column, bool) {
	if m := outlookHeader.FindStringSubmatch(strings.TrimSpace(header)); m != nil {
		kind := strings.ToLower(m[1])
		c := column{role: partText, field: e.Field("address"), group: kind, label: kind}
		if kind == "business" {
			c.label = "work"
		}
		switch strings.ToLower(m[2]) {
		case "street", "address":
			c.part = "street"
		case "street 2", "street 3", "address po box":
			c.part = "street+"
		case "city":
			c.part = "city"
		case "state":
			c.part = "region"
		case "postal code":
			c.part = "postcode"
		default:
			c.part = "country"
		}
		return c, true
	}
	s, ok := outlookPlain[fold2(header)]
	if !ok || s == "" {
		return column{}, false
	}
	c, err := target(e, s)
	return c, err == nil
}

// cleanLabel makes a label of another program plain: the preferred mark and
// Apple's wrapping go, words of ours become lower case.
func cleanLabel(s string) (label string, preferred bool) {
	s = strings.TrimSpace(s)
	s, preferred = strings.CutPrefix(s, "* ")
	if inner, ok := strings.CutPrefix(s, "_$!<"); ok {
		s = strings.TrimSuffix(inner, ">!$_")
	}
	plain := true
	for _, w := range strings.Fields(strings.ToLower(s)) {
		plain = plain && plainLabels[w]
	}
	if plain {
		s = strings.ToLower(s)
	}
	switch s {
	case "cell":
		s = "mobile"
	case "work fax":
		s = "fax"
	}
	return s, preferred
}

var plainLabels = map[string]bool{"work": true, "home": true, "mobile": true, "cell": true, "fax": true, "other": true, "main": true, "pager": true, "billing": true, "shipping": true}
