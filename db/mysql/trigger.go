package mysql

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"rapport/model"
)

// trigger is one trigger of a table.
type trigger struct {
	name, table, when string // when is as "BEFORE INSERT"
	body              string
}

// mark tells the trigger's version; it stands at the beginning of its body on
// the server.
func (t trigger) mark() string {
	h := sha256.Sum256([]byte(t.when + t.body))
	return "/* rapport " + hex.EncodeToString(h[:8]) + " */"
}

func (t trigger) create() string {
	return fmt.Sprintf("CREATE TRIGGER %s %s ON %s FOR EACH ROW BEGIN %s\n%sEND", ident(t.name), t.when, ident(t.table), t.mark(), t.body)
}

// personSQL is the login of who is connected: the part of USER() before its
// last @, since a login may hold an @ itself. CURRENT_USER() would be the
// trigger's owner.
const personSQL = "LEFT(LEFT(USER(), CHAR_LENGTH(USER()) - LOCATE('@', REVERSE(USER()))), 80)"

// momentSQL is the time of the statement. The triggers declare no variable for
// it or for the person: making room for variables costs each row more.
const momentSQL = "UTC_TIMESTAMP(3)"

// triggersOf returns the triggers of an entity's table. They make a valid row
// of what another program inserts, keep the service columns, and write the
// outbox and the history, for every writer alike.
func triggersOf(e *model.Entity) []trigger {
	table := string(e.Noun)
	return []trigger{
		{table + "_before_insert", table, "BEFORE INSERT", beforeInsert(e)},
		{table + "_before_update", table, "BEFORE UPDATE", beforeUpdate(e)},
		{table + "_after_insert", table, "AFTER INSERT", capture(e, "1", "NULL", "NEW.scope_id", "NEW.id") + audit(e, "insert") + teamChanges(e, "insert")},
		{table + "_after_update", table, "AFTER UPDATE", afterUpdate(e)},
		{table + "_after_delete", table, "AFTER DELETE", capture(e, "3", "OLD.scope_id", "NULL", "OLD.id") + audit(e, "delete") + teamChanges(e, "delete")},
	}
}

func beforeInsert(e *model.Entity) string {
	b := `  IF NEW.id IS NULL THEN SET NEW.id = ` + newIDSQL + `; END IF;
  SET NEW.row_version = 1, NEW.created_by = ` + personSQL + `, NEW.updated_by = NEW.created_by;
  IF NEW.created_at IS NULL OR NEW.created_at > ` + momentSQL + ` THEN SET NEW.created_at = ` + momentSQL + `; END IF;
  IF NEW.updated_at IS NULL OR NEW.updated_at > ` + momentSQL + ` THEN SET NEW.updated_at = ` + momentSQL + `; END IF;
`
	b += newScope(e)
	if e.Noun == "deal" {
		b += firstStage
	}
	return b + notErased(e) + rules(e)
}

// firstStage puts a deal that another program inserts without a stage into the
// first open stage of its pipeline, or of the default one.
const firstStage = `  IF NEW.stage_id IS NULL THEN
    IF NEW.pipeline_id IS NULL THEN
      SET NEW.pipeline_id = (SELECT id FROM pipeline WHERE deleted_at IS NULL ORDER BY is_default DESC, created_at, id LIMIT 1);
    END IF;
    SET NEW.stage_id = (SELECT id FROM stage WHERE pipeline_id = NEW.pipeline_id AND kind = 'open' AND deleted_at IS NULL ORDER BY position, id LIMIT 1);
  ELSEIF NEW.pipeline_id IS NULL THEN
    SET NEW.pipeline_id = (SELECT pipeline_id FROM stage WHERE id = NEW.stage_id);
  END IF;
`

// newScope says who sees a new row: everybody, if the noun is shared; whoever
// sees the record, if it is a part; else the user who owns it, unless another
// program names a scope.
func newScope(e *model.Entity) string {
	switch at, _ := e.Column(ownerColumn); {
	case e.Shared:
		return "  SET NEW.scope_id = " + idLiteral(model.SharedScope) + ";\n"
	case at >= 0:
		return "  IF NEW.owner_id IS NOT NULL AND NEW.scope_id = " + idLiteral(model.CompanyScope) + " THEN SET NEW.scope_id = NEW.owner_id; END IF;\n"
	}
	return ownerScope(e, "")
}

