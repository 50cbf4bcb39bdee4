package mysql

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"

	"rapport/model"
)

const (
	erWeakPassword = 1819
	erUsedPassword = 3638
)

// ChangePassword gives the account of a URL a new password, also where the old
// one has expired, and proves that it works. Errors: Invalid for a password
// that the server finds too weak, Refused, Expired where the server lets
// nobody in with an expired password, Unreachable.
func ChangePassword(ctx context.Context, url, next string, o DialOptions) error {
	a, err := ParseURL(url)
	if err != nil {
		return err
	}
	if err := model.CheckPassword(a.User, next); err != nil {
		return err
	}
	if next == a.Password {
		return model.Errorf(model.Invalid, "this is the password that you have").WithHint("take another one")
	}
	// Only the server that takes changes has a password changed.
	var first error
	for _, one := range append([]Address{a}, a.Standby...) {
		err := changeAt(ctx, one, next, o)
		if err == nil {
			return nil
		}
		if first == nil || model.KindOf(first) == model.Unreachable {
			first = err
		}
		if model.KindOf(err) == model.Invalid {
			break
		}
	}
	return first
}

func changeAt(ctx context.Context, a Address, next string, o DialOptions) error {
	// An account whose password has expired may not name a database yet.
	knows := o
	knows.expired = true
	s, err := openOne(ctx, a, knows, "")
	if number(err) == erExpiredAtLogin {
		return model.Errorf(model.Expired, "the password has expired, and this server lets nobody in to change it").
			WithHint("ask the administrator for a new one-time password").Because(err)
	}
	if err != nil {
		return err
	}
	err = s.exec(ctx, s.dialect.setPassword(a.Password, next))
	s.close()
	var my *mysql.MySQLError
	if number(err) == erUsedPassword {
		return model.Errorf(model.Invalid, "the server does not take a password that you had before").WithHint("take another one")
	}
	if errors.As(err, &my) && my.Number == erWeakPassword {
		return model.Errorf(model.Invalid, "the server wants a stronger password: %s", my.Message).WithHint("take a longer one with letters, digits and signs")
	}
	if err != nil {
		return mapError("change the password", err)
	}
	a.Password = next
	if s, err = openOne(ctx, a, o, ""); err != nil {
		return err
	}
	return s.close()
}

// setPassword is the statement by which an account changes its own password.
// It must be one that is allowed while the old one has expired. MySQL may want
// the old one in it.
func (d dialect) setPassword(current, next string) string {
	// The server's mode may not be set yet: doubled quotes are understood in
	// every mode, and backslashes do not occur in what Rapport lets one take.
	text := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	switch d.product {
	case mariaDB:
		return "SET PASSWORD = PASSWORD(" + text(next) + ")"
	case tiDB:
		return "SET PASSWORD = " + text(next)
	}
	q := "ALTER USER USER() IDENTIFIED BY " + text(next)
	if current != "" && !strings.Contains(current, `\`) {
		q += " REPLACE " + text(current)
	}
	return q
}

// expiredConn adds to the program's first packet that it can handle an expired
// password, which the driver does not say of itself. The packet has four bytes
// of head and then four of what a client can, the lowest first; it is the one
// before TLS begins, where there is TLS.
type expiredConn struct {
	net.Conn
	said bool
}

func (c *expiredConn) Write(b []byte) (int, error) {
	const third, canHandleExpired = 4 + 2, 1 << 22 >> 16
	if !c.said && len(b) > third {
		c.said = true
		b = slices.Clone(b)
		b[third] |= canHandleExpired
	}
	return c.Conn.Write(b)
}
