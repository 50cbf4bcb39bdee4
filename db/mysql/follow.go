package mysql

import (
	"fmt"
	"strings"

	"rapport/model"
)

// A record that goes from one scope to another takes its parts and the
// activities about it along. The trigger of the record's table does not do
// that: a server opens every table that a trigger names before each statement,
// also where the trigger then has nothing to do with it, and whoever changes a
// single row would wait for some thirty tables to be opened.
//
// The sequencer notes the move instead (sync_move), and whoever sequences has
// what belongs to the record follow. Nobody sees anything in between: every
// procedure of a person begins with sync_settle, which first sequences the
// moves that have no position yet. What somebody else holds at that time stays
// noted, and whoever had the record is answered nothing until it has followed.

// moveTable notes the records that something has still to follow.
var moveTable = serviceTable{"sync_move", `
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY COMMENT 'no order is meant by it',
  tbl VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'table of the record',
  pk BINARY(16) NOT NULL COMMENT 'its id',
  scope BINARY(16) NOT NULL COMMENT 'the scope that it left',
  tries BIGINT NOT NULL DEFAULT 0 COMMENT 'raise it to have the parts and activities follow',
  done TINYINT NOT NULL DEFAULT 0 COMMENT '1 when all of them have; then the row goes',
  KEY move_next (done, tries, id)`,
	"Records that went from one scope to another and whose parts and activities have yet to follow."}

// followedNouns are the nouns whose records are followed by others.
func followedNouns() []*model.Entity {
	var out []*model.Entity
	for _, e := range model.Entities() {
		if followers(e) != "" {
			out = append(out, e)
		}
	}
	return out
}

// followedList is followedNouns as a list of SQL.
func followedList() string {
	var out []string
	for _, e := range followedNouns() {
		out = append(out, quote(string(e.Noun)))
	}
	return strings.Join(out, ", ")
}

// mover has the parts and activities of a record follow it, in the statement
// UPDATE sync_move SET tries = tries + 1, which is the work of a trigger for the
// reason that the sequencer is: who interrupts it leaves nothing behind. It
// waits for nobody: what somebody else holds makes it leave the row undone. The
// record itself is held meanwhile, so that it does not go on.
func mover() trigger {
	var cases strings.Builder
	for _, e := range followedNouns() {
		table := ident(string(e.Noun))
		fmt.Fprintf(&cases, `    WHEN '%[2]s' THEN
      SELECT scope_id INTO target FROM %[1]s WHERE id = OLD.pk FOR UPDATE SKIP LOCKED;
      IF target IS NULL THEN
        SELECT COUNT(*) INTO here FROM %[1]s WHERE id = OLD.pk;
        SET NEW.done = NOT here;
      ELSE
        SET NEW.done = 1;
%[3]s      END IF;
`, table, e.Noun, followers(e))
	}
	return trigger{"sync_move_before_update", "sync_move", "BEFORE UPDATE", `  DECLARE target BINARY(16);
  DECLARE here INT;
  IF NEW.tries <> OLD.tries THEN
    CASE OLD.tbl
` + cases.String() + `    ELSE SET NEW.done = 1;
    END CASE;
  END IF;
`}
}

// followers moves what follows a record of a noun, "" if nothing does. Of the
// activities about it those go that were in the scope which it left: whoever
// gets a record gets what happened with it, and those in other scopes stay.
func followers(e *model.Entity) string {
	var b strings.Builder
	for _, part := range model.Entities() {
		for _, n := range part.Owner {
			if n == e.Noun {
				b.WriteString(follow(string(part.Noun), "t."+ident(string(n)+"_id")+" = OLD.pk AND NOT t.scope_id <=> target"))
			}
		}
	}
	for _, c := range model.EntityOf("activity_link").Columns() {
		if c.Ref == e.Noun && e.Noun != "activity" {
			b.WriteString(follow("activity", "t.scope_id = OLD.scope AND OLD.scope <> target AND t.id IN (SELECT l.activity_id FROM activity_link l WHERE l."+ident(c.Name)+" = OLD.pk)"))
		}
	}
	return b.String()
}

