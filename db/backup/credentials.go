package backup

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"rapport/model"
)

// Credentials say where the key of a store comes from: from the variables that
// every tool of that store reads, or from a command or a file that gives lines
// NAME=value with the same names. What the command or the file gives stands
// above the environment. The command is asked when the store is.
type Credentials struct {
	Command, File string
	Env           func(string) string // nil for the environment of the process
}

// credentialsTime is how long a credentials command may take; a person may have
// to touch a key for it.
const credentialsTime = 30 * time.Second

// lookup returns the value of a variable, "" if none is given.
func (c Credentials) lookup(ctx context.Context) (func(name string) string, error) {
	env := c.Env
	if env == nil {
		env = os.Getenv
	}
	text, err := c.text(ctx)
	if err != nil || text == "" {
		return env, err
	}
	given := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "export ")
		name, value, ok := strings.Cut(line, "=")
		switch {
		case line == "" || line[0] == '#':
		case !ok:
			return nil, model.Errorf(model.Invalid, "the credentials of the backups have a line without =").WithHint("write NAME=value in each, for example AWS_ACCESS_KEY_ID=…")
		default:
			if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
				value = value[1 : n-1]
			}
			given[strings.TrimSpace(name)] = value
		}
	}
	return func(name string) string {
		if v, ok := given[name]; ok {
			return v
		}
		return env(name)
	}, nil
}

func (c Credentials) text(ctx context.Context) (string, error) {
	switch {
	case c.Command != "":
		ctx, cancel := context.WithTimeout(ctx, credentialsTime)
		defer cancel()
		shell, flag := "sh", "-c"
		if runtime.GOOS == "windows" {
			shell, flag = "cmd", "/c"
		}
		out, err := exec.CommandContext(ctx, shell, flag, c.Command).Output()
		if err != nil {
			// What the command said may hold what it was to say.
			return "", model.Errorf(model.Refused, "the credentials command of the backups failed").WithHint("run it by hand: it must print lines NAME=value")
		}
		return string(out), nil
	case c.File != "":
		info, err := os.Stat(c.File)
		if err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
			return "", model.Errorf(model.Invalid, "others can read the credentials file %s", c.File).WithHint("chmod 600 %s", c.File)
		}
		data, err := os.ReadFile(c.File)
		if err != nil {
			return "", model.Errorf(model.Invalid, "the credentials file %s cannot be read", c.File).WithHint("check credentials_file of [backup]").Because(err)
		}
		return string(data), nil
	}
	return "", nil
}
