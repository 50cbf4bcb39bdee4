// Package screen is the contract between the root of the interface and its
// screens: what a screen is given, what it answers, and the messages through
// which it asks the root for something. A screen never imports another screen
// or a store.
//
// Promises: Update decides and returns commands, commands do the work; a
// result carries the screen and the generation it was asked by, so a late
// answer is dropped; View is pure.
package screen

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/theme"
)

// Kind names a screen that the root can open.
type Kind string

// The screens.
const (
	Start     Kind = "start"
	List      Kind = "list"   // Noun
	Detail    Kind = "detail" // Noun, ID, and Query for next and previous
	Form      Kind = "form"   // Noun, ID (empty for a new record), Set for values to begin with
	Board     Kind = "board"
	Reports   Kind = "reports"
	Sync      Kind = "sync"
	Conflict  Kind = "conflict"  // ID of the conflict
	Duplicate Kind = "duplicate" // Noun, ID and Other: two records that may be the same
	Admin     Kind = "admin"
	Pipelines Kind = "pipelines"
	Users     Kind = "users"
	Import    Kind = "import"
	ExportTo  Kind = "export"
	Backups   Kind = "backups"
	Archive   Kind = "archive"  // the records of the backup ID
	Compare   Kind = "compare"  // the record Other of a Noun in the backup ID beside today's
	SetUp     Kind = "set-up"   // where backups lie and who can read them
	Schedule  Kind = "schedule" // when backups are made, and which ones stay
	Restore   Kind = "restore"  // of all records, or all of a noun, from the backup ID
	Welcome   Kind = "welcome"
	History   Kind = "history" // Noun, ID
	Find      Kind = "find"    // search over everything
	Central   Kind = "central" // the central as an administrator sees it
	People    Kind = "people"  // people with an account, for an administrator
	Devices   Kind = "devices" // devices that sync, for an administrator
	Doctor    Kind = "doctor"  // the checks of the workspace
)

// Env is what every screen gets. It is the same for all screens of a session
// and never changes, but for the theme, which the root replaces when the
// terminal tells its background (screens get a ThemeMsg).
type Env struct {
	Workspace model.Workspace
	Keys      *keymap.Map
	Theme     *theme.Theme
	Now       func() time.Time // in the person's time zone
	Context   context.Context  // ends with the session
	Copy      func(text string) tea.Cmd
	Hooks     Hooks
	// After answers with a message later; nil waits by the clock. Tests answer
	// at once or never.
	After func(d time.Duration, msg tea.Msg) tea.Cmd
}

// Later returns a command that answers with a message after a while.
func (e *Env) Later(d time.Duration, msg tea.Msg) tea.Cmd {
	if e.After != nil {
		return e.After(d, msg)
	}
	return tea.Tick(d, func(time.Time) tea.Msg { return msg })
}

// Hooks are what a screen can ask of the program itself. A hook that is nil
// is not offered. Demo, Connect and Join arrange that the program begins anew with
// another workspace and return; the screen then ends the session with tea.Quit.
type Hooks struct {
	// Demo makes the demo workspace, or finds it, and goes on with it.
	Demo func(ctx context.Context) error
	// Connect tries a central's URL, writes it to the workspace's
	// configuration and goes on with it. Nothing is written if the central
	// cannot be reached or refuses.
	Connect func(ctx context.Context, url string) error
	// Join comes in with an invite and a password of one's own, and goes on
	// with the workspace that this makes of the present one.
	Join func(ctx context.Context, invite, next string) error
	// Password changes the person's password on the central, stores the new
	// one where the old one was, and says where that is. The session goes on.
	Password func(ctx context.Context, next string) (told string, err error)
	// Backups writes how the workspace is backed up to its configuration; it
	// holds from then on. The session goes on.
	Backups func(ctx context.Context, s model.BackupSettings) error
}

// Values returns what reading typed values needs.
func (e *Env) Values() model.Env {
	s := e.Workspace.Settings()
	return model.Env{Now: e.Now(), Currency: s.Currency, Me: s.Me}
}

// Screen is one page of the interface. Its methods run on the event loop and
// do no I/O.
type Screen interface {
	// Init returns the command that loads the screen's data.
	Init() tea.Cmd
	// Update takes a message that is no key, and while Typing also the keys
	// that are text.
	Update(msg tea.Msg) tea.Cmd
	// Do carries out an action that a key of the screen's scope called. It
	// returns false for an action that it does not have here and now.
	Do(a keymap.Action) (cmd tea.Cmd, ok bool)
	// View returns exactly the rectangle of SetSize: lines of the full
	// width, no more lines than the height.
	View() string
	SetSize(width, height int)
	// Title is what the head line shows.
	Title() string
	// Scope is where the screen's keys are looked up, before Global.
	Scope() keymap.Scope
	// Typing tells that printable keys are text now. Keys are then looked
	// up in the Text scope (or Form, Search, Dialog) and otherwise given to
	// Update.
	Typing() bool
	// Dirty tells that leaving would lose something typed.
	Dirty() bool
	// Cursor is where the terminal's cursor stands, in the screen's
	// coordinates; nil hides it.
	Cursor() *tea.Cursor
	// About is the record the screen shows or its cursor stands on: what a
	// call, note or task logged now is about. The zero Ref if none.
	About() model.Ref
}

