package workspace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"rapport/model"
)

// passwordTime is how long a password command may take; a person may have to
// touch a key for it.
const passwordTime = 30 * time.Second

// central returns the central's address with its password. A password in the
// address stands above the command and the file.
func (w *Workspace) central(ctx context.Context) (string, error) {
	s := w.Settings()
	if s.Central == "" {
		return "", noCentral()
	}
	if s.PasswordCommand == "" && s.PasswordFile == "" || hasPassword(s.Central) {
		return s.Central, nil
	}
	secret, err := password(ctx, s)
	if err != nil {
		return "", err
	}
	return withPassword(s.Central, secret), nil
}

func password(ctx context.Context, s model.Settings) (string, error) {
	if s.PasswordCommand != "" {
		ctx, cancel := context.WithTimeout(ctx, passwordTime)
		defer cancel()
		shell, flag := "sh", "-c"
		if runtime.GOOS == "windows" {
			shell, flag = "cmd", "/c"
		}
		cmd := exec.CommandContext(ctx, shell, flag, s.PasswordCommand)
		// What it says beside the password would stand in the middle of the
		// interface.
		out, err := cmd.Output()
		if err != nil {
			return "", model.Errorf(model.Refused, "the password command failed").WithHint("run it by hand: it must print the password").Because(err)
		}
		return firstLine(string(out)), nil
	}
	info, err := os.Stat(s.PasswordFile)
	if err != nil {
		return "", model.Errorf(model.Invalid, "the password file %s cannot be read", s.PasswordFile).Because(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return "", model.Errorf(model.Invalid, "others can read the password file %s", s.PasswordFile).WithHint("chmod 600 %s", s.PasswordFile)
	}
	data, err := os.ReadFile(s.PasswordFile)
	if err != nil {
		return "", model.Errorf(model.Invalid, "the password file %s cannot be read", s.PasswordFile).Because(err)
	}
	return firstLine(string(data)), nil
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return strings.TrimSuffix(s, "\r")
}

// login returns where the user of an address ends and whether a password
// follows; end is -1 where the address names no user.
func login(url string) (end int, password bool) {
	scheme := strings.Index(url, "://")
	if scheme < 0 {
		return -1, false
	}
	start := scheme + len("://")
	rest := url[start:]
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		rest = rest[:i]
	}
	at := strings.LastIndexByte(rest, '@')
	if at < 0 {
		return -1, false
	}
	if i := strings.IndexByte(rest[:at], ':'); i >= 0 {
		return start + i, true
	}
	return start + at, false
}

func hasPassword(central string) bool {
	for _, url := range strings.Split(central, ",") {
		if _, ok := login(url); ok {
			return true
		}
	}
	return false
}

// withPassword puts the password behind the user of each address of a list,
// with everything escaped that could be taken for something else.
func withPassword(central, secret string) string {
	var b strings.Builder
	for i := range len(secret) {
		c := secret[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	urls := strings.Split(central, ",")
	for i, url := range urls {
		if end, _ := login(url); end >= 0 {
			urls[i] = url[:end] + ":" + b.String() + url[end:]
		}
	}
	return strings.Join(urls, ",")
}

// withoutPassword takes the password out of each address of a list.
func withoutPassword(central string) string {
	urls := strings.Split(central, ",")
	for i, url := range urls {
		if end, has := login(url); has {
			host := url[end:]
			if j := strings.IndexAny(host, "/?"); j >= 0 {
				host = host[:j]
			}
			urls[i] = url[:end] + url[end+strings.LastIndexByte(host, '@'):]
		}
	}
	return strings.Join(urls, ",")
}

// sentence is what a person reads of an error.
func sentence(err error) string {
	var e *model.Error
	if errors.As(err, &e) && e.Msg != "" {
		return e.Msg
	}
	return err.Error()
}
