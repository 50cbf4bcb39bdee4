package mysql

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"rapport/model"
)

// restoreTable notes every restore before it begins, so that whoever comes
// after one that was interrupted knows what it left.
var restoreTable = serviceTable{"sync_restore", `
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY COMMENT 'rises with each restore',
  state VARCHAR(10) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'begun, done, undone, abandoned, forgotten',
  backup VARCHAR(36) CHARACTER SET ascii NOT NULL COMMENT 'what it was restored from, empty for the former tables',
  state_at DATETIME(6) NULL COMMENT 'moment that came back, UTC',
  position BIGINT NOT NULL COMMENT 'feed position at that moment',
  former_epoch CHAR(36) CHARACTER SET ascii NOT NULL COMMENT 'identity of the central before it',
  epoch CHAR(36) CHARACTER SET ascii NOT NULL COMMENT 'identity of the central after it: where sync_meta has it, the tables are exchanged',
  plan LONGTEXT NOT NULL COMMENT 'JSON: the tables with their names before and after',
  begun_at DATETIME(3) NOT NULL COMMENT 'when, UTC',
  ended_at DATETIME(3) NULL COMMENT 'when, UTC'`,
	"A restore of this central from a backup, or the undoing of one."}

// The states of an entry.
const (
	restoreBegun     = "begun"
	restoreDone      = "done"
	restoreUndone    = "undone"
	restoreAbandoned = "abandoned"
	// restoreForgotten is one whose former tables are gone. It stays for laptops
	// that come late, where they are to give something up.
	restoreForgotten = "forgotten"
)

// restoreEntry is an entry of sync_restore.
type restoreEntry struct {
	ID            int64           `json:"-"`
	State         string          `json:"-"`
	Backup        string          `json:"-"`
	Begun         string          `json:"-"`
	Former, Epoch string          `json:"-"`
	At            time.Time       `json:"-"`
	Position      int64           `json:"-"`
	Tables        []exchanged     `json:"tables"`
	References    []heldReference `json:"references,omitempty"`
	// Bare tells that there was nothing that could be replaced.
	Bare bool `json:"bare,omitempty"`
	// Nouns are the tables that were asked for; nil for everything.
	Nouns []model.Noun `json:"nouns,omitempty"`
	// Head is where the feed was before.
	Head int64 `json:"head"`
	// History is the first line of the history that came after it.
	History int64 `json:"history"`
	// Discards is the epoch that it ended, where laptops give up what the
	// central lost of it.
	Discards string `json:"discards,omitempty"`
	// Undoes is the restore that this one takes back, and Spent what that one
	// kept and nobody needs afterwards.
	Undoes int64    `json:"undoes,omitempty"`
	Spent  []string `json:"spent,omitempty"`
}

// heldReference is a reference from a table that stays to one that is
// exchanged. It is away meanwhile.
type heldReference struct {
	Table string `json:"table"`
	Name  string `json:"name"`
	Def   string `json:"definition"`
}

// entry reads the newest entry that a condition names, nil if there is none.
func (b *builder) restoreEntry(where string) *restoreEntry {
	if b.err != nil {
		return nil
	}
	var out *restoreEntry
	err := b.query(b.ctx, "SELECT id,state,former_epoch,epoch,plan,position,COALESCE(state_at,''),backup,DATE_FORMAT(begun_at,'%Y-%m-%d %H:%i') FROM sync_restore WHERE "+where+" ORDER BY id DESC LIMIT 1", func(_ int, v []driver.Value) error {
		out = &restoreEntry{ID: integer(v[0]), State: asText(v[1]), Former: asText(v[2]), Epoch: asText(v[3]), Position: integer(v[5]), Backup: asText(v[7]), Begun: asText(v[8])}
		if ms, ok := parseMillis([]byte(asText(v[6]))); ok {
			out.At = time.UnixMilli(ms).UTC()
		}
		if json.Unmarshal([]byte(asText(v[4])), out) != nil {
			return model.Errorf(model.Corrupt, "the entry %d of sync_restore cannot be read", out.ID)
		}
		return nil
	})
	b.err = b.explain(err)
	return out
}

