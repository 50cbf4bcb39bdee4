package mysql

import (
	"fmt"
	"strings"

	"rapport/model"
)

// headProcedure says where the feed is, in the form of headSQL.
func headProcedure() procedure {
	return procedure{"sync_head", "IN p_run BIGINT, IN p_nonce VARBINARY(32), IN p_seq BIGINT, IN p_access VARCHAR(16) CHARACTER SET ascii, IN p_wide TINYINT",
		"  " + headSelect("p_run", "p_nonce", "p_seq", "IF(p_wide, p_seq+"+fmt.Sprint(changedWithin)+", 0)", "p_access", personSQL) + ";\n"}
}

// accessSQL is the fingerprint of what a person sees.
const accessSQL = "IF(everything, '" + accessAll + "', LEFT(MD5(scopes), 16))"

// accessAll and accessPlain stand in a head for a person who sees every scope,
// and for an account that is no person: it goes on in plain statements.
const (
	accessAll   = "all"
	accessPlain = "plain"
)

// pollProcedure says where the feed is and notes that the client was here. A
// client is its first person's: others neither change nor read its line.
func pollProcedure() procedure {
	return procedure{"sync_poll", "IN p_client VARBINARY(16), IN p_note TINYINT, IN p_name VARCHAR(255) CHARACTER SET utf8mb4, IN p_program VARCHAR(64) CHARACTER SET utf8mb4, IN p_pending BIGINT, IN p_schema BIGINT, IN p_run BIGINT, IN p_nonce VARBINARY(32), IN p_seq BIGINT",
		me + enter + `  CALL sync_head(p_run, p_nonce, p_seq, IF(known, ` + accessSQL + `, '` + accessPlain + `'), NOT known);
  SELECT 1 FROM sync_client WHERE client = p_client AND wipe_at IS NOT NULL AND CAST(person AS BINARY) = CAST(me AS BINARY);
  IF p_note AND NOT EXISTS (SELECT 1 FROM sync_client WHERE client = p_client AND CAST(person AS BINARY) <> CAST(me AS BINARY)) THEN
    ` + noteStatement("p_client", "me", "p_schema", "p_seq", "p_name", "p_program", "p_pending") + `;
  END IF;
`}
}

// sequenceProcedure runs the sequencer, which is one statement: whoever
// interrupts it leaves nothing behind.
func sequenceProcedure() procedure {
	return procedure{"sync_sequence", "IN p_run BIGINT, IN p_nonce VARBINARY(32), IN p_seq BIGINT",
		me + enter + mustBeKnown + "  " + sequenceSQL + ";\n  " + followSQL + ";\n  CALL sync_head(p_run, p_nonce, p_seq, " + accessSQL + ", 0);\n"}
}

// wipedProcedure notes that a device has emptied itself.
func wipedProcedure() procedure {
	return procedure{"sync_wiped", "IN p_client VARBINARY(16)", me + enter + mustBeKnown +
		"  UPDATE sync_client SET wiped_at = UTC_TIMESTAMP(3), pending = 0 WHERE client = p_client AND wipe_at IS NOT NULL AND CAST(person AS BINARY) = CAST(me AS BINARY);\n"}
}

// nounCases writes a CASE over the nouns that gives each a text.
func nounCases(text func(e *model.Entity) string) string {
	var b strings.Builder
	b.WriteString("  SET p_text = CASE p_noun\n")
	for _, e := range model.Entities() {
		b.WriteString("    WHEN " + quote(string(e.Noun)) + " THEN " + quote(text(e)) + "\n")
	}
	b.WriteString("  END;\n")
	return b.String()
}

// giveProcedure hands a record over to another user. It is, with a change of
// the owner in a batch, the only way out of one's own scope.
func giveProcedure() procedure {
	var cases strings.Builder
	for _, e := range model.Entities() {
		if at, _ := e.Column(ownerColumn); at >= 0 {
			fmt.Fprintf(&cases, "    WHEN '%[1]s' THEN UPDATE `%[1]s` SET owner_id = p_to WHERE id = p_id AND (everything OR scope_id IN (SELECT scope FROM sync_scope_grant WHERE login = me AND may_write));\n", e.Noun)
		}
	}
	return procedure{"sync_give", "IN p_noun VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin, IN p_id VARBINARY(16), IN p_to VARBINARY(16)", me + enter + mustBeKnown + settled +
		`  IF NOT EXISTS (SELECT 1 FROM sync_role_right WHERE role = my_role AND tbl = p_noun AND may_update) OR EXISTS (SELECT 1 FROM sync_field_right WHERE role = my_role AND tbl = p_noun AND col = '` + ownerColumn + `') THEN
    SIGNAL SQLSTATE '42000' SET MYSQL_ERRNO = 1142, MESSAGE_TEXT = 'this account may not hand such records over';
  END IF;
  IF NOT EXISTS (SELECT 1 FROM user WHERE id = p_to AND active AND deleted_at IS NULL) THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'there is no such active user';
  END IF;
  CASE p_noun
` + cases.String() + `    ELSE SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'such records have no owner';
  END CASE;
`}
}

