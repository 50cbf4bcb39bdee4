package mysql

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"rapport/model"
)

// hashSQL is the hash of a row as text: the first eight bytes of the MD5 of its
// columns. model.RowHasher makes the same of a row in a workspace. The columns
// are set apart by a text that means nothing to the server.
func hashSQL(columns []model.Column, apart string) string {
	parts := make([]string, len(columns))
	for i, c := range columns {
		n := ident(c.Name)
		switch c.Type {
		case model.ColID:
			n = "HEX(" + n + ")"
		case model.ColText:
			n = "CONVERT(" + n + " USING utf8mb4)"
		case model.ColLong:
			n = "MD5(CONVERT(" + n + " USING utf8mb4))"
		default:
			n = "CAST(" + n + " AS CHAR)"
		}
		parts[i] = "IFNULL(" + n + ",X'00')"
	}
	return "LEFT(MD5(CONCAT_WS(X'1F'" + apart + "," + strings.Join(parts, apart+",") + apart + ")),16)"
}

// bucketSQL is the bucket of a row among 1<<bits.
func bucketSQL(bits int) string { return fmt.Sprintf("(CRC32(id)>>%d)", 32-bits) }

// Digest sums up the tables that bits names, each in 1<<bits buckets.
func (c *Central) Digest(ctx context.Context, bits map[model.Noun]int) (out map[model.Noun]model.Digest, err error) {
	err = c.read(ctx, func() error {
		out, err = c.digest(ctx, bits)
		return err
	})
	return out, err
}

func (c *Central) digest(ctx context.Context, bits map[model.Noun]int) (map[model.Noun]model.Digest, error) {
	if c.calls() {
		return c.callDigest(ctx, bits)
	}
	out := map[model.Noun]model.Digest{}
	var q []string
	var nouns []model.Noun
	for _, e := range model.Entities() {
		n, asked := bits[e.Noun]
		if !asked || !c.has(e) {
			continue
		}
		r := c.reader(e)
		d := model.Digest{Buckets: map[uint32]model.Bucket{}}
		for _, col := range r.columns {
			d.Columns = append(d.Columns, col.Name)
		}
		out[e.Noun], nouns = d, append(nouns, e.Noun)
		q = append(q, fmt.Sprintf("SELECT n,COUNT(*),BIT_XOR(CAST(CONV(h,16,10) AS UNSIGNED)) FROM (SELECT %s AS n,%s AS h FROM %s) r GROUP BY n",
			bucketSQL(n), hashSQL(r.columns, ""), ident(string(e.Noun))))
	}
	if len(q) == 0 {
		return out, nil
	}
	err := c.query(ctx, strings.Join(q, ";"), func(set int, v []driver.Value) error {
		n, b, err := bucket(v)
		out[nouns[set]].Buckets[n] = b
		return err
	})
	return out, mapError("compare", err)
}

// bucket reads a row of a digest.
func bucket(v []driver.Value) (n uint32, b model.Bucket, err error) {
	number, err := strconv.ParseUint(asText(v[0]), 10, 32)
	if err != nil {
		return 0, b, err
	}
	if b.Rows, err = strconv.ParseInt(asText(v[1]), 10, 64); err != nil {
		return 0, b, err
	}
	b.Hash, err = strconv.ParseUint(asText(v[2]), 10, 64)
	return uint32(number), b, err
}

// RowHashes returns the hash of every row in some buckets of tables.
func (c *Central) RowHashes(ctx context.Context, bits map[model.Noun]int, buckets map[model.Noun][]uint32) (out map[model.Noun]map[model.ID]uint64, err error) {
	err = c.read(ctx, func() error {
		out, err = c.rowHashes(ctx, bits, buckets)
		return err
	})
	return out, err
}

func (c *Central) rowHashes(ctx context.Context, bits map[model.Noun]int, buckets map[model.Noun][]uint32) (map[model.Noun]map[model.ID]uint64, error) {
	if c.calls() {
		return c.callHashes(ctx, bits, buckets)
	}
	out := map[model.Noun]map[model.ID]uint64{}
	var q []string
	var nouns []model.Noun
	for _, e := range model.Entities() {
		if len(buckets[e.Noun]) == 0 || !c.has(e) {
			continue
		}
		out[e.Noun], nouns = map[model.ID]uint64{}, append(nouns, e.Noun)
		q = append(q, fmt.Sprintf("SELECT id,UNHEX(%s) FROM %s WHERE %s IN (%s)",
			hashSQL(c.reader(e).columns, ""), ident(string(e.Noun)), bucketSQL(bits[e.Noun]), numberList(buckets[e.Noun])))
	}
	if len(q) == 0 {
		return out, nil
	}
	err := c.query(ctx, strings.Join(q, ";"), func(set int, v []driver.Value) error {
		id, _ := v[0].([]byte)
		hash, _ := v[1].([]byte)
		if len(hash) == 8 {
			out[nouns[set]][model.IDFromBytes(id)] = binary.BigEndian.Uint64(hash)
		}
		return nil
	})
	return out, mapError("compare", err)
}

func numberList(list []uint32) string {
	list = slices.Clone(list)
	slices.Sort(list)
	var b strings.Builder
	for i, n := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatUint(uint64(n), 10))
	}
	return b.String()
}

// Limits of a survey: records of each noun, and seconds that the server may
// count.
const surveyed = 500

// Survey prepares a first load in one request: it counts the rows of every
// table and gives each the rows that the person works with, so that these can
// be used before the tables have come.
func (c *Central) Survey(ctx context.Context, each func(model.Noun, model.Row) error) (totals map[model.Noun]int64, err error) {
	err = c.read(ctx, func() error {
		totals, err = c.survey(ctx, each)
		return err
	})
	return totals, err
}

func (c *Central) survey(ctx context.Context, each func(model.Noun, model.Row) error) (map[model.Noun]int64, error) {
	if c.calls() {
		return c.callSurvey(ctx, each)
	}
	var counts, q []string
	var counted []model.Noun
	var readers []*reader
	for _, e := range model.Entities() {
		if c.has(e) {
			counted = append(counted, e.Noun)
			counts = append(counts, "(SELECT COUNT(*) FROM "+ident(string(e.Noun))+")")
		}
	}
	q = append(q, "SELECT CONCAT_WS(',',"+strings.Join(counts, ",")+")")
	for _, noun := range surveyNouns {
		e := model.EntityOf(noun)
		if !c.has(e) {
			continue
		}
		r := c.reader(e)
		where := "deleted_at IS NULL"
		if _, owned := e.Column("owner_id"); owned.Name != "" {
			where += " AND owner_id=(SELECT id FROM user WHERE login=" + personSQL + " AND deleted_at IS NULL LIMIT 1)"
		}
		if noun == "deal" {
			where += " AND stage_id IN (SELECT id FROM stage WHERE kind='open')"
		}
		readers = append(readers, r)
		q = append(q, fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY updated_at DESC LIMIT %d", r.list(""), ident(string(noun)), where, surveyed))
	}
	totals := map[model.Noun]int64{}
	var failed error
	err := c.query(ctx, strings.Join(q, ";"), func(set int, v []driver.Value) error {
		if set > 0 {
			r := readers[set-1]
			failed = each(r.entity.Noun, r.row(v))
			return failed
		}
		for i, s := range strings.Split(asText(v[0]), ",") {
			if n, err := strconv.ParseInt(s, 10, 64); err == nil && i < len(counted) {
				totals[counted[i]] = n
			}
		}
		return nil
	})
	if failed != nil {
		return totals, failed
	}
	return totals, mapError("survey", err)
}
