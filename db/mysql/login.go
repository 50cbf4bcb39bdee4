package mysql

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"rapport/model"
)

// explainLogin says why a login failed. What an unverified server answers is
// told apart by types and numbers, never by its words.
func explainLogin(ctx context.Context, a Address, o DialOptions, database string, err error) error {
	op := "connect to " + a.where()
	if out := certificateError(a, o, err); out != nil {
		out.Op = op
		return out
	}
	if n := number(err); n == erAccessDenied || n == erNoSuchLogin {
		if demandsTLS(ctx, a, o, database) {
			return &model.Error{Kind: model.Refused, Op: op, Err: err, Msg: "the server lets this account in by TLS only",
				Hint: "add ?tls=true to the address, with tls-ca=FILE where the company signs its own certificates"}
		}
	}
	return mapError(op, err)
}

// demandsTLS tells whether a login that was refused without TLS succeeds with
// it: a server answers both a wrong password and a missing TLS with the same
// number. The password was sent in the open before, so that nothing is lost by
// not verifying the certificate here.
func demandsTLS(ctx context.Context, a Address, o DialOptions, database string) bool {
	if c, err := a.tlsConfig(); err != nil || c != nil {
		return false
	}
	a.TLS = "skip-verify"
	s, err := login(ctx, a, o, database)
	if err == nil {
		s.close()
		return true
	}
	switch number(err) {
	case 0, erAccessDenied, erNoSuchLogin:
		return false
	}
	// Another refusal comes after the password was taken.
	return true
}

// certificateError explains a certificate that could not be verified, nil if
// it is none of that.
func certificateError(a Address, o DialOptions, err error) *model.Error {
	var unverified *tls.CertificateVerificationError
	if !errors.As(err, &unverified) {
		return nil
	}
	out := &model.Error{Kind: model.Refused, Err: err}
	now := time.Now()
	if o.Now != nil {
		now = o.Now()
	}
	var wrongName x509.HostnameError
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	day := func(t time.Time) string { return t.UTC().Format(time.DateOnly) }
	clock := fmt.Sprintf("if today is not %s, set this computer's clock; else the administrator renews the certificate", day(now))
	switch {
	case errors.As(err, &wrongName):
		out.Msg = fmt.Sprintf("the server's certificate is for %s, not for %s", names(wrongName.Certificate), a.Host)
		out.Hint = "check the address: another server may be answering"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && now.Before(invalid.Cert.NotBefore):
		out.Msg, out.Hint = "the server's certificate is valid from "+day(invalid.Cert.NotBefore)+" only", clock
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		out.Msg, out.Hint = "the server's certificate has expired on "+day(invalid.Cert.NotAfter), clock
	case errors.As(err, &unknown):
		out.Msg = "the server's certificate is signed by nobody whom this computer knows"
		out.Hint = "give the company's certificate with tls-ca=FILE, which the administrator has; do not go on without it"
	default:
		out.Msg, out.Hint = "the server's certificate cannot be verified", "ask the administrator; the certificate is at fault or another server is answering"
	}
	return out
}

// names lists whom a certificate was made for.
func names(c *x509.Certificate) string {
	all := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	switch {
	case len(all) > 3:
		return strings.Join(all[:3], ", ") + " and others"
	case len(all) > 0:
		return strings.Join(all, ", ")
	case c.Subject.CommonName != "":
		return c.Subject.CommonName
	}
	return "nobody"
}
