package sqlite

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"

	"rapport/model"
)

// NextBatch returns the frozen batch that awaits its acknowledgement, else
// freezes the next one. The batch is stored before it is returned, so that a
// process that dies sends the very same one again.
func (d *DB) NextBatch(ctx context.Context, ops, bytes int) (*model.PushBatch, error) {
	var b *model.PushBatch
	if frozen, err := d.frozenBatch(ctx); frozen != nil || err != nil {
		return frozen, err
	}
	if ops == 0 {
		return nil, nil
	}
	var waiting int
	if err := d.read().QueryRowContext(ctx, "SELECT count(*) FROM sync_base WHERE code IS NULL").Scan(&waiting); err != nil {
		return nil, mapError("count unsent changes", err)
	}
	if waiting == 0 {
		return nil, nil
	}
	err := d.write(ctx, "freeze batch", func(t *Tx) error {
		builder := &batchBuilder{tx: t, ops: ops, bytes: bytes, seen: map[model.ID]bool{}, checked: map[model.ID]bool{}}
		for _, e := range model.Entities() {
			if err := builder.collect(ctx, e); err != nil {
				return err
			}
		}
		if len(builder.out) == 0 {
			return nil
		}
		client, err := t.client()
		if err != nil {
			return err
		}
		number, err := t.counter(stateBatch)
		if err != nil {
			return err
		}
		var nonce [8]byte
		if _, err := t.db.random(nonce[:]); err != nil {
			return err
		}
		b = &model.PushBatch{Client: client, Number: number, Nonce: hex.EncodeToString(nonce[:]), Ops: append(builder.needed(), builder.out...)}
		payload, err := json.Marshal(b)
		if err != nil {
			return err
		}
		_, err = t.ExecContext(ctx, "INSERT INTO sync_batch (number, payload) VALUES (?, ?)", number, string(payload))
		return err
	})
	return b, err
}

// frozenBatch reads the batch that awaits its acknowledgement, nil if none
// does.
func (d *DB) frozenBatch(ctx context.Context) (*model.PushBatch, error) {
	var payload string
	err := d.read().QueryRowContext(ctx, "SELECT payload FROM sync_batch ORDER BY number LIMIT 1").Scan(&payload)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, mapError("read batch", err)
	}
	return model.DecodeBatch([]byte(payload))
}

// batchBuilder collects the next operations. Entities come in the order of
// their links, and a new row comes after the new rows of its own table that it
// links to, so that the server's foreign keys hold after every operation.
type batchBuilder struct {
	tx    *Tx
	ops   int
	bytes int
	size  int
	out   []model.PushOp
	seen  map[model.ID]bool

	checks  []model.PushOp // see check
	checked map[model.ID]bool
}

func (b *batchBuilder) full() bool { return len(b.out) >= b.ops || b.size >= b.bytes }

