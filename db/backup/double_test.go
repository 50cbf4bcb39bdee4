package backup

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/minio/minio-go/v7"
)

// The keys of the doubles. None may stand in an error.
const (
	testKey    = "AKIATESTKEY"
	testSecret = "s3cr3t/with+signs="
)

var azureSecret = base64.StdEncoding.EncodeToString([]byte("azure secret key"))

// TestMain has the library of S3 not pause between attempts, of which it makes
// one. With a home in the environment the test binary is the process that dies
// at work there.
func TestMain(m *testing.M) {
	if dir := os.Getenv("RAPPORT_TEST_HOME"); dir != "" {
		fmt.Fprintln(os.Stderr, dieAtWork(dir, os.Getenv("RAPPORT_TEST_WORK")))
		os.Exit(1)
	}
	minio.DefaultRetryUnit = time.Millisecond
	m.Run()
}

// wire is a server that misbehaves when told.
type wire struct {
	*httptest.Server
	h    http.Handler
	mu   sync.Mutex
	seen int
	// act says what becomes of the n-th request, counted from 0.
	act func(n int, r *http.Request) act
}

// unconditional marks a request for a server that knows no conditions.
const unconditional = "Unconditional"

// act is what becomes of a request.
type act struct {
	status    int    // answered instead, with code
	code      string // the store's own word for it
	cut       bool   // the connection ends after half of the request
	cutAnswer bool   // it ends after half of the answer
	lost      bool   // the request is carried out, the answer never comes
	hang      bool   // it is never answered
	condition bool   // If-None-Match is not looked at
}

func (w *wire) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	n, do := w.seen, w.act
	w.seen++
	w.mu.Unlock()
	var a act
	if do != nil {
		a = do(n, r)
	}
	end := func() {
		c, _, err := rw.(http.Hijacker).Hijack()
		if err == nil {
			c.Close()
		}
	}
	switch {
	case a.status != 0:
		io.Copy(io.Discard, r.Body)
		rw.Header().Set("x-ms-error-code", a.code)
		rw.WriteHeader(a.status)
		fmt.Fprintf(rw, "<Error><Code>%s</Code><Message>it said %s</Message></Error>", a.code, r.Header.Get("Authorization"))
	case a.cut:
		io.CopyN(io.Discard, r.Body, r.ContentLength/2)
		end()
	case a.hang:
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	case a.cutAnswer, a.lost:
		rec := httptest.NewRecorder()
		w.h.ServeHTTP(rec, r)
		if a.lost {
			end()
			return
		}
		for k, v := range rec.Header() {
			rw.Header()[k] = v
		}
		rw.Header().Set("Content-Length", strconv.Itoa(rec.Body.Len()))
		rw.WriteHeader(rec.Code)
		rw.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
		panic(http.ErrAbortHandler)
	case a.condition:
		r.Header.Set(unconditional, "yes")
		fallthrough
	default:
		w.h.ServeHTTP(rw, r)
	}
}

// does tells the wire what to do from the next request on, which is the 0th.
func (w *wire) does(do func(n int, r *http.Request) act) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen, w.act = 0, do
}

func (w *wire) requests() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}

func serve(t *testing.T, h http.Handler) *wire {
	w := &wire{h: h}
	w.Server = httptest.NewServer(w)
	t.Cleanup(w.Close)
	return w
}

// s3Server speaks the protocol of S3 for the bucket named bucket.
func s3Server(t *testing.T, options ...gofakes3.Option) *wire {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("bucket"); err != nil {
		t.Fatal(err)
	}
	inner := gofakes3.New(backend, append(options, gofakes3.WithLogger(gofakes3.DiscardLog()))...).Server()
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Authorization"), "Credential="+testKey+"/") {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, "<Error><Code>InvalidAccessKeyId</Code></Error>")
			return
		}
		if r.Header.Get(unconditional) != "" {
			r.Header.Del("If-None-Match")
		}
		inner.ServeHTTP(w, r)
	}))
}

// backend is one sort of store for the tests of all.
type backend struct {
	name string
	wire *wire // nil for a folder
	// address of a place within it; secrets are in env.
	address func(prefix string) string
	env     map[string]string
	// answers are what this sort says for what goes wrong.
	refused, full act
	elsewhere     string // an address with a container that is absent
}

func (b *backend) lookup(name string) string { return b.env[name] }

// open opens a place without pauses between attempts.
func (b *backend) open(t *testing.T, prefix string) Store {
	t.Helper()
	return b.openAddress(t, b.address(prefix))
}

func (b *backend) openAddress(t *testing.T, address string) Store {
	t.Helper()
	s, err := openStore(address, Credentials{Env: b.lookup})
	if err != nil {
		t.Fatal(err)
	}
	if r, ok := s.(*remote); ok {
		r.pause = noPause
	}
	return s
}

// backends starts one of each sort.
func backends(t *testing.T) []*backend {
	t.Helper()
	return append([]*backend{folderBackend(t)}, remotes(t)...)
}

func folderBackend(t *testing.T) *backend {
	dir := t.TempDir()
	return &backend{name: "folder", address: func(p string) string { return "file://" + dir + "/" + p }}
}

