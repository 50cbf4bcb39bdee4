package mysql

import (
	"context"
	"crypto/rand"
	"database/sql/driver"
	"fmt"
	"math/big"
	"os"
	"slices"
	"strings"
	"time"

	"rapport/model"
)

// maxSessions is how many connections an account may have at once: a few
// devices, each with one for the sync and one for a question.
const maxSessions = 12

// longLine is what a terminal takes as one line, less some.
const longLine = 4000

// Office is a connection on which an administrator works on people and
// devices. It is for one goroutine at a time.
type Office struct {
	*session
	database string
	person   string // login of the administrator
}

// OpenOffice logs in to the central of a URL for an administrator's work.
// Errors: NoCentral where the database is not set up, Refused, Unreachable.
func OpenOffice(ctx context.Context, url string, o DialOptions) (*Office, error) {
	a, err := ParseURL(url)
	if err != nil {
		return nil, err
	}
	o.Program, o.Read = "rapport-central", 10*time.Minute
	s, err := openPrimary(ctx, a, o, a.Database)
	if err != nil {
		return nil, err
	}
	f := &Office{session: s, database: a.Database}
	found := 0
	err = s.query(ctx, sessionSQL+"SELECT "+personSQL+", (SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name IN ('"+metaTable+"', 'sync_person'))",
		func(_ int, v []driver.Value) error {
			f.person, found = asText(v[0]), int(asInt(v[1]))
			return nil
		})
	switch {
	case err != nil:
		err = mapError("open the central", err)
	case found == 0 && number(s.exec(ctx, "SELECT 1 FROM "+metaTable)) == erTableDenied:
		err = model.Errorf(model.Refused, "your account on the server may not do that").
			WithHint("people and devices are looked after by somebody with the role administrator, accounts by one with CREATE USER, such as root: name it with --central mysql://root@…")
	case found == 0:
		err = model.Errorf(model.NoCentral, "the server has no Rapport database there").WithHint("make it with `rapport central init`")
	case found == 1:
		err = model.Errorf(model.TooNew, "the central is older than this program").WithHint("run `rapport central migrate`")
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return f, nil
}

// Close ends the connection.
func (f *Office) Close() error { return mapError("close the connection", f.session.close()) }

func asInt(v driver.Value) int64 {
	var n int64
	fmt.Sscan(asText(v), &n)
	return n
}

// do runs a statement and explains what an administrator lacks.
func (f *Office) do(ctx context.Context, op, q string) error {
	err := f.exec(ctx, q)
	switch number(err) {
	case erDBAccessDenied, erTableDenied, 1227, 1410, 1370:
		return &model.Error{Kind: model.Refused, Op: op, Msg: "your account on the server may not do that", Err: err,
			Hint: "accounts are made and changed by one with CREATE USER, such as root: name it with --central mysql://root@…"}
	}
	return mapError(op, err)
}

// AddPerson makes an account, its rights and, where there is none, the user in
// the CRM.
func (f *Office) AddPerson(ctx context.Context, p model.NewPerson) (model.Invitation, error) {
	var out model.Invitation
	if err := checkPerson(&p); err != nil {
		return out, err
	}
	there, err := f.text(ctx, "SELECT COUNT(*) FROM sync_person WHERE login = "+quote(p.Login))
	if err != nil {
		return out, mapError("add "+p.Login, err)
	}
	if there != "0" {
		return out, model.Errorf(model.Invalid, "%s has an account already", p.Login).
			WithHint("`central user edit` changes it, `central user password` makes a new one-time password")
	}
	// An account of the same name at another host would be the same person.
	hosts, err := f.hosts(ctx, p.Login)
	if err != nil && model.KindOf(err) != model.Refused {
		return out, err
	}
	if len(hosts) > 0 {
		return out, notOurs(p.Login)
	}
	out, options, err := f.invite(ctx, p.Login, p.Invited)
	if err != nil {
		return out, err
	}
	account := quote(p.Login) + "@" + quote(p.Host)
	if err := f.do(ctx, "make the account", "CREATE USER "+account+" IDENTIFIED BY "+quote(out.Password)+options); err != nil {
		if number(err) == 1396 {
			return model.Invitation{}, notOurs(p.Login).Because(err)
		}
		return model.Invitation{}, err
	}
	err = f.setUp(ctx, p)
	if err != nil {
		// Half an account would stand in the way of the next attempt.
		_ = f.exec(context.WithoutCancel(ctx), "DROP USER "+account)
		return model.Invitation{}, err
	}
	return out, nil
}

func notOurs(login string) *model.Error {
	return model.Errorf(model.Invalid, "the server has an account %s that Rapport did not make", login).WithHint("choose another login, or remove that account first")
}

// setUp gives a new account its rights and its rows.
func (f *Office) setUp(ctx context.Context, p model.NewPerson) error {
	if err := f.grantRights(ctx, p.Login, p.Host, p.Role); err != nil {
		return err
	}
	id, err := f.user(ctx, p.Login)
	if err != nil {
		return err
	}
	if id == "" {
		if id, err = f.makeUser(ctx, p.Person); err != nil {
			return err
		}
	} else {
		edit := model.PersonEdit{Role: &p.Role}
		for from, to := range map[*string]**string{&p.Name: &edit.Name, &p.Email: &edit.Email, &p.Team: &edit.Team} {
			if *from != "" {
				*to = from
			}
		}
		if err := f.editUser(ctx, id, edit); err != nil {
			return err
		}
	}
	err = f.do(ctx, "let "+p.Login+" in", fmt.Sprintf("INSERT INTO sync_person (login, user_id, role, reach, scope, territory, active) VALUES (%s, %s, %s, %s, %s, %s, 1)",
		quote(p.Login), idLiteral(id), quote(p.Role), quote(p.Scope), idLiteral(id), orNull(p.Territory)))
	if err != nil {
		return err
	}
	return f.settle(ctx)
}

// settle lets everybody hear of what changed. Who sees what is worked out by
// triggers.
func (f *Office) settle(ctx context.Context) error {
	return f.do(ctx, "tell the laptops", f.dialect.sequenceSQL())
}

func orNull(s string) string {
	if s == "" {
		return "NULL"
	}
	return quote(s)
}

// checkPerson fills in what was left out and refuses what cannot be.
func checkPerson(p *model.NewPerson) error {
	p.Login = strings.TrimSpace(p.Login)
	if p.Host == "" {
		p.Host = "%"
	}
	if p.Role == "" {
		p.Role = model.RoleSales
	}
	if p.Scope == "" {
		p.Scope = model.ScopeOwn
	}
	bad := func(format string, args ...any) *model.Error { return model.Errorf(model.Invalid, format, args...) }
	switch {
	case p.Login == "":
		return bad("a login is needed").WithHint("an empty one is the server's anonymous account")
	case strings.ContainsAny(p.Login, "@%\\'\"` ") || strings.ContainsFunc(p.Login, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return bad("the login %q holds a sign that logins cannot have", p.Login).WithHint("letters, digits, dots, - and _ are fine")
	case len([]rune(p.Login)) > 32:
		return bad("the login is too long: servers take 32 characters")
	case !slices.Contains(model.Roles(), p.Role):
		return bad("there is no role %q", p.Role).WithHint("one of %s", strings.Join(model.Roles(), ", "))
	case !slices.Contains(model.Scopes(), p.Scope):
		return bad("there is no scope %q", p.Scope).WithHint("one of %s", strings.Join(model.Scopes(), ", "))
	case p.Scope == model.ScopeTeam && p.Team == "":
		return bad("the scope team needs a team").WithHint("add --team")
	case p.Scope == model.ScopeTerritory && p.Territory == "":
		return bad("the scope territory needs a territory").WithHint("add --territory")
	}
	return nil
}

// invite makes a one-time password and the line for the new person, and returns
// what stands behind the password where the account is made.
func (f *Office) invite(ctx context.Context, login string, i model.Invitee) (model.Invitation, string, error) {
	out := model.Invitation{Login: login, Notes: []string{}}
	var err error
	if out.Password, err = oneTimePassword(); err != nil {
		return out, "", err
	}
	encrypted := greetingTLS(f.traffic.greeting)
	to := f.address
	if i.Address != "" {
		if to, err = ParseURL(i.Address); err != nil {
			return out, "", err
		}
		if to.TLS == "" && to.CAFile == "" && to.local() {
			to.TLS = f.address.TLS
		}
	}
	ca := i.CAFile
	if ca == "" {
		ca = to.CAFile
	}
	if ca == "" {
		ca = f.address.CAFile
	}
	invite := model.Invite{Password: out.Password}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return out, "", model.Errorf(model.Invalid, "the certificates in %s cannot be read", ca).Because(err)
		}
		invite.CA = string(pem)
	}
	options := ""
	switch {
	case encrypted:
		options = " REQUIRE SSL"
		if to.TLS == "" || to.TLS == "false" {
			to.TLS = "true"
		}
		if ca == "" && to.TLS == "true" && to.local() {
			out.Notes = append(out.Notes, "the invite holds no certificate: where the company signs its own, add --ca FILE")
		}
	case to.TLS == "" && !to.local():
		out.Notes = append(out.Notes, "the server offers no TLS: the person cannot log in before it does, unless the address says tls=false")
	}
	if to.local() {
		out.Notes = append(out.Notes, "the invite leads to "+to.where()+", which is this machine: add --address mysql://HOST/"+to.Database+" for other computers")
	}
	options += fmt.Sprintf(" WITH MAX_USER_CONNECTIONS %d", maxSessions)
	if expires, err := f.letsExpiredIn(ctx); err != nil {
		return out, "", err
	} else if expires {
		options += " PASSWORD EXPIRE"
	} else {
		out.Notes = append(out.Notes, "this server lets nobody in with an expired password, so that it does not force a new one; `rapport join` sets one all the same")
	}
	invite.Central = to.of(login).String()
	if out.Line = invite.String(); len(out.Line) > longLine {
		out.Notes = append(out.Notes, "the invite is longer than a terminal takes at once: the person gives it as an argument, rapport join INVITE, or in a file")
	}
	return out, options, nil
}

