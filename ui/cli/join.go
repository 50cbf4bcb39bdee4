package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"rapport/model"
)

// Names of what an invite leaves in a home.
const (
	caName       = "central-ca.pem"
	passwordName = "central-password"
)

func (a *app) join() *cobra.Command {
	var stdin, wait bool
	c := &cobra.Command{
		Use: "join [INVITE]", Short: "Come in with the invite that an administrator gave you", Args: between(0, 1),
		Long: "Come in with the invite that an administrator gave you: the address and the certificate of the\n" +
			"company's database are stored, you choose a password of your own, and the first sync begins.\n" +
			"Without an argument the invite is asked for, or read from the first line of the standard input.",
		Example: "  rapport join\n  rapport join --password-stdin < invite-and-password.txt",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			lines := a.lines()
			invite, err := a.inviteText(ctx, args, stdin, lines)
			if err != nil {
				return err
			}
			if a.flags.dryRun {
				return noDryRun(cmd)
			}
			s, err := a.prepare(invite)
			if err != nil {
				return err
			}
			next, err := a.newPassword(ctx, userOf(invite.Central), stdin, lines)
			if err != nil {
				return err
			}
			if err := a.comeIn(ctx, s, invite, next); err != nil {
				return err
			}
			ws, err := a.openWith(ctx, s.workspace())
			if err != nil {
				return err
			}
			if wait {
				return a.joined(invite, nil)
			}
			res, err := ws.Sync(ctx, false, a.notify())
			a.quietly()
			if err != nil {
				return err
			}
			return a.joined(invite, &res)
		},
	}
	c.Flags().BoolVar(&stdin, "password-stdin", false, "read the new password from the standard input, after the invite if that is not an argument")
	c.Flags().BoolVar(&wait, "no-sync", false, "do not sync yet")
	return c
}

// lines reads the standard input line by line.
func (a *app) lines() func() (string, error) {
	var rest []string
	read := false
	return func() (string, error) {
		if !read {
			data, err := io.ReadAll(io.LimitReader(a.In, 1<<20))
			if err != nil {
				return "", err
			}
			rest, read = strings.Split(strings.TrimRight(string(data), "\r\n"), "\n"), true
		}
		if len(rest) == 0 || len(rest) == 1 && rest[0] == "" {
			return "", model.Errorf(model.Invalid, "a line is missing on the standard input")
		}
		line := strings.TrimSuffix(rest[0], "\r")
		rest = rest[1:]
		return line, nil
	}
}

func (a *app) inviteText(ctx context.Context, args []string, stdin bool, lines func() (string, error)) (model.Invite, error) {
	text := strings.Join(args, "")
	var err error
	switch {
	case text != "":
	case stdin || !a.mayAsk():
		text, err = lines()
	default:
		text, err = a.ask(ctx, "Invite", "the invite as an argument")
	}
	if err != nil {
		return model.Invite{}, err
	}
	return model.ParseInvite(text)
}

// newPassword asks for a password twice, or reads it once from the standard
// input, and checks it before anything else happens.
func (a *app) newPassword(ctx context.Context, login string, stdin bool, lines func() (string, error)) (string, error) {
	if stdin {
		next, err := lines()
		if err != nil {
			return "", err
		}
		return next, model.CheckPassword(login, next)
	}
	for {
		next, err := a.secret(ctx, "New password: ")
		if err != nil {
			return "", err
		}
		if err := model.CheckPassword(login, next); err != nil {
			_, msg, hint := describe(err)
			a.say("%s; %s", msg, hint)
			continue
		}
		again, err := a.secret(ctx, "Once more: ")
		if err != nil {
			return "", err
		}
		if again == next {
			return next, nil
		}
		a.say("the two are not the same")
	}
}

// secret asks for a text that is not shown.
func (a *app) secret(ctx context.Context, question string) (string, error) {
	if !a.mayAsk() || a.ReadSecret == nil {
		return "", model.Errorf(model.Invalid, "a password is needed").WithHint("add --password-stdin and write it to the standard input")
	}
	io.WriteString(a.Err, question)
	s, err := a.ReadSecret(ctx)
	io.WriteString(a.Err, "\n")
	return s, err
}

