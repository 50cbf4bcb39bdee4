package servertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority signs certificates for servers, as a company's own does.
type Authority struct {
	File string // its certificate, for tls-ca

	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Certificate says what a server's certificate claims.
type Certificate struct {
	Hosts      []string // names and addresses; none means 127.0.0.1 and localhost
	From, To   time.Time
	SelfSigned bool
}

// NewAuthority makes a certificate authority. Its files go with the test.
func NewAuthority(tb testing.TB) *Authority {
	tb.Helper()
	a := &Authority{dir: tb.TempDir()}
	a.File = filepath.Join(a.dir, "ca.pem")
	a.key = newKey(tb)
	t := template("Test company", time.Time{}, time.Time{})
	t.IsCA, t.BasicConstraintsValid, t.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, t, t, a.key.Public(), a.key)
	if err != nil {
		tb.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		tb.Fatal(err)
	}
	writePEM(tb, a.File, "CERTIFICATE", der)
	return a
}

// Issue writes a server's certificate to where TLS looks for it, in place of
// the one before. A running server takes it with FLUSH SSL.
func (a *Authority) Issue(tb testing.TB, c Certificate) {
	tb.Helper()
	key := newKey(tb)
	t := template("Test server", c.From, c.To)
	hosts := c.Hosts
	if len(hosts) == 0 {
		hosts = []string{"127.0.0.1", "localhost"}
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	parent, signer := a.cert, a.key
	if c.SelfSigned {
		parent, signer = t, key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, key.Public(), signer)
	if err != nil {
		tb.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	writePEM(tb, a.file("server.pem"), "CERTIFICATE", der)
	writePEM(tb, a.file("server.key"), "PRIVATE KEY", secret)
}

// TLS lets a server prove itself by the certificate issued last.
func (a *Authority) TLS() Option {
	return func(c *config) {
		c.flags = append(c.flags, "--ssl-cert="+a.file("server.pem"), "--ssl-key="+a.file("server.key"), "--ssl-ca="+a.File)
	}
}

func (a *Authority) file(name string) string { return filepath.Join(a.dir, name) }

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// template is a certificate that holds from yesterday until in a year unless
// told otherwise.
func template(name string, from, to time.Time) *x509.Certificate {
	if from.IsZero() {
		from = time.Now().AddDate(0, 0, -1)
	}
	if to.IsZero() {
		to = time.Now().AddDate(1, 0, 0)
	}
	return &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: to}
}

func writePEM(tb testing.TB, file, kind string, der []byte) {
	tb.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		tb.Fatal(err)
	}
}