// listProcedure gives the columns of a table, each on a line. The id is named
// after the table, which tells the client whose rows a result holds.
func listProcedure() procedure {
	return procedure{"sync_list", "IN p_noun VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin, OUT p_text LONGTEXT CHARACTER SET utf8mb4", nounCases(func(e *model.Entity) string {
		var names []string
		for _, c := range e.Columns() {
			n := "t." + ident(c.Name)
			if c.Name == model.ColumnID {
				n += " AS " + ident(string(e.Noun))
			}
			names = append(names, n)
		}
		return strings.Join(names, "\n,") + "\n"
	})}
}

// hashProcedure gives the hash of a table's row, each column on a line.
func hashProcedure() procedure {
	return procedure{"sync_hash", "IN p_noun VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin, OUT p_text LONGTEXT CHARACTER SET utf8mb4", nounCases(func(e *model.Entity) string {
		return hashSQL(e.Columns(), "\n")
	})}
}

// inReach is the condition on a table's rows, after WHERE or AND.
const inReach = "IF(everything, '1', CONCAT('t.scope_id IN (', scopes, ')'))"

// perNoun repeats a piece for every noun.
func perNoun(piece string) string {
	var b strings.Builder
	for _, e := range model.Entities() {
		b.WriteString(strings.ReplaceAll(piece, "{noun}", string(e.Noun)))
	}
	return b.String()
}

// pullProcedure sends a page of the feed, as far as it is the caller's, and the
// rows behind it, a result for each table that occurs; see pageEnd.
func pullProcedure() procedure {
	return procedure{"sync_pull", "IN p_from BIGINT, IN p_to BIGINT",
		me + "  DECLARE tables LONGTEXT CHARACTER SET utf8mb4;\n" + enter + mustBeKnown + settled +
			`  DROP TEMPORARY TABLE IF EXISTS sync_page;
  CREATE TEMPORARY TABLE sync_page (seq BIGINT NOT NULL PRIMARY KEY, tbl VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, pk BINARY(16) NOT NULL, op TINYINT NOT NULL) ENGINE=InnoDB;
` + runSQL("'INSERT INTO sync_page SELECT seq,tbl,pk,op FROM sync_feed WHERE ', IF(everything, 'op<>"+fmt.Sprint(int(model.FeedLeave))+"', CONCAT('scope IN (', scopes, ')')), ' AND seq>', p_from, ' AND seq<=', p_to, ' ORDER BY seq LIMIT "+fmt.Sprint(pageEntries)+"'") +
			`  SELECT seq, tbl, pk, op FROM sync_page ORDER BY seq;
  SET tables = (SELECT GROUP_CONCAT(DISTINCT tbl) FROM sync_page);
` + perNoun(`  IF FIND_IN_SET('{noun}', tables) THEN
    CALL sync_rows('{noun}', '(SELECT DISTINCT pk FROM sync_page WHERE tbl=''{noun}'') f STRAIGHT_JOIN ', CONCAT('ON t.id=f.pk WHERE ', `+inReach+`));
  END IF;
`) + "  DROP TEMPORARY TABLE sync_page;\n  " + pageEnd + ";\n"}
}

// wantSQL puts the rows that a request names into a table.
const wantSQL = `  DROP TEMPORARY TABLE IF EXISTS sync_want;
  CREATE TEMPORARY TABLE sync_want (tbl VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, id BINARY(16) NOT NULL, PRIMARY KEY (tbl, id)) ENGINE=InnoDB;
  INSERT IGNORE INTO sync_want (tbl, id) SELECT j.tbl, UNHEX(j.id) FROM JSON_TABLE(p_ids, '$[*]' COLUMNS (tbl VARCHAR(64) CHARACTER SET ascii PATH '$.t', NESTED PATH '$.i[*]' COLUMNS (id VARCHAR(64) CHARACTER SET ascii PATH '$'))) j
    WHERE LENGTH(j.id) = 32 AND UNHEX(j.id) IS NOT NULL;
  SET tables = (SELECT GROUP_CONCAT(DISTINCT tbl) FROM sync_want);
`

// fetchProcedure sends the rows of ids, a result for each table.
func fetchProcedure() procedure {
	return procedure{"sync_fetch", "IN p_ids LONGTEXT CHARACTER SET utf8mb4",
		me + "  DECLARE tables LONGTEXT CHARACTER SET utf8mb4;\n" + enter + mustBeKnown + settled + wantSQL + perNoun(`  IF FIND_IN_SET('{noun}', tables) THEN
    CALL sync_rows('{noun}', 'sync_want w STRAIGHT_JOIN ', CONCAT('ON t.id=w.id WHERE w.tbl=''{noun}'' AND ', `+inReach+`));
  END IF;
`) + "  DROP TEMPORARY TABLE sync_want;\n"}
}