func remotes(t *testing.T) []*backend {
	t.Helper()
	s, g, z := s3Server(t), s3Server(t), azureServer(t)
	at := func(scheme string, w *wire, bucket string) func(string) string {
		return func(p string) string {
			return scheme + "://" + bucket + "/" + p + "?endpoint=" + w.Listener.Addr().String()
		}
	}
	s3Refused := act{status: 403, code: "SignatureDoesNotMatch"}
	s3Full := act{status: 507, code: "XMinioStorageFull"}
	return []*backend{
		{name: "s3", wire: s, address: at("s3", s, "bucket"), elsewhere: at("s3", s, "absent")("p"), refused: s3Refused, full: s3Full,
			env: map[string]string{"AWS_ACCESS_KEY_ID": testKey, "AWS_SECRET_ACCESS_KEY": testSecret}},
		{name: "gs", wire: g, address: at("gs", g, "bucket"), elsewhere: at("gs", g, "absent")("p"), refused: s3Refused, full: s3Full,
			env: map[string]string{"GCS_HMAC_ACCESS_ID": testKey, "GCS_HMAC_SECRET": testSecret}},
		{name: "azblob", wire: z, address: at("azblob", z, "account/bucket"), elsewhere: at("azblob", z, "account/absent")("p"),
			refused: act{status: 403, code: "AuthorizationFailure"}, full: act{status: 507, code: "InsufficientStorage"},
			env: map[string]string{"AZURE_STORAGE_KEY": azureSecret}},
	}
}

// azureServer speaks as much of the protocol of Azure Blob Storage as a store
// uses, for one container, and checks each signature.
func azureServer(t *testing.T) *wire {
	return serve(t, &azureDouble{blobs: map[string]azureBlob{}})
}

type azureBlob struct {
	data []byte
	at   time.Time
}

type azureDouble struct {
	mu    sync.Mutex
	blobs map[string]azureBlob
}

// azurePage is how many blobs one answer lists.
const azurePage = 3

func (z *azureDouble) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fail := func(status int, code string) {
		w.Header().Set("x-ms-error-code", code)
		w.WriteHeader(status)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // what did not arrive whole is not taken
	}
	if !azureSigned(r) {
		fail(403, "AuthenticationFailed")
		return
	}
	name, ok := strings.CutPrefix(r.URL.Path, "/account/bucket")
	if !ok {
		fail(404, "ContainerNotFound")
		return
	}
	name = strings.TrimPrefix(name, "/")
	z.mu.Lock()
	defer z.mu.Unlock()
	b, there := z.blobs[name]
	switch {
	case r.Method == "GET" && r.URL.Query().Get("comp") == "list":
		z.list(w, r.URL.Query())
	case r.Method == "PUT":
		sum := md5.Sum(body)
		if r.Header.Get("Content-MD5") != base64.StdEncoding.EncodeToString(sum[:]) || r.Header.Get("x-ms-blob-type") != "BlockBlob" {
			fail(400, "Md5Mismatch")
		} else if there && r.Header.Get("If-None-Match") == "*" && r.Header.Get(unconditional) == "" {
			fail(409, "BlobAlreadyExists")
		} else {
			z.blobs[name] = azureBlob{body, time.Now()}
			w.WriteHeader(http.StatusCreated)
		}
	case !there:
		fail(404, "BlobNotFound")
	case r.Method == "DELETE":
		delete(z.blobs, name)
		w.WriteHeader(http.StatusAccepted)
	default:
		if v := r.Header.Get("x-ms-range"); v != "" {
			r.Header.Set("Range", v)
			var from int
			if fmt.Sscanf(v, "bytes=%d-", &from); from >= len(b.data) {
				fail(416, "InvalidRange")
				return
			}
		}
		http.ServeContent(w, r, "", b.at, bytes.NewReader(b.data))
	}
}

func (z *azureDouble) list(w io.Writer, q url.Values) {
	type properties struct {
		Size int    `xml:"Content-Length"`
		At   string `xml:"Last-Modified"`
	}
	type item struct {
		Name       string
		Properties properties
	}
	var answer struct {
		XMLName xml.Name `xml:"EnumerationResults"`
		Blobs   []item   `xml:"Blobs>Blob"`
		Next    string   `xml:"NextMarker"`
	}
	var names []string
	for n := range z.blobs {
		if strings.HasPrefix(n, q.Get("prefix")) && n >= q.Get("marker") {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	for i, n := range names {
		if i == azurePage {
			answer.Next = n
			break
		}
		answer.Blobs = append(answer.Blobs, item{n, properties{len(z.blobs[n].data), z.blobs[n].at.UTC().Format(http.TimeFormat)}})
	}
	xml.NewEncoder(w).Encode(answer)
}

// azureSigned checks a shared access signature, or computes the signature of a
// shared key anew.
func azureSigned(r *http.Request) bool {
	if sig := r.URL.Query().Get("sig"); sig != "" {
		return sig == testSecret
	}
	get := r.Header.Get
	length := strconv.FormatInt(r.ContentLength, 10)
	if r.ContentLength <= 0 {
		length = ""
	}
	lines := []string{r.Method, get("Content-Encoding"), get("Content-Language"), length, get("Content-MD5"), get("Content-Type"), "",
		get("If-Modified-Since"), get("If-Match"), get("If-None-Match"), get("If-Unmodified-Since"), get("Range")}
	var own []string
	for k := range r.Header {
		if k = strings.ToLower(k); strings.HasPrefix(k, "x-ms-") {
			own = append(own, k+":"+get(k))
		}
	}
	slices.Sort(own)
	lines = append(append(lines, own...), "/account"+r.URL.EscapedPath())
	var query []string
	for k, v := range r.URL.Query() {
		query = append(query, strings.ToLower(k)+":"+strings.Join(v, ","))
	}
	slices.Sort(query)
	key, err := base64.StdEncoding.DecodeString(azureSecret)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(strings.Join(append(lines, query...), "\n")))
	return err == nil && get("Authorization") == "SharedKey account:"+base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
