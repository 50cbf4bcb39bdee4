package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"

	"rapport/model"
)

// Numbers of the server's errors that are told apart. MariaDB and MySQL share
// most of them.
const (
	erDupEntry          = 1062
	erDBAccessDenied    = 1044
	erAccessDenied      = 1045
	erNoDB              = 1046
	erUnknownDB         = 1049
	erNullColumn        = 1048
	erUnknownColumn     = 1054
	erTableDenied       = 1142
	erColumnDenied      = 1143
	erNoTable           = 1146
	erNoDefault         = 1364
	erOutOfRange        = 1264
	erTruncatedValue    = 1265
	erWrongValue        = 1292
	erIncorrectString   = 1366
	erTooLong           = 1406
	erTooLongToHandle   = 1301
	erBadReference      = 1452
	erReferenced        = 1451
	erSignal            = 1644
	erCheckMySQL        = 3819
	erCheckMariaDB      = 4025
	erLockTimeout       = 1205
	erDeadlock          = 1213
	erChangedSinceRead  = 1020
	erUnknownVariable   = 1193
	erNodeNotReady      = 1047
	erSyntax            = 1064
	erNeedsSuperBinlog  = 1419
	erBinlogCreateFuncs = 1418
	erNoSuchLogin       = 1698
	erExpired           = 1820
	erExpiredAtLogin    = 1862
	erLockedMySQL       = 3118
	erBlockedMySQL      = 3955 // for some days, after wrong passwords
	erLockedMariaDB     = 4151
)

// kindOf gives the kind and the sentence of a server error.
func kindOf(n uint16) (model.Kind, string, string) {
	switch n {
	case erAccessDenied, erNoSuchLogin:
		return model.Refused, "the server does not accept this user name and password", "check both; a new password is made by the administrator"
	case erLockedMariaDB, erLockedMySQL, erBlockedMySQL:
		return model.Refused, "this account is locked", "your changes are kept here; ask the administrator"
	case erExpired, erExpiredAtLogin:
		return model.Expired, "the password has expired", "set a new one with `rapport password`"
	case erDBAccessDenied, 1227, erTableDenied, erColumnDenied, 1370, 1410:
		return model.Refused, "this account is not allowed to do that", "ask the administrator for the rights"
	case 1040:
		return model.Unreachable, "the server takes no more connections now", "it is tried again later"
	case 1226, 1203:
		return model.Unreachable, "this account has as many connections as it may have", "close Rapport on another device, or wait; it is tried again later"
	case 1129:
		return model.Unreachable, "the server has blocked this computer after too many failed connections", "the administrator runs FLUSH HOSTS on the server"
	case 1130:
		return model.Refused, "the server does not let this computer in", "ask the administrator"
	case 1290, 1836, 1792:
		return model.Unreachable, "the server is a standby that takes no changes", "changes are kept here until the primary is back"
	case erNodeNotReady:
		return model.Unreachable, "the server is a node of a cluster that takes no requests now: it is starting, or cut off from the other nodes", "changes are kept here; name the other nodes in the central's address as well, and one that is ready is used"
	case erSyntax: // see passing
		return model.Unreachable, "the server cannot read the rules of a table", "it is tried again later; if this lasts, the administrator runs FLUSH TABLES on that server, and `rapport central status`"
	case erLockTimeout, erDeadlock, erChangedSinceRead:
		return model.Unreachable, "the server is busy with other changes", "it is tried again later"
	case erRestoring:
		return model.Unreachable, model.RestoringNow, model.RestoringHint
	case erUnknownDB, erNoTable, erNoDB:
		return model.NoCentral, "the server has no Rapport database there", "the administrator makes it with `rapport central init`"
	case erUnknownColumn:
		return model.TooNew, "the server's tables are not as this program needs them: they are older, or were changed by hand; your changes are kept here", "ask the administrator to run `rapport central migrate`"
	case 1053, 1927, 1077, 1080:
		return model.Unreachable, "the server is shutting down", "it is tried again later"
	}
	return model.Other, "the server reports an error", ""
}

// mapError turns a driver's error into one that a person can read, told apart
// by number and type and never by its text.
func mapError(op string, err error) error {
	if err == nil {
		return nil
	}
	var known *model.Error
	if errors.As(err, &known) {
		return err
	}
	out := &model.Error{Op: op, Err: err}
	var my *mysql.MySQLError
	var netErr net.Error
	switch {
	case errors.As(err, &my):
		out.Kind, out.Msg, out.Hint = kindOf(my.Number)
	case errors.Is(err, context.Canceled):
		out.Kind, out.Msg = model.Interrupted, "stopped"
	case errors.Is(err, mysql.ErrNoTLS):
		out.Kind, out.Msg = model.Refused, "the server offers no TLS"
		out.Hint = "the administrator sets up TLS; only on a network that you trust, add ?tls=false to the address"
	case errors.Is(err, mysql.ErrPktTooLarge):
		out.Kind, out.Msg = model.Refused, "this is larger than the server takes in one request"
	case errors.As(err, &netErr), errors.Is(err, context.DeadlineExceeded), errors.Is(err, driver.ErrBadConn),
		errors.Is(err, mysql.ErrInvalidConn), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		out.Kind, out.Msg = model.Unreachable, "the server does not answer"
		out.Hint = "changes are kept here and sent when it does"
	default:
		out.Kind, out.Msg = model.Unreachable, "the connection to the server failed"
	}
	return out
}

// erStalePrimary is what the push procedure reports on a server that has been
// the primary and is none any more.
const erStalePrimary = 45101

// erRestoring is what a server reports of a push while a backup is put in the
// place of its records.
const erRestoring = 45102