// loadProcedure streams a table in the order of ids. Where the person sees only
// a part of it, the ids are found and sorted in the index of scopes alone.
func loadProcedure() procedure {
	return procedure{"sync_load", "IN p_noun VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin, IN p_after VARBINARY(16)",
		me + enter + mustBeKnown + settled + `  IF everything THEN
    CALL sync_rows(p_noun, '', CONCAT('WHERE t.id>X''', HEX(p_after), ''' ORDER BY t.id'));
  ELSE
    CALL sync_rows(p_noun, CONCAT('(SELECT id FROM ` + "`', p_noun, '`" + ` WHERE scope_id IN (', scopes, ') AND id>X''', HEX(p_after), ''' ORDER BY id LIMIT 9223372036854775807) f STRAIGHT_JOIN '), CONCAT('ON t.id=f.id WHERE ', ` + inReach + `, ' ORDER BY f.id'));
  END IF;
`}
}

// digestProcedure sums up tables in buckets: p_bits is [{"t":noun,"n":bits}].
func digestProcedure() procedure {
	return procedure{"sync_digest", "IN p_bits LONGTEXT CHARACTER SET utf8mb4", sumsBody(
		"CONCAT('SELECT ''{noun}'',n,COUNT(*),BIT_XOR(CAST(CONV(h,16,10) AS UNSIGNED)) FROM (SELECT (CRC32(id)>>', 32-bits, ') AS n,')",
		"CONCAT(' AS h FROM `{noun}` t WHERE ', "+inReach+", ') r GROUP BY n')", "p_bits")}
}

// hashesProcedure sends the hashes of the rows in some buckets: p_buckets is
// [{"t":noun,"n":bits,"b":[bucket,...]}].
func hashesProcedure() procedure {
	return procedure{"sync_hashes", "IN p_buckets LONGTEXT CHARACTER SET utf8mb4", sumsBody("'SELECT ''{noun}'',id,UNHEX('",
		"CONCAT(') FROM `{noun}` t WHERE (CRC32(id)>>', 32-bits, ') IN (', COALESCE(list, 'NULL'), ') AND ', "+inReach+")", "p_buckets")}
}

// sumsBody runs a statement for each noun that a request names: what stands
// before the hash of a row, and what behind it.
func sumsBody(before, behind, request string) string {
	return me + "  DECLARE list LONGTEXT CHARACTER SET utf8mb4;\n  DECLARE bits BIGINT;\n" + enter + mustBeKnown + settled + perNoun(`  SET bits = NULL;
  SELECT MAX(j.n), GROUP_CONCAT(j.b) INTO bits, list FROM JSON_TABLE(`+request+`, '$[*]' COLUMNS (t VARCHAR(64) CHARACTER SET ascii PATH '$.t', n BIGINT PATH '$.n', NESTED PATH '$.b[*]' COLUMNS (b BIGINT PATH '$'))) j WHERE j.t = '{noun}';
  IF bits BETWEEN 0 AND 32 THEN
    CALL sync_sums('{noun}', `+before+`, `+behind+`);
  END IF;
`)
}

// surveyProcedure counts the caller's rows of every table that is there and
// sends those that the caller works with.
func surveyProcedure() procedure {
	var counts, rows strings.Builder
	for _, e := range model.Entities() {
		fmt.Fprintf(&counts, "  BEGIN\n    DECLARE EXIT HANDLER FOR %s SET @rapport_sql = NULL;\n  %s    SET counts = CONCAT_WS(',', counts, '%s', @rapport_count);\n  END;\n",
			tableErrors, runSQL("'SELECT COUNT(*) INTO @rapport_count FROM `"+string(e.Noun)+"` t WHERE ', reach"), e.Noun)
	}
	for _, noun := range surveyNouns {
		e := model.EntityOf(noun)
		where := "t.deleted_at IS NULL AND ', reach, '"
		if at, _ := e.Column(ownerColumn); at >= 0 {
			where += " AND t.owner_id=X''', HEX(COALESCE(my_user, '')), '''"
		}
		if noun == "deal" {
			where += " AND t.stage_id IN (SELECT id FROM stage WHERE kind=''open'')"
		}
		fmt.Fprintf(&rows, "  CALL sync_rows('%s', '', CONCAT('WHERE %s ORDER BY t.updated_at DESC LIMIT %d'));\n", noun, where, surveyed)
	}
	return procedure{"sync_survey", "", me + "  DECLARE reach, counts LONGTEXT CHARACTER SET utf8mb4;\n" + enter + mustBeKnown + settled +
		"  SET reach = " + inReach + ";\n" + counts.String() + "  SET @rapport_count = NULL;\n  SELECT counts;\n" + rows.String()}
}

// surveyNouns are the nouns whose rows a first load brings before all others.
var surveyNouns = []model.Noun{"user", "pipeline", "stage", "organization", "contact", "deal"}
