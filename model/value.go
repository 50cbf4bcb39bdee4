package model

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Money is an amount in the smallest unit of its currency.
type Money struct {
	Minor    int64
	Currency string // ISO 4217
}

// digitsOf says how many decimals a currency has where it isn't two.
var digitsOf = map[string]int{
	"BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0,
	"UGX": 0, "UYI": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
	"BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
}

// CurrencyDigits returns how many decimals amounts of a currency have.
func CurrencyDigits(code string) int {
	if n, ok := digitsOf[code]; ok {
		return n
	}
	return 2
}

// Amount returns the number alone, in plain decimal form: "1200.50".
func (m Money) Amount() string {
	d := CurrencyDigits(m.Currency)
	s := strconv.FormatInt(m.Minor, 10)
	neg := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	for len(s) <= d {
		s = "0" + s
	}
	if d > 0 {
		s = s[:len(s)-d] + "." + s[len(s)-d:]
	}
	if neg {
		s = "-" + s
	}
	return s
}

// String returns the amount with its currency: "1200.50 EUR".
func (m Money) String() string {
	if m.Currency == "" {
		return m.Amount()
	}
	return m.Amount() + " " + m.Currency
}

var symbols = map[string]string{"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "US$": "USD", "CHF": "CHF", "Fr.": "CHF", "SFr.": "CHF"}

// ParseMoney reads an amount as people write it: "1200.50 EUR", "$22,700.00",
// "1.234,50 €", "1'200", "$1,117.10K". An amount without a currency gets
// fallback. It refuses what has more decimals than the currency.
func ParseMoney(s, fallback string) (Money, error) {
	t := strings.TrimSpace(s)
	cur := fallback
	for sym, code := range symbols {
		if strings.HasPrefix(t, sym) || strings.HasSuffix(t, sym) {
			t, cur = strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(t, sym), sym)), code
			break
		}
	}
	if f := strings.Fields(t); len(f) > 1 && isCurrency(f[len(f)-1]) {
		cur, t = strings.ToUpper(f[len(f)-1]), strings.Join(f[:len(f)-1], "")
	} else if len(f) > 1 && isCurrency(f[0]) {
		cur, t = strings.ToUpper(f[0]), strings.Join(f[1:], "")
	} else if len(t) > 3 && isCurrency(t[len(t)-3:]) {
		cur, t = strings.ToUpper(t[len(t)-3:]), t[:len(t)-3]
	}
	neg := strings.HasPrefix(t, "(") && strings.HasSuffix(t, ")")
	t = strings.Trim(t, "()")
	digits := CurrencyDigits(cur)
	scale := digits
	if n := len(t); n > 1 {
		switch t[n-1] {
		case 'K', 'k':
			t, scale = t[:n-1], digits+3
		case 'M':
			t, scale = t[:n-1], digits+6
		}
	}
	minor, ok := parseScaled(t, scale)
	if !ok {
		return Money{}, fmt.Errorf("%q is not an amount such as 1200.50 EUR", s)
	}
	if neg {
		minor = -minor
	}
	return Money{Minor: minor, Currency: cur}, nil
}

