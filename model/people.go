package model

import (
	"context"
	"time"
)

// The roles of people on the central. What a role may do is data there; these
// are the ones that a new central knows.
const (
	RoleSales         = "sales"
	RoleSupport       = "support"
	RoleAdministrator = "administrator"
	RoleReadOnly      = "readonly"
)

// Roles are the roles in the order in which they are offered.
func Roles() []string { return []string{RoleSales, RoleSupport, RoleAdministrator, RoleReadOnly} }

// How far a person sees.
const (
	ScopeOwn       = "own"
	ScopeTeam      = "team"
	ScopeTerritory = "territory"
	ScopeAll       = "all"
)

// Scopes are how far a person may see, the least first.
func Scopes() []string { return []string{ScopeOwn, ScopeTeam, ScopeTerritory, ScopeAll} }

// CompanyRecords is the scope of the records that nobody owns, as a grant
// names it.
const CompanyRecords = "company"

// Person is somebody who works with the CRM through an account of the same
// name on the server.
type Person struct {
	Login     string    `json:"login"`
	Name      string    `json:"name"`
	Email     string    `json:"email"`
	Role      string    `json:"role"`
	Scope     string    `json:"scope"`
	Team      string    `json:"team"`
	Territory string    `json:"territory"`
	Active    bool      `json:"active"`  // false where the person was locked
	Account   string    `json:"account"` // on the server: ok, locked, missing, or unknown where that cannot be read
	Devices   int64     `json:"devices"`
	LastSeen  time.Time `json:"-"`
}

// NewPerson says whom to let in, and from where.
type NewPerson struct {
	Person
	Host    string // pattern of the computers that may log in, "" for any
	Invited Invitee
}

// Invitee says how the invited person reaches the server.
type Invitee struct {
	Address string // of the server as others reach it; "" for the administrator's own
	CAFile  string // certificates of the company; "" for the administrator's own
}

// PersonEdit changes what is not nil.
type PersonEdit struct{ Name, Email, Role, Scope, Team, Territory *string }

// Invitation is what an administrator hands to a person. The password can be
// used to log in and set another one; it is shown once and kept nowhere.
type Invitation struct {
	Login    string   `json:"login"`
	Password string   `json:"password"`
	Line     string   `json:"invite"` // for `rapport join`
	Notes    []string `json:"notes"`  // what the administrator should know
}

// ScopeGrant is a scope that was given to a person by hand, beside what
// follows from how far the person sees.
type ScopeGrant struct {
	Login    string `json:"login"`
	Scope    string `json:"scope"` // login of the person whose records it is, or "company"
	ReadOnly bool   `json:"read_only"`
}

// DeviceState is one copy of a workspace, as the central saw it last.
type DeviceState struct {
	ID        ID        `json:"id"`
	Login     string    `json:"login"`
	Name      string    `json:"name"`
	Program   string    `json:"program"`
	Schema    int64     `json:"schema_version"`
	Position  int64     `json:"position"` // of the feed, when its last contact began
	Pending   int64     `json:"pending"`  // changes that it had not sent
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
	WipeAt    time.Time `json:"-"` // when it was asked to empty itself
	WipedAt   time.Time `json:"-"` // when it said that it is empty
}

// State says in one word whether the device is to be emptied: "", "wipe asked"
// or "wiped".
func (d DeviceState) State() string {
	switch {
	case !d.WipedAt.IsZero():
		return "wiped"
	case !d.WipeAt.IsZero():
		return "wipe asked"
	}
	return ""
}

// PeopleAdmin is what an administrator does about people and their devices.
// Errors: NotFound for a person or device that is not there, Invalid, Refused
// where the administrator's own account lacks a right, Unreachable.
type PeopleAdmin interface {
	// AddPerson makes the account, its rights, and the user in the CRM if
	// there is none, and returns how the person comes in.
	AddPerson(ctx context.Context, p NewPerson) (Invitation, error)
	// People lists everybody who has an account or had one.
	People(ctx context.Context) ([]Person, error)
	EditPerson(ctx context.Context, login string, e PersonEdit) error
	// LockPerson keeps a person out at once, in open sessions too, and
	// returns how many of those it ended.
	LockPerson(ctx context.Context, login string) (ended int, err error)
	UnlockPerson(ctx context.Context, login string) error
	// RemovePerson takes the account away. The user stays in the CRM, not
	// active, because records name it.
	RemovePerson(ctx context.Context, login string) error
	// NewPassword gives a person another one-time password.
	NewPassword(ctx context.Context, login string, i Invitee) (Invitation, error)
	// HandOver makes everything that one person owns another's, in steps. It
	// may be interrupted and run again. It returns how many records moved.
	HandOver(ctx context.Context, from, to string, n Notify) (map[Noun]int64, error)
	Grant(ctx context.Context, g ScopeGrant) error
	Revoke(ctx context.Context, login, scope string) error
	// Grants lists what was given by hand, to everybody where login is "".
	Grants(ctx context.Context, login string) ([]ScopeGrant, error)
	Devices(ctx context.Context) ([]DeviceState, error)
	// WipeDevice lets a device empty itself at its next contact. Changes
	// that it has not sent are lost then.
	WipeDevice(ctx context.Context, id ID) error
	// ForgetDevice takes a device off the list. One that is in use comes
	// back with its next sync.
	ForgetDevice(ctx context.Context, id ID) error
	// CheckCentral looks at everything that can be wrong with the central.
	CheckCentral(ctx context.Context) ([]Check, error)
}