// movedScope says who sees a row that changes: a record goes with its owner,
// a part with its record.
func movedScope(e *model.Entity) string {
	switch at, _ := e.Column(ownerColumn); {
	case e.Shared:
		return newScope(e)
	case at >= 0:
		return "  IF NOT OLD.owner_id <=> NEW.owner_id THEN SET NEW.scope_id = COALESCE(NEW.owner_id, " + idLiteral(model.CompanyScope) + "); END IF;\n"
	case !e.IsPart():
		return ""
	}
	var moved []string
	for _, n := range e.Owner {
		col := ident(string(n) + "_id")
		moved = append(moved, "NOT OLD."+col+" <=> NEW."+col)
	}
	return "  IF " + strings.Join(moved, " OR ") + " THEN\n" + ownerScope(e, "  ") + "  END IF;\n"
}

// ownerColumn points from a record to the user who looks after it.
const ownerColumn = "owner_id"

// ownerScope lets a part be seen by whom its owner is seen.
func ownerScope(e *model.Entity, indent string) string {
	if !e.IsPart() {
		return ""
	}
	var choices []string
	for _, n := range e.Owner {
		choices = append(choices, fmt.Sprintf("(SELECT scope_id FROM %s WHERE id = NEW.%s)", ident(string(n)), ident(string(n)+"_id")))
	}
	return indent + "  SET NEW.scope_id = COALESCE(" + strings.Join(choices, ", ") + ", NEW.scope_id);\n"
}

// rules refuses values that the declaration does not allow and a column's type
// cannot: blank required texts and unknown choices.
func rules(e *model.Entity) string {
	var b strings.Builder
	refuse := func(cond, msg string) {
		fmt.Fprintf(&b, "  IF %s THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = %s; END IF;\n", cond, quote(msg))
	}
	for i := range e.Fields {
		f := &e.Fields[i]
		if f.Type != model.Text && f.Type != model.LongText && f.Type != model.Choice {
			continue
		}
		col := "NEW." + ident(f.Columns()[0].Name)
		if f.Type == model.Choice && !f.Open {
			var opts []string
			for _, o := range f.Options {
				opts = append(opts, quote(o))
			}
			refuse(fmt.Sprintf("CAST(%s AS BINARY) NOT IN (%s)", col, strings.Join(opts, ", ")),
				fmt.Sprintf("%s must be one of %s", f.Columns()[0].Name, strings.Join(f.Options, ", ")))
		} else if f.Required {
			refuse("CHAR_LENGTH(TRIM("+col+")) = 0", f.Columns()[0].Name+" must not be blank")
		}
	}
	return b.String()
}

// counted are the columns whose change is a change of the row; the others are
// kept by the triggers themselves.
func counted(e *model.Entity) []model.Column {
	var out []model.Column
	for _, c := range e.Columns() {
		switch c.Name {
		case model.ColumnID, model.ColumnVersion, model.ColumnUpdatedAt, model.ColumnUpdatedBy:
		default:
			out = append(out, c)
		}
	}
	return out
}

// bytesOf is a column's value so that it is compared byte by byte: a change of
// case or of a trailing blank is a change.
func bytesOf(side string, c model.Column) string {
	n := side + "." + ident(c.Name)
	if c.Type == model.ColText || c.Type == model.ColLong {
		return "CAST(" + n + " AS BINARY)"
	}
	return n
}

// unchanged is a condition that compares two values of columns. As rows they
// take the server less time than each alone.
func unchanged(columns ...model.Column) string {
	var before, after []string
	for _, c := range columns {
		before, after = append(before, bytesOf("OLD", c)), append(after, bytesOf("NEW", c))
	}
	return "(" + strings.Join(before, ", ") + ") <=> (" + strings.Join(after, ", ") + ")"
}

// comparedAtOnce is how many columns one statement of the history compares. A
// server prepares every part of a statement anew for each row, also the parts
// that it then skips.
const comparedAtOnce = 6

// seldom tells whether an update of a column is an exception: nobody changes
// it, or somebody else sees the row then.
func seldom(c model.Column) bool {
	return c.Service || c.Owner || c.Name == model.ColumnID || c.Name == ownerColumn
}

