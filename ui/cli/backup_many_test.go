package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"rapport/db/mysql/servertest"
	"rapport/db/workspace"
	"rapport/ui/cli"
)

// TestMain lets the test binary be the command that a test kills.
func TestMain(m *testing.M) {
	if args := os.Getenv("RAPPORT_TEST_COMMAND"); args != "" {
		os.Exit(cli.Run(context.Background(), strings.Split(args, "\n"), cli.Program{
			Streams: cli.Streams{In: strings.NewReader(""), Out: os.Stdout, Err: os.Stderr},
			Backend: workspace.New(workspace.Options{Log: slog.New(slog.DiscardHandler)}),
			Env:     os.Getenv, Now: time.Now, Build: cli.Build{Version: "test", Go: "go"},
		}))
	}
	os.Exit(m.Run())
}

// place is a bucket with a clock of its own, whose requests a test can hold.
type place struct {
	*httptest.Server
	backend *s3mem.Backend
	url     string

	mu     sync.Mutex
	ahead  time.Duration
	holdOn func(r *http.Request) bool // nil to hold nothing
	after  bool                       // hold the answer, not the request
	held   chan struct{}              // closed when a request is held
	goOn   chan struct{}              // closed to let it go on
}

func (p *place) Now() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Now().Add(p.ahead)
}

func (p *place) Since(t time.Time) time.Duration { return p.Now().Sub(t) }

func (p *place) pass(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ahead += d
}

// hold holds the next request that fits, or its answer.
func (p *place) hold(fits func(r *http.Request) bool, after bool) (held <-chan struct{}, goOn func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.holdOn, p.after, p.held, p.goOn = fits, after, make(chan struct{}), make(chan struct{})
	return p.held, sync.OnceFunc(func() { close(p.goOn) })
}

