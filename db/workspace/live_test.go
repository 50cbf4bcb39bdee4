package workspace_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"rapport/db/mysql/servertest"
	"rapport/db/mysql/servertest/wire"
	"rapport/screenshots/term"
)

// look is the interface of a laptop in a terminal.
type look struct {
	*term.Terminal
	t *testing.T
}

// open shows the interface of a laptop that polls every second.
func (l *laptop) open(width, height int) *look {
	l.t.Helper()
	path, err := program()
	if err != nil {
		l.t.Fatal(err)
	}
	cmd := exec.Command(path)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + l.dir, "RAPPORT_HOME=" + l.dir, "RAPPORT_CENTRAL=" + l.central, "RAPPORT_SYNC__INTERVAL=1s"}
	screen, err := term.Start(cmd, width, height, true)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		if err := screen.Close(); err != nil {
			l.t.Error(err)
		}
	})
	return &look{screen, l.t}
}

func (k *look) sees(text string) {
	k.t.Helper()
	if err := k.Wait(text, 2*time.Minute); err != nil {
		k.t.Fatal(err)
	}
}

func (k *look) press(keys ...string) {
	k.t.Helper()
	if err := k.Press(keys...); err != nil {
		k.t.Fatal(err)
	}
}

// under is the line that the cursor is on.
func (k *look) under() string {
	for line := range strings.Lines(k.Text()) {
		if strings.HasPrefix(line, "›") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// TestLive looks at the interface while a colleague works and the network goes
// and comes back.
func TestLive(t *testing.T) {
	srv := servertest.Shared(t)
	url := srv.Database(t)
	net := wire.New(t, srv.Address())
	ann := &laptop{t: t, dir: t.TempDir(), central: net.URL(url)}
	bob := &laptop{t: t, dir: t.TempDir(), central: url}
	ann.json("central", "init")
	var ids []string
	for i := range 6 {
		ids = append(ids, bob.json("contact", "add", "--set", fmt.Sprint("last_name=Meier ", i), "--set", "job_title=Buyer")["id"].(string))
	}
	bob.json("sync")
	k := ann.open(80, 24)
	k.sees("✓ synced")
	k.press("2")
	k.sees("Meier 5")
	k.press("down", "down", "down")
	k.sees("›  Meier 3")

	// A colleague's new record above the cursor and an edit under it.
	bob.json("contact", "add", "--set", "last_name=Aaron")
	bob.json("contact", "edit", ids[3], "--set", "job_title=Head")
	bob.json("sync")
	k.sees("Aaron")
	k.sees("›  Meier 3  Head")

	// A form that is being typed in stays as it is and says what changed.
	k.press("e")
	k.sees("Edit Meier 3")
	k.press("Ann")
	k.sees("First name        Ann")
	bob.json("contact", "edit", ids[3], "--set", "department=Sales")
	bob.json("sync")
	k.sees("Changed meanwhile by")
	k.sees("First name        Ann")
	k.press("ctrl+s")

	// It is sent by itself, without the network it waits.
	k.sees("›  Ann Meier 3")
	net.Close()
	k.sees("● offline")
	k.press("e")
	k.sees("Edit Ann Meier 3")
	k.press("a")
	k.sees("First name        Anna")
	k.press("ctrl+s")
	k.sees("›● Anna Meier 3")
	bob.json("sync")
	bob.json("contact", "edit", ids[3], "--set", "job_title=Chief")
	bob.json("sync")
	if err := net.Cut(); err != nil {
		t.Fatal(err)
	}
	k.press("ctrl+s")
	k.sees("✓ synced")
	k.sees("›  Anna Meier 3  Chief")
	bob.json("sync")
	if got := bob.json("contact", "show", ids[3]); got["first_name"] != "Anna" || got["department"] != "Sales" {
		t.Errorf("the other laptop has %v", got)
	}
	if got := k.under(); !strings.Contains(got, "Anna Meier 3") {
		t.Errorf("the cursor is on %q", got)
	}
}
