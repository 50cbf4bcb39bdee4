package mysql

import (
	"fmt"
	"strconv"
	"strings"

	"rapport/model"
)

// A batch comes as JSON, a list of blocks. A block is a run of operations of
// one table and one kind: {"t":table,"n":1 for inserts,"k":[columns that
// occur],"o":[{"i":id,"g":guard,"e":edited at,"c":{column:value, or
// [base,value] for an update, or [null,value,sum of the base]}}]}. A block is
// applied by one statement; where that fails, by smaller and smaller ones, until
// what fails is one operation.
//
// Every text is read as LONGTEXT: a shorter type would cut it with a mere
// warning.

// The marks of an operation in sync_op.ok: '0' did not find its row as it was,
// '1' is applied, 'x' is refused, 's' may be applied.

// againMark begins what sync_push answers instead of a receipt where it applied
// nothing, because it was asked to tell first.
const againMark = "again "

// signalUndone reports that the transaction is not the one that took the batch.
const signalUndone = "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'the transaction was undone'"

// pushProcedure applies a batch once and sequences it. p_singly asks for each
// update alone. Above 1 it also says how many operations are at the beginning,
// one less than it, that only make room for others: the receipt leaves them
// out, and unless each row that was moved so arrives where it belongs, nothing
// is applied. The same number below zero asks to apply nothing where an
// operation met a unique index or such a row did not arrive: the answer then is
// what would have become of each.
func pushProcedure() procedure {
	return procedure{"sync_push", "IN p_client VARBINARY(16), IN p_batch BIGINT, IN p_nonce VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin, IN p_ops LONGTEXT CHARACTER SET utf8mb4, IN p_singly INT, IN p_run BIGINT, IN p_run_nonce VARBINARY(32), IN p_seq BIGINT",
		me + `  DECLARE again, foreign_batch TINYINT DEFAULT 0;
  DECLARE receipt, reasons LONGTEXT CHARACTER SET utf8mb4;
  DECLARE stored_nonce VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin;
  DECLARE turn, blocks, first_op, last_op INT;
  DECLARE room INT DEFAULT GREATEST(ABS(p_singly) - 1, 0);
  DECLARE rest, stray, tell TINYINT DEFAULT 0;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; SET SESSION autocommit=1; DROP TEMPORARY TABLE IF EXISTS sync_op; RESIGNAL; END;
` + enter + mustBeKnown + settled + `  SET @rapport_client = LOWER(CONCAT_WS('-', HEX(SUBSTR(p_client,1,4)), HEX(SUBSTR(p_client,5,2)), HEX(SUBSTR(p_client,7,2)), HEX(SUBSTR(p_client,9,2)), HEX(SUBSTR(p_client,11))));
  DROP TEMPORARY TABLE IF EXISTS sync_op;
  CREATE TEMPORARY TABLE sync_op (
    n INT NOT NULL PRIMARY KEY, block INT NOT NULL, tbl VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL, ins TINYINT NOT NULL,
    cols LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL, id BINARY(16) NULL, guard BIGINT NOT NULL, at DATETIME(3) NULL,
    c LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL, ok CHAR(1) CHARACTER SET ascii NOT NULL DEFAULT '0', scope BINARY(16) NULL,
    eno INT NULL, why LONGTEXT CHARACTER SET utf8mb4 NULL, KEY (block, n)) ENGINE=InnoDB;
  -- A Galera node that takes a transaction back does not always say so: see
  -- pusher.requests. No statement commits by itself, so that all goes with it.
  SET SESSION autocommit=0;
  START TRANSACTION;
  IF @rapport_term > (SELECT writer_term FROM sync_meta WHERE id = 1) THEN
    SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = ` + strconv.Itoa(erStalePrimary) + `, MESSAGE_TEXT = 'another server has become the primary';
  END IF;
  IF EXISTS (SELECT 1 FROM sync_client WHERE client = p_client AND CAST(person AS BINARY) <> CAST(me AS BINARY)) THEN
    SET foreign_batch = 1;
  ELSE
    BEGIN
      DECLARE CONTINUE HANDLER FOR 1062 SET again = 1;
      INSERT INTO sync_push (client, batch, nonce, at) VALUES (p_client, p_batch, p_nonce, UTC_TIMESTAMP(3));
    END;
  END IF;
  IF again THEN
    SELECT nonce, result INTO stored_nonce, receipt FROM sync_push WHERE client = p_client AND batch = p_batch;
    SET foreign_batch = COALESCE(stored_nonce <> p_nonce, 0);
  ELSEIF NOT foreign_batch THEN
    INSERT INTO sync_client (client, person, schema_version, position, first_seen, last_seen)
      SELECT p_client, me, 0, p_seq, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3) FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM sync_client WHERE client = p_client);
    IF p_ops = '' THEN
      IF @rapport_parts <> (SELECT COUNT(*) FROM sync_stage WHERE client = p_client AND batch = p_batch) THEN ` + signalUndone + `; END IF;
      INSERT INTO sync_op (n, block, tbl, ins, cols, id, guard, at, c)
        SELECT ` + opsOf("s.part, ") + ` FROM sync_stage s STRAIGHT_JOIN ` + opsTable("s.body") + ` WHERE j.place IS NOT NULL AND s.client = p_client AND s.batch = p_batch;
      DELETE FROM sync_stage WHERE client = p_client;
    ELSE
      INSERT INTO sync_op (n, block, tbl, ins, cols, id, guard, at, c)
        SELECT ` + opsOf("") + ` FROM ` + opsTable("p_ops") + ` WHERE j.place IS NOT NULL;
    END IF;
    SELECT COALESCE(MAX(block), 0) INTO blocks FROM sync_op;
    SET turn = 1;
    WHILE turn <= blocks DO
      SELECT MIN(n), MAX(n) INTO first_op, last_op FROM sync_op WHERE block = turn;
      IF first_op IS NOT NULL THEN
        REPEAT
          CALL sync_apply(me, my_role, everything, my_user, scopes, writable, first_op, last_op, p_singly, rest);
        UNTIL NOT rest END REPEAT;
      END IF;
      SET turn = turn + 1;
    END WHILE;
    SET stray = EXISTS (SELECT 1 FROM sync_op GROUP BY tbl, id HAVING SUM(n <= room AND ok = '1') > 0 AND SUM(n > room AND ok <> '1') > 0);
    SET tell = p_singly < 0 AND (stray OR EXISTS (SELECT 1 FROM sync_op WHERE ok = 'x' AND eno = ` + strconv.Itoa(erDupEntry) + `));
    IF stray AND NOT tell THEN
      SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = ` + strconv.Itoa(erDupEntry) + `, MESSAGE_TEXT = 'there is no room for a value';
    END IF;
    SELECT COALESCE(GROUP_CONCAT(IF(ok = 's', '0', ok) ORDER BY n SEPARATOR ''), '') INTO receipt FROM sync_op WHERE n > room;
    SELECT GROUP_CONCAT('"', n - room - 1, '":', JSON_OBJECT('errno', eno, 'text', why) ORDER BY n) INTO reasons FROM sync_op WHERE ok = 'x' AND n > room;
    SET receipt = CONCAT(receipt, IF(reasons IS NULL, '', CONCAT(' {', reasons, '}')));
    UPDATE sync_push SET result = receipt WHERE client = p_client AND batch = p_batch;
    IF NOT EXISTS (SELECT 1 FROM sync_push WHERE client = p_client AND batch = p_batch) THEN ` + signalUndone + `; END IF;
  END IF;
  IF tell THEN ROLLBACK; ELSE COMMIT; END IF;
  SET SESSION autocommit=1;
  DROP TEMPORARY TABLE IF EXISTS sync_op;
  IF NOT tell AND NOT foreign_batch THEN
    SET receipt = (SELECT result FROM sync_push WHERE client = p_client AND batch = p_batch);
    IF receipt IS NULL THEN ` + signalUndone + `; END IF;
  END IF;
  IF tell THEN
    SELECT CONCAT('` + againMark + `', receipt);
  ELSE
    IF foreign_batch THEN SELECT 'foreign'; ELSE SELECT receipt; END IF;
    ` + sequenceSQL + `;
    ` + followSQL + `;
    CALL sync_head(p_run, p_run_nonce, p_seq, ` + accessSQL + `, 0);
  END IF;
`}
}

