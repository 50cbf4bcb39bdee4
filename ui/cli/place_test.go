package cli_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// TestBackupInAnObjectStore makes a place ready, backs up into it and restores
// from it, with the key in a file and the address in the configuration.
func TestBackupInAnObjectStore(t *testing.T) {
	store := s3mem.New()
	if err := store.CreateBucket("crm"); err != nil {
		t.Fatal(err)
	}
	inner := gofakes3.New(store, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Authorization"), "Credential=laptop/") {
			http.Error(w, "<Error><Code>InvalidAccessKeyId</Code></Error>", http.StatusForbidden)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	defer server.Close()
	place := "s3://crm/ann?endpoint=" + server.Listener.Addr().String()
	s, other := newShell(t), newShell(t)
	for _, home := range []string{s.home, other.home} {
		key, config := filepath.Join(home, "backup.key"), filepath.Join(home, "config.toml")
		if err := os.MkdirAll(home, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(key, []byte("AWS_ACCESS_KEY_ID=laptop\nAWS_SECRET_ACCESS_KEY=geheim\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(config, []byte("[backup]\nto = \""+place+"\"\ncredentials_file = \""+filepath.ToSlash(key)+"\"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	res := s.ok("backup", "init")
	for _, right := range []string{"fresh", "read", "write", "create_if_absent", "delete"} {
		s.want(res[right], "true")
	}
	s.want(res["address"], `"s3://crm/ann"`)
	s.ok("contact", "add", "--set", "last_name=Meier")
	b := s.ok("backup", "create")
	s.want(b["verified"], "true")
	s.want(s.ok("backup", "verify")["id"], text(b["id"]))
	s.want(other.ok("backup", "list")["items"].([]any)[0].(map[string]any)["id"], text(b["id"]))
	other.ok("backup", "restore")
	other.want(other.ok("contact", "list")["total"], "1")

	for _, c := range []struct {
		to, says string
		code     int
	}{
		{"s3://absent/ann?" + strings.SplitN(place, "?", 2)[1], "there is no bucket", 2},
		{"s3://me:geheim@crm/ann", "holds a secret", 2},
		{"azblob://account/crm?sig=geheim", "means nothing here", 2},
		{"gs://crm/ann", "there is no key", 2},
	} {
		for _, verb := range []string{"init", "create", "list", "verify", "restore"} {
			a := s.run("backup", verb, "--to", c.to, "--yes")
			if a.code != c.code || !strings.Contains(a.err, c.says) || strings.Contains(a.out+a.err, "geheim") {
				t.Errorf("backup %s %s: exit %d, %s", verb, c.to, a.code, a.err)
			}
		}
	}
	s.env["RAPPORT_BACKUP__TO"] = "azblob://me:geheim@account/crm?sig=geheim&insecure=true"
	if a := s.run("config"); a.code != 0 || strings.Contains(a.out, "geheim") || !strings.Contains(a.out, "insecure=true") {
		t.Errorf("config: %d, %s", a.code, a.out)
	}
}