// of is the address for another login, without a password and without files of
// this machine, for each server of a list.
func (a Address) of(login string) Address {
	a.User, a.Password, a.CAFile = login, "", ""
	others := a.Standby
	a.Standby = nil
	for _, s := range others {
		s.TLS = a.TLS
		a.Standby = append(a.Standby, s.of(login))
	}
	return a
}

// letsExpiredIn tells whether a person with an expired password is let in to
// change it. MySQL does so only for programs that say they know about it, which
// this driver does not.
func (f *Office) letsExpiredIn(ctx context.Context) (bool, error) {
	if f.dialect.product == tiDB || f.dialect.product == vitess {
		return false, nil
	}
	v, err := f.text(ctx, "SELECT @@global.disconnect_on_expired_password")
	if err != nil {
		return false, mapError("ask about expired passwords", err)
	}
	return !truth(v), nil
}

// oneTimePassword makes one that is read out on the telephone: groups of
// letters and digits that are not mistaken for others.
func oneTimePassword() (string, error) {
	const upper, lower, digits = "ABCDEFGHJKLMNPQRSTUVWXYZ", "abcdefghijkmnpqrstuvwxyz", "23456789"
	pick := func(from string) (byte, error) {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(from))))
		if err != nil {
			return 0, fmt.Errorf("make a password: %w", err)
		}
		return from[n.Int64()], nil
	}
	var groups []string
	for range 4 {
		var g []byte
		for _, from := range []string{upper, lower, digits, lower, digits} {
			c, err := pick(from)
			if err != nil {
				return "", err
			}
			g = append(g, c)
		}
		groups = append(groups, string(g))
	}
	return strings.Join(groups, "-"), nil
}