// begin notes the restore and keeps everybody out.
func (r *restorer) begin() {
	e := &r.entry
	// A reference that comes from outside would follow the former table.
	var outside []string
	for _, x := range e.Tables {
		outside = append(outside, quote(x.Table))
	}
	in := strings.Join(outside, ",")
	for _, table := range r.list("SELECT DISTINCT table_name FROM information_schema.referential_constraints WHERE constraint_schema=DATABASE() AND referenced_table_name IN (" + in + ") AND table_name NOT IN (" + in + ") AND table_name NOT LIKE '%\\_replaced\\_%'") {
		for _, ref := range r.referencesOf(table) {
			if slices.ContainsFunc(e.Tables, func(x exchanged) bool { return x.Table == ref.table }) {
				e.References = append(e.References, heldReference{table, ref.name, ref.def(ref.name, ref.table)})
			}
		}
	}
	epoch := r.list("SELECT epoch FROM sync_meta WHERE id=1 UNION ALL SELECT CAST(UUID() AS CHAR) UNION ALL SELECT CAST(seq AS CHAR) FROM sync_counter WHERE id=1")
	if r.err == nil {
		e.Head, _ = strconv.ParseInt(epoch[2], 10, 64)
	}
	if r.err != nil {
		return
	}
	e.Former, e.Epoch = epoch[0], epoch[1]
	if r.asked.Discard {
		e.Discards = e.Former
		if e.Bare && r.asked.Epoch != "" {
			e.Discards = r.asked.Epoch
		}
	}
	at := "NULL"
	if !r.asked.At.IsZero() {
		at = quote(r.asked.At.UTC().Format("2006-01-02 15:04:05.000000"))
	}
	r.run(fmt.Sprintf("INSERT INTO sync_restore (state,backup,state_at,position,former_epoch,epoch,plan,begun_at) VALUES ('%s',%s,%s,%d,%s,%s,%s,UTC_TIMESTAMP(3))",
		restoreBegun, quote(r.asked.Backup), at, r.asked.Position, quote(e.Former), quote(e.Epoch), r.plan()))
	if id := r.list("SELECT MAX(id) FROM sync_restore"); r.err == nil {
		e.ID, _ = strconv.ParseInt(id[0], 10, 64)
	}
	r.run("UPDATE sync_meta SET epoch=" + quote(model.EpochRestoring) + " WHERE id=1")
	if r.dialect.triggers() {
		r.run("DROP TRIGGER IF EXISTS " + closedTrigger.name)
		r.run(closedTrigger.create())
	}
}

// plan writes what the entry says of the tables.
func (r *restorer) plan() string {
	plan, err := json.Marshal(r.entry)
	if r.err == nil {
		r.err = err
	}
	return quote(string(plan))
}

// savePlan notes what has become known since the restore began.
func (r *restorer) savePlan() {
	r.run(fmt.Sprintf("UPDATE sync_restore SET plan=%s WHERE id=%d", r.plan(), r.entry.ID))
}

// isPlaced tells whether a restore has exchanged the tables.
func (b *builder) isPlaced(e *restoreEntry) bool {
	now := b.list("SELECT epoch FROM sync_meta WHERE id=1")
	return b.err == nil && now[0] == e.Epoch
}

// endInterrupted ends a restore that somebody began and did not end: one that
// has exchanged the tables is finished, any other leaves nothing.
func (r *restorer) endInterrupted() {
	e := r.restoreEntry("state='" + restoreBegun + "'")
	if e == nil || r.err != nil {
		return
	}
	placed := r.isPlaced(e)
	if r.err != nil {
		return
	}
	what := "a restore"
	if e.Undoes != 0 {
		what = "the undoing of a restore"
	}
	r.entry, r.interrupted = *e, e
	if placed {
		r.persist(r.finish)
		r.say("finished %s that was interrupted", what)
	} else {
		r.abandon()
		r.removed = true
		r.say("removed what was left of %s that was interrupted", what)
	}
	r.entry = restoreEntry{}
}

// finishRestore ends a restore that was interrupted.
func (b *builder) finishRestore(url string) {
	if b.err != nil || !slices.Contains(b.tables(), restoreTable.name) || b.restoreEntry("state='"+restoreBegun+"'") == nil || b.err != nil {
		return
	}
	r, err := openRestorer(b.ctx, url, false, nil)
	if b.err = err; err == nil {
		b.done = append(b.done, r.done...)
		r.close()
	}
}

