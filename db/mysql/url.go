package mysql

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/url"
	"os"
	"strings"

	"rapport/model"
)

// Address says where a central database is and as whom to log in.
type Address struct {
	User     string
	Password string
	Host     string
	Port     string
	Database string
	Socket   string // path of a Unix socket, instead of host and port
	TLS      string // "" for the rule of the host, "true", "skip-verify" or "false"
	CAFile   string // certificates that the server's may be signed by
	Compress string // "" where the way is slow, "true" or "false"
	Standby  []Address
}

// ParseURL reads the address of a central: mysql://user:password@host:port/database
// with ?tls=true|skip-verify|false, tls-ca=FILE, socket=PATH and
// compress=true|false. A list with commas names a primary and its standbys: whole URLs, or hosts before one
// database. The error is of kind Invalid and never shows a password.
func ParseURL(s string) (Address, error) {
	parts := splitList(strings.TrimSpace(s))
	if len(parts) == 0 {
		return Address{}, model.Errorf(model.NoCentral, "no central database is configured").
			WithHint("name it with --central mysql://user@host/database")
	}
	var out Address
	for i, p := range parts {
		a, err := parseOne(p)
		if err != nil {
			return Address{}, err
		}
		if i == 0 {
			out = a
		} else {
			out.Standby = append(out.Standby, a)
		}
	}
	return out, nil
}

// splitList splits at the commas before another URL, and turns hosts in a list
// within one URL into URLs.
func splitList(s string) []string {
	if s == "" {
		return nil
	}
	var out []string
	for _, p := range strings.Split(s, ",") {
		p = strings.TrimSpace(p)
		if len(out) > 0 && !strings.Contains(p, "://") {
			out[len(out)-1] += "," + p
		} else if p != "" {
			out = append(out, p)
		}
	}
	var whole []string
	for _, p := range out {
		scheme, rest, ok := strings.Cut(p, "://")
		hosts, tail, _ := strings.Cut(rest, "/")
		login := ""
		if i := strings.LastIndexByte(hosts, '@'); i >= 0 {
			login, hosts = hosts[:i+1], hosts[i+1:]
		}
		if !ok || !strings.Contains(hosts, ",") {
			whole = append(whole, p)
			continue
		}
		for _, h := range strings.Split(hosts, ",") {
			whole = append(whole, scheme+"://"+login+strings.TrimSpace(h)+"/"+tail)
		}
	}
	return whole
}

func parseOne(s string) (Address, error) {
	bad := func(what string) (Address, error) {
		return Address{}, model.Errorf(model.Invalid, "the central's address %s", what).
			WithHint("write it as mysql://user@host:3306/database")
	}
	u, err := url.Parse(s)
	if err != nil {
		// The error of url.Parse holds the text, and with it the password.
		return bad("cannot be read; write special characters of user and password as %40 and the like")
	}
	if u.Scheme != "mysql" && u.Scheme != "mariadb" {
		return bad("does not begin with mysql://")
	}
	a := Address{Host: u.Hostname(), Port: u.Port(), Database: strings.TrimPrefix(u.Path, "/"), User: u.User.Username()}
	a.Password, _ = u.User.Password()
	if a.Database == "" || strings.Contains(a.Database, "/") {
		return bad("names no database")
	}
	for key, values := range u.Query() {
		v := values[len(values)-1]
		switch key {
		case "tls":
			switch v {
			case "true", "skip-verify", "false":
				a.TLS = v
			default:
				return bad("has tls=" + v + ", which is none of true, skip-verify and false")
			}
		case "tls-ca":
			a.CAFile = v
		case "socket":
			a.Socket = v
		case "compress":
			if v != "true" && v != "false" {
				return bad("has compress=" + v + ", which is neither true nor false")
			}
			a.Compress = v
		default:
			return bad("has the unknown option " + key)
		}
	}
	if a.Host == "" {
		a.Host = "localhost"
	}
	if a.Port == "" {
		a.Port = "3306"
	}
	return a, nil
}

// String returns the address as a URL, with *** for the password.
func (a Address) String() string {
	var b strings.Builder
	b.WriteString("mysql://")
	if a.User != "" {
		b.WriteString(url.User(a.User).String())
		if a.Password != "" {
			b.WriteString(":***")
		}
		b.WriteByte('@')
	}
	b.WriteString(net.JoinHostPort(a.Host, a.Port) + "/" + url.PathEscape(a.Database))
	q := url.Values{}
	for key, v := range map[string]string{"tls": a.TLS, "tls-ca": a.CAFile, "socket": a.Socket, "compress": a.Compress} {
		if v != "" {
			q.Set(key, v)
		}
	}
	if len(q) > 0 {
		b.WriteString("?" + q.Encode())
	}
	for _, s := range a.Standby {
		b.WriteString("," + s.String())
	}
	return b.String()
}

// where names the server alone, for a message.
func (a Address) where() string {
	if a.Socket != "" {
		return a.Socket
	}
	return net.JoinHostPort(a.Host, a.Port)
}

// local tells whether nothing leaves the machine on the way to the server.
func (a Address) local() bool {
	if a.Socket != "" || a.Host == "localhost" {
		return true
	}
	ip := net.ParseIP(a.Host)
	return ip != nil && ip.IsLoopback()
}

// tlsConfig returns how the connection is encrypted, nil for not at all. A
// host that is not this machine demands a verified certificate unless the
// address says otherwise.
func (a Address) tlsConfig() (*tls.Config, error) {
	mode := a.TLS
	if mode == "" {
		switch {
		case a.CAFile != "" || !a.local():
			mode = "true"
		default:
			return nil, nil
		}
	}
	if mode == "false" {
		return nil, nil
	}
	c := &tls.Config{ServerName: a.Host, MinVersion: tls.VersionTLS12, InsecureSkipVerify: mode == "skip-verify"}
	if a.CAFile != "" {
		pem, err := os.ReadFile(a.CAFile)
		if err != nil {
			return nil, model.Errorf(model.Invalid, "the certificates in %s cannot be read", a.CAFile).Because(err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, model.Errorf(model.Invalid, "%s holds no certificate", a.CAFile)
		}
	}
	return c, nil
}
