package backup

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rapport/model"
)

// driver speaks the protocol of one sort of object store. Each call is one
// attempt; names are those within the container.
type driver interface {
	// put stores a whole object in one request, which the server takes only
	// if all of it arrived; fresh makes it where none is.
	put(ctx context.Context, name string, data []byte, fresh bool) error
	// get reads the bytes from one place up to another, all if to is 0.
	get(ctx context.Context, name string, from, to int64) ([]byte, error)
	list(ctx context.Context, prefix string) ([]Object, error)
	stat(ctx context.Context, name string) (Object, error)
	delete(ctx context.Context, name string) error
	// fault says what an error of the driver means.
	fault(err error) fault
}

// fault is what a failed attempt means.
type fault int

const (
	faultPassing     fault = iota // the network or the server failed: worth another attempt
	faultAbsent                   // there is no such object
	faultTaken                    // there is an object already
	faultRange                    // the object ends before
	faultRefused                  // the key is wrong or may not do it
	faultNoContainer              // there is no such bucket or container
	faultFull                     // there is no room
	faultClock                    // the clocks differ too much
	faultNoCondition              // it makes no object on a condition
	faultOther                    // nothing of these; the cause tells
)

// Attempts at one request, and the pauses between them, which double.
const (
	attempts   = 5
	firstPause = 250 * time.Millisecond
)

// remote is a store behind a network. It repeats what passes, and says what
// does not in a sentence.
type remote struct {
	name      string // for people, without secrets
	container string // what this store calls the bucket or container
	prefix    string // of all names in it, "" or ending in a slash
	keyHint   string // where the key comes from
	connect   func(ctx context.Context) (d driver, secrets []string, err error)
	pause     func(ctx context.Context, attempt int) error

	mu      sync.Mutex // guards what follows
	d       driver
	secrets []string

	// loose is set when the server does not know how to make an object only
	// where none is.
	loose atomic.Bool
}

// String returns the address without secrets.
func (r *remote) String() string { return r.name }

// driver connects at the first call.
func (r *remote) driver(ctx context.Context) (driver, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.d != nil {
		return r.d, nil
	}
	d, secrets, err := r.connect(ctx)
	if err != nil {
		return nil, err
	}
	r.d, r.secrets = d, secrets
	return d, nil
}

// wait pauses before another attempt.
func wait(ctx context.Context, attempt int) error {
	return rest(ctx, firstPause<<attempt)
}

// rest waits for half of d or more, up to d, as chance has it, so that those who
// failed together do not come back together.
func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d/2 + rand.N(d/2+1))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// patience is how long one attempt may take: a minute, and what so many bytes
// need on a slow line.
func patience(bytes int) time.Duration {
	return time.Minute + time.Duration(bytes/(32<<10))*time.Second
}

// try makes attempts until one succeeds or fails for good. It returns what the
// last one meant, and whether an earlier one may have been carried out.
func (r *remote) try(ctx context.Context, size int, do func(ctx context.Context, d driver) error) (f fault, again bool, err error) {
	if err := ctx.Err(); err != nil {
		return faultOther, false, stopped(err)
	}
	d, err := r.driver(ctx)
	if err != nil {
		return faultOther, false, err
	}
	for n := 0; ; n++ {
		attempt, cancel := context.WithTimeout(ctx, patience(size))
		err := do(attempt, d)
		cancel()
		if err == nil {
			return 0, n > 0, nil
		}
		if ctx.Err() != nil {
			return faultOther, n > 0, stopped(ctx.Err())
		}
		if f = d.fault(err); f == faultPassing && isFinal(err) {
			f = faultOther
		}
		if f == faultPassing && n+1 < attempts {
			if perr := r.pause(ctx, n); perr != nil {
				return faultOther, true, stopped(perr)
			}
			continue
		}
		return f, n > 0, r.sentence(f, err)
	}
}

// isFinal tells whether another attempt to reach a server cannot end better.
func isFinal(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound || isTLS(err) || notTLS(err)
}

func isTLS(err error) bool {
	var verify *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	return errors.As(err, &verify) || errors.As(err, &authority) || errors.As(err, &host)
}

func notTLS(err error) bool {
	var header tls.RecordHeaderError
	return errors.As(err, &header) || errors.Is(err, http.ErrSchemeMismatch)
}