// OpenMsg asks the root to open a screen.
type OpenMsg struct {
	Kind  Kind
	Noun  model.Noun
	ID    model.ID
	Query model.Query    // for a list, or the list that a detail was opened from
	Other model.ID       // the second of two records
	Set   map[string]any // values a form begins with
	// Replace puts the screen in place of the present one instead of on
	// top of it.
	Replace bool
}

// BackMsg asks the root to close the present screen.
type BackMsg struct{}

// NoticeMsg shows a line to the person for some seconds. Err, where there is
// one, stays until dismissed and its cause goes to the log.
type NoticeMsg struct {
	Text string
	Err  error
}

// ChangedMsg tells that records changed, here or by the sync: reload what is
// shown without moving the cursor.
type ChangedMsg struct{ Change model.Change }

// SyncedMsg tells that a sync ended, well or not, and that what is shown of the
// sync's state is old. What it changed in records comes as a ChangedMsg.
type SyncedMsg struct {
	Problem string    // why the central is not reached, in a sentence; "" if it is
	Again   time.Time // when it is tried again; zero if it is not by itself
	Stopped bool      // it is not tried again before the person asks
}

// SyncingMsg tells how far a sync is that goes on. A SyncedMsg ends it.
type SyncingMsg struct {
	model.Progress
	Speed string // as model.Pace words it, "" while it is not known
}

// PasswordMsg asks the root for the question after a new password, which is
// typed twice and never drawn. The zero value means the password of the
// central that the workspace has.
type PasswordMsg struct {
	Title, Text string
	Login       string // whose it is; a password may not hold it
	Do          func(next string) tea.Cmd
}

// PasswordChangedMsg tells that a password was changed, or why it was not.
type PasswordChangedMsg struct {
	Text string // where the new one is kept
	Err  error
}

// ScheduledMsg tells that backups are due at other moments than before.
type ScheduledMsg struct{}

// SeenMsg tells the list that a record's page was opened from which record of it
// is shown there now, so that the list's cursor follows.
type SeenMsg struct {
	Query model.Query
	ID    model.ID
}

// ThemeMsg tells that Env.Theme was replaced.
type ThemeMsg struct{}

// ActMsg asks the root to carry out a global action, as if its key had been
// pressed.
type ActMsg struct{ Action keymap.Action }

// AskMsg opens a question. Yes is run when the person accepts; the answer No
// is the default.
type AskMsg struct {
	Title string
	Text  string // names what will happen and to how many
	Yes   string // the label of the accepting button: "Delete"
	Input string // a label: the person types a text, which Do gets; "" for none
	Value string // what the input begins with
	// Must is what has to be typed into the input, for what is not to happen
	// by a slip; "" for anything.
	Must string
	// Options are choices to pick from instead of typing; Do gets the one
	// chosen.
	Options []string
	Do      func(text string) tea.Cmd
}

// Chooser is a screen that has some of its scope's actions at times only. Help
// and the command list leave out those that it has not.
type Chooser interface {
	// Can tells whether the action would do something here and now.
	Can(a keymap.Action) bool
}

// Worker is a screen that tells what it is at while a person waits for it.
type Worker interface {
	// Working is "reading", "sorting by industry" and the like, "" if
	// nothing is under way.
	Working() string
}

// Laster is a screen whose work goes on when it is left. The root keeps it
// meanwhile, says what it is at, and shows it again where it is opened again.
type Laster interface {
	// Lasts is what is under way, "backing up 41 %", and what becomes of it
	// if it is stopped, in a sentence; both are "" if nothing is.
	Lasts() (what, stopped string)
	// Stop ends what is under way.
	Stop()
	// Failed is why what was under way last did not succeed, nil if it did.
	Failed() error
}

// Clicker is a screen that understands the mouse. Coordinates are the
// screen's.
type Clicker interface {
	Click(x, y int, double bool) tea.Cmd
	Wheel(x, y, delta int) tea.Cmd
}

// Open returns a command that sends an OpenMsg.
func Open(m OpenMsg) tea.Cmd { return func() tea.Msg { return m } }

// Back is a command that closes the present screen.
func Back() tea.Msg { return BackMsg{} }

// Notice returns a command that shows a line.
func Notice(text string) tea.Cmd { return func() tea.Msg { return NoticeMsg{Text: text} } }

// Fail returns a command that shows an error.
func Fail(err error) tea.Cmd { return func() tea.Msg { return NoticeMsg{Err: err} } }
