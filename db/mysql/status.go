package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"rapport/model"
)

// Status tells an administrator how the central is: its position, its rows,
// and whether the triggers and settings are as they must be.
func Status(ctx context.Context, url string) (model.CentralStatus, error) {
	var st model.CentralStatus
	a, err := ParseURL(url)
	if err != nil {
		return st, err
	}
	st.Address = a.String()
	s, err := openPrimary(ctx, a, DialOptions{Program: "rapport-central"}, a.Database)
	if err != nil {
		return st, err
	}
	defer s.close()
	st.Rows = map[string]int64{}
	var readOnly, engines, user string
	var triggers []string
	routines := map[string]string{}
	runsAs, people := "", int64(0)
	q := sessionSQL + `SELECT VERSION(), @@global.read_only, m.epoch, m.schema_version, m.columns_hash, c.seq, (SELECT COUNT(*) FROM sync_outbox), (SELECT COUNT(*) FROM sync_client), USER(), (SELECT COUNT(*) FROM sync_person WHERE active)
  FROM sync_meta m JOIN sync_counter c ON c.id = 1;
SELECT action_statement FROM information_schema.triggers WHERE trigger_schema = DATABASE();
SELECT COALESCE(GROUP_CONCAT(table_name), '') FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' AND engine <> 'InnoDB';
SELECT routine_name, routine_definition, definer FROM information_schema.routines WHERE routine_schema = DATABASE() AND routine_type = 'PROCEDURE';
` + tablesSQL
	hash, tables := "", serverTables{}
	err = s.query(ctx, q, func(set int, v []driver.Value) error {
		switch set {
		case 0:
			st.Server, readOnly, st.Epoch, hash, user = asText(v[0]), asText(v[1]), asText(v[2]), asText(v[4]), asText(v[8])
			people = integer(v[9])
			for i, p := range map[int]*int64{3: &st.SchemaVersion, 5: &st.Position, 6: &st.Unsequenced, 7: &st.Clients} {
				*p, _ = strconv.ParseInt(asText(v[i]), 10, 64)
			}
		case 1:
			triggers = append(triggers, asText(v[0]))
		case 2:
			engines = asText(v[0])
		case 3:
			routines[asText(v[0])], runsAs = asText(v[1]), asText(v[2])
		case 4:
			tables.add(v)
		}
		return nil
	})
	if n := number(err); n == erTableDenied || n == erDBAccessDenied || n == erColumnDenied {
		return personStatus(ctx, a, st)
	}
	if err != nil {
		return st, mapError("ask the central for its status", err)
	}
	if err := countRows(ctx, s, tables, st.Rows); err != nil {
		return st, err
	}
	reports, age, err := reportsState(ctx, s)
	if err != nil {
		return st, err
	}
	st.Reports = reports
	check := func(name string, ok bool, state, good, bad, fix string) {
		c := model.Check{Name: name, State: "ok", Detail: good}
		if !ok {
			c = model.Check{Name: name, State: state, Detail: bad, Fix: fix}
		}
		st.Checks = append(st.Checks, c)
	}
	if st.Epoch == model.EpochRestoring {
		check("central restore", false, "fail", "", "a backup is being put back, and nobody can send anything: another process does that, or it was interrupted before it replaced anything", "rapport backup restore --undo")
	}
	missing := missingTriggers(triggers)
	check("central writable", !truth(readOnly), "warn", "the server takes changes", "the server is read only: a standby", "")
	if altered := tables.checks(); len(altered) > 0 {
		st.Checks = append(st.Checks, altered...)
	} else {
		check("central columns", sameColumns(hash), "warn", "the tables are as this program declares them", "the tables differ from what this program declares", "rapport central migrate")
	}
	st.Checks = append(st.Checks, s.dialect.checks()...)
	nodes, err := s.clusterChecks(ctx)
	if err != nil {
		return st, err
	}
	st.Checks = append(st.Checks, nodes...)
	whole := "all triggers are there"
	if !s.dialect.triggers() {
		missing, whole = nil, "this server has none: clients note their own changes"
	}
	check("central triggers", len(missing) == 0, "fail", whole, fmt.Sprintf("triggers are missing or old: %s", strings.Join(missing, ", ")), "rapport central migrate")
	check("central engine", engines == "", "fail", "all tables are InnoDB", "not InnoDB: "+engines, "ALTER TABLE … ENGINE=InnoDB")
	check("central account", !strings.HasPrefix(user, "@"), "fail", "logged in as "+user, "this is an anonymous account", "give each person an account of their own")
	if s.dialect.procedures() {
		gone := missingProcedures(s.dialect, routines)
		check("central procedures", len(gone) == 0, "fail", "all procedures are there; they run as "+runsAs+owned(runsAs, a.Database), fmt.Sprintf("procedures are missing or old: %s", few(gone)), "rapport central migrate")
	}
	st.Checks = append(st.Checks, reportsCheck(reports, age))
	scope := s.dialect.scopeCheck(a.Database)
	if s.dialect.procedures() && people == 0 {
		scope = model.Check{Name: "central row scope", State: "warn", Fix: "rapport central user add LOGIN --role R --scope S",
			Detail: "NOT enforced: nobody has an account of a person yet, and an account with rights on the tables reads and changes every record"}
	}
	st.Checks = append(st.Checks, scope)
	return st, nil
}