func isCurrency(s string) bool {
	if len(s) != 3 {
		return false
	}
	for _, c := range strings.ToUpper(s) {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return true
}

// parseScaled reads a decimal number with either separator and returns it
// times 10^scale. It refuses digits beyond the scale other than zeros.
func parseScaled(s string, scale int) (int64, bool) {
	neg := strings.HasPrefix(s, "-") || strings.HasPrefix(s, "−")
	s = strings.TrimLeft(s, "+-−")
	s = strings.NewReplacer("'", "", "’", "", " ", "", "\u00a0", "", "\u202f", "", "_", "").Replace(s)
	dot, comma := strings.LastIndexByte(s, '.'), strings.LastIndexByte(s, ',')
	switch {
	case dot >= 0 && comma >= 0 && comma > dot: // 1.234,50
		s = strings.Replace(ungroup(s, "."), ",", ".", 1)
	case dot >= 0 && comma >= 0: // 1,234.50
		s = ungroup(s, ",")
	case comma >= 0 && strings.Count(s, ",") == 1 && len(s)-comma-1 != 3: // 1234,5
		s = strings.Replace(s, ",", ".", 1)
	case comma >= 0: // 1,234 or 1,234,567
		s = ungroup(s, ",")
	case dot >= 0 && strings.Count(s, ".") > 1: // 1.234.567
		s = ungroup(s, ".")
	}
	whole, frac, _ := strings.Cut(s, ".")
	if whole == "" && frac == "" {
		return 0, false
	}
	frac = strings.TrimRight(frac, "0")
	if len(frac) > scale {
		return 0, false
	}
	n, err := strconv.ParseInt(whole+frac+strings.Repeat("0", scale-len(frac)), 10, 64)
	if whole == "" {
		n, err = strconv.ParseInt("0"+frac+strings.Repeat("0", scale-len(frac)), 10, 64)
	}
	if err != nil || n < 0 {
		return 0, false
	}
	if neg {
		n = -n
	}
	return n, true
}

// ungroup takes separators of thousands out of a number. It leaves them, and so
// makes the number unreadable, where they do not stand between groups of three
// digits (or of two, before the last, as in India).
func ungroup(s, sep string) string {
	whole := s
	if i := strings.LastIndexAny(s, ".,"); i >= 0 && s[i:i+1] != sep {
		whole = s[:i]
	}
	groups := strings.Split(whole, sep)
	for i, g := range groups[1:] {
		if len(g) != 3 && (len(g) != 2 || i == len(groups)-2) {
			return s
		}
	}
	return strings.ReplaceAll(s, sep, "")
}

// CanonicalDecimal returns a decimal number in the one form that is stored: at
// most four decimals, no trailing zeros, a point. ok is false if s is none.
func CanonicalDecimal(s string) (string, bool) {
	n, ok := parseScaled(strings.TrimSpace(s), 4)
	if !ok {
		return "", false
	}
	out := strconv.FormatInt(n, 10)
	neg := strings.HasPrefix(out, "-")
	out = strings.TrimPrefix(out, "-")
	for len(out) <= 4 {
		out = "0" + out
	}
	out = strings.TrimRight(out[:len(out)-4]+"."+out[len(out)-4:], "0")
	out = strings.TrimSuffix(out, ".")
	if neg && out != "0" {
		out = "-" + out
	}
	return out, true
}

// Env is what reading a value needs to know about the workspace and the
// moment.
type Env struct {
	Now      time.Time // in the person's time zone
	Currency string    // of amounts without one
	Me       string    // login of the person
}

var dateLayouts = []string{"2006-01-02", "2.1.2006", "20060102", "2 Jan 2006", "2 January 2006", "Jan 2, 2006", "January 2, 2006", "2 Jan, 2006", "2006/01/02"}

var weekdays = map[string]time.Weekday{
	"mo": 1, "mon": 1, "monday": 1, "tu": 2, "tue": 2, "tuesday": 2, "we": 3, "wed": 3, "wednesday": 3,
	"th": 4, "thu": 4, "thursday": 4, "fr": 5, "fri": 5, "friday": 5, "sa": 6, "sat": 6, "saturday": 6, "su": 0, "sun": 0, "sunday": 0,
}

// ParseDate reads a day: 2026-12-01, 1.12.2026, 1.12., today, tomorrow,
// yesterday, fri, +3d, -2w, +1m, +1y. It returns YYYY-MM-DD.
func ParseDate(s string, now time.Time) (string, error) {
	t := strings.ToLower(strings.TrimSpace(s))
	const layout = "2006-01-02"
	switch t {
	case "today", "now":
		return now.Format(layout), nil
	case "tomorrow", "tom":
		return now.AddDate(0, 0, 1).Format(layout), nil
	case "yesterday":
		return now.AddDate(0, 0, -1).Format(layout), nil
	}
	if wd, ok := weekdays[t]; ok {
		days := (int(wd)-int(now.Weekday())+7)%7 + 0
		if days == 0 {
			days = 7
		}
		return now.AddDate(0, 0, days).Format(layout), nil
	}
	if len(t) > 2 && (t[0] == '+' || t[0] == '-') {
		if n, err := strconv.Atoi(t[:len(t)-1]); err == nil && n > -100000 && n < 100000 {
			switch t[len(t)-1] {
			case 'd':
				return now.AddDate(0, 0, n).Format(layout), nil
			case 'w':
				return now.AddDate(0, 0, 7*n).Format(layout), nil
			case 'm':
				return now.AddDate(0, n, 0).Format(layout), nil
			case 'y':
				return now.AddDate(n, 0, 0).Format(layout), nil
			}
		}
	}
	if d, err := time.Parse("2.1.", t); err == nil {
		out := time.Date(now.Year(), d.Month(), d.Day(), 0, 0, 0, 0, time.UTC)
		if out.Format("01-02") < now.Format("01-02") {
			out = out.AddDate(1, 0, 0)
		}
		return out.Format(layout), nil
	}
	for _, l := range dateLayouts {
		if d, err := time.Parse(strings.ToLower(l), t); err == nil && d.Year() > 0 {
			return d.Format(layout), nil
		}
		if d, err := time.Parse(l, strings.TrimSpace(s)); err == nil && d.Year() > 0 {
			return d.Format(layout), nil
		}
	}
	return "", fmt.Errorf("%q is not a date such as 2026-12-01, tomorrow or +3d", s)
}

var timeLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05.000", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04", "2 Jan, 2006 15:04:05", "2.1.2006 15:04", "2.1.2006 15:04:05"}

