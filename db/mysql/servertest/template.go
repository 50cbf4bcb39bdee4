package servertest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/gofrs/flock"
)

// program is an installed server.
type program struct {
	path    string
	install string // mariadb-install-db, "" for a server that initialises itself
}

// ErrNotInstalled is what asking for a server gives where none is installed.
var ErrNotInstalled = errors.New("no MariaDB or MySQL server is installed here: install one, on Debian with `apt-get install mariadb-server`")

func findProgram() (program, error) {
	for _, name := range []string{"mariadbd", "mysqld"} {
		path := find(name)
		if path == "" {
			continue
		}
		for _, inst := range []string{"mariadb-install-db", "mysql_install_db"} {
			if p := find(inst); p != "" {
				return program{path: path, install: p}, nil
			}
		}
		return program{path: path}, nil
	}
	return program{}, ErrNotInstalled
}

func find(name string) string {
	if p, err := exec.LookPath(name); err == nil {
		return p
	}
	for _, dir := range []string{"/usr/sbin", "/usr/libexec", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin"} {
		p := filepath.Join(dir, name)
		if st, err := os.Stat(p); err == nil && !st.IsDir() {
			return p
		}
	}
	return ""
}

// commonFlags are those of the first set-up and of every later start.
func (p program) commonFlags(data string) []string {
	flags := []string{"--no-defaults", "--datadir=" + data, "--innodb-log-file-size=24M"}
	if os.Getuid() == 0 {
		flags = append(flags, "--user=root")
	}
	return flags
}

// prepare makes the data folder of a server, or of a node of a cluster, unless
// it is there. It copies one that is set up once for each version of the
// server: a copy takes a third of a second, a set-up two.
func (p program) prepare(ctx context.Context, data string, node bool) error {
	if _, err := os.Stat(data); err == nil {
		return nil
	}
	version, err := exec.CommandContext(ctx, p.path, "--no-defaults", "--version").Output()
	if err != nil {
		return fmt.Errorf("ask %s for its version: %w", p.path, err)
	}
	key := sha256.Sum256([]byte(p.path + "\n" + string(version)))
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = filepath.Join(os.TempDir(), fmt.Sprintf("rapport-%d", os.Getuid()))
	}
	cache = filepath.Join(cache, "rapport", "servertest")
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return err
	}
	template, setUp := filepath.Join(cache, hex.EncodeToString(key[:8])), p.setUp
	if node {
		template, setUp = template+"-node", p.setUpNode
	}
	lock := flock.New(template + ".lock")
	if err := lock.Lock(); err != nil {
		return err
	}
	defer lock.Unlock()
	if _, err := os.Stat(template); err != nil {
		if err := makeTemplate(ctx, template, setUp); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	return os.CopyFS(data, os.DirFS(template))
}

// makeTemplate sets a data folder up beside its place and renames it, so that
// one which is there is whole.
func makeTemplate(ctx context.Context, template string, setUp func(ctx context.Context, data string) error) error {
	tmp, err := os.MkdirTemp(filepath.Dir(template), "new")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	data := filepath.Join(tmp, "data")
	if err := setUp(ctx, data); err != nil {
		return err
	}
	return os.Rename(data, template)
}

// setUp makes a fresh data folder.
func (p program) setUp(ctx context.Context, data string) error {
	if err := os.Mkdir(data, 0o700); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, p.path, append(p.commonFlags(data), "--initialize-insecure")...)
	if p.install != "" {
		cmd = exec.CommandContext(ctx, p.install, append(p.commonFlags(data), "--auth-root-authentication-method=normal", "--skip-test-db")...)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("set up a data folder with %s: %w\n%s", cmd.Path, err, out)
	}
	return nil
}
