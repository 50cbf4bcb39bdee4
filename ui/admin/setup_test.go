package admin

import (
	"context"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/theme"
	"rapport/ui/uitest/fake"
)

// onSetUp opens the page over a workspace for which nothing was chosen yet, with
// a hook that notes what is kept.
func onSetUp(t *testing.T, ws *fake.Workspace, kept *[]model.BackupSettings) *setup {
	t.Helper()
	env := ws.Env(t.Context(), theme.New(true))
	env.Hooks.Backups = func(_ context.Context, s model.BackupSettings) error {
		*kept = append(*kept, s)
		ws.Chosen.Backup = s
		return nil
	}
	s := newSetUp(env).(*setup)
	s.SetSize(100, 21)
	return s
}

// asked presses enter on a row and returns the question.
func asked(t *testing.T, s *setup, label string) screen.AskMsg {
	t.Helper()
	s.goTo(label)
	return fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Open))
}

// TestTheWayToTheFirstBackup goes through a place, two keys and the backup.
func TestTheWayToTheFirstBackup(t *testing.T) {
	ws, kept := workspace(), []model.BackupSettings{}
	ws.Chosen.Central = ""
	s := onSetUp(t, ws, &kept)
	if v := ansi.Strip(s.View()); !strings.Contains(v, "on this computer alone") || !strings.Contains(v, "whoever can read the place can read the customers") {
		t.Error(v)
	}
	address := fake.Want[screen.AskMsg](t, fake.Run(s, asked(t, s, "Place").Do(placeS3)))
	fake.Want[screen.NoticeMsg](t, fake.Run(s, address.Do("s3://crm/ann?region=eu-central-1")))
	if len(ws.Tried) != 1 || ws.Tried[0].To != "s3://crm/ann?region=eu-central-1" || !s.Dirty() {
		t.Fatalf("tried %+v", ws.Tried)
	}
	fake.Run(s, asked(t, s, "Its key").Do("/home/ada/keys"))
	if ws.Tried[1].CredentialsFile != "/home/ada/keys" {
		t.Fatalf("tried %+v", ws.Tried[1])
	}
	recovery := fake.Want[screen.AskMsg](t, fake.Run(s, asked(t, s, "Keys").Do(keysTwo)))
	if !ws.Tried[2].NewKey || !ws.Tried[2].OwnKey || !strings.Contains(recovery.Text, "AGE-SECRET-KEY-1") || len(recovery.Must) != provedBy || len(s.chosen.Recipients) != 0 {
		t.Fatalf("asks %+v before it uses %v", recovery, s.chosen.Recipients)
	}
	fake.Run(s, recovery.Do(recovery.Must))
	if v := ansi.Strip(s.View()); strings.Contains(v, "AGE-SECRET") || !strings.Contains(v, "/home/ada/backup-identity.txt") {
		t.Error(v)
	}
	if s.rows[s.at].label != keepAndBegin {
		t.Errorf("the cursor is on %q", s.rows[s.at].label)
	}
	fake.Want[screen.BackMsg](t, fake.Do(t, s, keymap.Open))
	if s.Dirty() {
		t.Error("leaving it would ask")
	}
	want := model.BackupSettings{To: "s3://crm/ann?region=eu-central-1", CredentialsFile: "/home/ada/keys", Identity: "/home/ada/backup-identity.txt", Recipients: []string{"age1own", "age1recovery"}}
	if len(kept) != 1 || !sameKeeping(kept[0], want) || len(ws.Made) != 1 || ws.Made[0].Source != model.SourceLocal {
		t.Errorf("kept %+v, made %+v", kept, ws.Made)
	}
}

