package model

import (
	"context"
	"time"
)

// ServerRole is what a server of the central's list is at the moment.
type ServerRole string

// The roles.
const (
	RolePrimary      ServerRole = "primary"       // takes changes, with the highest term
	RoleStandby      ServerRole = "standby"       // follows another server
	RoleStalePrimary ServerRole = "stale primary" // takes changes although another has taken its place
	RoleStopped      ServerRole = "stopped"       // takes no changes and follows nobody
	RoleEmpty        ServerRole = "empty"         // has no Rapport database
	RoleUnreachable  ServerRole = "unreachable"
)

// ReplicaThread is one of the two threads of a standby: the one that receives
// from the primary, or the one that applies what was received.
type ReplicaThread struct {
	Running bool   `json:"running"`
	Error   int64  `json:"error,omitempty"` // the server's number of the last error
	Message string `json:"message,omitempty"`
}

// ServerState is one server of the central's list, as an administrator sees it.
type ServerState struct {
	Address   string        `json:"address"`
	Role      ServerRole    `json:"role"`
	Problem   string        `json:"problem,omitempty"` // why it cannot be looked at
	Server    string        `json:"server,omitempty"`  // version
	ServerID  int64         `json:"server_id,omitempty"`
	ReadOnly  bool          `json:"read_only"`
	Epoch     string        `json:"epoch,omitempty"`
	Term      int64         `json:"term,omitempty"`
	Position  int64         `json:"position,omitempty"`  // of the feed
	GTID      string        `json:"gtid,omitempty"`      // last transactions in its own log
	Follows   string        `json:"follows,omitempty"`   // the primary that it receives from
	Received  string        `json:"received,omitempty"`  // GTID position that it has received to
	Applied   string        `json:"applied,omitempty"`   // GTID position that it has applied to
	Unapplied int64         `json:"unapplied,omitempty"` // transactions received and not applied
	Own       int64         `json:"own,omitempty"`       // transactions that it made itself although it is a standby
	Receiving ReplicaThread `json:"receiving"`
	Applying  ReplicaThread `json:"applying"`
	// Heartbeat is when the primary last proved, in a row that this server has,
	// that it writes; Lag is how long that row took to come or has been late.
	Heartbeat time.Time     `json:"heartbeat"`
	Lag       time.Duration `json:"lag_ns"`
	// SemiSync tells whether the primary waits for a standby before it calls a
	// change done: off, active, or fallen back.
	SemiSync string `json:"semi_sync,omitempty"`
}

// StandbyReport is how the servers of the central's list are to each other.
type StandbyReport struct {
	Servers []ServerState `json:"servers"`
	Checks  []Check       `json:"checks"`
}

// StandbyRequest asks for a server to be made a standby.
type StandbyRequest struct {
	// Server is the address of the server, "" for the one of the list that
	// fits. Primary names the primary where two servers claim to be it.
	Server, Primary string
	// Source is the primary's host:port as the standby reaches it, "" for
	// the one in the primary's address.
	Source string
	// Orphans is the file that gets what only the server has, "" for one in
	// the workspace's folder.
	Orphans string
	DryRun  bool
}

// Orphan is a change that was made on a server after another one had become the
// primary, and that the primary does not have.
type Orphan struct {
	Noun   Noun      `json:"noun"`
	ID     ID        `json:"id"`
	Action string    `json:"action"` // insert, update, delete
	At     time.Time `json:"at"`     // of the newest of them
	By     string    `json:"by"`
	// Fields are the columns that were changed, with what they hold there and
	// what the primary holds.
	Fields map[string]OrphanField `json:"fields"`
	// Outcome is what became of it: offered, there (the primary has the same
	// already), clash (changed on both; the primary's stays), refused.
	Outcome string `json:"outcome"`
	Message string `json:"message,omitempty"`
}

// OrphanField is one column of an orphan.
type OrphanField struct {
	Orphan  any  `json:"orphan"`
	Primary any  `json:"primary"`
	Clash   bool `json:"clash,omitempty"`
}

// StandbyResult is what making a server a standby does, or did.
type StandbyResult struct {
	Server  string   `json:"server"`
	Primary string   `json:"primary"`
	Steps   []string `json:"steps"`
	// Transactions is how many transactions only the server had.
	Transactions int64    `json:"transactions"`
	Orphans      []Orphan `json:"orphans"`
	File         string   `json:"file,omitempty"` // where the orphans were written to
	// Copies is true where the server is filled anew from the primary.
	Copies bool          `json:"copies"`
	Rows   int64         `json:"rows"` // copied
	Took   time.Duration `json:"took_ns"`
	Keep   []string      `json:"keep"` // lines for the server's configuration
}

// PromoteRequest asks for a standby to become the primary.
type PromoteRequest struct {
	From, To string // addresses; "" finds them in the central's list
	// AcceptLoss goes on although transactions are lost; they are named in
	// the plan.
	AcceptLoss bool
	// Term is what the new term must be above, for clients that have seen
	// more than the servers know; 0 for what the servers say.
	Term   int64
	DryRun bool
}

// Promotion is what a promotion does, or did.
type Promotion struct {
	From  string   `json:"from,omitempty"`
	To    string   `json:"to"`
	Steps []string `json:"steps"`
	// Down is true where the former primary does not answer from here: that
	// it takes no changes any more is for the administrator to say.
	Down bool `json:"down"`
	// Lost counts the transactions that are known to be lost; Loss says it in
	// words, also where they cannot be counted.
	Lost  int64         `json:"lost"`
	Loss  string        `json:"loss,omitempty"`
	Term  int64         `json:"term"`
	Epoch string        `json:"epoch,omitempty"` // a new one, where something was lost
	Took  time.Duration `json:"took_ns"`         // from the first step to the server taking changes
}

// StandbyAdmin looks after the mirror of the central. Errors: NoCentral,
// Unreachable, Invalid where it is not clear which server is meant, Refused
// where a right is missing or something would be lost.
type StandbyAdmin interface {
	// StandbyStatus looks at every server of the list, and lets the primary
	// write a heartbeat.
	StandbyStatus(ctx context.Context) (StandbyReport, error)
	// SetUpStandby fills an empty server from the primary and lets it follow.
	SetUpStandby(ctx context.Context, req StandbyRequest, n Notify) (StandbyResult, error)
	// Rejoin makes a former primary, or a standby that came to a stop, follow
	// the primary again. What only it has is written to a file and offered to
	// the primary as new edits before anything there is replaced.
	Rejoin(ctx context.Context, req StandbyRequest, n Notify) (StandbyResult, error)
	// Promote makes a standby the primary.
	Promote(ctx context.Context, req PromoteRequest) (Promotion, error)
}
