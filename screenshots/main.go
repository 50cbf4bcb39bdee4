// Command screenshots takes the pictures of the README from the real program on
// a demo workspace: go run ./screenshots
//
// It builds the program, makes the demo workspace in a temporary folder, drives
// the program in a terminal of its own and writes one PNG a picture into its
// own folder. The conflict in one of the pictures comes about as in a company:
// an unsent edit here meets a changed row from the feed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"rapport/db/sqlite"
	"rapport/model"
	"rapport/screenshots/term"
)

func main() {
	out := flag.String("out", "screenshots", "folder for the pictures")
	size := flag.Float64("size", 15, "height of the letters, pixels")
	seed := flag.String("seed", "7", "seed of the sample data")
	fonts := flag.String("fonts", "", "font files for letters that the built-in font lacks, separated by commas")
	flag.Parse()
	if err := run(*out, *size, *seed, *fonts); err != nil {
		fmt.Fprintln(os.Stderr, "screenshots:", err)
		os.Exit(1)
	}
}

// shot is one picture: the keys that lead to it and a text that shows that the
// program is there.
type shot struct {
	name          string
	width, height int
	dark          bool
	steps         []step
}

// step presses keys, or types text, and waits for what then appears.
type step struct {
	keys []string
	text string
	wait string
}

var shots = []shot{
	{"start", 110, 32, true, []step{{wait: "Today"}}},
	{"contacts", 110, 32, true, []step{{wait: "Today"}, {keys: []string{"2"}, wait: "Organization"}, {keys: []string{"down", "down", "down"}}}},
	{"board", 120, 34, true, []step{{wait: "Today"}, {keys: []string{"5"}, wait: "Prospecting"}, {keys: []string{"right", "down"}}}},
	{"detail", 110, 34, true, []step{{wait: "Today"}, {keys: []string{"2"}, wait: "Job title"}, {keys: []string{"down", "down", "down", "enter"}, wait: "Timeline"}}},
	{"conflict", 110, 30, true, []step{{wait: "Today"}, {keys: []string{"8"}, wait: "not sent yet"}, {keys: []string{"enter"}, wait: "heirs"}}},
	{"report", 110, 34, true, []step{{wait: "Today"}, {keys: []string{"7"}, wait: "Pipeline"}, {keys: []string{"right"}, wait: "Won"}}},
	{"search", 110, 32, true, []step{{wait: "Today"}, {keys: []string{"ctrl+k"}}, {text: "ma", wait: "Contact"}}},
	{"light", 110, 32, false, []step{{wait: "Today"}, {keys: []string{"2"}, wait: "Organization"}, {keys: []string{"down", "down"}}}},
	{"backups", 110, 24, true, []step{{wait: "Today"}, {keys: []string{"9", "down", "down", "down", "enter"}, wait: "verified"}}},
	{"archive", 110, 24, true, []step{{wait: "Today"}, {keys: []string{"9", "down", "down", "down", "enter"}, wait: "verified"}, {keys: []string{"end", "enter"}, wait: "as it is today"},
		{keys: []string{"m"}, wait: "changed since"}, {keys: []string{"down", "r"}, wait: "restores"}}},
	{"small", 60, 20, true, []step{{wait: "Today"}, {keys: []string{"2"}}}},
}

