package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"
	"time"

	"rapport/model"
)

// tableRights are those of an account on a server without procedures, and of
// an administrator, who looks at the service tables and mends them. Without
// TRIGGER an administrator cannot see whether the triggers are the right ones.
const tableRights = "SELECT, INSERT, UPDATE, DELETE"

// grantRights gives an account what its role needs on the server. What the
// person sees and changes of the records is decided by the procedures.
func (f *Office) grantRights(ctx context.Context, login, host, role string) error {
	account := quote(login) + "@" + quote(host)
	for _, q := range rightsOf(f.dialect, f.database, account, role) {
		if err := f.do(ctx, "give "+login+" the rights", q); err != nil {
			return err
		}
	}
	return nil
}

// rightsOf are the statements that give an account its rights.
func rightsOf(d dialect, database, account, role string) []string {
	switch {
	case !d.procedures():
		return []string{"GRANT " + tableRights + " ON " + grantable(database) + ".* TO " + account}
	case role == model.RoleAdministrator:
		return []string{"GRANT " + tableRights + ", TRIGGER, EXECUTE ON " + grantable(database) + ".* TO " + account}
	}
	var out []string
	for _, p := range personProcedures() {
		out = append(out, "GRANT EXECUTE ON PROCEDURE "+ident(database)+"."+ident(p)+" TO "+account)
	}
	return out
}

// hosts returns the hosts from which a login may come in. An account of the
// same name at several hosts is one person.
func (f *Office) hosts(ctx context.Context, login string) ([]string, error) {
	hosts, err := f.lines(ctx, "SELECT host FROM mysql.user WHERE "+sameBytes("user", login)+" ORDER BY host")
	if n := number(err); n == erTableDenied || n == erDBAccessDenied {
		return nil, &model.Error{Kind: model.Refused, Op: "look at the accounts", Msg: "your account on the server may not look at others", Err: err,
			Hint: "accounts are made and changed by one with CREATE USER, such as root: name it with --central mysql://root@…"}
	}
	return hosts, mapError("look at the accounts", err)
}

// sameBytes compares a name as the server does for accounts: exactly.
func sameBytes(column, name string) string {
	return "CAST(" + column + " AS BINARY) = CAST(" + quote(name) + " AS BINARY)"
}

// must fails where somebody is not there.
func (f *Office) must(ctx context.Context, login string) error {
	n, err := f.text(ctx, "SELECT COUNT(*) FROM sync_person WHERE login = "+quote(login))
	if err != nil {
		return mapError("find "+login, err)
	}
	if n == "0" {
		return model.Errorf(model.NotFound, "there is no person %q", login).WithHint("`central user list` shows everybody")
	}
	return nil
}

// user returns the id of the user of a login in the CRM, "" if there is none.
func (f *Office) user(ctx context.Context, login string) (model.ID, error) {
	v, err := f.text(ctx, "SELECT HEX(id) FROM user WHERE "+sameBytes("login", login)+" ORDER BY deleted_at IS NULL DESC, created_at, id LIMIT 1")
	if err != nil || v == "" {
		return "", mapError("find the user "+login, err)
	}
	return idOfHex(v)
}

func idOfHex(v string) (model.ID, error) {
	if len(v) != 32 {
		return "", model.Errorf(model.Corrupt, "the central has an id of the wrong length")
	}
	v = strings.ToLower(v)
	return model.ID(v[:8] + "-" + v[8:12] + "-" + v[12:16] + "-" + v[16:20] + "-" + v[20:]), nil
}

// roleTitle is how the user's record names a role.
func roleTitle(role string) string {
	if role == model.RoleReadOnly {
		return "read-only"
	}
	return role
}

func (f *Office) makeUser(ctx context.Context, p model.Person) (model.ID, error) {
	id := model.DerivedID("user", p.Login)
	err := f.do(ctx, "make the user "+p.Login, fmt.Sprintf("INSERT INTO user (id, login, name, email, role, team, active) VALUES (%s, %s, %s, %s, %s, %s, 1)",
		idLiteral(id), quote(p.Login), orNull(p.Name), orNull(p.Email), quote(roleTitle(p.Role)), orNull(p.Team)))
	return id, err
}

// editUser changes the user in the CRM and brings a deleted or former one back.
func (f *Office) editUser(ctx context.Context, id model.ID, e model.PersonEdit) error {
	set := []string{"active = 1", "deleted_at = NULL"}
	for col, v := range map[string]*string{"name": e.Name, "email": e.Email, "team": e.Team} {
		if v != nil {
			set = append(set, col+" = "+orNull(*v))
		}
	}
	if e.Role != nil {
		set = append(set, "role = "+quote(roleTitle(*e.Role)))
	}
	return f.do(ctx, "change the user", "UPDATE user SET "+strings.Join(set, ", ")+" WHERE id = "+idLiteral(id))
}

