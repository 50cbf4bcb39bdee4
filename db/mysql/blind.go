package mysql

import (
	"fmt"
	"slices"
	"strings"

	"rapport/model"
)

// On a server without triggers the clients do what triggers do elsewhere, in
// the transaction of the change itself: they keep the service columns, note
// the change in the outbox and write the history. What other programs write
// nobody notes there; it is found by comparing. Rules that no column's type
// holds are checked before the batch is sent.

// blindSequenceSQL runs the sequencer as statements. The counter's row is
// locked first, so that one runs at a time; one that was interrupted is rolled
// back by the connection that goes on, or with it. The DELETE is driven from
// the feed: it must never scan the outbox.
const blindSequenceSQL = "ROLLBACK;START TRANSACTION;UPDATE sync_counter SET tick=tick+1 WHERE id=1;SET @a=(SELECT seq FROM sync_counter WHERE id=1);" +
	"INSERT INTO sync_feed (seq,scope,tbl,pk,op,origin,oid) SELECT @a+ROW_NUMBER() OVER (ORDER BY x.id,x.side),x.scope,x.tbl,x.pk,x.op,x.origin,x.id FROM (" +
	"SELECT id,0 AS side,scope_old AS scope,tbl,pk,origin,IF(op=3,3,4) AS op FROM (SELECT * FROM sync_outbox ORDER BY id LIMIT 2000) a WHERE scope_old IS NOT NULL AND (op=3 OR NOT scope_old<=>scope_new)" +
	" UNION ALL SELECT id,1,scope_new,tbl,pk,origin,1 FROM (SELECT * FROM sync_outbox ORDER BY id LIMIT 2000) b WHERE op<>3) x;" +
	"DELETE o FROM sync_feed f STRAIGHT_JOIN sync_outbox o ON o.id=f.oid WHERE f.seq>@a;" +
	"SET @b=(SELECT MAX(seq) FROM sync_feed WHERE seq>@a);" +
	"UPDATE sync_counter SET seq=@b,run_id=run_id+1 WHERE id=1 AND @b IS NOT NULL;" +
	"INSERT INTO sync_run (run_id,last_seq,nonce,at) SELECT run_id,seq," + nonceSQL + ",UTC_TIMESTAMP(3) FROM sync_counter WHERE id=1 AND @b IS NOT NULL;COMMIT"

// sequenceSQL runs the sequencer once.
func (d dialect) sequenceSQL() string {
	if d.triggers() {
		return sequenceSQL
	}
	return blindSequenceSQL
}

// noted returns the statements that follow an operation on a server without
// triggers. They do nothing where the operation did nothing, which @n tells.
func noted(op *model.PushOp) string {
	e := model.EntityOf(op.Table)
	table, id := ident(string(e.Noun)), idLiteral(op.ID)
	const now = "UTC_TIMESTAMP(3)"
	set := "row_version=row_version+1,updated_by=" + personSQL + ",updated_at=LEAST(COALESCE(updated_at," + now + ")," + now + ")"
	when, before, action := "@n=1", "scope_id", "update"
	if op.Insert {
		set += ",row_version=1,created_by=" + personSQL + ",created_at=LEAST(COALESCE(created_at," + now + ")," + now + ")"
		when, before, action = "@n=0", "NULL", "insert"
	}
	if scope := ownerScopeOf(e, op); scope != "" {
		set += ",scope_id=COALESCE(" + scope + ",scope_id)"
	}
	return fmt.Sprintf(";UPDATE %s SET %s WHERE id=%s AND %s", table, set, id, when) +
		fmt.Sprintf(";INSERT INTO sync_outbox (tbl,pk,op,scope_old,scope_new,origin,at) SELECT %s,id,1,%s,scope_id,LEFT(@rapport_client,36),UTC_TIMESTAMP(6) FROM %s WHERE id=%s AND %s",
			quote(string(e.Noun)), before, table, id, when) +
		fmt.Sprintf(";INSERT INTO sync_audit (at,person,client,tbl,pk,action,changes) SELECT UTC_TIMESTAMP(3),%s,LEFT(@rapport_client,36),%s,id,%s,%s FROM %s WHERE id=%s AND %s",
			personSQL, quote(string(e.Noun)), quote(action), quote(changesOf(e, op)), table, id, when)
}

// ownerScopeOf is the scope of the owner of a part that an operation makes; ""
// if it is no part.
func ownerScopeOf(e *model.Entity, op *model.PushOp) string {
	for _, n := range e.Owner {
		if i := slices.Index(op.Columns, string(n)+"_id"); i >= 0 && op.Insert {
			if owner, ok := op.Values[i].(model.ID); ok && owner != "" {
				return "(SELECT scope_id FROM " + ident(string(n)) + " WHERE id=" + idLiteral(owner) + ")"
			}
		}
	}
	return ""
}

// changesOf writes an operation as the history does: {"column": [old, new]}.
func changesOf(e *model.Entity, op *model.PushOp) string {
	out := map[string][2]any{}
	for i, name := range op.Columns {
		_, c := e.Column(name)
		var old any
		if i < len(op.Base) {
			old = op.Base[i]
		}
		if old == op.Values[i] || c.Service && name != model.ColumnScope && name != model.ColumnDeletedAt {
			continue
		}
		out[name] = [2]any{auditValue(c, old), auditValue(c, op.Values[i])}
	}
	return jsonText(out)
}

func auditValue(c model.Column, v any) any {
	if ms, ok := v.(int64); ok && c.Type == model.ColTime {
		return strings.Trim(timeLiteral(ms), "'")
	}
	return v
}

// breaks says which rule an operation breaks that triggers hold elsewhere, ""
// if none. The words are the triggers' own.
func breaks(op *model.PushOp) string {
	e := model.EntityOf(op.Table)
	for i, name := range op.Columns {
		_, c := e.Column(name)
		s, ok := op.Values[i].(string)
		if c.Field == nil || !ok {
			continue
		}
		switch f := c.Field; {
		case f.Type == model.Choice && !f.Open && !slices.Contains(f.Options, s):
			return fmt.Sprintf("%s must be one of %s", name, strings.Join(f.Options, ", "))
		case (f.Type == model.Text || f.Type == model.LongText) && f.Required && strings.Trim(s, " ") == "":
			return name + " must not be blank"
		}
	}
	return ""
}
