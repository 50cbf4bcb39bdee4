package mysql

import (
	"errors"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"rapport/db/mysql/servertest"
	"rapport/model"
)

// said tries a login and returns what a person is told of its failure.
func said(t *testing.T, url string, o DialOptions) (model.Kind, string) {
	t.Helper()
	c, err := Dial(t.Context(), url, o)
	if err == nil {
		c.Close()
		return model.Other, ""
	}
	var e *model.Error
	if !errors.As(err, &e) {
		t.Fatalf("%s: %v is nothing for a person", url, err)
	}
	if e.Hint == "" {
		t.Errorf("%q has no hint", e.Msg)
	}
	return e.Kind, e.Msg
}

// TestT08CertificateOfTheServer lets a server prove itself in every way and
// fail to: each is told apart, a wrong clock of this computer among them.
func TestT08CertificateOfTheServer(t *testing.T) {
	ca := servertest.NewAuthority(t)
	ca.Issue(t, servertest.Certificate{})
	s := servertest.Start(t, ca.TLS())
	s.SQL(t, "", "CREATE DATABASE crm", "CREATE USER eve@'%' IDENTIFIED BY 'secret'", "GRANT SELECT ON crm.* TO eve@'%'",
		"CREATE USER safe@'%' IDENTIFIED BY 'secret' REQUIRE SSL", "GRANT SELECT ON crm.* TO safe@'%'")
	at := func(user, query string) string { return s.URLFor(user, "secret", "crm") + query }
	verified := "?tls=true&tls-ca=" + url.QueryEscape(ca.File)
	now := time.Now()
	clock := func(year int) DialOptions {
		return DialOptions{Now: func() time.Time { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC) }}
	}
	renew := func(c servertest.Certificate) func() {
		return func() { ca.Issue(t, c); s.SQL(t, "", "FLUSH SSL") }
	}
	for _, c := range []struct {
		name    string
		before  func()
		url     string
		o       DialOptions
		kind    model.Kind
		message string
	}{
		{"OK", nil, at("safe", verified), DialOptions{}, model.Other, ""},
		{"not verified as asked", nil, at("safe", "?tls=skip-verify"), DialOptions{}, model.Other, ""},
		{"without TLS as asked", nil, at("eve", "?tls=false"), DialOptions{}, model.Other, ""},
		{"TLS missing", nil, at("safe", "?tls=false"), DialOptions{}, model.Refused, "by TLS only"},
		{"wrong password", nil, strings.Replace(at("safe", "?tls=false"), "secret", "wrong", 1), DialOptions{}, model.Refused, "user name and password"},
		{"wrong password by TLS", nil, strings.Replace(at("safe", verified), "secret", "wrong", 1), DialOptions{}, model.Refused, "user name and password"},
		{"authority unknown", nil, at("safe", "?tls=true"), DialOptions{}, model.Refused, "signed by nobody whom"},
		{"clock in 1970", nil, at("safe", verified), clock(1970), model.Refused, "valid from"},
		{"clock in 2099", nil, at("safe", verified), clock(2099), model.Refused, "has expired"},
		{"expired", renew(servertest.Certificate{From: now.AddDate(-2, 0, 0), To: now.AddDate(-1, 0, 0)}), at("safe", verified), DialOptions{}, model.Refused, "has expired on"},
		{"wrong name", renew(servertest.Certificate{Hosts: []string{"crm.example.org"}}), at("safe", verified), DialOptions{}, model.Refused, "is for crm.example.org, not for 127.0.0.1"},
		{"self-signed", renew(servertest.Certificate{SelfSigned: true}), at("safe", verified), DialOptions{}, model.Refused, "signed by nobody whom"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.before != nil {
				c.before()
			}
			if kind, msg := said(t, c.url, c.o); kind != c.kind || !strings.Contains(msg, c.message) {
				t.Errorf("%v: %q, want %v: %q", kind, msg, c.kind, c.message)
			}
		})
	}
	t.Run("is in force", func(t *testing.T) {
		renew(servertest.Certificate{})()
		c, err := Dial(t.Context(), at("safe", verified), DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		cipher, err := c.session.text(t.Context(), "SELECT variable_value FROM information_schema.session_status WHERE variable_name = 'Ssl_cipher'")
		if err != nil || cipher == "" {
			t.Errorf("the cipher is %q, %v", cipher, err)
		}
	})
}

