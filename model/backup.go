package model

import (
	"context"
	"time"
)

// Kinds of backups.
const (
	BackupFull         = "full"         // needs no other
	BackupIncremental  = "incremental"  // what changed since the newest backup of its line
	BackupDifferential = "differential" // what changed since the newest full one
	BackupSegment      = "segment"      // what changed in the last seconds of a continuous backup
)

// What a backup is of.
const (
	SourceLocal   = "local"   // the workspace on this computer
	SourceCentral = "central" // the company's central
)

// What a backup of the central reads.
const (
	ReadPrimary = "primary" // the tables in which people work
	ReadStandby = "standby" // those of a server that mirrors the primary
	ReadReport  = "report"  // the copies that reports read
)

// BackupInfo describes one backup.
type BackupInfo struct {
	ID     string `json:"id"`
	Kind   string `json:"kind"`
	Source string `json:"source"`
	// Lineage names the copy of a workspace, or the identity of a central,
	// that the backup is of. Only backups of one lineage make a chain.
	Lineage string `json:"lineage"`
	// Parent is the backup that this one needs; "" for a full one.
	Parent string    `json:"parent,omitempty"`
	At     time.Time `json:"at"`
	// Position of the central's feed that it has reached; 0 for a workspace.
	Position int64 `json:"position,omitempty"`
	// Reaches is the earliest moment of which the backup's history tells what
	// rows were; the zero time where it is At itself.
	Reaches time.Time `json:"reaches,omitzero"`
	// Number counts the backups of a workspace's lineage; 0 for a central,
	// whose position tells which is newer.
	Number    int64  `json:"number,omitempty"`
	Rows      int64  `json:"rows"`
	Bytes     int64  `json:"bytes"`
	Encrypted bool   `json:"encrypted"`
	Verified  bool   `json:"verified"`
	Path      string `json:"path,omitempty"`
	Problem   string `json:"problem,omitempty"`
	// Remedy is what can be done about the problem.
	Remedy Remedy `json:"-"`
	// Level is how thoroughly it was verified last, at CheckedAt.
	Level     string    `json:"level,omitempty"`
	CheckedAt time.Time `json:"checked_at,omitzero"`
	// Note says why another kind was made, or something else was read, than
	// was asked for.
	Note string `json:"note,omitempty"`
}

// BackupRequest says what to back up or restore, and where.
type BackupRequest struct {
	Kind       string   // one of the kinds; "" for full
	Source     string   // local or central; "" for local
	To         string   // folder or URL; "" for the home's backups folder
	ID         string   // "" or "latest" for the newest verified one
	Identity   string   // age identity file
	Recipients []string // age recipients; none means not encrypted
	OneKey     bool     // encrypt although there is one recipient only
	NewKey     bool     // make a recovery key with InitBackups
	Trust      bool     // believe with InitBackups whatever keys the place names now, and vouch for them
	OwnKey     bool     // make a key for this computer with InitBackups, or take the one that is there
	// CredentialsFile holds the key of the place; "" for that of the settings.
	CredentialsFile string
	Level           string // how thoroughly to verify: one of the levels; "" for V2
	// ReadFrom is what a backup of the central reads; "" for what the settings
	// say. Where it cannot be read, the primary is, and the backup's Note says
	// why.
	ReadFrom string
	// Check has the copies that are read be compared with their tables.
	Check bool
	// Wait is how long a backup that is being made waits for its place when that
	// is gone: 0 for a quarter of an hour, less for not at all.
	Wait time.Duration
}

// Levels of verification. A backup that was compared with its source when it
// was made was verified at V3.
const (
	LevelListed   = "V0" // signed, its chain is whole, and every part is there with its size
	LevelStored   = "V1" // every stored byte is the one that was written
	LevelRead     = "V2" // every row can be read
	LevelCompared = "V3" // every row is that of the source, at the moment of the backup
	LevelRestored = "V4" // it was restored beside, and every row is there
)

// BackupTarget tells what a place of backups lets its key do.
type BackupTarget struct {
	Address   string `json:"address"`
	Fresh     bool   `json:"fresh"` // it holds backups from now on
	Read      bool   `json:"read"`
	Write     bool   `json:"write"`
	Exclusive bool   `json:"create_if_absent"` // of two writers of one object, one is told
	Delete    bool   `json:"delete"`
	Strangers int    `json:"unknown_keys"`   // keys that may sign there, and that this workspace does not believe
	Left      string `json:"left,omitempty"` // what the trial could not take away again
	// Recovery is the key that was asked for. It is told this once and kept
	// nowhere.
	Recovery *RecoveryKey `json:"-"`
	// Own is this computer's key that was asked for.
	Own *OwnKey `json:"-"`
}

// OwnKey is the age key with which a computer opens its backups.
type OwnKey struct {
	File      string // that holds it
	Recipient string // for whom to encrypt
}

// RecoveryKey is an age key that is kept outside of the computer whose backups
// it opens.
type RecoveryKey struct {
	Identity  string // the secret
	Recipient string // for whom to encrypt
}

// Backuper makes, proves and restores backups of the workspace.
type Backuper interface {
	// InitBackups makes a place ready for backups and tries out what may be
	// done there.
	InitBackups(ctx context.Context, req BackupRequest) (BackupTarget, error)
	CreateBackup(ctx context.Context, req BackupRequest, n Notify) (BackupInfo, error)
	// BackUpContinuously backs up what changes every so often until ctx ends,
	// which is no error, or only a person can help. It tells of each step.
	BackUpContinuously(ctx context.Context, req BackupRequest, every time.Duration, tell func(BackupStep)) error
	ListBackups(ctx context.Context, req BackupRequest) ([]BackupInfo, error)
	VerifyBackup(ctx context.Context, req BackupRequest, n Notify) (BackupInfo, error)
	// RestoreBackup replaces the workspace's records with those of a
	// backup. What was there is kept as a safety copy, whose path it
	// returns.
	RestoreBackup(ctx context.Context, req BackupRequest, n Notify) (info BackupInfo, safetyCopy string, err error)
	// ChooseBackups sets how the workspace is backed up from now on, for as
	// long as it is open.
	ChooseBackups(s BackupSettings)
	Retainer
}

// BackupSettings say how a workspace is backed up where a request does not.
type BackupSettings struct {
	To         string   // address of the place; "" for the home's backups folder
	Recipients []string // age recipients; none means not encrypted
	OneKey     bool     // one recipient is enough
	Identity   string   // file of the key that opens encrypted backups
	// CredentialsCommand prints the key of the place, CredentialsFile holds
	// it; they are asked only when the place is.
	CredentialsCommand, CredentialsFile string
	// Schedule says when a backup is due, Trial when one is to be restored on
	// trial, and Keep which ones prune leaves.
	Schedule Schedule
	Trial    Schedule
	Keep     KeepRules
	// ReadFrom is what backups of the central read; "" for the primary.
	ReadFrom string
}

// BackupStep is what a continuous backup did: a backup that it made, or an
// attempt that failed.
type BackupStep struct {
	Info  BackupInfo
	Err   error
	Pause time.Duration // until it goes on
}
