package cli

import (
	"bytes"
	"context"
	"io"
	"os"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"

	"rapport/model"
)

func (a *app) password() *cobra.Command {
	var stdin, current bool
	c := &cobra.Command{
		Use: "password", Short: "Change your password on the central, also one that has expired", Args: exactly(0),
		Long: "Change your password on the central, also one that has expired. The new one is stored where the\n" +
			"old one was: in the password file or in config.toml. With --current the present password is\n" +
			"asked for instead of the stored one, for example a one-time password from the administrator.",
		Example: "  rapport password\n  rapport password --password-stdin < new-password.txt",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			ws, err := a.administer(cmd)
			if err != nil {
				return err
			}
			if a.flags.dryRun {
				return noDryRun(cmd)
			}
			lines := a.lines()
			was := ""
			switch {
			case current && stdin:
				was, err = lines()
			case current:
				was, err = a.secret(ctx, "Present password: ")
			}
			if err != nil {
				return err
			}
			next, err := a.newPassword(ctx, userOf(ws.Settings().Central), stdin, lines)
			if err != nil {
				return err
			}
			told, err := a.changePassword(ctx, ws, was, next)
			if err != nil {
				if model.KindOf(err) == model.Refused && !current {
					a.say("the stored password is not accepted: add --current to type the present one")
				}
				return err
			}
			if a.json {
				return a.result(object{{"changed", true}, {"note", told}})
			}
			return a.print("The password is changed. %s", told)
		},
	}
	c.Flags().BoolVar(&stdin, "password-stdin", false, "read the new password from the standard input; with --current the present one stands in the line before")
	c.Flags().BoolVar(&current, "current", false, "ask for the present password")
	return c
}

// changePassword changes the password and stores it where the old one was. It
// says where that is, or what the person has to do.
func (a *app) changePassword(ctx context.Context, ws model.Workspace, current, next string) (string, error) {
	place, err := ws.ChangePassword(ctx, current, next)
	if err != nil {
		return "", err
	}
	switch place {
	case model.InFile:
		return "It is in " + ws.Settings().PasswordFile + ".", nil
	case model.InCommand:
		return "Put it where password_command finds it.", nil
	}
	s, err := a.load()
	if err != nil {
		return "", err
	}
	if a.flags.central != "" || a.Env("RAPPORT_CENTRAL") != "" {
		return "Put it into the address that you give with --central or RAPPORT_CENTRAL.", nil
	}
	old, err := os.ReadFile(s.config)
	if err != nil {
		return "", byHand(s.config, err)
	}
	text := withKey(old, "central", ws.Settings().Central)
	var check configFile
	if err := toml.Unmarshal(text, &check); err != nil || check.Central != ws.Settings().Central {
		return "", byHand(s.config, err)
	}
	if err := writeFile(s.config, func(w io.Writer) error { _, err := w.Write(text); return err }); err != nil {
		return "", byHand(s.config, err)
	}
	return "It is in " + s.config + ".", nil
}

func byHand(config string, err error) error {
	return model.Errorf(model.Partial, "the password was changed, but it cannot be stored in %s", config).
		WithHint("write it there by hand").Because(err)
}

// withKey sets a key of a configuration and leaves the rest of the text as its
// author wrote it.
func withKey(old []byte, key, value string) []byte {
	line := append([]byte(key+" = "), encode(value)...)
	var out [][]byte
	placed := false
	for _, l := range bytes.Split(bytes.TrimRight(withoutKey(old, key), "\n"), []byte("\n")) {
		if bytes.HasPrefix(bytes.TrimSpace(l), []byte("[")) && !placed {
			out, placed = append(out, line), true
		}
		out = append(out, l)
	}
	if !placed {
		out = append(out, line)
	}
	return append(bytes.TrimLeft(bytes.Join(out, []byte("\n")), "\n"), '\n')
}

// withoutKey takes a key of the top level out of a configuration, with a list
// that goes on over several lines.
func withoutKey(old []byte, key string) []byte {
	var out [][]byte
	top, within := true, false
	for _, l := range bytes.Split(old, []byte("\n")) {
		t := bytes.TrimSpace(l)
		if within {
			within = !closes(t)
			continue
		}
		top = top && !bytes.HasPrefix(t, []byte("["))
		name, value, ok := bytes.Cut(t, []byte("="))
		if ok && top && string(bytes.TrimSpace(name)) == key {
			value = bytes.TrimSpace(value)
			within = bytes.HasPrefix(value, []byte("[")) && !closes(value)
			continue
		}
		out = append(out, l)
	}
	return bytes.Join(out, []byte("\n"))
}

// closes tells whether a line ends a list: by a bracket that stands in no text
// and in no comment.
func closes(line []byte) bool {
	var quote byte
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quote == '"' && c == '\\':
			i++
		case c == quote:
			quote = 0
		case quote != 0:
		case c == '"' || c == '\'':
			quote = c
		case c == '#':
			return false
		case c == ']':
			return true
		}
	}
	return false
}
