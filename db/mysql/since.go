package mysql

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"slices"
	"strings"

	"rapport/model"
)

// Pieces of the request for the history of rows. Numbers alone are no order:
// the nodes of a Galera cluster give them in turn.
const (
	sinceColumns = "SELECT a.tbl,a.pk,a.action,a.changes FROM "
	sinceOrder   = " ORDER BY a.at,a.seq"
)

// ChangesSince returns what happened to rows after a moment of the server's
// clock. A server that has no such procedure yet, or no right to it for this
// account, tells of nothing.
func (c *Central) ChangesSince(ctx context.Context, ids map[model.Noun][]model.ID, moment int64) (map[model.ID][]model.RowChange, error) {
	if err := c.choose(ctx); err != nil {
		return nil, err
	}
	out := map[model.ID][]model.RowChange{}
	for _, e := range model.Entities() {
		for part := range slices.Chunk(ids[e.Noun], fetchIDs) {
			q := sinceColumns + "sync_audit a WHERE a.tbl=" + quote(string(e.Noun)) + " AND a.pk IN (" + idList(part) + ") AND a.at>" + timeLiteral(moment) + sinceOrder
			if c.calls() {
				w := wanted{Table: e.Noun}
				for _, id := range part {
					w.IDs = append(w.IDs, plainHex(id))
				}
				q = "CALL sync_since(" + timeLiteral(moment) + "," + jsonLiteral([]wanted{w}) + ")"
			}
			err := c.query(ctx, q, func(_ int, v []driver.Value) error { return addChange(out, v) })
			if n := number(err); n == erNoProcedure || n == erProcedureDenied {
				return nil, nil
			}
			if err != nil {
				return nil, mapError("read the history", err)
			}
		}
	}
	return out, nil
}

// Discards tells whether a restore ended an epoch by which what was sent after
// the moment that came back is given up. A server that has no such procedure
// yet gives up nothing.
func (c *Central) Discards(ctx context.Context, epoch string) (bool, error) {
	if err := c.choose(ctx); err != nil {
		return false, err
	}
	q := discardsSQL(quote(discardMark(epoch)))
	if c.calls() {
		q = "CALL sync_discards(" + quote(epoch) + ")"
	}
	discards := false
	err := c.query(ctx, q, func(_ int, v []driver.Value) error {
		discards = integer(v[0]) > 0
		return nil
	})
	if n := number(err); n == erNoProcedure || n == erProcedureDenied || n == erNoTable {
		return false, nil
	}
	return discards, mapError("read the restores", err)
}

// discardMark stands in the plan of a restore which gives up what an epoch lost.
func discardMark(epoch string) string { return `"discards":"` + epoch + `"` }

func discardsSQL(mark string) string {
	return "SELECT COUNT(*) FROM sync_restore WHERE state NOT IN ('" + restoreUndone + "','" + restoreAbandoned + "') AND LOCATE(" + mark + ",plan)>0"
}

// discardsProcedure is Discards for people.
func discardsProcedure() procedure {
	return procedure{"sync_discards", "IN p_epoch VARCHAR(36) CHARACTER SET ascii", me + enter + mustBeKnown +
		"  " + discardsSQL("CONCAT('\"discards\":\"', p_epoch, '\"')") + ";\n"}
}

// addChange reads an entry of the history: table, id, what was done, and the
// columns that changed.
func addChange(out map[model.ID][]model.RowChange, v []driver.Value) error {
	e := model.EntityOf(model.Noun(asText(v[0])))
	key, _ := v[1].([]byte)
	id := model.IDFromBytes(key)
	values := map[string][2]any{}
	dec := json.NewDecoder(strings.NewReader(asText(v[3])))
	dec.UseNumber()
	if err := dec.Decode(&values); err != nil {
		return model.Errorf(model.Corrupt, "the history has an entry of %s %s that cannot be read", asText(v[0]), id).Because(err)
	}
	change := model.RowChange{Made: asText(v[2]) == "insert", Gone: asText(v[2]) == "delete", Columns: map[string][2]any{}}
	for name, pair := range values {
		if at, c := e.Column(name); at >= 0 {
			change.Columns[name] = [2]any{logValue(c, pair[0]), logValue(c, pair[1])}
		}
	}
	out[id] = append(out[id], change)
	return nil
}

// removedFrom is the scope out of which a line of the history says that a row
// was removed, NULL where it says something else.
func removedFrom(line string) string {
	return "IF(" + line + ".action='delete', UNHEX(REPLACE(JSON_UNQUOTE(JSON_EXTRACT(" + line + ".changes, '$.scope_id[0]')), '-', '')), NULL)"
}

// sinceProcedure sends the history of rows later than a moment. Somebody who
// sees some scopes only is told what happened in the scope in which a row is
// now, or was when it was removed: what it held before it came there is not
// theirs to know.
func sinceProcedure() procedure {
	return procedure{"sync_since", "IN p_moment DATETIME(3), IN p_ids LONGTEXT CHARACTER SET utf8mb4",
		me + "  DECLARE tables LONGTEXT CHARACTER SET utf8mb4;\n" + enter + mustBeKnown + wantSQL +
			perNoun(`  IF FIND_IN_SET('{noun}', tables) AND NOT everything THEN
`+runSQL("'DELETE w FROM sync_want w LEFT JOIN `{noun}` t ON t.id=w.id WHERE w.tbl=''{noun}'' AND NOT IF(t.id IS NOT NULL, t.scope_id IN (', scopes, '), COALESCE((SELECT "+strings.ReplaceAll(removedFrom("a"), "'", "''")+" IN (', scopes, ') FROM sync_audit a WHERE a.tbl=w.tbl AND a.pk=w.id ORDER BY a.seq DESC LIMIT 1), 0))'")+`  END IF;
`) + "  " + sinceColumns + `sync_want w STRAIGHT_JOIN sync_audit a ON a.tbl=w.tbl AND a.pk=w.id
    WHERE a.at>p_moment AND (everything OR NOT EXISTS (SELECT 1 FROM sync_audit m WHERE m.tbl=a.tbl AND m.pk=a.pk AND m.seq>=a.seq AND (m.action='update' AND m.changes LIKE '%"scope_id":%' OR m.action='delete' AND COALESCE(` + removedFrom("m") + ` NOT IN (SELECT scope FROM sync_scope_grant WHERE login=me), 1))))` +
			sinceOrder + ";\n  DROP TEMPORARY TABLE sync_want;\n"}
}