// TestServerWithoutTLS holds that a server which offers none is named as such,
// and reached where the address says so, also by a socket and by a list.
func TestServerWithoutTLS(t *testing.T) {
	s := servertest.Shared(t)
	u := s.Database(t)
	if kind, msg := said(t, u+"?tls=true", DialOptions{}); kind != model.Refused || !strings.Contains(msg, "offers no TLS") {
		t.Errorf("%v: %q", kind, msg)
	}
	name := servertest.Name(u)
	for _, good := range []string{
		"mysql://root@localhost/" + name + "?socket=" + url.QueryEscape(s.Socket),
		"mysql://root@127.0.0.1:1," + s.Address() + "/" + name,
		"mysql://root@127.0.0.1:1/x," + u,
	} {
		if kind, msg := said(t, good, DialOptions{}); msg != "" {
			t.Errorf("%s: %v: %q", good, kind, msg)
		}
	}
	if kind, msg := said(t, "mysql://root@localhost/x?socket=/nowhere", DialOptions{}); kind != model.Unreachable {
		t.Errorf("%v: %q", kind, msg)
	}
}

// TestT68LoginsThatAreRefused tells a locked account, a wrong password and an
// expired one apart.
func TestT68LoginsThatAreRefused(t *testing.T) {
	s := servertest.Shared(t)
	name := servertest.Name(s.Database(t))
	s.SQL(t, "", "CREATE USER locked@'%' IDENTIFIED BY 'p' ACCOUNT LOCK", "CREATE USER stale@'%' IDENTIFIED BY 'p' PASSWORD EXPIRE",
		"GRANT SELECT ON `"+name+"`.* TO locked@'%', stale@'%'")
	t.Cleanup(func() { s.SQL(t, "", "DROP USER locked@'%', stale@'%'") })
	for _, c := range []struct {
		user, password string
		kind           model.Kind
		message        string
	}{
		{"locked", "p", model.Refused, "this account is locked"},
		{"locked", "wrong", model.Refused, "user name and password"},
		{"nobody", "p", model.Refused, "user name and password"},
	} {
		if kind, msg := said(t, s.URLFor(c.user, c.password, name), DialOptions{}); kind != c.kind || !strings.Contains(msg, c.message) {
			t.Errorf("%s with %s: %v: %q", c.user, c.password, kind, msg)
		}
	}
	c, err := Dial(t.Context(), s.URLFor("stale", "p", name), DialOptions{})
	if err == nil {
		defer c.Close()
		_, err = c.Poll(t.Context(), model.Device{}, model.Position{})
	}
	if model.KindOf(err) != model.Expired {
		t.Errorf("an expired password: %v", err)
	}
}

// TestT29ServerThatTakesNobody holds that a server which is full, and a
// quota that is used up, each have a sentence and are no refusal: the changes
// wait.
func TestT29ServerThatTakesNobody(t *testing.T) {
	s := servertest.Start(t, servertest.Flag("--max-connections=10"))
	s.SQL(t, "", "CREATE DATABASE crm", "CREATE USER few@'%' IDENTIFIED BY 'p' WITH MAX_USER_CONNECTIONS 1", "GRANT SELECT ON crm.* TO few@'%'",
		"CREATE USER many@'%' IDENTIFIED BY 'p'", "GRANT SELECT ON crm.* TO many@'%'")
	hold := func(user string) *Central {
		c, err := Dial(t.Context(), s.URLFor(user, "p", "crm"), DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	hold("few")
	if kind, msg := said(t, s.URLFor("few", "p", "crm"), DialOptions{}); kind != model.Unreachable || !strings.Contains(msg, "as many connections as it may have") {
		t.Errorf("quota: %v: %q", kind, msg)
	}
	var held []*Central
	for range 20 {
		c, err := Dial(t.Context(), s.URLFor("many", "p", "crm"), DialOptions{})
		if err != nil {
			if model.KindOf(err) != model.Unreachable || !strings.Contains(err.Error(), "no more connections now") {
				t.Errorf("full: %v", err)
			}
			break
		}
		held = append(held, c)
	}
	if len(held) == 20 {
		t.Error("a full server took everybody")
	}
	for _, c := range held {
		c.Close()
	}
}

// TestT29BlockedComputer greets with what a server says to a computer that it
// has blocked; it blocks none that lies on its own machine.
func TestT29BlockedComputer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			text := "\xff\x69\x04Host '10.0.0.5' is blocked because of many connection errors"
			c.Write(append([]byte{byte(len(text)), 0, 0, 0}, text...))
			c.Close()
		}
	}()
	if kind, msg := said(t, "mysql://eve@"+l.Addr().String()+"/crm", DialOptions{}); kind != model.Unreachable || !strings.Contains(msg, "has blocked this computer") {
		t.Errorf("%v: %q", kind, msg)
	}
}
