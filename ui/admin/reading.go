package admin

import (
	"slices"

	tea "charm.land/bubbletea/v2"

	"rapport/model"
)

// What a backup of the company's database can read.
const (
	readTables  = "the tables in which people work"
	readStandby = "the standby, which mirrors the server"
	readReports = "the report tables, which are copies"
	readChecked = "the report tables, and compares them with what they copy"
)

// readHelp says what becomes of a choice that does not work out.
const readHelp = "Each gives the same backup, but for how much work the company's server has with it. Where the standby or the report tables cannot be read, the tables themselves are, and the backup says why."

// readWord is how people name what is read.
func readWord(from string) string {
	switch from {
	case model.ReadStandby:
		return readStandby
	case model.ReadReport:
		return readReports
	}
	return readTables
}

// readOf turns a choice into what a request says.
func readOf(word string) (from string, check bool) {
	switch word {
	case readStandby:
		return model.ReadStandby, false
	case readReports, readChecked:
		return model.ReadReport, word == readChecked
	}
	return model.ReadPrimary, false
}

// readable is what a backup of the central can read at the moment.
func readable(o model.BackupOverview) []string {
	out := []string{readTables}
	if o.Standby != nil && slices.ContainsFunc(o.Standby.Servers, func(s model.ServerState) bool { return s.Role == model.RoleStandby }) {
		out = append(out, readStandby)
	}
	if o.Reports != nil {
		out = append(out, readReports, readChecked)
	}
	return out
}

// askReading asks what a backup of the central reads, where there is a choice.
func (s *backups) askReading(req model.BackupRequest) tea.Cmd {
	options := readable(s.all)
	if req.Source != model.SourceCentral || len(options) == 1 {
		return s.make(req)
	}
	return choose("New backup of "+centralSource, "What does it read? "+readHelp, readWord(s.env.Workspace.Settings().Backup.ReadFrom), options, func(v string) tea.Cmd {
		req.ReadFrom, req.Check = readOf(v)
		return s.make(req)
	})
}