// abandon leaves the central as it was before the restore began.
func (r *restorer) abandon() {
	r.run("SET SESSION foreign_key_checks=0")
	have := r.tables()
	var drop []string
	for _, x := range r.entry.Tables {
		switch {
		case !slices.Contains(have, x.Made):
		case strings.HasSuffix(x.Made, restoreSuffix):
			drop = append(drop, ident(x.Made))
		default: // an undoing exchanges tables that were kept
			r.bareAgain(x.Made)
		}
		if x.records() != nil && slices.Contains(have, x.brought()) {
			drop = append(drop, ident(x.brought()))
		}
	}
	if len(drop) > 0 {
		r.run("DROP TABLE " + strings.Join(drop, ","))
	}
	// Their triggers would note it.
	r.putBack()
	r.holdAgain()
	if r.dialect.triggers() {
		r.run("DROP TRIGGER IF EXISTS " + closedTrigger.name)
	}
	r.run(fmt.Sprintf("DELETE FROM sync_run WHERE run_id>(SELECT run_id FROM sync_counter WHERE id=1);UPDATE sync_meta SET epoch=%s WHERE id=1 AND epoch=%s;UPDATE sync_restore SET state='%s',ended_at=UTC_TIMESTAMP(3) WHERE id=%d",
		quote(r.entry.Former), quote(model.EpochRestoring), restoreAbandoned, r.entry.ID))
}

// bareAgain takes triggers and references from a table that was kept.
func (r *restorer) bareAgain(table string) {
	own, others := r.triggersOn(table)
	for _, t := range others {
		own = append(own, t.name)
	}
	for _, name := range own {
		r.run("DROP TRIGGER " + ident(name))
	}
	r.dropReferences(table, r.referencesOf(table))
}

// holdAgain adds the references that were away.
func (r *restorer) holdAgain() {
	for _, h := range r.entry.References {
		if r.err != nil || slices.ContainsFunc(r.referencesOf(h.Table), func(ref reference) bool { return ref.name == h.Name }) {
			continue
		}
		r.run("ALTER TABLE " + ident(h.Table) + " ADD " + h.Def)
	}
}

// place makes the tables that say how far the central is, and exchanges all.
func (r *restorer) place() {
	r.keepBrought()
	r.positions()
	for _, x := range r.entry.Tables {
		r.giveTriggers(x)
		r.stillAlone()
	}
	for _, h := range r.entry.References {
		r.persist(func() { r.run("ALTER TABLE " + ident(h.Table) + " DROP FOREIGN KEY " + ident(h.Name)) })
	}
	var list []string
	for _, x := range r.entry.Tables {
		list = append(list, x.renameSQL())
	}
	if r.err != nil {
		return
	}
	r.stillSo()
	if r.err != nil {
		return
	}
	if r.err = r.alone.renew(r.ctx, true); r.err == nil {
		r.err = r.rename(strings.Join(list, ","))
	}
	// A request whose answer was lost may have been carried out.
	if r.err != nil && number(r.err) == 0 {
		why := r.err
		if r.err = nil; r.exec(r.ctx, "DO 0") != nil {
			r.reopen()
		}
		if !r.isPlaced(&r.entry) {
			r.err = why
		}
	}
	r.placed = r.err == nil
	r.out.Visible = time.Since(r.began)
}

// stillSo refuses to exchange tables after somebody changed what is to stay: a
// program that knows nothing of Rapport is kept out by nobody.
func (r *restorer) stillSo() {
	if r.err != nil || r.entered == "" {
		return
	}
	if now := r.countEntered(r.since); r.err == nil && now != r.entered {
		r.err = model.Errorf(model.Locked, "another program changed rows while the restore was undone, and they would have been lost: nothing was replaced").
			WithHint("let that program wait, and try again")
	}
}

// positionStep is how far the feed's positions jump with a restore, so that none
// is ever given twice.
const positionStep = 1_000_000