// sentence says what a failed request means and what to do.
func (r *remote) sentence(f fault, err error) error {
	cause := r.cause(err)
	switch f {
	case faultAbsent:
		return &fs.PathError{Op: "get", Path: r.name, Err: fs.ErrNotExist}
	case faultTaken:
		return errTaken
	case faultPassing:
		return model.Errorf(model.Unreachable, "%s does not answer", r).WithHint("check the network and the address, then repeat the command").Because(cause)
	case faultRefused:
		return model.Errorf(model.Refused, "%s does not allow that with this key", r).WithHint("check the key (%s) and its rights", r.keyHint).Because(cause)
	case faultNoContainer:
		return model.Errorf(model.Invalid, "there is no %s where %s points to", r.container, r).WithHint("check the name, or make the %s first", r.container).Because(cause)
	case faultFull:
		return noRoom(r).Because(cause)
	case faultClock:
		return model.Errorf(model.Invalid, "the clock of this computer differs too much from that of %s", r).WithHint("set the clock, then repeat the command").Because(cause)
	}
	switch {
	case isTLS(err):
		return model.Errorf(model.Invalid, "the certificate of %s is not one that this computer trusts", r).WithHint("let the computer trust its authority, or check the endpoint").Because(cause)
	case notTLS(err):
		return model.Errorf(model.Invalid, "%s speaks no TLS", r).WithHint("check the endpoint; where the network is safe, add insecure=true to the address").Because(cause)
	case isFinal(err):
		return model.Errorf(model.Unreachable, "the server of %s cannot be found", r).WithHint("check the network and the address, then repeat the command").Because(cause)
	}
	return model.Errorf(model.Other, "%s answers with an error", r).WithHint("the log has its words; check the address").Because(cause)
}

// cause is the text of an error without the address it was about, whose query
// can be a key, and without any secret.
func (r *remote) cause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	text := err.Error()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.secrets {
		for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s)} {
			if form != "" {
				text = strings.ReplaceAll(text, form, "***")
			}
		}
	}
	return errors.New(text)
}

// object returns the name of an object in the container.
func (r *remote) object(key string) (string, error) {
	if path.Clean(key) != key || path.IsAbs(key) || strings.HasPrefix(key, "..") || key == "." {
		return "", model.Errorf(model.Corrupt, "%q is no name of an object", key)
	}
	return r.prefix + key, nil
}

// Put stores an object in one request, which can be repeated without harm.
func (r *remote) Put(ctx context.Context, key string, data []byte) error {
	name, err := r.object(key)
	if err != nil {
		return err
	}
	_, _, err = r.try(ctx, len(data), func(ctx context.Context, d driver) error { return d.put(ctx, name, data, false) })
	return err
}