// opsOf selects the columns of sync_op from what opsTable reads. Blocks are
// numbered anew, because each part of a batch counts its own.
func opsOf(part string) string {
	return "ROW_NUMBER() OVER (ORDER BY " + part + "j.block, j.place), DENSE_RANK() OVER (ORDER BY " + part + "j.block), j.tbl, COALESCE(j.ins, 0), j.cols, UNHEX(j.id), COALESCE(j.guard, 0), j.at, j.c"
}

// opsTable reads operations from JSON.
func opsTable(from string) string {
	return "JSON_TABLE(" + from + ", '$[*]' COLUMNS (block FOR ORDINALITY, tbl VARCHAR(64) CHARACTER SET ascii PATH '$.t', ins INT PATH '$.n', cols LONGTEXT CHARACTER SET utf8mb4 PATH '$.k'," +
		" NESTED PATH '$.o[*]' COLUMNS (place FOR ORDINALITY, id VARCHAR(64) CHARACTER SET ascii PATH '$.i', guard BIGINT PATH '$.g', at VARCHAR(30) CHARACTER SET ascii PATH '$.e', c JSON PATH '$.c'))) j"
}

// stageProcedure takes a part of a batch that is too long for one request. The
// batch itself then comes without operations and takes the parts that are here.
// The first part makes away with those of an attempt before.
func stageProcedure() procedure {
	return procedure{"sync_stage", "IN p_client VARBINARY(16), IN p_batch BIGINT, IN p_part INT, IN p_body LONGTEXT CHARACTER SET utf8mb4", me + enter + mustBeKnown +
		"  IF NOT EXISTS (SELECT 1 FROM sync_client WHERE client = p_client AND CAST(person AS BINARY) <> CAST(me AS BINARY)) THEN\n" +
		"    DELETE FROM sync_stage WHERE p_part = 0 AND client = p_client;\n" +
		"    INSERT INTO sync_stage (client, batch, part, body) VALUES (p_client, p_batch, p_part, p_body) ON DUPLICATE KEY UPDATE body = p_body;\n  END IF;\n"}
}

