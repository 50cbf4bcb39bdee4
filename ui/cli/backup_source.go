package cli

import (
	"cmp"
	"slices"

	"github.com/spf13/cobra"

	"rapport/model"
)

const readHelp = `A backup of the central reads the primary, or spares it:

  --read-from standby   a server that mirrors it and that the central's address names, once it has all
                        that the primary has
  --read-from report    the copies that reports read, refreshed before, and of what is newer the tables;
                        --check compares the copies with the tables, too

Both give the same backup. Where that cannot be read, the primary is, and the backup says why.
[backup] read_from in config.toml says it once for all.

`

// reads are what a backup of the central may read.
var reads = []string{model.ReadPrimary, model.ReadStandby, model.ReadReport}

// readFlags are the flags that say what a backup of the central reads.
func readFlags(c *cobra.Command, req *model.BackupRequest) {
	f := c.Flags()
	f.StringVar(&req.ReadFrom, "read-from", "", "with --source central: primary, standby or report; [backup] read_from, else primary, if left out")
	f.BoolVar(&req.Check, "check", false, "with --read-from report: compare the copies with the tables, too")
}

// reading refuses a request that says what is not to be read.
func (a *app) reading(req model.BackupRequest) error {
	s, err := a.load()
	switch {
	case err != nil:
		return err
	case req.ReadFrom != "" && !slices.Contains(reads, req.ReadFrom):
		return model.Errorf(model.Invalid, "--read-from is primary, standby or report")
	case req.Source != model.SourceCentral && (req.ReadFrom != "" || req.Check):
		return model.Errorf(model.Invalid, "--read-from and --check are for --source central")
	case req.Check && cmp.Or(req.ReadFrom, s.readFrom) != model.ReadReport:
		return model.Errorf(model.Invalid, "--check compares the report tables").WithHint("add --read-from report")
	}
	return nil
}

// readFromOf reads what the settings say that backups of the central read.
func readFromOf(s string) (string, error) {
	if s != "" && !slices.Contains(reads, s) {
		return "", model.Errorf(model.Invalid, "a backup cannot be read from %q", s).WithHint("read_from of [backup] is primary, standby or report")
	}
	return s, nil
}
