package admin

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget/draw"
)

// setup is the page that leads to the first backup: where they lie, who can
// read them, and making one.
type setup struct {
	page
	was, chosen model.BackupSettings
	target      *model.BackupTarget // what the place allows, once it was tried
	keys        string              // the choice of keys that was made here, "" for what the settings say
	kept        bool
}

// What the jobs of the page answer.
type (
	placeTried struct{ model.BackupTarget }
	keysMade   struct {
		model.BackupTarget
		choice string
	}
	settingsKept struct{ info *model.BackupInfo } // with the backup that was made
)

func newSetUp(env *screen.Env) screen.Screen {
	now := env.Workspace.Settings().Backup
	s := &setup{page: page{env: env, title: "Place and keys", job: newJob(env)}, was: now, chosen: now}
	s.chosen.Recipients = slices.Clone(now.Recipients)
	s.rebuild()
	return s
}

// Init does nothing: the page needs no data.
func (s *setup) Init() tea.Cmd { return nil }

// Update takes what became of a trial, of keys, and of the first backup.
func (s *setup) Update(msg tea.Msg) tea.Cmd {
	m, ended, cmd := s.job.take(msg)
	if !ended {
		return cmd
	}
	defer s.rebuild()
	s.err = m.Err
	switch v := m.Value.(type) {
	case placeTried:
		s.target = &v.BackupTarget
		if s.err = unusable(v.BackupTarget, m.Err); s.err != nil {
			s.target = nil
			return nil
		}
		s.rebuild()
		s.goTo("Keys")
		return screen.Notice("The place is ready for backups.")
	case keysMade:
		if s.err = unusable(v.BackupTarget, m.Err); s.err != nil {
			return nil
		}
		s.target = &v.BackupTarget
		if v.Recovery != nil {
			return s.showRecovery(v)
		}
		s.takeKeys(v)
	case settingsKept:
		if m.Err != nil {
			// The settings are kept also where the backup was not made.
			s.kept = s.kept || s.env.Workspace.Settings().Backup.To == s.chosen.To
			return nil
		}
		s.kept = true
		said := "Backups go there from now on."
		if v.info != nil {
			said = "Backed up " + draw.Plural(v.info.Rows, "row", "rows") + ", read back and compared. The next one is made with " + s.env.Keys.KeyOf(keymap.Add, keymap.Backups) + "."
		}
		return tea.Batch(screen.Notice(said), tea.Sequence(func() tea.Msg { return screen.ChangedMsg{} }, screen.Back))
	}
	return nil
}

// Dirty is true while something is chosen that is not kept.
func (s *setup) Dirty() bool { return !s.kept && !sameKeeping(s.was, s.chosen) }

// sameKeeping tells whether two settings are the same in what the page changes.
func sameKeeping(a, b model.BackupSettings) bool {
	return a.To == b.To && a.OneKey == b.OneKey && a.Identity == b.Identity && a.CredentialsFile == b.CredentialsFile && slices.Equal(a.Recipients, b.Recipients)
}

// unusable tells why a place cannot hold backups, nil if it can.
func unusable(t model.BackupTarget, err error) error {
	switch {
	case err != nil:
		return err
	case !t.Write:
		return model.Errorf(model.Refused, "%s can be read, but not written: backups can be restored from it, not made", t.Address).WithHint("give the key the right to add objects, or choose another place")
	case !t.Read:
		return model.Errorf(model.Refused, "%s can be written, but not read: a backup could not be proved", t.Address).WithHint("give the key the rights to read and to list, or choose another place")
	}
	return nil
}

// remote tells whether the place is an object store.
func (s *setup) remote() bool { return strings.Contains(s.chosen.To, "://") }

func (s *setup) home() string {
	return filepath.Join(s.env.Workspace.Settings().Home, "backups")
}

const (
	placeHere   = "this computer's backups folder"
	placeFolder = "another folder, or a mounted share"
	placeS3     = "Amazon S3, or what is compatible with it"
	placeGS     = "Google Cloud Storage"
	placeAzure  = "Azure Blob Storage"
)

// placeExamples begin the address of a place.
var placeExamples = map[string]string{
	placeFolder: "/mnt/share/rapport",
	placeS3:     "s3://BUCKET/PREFIX?region=eu-central-1",
	placeGS:     "gs://BUCKET/PREFIX",
	placeAzure:  "azblob://ACCOUNT/CONTAINER/PREFIX",
}