// positions makes the tables that say how far the central is, with the new
// identity.
func (r *restorer) positions() {
	for _, t := range positionTables {
		made := ident(shorten(t, restoreSuffix))
		r.run("CREATE TABLE " + made + " LIKE " + ident(t))
	}
	meta, counter := ident(shorten(metaTable, restoreSuffix)), ident(shorten("sync_counter", restoreSuffix))
	runs := ident(r.now("sync_run"))
	had := r.list("SELECT columns_hash FROM sync_meta WHERE id=1")
	if r.err != nil {
		return
	}
	parent, term := quote(r.entry.Former), "writer_term"
	if r.entry.Bare && r.asked.Epoch != "" {
		// Whoever synced with the central that this one comes from goes on here,
		// and not there.
		parent, term = quote(r.asked.Epoch), fmt.Sprintf("GREATEST(writer_term,%d)+1", r.asked.Term)
	}
	r.run("INSERT INTO " + meta + " SELECT * FROM sync_meta")
	r.run(fmt.Sprintf("INSERT INTO %s (id,seq,run_id,tick) SELECT 1,GREATEST(c.seq+(SELECT COUNT(*) FROM sync_outbox),%d,%d)+%d,GREATEST(c.run_id,(SELECT COALESCE(MAX(run_id),0) FROM %s),(SELECT COALESCE(MAX(run_id),0) FROM sync_run))+1,c.tick FROM sync_counter c WHERE c.id=1",
		counter, r.asked.Position, r.asked.Floor, positionStep, runs))
	r.run("INSERT INTO " + runs + " (run_id,last_seq,nonce,at) SELECT run_id,seq," + nonceSQL + ",UTC_TIMESTAMP(3) FROM " + counter)
	r.run(fmt.Sprintf("UPDATE %s SET epoch=%s,parent_epoch=%s,fork_seq=%d,writer_term=%s,schema_version=%d,min_client=GREATEST(min_client,%d),min_seq=(SELECT seq FROM %s),columns_hash=%s",
		meta, quote(r.entry.Epoch), parent, r.asked.Position, term, model.SchemaVersion, model.OldestClient, counter, quote(nextFingerprint(had[0]))))
	audit := r.now(historyTables[0])
	next := r.list("SELECT GREATEST((SELECT COALESCE(MAX(seq),0) FROM sync_audit),(SELECT COALESCE(MAX(seq),0) FROM " + ident(audit) + "))+1")
	if r.err != nil {
		return
	}
	if audit != historyTables[0] {
		r.run("ALTER TABLE " + ident(audit) + " AUTO_INCREMENT=" + orZero(next[0]))
	}
	r.entry.History, _ = strconv.ParseInt(next[0], 10, 64)
	r.savePlan()
}

// now is where a table lies before the exchange, as it will be after it.
func (r *restorer) now(table string) string {
	for _, x := range r.entry.Tables {
		if x.Table == table {
			return x.Made
		}
	}
	return table
}

// finish does what has to follow the exchange. It may be run again.
func (r *restorer) finish() {
	r.run("SET SESSION lock_wait_timeout=30,foreign_key_checks=0")
	r.out.Kept, r.out.Tables = nil, nil
	have := r.tables()
	for _, x := range r.entry.Tables {
		r.stillAlone()
		if x.Former != "" && !slices.Contains(have, x.Former) {
			x.Former = "" // it is gone already
		}
		r.takeTriggers(x)
	}
	r.takeReferences(r.entry.Tables)
	r.holdAgain()
	var drop []string
	for _, x := range r.entry.Tables {
		switch {
		case x.Former == "" || !slices.Contains(have, x.Former):
		case x.Passing:
			drop = append(drop, ident(x.Former))
		default:
			r.out.Kept = append(r.out.Kept, x.Former)
		}
		if !slices.Contains(positionTables, x.Table) {
			r.out.Tables = append(r.out.Tables, x.Table)
		}
	}
	for _, t := range r.entry.spent() {
		if slices.Contains(have, t) {
			drop = append(drop, ident(t))
		}
	}
	if len(drop) > 0 {
		r.run("DROP TABLE " + strings.Join(drop, ","))
	}
	r.run("SET SESSION sql_mode='STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO'")
	r.entityTables()
	r.alterTables()
	r.triggers()
	r.accessRows()
	if r.dialect.triggers() {
		r.run("CALL sync_closure(NULL,NULL,NULL,NULL,NULL)")
	}
	r.out.Epoch, r.out.Parent = r.entry.Epoch, r.entry.Former
	undone := ""
	if r.entry.Undoes != 0 {
		undone = fmt.Sprintf(";UPDATE sync_restore SET state='%s' WHERE id=%d", restoreUndone, r.entry.Undoes)
	}
	r.run(fmt.Sprintf("UPDATE sync_restore SET state='%s',ended_at=UTC_TIMESTAMP(3) WHERE id=%d", restoreDone, r.entry.ID) + undone)
	r.run("SET SESSION foreign_key_checks=1")
	r.reports()
}

// spent lists what is of no use when the tables are exchanged.
func (e *restoreEntry) spent() []string {
	out := slices.Clone(e.Spent)
	for _, x := range e.Tables {
		if e.Undoes != 0 && !x.Passing {
			out = append(out, asItWas(x.Made), notInIt(x.Made))
		}
	}
	return out
}

// reports makes the report tables anew, if there are any.
func (r *restorer) reports() {
	if r.err != nil {
		return
	}
	var res model.ReportsResult
	if st, _, err := reportsState(r.ctx, r.session); err != nil || st == nil {
		r.err = err
		return
	}
	if r.err = r.refresh(model.ReportsRequest{Rebuild: true, AcceptLoss: true}, &res); r.err == nil {
		r.say("made the report tables anew")
	}
}