// beforeUpdate keeps the service columns. What most updates do is looked at
// first, in as few statements and expressions as possible.
func beforeUpdate(e *model.Entity) string {
	var often, rest []model.Column
	for _, c := range e.Columns() {
		switch {
		case c.Name == model.ColumnVersion || c.Name == model.ColumnUpdatedBy:
		case seldom(c):
			rest = append(rest, c)
		default:
			often = append(often, c)
		}
	}
	const stays = "      SET NEW.row_version = OLD.row_version, NEW.updated_at = OLD.updated_at, NEW.updated_by = OLD.updated_by;\n      LEAVE changing;\n    END IF;\n"
	// Where the first half tells of a change, the other one is not looked at.
	half := (len(often) + 1) / 2
	b := "  changing: BEGIN\n  IF " + unchanged(rest...) + " THEN\n"
	if half < len(often) {
		b += "    IF " + unchanged(often[:half]...) + " THEN\n    IF " + unchanged(often[half:]...) + " THEN\n" + stays + "    END IF;\n"
	} else {
		b += "    IF " + unchanged(often...) + " THEN\n" + stays
	}
	b += "    SET NEW.updated_at = " + momentSQL + `;
  ELSE
    IF OLD.id <> NEW.id THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'the id of a row cannot be changed'; END IF;
    SET NEW.created_at = COALESCE(NEW.created_at, OLD.created_at);
` + movedScope(e) + "    IF " + unchanged(counted(e)...) + " THEN\n" + stays +
		`    IF NEW.updated_at IS NULL OR NEW.updated_at <=> OLD.updated_at OR NEW.updated_at < OLD.updated_at OR NEW.updated_at > ` + momentSQL + ` THEN
      SET NEW.updated_at = ` + momentSQL + `;
    END IF;
  END IF;
  SET NEW.row_version = OLD.row_version + 1, NEW.updated_by = ` + personSQL + `;
`
	return b + rules(e) + "  END;\n"
}

func afterUpdate(e *model.Entity) string {
	return "  IF NEW.row_version <> OLD.row_version THEN\n" +
		capture(e, "1", "OLD.scope_id", "NEW.scope_id", "NEW.id") + audit(e, "update") + teamChanges(e, "update") + "  END IF;\n"
}

// capture writes the outbox. It takes no lock that another writer waits for.
func capture(e *model.Entity, op, scopeOld, scopeNew, id string) string {
	return fmt.Sprintf("  INSERT INTO sync_outbox (tbl, pk, op, scope_old, scope_new, origin, at) VALUES (%s, %s, %s, %s, %s, LEFT(@rapport_client, 36), UTC_TIMESTAMP(6));\n",
		quote(string(e.Noun)), id, op, scopeOld, scopeNew)
}

// audit writes the history: the old and new values of the columns that
// changed. JSON is put together from pieces, so that servers without JSON
// aggregation in triggers manage too.
//
// JSON is the matter of statements that only a change reaches.
func audit(e *model.Entity, action string) string {
	columns := audited(e)
	var b strings.Builder
	b.WriteString("  BEGIN\n    DECLARE changes LONGTEXT CHARACTER SET utf8mb4;\n")
	for some := range slices.Chunk(columns, comparedAtOnce) {
		var same []string
		var notes strings.Builder
		for _, c := range some {
			n := ident(c.Name)
			old, new, skip := "OLD."+n, "NEW."+n, unchanged(c)
			switch action {
			case "insert":
				old, skip = "NULL", "NEW."+n+" IS NULL"
			case "delete":
				new, skip = "NULL", "OLD."+n+" IS NULL"
			}
			same = append(same, skip)
			note := fmt.Sprintf("SET changes = CONCAT_WS(',', changes, CONCAT('\"%s\":', JSON_ARRAY(%s, %s)));", c.Name, jsonOf(c, old), jsonOf(c, new))
			if c.Type == model.ColLong && action == "update" {
				note = longNote(e, c, note)
			}
			fmt.Fprintf(&notes, "      IF NOT (%s) THEN %s END IF;\n", skip, note)
		}
		all := strings.Join(same, " AND ")
		if action == "update" {
			all = unchanged(some...)
		}
		fmt.Fprintf(&b, "    IF NOT (%s) THEN\n%s    END IF;\n", all, notes.String())
	}
	id := "NEW.id"
	if action == "delete" {
		id = "OLD.id"
	}
	b.WriteString("    " + noteAudit(e, id, action, "CONCAT('{', COALESCE(changes, ''), '}')") + "\n  END;\n")
	return b.String()
}

// audited are the columns that the history tells of.
func audited(e *model.Entity) []model.Column {
	return slices.DeleteFunc(counted(e), func(c model.Column) bool { return c.Name == model.ColumnCreatedAt || c.Name == model.ColumnCreatedBy })
}

// noteAudit writes a line of the history.
func noteAudit(e *model.Entity, id, action, changes string) string {
	return fmt.Sprintf("INSERT INTO sync_audit (at, person, client, tbl, pk, action, changes) VALUES (UTC_TIMESTAMP(3), %s, LEFT(@rapport_client, 36), %s, %s, %s, %s);",
		personSQL, quote(string(e.Noun)), id, quote(action), changes)
}

