package sqlite

import (
	"context"
	"database/sql"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"rapport/model"
)

// isMe tells whether a name of a user means the person of this workspace.
func (d *DB) isMe(n model.Noun, name string) bool {
	return n == "user" && strings.EqualFold(strings.TrimSpace(name), "me") && d.settings.Me != ""
}

// severalIDs is how many records are looked up that may be called alike: ten to
// name, and one more that tells that there are others.
const severalIDs = 11

// named returns the living records of a noun that are called so: by their
// folded title, or by an alternate name. At most severalIDs are returned.
func (d *DB) named(ctx context.Context, q querier, n model.Noun, name string) ([]model.ID, error) {
	e := model.EntityOf(n)
	if d.isMe(n, name) {
		name = d.settings.Me
		return matching(ctx, q, e, severalIDs, `"login" COLLATE NOCASE = ?`, name)
	}
	key := model.Fold(name)
	if key == "" {
		return nil, nil
	}
	ids, err := matching(ctx, q, e, severalIDs, "title_key = ?", key)
	if err != nil || len(ids) > 0 {
		return ids, err
	}
	for _, f := range e.Alternates() {
		ids, err := matching(ctx, q, e, severalIDs, quote(f.Columns()[0].Name)+" COLLATE NOCASE = ?", strings.TrimSpace(name))
		if err != nil || len(ids) > 0 {
			return ids, err
		}
	}
	return nil, nil
}

// matching returns the living records for which a condition holds, at most
// limit of them.
func matching(ctx context.Context, q querier, e *model.Entity, limit int, where string, args ...any) ([]model.ID, error) {
	return scanIDs(q.QueryContext(ctx, "SELECT id\nFROM "+quote(string(e.Noun))+"\nWHERE "+where+" AND deleted_at IS NULL\nLIMIT "+strconv.Itoa(limit), args...))
}

// scanIDs reads the rows of a query for ids to their end.
func scanIDs(rows *sql.Rows, err error) ([]model.ID, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []model.ID
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			return nil, err
		}
		out = append(out, model.IDFromBytes(b))
	}
	return out, rows.Err()
}

// Find resolves an id, a shortened id or an unambiguous name.
func (d *DB) Find(ctx context.Context, n model.Noun, ref string) (model.ID, error) {
	e := model.EntityOf(n)
	if e == nil || e.IsPart() && e.Name == nil {
		return "", model.Errorf(model.Invalid, "there is no noun %q", n)
	}
	if id, ok := model.ParseID(strings.TrimSpace(ref)); ok {
		var one int
		err := d.read().QueryRowContext(ctx, "SELECT 1 FROM "+quote(string(e.Noun))+" WHERE id = ?", id.Bytes()).Scan(&one)
		if err == nil {
			return id, nil
		}
		if notNoRows(err) != nil {
			return "", mapError("find", err)
		}
		return "", model.Errorf(model.NotFound, "there is no %s %s", e.Noun, id)
	}
	ids, err := d.named(ctx, d.read(), e.Noun, ref)
	if err != nil {
		return "", mapError("find", err)
	}
	if len(ids) == 0 {
		if ids, err = d.shortened(ctx, e, strings.ToLower(strings.TrimSpace(ref))); err != nil {
			return "", mapError("find", err)
		}
	}
	return d.only(ctx, d.read(), e, ref, ids)
}

// only returns the one id, or an error that says what is wrong with none or
// several.
func (d *DB) only(ctx context.Context, q querier, e *model.Entity, ref string, ids []model.ID) (model.ID, error) {
	switch len(ids) {
	case 1:
		return ids[0], nil
	case 0:
		return "", model.Errorf(model.NotFound, "there is no %s %q", e.Noun, ref)
	}
	names := map[recordKey]string{}
	for _, id := range ids {
		names[recordKey{e.Noun, id}] = ""
	}
	if err := titles(ctx, q, names); err != nil {
		return "", err
	}
	var list []string
	for _, id := range ids {
		list = append(list, string(id)+" "+model.Visible(names[recordKey{e.Noun, id}]))
	}
	if len(list) > 10 {
		list = append(list[:10], "…")
	}
	return "", model.Errorf(model.Ambiguous, "%q fits several %s", ref, e.Plural).WithHint("name one by its id: %s", strings.Join(list, ", "))
}

// shortened returns the records whose id begins or ends with 8 or more of its
// characters. A beginning is a range of the index; an ending reads the index.
func (d *DB) shortened(ctx context.Context, e *model.Entity, ref string) ([]model.ID, error) {
	digits := strings.ReplaceAll(ref, "-", "")
	if len(digits) < 8 || len(digits) > 32 || strings.Trim(digits, "0123456789abcdef") != "" {
		return nil, nil
	}
	low, _ := hex.DecodeString(digits + strings.Repeat("0", 32-len(digits)))
	high, _ := hex.DecodeString(digits + strings.Repeat("f", 32-len(digits)))
	tail, _ := hex.DecodeString(digits[len(digits)%2:])
	table := quote(string(e.Noun))
	ids, err := scanIDs(d.read().QueryContext(ctx, "SELECT id FROM "+table+" WHERE id BETWEEN ? AND ?\nUNION\nSELECT id FROM "+table+" WHERE substr(id, ?) = ?\nLIMIT "+strconv.Itoa(severalIDs),
		low, high, -len(tail), tail))
	return slices.DeleteFunc(ids, func(id model.ID) bool {
		all := strings.ReplaceAll(string(id), "-", "")
		return !strings.HasPrefix(all, digits) && !strings.HasSuffix(all, digits)
	}), err
}