// follow moves the rows of a table that meet a condition and that nobody holds,
// and notes where some are left. It goes by a cursor, because the rows' own
// triggers change what a joined update would be reading.
func follow(noun, condition string) string {
	return fmt.Sprintf(`        BEGIN
          DECLARE one BINARY(16);
          DECLARE finished BOOL DEFAULT FALSE;
          DECLARE behind CURSOR FOR SELECT t.id FROM %[1]s t WHERE %[2]s FOR UPDATE SKIP LOCKED;
          DECLARE CONTINUE HANDLER FOR NOT FOUND SET finished = TRUE;
          OPEN behind;
          moving: LOOP
            FETCH behind INTO one;
            IF finished THEN LEAVE moving; END IF;
            UPDATE %[1]s SET scope_id = target WHERE id = one;
          END LOOP;
          CLOSE behind;
          SELECT COUNT(*) INTO here FROM %[1]s t WHERE %[2]s;
          IF here THEN SET NEW.done = 0; END IF;
        END;
`, ident(noun), condition)
}

// followedAtOnce is how many records one statement has others follow.
const followedAtOnce = 100

// settleProcedure sequences as far as records changed their scope and has what
// belongs to them follow, until nothing is left or all that is left is held. It
// refuses a person, as a busy server does, where something of a record that left
// the person's scopes is still in them.
//
// What it looks for it selects: a condition that holds a query would wait for
// the rows of writers that are still at work. Where nothing waits for its
// position, the look opens two tables that hold no rows and is over. What waits
// it reads through, 0.1 microseconds a row: an index of the moves would spare
// that and cost every writer more.
func settleProcedure() procedure {
	look := "SELECT EXISTS (SELECT 1 FROM sync_move), EXISTS (SELECT 1 FROM sync_outbox WHERE scope_old <> scope_new AND tbl IN (" + followedList() + ")) INTO noted, unnoted;\n"
	const place = "SELECT seq INTO head FROM sync_counter WHERE id = 1;\n"
	return procedure{"sync_settle", "IN p_person VARCHAR(80) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", `  DECLARE noted, unnoted, went, head, before_it BIGINT DEFAULT 0;
  ` + look + `  IF (noted OR unnoted) AND NOT @@global.read_only THEN
    ` + place + `    settling: LOOP
      SET before_it = head;
      IF unnoted THEN ` + sequenceSQL + `; END IF;
      UPDATE sync_move SET tries = tries + 1 WHERE done = 0 ORDER BY done, tries, id LIMIT ` + fmt.Sprint(followedAtOnce) + `;
      DELETE FROM sync_move WHERE done = 1;
      SET went = ROW_COUNT();
      ` + look + `      ` + place + `      IF NOT went AND head = before_it OR NOT noted AND NOT unnoted THEN LEAVE settling; END IF;
    END LOOP;
    ` + sequenceSQL + `;
  END IF;
  IF noted AND p_person IS NOT NULL THEN
    SELECT COUNT(*) INTO noted FROM sync_move m STRAIGHT_JOIN sync_scope_grant g ON g.login = p_person AND g.scope = m.scope;
    IF noted THEN SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1205, MESSAGE_TEXT = 'what belongs to a record that went to somebody else is held by another program'; END IF;
  END IF;
`}
}

// followSQL has what belongs to moved records follow them.
const followSQL = "CALL sync_settle(NULL)"

// settled is what a person's procedure does before it looks at records.
const settled = "  CALL sync_settle(IF(everything, NULL, me));\n"

// sequenceSQL runs the sequencer and has what belongs to moved records follow
// them. An older central does the latter when the record changes and has no
// procedure for it, and an account with few rights may not call it: whoever
// comes next does it then.
func (c *Central) sequenceSQL() string {
	if c.alone || !c.session.dialect.triggers() {
		return c.session.dialect.sequenceSQL()
	}
	return sequenceSQL + ";" + followSQL
}

// sequencing sends a request that sequences, and sends it again where the
// server has no such procedure.
func (c *Central) sequencing(send func(sequence string) error) error {
	err := send(c.sequenceSQL())
	if n := number(err); !c.alone && (n == erNoProcedure || n == erProcedureDenied) {
		c.alone = true
		err = send(c.sequenceSQL())
	}
	return err
}