// ParseTime reads a moment: RFC 3339, "2026-12-01 14:30", or a date as
// ParseDate takes it, optionally followed by a time of day. Without a zone it
// is in the zone of now; a bare date is its midnight.
func ParseTime(s string, now time.Time) (time.Time, error) {
	t := strings.TrimSpace(s)
	if strings.EqualFold(t, "now") {
		return now.UTC().Truncate(time.Millisecond), nil
	}
	for _, l := range timeLayouts {
		if v, err := time.ParseInLocation(l, t, now.Location()); err == nil {
			return v.UTC().Truncate(time.Millisecond), nil
		}
	}
	day, clock := t, ""
	if i := strings.LastIndexByte(t, ' '); i > 0 && strings.Contains(t[i:], ":") {
		day, clock = t[:i], t[i+1:]
	} else if strings.Contains(t, ":") && !strings.Contains(t, "-") {
		day, clock = "today", t
	}
	d, err := ParseDate(day, now)
	if err == nil {
		if clock == "" {
			clock = "00:00"
		}
		if v, err := time.ParseInLocation("2006-01-02 15:04", d+" "+clock, now.Location()); err == nil {
			return v.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time such as 2026-12-01T14:30:00Z, tomorrow 9:00 or +3d", s)
}

// ParseValue reads the text form of a field that is no List, as a person types
// it in a form, a flag or a file. Empty text gives nil. The error is a sentence
// for the person.
func ParseValue(f *Field, s string, env Env) (any, error) {
	if s == "" || (f.Type != Text && f.Type != LongText && strings.TrimSpace(s) == "") {
		return nil, nil
	}
	switch f.Type {
	case Text, LongText:
		return s, nil
	case Choice:
		t := strings.ToLower(strings.TrimSpace(s))
		for _, o := range f.Options {
			if o == t {
				return o, nil
			}
		}
		if f.Open {
			return s, nil
		}
		return nil, fmt.Errorf("%q is not one of %s", s, strings.Join(f.Options, ", "))
	case Int:
		n, ok := parseScaled(strings.TrimSuffix(strings.TrimSpace(s), "%"), 0)
		if !ok {
			return nil, fmt.Errorf("%q is not a whole number", s)
		}
		return n, nil
	case Bool:
		switch strings.ToLower(strings.TrimSpace(s)) {
		case "true", "yes", "y", "1", "on", "x", "ja", "✓":
			return true, nil
		case "false", "no", "n", "0", "off", "-", "nein":
			return false, nil
		}
		return nil, fmt.Errorf("%q is neither yes nor no", s)
	case Decimal:
		d, ok := CanonicalDecimal(s)
		if !ok {
			return nil, fmt.Errorf("%q is not a number with at most 4 decimals", s)
		}
		return d, nil
	case Date:
		return ParseDate(s, env.Now)
	case PartialDate:
		t := strings.TrimSpace(s)
		if strings.HasPrefix(t, "--") {
			d := strings.ReplaceAll(t[2:], "-", "")
			if v, err := time.Parse("20060102", "2000"+d); err == nil {
				return v.Format("--01-02"), nil
			}
		}
		return ParseDate(s, env.Now)
	case Time:
		return ParseTime(s, env.Now)
	case MoneyType:
		return ParseMoney(s, env.Currency)
	case Link:
		return parseRef(f, strings.TrimSpace(s)), nil
	}
	return nil, fmt.Errorf("%s is a list; give it as label and value", f.Label)
}

func parseRef(f *Field, s string) Ref {
	ref := Ref{Noun: f.To[0], Name: s}
	if n, rest, ok := strings.Cut(s, ":"); ok {
		for _, to := range f.To {
			if e := EntityOf(Noun(n)); e != nil && e.Noun == to {
				ref.Noun, ref.Name = to, rest
			}
		}
	}
	if id, ok := ParseID(ref.Name); ok {
		ref.ID, ref.Name = id, ""
	}
	return ref
}

// FormatValue writes a value in the text form that ParseValue reads. Times are
// RFC 3339 in UTC. A Link is its name, or its id where the name is unknown.
func FormatValue(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	case int64:
		return strconv.FormatInt(x, 10)
	case bool:
		return strconv.FormatBool(x)
	case time.Time:
		if x.IsZero() {
			return ""
		}
		return FormatTime(x)
	case Money:
		return x.String()
	case Ref:
		if x.Name != "" {
			return x.Name
		}
		return string(x.ID)
	case ID:
		return string(x)
	}
	return fmt.Sprint(v)
}

// FormatTime writes a moment as RFC 3339 in UTC, with milliseconds only where
// there are any.
func FormatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999Z07:00") }

// Weighted returns the amount times a probability of 0 to 100 percent, rounded
// half away from zero.
func (m Money) Weighted(percent int64) Money {
	return Money{Minor: int64(math.Round(float64(m.Minor) * float64(percent) / 100)), Currency: m.Currency}
}
