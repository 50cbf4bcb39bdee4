package model

import (
	"strings"
)

// Op is a comparison in a filter.
type Op string

// The comparisons.
const (
	Equal     Op = "="
	NotEqual  Op = "!="
	Contains  Op = "~"
	Greater   Op = ">"
	Less      Op = "<"
	AtLeast   Op = ">="
	AtMost    Op = "<="
	IsEmpty   Op = "empty"
	IsPresent Op = "present"
)

// Condition is one term of a filter: a field compared with a value. Terms are
// joined by and.
type Condition struct {
	Field string // a declared field, or created_at, updated_at, created_by, updated_by, deleted, sync, id
	Op    Op
	Value string // as typed; a store reads it with ParseValue
}

// ServiceFields are the names that a filter and a sort accept beside the
// declared fields.
var ServiceFields = []string{ColumnCreatedAt, ColumnUpdatedAt, ColumnCreatedBy, ColumnUpdatedBy, "deleted", "sync", "id"}

// ParseFilter reads `stage=Won amount>1000 name~"van der"`. Blanks mean and.
// A field alone means "present", !field means "empty". An unknown field or a
// missing value is an error of kind Invalid that names the nearest field.
func ParseFilter(e *Entity, s string) ([]Condition, error) {
	var out []Condition
	terms, err := splitTerms(s)
	if err != nil {
		return nil, err
	}
	for _, t := range terms {
		i := strings.IndexAny(t, "=!~<>")
		c := Condition{Field: t, Op: IsPresent}
		switch {
		case i == 0 && t[0] == '!':
			c = Condition{Field: t[1:], Op: IsEmpty}
		case i > 0:
			op := Op(t[i : i+1])
			if i+1 < len(t) && t[i+1] == '=' && strings.ContainsRune("!<>", rune(t[i])) {
				op = Op(t[i : i+2])
			} else if op == "!" {
				return nil, Errorf(Invalid, "%q is not a comparison", t).WithHint("write field=value, field!=value, field~part, field>value or field<value")
			}
			c = Condition{Field: t[:i], Op: op, Value: unquote(t[i+len(op):])}
			if c.Value == "" {
				c.Op, c.Value = map[Op]Op{Equal: IsEmpty, NotEqual: IsPresent}[op], ""
				if c.Op == "" {
					return nil, Errorf(Invalid, "%q has no value", t)
				}
			}
		case i == 0:
			return nil, Errorf(Invalid, "%q has no field", t).WithHint("write field=value without blanks around the sign")
		}
		known := fieldNames(e)
		known = append(known, ServiceFields...)
		found := false
		for _, n := range known {
			found = found || n == c.Field
		}
		if !found {
			err := Errorf(Invalid, "%s has no field %q", e.One(), c.Field)
			if near := Nearest(c.Field, known); near != "" {
				return nil, err.WithHint("did you mean %s?", near)
			}
			return nil, err.WithHint("write field=value, field!=value, field~part, field>value or field<value; the fields are %s", strings.Join(fieldNames(e), ", "))
		}
		out = append(out, c)
	}
	return out, nil
}

// splitTerms cuts at blanks outside quotes. Single ones quote a whole value
// only, and only where they are closed: O'Brien and 't Hooft are names.
func splitTerms(s string) ([]string, error) {
	var out []string
	var b strings.Builder
	quoted, any := false, false
	flush := func() {
		if any {
			out = append(out, b.String())
		}
		b.Reset()
		any = false
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\'' && !quoted && i > 0 && strings.IndexByte("=~<>", s[i-1]) >= 0 && singleEnd(s[i:]) > 0:
			end := i + singleEnd(s[i:])
			b.WriteString(`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s[i+1:end]) + `"`)
			i, any = end, true
		case c == '\\' && quoted && i+1 < len(s):
			b.WriteByte(c)
			i++
			b.WriteByte(s[i])
		case c == '"':
			quoted, any = !quoted, true
			b.WriteByte(c)
		case !quoted && (c == ' ' || c == '\t' || c == '\n'):
			flush()
		default:
			b.WriteByte(c)
			any = true
		}
	}
	if quoted {
		return nil, Errorf(Invalid, "a quote is not closed in %q", s)
	}
	flush()
	return out, nil
}

// singleEnd returns where the value ends that begins with a single quote, 0 if
// it is not closed before a blank or the end.
func singleEnd(s string) int {
	for i := 1; i < len(s); i++ {
		if s[i] == '\'' && (i+1 == len(s) || strings.IndexByte(" \t\n", s[i+1]) >= 0) {
			return i
		}
	}
	return 0
}

func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	var b strings.Builder
	for i := 1; i < len(s)-1; i++ {
		if s[i] == '\\' && i+1 < len(s)-1 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// SortKey is one key of an order.
type SortKey struct {
	Field string // a declared field, a service field, or "" for the title
	Desc  bool
}

// ParseSort reads "name,-amount". "name" and "title" mean the title where the
// entity has no such field.
func ParseSort(e *Entity, s string) ([]SortKey, error) {
	var out []SortKey
	for _, part := range strings.Split(s, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		k := SortKey{Field: strings.TrimLeft(part, "+-"), Desc: part[0] == '-'}
		f := e.Field(k.Field)
		switch {
		case f == nil && (k.Field == "name" || k.Field == "title"):
			k.Field = ""
		case f == nil:
			ok := false
			for _, n := range ServiceFields[:4] {
				ok = ok || n == k.Field
			}
			if !ok {
				err := Errorf(Invalid, "%s has no field %q to sort by", e.One(), k.Field)
				if near := Nearest(k.Field, fieldNames(e)); near != "" {
					err = err.WithHint("did you mean %s?", near)
				}
				return nil, err
			}
		case f.Type == List:
			return nil, Errorf(Invalid, "%s is a list: nothing can be sorted by it", f.Name)
		}
		out = append(out, k)
	}
	return out, nil
}