// applyProcedure applies one block: it takes out what the role may not do and
// what is out of reach, and then changes what is left. Where a column turns out
// to be gone, it leaves the rest of the block, which begins at first_op then, to
// another call.
func applyProcedure() procedure {
	var fields strings.Builder
	for _, e := range model.Entities() {
		fmt.Fprintf(&fields, "    WHEN '%[1]s' THEN CALL sync_fields_%[1]s(cols, adding, pieces, heads, sets, same, targets, needs, unknown);\n", e.Noun)
	}
	numbers := make([]string, len(refusedNumbers))
	for i, n := range refusedNumbers {
		numbers[i] = strconv.Itoa(int(n))
	}
	return procedure{"sync_apply", "IN me VARCHAR(80) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, IN my_role VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin, IN everything TINYINT, IN my_user BINARY(16), IN scopes LONGTEXT CHARACTER SET utf8mb4, IN writable LONGTEXT CHARACTER SET utf8mb4, INOUT first_op INT, IN last_op INT, IN p_singly INT, OUT p_rest TINYINT",
		`  DECLARE noun VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin;
  DECLARE cols, pieces, heads, sets, same, targets, needs, ids, names, todo, kept LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
  DECLARE unknown, reason LONGTEXT CHARACTER SET utf8mb4;
  DECLARE one VARCHAR(65) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
  DECLARE adding, may_add, may_change, may_remove TINYINT DEFAULT 0;
  DECLARE failed, lo, hi, size INT;
  DECLARE looked TINYINT DEFAULT 0;
  SET p_rest = 0;
  SELECT o.tbl, o.ins, o.cols INTO noun, adding, cols FROM sync_op o WHERE o.n = first_op;
  CASE noun
` + fields.String() + `    ELSE SET unknown = '';
  END CASE;
  IF pieces IS NULL THEN
    UPDATE sync_op o SET o.ok = 'x', o.eno = ` + strconv.Itoa(erNoTable) + ` WHERE o.n BETWEEN first_op AND last_op;
  ELSE
    BEGIN
    -- A table that is gone is the matter of these operations alone.
    DECLARE EXIT HANDLER FOR ` + tableErrors + ` GET DIAGNOSTICS CONDITION 1 failed = MYSQL_ERRNO, reason = MESSAGE_TEXT;
    SELECT r.may_insert, r.may_update, r.may_delete INTO may_add, may_change, may_remove FROM sync_role_right r WHERE r.role = my_role AND r.tbl = noun;
    UPDATE sync_op o SET o.ok = 'x', o.eno = ` + strconv.Itoa(erTableDenied) + ` WHERE o.n BETWEEN first_op AND last_op
      AND NOT IF(adding, may_add, IF(JSON_UNQUOTE(JSON_EXTRACT(o.c, '$.deleted_at[1]')) IS NULL OR JSON_UNQUOTE(JSON_EXTRACT(o.c, '$.deleted_at[1]')) = 'null', may_change, may_remove));
    UPDATE sync_op o SET o.ok = 'x', o.eno = ` + strconv.Itoa(erUnknownColumn) + `, o.why = unknown WHERE o.n BETWEEN first_op AND last_op AND o.ok = '0' AND unknown IS NOT NULL AND JSON_CONTAINS_PATH(o.c, 'one', CONCAT('$."', unknown, '"'));
    UPDATE sync_op o STRAIGHT_JOIN sync_field_right f ON f.role = my_role AND f.tbl = noun
      SET o.ok = 'x', o.eno = ` + strconv.Itoa(erColumnDenied) + `, o.why = CONCAT('''', f.col, '''')
      WHERE o.n BETWEEN first_op AND last_op AND o.ok = '0' AND JSON_TYPE(JSON_EXTRACT(o.c, CONCAT('$.', f.col))) <> 'NULL';
    IF adding THEN
      -- A row that is there already stays as it is; one out of reach is not shown.
` + runIn("UPDATE sync_op o STRAIGHT_JOIN `', noun, '` t ON t.id=o.id SET o.ok=IF(', "+inReach+", ',''y'',''x''), o.eno=0, o.why=NULL WHERE o.n BETWEEN ', first_op, ' AND ', last_op, ' AND o.ok=''0''") + `      UPDATE sync_op o SET o.ok = IF(o.ok = 'y', '0', 's') WHERE o.n BETWEEN first_op AND last_op AND o.ok IN ('0', 'y');
    ELSEIF everything THEN
      UPDATE sync_op o SET o.ok = 's' WHERE o.n BETWEEN first_op AND last_op AND o.ok = '0';
    ELSE
` + runIn("UPDATE sync_op o STRAIGHT_JOIN `', noun, '` t ON t.id=o.id AND t.scope_id IN (', scopes, ') SET o.ok=IF(t.scope_id IN (', writable, '),''s'',''x''), o.scope=t.scope_id, o.eno="+strconv.Itoa(erTableDenied)+" WHERE o.n BETWEEN ', first_op, ' AND ', last_op, ' AND o.ok=''0''") + `    END IF;
    IF needs <> '' THEN
      -- An update of several tables would put an empty value in the place of none.
` + runIn("UPDATE sync_op o SET o.why=COALESCE(', needs, 'NULL) WHERE o.n BETWEEN ', first_op, ' AND ', last_op, ' AND o.ok=''s''") + `      UPDATE sync_op o SET o.ok = 'x', o.eno = ` + strconv.Itoa(erNullColumn) + ` WHERE o.n BETWEEN first_op AND last_op AND o.ok = 's' AND o.why IS NOT NULL;
    END IF;
    IF targets <> '' AND NOT everything THEN
      -- What is pointed to must be in reach, whether it is there or not.
` + runIn("UPDATE sync_op o SET o.why=COALESCE(', REPLACE(REPLACE(targets, '{writable}', writable), '{scopes}', scopes), 'NULL) WHERE o.n BETWEEN ', first_op, ' AND ', last_op, ' AND o.ok=''s''") + `      UPDATE sync_op o SET o.ok = 'x', o.eno = ` + strconv.Itoa(erBadReference) + ` WHERE o.n BETWEEN first_op AND last_op AND o.ok = 's' AND o.why IS NOT NULL;
    END IF;
    IF adding AND NOT everything AND my_user IS NOT NULL AND noun IN (` + ownedNouns() + `) THEN
      -- What a person makes for nobody would be lost to that person's sight.
      IF NOT FIND_IN_SET('owner_id', cols) THEN
        SET heads = CONCAT(heads, ',owner_id'), sets = CONCAT(sets, ',X''', HEX(my_user), '''');
      ELSE
        UPDATE sync_op o SET o.c = JSON_SET(o.c, '$.owner_id', HEX(my_user)) WHERE o.n BETWEEN first_op AND last_op AND o.ok = 's' AND COALESCE(JSON_TYPE(JSON_EXTRACT(o.c, '$.owner_id')), 'NULL') = 'NULL';
      END IF;
    END IF;
    IF adding AND NOT FIND_IN_SET('created_at', cols) THEN
      SET heads = CONCAT(heads, ',created_at'), sets = CONCAT(sets, ',o.at');
    END IF;
    END;
    UPDATE sync_op o SET o.ok = 'x', o.eno = failed, o.why = reason WHERE failed IS NOT NULL AND o.n BETWEEN first_op AND last_op AND o.ok IN ('0', 'y', 's');
    SET lo = IF(failed IS NULL, first_op, last_op + 1), size = IF(p_singly AND NOT adding, 1, last_op - first_op + 1);
    WHILE lo <= last_op DO
      SET hi = LEAST(lo + size - 1, last_op), failed = NULL;
      BEGIN
        -- Only here an error is one of an operation; elsewhere it ends the batch.
        -- A value that is cut short is of a class of its own.
        DECLARE EXIT HANDLER FOR SQLEXCEPTION, ` + strconv.Itoa(erTruncatedValue) + ` BEGIN
          GET DIAGNOSTICS CONDITION 1 failed = MYSQL_ERRNO, reason = MESSAGE_TEXT;
          IF failed NOT IN (` + strings.Join(numbers, ", ") + `) THEN RESIGNAL; END IF;
        END;
        IF adding THEN
` + runIn("INSERT INTO `', noun, '` (id', heads, ',updated_at) SELECT o.id', sets, ',o.at FROM sync_op o STRAIGHT_JOIN JSON_TABLE(o.c,''$'' COLUMNS(', pieces, ')) j WHERE o.n BETWEEN ', lo, ' AND ', hi, ' AND o.ok=''s'' ORDER BY o.n") + `          UPDATE sync_op o SET o.ok = '1' WHERE o.n BETWEEN lo AND hi AND o.ok = 's';
        ELSE
          -- An error of the server's engine in an update of many rows ends the call
          -- whatever handles errors; in one of a row that is found first, it does
          -- not. The client then calls again and asks for that.
          SET ids = IF(p_singly, CONCAT(' AND t.id=X''', (SELECT HEX(o.id) FROM sync_op o WHERE o.n = lo), ''''), '');
` + runIn("UPDATE ', IF(p_singly, CONCAT('`', noun, '` t STRAIGHT_JOIN sync_op o'), CONCAT('sync_op o STRAIGHT_JOIN `', noun, '` t')), ' ON t.id=o.id', IF(everything, '', ' AND t.scope_id=o.scope'), ' STRAIGHT_JOIN JSON_TABLE(o.c,''$'' COLUMNS(', pieces, ')) j SET o.ok=''1'',t.updated_at=COALESCE(o.at,t.updated_at)', sets, ' WHERE o.n BETWEEN ', lo, ' AND ', hi, ids, ' AND o.ok=''s'' AND (o.guard=0 OR t.row_version=o.guard)', same, '") + `        END IF;
      END;
      IF failed IN (` + tableErrors + `) AND NOT looked THEN
` + lookAgain + `      END IF;
      IF failed IS NULL THEN
        SET lo = hi + 1, size = IF(p_singly AND NOT adding, 1, size * 2);
      ELSEIF hi > lo THEN
        SET size = (hi - lo + 2) DIV 2;
      ELSE
        IF adding AND failed = ` + strconv.Itoa(erDupEntry) + ` THEN
` + runIn("UPDATE sync_op o STRAIGHT_JOIN `', noun, '` t ON t.id=o.id SET o.ok=''0'' WHERE o.n=', lo, '") + `        END IF;
        UPDATE sync_op o SET o.ok = 'x', o.eno = failed, o.why = reason WHERE o.n = lo AND o.ok = 's';
        SET lo = lo + 1;
      END IF;
    END WHILE;
    IF adding AND noun = 'activity_link' THEN
      -- A call or a note about somebody else's record is seen with that record.
      DROP TEMPORARY TABLE IF EXISTS sync_move;
      CREATE TEMPORARY TABLE sync_move (id BINARY(16) NOT NULL PRIMARY KEY, scope BINARY(16) NOT NULL) ENGINE=InnoDB;
      INSERT IGNORE INTO sync_move (id, scope)
        SELECT l.activity_id, COALESCE(c.scope_id, g.scope_id, d.scope_id)
        FROM sync_op o STRAIGHT_JOIN activity_link l ON l.id = o.id STRAIGHT_JOIN activity a ON a.id = l.activity_id
          LEFT JOIN contact c ON c.id = l.contact_id LEFT JOIN organization g ON g.id = l.organization_id LEFT JOIN deal d ON d.id = l.deal_id
        WHERE o.n BETWEEN first_op AND last_op AND o.ok = '1' AND a.scope_id = a.owner_id
          AND COALESCE(c.scope_id, g.scope_id, d.scope_id) NOT IN (a.scope_id, ` + idLiteral(model.CompanyScope) + `)
        ORDER BY o.n;
      UPDATE sync_move m STRAIGHT_JOIN activity a ON a.id = m.id SET a.scope_id = m.scope;
      DROP TEMPORARY TABLE sync_move;
    END IF;
  END IF;
`}
}

