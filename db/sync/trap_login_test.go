package sync_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"rapport/db/mysql"
	"rapport/db/mysql/servertest"
	"rapport/db/sync"
	"rapport/model"
)

// letIn gives somebody who sees everything an account with a password of the
// own, and returns the laptop.
func (c *central) letIn(t *testing.T, s *servertest.Server, login, role string) (*home, *mysql.Office) {
	t.Helper()
	office, err := mysql.OpenOffice(t.Context(), c.url, mysql.DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { office.Close() })
	inv, err := office.AddPerson(t.Context(), model.NewPerson{Person: model.Person{Login: login, Role: role, Scope: model.ScopeAll}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.SQL(t, "", "DROP USER IF EXISTS '"+login+"'@'%'") })
	if err := mysql.ChangePassword(t.Context(), s.URLFor(login, inv.Password, c.name), "a sentence of words", mysql.DialOptions{}); err != nil {
		t.Fatal(err)
	}
	return newHome(t, login, s.URLFor(login, "a%20sentence%20of%20words", c.name)), office
}

// fails syncs once: it ends with a kind and a sentence after one login, and
// what was unsent still is.
func (h *home) fails(t *testing.T, kind model.Kind, says string) {
	t.Helper()
	before := len(h.pending(t))
	logins := 0
	e := sync.New(h.DB, func(ctx context.Context) (model.Central, error) {
		logins++
		return h.connect(ctx)
	}, sync.Options{})
	_, err := e.Sync(t.Context(), false, nil)
	var told *model.Error
	if !errors.As(err, &told) || told.Kind != kind || !strings.Contains(told.Msg, says) || told.Hint == "" {
		t.Errorf("it ended with %v, want %v: %q and a hint", err, kind, says)
	}
	if after := len(h.pending(t)); logins != 1 || after != before {
		t.Errorf("%d logins, %d of %d records still unsent", logins, after, before)
	}
}

