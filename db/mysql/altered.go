package mysql

import (
	"database/sql/driver"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"rapport/model"
)

// An administrator or another program may alter a table without `rapport
// central migrate`. A procedure names the columns that it was made for and no
// others, so that one which is added changes nothing. Where one is gone, or a
// whole table, the server answers with one of tableErrors; then, and only then,
// it is asked which columns there are, and the work goes on with those.

// tableErrors are the errors of a statement that names what is not there.
const tableErrors = "1054, 1146"

// leftBehind begins the result that tells of a table which is not as a
// procedure knows it: its name follows, and the columns that are there, none if
// its rows cannot be read.
const leftBehind = "sync_left"

// essential tells whether a row cannot do without a column.
func essential(c model.Column) bool {
	return c.Service || c.Owner || c.Name == model.ColumnID
}

// alteredProcedures are those that look after altered tables.
func alteredProcedures() []procedure {
	return []procedure{namesProcedure(), lessProcedure, rowsProcedure(), sumsProcedure()}
}

// namesProcedure gives the names of a table's columns. A row cannot do without
// those that begin with an exclamation mark.
func namesProcedure() procedure {
	return procedure{"sync_names", "IN p_noun VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin, OUT p_text LONGTEXT CHARACTER SET utf8mb4", nounCases(func(e *model.Entity) string {
		var names []string
		for _, c := range e.Columns() {
			name := c.Name
			if essential(c) {
				name = "!" + name
			}
			names = append(names, name)
		}
		return strings.Join(names, ",")
	})}
}

// lessProcedure takes the lines of columns that are not there out of a text of
// listProcedure or hashProcedure, and gives the names of those that are: none,
// where a row cannot do without what is gone.
var lessProcedure = procedure{"sync_less",
	"IN p_noun VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin, INOUT p_text LONGTEXT CHARACTER SET utf8mb4, OUT p_names LONGTEXT CHARACTER SET utf8mb4",
	`  DECLARE todo LONGTEXT CHARACTER SET utf8mb4;
  DECLARE one VARCHAR(65) CHARACTER SET utf8mb4;
  CALL sync_names(p_noun, todo);
  SET p_names = NULL;
  WHILE todo <> '' DO
    SET one = SUBSTRING_INDEX(todo, ',', 1);
    SET todo = SUBSTR(todo, CHAR_LENGTH(one) + 2);
    IF EXISTS (SELECT 1 FROM information_schema.columns k WHERE k.table_schema = DATABASE() AND k.table_name = p_noun AND k.column_name = TRIM(LEADING '!' FROM one)) THEN
      SET p_names = CONCAT_WS(',', p_names, TRIM(LEADING '!' FROM one));
    ELSEIF one LIKE '!%' THEN
      SET p_names = NULL, todo = '';
    ELSE
      SET p_text = REGEXP_REPLACE(p_text, CONCAT('[^\n]*` + "`', one, '`" + `[^\n]*\n'), '');
    END IF;
  END WHILE;
  SET p_names = COALESCE(p_names, '');
`}

// rowsProcedure sends the rows of a table that are found by a source, which
// stands before the table, and a condition.
func rowsProcedure() procedure {
	return procedure{"sync_rows", "IN p_noun VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin, IN p_source LONGTEXT CHARACTER SET utf8mb4, IN p_condition LONGTEXT CHARACTER SET utf8mb4",
		lessBody("sync_list", "'SELECT ', list, ' FROM ', p_source, '`', p_noun, '` t ', p_condition", "IF names = '' THEN "+tellLeft("''")+"; END IF;")}
}

// sumsProcedure runs a statement with the hash of a table's row in it.
func sumsProcedure() procedure {
	return procedure{"sync_sums", "IN p_noun VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin, IN p_before LONGTEXT CHARACTER SET utf8mb4, IN p_behind LONGTEXT CHARACTER SET utf8mb4",
		lessBody("sync_hash", "p_before, list, p_behind", tellLeft("names")+";")}
}

// lessBody runs a statement with a list of a table's columns in it: of all, and
// where that fails of those that are there, after it has told so.
func lessBody(lister, statement, tell string) string {
	return `  DECLARE list, names LONGTEXT CHARACTER SET utf8mb4;
  DECLARE altered TINYINT DEFAULT 0;
  CALL ` + lister + `(p_noun, list);
  IF list IS NOT NULL THEN
    BEGIN
      DECLARE EXIT HANDLER FOR ` + tableErrors + ` SET altered = 1;
` + runSQL(statement) + `    END;
  END IF;
  IF altered THEN
    CALL sync_less(p_noun, list, names);
    ` + tell + `
    IF names <> '' THEN
      BEGIN
        -- The condition may name what is gone: nothing is found by it then.
        DECLARE EXIT HANDLER FOR ` + tableErrors + ` ` + tellLeft("''") + `;
` + runSQL(statement) + `      END;
    END IF;
  END IF;
`
}

// tellLeft is the result that leftBehind begins. It looks like an entry of the
// feed that says nothing to those who do not know it.
func tellLeft(names string) string { return "SELECT 0 AS " + leftBehind + ", p_noun, " + names + ", 0" }