// longNote notes the change of a long text. No function makes a text that is
// longer than a request: two that would be so together are noted in two lines,
// the old one as taken away.
func longNote(e *model.Entity, c model.Column, note string) string {
	old, new := "OLD."+ident(c.Name), "NEW."+ident(c.Name)
	return fmt.Sprintf("IF OCTET_LENGTH(%s) + OCTET_LENGTH(%s) > @@max_allowed_packet DIV 2 THEN\n          %s\n          SET changes = CONCAT_WS(',', changes, CONCAT('\"%s\":', JSON_ARRAY(NULL, %s)));\n        ELSE %s END IF;",
		old, new, noteAudit(e, "NEW.id", "update", "CONCAT('{\""+c.Name+"\":', JSON_ARRAY("+old+", NULL), '}')"), c.Name, new, note)
}

// jsonOf writes ids as the text that a person knows; the rest stands as it is.
func jsonOf(c model.Column, v string) string {
	if c.Type != model.ColID || v == "NULL" {
		return v
	}
	h := "HEX(" + v + ")"
	return fmt.Sprintf("LOWER(CONCAT(SUBSTR(%[1]s,1,8),'-',SUBSTR(%[1]s,9,4),'-',SUBSTR(%[1]s,13,4),'-',SUBSTR(%[1]s,17,4),'-',SUBSTR(%[1]s,21)))", h)
}

// sequenced is how many outbox rows one run of the sequencer moves.
const sequenced = model.SequencedAtOnce

// sequencer moves committed outbox rows into the feed. It is one statement for
// the client (UPDATE sync_counter SET tick = tick + 1) and the work of a
// trigger, so that an interrupted run rolls back by itself; one runs at a time
// because all update the same row. The session must read committed data, or it
// would wait for every open transaction.
//
// A row that changes its scope leaves one and enters another, and what belongs
// to it has to follow. The DELETE is driven from the feed and told its index: it
// must never scan the outbox, where it would wait for writers that are still at
// work, and a server whose statistics say that the outbox is all but empty would
// scan it.
func sequencer() trigger {
	return trigger{"sync_counter_before_update", "sync_counter", "BEFORE UPDATE", fmt.Sprintf(`  DECLARE moved BIGINT DEFAULT 0;
  IF NEW.tick <> OLD.tick THEN
    INSERT INTO sync_feed (seq, scope, tbl, pk, op, origin, oid)
      SELECT OLD.seq + ROW_NUMBER() OVER (ORDER BY x.id, x.side), x.scope, x.tbl, x.pk, x.op, x.origin, x.id FROM (
        SELECT id, 0 AS side, scope_old AS scope, tbl, pk, origin, IF(op = 3, 3, 4) AS op FROM (SELECT * FROM sync_outbox ORDER BY id LIMIT %[1]d) a
          WHERE scope_old IS NOT NULL AND (op = 3 OR NOT scope_old <=> scope_new)
        UNION ALL
        SELECT id, 1, scope_new, tbl, pk, origin, 1 FROM (SELECT * FROM sync_outbox ORDER BY id LIMIT %[1]d) b WHERE op <> 3) x;
    SET moved = (SELECT COUNT(*) FROM sync_feed WHERE seq > OLD.seq);
    IF moved = 0 THEN
      SET NEW.tick = OLD.tick;
    ELSE
      INSERT INTO sync_move (tbl, pk, scope) SELECT tbl, pk, scope FROM sync_feed WHERE seq > OLD.seq AND op = 4 AND tbl IN (%[3]s);
      DELETE o FROM sync_feed f STRAIGHT_JOIN sync_outbox o FORCE INDEX (PRIMARY) ON o.id = f.oid WHERE f.seq > OLD.seq;
      SET NEW.seq = OLD.seq + moved, NEW.run_id = OLD.run_id + 1;
      INSERT INTO sync_run (run_id, last_seq, nonce, at) VALUES (NEW.run_id, NEW.seq, %[2]s, UTC_TIMESTAMP(3));
    END IF;
  END IF;
`, sequenced, nonceSQL, followedList())}
}

// newIDSQL makes the id of a row that another program inserts without one: a
// UUIDv7 (RFC 9562). The server's own UUID() ends in the same digits for every
// row, and the end of an id is what lists show. MariaDB converts the character
// set of what it holds for a constant once for as long as a table is open, NOW
// included: nothing times RAND makes it look at the clock for every row.
const newIDSQL = "UNHEX(CONCAT(LPAD(HEX(FLOOR(UNIX_TIMESTAMP(NOW(3)) * 1000 + 0 * RAND())), 12, '0'), '7', LEFT(MD5(UUID()), 3), '8', LEFT(MD5(CONCAT(UUID(), RAND())), 15)))"

const nonceSQL = "UNHEX(LEFT(SHA2(CONCAT(UUID(), RAND(), CONNECTION_ID(), NOW(6)), 256), 16))"