// refusedNumbers are the errors that are the fault of one operation, as refusal
// explains them. A right that is missing is none of them: the definer has all.
var refusedNumbers = []uint16{erTooLong, erTooLongToHandle, erNullColumn, erNoDefault, erBadReference, erReferenced, erCheckMariaDB, erCheckMySQL, erSignal,
	erOutOfRange, erTruncatedValue, erWrongValue, erIncorrectString, 1411, 1525, erUnknownColumn, erNoTable, erDupEntry, 1305, 1442, 1415}

// ownedNouns lists the nouns whose records have an owner.
func ownedNouns() string {
	var out []string
	for _, e := range model.Entities() {
		if at, _ := e.Column(ownerColumn); at >= 0 {
			out = append(out, quote(string(e.Noun)))
		}
	}
	return strings.Join(out, ", ")
}

// runIn is runSQL for a text that is a literal with gaps.
func runIn(text string) string { return runSQL("'" + text + "'") }

// fieldsProcedure gives the pieces of the statements that apply a block: of
// those columns of its table that occur in it, each known by its place.
func fieldsProcedure(e *model.Entity) procedure {
	var b strings.Builder
	b.WriteString("  SET pieces = '', heads = '', sets = '', same = '', targets = '', needs = '', unknown = NULL;\n")
	var known []string
	for i, c := range e.Columns() {
		created := c.Name == model.ColumnCreatedAt
		if i == 0 || c.Service && c.Name != model.ColumnDeletedAt && !created {
			continue
		}
		known = append(known, quote(c.Name))
		n := strconv.Itoa(i)
		const text = " LONGTEXT CHARACTER SET utf8mb4 PATH "
		fmt.Fprintf(&b, "  IF FIND_IN_SET('%s', cols) THEN\n    IF adding THEN\n", c.Name)
		value := writes(c, "j.v"+n)
		if c.Fallback != nil {
			value = "IF(j.h" + n + "," + value + "," + literal(c, defaultOf(c.Fallback)) + ")"
		}
		if created {
			value = "COALESCE(" + value + ",o.at)"
		}
		fmt.Fprintf(&b, "      SET pieces = CONCAT(pieces, ',', %s), heads = CONCAT(heads, %s), sets = CONCAT(sets, %s);\n",
			quote("h"+n+" INT EXISTS PATH '$."+c.Name+"',v"+n+text+"'$."+c.Name+"'"), quote(","+ident(c.Name)), quote(","+value))
		if created {
			b.WriteString("    END IF;\n  END IF;\n")
			continue
		}
		piece, still := "h"+n+" INT EXISTS PATH '$."+c.Name+"',b"+n+text+"'$."+c.Name+"[0]',v"+n+text+"'$."+c.Name+"[1]'", holdsStill(c, "j.b"+n)
		if c.Type == model.ColLong {
			piece += ",s" + n + text + "'$." + c.Name + "[2]'"
			still = "IF(j.s" + n + " IS NULL," + still + ",SHA2(CONVERT(t." + ident(c.Name) + " USING utf8mb4),256) <=> j.s" + n + ")"
		}
		fmt.Fprintf(&b, "    ELSE\n      SET pieces = CONCAT(pieces, ',', %s), sets = CONCAT(sets, %s), same = CONCAT(same, %s);\n    END IF;\n",
			quote(piece), quote(",t."+ident(c.Name)+"=IF(j.h"+n+","+writes(c, "j.v"+n)+",t."+ident(c.Name)+")"), quote(" AND (NOT j.h"+n+" OR "+still+")"))
		paths := []struct{ when, path string }{{"adding", "$." + c.Name}, {"NOT adding", "$." + c.Name + "[1]"}}
		if required(e, c) {
			for _, kind := range paths {
				fmt.Fprintf(&b, "    IF %s THEN SET needs = CONCAT(needs, %s); END IF;\n", kind.when,
					quote("IF(JSON_TYPE(JSON_EXTRACT(o.c,'"+kind.path+"'))='NULL',"+quote("'"+c.Name+"'")+",NULL),"))
			}
		}
		if c.Ref != "" && !model.EntityOf(c.Ref).Shared {
			reach := "{scopes}"
			if c.Owner {
				reach = "{writable}"
			}
			for _, kind := range paths {
				id := "UNHEX(JSON_UNQUOTE(JSON_EXTRACT(o.c,'" + kind.path + "')))"
				fmt.Fprintf(&b, "    IF %s THEN SET targets = CONCAT(targets, %s); END IF;\n", kind.when,
					quote("IF("+id+" IS NOT NULL AND NOT EXISTS(SELECT 1 FROM "+ident(string(c.Ref))+" r WHERE r.id="+id+" AND r.scope_id IN ("+reach+")),'''"+c.Name+"''',NULL),"))
			}
		}
		b.WriteString("  END IF;\n")
	}
	b.WriteString("  SET pieces = IF(pieces = '', 'h0 INT EXISTS PATH ''$''', SUBSTR(pieces, 2));\n")
	fmt.Fprintf(&b, "  SET unknown = (SELECT j.name FROM JSON_TABLE(CONCAT('[\"', REPLACE(cols, ',', '\",\"'), '\"]'), '$[*]' COLUMNS (name VARCHAR(64) CHARACTER SET utf8mb4 PATH '$')) j WHERE j.name NOT IN ('', %s) LIMIT 1);\n", strings.Join(known, ", "))
	return procedure{"sync_fields_" + string(e.Noun), "IN cols LONGTEXT CHARACTER SET utf8mb4, IN adding TINYINT, OUT pieces LONGTEXT CHARACTER SET utf8mb4, OUT heads LONGTEXT CHARACTER SET utf8mb4, OUT sets LONGTEXT CHARACTER SET utf8mb4, OUT same LONGTEXT CHARACTER SET utf8mb4, OUT targets LONGTEXT CHARACTER SET utf8mb4, OUT needs LONGTEXT CHARACTER SET utf8mb4, OUT unknown LONGTEXT CHARACTER SET utf8mb4", b.String()}
}