// T29: a server that takes nobody or nothing just now. There is one attempt,
// the edits stay, and all is well when it takes them again.
func TestT29ServerThatTakesNothing(t *testing.T) {
	s := servertest.Start(t, servertest.Flag("--max-connections=10"))
	url := s.Database(t)
	if _, err := mysql.Init(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	c := &central{DB: s.DB(servertest.Name(url)), url: url, name: servertest.Name(url)}
	t.Cleanup(func() { c.Close() })
	a, _ := c.letIn(t, s, "ada", model.RoleSales)
	a.sync(t)
	a.save(t, "contact", "", map[string]any{"last_name": "Waiting"})

	t.Run("too many connections", func(t *testing.T) {
		var held []*mysql.Central
		for {
			other, err := mysql.Dial(t.Context(), c.url, mysql.DialOptions{})
			if err != nil {
				break
			}
			held = append(held, other)
		}
		a.fails(t, model.Unreachable, "no more connections now")
		for _, other := range held {
			other.Close()
		}
	})
	t.Run("quota used up", func(t *testing.T) {
		c.exec(t, "ALTER USER ada@'%' WITH MAX_USER_CONNECTIONS 1")
		other, err := a.connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		a.fails(t, model.Unreachable, "as many connections as it may have")
		other.Close()
		c.exec(t, "ALTER USER ada@'%' WITH MAX_USER_CONNECTIONS 12")
	})
	t.Run("read only", func(t *testing.T) {
		c.exec(t, "SET GLOBAL read_only = 1")
		a.fails(t, model.Unreachable, "takes no changes")
		c.exec(t, "SET GLOBAL read_only = 0")
	})
	t.Run("host not let in", func(t *testing.T) {
		c.exec(t, "RENAME USER ada@'%' TO ada@'10.0.0.1'")
		a.fails(t, model.Refused, "user name and password")
		c.exec(t, "RENAME USER ada@'10.0.0.1' TO ada@'%'")
	})
	a.sync(t)
	converge(t, c, a)
	if n := c.value(t, "SELECT COUNT(*) FROM contact WHERE last_name = 'Waiting'"); n != "1" {
		t.Errorf("the edit is there %s times", n)
	}
}

// T68: an account is locked while it follows over an open session, its password
// changes, and a column is closed to its role.
func TestT68LockedChangedRevoked(t *testing.T) {
	s := servertest.Shared(t)
	c := newCentral(t)
	a, office := c.letIn(t, s, "ada68", model.RoleSales)
	deal := a.save(t, "deal", "", map[string]any{"name": "Fleet", "amount": model.Money{Minor: 10000, Currency: "EUR"}})
	a.sync(t)

	t.Run("locked in an open session", func(t *testing.T) {
		online, ended := make(chan struct{}, 100), make(chan error, 1)
		ask := make(chan struct{}, 1)
		go func() {
			ended <- a.engine().Follow(t.Context(), sync.FollowOptions{Interval: time.Minute, FollowRequest: model.FollowRequest{Ask: ask,
				Tell: func(f model.Following) {
					if f.State == model.FollowOnline {
						online <- struct{}{}
					}
				}}})
		}()
		<-online
		if n, err := office.LockPerson(t.Context(), "ada68"); err != nil || n != 1 {
			t.Fatalf("%d sessions ended, %v", n, err)
		}
		a.save(t, "deal", deal.ID, map[string]any{"name": "Fleet renewal"})
		ask <- struct{}{}
		if err := <-ended; model.KindOf(err) != model.Refused || !strings.Contains(err.Error(), "this account is locked") {
			t.Errorf("the session ended with %v", err)
		}
		a.fails(t, model.Refused, "this account is locked")
		if err := office.UnlockPerson(t.Context(), "ada68"); err != nil {
			t.Fatal(err)
		}
		if res := a.sync(t); res.Pushed != 1 {
			t.Errorf("%+v", res)
		}
	})
	t.Run("locked without a right over accounts", func(t *testing.T) {
		// The session is open and the account is not locked: the rows refuse.
		open, err := a.connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer open.Close()
		if _, err := open.Poll(t.Context(), model.Device{}, model.Position{}); err != nil {
			t.Fatal(err)
		}
		c.exec(t, "UPDATE sync_person SET active = 0 WHERE login = 'ada68'")
		if _, err := open.Poll(t.Context(), model.Device{}, model.Position{}); model.KindOf(err) != model.Refused || !strings.Contains(err.Error(), "this account is locked") {
			t.Errorf("the open session is answered %v", err)
		}
		c.exec(t, "UPDATE sync_person SET active = 1 WHERE login = 'ada68'")
	})
	t.Run("password changed", func(t *testing.T) {
		a.save(t, "deal", deal.ID, map[string]any{"name": "Fleet 2"})
		c.exec(t, "ALTER USER ada68@'%' IDENTIFIED BY 'something else'")
		a.fails(t, model.Refused, "user name and password")
		c.exec(t, "ALTER USER ada68@'%' IDENTIFIED BY 'a sentence of words'")
		a.sync(t)
	})
	t.Run("column closed", func(t *testing.T) {
		role := model.RoleSupport
		if err := office.EditPerson(t.Context(), "ada68", model.PersonEdit{Role: &role}); err != nil {
			t.Fatal(err)
		}
		a.save(t, "deal", deal.ID, map[string]any{"amount": model.Money{Minor: 20000, Currency: "EUR"}})
		a.save(t, "contact", "", map[string]any{"last_name": "Goes on"})
		if res := a.sync(t); res.Pushed != 1 || res.Refused != 1 {
			t.Errorf("%+v", res)
		}
		if p := a.pending(t); len(p) != 1 || p[0].Code != "not_allowed" || !strings.Contains(strings.ToLower(p[0].Error), "amount") {
			t.Errorf("%+v", p)
		}
		role = model.RoleSales
		if err := office.EditPerson(t.Context(), "ada68", model.PersonEdit{Role: &role}); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Retry(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.sync(t)
		if amount := c.value(t, "SELECT amount_minor FROM deal WHERE name = 'Fleet 2'"); amount != "20000" {
			t.Errorf("the deal is worth %s", amount)
		}
	})
	converge(t, c, a)
}