// People lists everybody who has or had an account.
func (f *Office) People(ctx context.Context) ([]model.Person, error) {
	accounts, err := f.accountStates(ctx)
	if err != nil {
		return nil, err
	}
	var out []model.Person
	err = f.query(ctx, `SELECT p.login, COALESCE(u.name, ''), COALESCE(u.email, ''), p.role, p.reach, COALESCE(u.team, ''), COALESCE(p.territory, ''), p.active,
  (SELECT COUNT(*) FROM sync_client c WHERE c.person = p.login), (SELECT DATE_FORMAT(MAX(c.last_seen), '`+mysqlTime+`') FROM sync_client c WHERE c.person = p.login)
FROM sync_person p LEFT JOIN user u ON u.id = p.user_id ORDER BY p.login`, func(_ int, v []driver.Value) error {
		p := model.Person{Login: asText(v[0]), Name: asText(v[1]), Email: asText(v[2]), Role: asText(v[3]), Scope: asText(v[4]), Team: asText(v[5]),
			Territory: asText(v[6]), Active: asInt(v[7]) != 0, Devices: asInt(v[8]), LastSeen: asTime(v[9])}
		switch state, ok := accounts[p.Login]; {
		case accounts == nil:
			p.Account = "unknown"
		case !ok:
			p.Account = "missing"
		default:
			p.Account = state
		}
		out = append(out, p)
		return nil
	})
	return out, mapError("list the people", err)
}

// mysqlTime is the format of a moment for asTime.
const mysqlTime = "%Y-%m-%d %H:%i:%s.%f"

func asTime(v driver.Value) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05.999999", asText(v))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// accountStates tells which logins the server has and whether they are locked.
// It is nil where this account may not look. A login with several accounts is
// locked where all of them are.
func (f *Office) accountStates(ctx context.Context) (map[string]string, error) {
	q := "SELECT user, account_locked = 'Y' FROM mysql.user"
	if f.dialect.product == mariaDB {
		q = "SELECT user, COALESCE(JSON_VALUE(priv, '$.account_locked'), 0) FROM mysql.global_priv"
	}
	out := map[string]string{}
	err := f.query(ctx, q, func(_ int, v []driver.Value) error {
		login := asText(v[0])
		if !truth(asText(v[1])) {
			out[login] = "ok"
		} else if out[login] == "" {
			out[login] = "locked"
		}
		return nil
	})
	if n := number(err); n == erTableDenied || n == erDBAccessDenied {
		return nil, nil
	}
	return out, mapError("look at the accounts", err)
}