// prepare returns the settings of the workspace that joins. A workspace of
// another central, or a demo, is left alone.
func (a *app) prepare(invite model.Invite) (*settings, error) {
	s, err := a.load()
	if err != nil {
		return nil, err
	}
	if s.central != "" && !sameCentral(s.central, invite.Central) {
		return nil, model.Errorf(model.Invalid, "this workspace belongs to %s already", redacted(s.central)).
			WithHint("name another folder with --home, or take the central out of %s", s.config)
	}
	return s, nil
}

// sameCentral tells whether two addresses lead one person to one database.
func sameCentral(a, b string) bool {
	a, _, _ = strings.Cut(a, ",")
	b, _, _ = strings.Cut(b, ",")
	x, errX := url.Parse(a)
	y, errY := url.Parse(b)
	return errX == nil && errY == nil && x.Host == y.Host && x.Path == y.Path && x.User.Username() == y.User.Username()
}

// comeIn stores what the invite holds and changes the one-time password for
// the person's own, which goes into a file beside the cache. A password that
// is in use here stays where the invite does not work any more.
func (a *app) comeIn(ctx context.Context, s *settings, invite model.Invite, next string) error {
	if err := makeHome(s.home); err != nil {
		return err
	}
	info, err := a.Backend.Inspect(ctx, s.home)
	if err != nil {
		return err
	}
	if info.Demo {
		return model.Errorf(model.Invalid, "%s is a demo", s.home).WithHint("name another folder with --home")
	}
	store := func(name, text string) error {
		return writeFile(name, func(w io.Writer) error { _, err := io.WriteString(w, text); return err })
	}
	central := invite.Central
	if invite.CA != "" {
		ca := filepath.Join(s.home, caName)
		if err := store(ca, invite.CA); err != nil {
			return err
		}
		if central, err = withQuery(central, "tls-ca", ca); err != nil {
			return err
		}
	}
	s.central, s.me, s.passwordCommand, s.passwordFile = central, userOf(central), "", filepath.Join(s.home, passwordName)
	ws, err := a.Backend.Open(ctx, s.workspace())
	if err != nil {
		return err
	}
	_, err = ws.ChangePassword(ctx, invite.Password, next)
	if err = errors.Join(err, ws.Close()); model.KindOf(err) == model.Refused {
		return model.Errorf(model.Refused, "the one-time password of this invite is not accepted").
			WithHint("it works once: ask the administrator for a new one, or, if you have joined already, run `rapport password`").Because(err)
	}
	if err != nil {
		return err
	}
	old, err := os.ReadFile(s.config)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return model.Errorf(model.Invalid, "the configuration %s cannot be read", s.config).Because(err)
	}
	if err := os.MkdirAll(filepath.Dir(s.config), 0o700); err != nil {
		return err
	}
	text := withKey(withKey(withoutKey(old, "password_command"), "password_file", s.passwordFile), "central", s.central)
	return store(s.config, string(bytes.TrimLeft(text, "\n")))
}

// withQuery adds an option to each address of a list.
func withQuery(list, key, value string) (string, error) {
	var out []string
	for _, address := range strings.Split(list, ",") {
		u, err := url.Parse(address)
		if err != nil {
			return "", model.Errorf(model.Invalid, "the address of the invite cannot be read")
		}
		q := u.Query()
		q.Set(key, value)
		u.RawQuery = q.Encode()
		out = append(out, u.String())
	}
	return strings.Join(out, ","), nil
}

// joined says what came of it.
func (a *app) joined(invite model.Invite, res *model.SyncResult) error {
	if a.json {
		o := object{{"home", a.home}, {"central", redacted(invite.Central)}, {"login", userOf(invite.Central)}}
		if res != nil {
			o = append(o, pair{"sync", syncObject(outcome{SyncResult: *res})})
		}
		return a.result(o)
	}
	if err := a.print("Welcome, %s. The workspace is %s.", model.Visible(userOf(invite.Central)), model.Visible(a.home)); err != nil {
		return err
	}
	if res == nil {
		return nil
	}
	return a.print("%s", syncLine(outcome{SyncResult: *res}))
}