// PutNew stores an object where none is. When the answer to an attempt was
// lost, the object that is there may be the one it made: then its bytes tell.
func (r *remote) PutNew(ctx context.Context, key string, data []byte) error {
	name, err := r.object(key)
	if err != nil {
		return err
	}
	if !r.loose.Load() {
		f, again, err := r.try(ctx, len(data), func(ctx context.Context, d driver) error { return d.put(ctx, name, data, true) })
		switch {
		case f == faultTaken && again:
			there, err := r.Get(ctx, key)
			if err == nil && !bytes.Equal(there, data) {
				err = errTaken
			}
			return err
		case f != faultNoCondition:
			return err
		}
		r.loose.Store(true)
	}
	if _, err := r.Stat(ctx, key); err == nil {
		return errTaken
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return r.Put(ctx, key, data)
}

// Get reads a whole object.
func (r *remote) Get(ctx context.Context, key string) ([]byte, error) {
	return r.read(ctx, key, 0, 0)
}

// GetRange reads a part of an object.
func (r *remote) GetRange(ctx context.Context, key string, from, to int64) ([]byte, error) {
	if to <= from {
		_, err := r.Stat(ctx, key)
		return nil, err
	}
	return r.read(ctx, key, from, to)
}

func (r *remote) read(ctx context.Context, key string, from, to int64) ([]byte, error) {
	name, err := r.object(key)
	if err != nil {
		return nil, err
	}
	var data []byte
	f, _, err := r.try(ctx, partSize, func(ctx context.Context, d driver) (err error) {
		data, err = d.get(ctx, name, from, to)
		return err
	})
	if f == faultRange {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(data) > mostBytes {
		return nil, errDamaged("%s is too large", key)
	}
	return data, nil
}

// readWhole reads the body of an answer. One that ends too early is an error.
func readWhole(body io.ReadCloser, size int64) ([]byte, error) {
	defer body.Close()
	var b bytes.Buffer
	b.Grow(int(min(max(size, 0), mostBytes)) + bytes.MinRead)
	n, err := b.ReadFrom(io.LimitReader(body, mostBytes+1))
	if err == nil && size >= 0 && n < min(size, mostBytes) {
		err = io.ErrUnexpectedEOF
	}
	return b.Bytes(), err
}

// List lists objects.
func (r *remote) List(ctx context.Context, prefix string) ([]Object, error) {
	var out []Object
	_, _, err := r.try(ctx, partSize, func(ctx context.Context, d driver) (err error) {
		out, err = d.list(ctx, r.prefix+prefix)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range out {
		out[i].Key = strings.TrimPrefix(out[i].Key, r.prefix)
	}
	return sortedByKey(out), nil
}

func sortedByKey(list []Object) []Object {
	slices.SortFunc(list, func(a, b Object) int { return strings.Compare(a.Key, b.Key) })
	return list
}

// Stat describes an object.
func (r *remote) Stat(ctx context.Context, key string) (Object, error) {
	name, err := r.object(key)
	if err != nil {
		return Object{}, err
	}
	var o Object
	_, _, err = r.try(ctx, 0, func(ctx context.Context, d driver) (err error) {
		o, err = d.stat(ctx, name)
		return err
	})
	o.Key = key
	return o, err
}

// Delete removes an object.
func (r *remote) Delete(ctx context.Context, key string) error {
	name, err := r.object(key)
	if err != nil {
		return err
	}
	f, _, err := r.try(ctx, 0, func(ctx context.Context, d driver) error { return d.delete(ctx, name) })
	if f == faultAbsent {
		return nil
	}
	return err
}

// remoteAddress is what the URLs of all remote stores have in common.
type remoteAddress struct {
	host, prefix     string
	endpoint, region string
	secure           bool
}

// readAddress reads a URL. Its parameters are endpoint, region and insecure;
// the text of an unknown one is not repeated, it may be a key.
func readAddress(u *url.URL, endpoint string) (remoteAddress, error) {
	a := remoteAddress{host: u.Host, prefix: strings.Trim(u.Path, "/"), endpoint: endpoint}
	if a.host == "" {
		return a, model.Errorf(model.Invalid, "the address %s:// names no place", u.Scheme).WithHint("write it as in rapport backup create --help").By(model.PlaceForm)
	}
	if a.prefix != "" {
		if path.Clean("/"+a.prefix) != "/"+a.prefix {
			return a, model.Errorf(model.Invalid, "the address of the backups has an empty part or dots in its path")
		}
		a.prefix += "/"
	}
	insecure := ""
	for name, values := range u.Query() {
		switch name {
		case "endpoint":
			a.endpoint = values[0]
		case "region":
			a.region = values[0]
		case "insecure":
			insecure = values[0]
		default:
			return a, model.Errorf(model.Invalid, "the address of the backups has a parameter that means nothing here").
				WithHint("the parameters are endpoint, region and insecure; a key never stands in the address")
		}
	}
	if strings.ContainsAny(a.endpoint, "/@?") || a.endpoint == "" && endpoint != "" {
		return a, model.Errorf(model.Invalid, "the endpoint of the backups is no host").WithHint("write endpoint=HOST or endpoint=HOST:PORT")
	}
	switch insecure {
	case "true":
	case "", "false":
		a.secure = insecure == "false" || !isLoopback(a.endpoint)
	default:
		return a, model.Errorf(model.Invalid, "insecure is true or false")
	}
	return a, nil
}

// isLoopback tells whether a host is this computer, to which nothing travels
// that others could read.
func isLoopback(endpoint string) bool {
	host := endpoint
	if h, _, err := net.SplitHostPort(endpoint); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// newTransport returns a transport that gives up a server that does not answer.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		ExpectContinueTimeout: 10 * time.Second,
		IdleConnTimeout:       time.Minute,
		MaxIdleConnsPerHost:   4,
		ForceAttemptHTTP2:     true,
		DisableCompression:    true,
	}
}

// faultOfStatus is what an answer means by its number alone.
func faultOfStatus(status int) fault {
	switch status {
	case http.StatusNotFound:
		return faultAbsent
	case http.StatusUnauthorized, http.StatusForbidden:
		return faultRefused
	case http.StatusPreconditionFailed:
		return faultTaken
	case http.StatusRequestedRangeNotSatisfiable:
		return faultRange
	case http.StatusNotImplemented:
		return faultNoCondition
	case http.StatusInsufficientStorage:
		return faultFull
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return faultPassing
	}
	if status >= 500 {
		return faultPassing
	}
	return faultOther
}

// missing says which variables give no key.
func missing(name, what string) error {
	return model.Errorf(model.Invalid, "there is no key for %s", name).
		WithHint("set %s, or have credentials_command or credentials_file of [backup] give them", what)
}

// placeName is the address of a store without its parameters.
func placeName(u *url.URL) string {
	return strings.TrimSuffix(fmt.Sprintf("%s://%s%s", u.Scheme, u.Host, u.Path), "/")
}
