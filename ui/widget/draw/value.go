package draw

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"rapport/model"
)

// Count writes a whole number with its thousands apart: 1,234,567.
func Count(n int64) string {
	s := strconv.FormatInt(n, 10)
	neg := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	var b strings.Builder
	for i, c := range []byte(s) {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(c)
	}
	if neg {
		return "-" + b.String()
	}
	return b.String()
}

// Plural writes a number with its noun: 1 deal, 12 deals.
func Plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + many
}

// Amount writes an amount for reading: 12,500 EUR, 12,500.50 EUR.
func Amount(m model.Money) string {
	s := Number(m.Amount())
	if m.Currency != "" {
		s += " " + model.Visible(m.Currency)
	}
	return s
}

// Number puts the thousands of a plain decimal apart and leaves out decimals
// that are all zero.
func Number(s string) string {
	neg := strings.HasPrefix(s, "-")
	whole, frac, _ := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return s
	}
	out := Count(n)
	if strings.Trim(frac, "0") != "" {
		out += "." + frac
	}
	if neg {
		out = "-" + out
	}
	return out
}

// Brief writes an amount in few cells: 950 EUR, 12.5k EUR, 1.2M EUR.
func Brief(m model.Money) string {
	unit := 1.0
	for range model.CurrencyDigits(m.Currency) {
		unit *= 10
	}
	v := float64(m.Minor) / unit
	sign := ""
	if v < 0 {
		sign, v = "-", -v
	}
	s := ""
	switch {
	case v >= 999.95e6:
		s = short(v/1e9) + "G"
	case v >= 999.95e3:
		s = short(v/1e6) + "M"
	case v >= 9999.5:
		s = short(v/1e3) + "k"
	default:
		s = Count(int64(v + 0.5))
	}
	if m.Currency != "" {
		s += " " + model.Visible(m.Currency)
	}
	return sign + s
}

// short writes a number with one decimal below a hundred, without a zero
// decimal.
func short(v float64) string {
	if v >= 99.95 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
}

// Sums writes amounts in several currencies, "–" where there is none.
func Sums(ms []model.Money, write func(model.Money) string) string {
	if len(ms) == 0 {
		return "–"
	}
	parts := make([]string, len(ms))
	for i, m := range ms {
		parts[i] = write(m)
	}
	return strings.Join(parts, " + ")
}

// dayOf is the number of days from now's day to that of t, in now's zone.
func dayOf(t, now time.Time) int {
	y, m, d := t.In(now.Location()).Date()
	ny, nm, nd := now.Date()
	return int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Sub(time.Date(ny, nm, nd, 0, 0, 0, 0, time.UTC)).Hours()) / 24
}

// Day writes a stored day for reading: today, tomorrow, Fri 27 Nov,
// 3 Feb 2027. Text that is no day is returned as it is.
func Day(day string, now time.Time) string {
	t, err := time.ParseInLocation("2006-01-02", day, now.Location())
	if err != nil {
		return model.Visible(day)
	}
	return dayWord(t, now)
}

// ShortDay is Day without the day of the week.
func ShortDay(day string, now time.Time) string {
	s := Day(day, now)
	if _, err := time.Parse("Mon 2 Jan", s); err == nil {
		_, s, _ = strings.Cut(s, " ")
	}
	return s
}

func dayWord(t, now time.Time) string {
	n := dayOf(t, now)
	t = t.In(now.Location())
	switch {
	case n == 0:
		return "today"
	case n == 1:
		return "tomorrow"
	case n == -1:
		return "yesterday"
	case n > -7 && n < 7:
		return t.Format("Mon 2 Jan")
	case t.Year() == now.Year():
		return t.Format("2 Jan")
	}
	return t.Format("2 Jan 2006")
}

// When writes a moment for reading: today 14:30, Fri 27 Nov 09:00. Midnight is
// the day alone, which is how a task without a time of day is stored.
func When(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	l := t.In(now.Location())
	n := dayOf(t, now)
	if l.Hour() == 0 && l.Minute() == 0 {
		return dayWord(t, now)
	}
	if n == 0 {
		return l.Format("15:04")
	}
	return dayWord(t, now) + l.Format(" 15:04")
}

// Ago writes how long ago a moment was: just now, 5 min ago, 2 h ago, then
// the day.
func Ago(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := now.Sub(t)
	switch {
	case d < 0:
		return When(t, now)
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 12*time.Hour || dayOf(t, now) == 0:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return When(t, now)
}

// Age writes a number of days in few cells: 0d, 12d, 9w, 14mo, 3y.
func Age(since, now time.Time) string {
	if since.IsZero() {
		return ""
	}
	d := max(0, -dayOf(since, now))
	switch {
	case d < 100:
		return fmt.Sprintf("%dd", d)
	case d < 7*52:
		return fmt.Sprintf("%dw", d/7)
	case d < 365*3:
		return fmt.Sprintf("%dmo", d/30)
	}
	return fmt.Sprintf("%dy", d/365)
}

// Days is how many days ago a moment was, never negative.
func Days(since, now time.Time) int { return max(0, -dayOf(since, now)) }

// Value writes any field's value for reading, "–" where there is none.
func Value(v any, now time.Time) string {
	switch x := v.(type) {
	case nil:
		return "–"
	case string:
		if t, err := time.Parse("2006-01-02", x); err == nil {
			return t.Format("2 Jan 2006")
		}
		return model.Visible(x)
	case int64:
		return Count(x)
	case bool:
		if x {
			return "yes"
		}
		return "no"
	case time.Time:
		if x.IsZero() {
			return "–"
		}
		return x.In(now.Location()).Format("2 Jan 2006 15:04")
	case model.Money:
		return Amount(x)
	case model.Ref:
		if x.Name == "" && x.ID != "" {
			return "(" + x.ID.Short() + ")"
		}
		return model.Visible(x.Name)
	case []*model.Record:
		if len(x) == 0 {
			return "–"
		}
		parts := make([]string, len(x))
		for i, r := range x {
			parts[i] = model.Visible(r.Title())
		}
		return strings.Join(parts, ", ")
	}
	return model.Visible(model.FormatValue(v))
}

// Bytes writes a size: 812 B, 14 kB, 3.2 MB.
func Bytes(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1000*1000:
		return fmt.Sprintf("%d kB", (n+500)/1000)
	case n < 1000*1000*1000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

// Error is the sentence of an error with its hint, without the cause that is
// for the log.
func Error(err error) string {
	if err == nil {
		return ""
	}
	return model.Visible(sentence(err))
}
