package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rapport/model"
)

func noPause(ctx context.Context, _ int) error { return ctx.Err() }

func keysOf(t *testing.T, s Store, prefix string) []string {
	t.Helper()
	list, err := s.List(t.Context(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, o := range list {
		out = append(out, o.Key)
	}
	return out
}

// TestStoresConform holds every sort of store to what Store promises.
func TestStoresConform(t *testing.T) {
	t.Parallel()
	for _, b := range backends(t) {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			conform(t, b)
		})
	}
}

func conform(t *testing.T, b *backend) {
	ctx := t.Context()
	s, beside := b.open(t, "place"), b.open(t, "placebo")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	is := func(what string, got, want any) {
		t.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %.80v, want %.80v", what, got, want)
		}
	}
	absent := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, fs.ErrNotExist) || unanswered(err) {
			t.Errorf("%s: %v, want that it is absent", what, err)
		}
	}
	_, err := s.Get(ctx, repoName)
	absent("get from an absent place", err)
	must(s.PutNew(ctx, repoName, []byte("{}")))
	must(beside.Put(ctx, repoName, []byte("[]")))

	_, err = s.Get(ctx, "b/none")
	absent("get", err)
	_, err = s.GetRange(ctx, "b/none", 0, 3)
	absent("get a range", err)
	_, err = s.Stat(ctx, "b/none")
	absent("stat", err)
	must(s.Delete(ctx, "b/none"))
	is("list of nothing", keysOf(t, s, "b/"), []string{})

	big := bytes.Repeat([]byte("0123456789abcdef"), 200_000)
	objects := map[string][]byte{"b/l/1-full/t/a/00001.jsonl.zst": big, "b/l/1-full/empty": {}, "b/l/1-full/manifest.json": []byte("old"), "b/l/10-full/x": {0, 255}, "e/one": []byte("1")}
	for k, v := range objects {
		must(s.Put(ctx, k, v))
	}
	objects["b/l/1-full/manifest.json"] = []byte("a new and longer one")
	must(s.Put(ctx, "b/l/1-full/manifest.json", objects["b/l/1-full/manifest.json"]))
	for k, v := range objects {
		got, err := s.Get(ctx, k)
		if err != nil || !bytes.Equal(got, v) {
			t.Errorf("get %s: %d bytes, %v; want %d", k, len(got), err, len(v))
		}
		o, err := s.Stat(ctx, k)
		if err != nil || o.Key != k || o.Size != int64(len(v)) || time.Since(o.At).Abs() > time.Minute {
			t.Errorf("stat %s: %+v, %v", k, o, err)
		}
	}
	is("list", keysOf(t, s, "b/"), []string{"b/l/1-full/empty", "b/l/1-full/manifest.json", "b/l/1-full/t/a/00001.jsonl.zst", "b/l/10-full/x"})
	is("list of one backup", keysOf(t, s, "b/l/1-full/"), []string{"b/l/1-full/empty", "b/l/1-full/manifest.json", "b/l/1-full/t/a/00001.jsonl.zst"})
	is("list by a beginning", keysOf(t, s, "b/l/1"), keysOf(t, s, "b/"))
	is("list of the place beside", keysOf(t, beside, ""), []string{repoName})

	for _, c := range []struct {
		from, to int64
		want     string
	}{{0, 3, "a n"}, {2, 6, "new "}, {14, 99, "er one"}, {20, 25, ""}, {99, 100, ""}, {5, 5, ""}, {0, 20, "a new and longer one"}} {
		got, err := s.GetRange(ctx, "b/l/1-full/manifest.json", c.from, c.to)
		if err != nil || string(got) != c.want {
			t.Errorf("bytes %d to %d: %q, %v; want %q", c.from, c.to, got, err, c.want)
		}
	}

	must(s.PutNew(ctx, "l/lock", []byte("mine")))
	if err := s.PutNew(ctx, "l/lock", []byte("theirs")); !errors.Is(err, fs.ErrExist) || unanswered(err) {
		t.Errorf("a second PutNew: %v", err)
	}
	got, err := s.Get(ctx, "l/lock")
	must(err)
	is("what PutNew found", string(got), "mine")
	race(t, s)

	must(s.Delete(ctx, "e/one"))
	_, err = s.Get(ctx, "e/one")
	absent("get after delete", err)

	ended, cancel := context.WithCancel(ctx)
	cancel()
	for what, do := range map[string]func() error{
		"put":   func() error { return s.Put(ended, "b/x", nil) },
		"new":   func() error { return s.PutNew(ended, "b/x", nil) },
		"get":   func() error { _, err := s.Get(ended, repoName); return err },
		"range": func() error { _, err := s.GetRange(ended, repoName, 0, 1); return err },
		"list":  func() error { _, err := s.List(ended, ""); return err },
		"stat":  func() error { _, err := s.Stat(ended, repoName); return err },
		"del":   func() error { return s.Delete(ended, repoName) },
	} {
		if err := do(); model.KindOf(err) != model.Interrupted {
			t.Errorf("%s after the end: %v", what, err)
		}
	}
	for _, key := range []string{"../x", "/x", "a//b", "a/../../b", ""} {
		if err := s.Put(ctx, key, nil); model.KindOf(err) != model.Corrupt {
			t.Errorf("put %q: %v", key, err)
		}
		if _, err := s.Get(ctx, key); model.KindOf(err) != model.Corrupt {
			t.Errorf("get %q: %v", key, err)
		}
	}
	before := keysOf(t, s, "")
	p, err := Probe(ctx, s, model.DerivedID("probe"))
	if want := (model.BackupTarget{Address: s.String(), Read: true, Write: true, Exclusive: true, Delete: true}); err != nil || p != want {
		t.Errorf("probe: %+v, %v", p, err)
	}
	is("what a probe leaves", keysOf(t, s, ""), before)
}