// errUndone is what came of a batch whose receipt is not there after the COMMIT:
// the server has taken the transaction back and not said so.
var errUndone error = &mysql.MySQLError{Number: erDeadlock, SQLState: [5]byte{'4', '0', '0', '0', '1'}, Message: "the transaction was undone"}

// stale is the error of a push to such a server.
func stale(err error) error {
	return model.Errorf(model.Unreachable, "stale primary: another server has taken the place of the one that answers; nothing is sent to it, and your changes are kept here").
		WithHint("the administrator makes it a standby with `rapport central rejoin`").Because(err)
}

// number returns the number of a server error, 0 if it is none.
func number(err error) uint16 {
	var my *mysql.MySQLError
	if errors.As(err, &my) {
		return my.Number
	}
	return 0
}

// passing tells whether the same request may succeed when it is sent again. A
// syntax error is none of a request, which is as this program writes it: where
// a transaction of a Galera node loses to another node's while the server reads
// the triggers of a table, the server takes what it has read of them for whole.
func passing(err error) bool {
	switch number(err) {
	case erSyntax, erLockTimeout, erDeadlock, erChangedSinceRead, 8002, 8022, 8028, 9007: // the last four are TiDB's
		return true
	}
	return false
}

// refusal explains why the server will not have one change, if it is a fault
// of the change and not of the connection or the server. newer tells that the
// server's tables are of a later version than this program.
func refusal(e *model.Entity, op *model.PushOp, err error, newer bool) (model.PushResult, bool) {
	var my *mysql.MySQLError
	if !errors.As(err, &my) {
		return model.PushResult{}, false
	}
	r := model.PushResult{Outcome: model.PushRefused}
	field := namedColumn(e, op, my.Message)
	switch my.Number {
	case erTooLongToHandle:
		return tooLong(op, 0, 0), true
	case erTooLong:
		r.Code, r.Message = "too_long", field+" is longer than the company's database allows: shorten it"
	case erNullColumn, erNoDefault:
		r.Code, r.Message = "check", field+" is needed: fill it in"
		if field == aValue {
			r.Code, r.Message = "upgrade", "the company's database needs a value that this Rapport does not know: upgrade Rapport, or the administrator gives the column a default ("+my.Message+")"
		}
	case erBadReference:
		r.Code, r.Message = "reference", field+" names a record that the company's database does not have, or does not show to you: choose another one; if it comes, this is sent by itself"
	case erReferenced:
		r.Code, r.Message = "reference", "other records still point to it: change those first"
	case erCheckMariaDB, erCheckMySQL:
		r.Code, r.Message = "check", "a rule of the company's database forbids it: "+my.Message+". Change what it asks for, or ask the administrator"
	case erSignal:
		r.Code, r.Message = "check", my.Message
	case erOutOfRange, erTruncatedValue, erWrongValue, erIncorrectString, 1411, 1525:
		r.Code, r.Message = "check", field+" has a value that the company's database cannot hold: correct it"
		if my.Number == erIncorrectString && textual(e, field) {
			r.Message = field + " has a value that the company's database cannot hold, such as an emoji: leave it out, or the administrator runs `rapport central migrate`"
		}
	case erTableDenied, erColumnDenied, erDBAccessDenied, 1370, 1227:
		r.Code, r.Message = "not_allowed", "this account may not change "+strings.ToLower(e.Titles)+": ask the administrator"
		if my.Number == erColumnDenied && field != aValue {
			r.Message = "this account may not change " + field + " of " + strings.ToLower(e.Titles) + ": ask the administrator"
		}
	case erUnknownColumn:
		r.Code, r.Message = "server", "the company's database has no column for "+field+": your change is kept here; ask the administrator to run `rapport central migrate`"
		if newer {
			r.Code, r.Message = "upgrade", "the company's database does not keep "+field+" in this way any more: upgrade Rapport"
		}
	case erNoTable:
		r.Code, r.Message = "server", "the company's database has no table for "+strings.ToLower(e.Titles)+": your change is kept here; ask the administrator to run `rapport central migrate`"
		if newer {
			r.Code, r.Message = "upgrade", "the company's database does not keep "+strings.ToLower(e.Titles)+" in this way any more: upgrade Rapport"
		}
	case erDupEntry:
		r.Code, r.Message = codeDuplicate, duplicate(e, op, err)
	case 1305, 1442, 1415:
		r.Code, r.Message = "server", "the company's database has a rule that failed: "+my.Message
	default:
		return model.PushResult{}, false
	}
	return r, true
}

// codeDuplicate is the code of a change that a unique index refuses.
const codeDuplicate = "duplicate"

// textual tells whether the field with a label holds text.
func textual(e *model.Entity, label string) bool {
	return slices.ContainsFunc(e.Fields, func(f model.Field) bool {
		return f.Label == label && (f.Type == model.Text || f.Type == model.LongText)
	})
}

// aValue stands for a column that is none of ours.
const aValue = "a value"

// namedColumn finds the label of the field that a server's message names in
// quotes; the message's language does not matter, the names are ours. The
// columns of the change come first.
func namedColumn(e *model.Entity, op *model.PushOp, msg string) string {
	names := slices.Clone(op.Columns)
	for _, c := range e.Columns() {
		names = append(names, c.Name)
	}
	for _, name := range names {
		for _, q := range []string{"'" + name + "'", "`" + name + "`", "." + name + "'"} {
			if strings.Contains(msg, q) {
				if _, c := e.Column(name); c.Field != nil {
					return c.Field.Label
				} else if c.Ref != "" {
					return model.EntityOf(c.Ref).Title
				}
				return name
			}
		}
	}
	return aValue
}
