package mysql

import (
	"strings"
	"testing"

	"rapport/model"
)

func TestParseURL(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		tls      bool
	}{
		{"mysql://anna:s3cret@db.example.org/crm", "mysql://anna:***@db.example.org:3306/crm", true},
		{"mysql://anna%40x.org:s3cret@db.example.org:3307/crm?tls=false", "mysql://anna%40x.org:***@db.example.org:3307/crm?tls=false", false},
		{"mysql://root@127.0.0.1:4000/crm", "mysql://root@127.0.0.1:4000/crm", false},
		{"mysql://root@localhost/crm?tls=skip-verify", "mysql://root@localhost:3306/crm?tls=skip-verify", true},
		{"mysql://a:s3cret@h1/crm,mysql://a:s3cret@h2/crm", "mysql://a:***@h1:3306/crm,mysql://a:***@h2:3306/crm", true},
		{"mysql://a:s3cret@h1,h2:33/crm?tls=true", "mysql://a:***@h1:3306/crm?tls=true,mysql://a:***@h2:33/crm?tls=true", true},
		{"mysql://root@localhost/crm?compress=true", "mysql://root@localhost:3306/crm?compress=true", false},
		{"mysql://root@localhost/crm?socket=/run/s", "mysql://root@localhost:3306/crm?socket=%2Frun%2Fs", false},
	} {
		a, err := ParseURL(tt.in)
		if err != nil || a.String() != tt.want {
			t.Errorf("%s: %s, %v", tt.in, a, err)
		}
		if c, err := a.tlsConfig(); err != nil || (c != nil) != tt.tls {
			t.Errorf("%s: TLS %v, %v", tt.in, c != nil, err)
		}
	}
	for _, in := range []string{"postgres://a/b", "mysql://h", "mysql://h/", "mysql://h/a/b", "mysql://u:s3cret@h/x?tls=maybe", "mysql://u:s3cret%@h/x", "mysql://u:s3cret@h/x?compress=1"} {
		_, err := ParseURL(in)
		if model.KindOf(err) != model.Invalid || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", in, err)
		}
	}
	if _, err := ParseURL(""); model.KindOf(err) != model.NoCentral {
		t.Errorf("no address: %v", err)
	}
}