// race has many make one object: one does, and its bytes stay.
func race(t *testing.T, s Store) {
	t.Helper()
	const writers = 8
	var all sync.WaitGroup
	won := make([]bool, writers)
	for i := range writers {
		all.Go(func() {
			switch err := s.PutNew(t.Context(), "l/race", fmt.Appendf(nil, "writer %d", i)); {
			case err == nil:
				won[i] = true
			case !errors.Is(err, fs.ErrExist):
				t.Errorf("writer %d: %v", i, err)
			}
		})
	}
	all.Wait()
	winner := slices.Index(won, true)
	got, err := s.Get(t.Context(), "l/race")
	if winner < 0 || slices.Contains(won[winner+1:], true) || err != nil || string(got) != fmt.Sprintf("writer %d", winner) {
		t.Errorf("winners %v, the object holds %q, %v", won, got, err)
	}
}

// TestBackupsInEveryStore makes, lists, proves and restores a backup in each
// sort of store, while another workspace makes one in the same place.
func TestBackupsInEveryStore(t *testing.T) {
	t.Parallel()
	for _, b := range backends(t) {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			a, other := newHome(t), newHome(t)
			a.fill(6)
			other.fill(3)
			want := a.dump()
			a.store, other.store = b.open(t, "crm/backups"), b.open(t, "crm/backups")
			var all sync.WaitGroup
			var otherErr error
			all.Go(func() { _, otherErr = other.CreateBackup(t.Context(), model.BackupRequest{}, nil) })
			info, err := a.CreateBackup(t.Context(), model.BackupRequest{}, nil)
			all.Wait()
			if err != nil || otherErr != nil {
				t.Fatal(err, otherErr)
			}
			if _, err := a.InitBackups(t.Context(), model.BackupRequest{Trust: true}); err != nil {
				t.Fatal(err)
			}
			list, err := a.ListBackups(t.Context(), model.BackupRequest{})
			if err != nil || len(list) != 2 || !list[0].Verified || !list[1].Verified {
				t.Fatalf("list: %+v, %v", list, err)
			}
			for _, l := range list {
				if _, err := a.VerifyBackup(t.Context(), model.BackupRequest{ID: l.ID}, nil); err != nil {
					t.Errorf("verify %s: %v", l.ID, err)
				}
			}
			if _, err := a.raw.Exec(`DELETE FROM contact_method; UPDATE contact SET first_name = 'changed'`); err != nil {
				t.Fatal(err)
			}
			if _, _, err := a.RestoreBackup(t.Context(), model.BackupRequest{ID: info.ID}, nil); err != nil {
				t.Fatal(err)
			}
			sameDump(t, "restored", a.dump(), want)
		})
	}
}

