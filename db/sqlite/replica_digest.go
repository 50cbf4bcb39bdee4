package sqlite

import (
	"context"
	"database/sql"
	"strconv"
	"time"

	"rapport/model"
)

// stateCompare is when every row is compared with the central's next.
const stateCompare = "compare_at"

// NextCompare returns when every row is to be compared with the central's;
// the zero time where that was never said.
func (d *DB) NextCompare(ctx context.Context) (time.Time, error) {
	s, err := d.readState(ctx, stateCompare)
	if s == "" || err != nil {
		return time.Time{}, err
	}
	ms, _ := strconv.ParseInt(s, 10, 64)
	return time.UnixMilli(ms), nil
}

// SetNextCompare stores when every row is compared next.
func (d *DB) SetNextCompare(ctx context.Context, at time.Time) error {
	return d.write(ctx, "store the next comparison", func(t *Tx) error {
		return t.setState(stateCompare, strconv.FormatInt(at.UnixMilli(), 10))
	})
}

// Sizes counts the rows of every synced table.
func (d *DB) Sizes(ctx context.Context) (map[model.Noun]int64, error) {
	out := map[model.Noun]int64{}
	for _, e := range model.Entities() {
		var n int64
		if err := d.read().QueryRowContext(ctx, "SELECT count(*) FROM "+quote(string(e.Noun))).Scan(&n); err != nil {
			return nil, mapError("count rows", err)
		}
		out[e.Noun] = n
	}
	return out, nil
}

// Digest sums up the rows of a table as the central is known to have them.
func (d *DB) Digest(ctx context.Context, n model.Noun, bits int, columns []string) (model.Digest, error) {
	out := model.Digest{Columns: columns, Buckets: map[uint32]model.Bucket{}}
	e := model.EntityOf(n)
	h := model.NewRowHasher(e, columns)
	err := d.eachKnown(ctx, e, func(row model.Row) {
		at := model.BucketOf(row.ID(), bits)
		b := out.Buckets[at]
		b.Rows++
		b.Hash ^= h.Hash(row)
		out.Buckets[at] = b
	})
	return out, err
}

// RowHashes returns the hash of every row in some buckets of a table.
func (d *DB) RowHashes(ctx context.Context, n model.Noun, bits int, columns []string, buckets []uint32) (map[model.ID]uint64, error) {
	wanted := make(map[uint32]bool, len(buckets))
	for _, b := range buckets {
		wanted[b] = true
	}
	out := map[model.ID]uint64{}
	e := model.EntityOf(n)
	h := model.NewRowHasher(e, columns)
	err := d.eachKnown(ctx, e, func(row model.Row) {
		if wanted[model.BucketOf(row.ID(), bits)] {
			out[row.ID()] = h.Hash(row)
		}
	})
	return out, err
}

// eachKnown gives every row that the central had when it was last heard: what
// is edited here as it was before, what was made here and what lies in the bin
// alone not at all.
func (d *DB) eachKnown(ctx context.Context, e *model.Entity, each func(model.Row)) error {
	bases, err := d.bases(ctx, e)
	if err != nil {
		return mapError("compare", err)
	}
	rows, err := d.read().QueryContext(ctx, "SELECT "+planOf(e).list+"\nFROM "+quote(string(e.Noun))+"\nWHERE row_version > 0")
	if err != nil {
		return mapError("compare", err)
	}
	for rows.Next() {
		var row model.Row
		if row, err = scanRow(e, rows); err != nil {
			break
		}
		if base, pending := bases[row.ID()]; pending {
			row = base
		}
		if row != nil {
			each(row)
		}
	}
	return mapError("compare", closeRows(rows, err))
}

// bases returns what the server last said about the rows of a table that have
// unsent edits; nil for those that were made here.
func (d *DB) bases(ctx context.Context, e *model.Entity) (map[model.ID]model.Row, error) {
	rows, err := d.read().QueryContext(ctx, "SELECT id, base, columns FROM sync_base WHERE tbl = ?", string(e.Noun))
	if err != nil {
		return nil, err
	}
	out := map[model.ID]model.Row{}
	for rows.Next() {
		var id []byte
		var data, names sql.NullString
		if err = rows.Scan(&id, &data, &names); err != nil {
			break
		}
		var base model.Row
		if base, err = decodeBase(e, data, names); err != nil {
			break
		}
		out[model.IDFromBytes(id)] = base
	}
	return out, closeRows(rows, err)
}
