package mysql

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"rapport/model"
)

// product is whose server it is.
type product string

// The products that are told apart.
const (
	mariaDB product = "MariaDB"
	mySQL   product = "MySQL"
	tiDB    product = "TiDB"
	vitess  product = "Vitess"
)

// release is a version of a product.
type release struct{ major, minor, patch int }

func (r release) before(o release) bool {
	if r.major != o.major {
		return r.major < o.major
	}
	if r.minor != o.minor {
		return r.minor < o.minor
	}
	return r.patch < o.patch
}

// oldest is the first release of each product that has what the central needs.
var oldest = map[product]release{
	mariaDB: {10, 6, 0},
	mySQL:   {8, 0, 16},
	tiDB:    {7, 5, 0},
}

// dialect is what a server can do. It is told from the version that a server
// greets with, before the login, so that it costs no request.
type dialect struct {
	product product
	release release
	version string // as the server says it
}

var (
	numbers       = regexp.MustCompile(`(\d+)\.(\d+)(?:\.(\d+))?`)
	mariaNumbers  = regexp.MustCompile(`(\d+)\.(\d+)\.(\d+)-MariaDB`)
	tidbNumbers   = regexp.MustCompile(`TiDB-v?(\d+)\.(\d+)\.(\d+)`)
	vitessNumbers = regexp.MustCompile(`(?i)vitess`)
)

// dialectOf reads a server's version: "8.4.3", "5.5.5-10.11.19-MariaDB-0+deb12u1",
// "8.0.11-TiDB-v8.5.0", "8.0.30-Vitess".
func dialectOf(version string) dialect {
	d := dialect{product: mySQL, version: version}
	m := numbers.FindStringSubmatch(version)
	switch {
	case tidbNumbers.MatchString(version):
		d.product, m = tiDB, tidbNumbers.FindStringSubmatch(version)
	case mariaNumbers.MatchString(version):
		d.product, m = mariaDB, mariaNumbers.FindStringSubmatch(version)
	case vitessNumbers.MatchString(version):
		d.product = vitess
	}
	if m != nil {
		d.release.major, _ = strconv.Atoi(m[1])
		d.release.minor, _ = strconv.Atoi(m[2])
		d.release.patch, _ = strconv.Atoi(m[3])
	}
	return d
}

// greetingBytes is how much of a server's greeting is kept: its version stands
// at the beginning.
const greetingBytes = 256

// greetingVersion returns the version in the first packet of a server: four
// bytes of head, the protocol's number, and the version up to a zero. It is ""
// where the server says something else, such as that it is full.
func greetingVersion(greeting []byte) string {
	const head = 5
	if len(greeting) <= head || greeting[head-1] != 10 {
		return ""
	}
	version, _, whole := bytes.Cut(greeting[head:], []byte{0})
	if !whole {
		return ""
	}
	return string(version)
}

// greetingTLS tells whether a server's first packet offers TLS. Behind the
// version stand the connection's number, a part of the scramble, a zero, and
// the lower half of what the server can.
func greetingTLS(greeting []byte) bool {
	const head, before, offersTLS = 5, 4 + 8 + 1, 0x0800
	if greetingVersion(greeting) == "" {
		return false
	}
	flags := head + bytes.IndexByte(greeting[head:], 0) + 1 + before
	return len(greeting) >= flags+2 && binary.LittleEndian.Uint16(greeting[flags:])&offersTLS != 0
}

// name says which server it is, for a person.
func (d dialect) name() string {
	return fmt.Sprintf("%s %d.%d.%d", d.product, d.release.major, d.release.minor, d.release.patch)
}

// refuse returns why the server cannot be a central, nil if it can.
func (d dialect) refuse() error {
	if d.version == "" || !d.release.before(oldest[d.product]) {
		return nil
	}
	return model.Errorf(model.Invalid, "this server is %s, which is too old for Rapport", d.name()).
		WithHint("it needs MariaDB 10.6, MySQL 8.0.16 or TiDB 7.5 or newer: move the database to such a server, then change the address")
}

// triggers tells whether the server runs triggers and stored procedures.
// Where it does not, clients note their changes themselves, and those of other
// programs are found by comparing.
func (d dialect) triggers() bool { return d.product != tiDB && d.product != vitess }

// replacesTriggers tells whether a trigger is replaced in one step.
func (d dialect) replacesTriggers() bool { return d.product == mariaDB }

// newID is the expression that makes the id of a row which another program
// inserts without one. TiDB takes few functions in a default.
func (d dialect) newID() string {
	if d.product == tiDB {
		return "UUID_TO_BIN(UUID())"
	}
	return newIDSQL
}

// rules tells whether the server holds to references and checks that are added
// to a table.
func (d dialect) rules() bool { return d.triggers() }

// verified are the releases on which the tests of this program run.
func (d dialect) verified() bool {
	return d.product == mariaDB && d.release.major == 10 && d.release.minor == 11
}

// checks says which guarantees are in force on the server.
func (d dialect) checks() []model.Check {
	server := model.Check{Name: "central server", State: "ok", Detail: d.name() + ": verified, this program's tests run on it"}
	if !d.verified() {
		server.Detail = d.name() + ": unverified, it should work by its documentation"
		if d.product == tiDB {
			server.Detail = d.name() + ": tried by hand, not part of this program's tests"
		}
	}
	foreign := model.Check{Name: "central foreign changes", State: "ok", Detail: "changes by other programs arrive within seconds: triggers note them"}
	if !d.triggers() {
		foreign.State = "warn"
		foreign.Detail = fmt.Sprintf("changes by other programs arrive within %d minutes: this server has no triggers, so that they are found by comparing every row", int(model.CompareEvery.Minutes()))
		foreign.Fix = "let other programs write through Rapport, or use MariaDB 10.6 or MySQL 8.0.16 or newer"
	}
	return []model.Check{server, foreign}
}

// scopeCheck says whether the server limits people to the rows they may see.
func (d dialect) scopeCheck(database string) model.Check {
	if d.procedures() {
		return model.Check{Name: "central row scope", State: "ok", Detail: "enforced: people reach the records through procedures, which show them what they may see"}
	}
	return model.Check{Name: "central row scope", State: "warn",
		Detail: strings.ReplaceAll("NOT enforced: this server cannot limit rows per person. Anyone with a password to the database X can read and change every record in X with any MySQL program.", "X", database),
		Fix:    "put people who must not see each other's records into separate databases, or use MariaDB 10.6.5 or MySQL 8.0.21 or newer"}
}