// placeHelp says how the address of a place is written.
var placeHelp = map[string]string{
	placeFolder: "A folder that is always there, or the folder under which a share is mounted. It is made if it is not there.",
	placeS3:     "The bucket, a prefix in it, and its region; for another service ?endpoint=HOST:PORT. The key never stands in the address.",
	placeGS:     "The bucket and a prefix in it. The key never stands in the address.",
	placeAzure:  "The account, the container, and a prefix in it. The key never stands in the address.",
}

// keyVariables are where the key of a place is read from.
func keyVariables(to string) string {
	switch {
	case strings.HasPrefix(to, "gs://"):
		return "GCS_HMAC_ACCESS_ID and GCS_HMAC_SECRET"
	case strings.HasPrefix(to, "azblob://"):
		return "AZURE_STORAGE_KEY, or AZURE_STORAGE_SAS_TOKEN"
	}
	return "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws/credentials"
}

func (s *setup) askPlace() tea.Cmd {
	text := "A place that a fire, a theft or a broken disk does not take together with this computer."
	return choose("Where do the backups lie?", text, placeFolder, []string{placeFolder, placeS3, placeGS, placeAzure, placeHere}, func(v string) tea.Cmd {
		if v == placeHere {
			return s.setPlace("")
		}
		value := s.chosen.To
		before, _, _ := strings.Cut(placeExamples[v], "BUCKET")
		if value == "" || strings.Contains(value, "://") != (v != placeFolder) || v != placeFolder && !strings.HasPrefix(value, before) {
			value = placeExamples[v]
		}
		return ask(screen.AskMsg{Title: strings.ToUpper(v[:1]) + v[1:], Text: placeHelp[v], Yes: "Try it", Input: "Place", Value: value, Do: func(to string) tea.Cmd {
			if to = strings.TrimSpace(to); to == "" {
				return screen.Fail(model.Errorf(model.Invalid, "the place is missing").WithHint("type where the backups are to lie"))
			}
			return s.setPlace(to)
		}})
	})
}

// setPlace takes a place and tries it out.
func (s *setup) setPlace(to string) tea.Cmd {
	if full, err := screen.HomePath(to); err == nil && !strings.Contains(to, "://") {
		to = full
	}
	s.chosen.To, s.target = to, nil
	s.rebuild()
	return s.try()
}

// request is what the place is tried with.
func (s *setup) request() model.BackupRequest {
	to := s.chosen.To
	if to == "" {
		to = s.home()
	}
	return model.BackupRequest{To: to, CredentialsFile: s.chosen.CredentialsFile, Recipients: s.chosen.Recipients}
}

func (s *setup) try() tea.Cmd {
	ws, req := s.env.Workspace, s.request()
	return s.start("Trying the place", "At most an empty object stays there.", func(ctx context.Context, _ model.Notify) (any, error) {
		t, err := ws.InitBackups(ctx, req)
		return placeTried{t}, err
	})
}

// askTrust asks before the keys of other computers are believed.
func (s *setup) askTrust() tea.Cmd {
	text := "The place names other keys than this workspace knows. Who looks after it replaced them, or somebody who got at the place did: ask first."
	if s.target != nil {
		text = draw.Plural(int64(s.target.Strangers), "key", "keys") + " may sign backups there that this workspace does not know. They belong to colleagues' computers, or to somebody who got at the place."
	}
	text += " Believed, their backups count here."
	return ask(screen.AskMsg{Title: "Believe the keys of the place?", Text: text, Yes: "Believe", Do: func(string) tea.Cmd {
		ws, req := s.env.Workspace, s.request()
		req.Trust = true
		return s.start("Trying the place", "At most an empty object stays there.", func(ctx context.Context, _ model.Notify) (any, error) {
			t, err := ws.InitBackups(ctx, req)
			return placeTried{t}, err
		})
	}})
}

func (s *setup) askCredentials() tea.Cmd {
	text := "A line NAME=value for each of " + keyVariables(s.chosen.To) + ". Nobody but you may read the file. Nothing means the environment of this program."
	return ask(screen.AskMsg{Title: "Which file holds the key of the place?", Text: text, Yes: "Try it", Input: "File", Value: s.chosen.CredentialsFile, Do: func(file string) tea.Cmd {
		file, err := screen.HomePath(file)
		if err != nil {
			return screen.Fail(err)
		}
		s.chosen.CredentialsFile, s.target = file, nil
		s.rebuild()
		return s.try()
	}})
}

const keepAndBegin = "Keep and back up"