// TestPlaceWithoutLinks makes objects where a file system knows no links.
func TestPlaceWithoutLinks(t *testing.T) {
	t.Parallel()
	f := Folder(t.TempDir())
	place := placeNew(func(string, string) error { return errors.ErrUnsupported })
	put := func(data string) error { return f.put(t.Context(), repoName, []byte(data), place) }
	if err := put("first"); err != nil {
		t.Fatal(err)
	}
	if err := put("second"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the second: %v", err)
	}
	if got, err := f.Get(t.Context(), repoName); err != nil || string(got) != "first" {
		t.Errorf("%q, %v", got, err)
	}
	if left := files(t, string(f), tempPrefix); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"s3://bucket":                                   "s3://bucket",
		"s3://bucket/a/b/?region=eu-west-1":             "s3://bucket/a/b",
		"s3://bucket/a?endpoint=minio.example.org:9000": "s3://bucket/a",
		"gs://bucket/a":                                 "gs://bucket/a",
		"azblob://account/container":                    "azblob://account/container",
		"azblob://account/container/a/b?insecure=false": "azblob://account/container/a/b",
		"s3://key:secret@bucket/a":                      "holds a secret",
		"azblob://account/container?sig=" + testSecret:  "means nothing here",
		"s3://bucket?secret_access_key=" + testSecret:   "means nothing here",
		"s3://bucket?endpoint=https://host":             "is no host",
		"s3://bucket?endpoint=":                         "is no host",
		"s3://bucket?insecure=perhaps":                  "true or false",
		"s3://":                                         "names no place",
		"s3://bucket/../a":                              "dots",
		"azblob://account":                              "names no container",
		"ftp://host/a":                                  "cannot go to ftp://",
		"s3://buck%zzet:" + testSecret:                  "is no URL",
		"":                                              "no folder",
		"file://host/a":                                 "names no folder",
	} {
		s, err := OpenStore(address)
		var got string
		if e, _ := err.(*model.Error); e != nil && e.Kind == model.Invalid {
			got = e.Msg
		} else if err == nil {
			got = s.String()
		}
		if err == nil && got != want || err != nil && !strings.Contains(got, want) {
			t.Errorf("%s: %q, %v; want %q", address, got, err, want)
		}
		if err != nil && strings.Contains(err.Error(), testSecret) {
			t.Errorf("%s: the error tells the secret: %v", address, err)
		}
	}
	for address, want := range map[string]bool{"s3://b": true, "s3://b?endpoint=127.0.0.1:9000": false, "s3://b?endpoint=localhost": false, "s3://b?endpoint=[::1]:9000": false,
		"s3://b?endpoint=minio:9000": true, "s3://b?endpoint=minio:9000&insecure=true": false, "s3://b?endpoint=127.0.0.1&insecure=false": true} {
		u := strings.TrimPrefix(address, "s3://b")
		a, err := readAddress(mustURL(t, "s3://b"+u), "s3.amazonaws.com")
		if err != nil || a.secure != want {
			t.Errorf("%s: TLS %v, %v; want %v", address, a.secure, err, want)
		}
	}
}