// lookAgain is what sync_apply does where a table is not as it was made: it
// refuses what names a column that is gone, and goes on with the rest. Where
// all columns are there, the error is a trigger's, and p_rest stays 0.
var lookAgain = `        SET looked = 1;
        CALL sync_less(noun, pieces, names);
        SET todo = cols, kept = NULL;
        WHILE todo <> '' DO
          SET one = SUBSTRING_INDEX(todo, ',', 1);
          SET todo = SUBSTR(todo, CHAR_LENGTH(one) + 2);
          IF FIND_IN_SET(one, names) THEN
            SET kept = CONCAT_WS(',', kept, one);
          ELSE
            UPDATE sync_op o SET o.ok = 'x', o.eno = ` + strconv.Itoa(erUnknownColumn) + `, o.why = one WHERE o.n BETWEEN lo AND last_op AND o.ok = 's' AND names <> '' AND JSON_CONTAINS_PATH(o.c, 'one', CONCAT('$."', one, '"'));
            SET p_rest = 1;
          END IF;
        END WHILE;
        IF names = '' THEN
          UPDATE sync_op o SET o.ok = 'x', o.eno = ` + strconv.Itoa(erNoTable) + ` WHERE o.n BETWEEN lo AND last_op AND o.ok = 's';
          SET p_rest = 0, hi = last_op, failed = NULL;
        ELSEIF p_rest THEN
          UPDATE sync_op o SET o.cols = COALESCE(kept, ''), o.ok = IF(o.ok = 's', '0', o.ok) WHERE o.n BETWEEN lo AND last_op;
          SET first_op = lo, hi = last_op, failed = NULL;
        END IF;
`

// tablesSQL asks which columns there are, and whether a new row must bring a
// value for them.
const tablesSQL = `SELECT table_name, column_name, column_type, is_nullable = 'NO' AND column_default IS NULL AND extra NOT LIKE '%GENERATED%' AND extra NOT LIKE '%auto_increment%'
  FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position`

// serverColumn is a column as the server has it.
type serverColumn struct {
	kind     string // "varchar(255)"
	demanded bool   // a new row must bring a value
}

type serverTables map[model.Noun]map[string]serverColumn

// add reads a row of tablesSQL.
func (t serverTables) add(v []driver.Value) {
	n := model.Noun(asText(v[0]))
	if t[n] == nil {
		t[n] = map[string]serverColumn{}
	}
	t[n][asText(v[1])] = serverColumn{strings.ToLower(asText(v[2])), truth(asText(v[3]))}
}

// checks says what was done to the tables by hand, and what comes of it.
func (t serverTables) checks() []model.Check {
	var out []model.Check
	var gone, tables, retyped, narrow []string
	for _, e := range model.Entities() {
		if t[e.Noun] == nil {
			tables = append(tables, string(e.Noun))
			continue
		}
		missing := false
		for _, c := range e.Columns() {
			name := string(e.Noun) + "." + c.Name
			have, there := t[e.Noun][c.Name]
			switch f := fit(have.kind, strings.ToLower(columnType(c))); {
			case !there:
				gone, missing = append(gone, name), true
			case f == other:
				retyped = append(retyped, name+" ("+have.kind+")")
			case f == narrower:
				narrow = append(narrow, name+" ("+have.kind+")")
			}
		}
		strange := t.strange(e)
		for _, name := range strange {
			if t[e.Noun][name].demanded {
				out = append(out, model.Check{Name: columnsCheck, State: "fail", Detail: fmt.Sprintf("new %s are refused: %s.%s has no default, and Rapport does not know it", e.Plural, e.Noun, name),
					Fix: fmt.Sprintf("ALTER TABLE %s ALTER %s SET DEFAULT …", ident(string(e.Noun)), ident(name))})
			}
		}
		if missing && len(strange) > 0 {
			gone[len(gone)-1] += fmt.Sprintf(" (there is %s, which Rapport does not know: if that is the column under another name, rename it back first)", few(strange))
		}
	}
	add := func(state string, names []string, detail, fix string) {
		if len(names) > 0 {
			out = append(out, model.Check{Name: columnsCheck, State: state, Detail: fmt.Sprintf(detail, few(names)), Fix: fix})
		}
	}
	const waits = "; what people change there waits on their computers, and the triggers of such a table let nobody write to it"
	add("fail", tables, "tables are gone: %s; what people change there waits on their computers", "rapport central migrate")
	add("fail", gone, "columns are gone: %s"+waits, "rapport central migrate")
	add("warn", narrow, "columns hold less than this program declares: %s", "rapport central migrate")
	add("warn", retyped, "columns are of a type that this program does not declare: %s; a value that does not fit is refused", "ALTER TABLE … MODIFY to the declared type, or leave it")
	return out
}

// strange lists the columns of a table that are none of ours.
func (t serverTables) strange(e *model.Entity) []string {
	var out []string
	for name := range t[e.Noun] {
		if at, _ := e.Column(name); at < 0 {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

const columnsCheck = "central columns"
