package model

import (
	"context"
	"time"
)

// KeepRules say which backups stay: the newest ones, and the newest of so many
// days, weeks, months and years that have one.
type KeepRules struct {
	Last    int `json:"last"`
	Daily   int `json:"daily"`
	Weekly  int `json:"weekly"`
	Monthly int `json:"monthly"`
	Yearly  int `json:"yearly"`
}

// DefaultKeep are the rules where nobody chose others.
func DefaultKeep() KeepRules {
	return KeepRules{Last: 5, Daily: 14, Weekly: 8, Monthly: 12, Yearly: 5}
}

// PruneRequest says which backups are to go, and where.
type PruneRequest struct {
	BackupRequest           // its Source chooses one; "" is all of them
	Rules         KeepRules // all zero for those of the settings
	// Only names backups to delete instead of what the rules leave over.
	Only []string
	// Cascade deletes with them what needs them.
	Cascade bool
	DryRun  bool
}

// PrunedBackup is a backup and what prune has to say about it.
type PrunedBackup struct {
	BackupInfo
	Why  string    `json:"why"`           // it stays or goes
	From time.Time `json:"from,omitzero"` // when it may be deleted; zero for one that stays or went
}

// PruneResult is what a prune did or, in a dry run, would do.
type PruneResult struct {
	DryRun  bool           `json:"dry_run"`
	Kept    []PrunedBackup `json:"kept"`
	Marked  []PrunedBackup `json:"marked"`  // they go when the time of grace is over
	Deleted []PrunedBackup `json:"deleted"` // their time was over
	Spared  []PrunedBackup `json:"spared"`  // they were marked and stay after all
	Swept   int            `json:"swept"`   // objects that belonged to no backup
	// Guard is what kept others away meanwhile: the central's lease or the
	// store alone.
	Guard string `json:"guard,omitempty"`
}

// BackupState tells how the backups of a source are.
type BackupState struct {
	Source   string      `json:"source"`
	Place    string      `json:"place"`
	Schedule string      `json:"schedule,omitempty"` // "" where none is set
	Verified *BackupInfo `json:"last_verified"`      // the newest one, nil if there is none
	LastDue  time.Time   `json:"last_due"`
	Next     time.Time   `json:"next_due"`
	Due      bool        `json:"due"`
	Pruned   time.Time   `json:"last_prune"` // that went to its end; zero if none did
	// Trial is the last trial restore of a backup of the source, nil if there
	// never was one; TrialSchedule says when they are due, "" where it is not
	// set.
	Trial         *TrialRestore `json:"last_trial"`
	TrialSchedule string        `json:"trial_schedule,omitempty"`
	NextTrial     time.Time     `json:"next_trial"`
	TrialDue      bool          `json:"trial_due"`
	// Skew is how far this computer's clock is ahead of the server's; nothing
	// depends on it.
	Skew time.Duration `json:"-"`
	// Warnings are sentences about what a person should look at.
	Warnings []string `json:"warnings"`
}

// Retainer makes backups when they are due and lets go of old ones.
type Retainer interface {
	// PruneBackups deletes the backups that no rule keeps, in two steps: it
	// marks them, and a prune at least a day later deletes what is marked
	// and still not needed. Nothing that another backup needs goes, nor the
	// newest verified full backup of a lineage. Errors: Locked while
	// another process does it, Invalid for a backup that others need.
	PruneBackups(ctx context.Context, req PruneRequest, n Notify) (PruneResult, error)
	// BackupIfDue makes a backup if the newest verified one of the source in
	// the place is older than the last due moment of the schedule, that of
	// the settings if it is empty. It returns the newest verified one and
	// whether it was made now.
	BackupIfDue(ctx context.Context, req BackupRequest, s Schedule, n Notify) (info BackupInfo, made bool, err error)
	// TrialIfDue restores the newest verified backup of the source beside, and
	// compares what came of it, if the last trial is older than the last due
	// moment of the schedule, or failed and there is a newer backup. The
	// schedule is that of the settings if it is empty, else weekly. It returns
	// the backup that was tried last and whether it was now. Errors: NotFound
	// where there is nothing to try, Corrupt where the trial fails.
	TrialIfDue(ctx context.Context, req BackupRequest, s Schedule, n Notify) (info BackupInfo, tried bool, err error)
	// BackupState tells how the backups of a source are. The schedule is
	// that of the settings if it is empty.
	BackupState(ctx context.Context, req BackupRequest, s Schedule) (BackupState, error)
}
