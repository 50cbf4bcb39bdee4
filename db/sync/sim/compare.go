package sim

import (
	"context"
	"slices"

	"rapport/model"
)

// surveyed are the nouns of which a survey gives rows.
var surveyed = []model.Noun{"user", "pipeline", "stage", "organization", "contact", "deal"}

// Survey counts the rows of every table and gives some of them.
func (c *conn) Survey(_ context.Context, each func(model.Noun, model.Row) error) (map[model.Noun]int64, error) {
	if err := c.request(); err != nil {
		return nil, err
	}
	totals := map[model.Noun]int64{}
	for n := range c.server.tables {
		totals[n] = int64(len(c.server.visible(c.person, n)))
	}
	me := model.ID("")
	for _, row := range c.server.sorted("user") {
		if row.Get(model.EntityOf("user"), "login") == c.person {
			me = row.ID()
		}
	}
	for _, n := range surveyed {
		e := model.EntityOf(n)
		owned, _ := e.Column("owner_id")
		for _, row := range c.server.visible(c.person, n) {
			if row.Get(e, model.ColumnDeletedAt) != nil || owned >= 0 && (me == "" || row[owned] != me) {
				continue
			}
			if err := each(n, row); err != nil {
				return totals, err
			}
		}
	}
	return totals, nil
}

// hasher returns what hashes the rows of a table, and its columns.
func hasher(e *model.Entity) (*model.RowHasher, []string) {
	var columns []string
	for _, col := range e.Columns() {
		columns = append(columns, col.Name)
	}
	return model.NewRowHasher(e, columns), columns
}

// Digest sums up tables.
func (c *conn) Digest(_ context.Context, bits map[model.Noun]int) (map[model.Noun]model.Digest, error) {
	if err := c.request(); err != nil {
		return nil, err
	}
	out := map[model.Noun]model.Digest{}
	for n, size := range bits {
		h, columns := hasher(model.EntityOf(n))
		d := model.Digest{Columns: columns, Buckets: map[uint32]model.Bucket{}}
		for _, row := range c.server.visible(c.person, n) {
			at := model.BucketOf(row.ID(), size)
			b := d.Buckets[at]
			b.Rows++
			b.Hash ^= h.Hash(row)
			d.Buckets[at] = b
		}
		out[n] = d
	}
	return out, nil
}

// RowHashes returns the hash of every row in some buckets.
func (c *conn) RowHashes(_ context.Context, bits map[model.Noun]int, buckets map[model.Noun][]uint32) (map[model.Noun]map[model.ID]uint64, error) {
	if err := c.request(); err != nil {
		return nil, err
	}
	out := map[model.Noun]map[model.ID]uint64{}
	for n, list := range buckets {
		h, _ := hasher(model.EntityOf(n))
		out[n] = map[model.ID]uint64{}
		for _, row := range c.server.visible(c.person, n) {
			if slices.Contains(list, model.BucketOf(row.ID(), bits[n])) {
				out[n][row.ID()] = h.Hash(row)
			}
		}
	}
	return out, nil
}