// writes turns a text of the request into what a column takes. The server's
// strict mode refuses what does not fit.
func writes(c model.Column, v string) string {
	if c.Type == model.ColID {
		return "UNHEX(" + v + ")"
	}
	return v
}

// holdsStill is equals for a base that is a text of the request.
func holdsStill(c model.Column, base string) string {
	col := "t." + ident(c.Name)
	switch c.Type {
	case model.ColText, model.ColLong:
		return "CAST(CONVERT(" + col + " USING utf8mb4) AS BINARY) <=> CAST(" + base + " AS BINARY)"
	case model.ColDate:
		return "CAST(LEFT(CAST(" + col + " AS CHAR),10) AS BINARY) <=> CAST(" + base + " AS BINARY)"
	case model.ColDecimal:
		return col + " <=> CAST(" + base + " AS DECIMAL(18,4))"
	case model.ColTime:
		return "IF(" + base + " IS NULL," + noMoment(col) + ",COALESCE(" + col + " BETWEEN CAST(" + base + " AS DATETIME(6)) AND CAST(CONCAT(" + base + ",'999') AS DATETIME(6)),0))"
	case model.ColID:
		return col + " <=> UNHEX(" + base + ")"
	default:
		return col + " <=> CAST(" + base + " AS SIGNED)"
	}
}
