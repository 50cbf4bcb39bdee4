package mysql

import (
	"context"
	"database/sql/driver"
	"strings"
)

// takesOnlyOne tells whether the first request of a connection may have failed
// because it held several statements: a proxy before the server, or the server
// itself, may refuse that. Nothing of the request was done then. The numbers
// are those of a syntax error and of "not supported", which differ by product.
func takesOnlyOne(err error) bool {
	switch number(err) {
	case erSyntax, 1105, 1235, 1295:
		return true
	}
	return false
}

// send sends a request as one packet, or each of its statements alone where
// the way to the server takes no more. What a request means stays the same: a
// statement that fails ends it, and a transaction stays open until it is ended.
// Only the round trips are more.
//
// After a transaction that was undone a request begins with a ROLLBACK: where
// it was undone within a procedure by one of another Galera node, the session
// would answer each further call with the same error. A batch lets no statement
// commit by itself, which ends with it.
func (c *Central) send(ctx context.Context, q string, each func(set int, v []driver.Value) error) error {
	if c.undone {
		q = "ROLLBACK;SET autocommit=1;" + q
	}
	err := c.sendNow(ctx, q, each)
	c.undone = passing(err)
	return err
}

// sendNow is send without looking back.
func (c *Central) sendNow(ctx context.Context, q string, each func(set int, v []driver.Value) error) error {
	if !c.singly {
		return c.session.query(ctx, q, each)
	}
	first := 0
	for _, s := range statements(q) {
		n, err := c.session.results(ctx, s, func(set int, v []driver.Value) error { return each(first+set, v) })
		if err != nil {
			return err
		}
		first += n
	}
	return nil
}

// statements cuts a request at the semicolons between its statements. It knows
// the literals and identifiers that this package writes.
func statements(q string) []string {
	var out []string
	from := 0
	add := func(to int) {
		if s := strings.TrimSpace(q[from:to]); s != "" {
			out = append(out, s)
		}
		from = to + 1
	}
	for i := 0; i < len(q); i++ {
		switch q[i] {
		case ';':
			add(i)
		case '\'', '`':
			i = closing(q, i)
		}
	}
	add(len(q))
	return out
}

// closing returns the place of the quote that closes the one at a place. A
// doubled quote closes one literal and opens the next, which comes to the same.
func closing(q string, open int) int {
	for i := open + 1; i < len(q); i++ {
		switch {
		case q[i] == q[open]:
			return i
		case q[i] == '\\' && q[open] == '\'':
			i++
		}
	}
	return len(q)
}