// TestKeysAreChecked refuses what is no recipient, and takes one key only as
// what it is.
func TestKeysAreChecked(t *testing.T) {
	ws, kept := workspace(), []model.BackupSettings{}
	s := onSetUp(t, ws, &kept)
	own := fake.Want[screen.AskMsg](t, fake.Run(s, asked(t, s, "Keys").Do(keysOwn)))
	for _, typed := range []string{"", "AGE-SECRET-KEY-1ABC", "age1a nonsense"} {
		if m := fake.Want[screen.NoticeMsg](t, fake.Run(s, own.Do(typed))); m.Err == nil || len(s.chosen.Recipients) != 0 {
			t.Errorf("%q is taken", typed)
		}
	}
	file := fake.Want[screen.AskMsg](t, fake.Run(s, own.Do("age1a, age1b")))
	fake.Run(s, file.Do("/home/ada/key"))
	if s.chosen.Identity != "/home/ada/key" || len(s.chosen.Recipients) != 2 || s.chosen.OneKey {
		t.Errorf("%+v", s.chosen)
	}
	fake.Run(s, asked(t, s, "Keys").Do(keysOne))
	if len(s.chosen.Recipients) != 1 || !s.chosen.OneKey || ws.Tried[len(ws.Tried)-1].NewKey {
		t.Errorf("%+v", s.chosen)
	}
	fake.Run(s, asked(t, s, "Keys").Do(keysNone))
	if len(s.chosen.Recipients) != 0 || s.chosen.OneKey {
		t.Errorf("%+v", s.chosen)
	}
}

// TestAPlaceThatIsNoneIsSaid keeps nothing and leads to another one.
func TestAPlaceThatIsNoneIsSaid(t *testing.T) {
	ws, kept := workspace(), []model.BackupSettings{}
	s := onSetUp(t, ws, &kept)
	ws.Err = model.Errorf(model.Unreachable, "the share is gone")
	address := fake.Want[screen.AskMsg](t, fake.Run(s, asked(t, s, "Place").Do(placeFolder)))
	fake.Run(s, address.Do("/mnt/share"))
	if v := ansi.Strip(s.View()); !strings.Contains(v, "the share is gone") || s.target != nil {
		t.Error(v)
	}
	for _, x := range []model.BackupTarget{{Read: true}, {Write: true}} {
		if err := unusable(x, nil); model.KindOf(err) != model.Refused {
			t.Errorf("%+v is taken: %v", x, err)
		}
	}
	if err := unusable(model.BackupTarget{Read: true, Write: true}, nil); err != nil {
		t.Error(err)
	}
}

// TestUnknownKeysAreBelievedOnDemand names them, and asks.
func TestUnknownKeysAreBelievedOnDemand(t *testing.T) {
	ws, kept := workspace(), []model.BackupSettings{}
	ws.Strangers = 2
	s := onSetUp(t, ws, &kept)
	s.goTo("Try it")
	fake.Do(t, s, keymap.Open)
	q := asked(t, s, "Other computers")
	if !strings.Contains(q.Text, "2 keys may sign") || ws.Tried[0].Trust {
		t.Errorf("asks %q after %+v", q.Text, ws.Tried)
	}
	fake.Run(s, q.Do(""))
	if v := ansi.Strip(s.View()); !ws.Tried[1].Trust || strings.Contains(v, "Other computers") {
		t.Errorf("tried %+v\n%s", ws.Tried[1], v)
	}
}

// TestReplacedKeysAreBelievedOnDemand says what happened to the place, and asks
// before its new keys count.
func TestReplacedKeysAreBelievedOnDemand(t *testing.T) {
	ws, kept := workspace(), []model.BackupSettings{}
	s := onSetUp(t, ws, &kept)
	ws.Err = model.Errorf(model.Refused, "the keys are not those that this workspace knows").WithHint("rapport backup init --trust believes them").By(model.TrustKeys)
	s.goTo("Try it")
	fake.Do(t, s, keymap.Open)
	if v := ansi.Strip(s.View()); !strings.Contains(v, "ask who looks after the place") || strings.Contains(v, "--trust") {
		t.Error(v)
	}
	q := asked(t, s, "Other keys")
	if !strings.Contains(q.Text, "ask first") {
		t.Error(q.Text)
	}
	ws.Err = nil
	fake.Run(s, q.Do(""))
	if v := ansi.Strip(s.View()); len(ws.Tried) != 1 || !ws.Tried[0].Trust || strings.Contains(v, "Other keys") {
		t.Errorf("tried %+v\n%s", ws.Tried, v)
	}
}

// TestSetUpFromElsewhere does not offer to write a configuration that is not
// this program's to write.
func TestSetUpFromElsewhere(t *testing.T) {
	ws := workspace()
	s := newSetUp(ws.Env(t.Context(), theme.New(true))).(*setup)
	s.SetSize(100, 21)
	if v := ansi.Strip(s.View()); strings.Contains(v, "Keep and back up") || !strings.Contains(v, "config.toml") {
		t.Error(v)
	}
}