// collect adds the unsent changes of one table in the order in which they were
// first made. Those that have nothing to send, because they wait for a person,
// are passed over, however many they are.
func (b *batchBuilder) collect(ctx context.Context, e *model.Entity) error {
	seq, last := int64(-1), []byte{}
	for !b.full() {
		rows, err := b.tx.QueryContext(ctx, "SELECT seq, id FROM sync_base WHERE tbl = ? AND code IS NULL AND (seq, id) > (?, ?) ORDER BY seq, id LIMIT ?", string(e.Noun), seq, last, 4*b.ops)
		if err != nil {
			return err
		}
		var ids []model.ID
		for rows.Next() {
			if err := rows.Scan(&seq, &last); err != nil {
				rows.Close()
				return err
			}
			ids = append(ids, model.IDFromBytes(last))
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			if b.full() {
				return nil
			}
			if err := b.add(ctx, e, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// add puts one row's change into the batch, after the new rows of the same
// table that it links to.
func (b *batchBuilder) add(ctx context.Context, e *model.Entity, id model.ID) error {
	if b.seen[id] {
		return nil
	}
	b.seen[id] = true
	row, err := b.tx.row(e, id)
	if err != nil {
		return err
	}
	base, pending, err := b.tx.base(e, id)
	if err != nil || !pending || row == nil {
		return err
	}
	if base == nil {
		for i, c := range e.Columns() {
			if target, ok := row[i].(model.ID); ok && c.Ref == e.Noun && target != "" {
				if err := b.add(ctx, e, target); err != nil || b.full() {
					return err
				}
			}
		}
		unborn, err := b.unborn(e, row)
		if err != nil {
			return err
		}
		if unborn {
			if err := b.tx.unsentAnew(e, row); err != nil {
				return err
			}
			return b.tx.setBase(e, id, nil, false)
		}
	}
	held, err := b.tx.heldColumns(ctx, e, id)
	if err != nil {
		return err
	}
	op := model.PushOp{Table: e.Noun, ID: id, Insert: base == nil}
	op.EditedAt, _ = row.Get(e, model.ColumnUpdatedAt).(int64)
	cols := e.Columns()
	for _, i := range model.ChangedColumns(e, base, row) {
		if held[i] {
			continue
		}
		op.Columns = append(op.Columns, cols[i].Name)
		op.Values = append(op.Values, row[i])
		if base != nil {
			op.Base = append(op.Base, base[i])
			if cols[i].Name == model.ColumnDeletedAt && row[i] != nil {
				op.Guard, _ = base.Get(e, model.ColumnVersion).(int64)
			}
		}
	}
	if op.Insert {
		for _, name := range []string{model.ColumnScope, model.ColumnCreatedAt} {
			op.Columns = append(op.Columns, name)
			op.Values = append(op.Values, row.Get(e, name))
		}
	} else if len(op.Columns) == 0 {
		return nil
	} else {
		compareLife(&op, e, base, row)
	}
	size := opSize(op)
	if len(b.out) > 0 && b.size+size > b.bytes {
		b.size = b.bytes // the next batch begins with it
		return nil
	}
	if err := b.check(e, op, row); err != nil {
		return err
	}
	b.out = append(b.out, op)
	b.size += size
	return nil
}

// compareLife lets an edit of a living row apply to a living row only: where
// somebody deleted it meanwhile, the two meet in a merge, in which the edit
// wins, instead of passing each other.
func compareLife(op *model.PushOp, e *model.Entity, base, row model.Row) {
	d, _ := e.Column(model.ColumnDeletedAt)
	if base[d] == nil && row[d] == nil {
		op.Columns = append(op.Columns, model.ColumnDeletedAt)
		op.Base = append(op.Base, nil)
		op.Values = append(op.Values, nil)
	}
}

// unborn tells whether a row that the server never had is deleted already, or
// belongs to such a record: there is nothing to send.
func (b *batchBuilder) unborn(e *model.Entity, row model.Row) (bool, error) {
	if row.Get(e, model.ColumnDeletedAt) != nil {
		return true, nil
	}
	noun, id, ok := row.OwnerOf(e)
	if !ok {
		return false, nil
	}
	oe := model.EntityOf(noun)
	owner, err := b.tx.row(oe, id)
	if err != nil || owner == nil {
		return owner == nil, err
	}
	return versionOf(oe, owner) == 0 && deleted(oe, owner), nil
}

// heldColumns returns the positions of the columns of a row's fields that wait
// for a person.
func (t *Tx) heldColumns(ctx context.Context, e *model.Entity, id model.ID) (map[int]bool, error) {
	fields, err := t.heldFields(ctx, e, id)
	if err != nil || len(fields) == 0 {
		return nil, err
	}
	held := map[int]bool{}
	for f := range fields {
		for _, i := range model.FieldColumns(e, f) {
			held[i] = true
		}
	}
	return held, nil
}

// opSize estimates the bytes of an operation in a request.
func opSize(op model.PushOp) int {
	n := 100
	for _, vs := range [][]any{op.Base, op.Values} {
		for _, v := range vs {
			n += 24
			if s, ok := v.(string); ok {
				n += len(s)
			}
		}
	}
	return n
}

// Acknowledge stores what became of a batch and forgets it, in one
// transaction. What a person changed since the batch was frozen differs from
// the new base and so stays unsent.
func (d *DB) Acknowledge(ctx context.Context, b *model.PushBatch, results []model.PushResult, at model.Position) (pushed map[model.ID]bool, clashed map[model.Noun][]model.ID, err error) {
	var looked map[recordKey]bool
	err = d.write(ctx, "acknowledge batch", func(t *Tx) error {
		pushed, clashed = map[model.ID]bool{}, map[model.Noun][]model.ID{}
		met := metIDs(b, results)
		left, err := t.heldRows(model.CodeLeft)
		if err != nil {
			return err
		}
		for i, op := range b.Ops {
			if i >= len(results) {
				break
			}
			e := model.EntityOf(op.Table)
			switch results[i].Outcome {
			case model.PushApplied:
				if op.ChecksLife() {
					continue
				}
				if leans(e, op, met) {
					clashed[op.Table] = append(clashed[op.Table], op.ID)
					continue
				}
				record, moved, err := t.sent(e, op)
				if err != nil {
					return err
				}
				pushed[record] = true
				if moved {
					clashed[op.Table] = append(clashed[op.Table], op.ID)
				}
			case model.PushClashed:
				clashed[op.Table] = append(clashed[op.Table], op.ID)
				if op.ChecksLife() {
					if err := t.wantBack(e, op.ID); err != nil {
						return err
					}
				}
			case model.PushRefused:
				if _, err := t.ExecContext(ctx, "UPDATE sync_base SET code = ?, error = ? WHERE tbl = ? AND id = ? AND code IS NOT ?",
					results[i].Code, results[i].Message, string(op.Table), op.ID.Bytes(), model.CodeLeft); err != nil {
					return err
				}
			}
		}
		if err := t.releaseLeft(ctx, left); err != nil {
			return err
		}
		looked = t.looked
		if _, err = t.ExecContext(ctx, "DELETE FROM sync_batch WHERE number = ?", b.Number); err != nil {
			return err
		}
		return t.setPosition(at)
	})
	if err == nil {
		d.pairUp(ctx, looked)
	}
	return pushed, clashed, err
}

// metIDs are the ids under which the server had a row already when a record was
// to be made: it may be another one.
func metIDs(b *model.PushBatch, results []model.PushResult) map[any]bool {
	met := map[any]bool{}
	for i, op := range b.Ops {
		if i < len(results) && results[i].Outcome == model.PushClashed && op.Insert && !model.EntityOf(op.Table).Derived {
			met[op.ID] = true
		}
	}
	return met
}

// leans tells whether an operation was applied to a row that belongs or points
// to one which may be another record than the one meant here: whose it is must
// be found out before.
func leans(e *model.Entity, op model.PushOp, met map[any]bool) bool {
	if len(met) == 0 {
		return false
	}
	for i, name := range op.Columns {
		if _, c := e.Column(name); c.Ref != "" && met[op.Values[i]] {
			return true
		}
	}
	return false
}

// sent makes the values that the server took the base of a row and returns the
// record that the row is or belongs to. moved tells that the row was heard of
// since the batch was frozen: what the server has now is not known then, for
// the answer may be that of an earlier sending, which others changed after it.
func (t *Tx) sent(e *model.Entity, op model.PushOp) (record model.ID, moved bool, err error) {
	row, err := t.row(e, op.ID)
	if err != nil || row == nil {
		return op.ID, false, err
	}
	record = op.ID
	if _, id, ok := row.OwnerOf(e); ok {
		record = id
	}
	base, pending, err := t.base(e, op.ID)
	if err != nil {
		return record, false, err
	}
	moved = base != nil && heardOf(e, op, base)
	if !pending {
		// Taken back here while it was on its way: that is a new edit.
		base = append(model.Row(nil), row...)
	} else if base == nil {
		t.look(e, nil, row)
		base = append(model.Row(nil), row...)
		for _, i := range model.ChangedColumns(e, nil, row) {
			base[i] = nil
		}
		base.Set(e, model.ColumnVersion, int64(0))
	}
	unheard := false
	for j, name := range op.Columns {
		unheard = unheard || base.Get(e, name) != op.Values[j]
		base.Set(e, name, op.Values[j])
	}
	if unheard {
		// The server has this version of the row or a later one, which the feed
		// tells. One that is put back to the version before loses this change.
		version := versionOf(e, base) + 1
		base.Set(e, model.ColumnVersion, version)
		if err := t.setVersion(e, op.ID, version); err != nil {
			return record, false, err
		}
	}
	return record, moved, t.setBase(e, op.ID, base, !model.SameData(e, row, base))
}

// heardOf tells whether a row's base holds another value than an operation was
// measured against, and another one than it brought.
func heardOf(e *model.Entity, op model.PushOp, base model.Row) bool {
	for j, name := range op.Columns {
		if _, c := e.Column(name); c.Service && name != model.ColumnDeletedAt {
			continue
		}
		if now := base.Get(e, name); now != op.Values[j] && (op.Insert || now != op.Base[j]) {
			return true
		}
	}
	return false
}

// setVersion stores the row_version of a row that is otherwise as it was.
func (t *Tx) setVersion(e *model.Entity, id model.ID, version int64) error {
	return t.exec("UPDATE "+quote(string(e.Noun))+" SET row_version = ? WHERE id = ?", version, id.Bytes())
}

// DropBatch forgets the frozen batch; its changes stay unsent.
func (d *DB) DropBatch(ctx context.Context) error {
	return d.write(ctx, "drop batch", func(t *Tx) error {
		_, err := t.ExecContext(ctx, "DELETE FROM sync_batch")
		return err
	})
}

// counter raises a counter in the state table and returns its new value.
func (t *Tx) counter(key string) (int64, error) {
	s, err := t.state(key)
	if err != nil {
		return 0, err
	}
	n, _ := strconv.ParseInt(s, 10, 64)
	n++
	return n, t.setState(key, strconv.FormatInt(n, 10))
}