// EditPerson changes who somebody is and what the person sees and may do.
func (f *Office) EditPerson(ctx context.Context, login string, e model.PersonEdit) error {
	people, err := f.People(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(people, func(p model.Person) bool { return p.Login == login })
	if i < 0 {
		return f.must(ctx, login)
	}
	was := people[i]
	next := model.NewPerson{Person: was}
	for to, from := range map[*string]*string{&next.Name: e.Name, &next.Email: e.Email, &next.Role: e.Role, &next.Scope: e.Scope, &next.Team: e.Team, &next.Territory: e.Territory} {
		if from != nil {
			*to = *from
		}
	}
	if err := checkPerson(&next); err != nil {
		return err
	}
	if was.Role != next.Role && (was.Role == model.RoleAdministrator || next.Role == model.RoleAdministrator) {
		if err := f.changeRights(ctx, login, next.Role); err != nil {
			return err
		}
	}
	id, err := f.user(ctx, login)
	if err != nil {
		return err
	}
	if id == "" {
		if id, err = f.makeUser(ctx, next.Person); err != nil {
			return err
		}
	} else if err := f.editUser(ctx, id, e); err != nil {
		return err
	}
	if err := f.do(ctx, "change "+login, fmt.Sprintf("UPDATE sync_person SET role = %s, reach = %s, territory = %s, user_id = %s, scope = %s WHERE login = %s",
		quote(next.Role), quote(next.Scope), orNull(next.Territory), idLiteral(id), idLiteral(id), quote(login))); err != nil {
		return err
	}
	return f.settle(ctx)
}

// changeRights gives every account of a login the rights of a role in place of
// those it has.
func (f *Office) changeRights(ctx context.Context, login, role string) error {
	hosts, err := f.hosts(ctx, login)
	if err != nil {
		return err
	}
	for _, h := range hosts {
		if err := f.do(ctx, "take the rights of "+login, "REVOKE ALL PRIVILEGES, GRANT OPTION FROM "+quote(login)+"@"+quote(h)); err != nil {
			return err
		}
		if err := f.grantRights(ctx, login, h, role); err != nil {
			return err
		}
	}
	return nil
}

// LockPerson keeps somebody out. The row comes first: it stops open sessions
// too, and an administrator without rights over accounts may still change it.
func (f *Office) LockPerson(ctx context.Context, login string) (int, error) {
	if login == f.person {
		return 0, model.Errorf(model.Invalid, "this is the account that you use").WithHint("let another administrator lock it")
	}
	if err := f.must(ctx, login); err != nil {
		return 0, err
	}
	if err := f.do(ctx, "lock "+login, "UPDATE sync_person SET active = 0 WHERE login = "+quote(login)); err != nil {
		return 0, err
	}
	err := f.alter(ctx, login, " ACCOUNT LOCK")
	if err == nil {
		return f.end(ctx, login)
	}
	if model.KindOf(err) == model.Refused && f.dialect.procedures() {
		return 0, &model.Error{Kind: model.Partial, Op: "lock " + login, Msg: login + " is kept out of every record at once; the account on the server stays open", Err: err,
			Hint: "somebody with CREATE USER, such as root, closes it with the same command"}
	}
	return 0, err
}

// UnlockPerson lets somebody in again.
func (f *Office) UnlockPerson(ctx context.Context, login string) error {
	if err := f.must(ctx, login); err != nil {
		return err
	}
	if err := f.alter(ctx, login, " ACCOUNT UNLOCK"); err != nil {
		return err
	}
	return f.do(ctx, "unlock "+login, "UPDATE sync_person SET active = 1 WHERE login = "+quote(login))
}

// alter changes every account of a login.
func (f *Office) alter(ctx context.Context, login, how string) error {
	hosts, err := f.hosts(ctx, login)
	if err != nil {
		return err
	}
	if len(hosts) == 0 {
		return model.Errorf(model.NotFound, "the server has no account %q", login).WithHint("`central user remove %s`, then add it again", login)
	}
	for _, h := range hosts {
		if err := f.do(ctx, "change the account "+login, "ALTER USER "+quote(login)+"@"+quote(h)+how); err != nil {
			return err
		}
	}
	return nil
}

// end ends the open sessions of a login and returns how many there were.
func (f *Office) end(ctx context.Context, login string) (int, error) {
	ids, err := f.lines(ctx, "SELECT id FROM information_schema.processlist WHERE "+sameBytes("user", login))
	if err != nil {
		return 0, mapError("find the sessions of "+login, err)
	}
	ended := 0
	for _, id := range ids {
		err := f.do(ctx, "end a session of "+login, "KILL "+id)
		if number(err) == erNoSuchThread {
			continue // it ended by itself
		}
		if err != nil {
			return ended, err
		}
		ended++
	}
	return ended, nil
}

const erNoSuchThread = 1094

// RemovePerson takes the accounts of somebody away and ends the sessions. The
// user stays in the CRM as a former one.
func (f *Office) RemovePerson(ctx context.Context, login string) error {
	if login == f.person {
		return model.Errorf(model.Invalid, "this is the account that you use").WithHint("let another administrator remove it")
	}
	if err := f.must(ctx, login); err != nil {
		return err
	}
	if err := f.do(ctx, "lock "+login, "UPDATE sync_person SET active = 0 WHERE login = "+quote(login)); err != nil {
		return err
	}
	hosts, err := f.hosts(ctx, login)
	if err != nil {
		return err
	}
	for _, h := range hosts {
		if err := f.do(ctx, "remove the account "+login, "DROP USER "+quote(login)+"@"+quote(h)); err != nil {
			return err
		}
	}
	if _, err := f.end(ctx, login); err != nil {
		return err
	}
	for _, q := range []string{
		"UPDATE user SET active = 0 WHERE " + sameBytes("login", login),
		"DELETE FROM sync_scope_grant WHERE login = " + quote(login),
		"DELETE FROM sync_person WHERE login = " + quote(login),
	} {
		if err := f.do(ctx, "remove "+login, q); err != nil {
			return err
		}
	}
	return f.settle(ctx)
}

// NewPassword gives somebody another one-time password. Open sessions go on
// until they end.
func (f *Office) NewPassword(ctx context.Context, login string, i model.Invitee) (model.Invitation, error) {
	if err := f.must(ctx, login); err != nil {
		return model.Invitation{}, err
	}
	out, options, err := f.invite(ctx, login, i)
	if err != nil {
		return out, err
	}
	if err := f.alter(ctx, login, " IDENTIFIED BY "+quote(out.Password)+options); err != nil {
		return model.Invitation{}, err
	}
	return out, nil
}