// TestCredentials finds the key in the environment, in a file, from a command,
// and in the file that other programs of AWS read.
func TestCredentials(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		name = filepath.Join(dir, name)
		write(t, name, []byte(text))
		return name
	}
	s3Lines := "# the laptop's\nexport AWS_ACCESS_KEY_ID=" + testKey + "\n\nAWS_SECRET_ACCESS_KEY=\"" + testSecret + "\"\n"
	shared := file("credentials", "[default]\naws_access_key_id = other\naws_secret_access_key = x\n[backup]\naws_access_key_id = "+testKey+"\naws_secret_access_key = "+testSecret+"\n")
	open := file("open", s3Lines)
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	all := remotes(t)
	s3, azure := all[0], all[2]
	connection := "DefaultEndpointsProtocol=http;AccountName=account;AccountKey=" + azureSecret + ";BlobEndpoint=http://" + azure.wire.Listener.Addr().String() + "/account;"
	for name, c := range map[string]struct {
		b    *backend
		c    Credentials
		env  map[string]string
		want string // in the sentence, "" for success
	}{
		"file":              {s3, Credentials{File: file("a", s3Lines)}, map[string]string{"AWS_ACCESS_KEY_ID": "other"}, ""},
		"command":           {s3, Credentials{Command: "cat '" + file("b", s3Lines) + "'"}, nil, ""},
		"shared file":       {s3, Credentials{}, map[string]string{"AWS_SHARED_CREDENTIALS_FILE": shared, "AWS_PROFILE": "backup"}, ""},
		"wrong profile":     {s3, Credentials{}, map[string]string{"AWS_SHARED_CREDENTIALS_FILE": shared, "AWS_PROFILE": "default"}, "does not allow"},
		"no key":            {s3, Credentials{}, map[string]string{"AWS_SHARED_CREDENTIALS_FILE": filepath.Join(dir, "none")}, "there is no key"},
		"open to others":    {s3, Credentials{File: open}, nil, "others can read"},
		"no file":           {s3, Credentials{File: filepath.Join(dir, "none")}, nil, "cannot be read"},
		"failing command":   {s3, Credentials{Command: "echo AWS_SECRET_ACCESS_KEY=" + testSecret + " >&2; exit 3"}, nil, "command of the backups failed"},
		"no lines":          {s3, Credentials{File: file("c", testSecret[:8])}, nil, "without ="},
		"connection string": {azure, Credentials{}, map[string]string{"AZURE_STORAGE_CONNECTION_STRING": connection}, ""},
		"SAS token":         {azure, Credentials{}, map[string]string{"AZURE_STORAGE_SAS_TOKEN": "?sv=2024&sig=s3cr3t%2Fwith%2Bsigns%3D"}, ""},
		"wrong SAS token":   {azure, Credentials{}, map[string]string{"AZURE_STORAGE_SAS_TOKEN": "sv=2024&sig=" + testKey}, "does not allow"},
		"half a token":      {azure, Credentials{}, map[string]string{"AZURE_STORAGE_SAS_TOKEN": testSecret}, "right form"},
		"half a key":        {azure, Credentials{}, map[string]string{"AZURE_STORAGE_KEY": testSecret[:7]}, "right form"},
		"other account":     {azure, Credentials{}, map[string]string{"AZURE_STORAGE_KEY": azureSecret, "AZURE_STORAGE_ACCOUNT": "another"}, "says account"},
		"no Azure key":      {azure, Credentials{}, nil, "there is no key"},
	} {
		t.Run(name, func(t *testing.T) {
			c.c.Env = func(name string) string { return c.env[name] }
			s, err := openStore(c.b.address("credentials"), c.c)
			if err != nil {
				t.Fatal(err)
			}
			err = s.Put(t.Context(), "x", []byte("x"))
			tellsNoSecret(t, err)
			e, _ := err.(*model.Error)
			if c.want == "" && err != nil || c.want != "" && (e == nil || !strings.Contains(e.Msg, c.want) || e.Hint == "") {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// tellsNoSecret holds that neither the sentence nor the cause, which goes to
// the log, has a key in it.
func tellsNoSecret(t *testing.T, err error) {
	t.Helper()
	for ; err != nil; err = errors.Unwrap(err) {
		for _, secret := range []string{testSecret, azureSecret, "s3cr3t", "sig=" + testKey} {
			if strings.Contains(fmt.Sprintf("%+v %v", err, err), secret) {
				t.Errorf("the error tells the key: %+v", err)
			}
		}
	}
}

func mustURL(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