func (p *place) holds(r *http.Request) (held, goOn chan struct{}, after bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.holdOn == nil || !p.holdOn(r) {
		return nil, nil, false
	}
	p.holdOn = nil
	return p.held, p.goOn, p.after
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{}
	p.backend = s3mem.New(s3mem.WithTimeSource(p))
	if err := p.backend.CreateBucket("bucket"); err != nil {
		t.Fatal(err)
	}
	inner := gofakes3.New(p.backend, gofakes3.WithTimeSource(p), gofakes3.WithTimeSkewLimit(0), gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		held, goOn, after := p.holds(r)
		if after {
			inner.ServeHTTP(httptest.NewRecorder(), r)
		}
		if held != nil {
			close(held)
			<-goOn
		}
		if !after {
			inner.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(p.Close)
	p.url = "s3://bucket/crm?endpoint=" + p.Listener.Addr().String()
	return p
}

// keys lists the objects below a prefix.
func (p *place) keys(t *testing.T, prefix string) []string {
	t.Helper()
	list, err := p.backend.ListBucket("bucket", &gofakes3.Prefix{HasPrefix: true, Prefix: "crm/" + prefix}, gofakes3.ListBucketPage{})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, o := range list.Contents {
		out = append(out, o.Key)
	}
	return out
}

// forgetServerTime has the place's clock alone decide about what is marked.
func (p *place) forgetServerTime(t *testing.T) {
	t.Helper()
	for _, key := range p.keys(t, "deleted/") {
		o, err := p.backend.GetObject("bucket", key, nil)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(o.Contents)
		if err != nil {
			t.Fatal(err)
		}
		data = regexp.MustCompile(`\s*"server_at": "[^"]*",`).ReplaceAll(data, nil)
		if _, err := p.backend.PutObject("bucket", key, map[string]string{}, bytes.NewReader(data), int64(len(data)), nil); err != nil {
			t.Fatal(err)
		}
	}
}

// company is a shell of an administrator, whose backups of the central lie in a
// place.
func company(t *testing.T, url string, p *place) *shell {
	t.Helper()
	s := newShell(t)
	file := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(file, []byte("AWS_ACCESS_KEY_ID=key\nAWS_SECRET_ACCESS_KEY=secret\nAWS_REGION=us-east-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]string{"RAPPORT_CENTRAL": url, "RAPPORT_BACKUP__TO": p.url, "RAPPORT_BACKUP__CREDENTIALS_FILE": file} {
		s.env[k] = v
	}
	return s
}

// killed runs a command in a process of its own and kills it when a request that
// fits is held.
func (s *shell) killed(p *place, fits func(r *http.Request) bool, after bool, args ...string) {
	s.t.Helper()
	held, goOn := p.hold(fits, after)
	defer goOn()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "RAPPORT_TEST_COMMAND="+strings.Join(append(s.flags(), args...), "\n"))
	for k, v := range s.env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-held:
	case err := <-ended:
		s.t.Fatalf("%v ended before it was killed: %v\n%s", args, err, out.String())
	}
	if err := cmd.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	<-ended
}

// deletes fits the deletion of a manifest.
func deletes(r *http.Request) bool {
	return r.Method == http.MethodDelete && strings.HasSuffix(r.URL.Path, "/manifest.json")
}

// marks fits the writing of what is to be deleted.
func marks(r *http.Request) bool {
	return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/deleted/")
}

// TestPruneOfACentral prunes the backups of a central as administrators do, two
// at once, killed between its steps, and with its lease lost in the middle. What
// is listed is whole at any time, and in the end what was to go is gone.
func TestPruneOfACentral(t *testing.T) {
	server := servertest.Shared(t)
	url := server.Database(t)
	name := servertest.Name(url)
	p := newPlace(t)
	ada := company(t, url, p)
	ada.ok("central", "init")
	for i := range 5 {
		ada.ok("contact", "add", "--set", fmt.Sprintf("last_name=%d", i))
		ada.ok("sync")
		ada.ok("backup", "create", "--source", "central")
	}
	prune := []string{"backup", "prune", "--keep-last", "2", "--yes", "--no-input"}
	listed := func(want int) {
		t.Helper()
		items := ada.ok("backup", "list")["items"].([]any)
		if len(items) != want {
			t.Fatalf("%d backups are listed, want %d", len(items), want)
		}
		for _, x := range items {
			if b := x.(map[string]any); b["verified"] != true {
				t.Errorf("%v", b)
			}
			ada.ok("backup", "verify", x.(map[string]any)["id"].(string))
		}
	}
	// Killed when it has marked: the next one marks nothing more.
	ada.killed(p, marks, true, prune...)
	if a := ada.run(prune...); a.code != 7 {
		t.Errorf("while the guard of the dead one holds: exit %d %s%s", a.code, a.out, a.err)
	}
	p.pass(2 * time.Minute)
	res := ada.ok(prune...)
	ada.want(res["guard"], `"central"`)
	if len(res["marked"].([]any)) != 3 || len(res["deleted"].([]any)) != 0 || len(p.keys(t, "deleted/")) != 1 {
		t.Fatalf("%v", res)
	}
	listed(5)
	// The place's clock jumps; the server's says that no day has passed.
	p.pass(25 * time.Hour)
	if res = ada.ok(prune...); len(res["deleted"].([]any)) != 0 {
		t.Fatalf("%v", res)
	}
	p.forgetServerTime(t)
	// Killed when it has deleted a manifest: the rest belongs to nothing.
	ada.killed(p, deletes, true, prune...)
	listed(4)
	p.pass(2 * time.Minute)

	// Two at once, and then its lease is somebody else's.
	bob := company(t, url, p)
	held, goOn := p.hold(deletes, false)
	ended := make(chan answer, 1)
	go func() { ended <- ada.run(prune...) }()
	<-held
	if a := bob.run(prune...); a.code != 7 {
		t.Errorf("the second at once: exit %d %s%s", a.code, a.out, a.err)
	}
	token := func() (n int64) {
		t.Helper()
		db := server.DB(name)
		defer db.Close()
		if err := db.QueryRow("SELECT token FROM sync_lease WHERE name='prune'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := token()
	server.SQL(t, name, "UPDATE sync_lease SET holder='somebody', token=token+1, expires_at=UTC_TIMESTAMP(3)+INTERVAL 1 HOUR WHERE name='prune'")
	goOn()
	if a := <-ended; a.code != 7 || !strings.Contains(a.err, "another process took over") {
		t.Errorf("with a lost lease: exit %d %s%s", a.code, a.out, a.err)
	}
	listed(3)
	if a := bob.run(prune...); a.code != 7 || !strings.Contains(a.err, "somebody does that at this moment") {
		t.Errorf("while somebody else has it: exit %d %s%s", a.code, a.out, a.err)
	}
	server.SQL(t, name, "UPDATE sync_lease SET expires_at=UTC_TIMESTAMP(3)-INTERVAL 1 SECOND WHERE name='prune'")
	if res = bob.ok(prune...); len(res["deleted"].([]any)) != 1 || res["guard"] != "central" {
		t.Errorf("%v", res)
	}
	if after := token(); after != before+2 {
		t.Errorf("the token is %d, was %d", after, before)
	}
	listed(2)
	p.pass(49 * time.Hour)
	bob.ok(prune...)
	folders := func(prefix string, depth int) int {
		seen := map[string]bool{}
		for _, key := range p.keys(t, prefix) {
			seen[strings.Join(strings.Split(key, "/")[:depth], "/")] = true
		}
		return len(seen)
	}
	if b, v, left := folders("b/", 4), folders("v/", 3), p.keys(t, "deleted/"); b != 2 || v != 2 || len(left) > 0 {
		t.Errorf("there are the objects of %d backups, verifications of %d, and %v", b, v, left)
	}
}

// TestTenLaptops has ten computers of a company find its backup due at the same
// moment. One backup is made; all of them know it.
func TestTenLaptops(t *testing.T) {
	p := newPlace(t)
	url := servertest.Shared(t).Database(t)
	laptops := make([]*shell, 10)
	for i := range laptops {
		laptops[i] = company(t, url, p)
		if i == 0 {
			laptops[0].ok("central", "init")
		}
		laptops[i].ok("backup", "init")
	}
	// One that all of them know vouches for the others.
	laptops[0].want(laptops[0].ok("backup", "init")["unknown_keys"], "9")
	laptops[0].want(laptops[0].ok("backup", "init", "--trust")["unknown_keys"], "0")
	answers := make([]answer, len(laptops))
	var all sync.WaitGroup
	for i, s := range laptops {
		all.Go(func() { answers[i] = s.run("backup", "create", "--if-due", "--source", "central", "--json") })
	}
	all.Wait()
	made, ids := 0, map[string]bool{}
	for i, a := range answers {
		if a.code != 0 {
			t.Fatalf("laptop %d: exit %d\n%s%s", i, a.code, a.out, a.err)
		}
		v := a.json()
		ids[v["id"].(string)] = true
		if v["made"] == true {
			made++
		}
		if v["verified"] != true {
			t.Errorf("laptop %d: %v", i, v)
		}
	}
	if made != 1 || len(ids) != 1 {
		t.Errorf("%d say that they made it; they know of %v", made, ids)
	}
	manifests, folders := 0, map[string]bool{}
	for _, key := range p.keys(t, "b/") {
		folders[strings.Join(strings.Split(key, "/")[:4], "/")] = true
		if strings.HasSuffix(key, "/manifest.json") {
			manifests++
		}
	}
	if manifests != 1 || len(folders) != 1 {
		t.Errorf("there are %d backups in %d folders", manifests, len(folders))
	}
	laptops[9].want(laptops[9].ok("backup", "create", "--if-due", "--source", "central")["made"], "false")
	laptops[5].ok("backup", "verify", "--source", "central")
}