const (
	keysTwo  = "two keys: this computer's, and one to keep elsewhere"
	keysOne  = "one key, this computer's: the backups are lost with it"
	keysOwn  = "keys that you have: age1…"
	keysNone = "no key: whoever can read the place can read the customers"
)

func (s *setup) askKeys() tea.Cmd {
	return choose("Who can read the backups?", "With two keys either one opens them. The second one is shown once, for you to write down.", keysTwo, []string{keysTwo, keysOne, keysOwn, keysNone}, func(v string) tea.Cmd {
		switch v {
		case keysNone:
			s.chosen.Recipients, s.chosen.OneKey, s.chosen.Identity, s.keys = nil, false, s.was.Identity, v
			s.rebuild()
			return nil
		case keysOwn:
			return s.askRecipients()
		}
		ws, req := s.env.Workspace, s.request()
		req.OwnKey, req.NewKey, req.Recipients = true, v == keysTwo, nil
		return s.start("Making keys", "No key that was made is used.", func(ctx context.Context, _ model.Notify) (any, error) {
			t, err := ws.InitBackups(ctx, req)
			return keysMade{t, v}, err
		})
	})
}

func (s *setup) askRecipients() tea.Cmd {
	text := "For whom to encrypt: age1…, two of them or more, with blanks between. age-keygen makes a key and prints its recipient."
	return ask(screen.AskMsg{Title: "Which keys?", Text: text, Yes: "Set", Input: "Recipients", Value: strings.Join(s.chosen.Recipients, " "), Do: func(typed string) tea.Cmd {
		list := strings.FieldsFunc(typed, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' })
		switch i := slices.IndexFunc(list, func(x string) bool { return !strings.HasPrefix(x, "age1") }); {
		case len(list) == 0:
			return screen.Fail(model.Errorf(model.Invalid, "no key was typed").WithHint("type a recipient that begins with age1"))
		case i >= 0:
			return screen.Fail(model.Errorf(model.Invalid, "%s is no recipient", model.Visible(list[i])).WithHint("a recipient begins with age1; what begins with AGE-SECRET-KEY is the secret and stays where it is"))
		}
		s.chosen.Recipients, s.chosen.OneKey, s.keys = list, len(list) == 1, keysOwn
		s.rebuild()
		return s.askIdentity()
	}})
}

// askIdentity asks for the file of the key that opens backups here.
func (s *setup) askIdentity() tea.Cmd {
	return ask(screen.AskMsg{Title: "Which file holds the key that opens them here?", Text: "A line that begins with AGE-SECRET-KEY. It is needed to look into encrypted backups and to restore them; nothing means that it is not on this computer.", Yes: "Set", Input: "File", Value: s.chosen.Identity, Do: func(file string) tea.Cmd {
		file, err := screen.HomePath(file)
		if err != nil {
			return screen.Fail(err)
		}
		s.chosen.Identity = file
		s.rebuild()
		return nil
	}})
}

// provedBy is how many signs of a recovery key have to be typed.
const provedBy = 8

// showRecovery shows the recovery key, this once, and goes on when its end was
// typed.
func (s *setup) showRecovery(k keysMade) tea.Cmd {
	secret := k.Recovery.Identity
	text := "This is the recovery key. It is shown this once and kept nowhere. Write it down or print it, and keep it away from this computer: it opens the backups when all else is lost. It is one word, without a blank:\n\n" + secret +
		"\n\nWhen you have it, type its last eight letters."
	return ask(screen.AskMsg{Title: "The recovery key", Text: text, Yes: "I have it", Input: "Its end", Must: secret[max(0, len(secret)-provedBy):], Do: func(string) tea.Cmd {
		s.takeKeys(k)
		return nil
	}})
}

// takeKeys encrypts for the keys that were made.
func (s *setup) takeKeys(k keysMade) {
	s.chosen.Recipients, s.chosen.Identity, s.chosen.OneKey, s.keys = []string{k.Own.Recipient}, k.Own.File, k.Recovery == nil, k.choice
	if k.Recovery != nil {
		s.chosen.Recipients = append(s.chosen.Recipients, k.Recovery.Recipient)
	}
	s.rebuild()
	s.goTo(keepAndBegin)
}

// keep writes what is chosen and makes a backup of a source, none for "".
func (s *setup) keep(source string) tea.Cmd {
	ws, hook, chosen := s.env.Workspace, s.env.Hooks.Backups, s.chosen
	name := "Writing the configuration"
	if source != "" {
		name = "Backing up"
	}
	return s.start(name, "The place and the keys are kept; what the backup wrote is taken away again.", func(ctx context.Context, n model.Notify) (any, error) {
		if err := hook(ctx, chosen); err != nil || source == "" {
			return settingsKept{}, err
		}
		info, err := ws.CreateBackup(ctx, model.BackupRequest{Kind: model.BackupFull, Source: source}, n)
		return settingsKept{&info}, err
	})
}

// begin makes the first backup.
func (s *setup) begin() tea.Cmd {
	if s.env.Workspace.Settings().Central == "" {
		return s.keep(model.SourceLocal)
	}
	return choose("The first backup", "Of what? The other one is made from the page of the backups.", centralSource, []string{centralSource, localSource}, func(v string) tea.Cmd {
		if v == centralSource {
			return s.keep(model.SourceCentral)
		}
		return s.keep(model.SourceLocal)
	})
}

// start begins a job; stopped says what becomes of one that is stopped.
func (s *setup) start(name, stopped string, do func(ctx context.Context, n model.Notify) (any, error)) tea.Cmd {
	s.err, s.job.kept = nil, stopped
	return s.job.start(name, do)
}

func (s *setup) rebuild() {
	th := s.env.Theme
	place := row{label: "Place", text: s.chosen.To, style: &th.Text, do: s.askPlace}
	if s.chosen.To == "" {
		place.text, place.sign, place.style = "in "+s.home()+", on this computer alone: lost with its disk", "!", &th.Warn
	}
	rows := []row{{head: true, label: "1  Where do they lie?"}, place}
	if s.remote() {
		text := "from the environment: " + keyVariables(s.chosen.To)
		if s.chosen.CredentialsFile != "" {
			text = "in the file " + s.chosen.CredentialsFile
		} else if s.chosen.CredentialsCommand != "" {
			text = "from credentials_command"
		}
		rows = append(rows, row{label: "Its key", text: text, do: s.askCredentials})
	}
	opened := "no key: enough for backups that are not encrypted"
	if s.chosen.Identity != "" {
		opened = "the key in " + s.chosen.Identity
	}
	rows = append(rows, s.triedRow())
	if model.RemedyOf(s.err) == model.TrustKeys {
		rows = append(rows, row{label: "Other keys", text: "somebody replaced those of the place; they can be believed", sign: "!", style: &th.Danger, do: s.askTrust})
	}
	if t := s.target; t != nil && t.Strangers > 0 {
		rows = append(rows, row{label: "Other computers", text: draw.Plural(int64(t.Strangers), "key", "keys") + " may sign backups there that this workspace does not know; their backups do not count here", sign: "!", style: &th.Warn, do: s.askTrust})
	}
	rows = append(rows, row{head: true, label: "2  Who can read them?"}, s.keysRow(), row{label: "Opened with", text: opened, do: s.askIdentity})
	rows = append(rows, row{head: true, label: "3  Begin"})
	if s.env.Hooks.Backups == nil {
		rows = append(rows, row{label: "Not from here", text: "they are set under [backup] in the config.toml of this workspace", sign: "·"})
	} else {
		rows = append(rows, row{label: keepAndBegin, text: "write this to config.toml and make the first backup", style: &th.Text, do: s.begin},
			row{label: "Keep only", text: "write this to config.toml", do: func() tea.Cmd { return s.keep("") }})
	}
	s.set(rows)
}

// triedRow says what the place allows.
func (s *setup) triedRow() row {
	th := s.env.Theme
	r := row{label: "Try it", text: "write, read, list and delete something small there", do: s.try}
	t := s.target
	if t == nil {
		return r
	}
	r.sign, r.style, r.text = "✓", &th.Good, "it can be written, read and cleared"
	if !t.Delete {
		r.text = "it can be written and read; nothing can be deleted, which protects the backups, and old ones are removed by another key"
	}
	return r
}

// keysRow says who can read the backups.
func (s *setup) keysRow() row {
	th := s.env.Theme
	r := row{label: "Keys", do: s.askKeys, sign: "✓", style: &th.Good}
	switch n := int64(len(s.chosen.Recipients)); {
	case n == 0:
		r.text, r.sign, r.style = keysNone, "!", &th.Warn
	case s.keys != "" && s.keys != keysOwn:
		r.text = s.keys
	default:
		r.text = "encrypted for " + draw.Plural(n, "key", "keys")
	}
	if len(s.chosen.Recipients) == 1 {
		r.sign, r.style = "!", &th.Warn
	}
	return r
}