// owned says what the account is that the procedures run as.
func owned(account, database string) string {
	if account == definerName(database)+"@localhost" {
		return ", which nobody can log in to"
	}
	return ": keep that account, or run `rapport central migrate` once as one that may make accounts"
}

// personStatus is what somebody learns who may not look at the tables.
func personStatus(ctx context.Context, a Address, st model.CentralStatus) (model.CentralStatus, error) {
	s, rest, err := open(ctx, a, DialOptions{Program: "rapport-central"})
	if err != nil {
		return st, err
	}
	c := &Central{session: s, others: rest}
	defer c.session.close()
	head, err := c.Poll(ctx, model.Device{}, model.Position{})
	if err != nil {
		return st, err
	}
	st.Server, st.Epoch, st.SchemaVersion, st.Position, st.Unsequenced = strings.TrimPrefix(s.dialect.version, "5.5.5-"), head.Epoch, head.SchemaVersion, head.Seq, head.Unsequenced
	nodes, err := c.session.clusterChecks(ctx)
	if err != nil {
		return st, err
	}
	st.Checks = append(append(s.dialect.checks(), nodes...),
		model.Check{Name: "central account", State: "ok", Detail: "logged in as " + head.User + "; an administrator sees more"}, s.dialect.scopeCheck(a.Database))
	return st, nil
}

// missingProcedures lists those that are absent or of another version. A body
// that this account may not read is taken for the right one.
func missingProcedures(d dialect, have map[string]string) []string {
	var out []string
	for _, p := range allProcedures(d) {
		if body, there := have[p.name]; !there || body != "" && !strings.Contains(body, p.mark()) {
			out = append(out, p.name)
		}
	}
	return out
}

func missingTriggers(bodies []string) []string {
	var out []string
	for _, t := range allTriggers() {
		if !slices.ContainsFunc(bodies, func(b string) bool { return strings.Contains(b, t.mark()) }) {
			out = append(out, t.name)
		}
	}
	return out
}

// countRows counts the living rows of every synced table that is there, in one
// request.
func countRows(ctx context.Context, s *session, tables serverTables, into map[string]int64) error {
	var parts []string
	for _, e := range model.Entities() {
		if _, there := tables[e.Noun][model.ColumnDeletedAt]; !there {
			continue
		}
		parts = append(parts, fmt.Sprintf("SELECT %s, COUNT(*) FROM %s WHERE deleted_at IS NULL", quote(string(e.Noun)), ident(string(e.Noun))))
	}
	if len(parts) == 0 {
		return nil
	}
	err := s.query(ctx, strings.Join(parts, " UNION ALL "), func(_ int, v []driver.Value) error {
		into[asText(v[0])], _ = strconv.ParseInt(asText(v[1]), 10, 64)
		return nil
	})
	return mapError("count rows", err)
}
