package mysql

import (
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"

	"rapport/db/mysql/servertest"
	"rapport/model"
)

func TestChangePassword(t *testing.T) {
	s := servertest.Shared(t)
	name := servertest.Name(s.Database(t))
	s.SQL(t, "", "CREATE USER eve@'%' IDENTIFIED BY 'first one' PASSWORD EXPIRE", "GRANT SELECT ON `"+name+"`.* TO eve@'%'")
	t.Cleanup(func() { s.SQL(t, "", "DROP USER eve@'%'") })
	was := "first%20one"
	for _, next := range []string{"a sentence of words", `it's "quoted" & odd: %41/@é`} {
		if err := ChangePassword(t.Context(), s.URLFor("eve", was, name), next, DialOptions{}); err != nil {
			t.Fatalf("%q: %v", next, err)
		}
		if err := ChangePassword(t.Context(), s.URLFor("eve", was, name), "yet another one", DialOptions{}); model.KindOf(err) != model.Refused {
			t.Errorf("the old password still works: %v", err)
		}
		was = strings.ReplaceAll(url.QueryEscape(next), "+", "%20")
		c, err := Dial(t.Context(), s.URLFor("eve", was, name), DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	for _, bad := range []string{"", "evening eve 1", "12345678", `it's "quoted" & odd: %41/@é`} {
		if err := ChangePassword(t.Context(), s.URLFor("eve", was, name), bad, DialOptions{}); model.KindOf(err) != model.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestSetPasswordByDialect(t *testing.T) {
	for version, want := range map[string]string{
		"5.5.5-10.11.19-MariaDB": "SET PASSWORD = PASSWORD('it''s')",
		"8.4.3":                  "ALTER USER USER() IDENTIFIED BY 'it''s' REPLACE 'wasn''t'",
		"8.0.11-TiDB-v8.5.0":     "SET PASSWORD = 'it''s'",
	} {
		if got := dialectOf(version).setPassword("wasn't", "it's"); got != want {
			t.Errorf("%s: %s", version, got)
		}
	}
	if got := dialectOf("8.4.3").setPassword(`back\slash`, "next"); strings.Contains(got, "REPLACE") {
		t.Error(got)
	}
}

// TestServerThatLetsNoExpiredIn changes an expired password on a server that
// turns away programs which cannot: what MySQL does unless it is told otherwise.
func TestServerThatLetsNoExpiredIn(t *testing.T) {
	ca := servertest.NewAuthority(t)
	ca.Issue(t, servertest.Certificate{})
	s := servertest.Start(t, ca.TLS(), servertest.Flag("--disconnect-on-expired-password=ON"))
	name := servertest.Name(s.Database(t))
	s.SQL(t, "", "CREATE USER eve@'%' IDENTIFIED BY 'first' REQUIRE SSL", "GRANT SELECT ON `"+name+"`.* TO eve@'%'")
	was := "first"
	for _, query := range []string{"?tls=true&tls-ca=" + ca.File, "?tls=false"} {
		if query == "?tls=false" {
			s.SQL(t, "", "ALTER USER eve@'%' REQUIRE NONE")
		}
		s.SQL(t, "", "ALTER USER eve@'%' PASSWORD EXPIRE")
		at := s.URLFor("eve", was, name) + query
		if _, err := Dial(t.Context(), at, DialOptions{}); model.KindOf(err) != model.Expired || number(err) != erExpiredAtLogin {
			t.Errorf("%s: a login: %v", query, err)
		}
		if err := ChangePassword(t.Context(), at, "sentence-of-"+was, DialOptions{}); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		was = "sentence-of-" + was
		c, err := Dial(t.Context(), s.URLFor("eve", was, name)+query, DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
}

// TestExpiredOnMySQL does the same with what MySQL 8 answers.
func TestExpiredOnMySQL(t *testing.T) {
	expired, answer := true, uint16(erUsedPassword)
	var said []string
	url := fakeServer(t, "8.4.3", func(program uint32, q string) uint16 {
		const handlesExpired = 1 << 22
		switch {
		case q == "" && expired && program&handlesExpired == 0:
			return erExpiredAtLogin
		case q == "":
			return 0
		case !strings.HasPrefix(q, "ALTER USER "):
			return erExpired
		}
		said = append(said, q)
		expired = answer != 0
		return answer
	})
	if _, err := Dial(t.Context(), url, DialOptions{}); model.KindOf(err) != model.Expired {
		t.Errorf("a login: %v", err)
	}
	if err := ChangePassword(t.Context(), url, "a sentence of words", DialOptions{}); model.KindOf(err) != model.Invalid || !strings.Contains(err.Error(), "had before") {
		t.Errorf("one of before: %v", err)
	}
	answer = 0
	if err := ChangePassword(t.Context(), url, "another sentence", DialOptions{}); err != nil {
		t.Fatal(err)
	}
	if len(said) != 2 || said[1] != "ALTER USER USER() IDENTIFIED BY 'another sentence' REPLACE 'first'" {
		t.Errorf("said %q", said)
	}
}

// fakeServer greets as a server of a version, takes every password, and answers
// the login (an empty statement) and each statement with an error's number, 0
// for none. It returns the address of a central there.
func fakeServer(t *testing.T, version string, answer func(program uint32, q string) uint16) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	serve := func(conn net.Conn) {
		defer conn.Close()
		send := func(number byte, body []byte) bool {
			_, err := conn.Write(append([]byte{byte(len(body)), byte(len(body) >> 8), 0, number}, body...))
			return err == nil
		}
		receive := func() []byte {
			head := make([]byte, 4)
			if _, err := io.ReadFull(conn, head); err != nil {
				return nil
			}
			body := make([]byte, int(head[0])|int(head[1])<<8)
			_, _ = io.ReadFull(conn, body) // what is missing is noticed by its emptiness
			return body
		}
		reply := func(number byte, errno uint16) bool {
			if errno == 0 {
				return send(number, []byte{0, 0, 0, 2, 0, 0, 0})
			}
			return send(number, append(binary.LittleEndian.AppendUint16([]byte{0xff}, errno), "#HY000no"...))
		}
		const can = 1 | 1<<9 | 1<<15 | 1<<16 | 1<<19 // long passwords, the protocol of 4.1, secure connections, several statements, plugins
		hello := append([]byte{10}, version+"\x00"+"\x01\x00\x00\x00"+"12345678"+"\x00"...)
		hello = append(hello, can&0xff, can>>8&0xff, 45, 2, 0, can>>16&0xff, can>>24&0xff, 21)
		hello = append(hello, "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"+"123456789012\x00mysql_native_password\x00"...)
		if !send(0, hello) {
			return
		}
		login := receive()
		if len(login) < 4 {
			return
		}
		program := binary.LittleEndian.Uint32(login)
		if errno := answer(program, ""); !reply(2, errno) || errno != 0 {
			return
		}
		for {
			q := receive()
			if len(q) < 2 || q[0] != 3 || !reply(1, answer(program, string(q[1:]))) {
				return
			}
		}
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serve(conn)
		}
	}()
	return "mysql://eve:first@" + l.Addr().String() + "/crm"
}