func run(out string, size float64, seed, fonts string) error {
	dir, err := os.MkdirTemp("", "rapport-shots-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program, home := filepath.Join(dir, "rapport"), filepath.Join(dir, "home")
	if err := command("go", "build", "-o", program, "."); err != nil {
		return err
	}
	if err := command(program, "demo", "--home", home, "--seed", seed, "--no-ui", "--quiet"); err != nil {
		return err
	}
	if err := makeConflict(context.Background(), home); err != nil {
		return fmt.Errorf("make a conflict: %w", err)
	}
	place := filepath.Join(os.TempDir(), "crm-backups") // which one of the pictures shows
	if err := os.Mkdir(place, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(place)
	if err := makeBackups(context.Background(), program, home, place); err != nil {
		return fmt.Errorf("make backups: %w", err)
	}
	pencil, err := term.NewPencil(size, strings.FieldsFunc(fonts, func(r rune) bool { return r == ',' })...)
	if err != nil {
		return err
	}
	for _, s := range shots {
		if err := take(s, program, home, pencil, filepath.Join(out, s.name+".png")); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Println(filepath.Join(out, s.name+".png"))
	}
	return nil
}

func command(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

// makeBackups backs the workspace up into a place, changes some contacts, backs
// that up, too, and tries to restore it.
func makeBackups(ctx context.Context, program, home, place string) error {
	config, err := os.OpenFile(filepath.Join(home, "config.toml"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(config, "\n[backup]\nto = %q\n", place)
	if err := errors.Join(err, config.Close()); err != nil {
		return err
	}
	backup := func(args ...string) error {
		return command(program, append([]string{"--home", home, "--quiet", "backup"}, args...)...)
	}
	// There is nothing to follow yet, so that it is a whole one.
	if err := backup("create", "--kind", "differential"); err != nil {
		return err
	}
	if err := changeContacts(ctx, home); err != nil {
		return err
	}
	return errors.Join(backup("create", "--kind", "differential"), backup("verify", "latest", "--level", "V4"))
}

// changeContacts deletes a contact and changes two.
func changeContacts(ctx context.Context, home string) error {
	db, err := sqlite.Open(ctx, filepath.Join(home, sqlite.FileName), sqlite.Options{Settings: model.Settings{Home: home, Me: "you", Currency: "EUR"}})
	if err != nil {
		return err
	}
	defer db.Close()
	page, err := db.List(ctx, model.Query{Noun: "contact", Limit: 50})
	if err != nil {
		return err
	}
	var plain []*model.Record
	for _, r := range page.Items {
		if drawable(r.Title()) && drawable(r.Text("job_title")) {
			plain = append(plain, r)
		}
	}
	if len(plain) < 3 {
		return model.Errorf(model.NotFound, "the demo has no contacts that can be drawn")
	}
	if err := db.Delete(ctx, "contact", plain[0].ID); err != nil {
		return err
	}
	for i, set := range []map[string]any{{"last_name": "Unknown", "job_title": nil}, {"job_title": "retired", "notes": "asked not to be called"}} {
		if _, err := db.Save(ctx, model.Edit{Noun: "contact", ID: plain[i+1].ID, Set: set}); err != nil {
			return err
		}
	}
	return nil
}

// take drives the program to one picture and writes it.
func take(s shot, program, home string, pencil *term.Pencil, path string) error {
	cmd := exec.Command(program, "--home", home)
	t, err := term.Start(cmd, s.width, s.height, s.dark)
	if err != nil {
		return err
	}
	defer t.Close()
	for _, st := range s.steps {
		if err := t.Press(st.keys...); err != nil {
			return err
		}
		if err := t.Type(st.text); err != nil {
			return err
		}
		if st.wait != "" {
			if err := t.Wait(st.wait, 20*time.Second); err != nil {
				return err
			}
		}
		t.Settle(300 * time.Millisecond)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := png.Encode(f, pencil.Draw(t)); err != nil {
		return err
	}
	return f.Close()
}

// drawable tells whether the pictures' font has every letter of a text.
func drawable(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxLatin1 })
}

// makeConflict edits the amount and the close date of a deal here and lets the
// feed bring a colleague's values for the same fields.
func makeConflict(ctx context.Context, home string) error {
	db, err := sqlite.Open(ctx, filepath.Join(home, sqlite.FileName), sqlite.Options{Settings: model.Settings{Home: home, Me: "you", Currency: "EUR"}})
	if err != nil {
		return err
	}
	defer db.Close()
	page, err := db.List(ctx, model.Query{Noun: "deal", Filter: []model.Condition{{Field: "stage", Op: model.Equal, Value: "Negotiation"}}})
	if err != nil {
		return err
	}
	i := slices.IndexFunc(page.Items, func(r *model.Record) bool { return drawable(r.Title()) && drawable(r.Ref("organization").Name) })
	if i < 0 {
		return model.Errorf(model.NotFound, "the demo has no deal in negotiation that can be drawn")
	}
	r := page.Items[i]
	amount, _ := r.Money("amount")
	mine, theirs := amount, amount
	mine.Minor += 250_000
	theirs.Minor += theirs.Minor / 10
	now := time.Now()
	if _, err := db.Save(ctx, model.Edit{Noun: "deal", ID: r.ID, Set: map[string]any{
		"amount": mine, "close_date": now.AddDate(0, 0, 10).Format("2006-01-02"), "next_step": "send the revised offer"}}); err != nil {
		return err
	}
	e := model.EntityOf("deal")
	row, err := db.Row(ctx, e, r.ID)
	if err != nil {
		return err
	}
	model.SetFieldValue(e, e.Field("amount"), row, theirs)
	model.SetFieldValue(e, e.Field("close_date"), row, now.AddDate(0, 0, 24).Format("2006-01-02"))
	model.SetFieldValue(e, e.Field("next_step"), row, r.Values["next_step"])
	row.Set(e, model.ColumnVersion, r.RowVersion+1)
	row.Set(e, model.ColumnUpdatedBy, "maria.keller")
	row.Set(e, model.ColumnUpdatedAt, now.Add(-40*time.Minute).UnixMilli())
	_, err = db.Apply(ctx, &model.FeedPage{Rows: map[model.Noun][]model.Row{"deal": {row}}}, model.Position{})
	return err
}
