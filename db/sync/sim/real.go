package sim

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rapport/db/mysql"
	"rapport/model"
)

// Real is a site on a server: a database of its own, with a pool on it as
// other programs have one. It serves one simulation at a time.
type Real struct {
	DB  *sql.DB
	URL string // the central's, for the laptops

	reader *mysql.Central
}

var (
	_ site   = (*Real)(nil)
	_ writer = (*realTx)(nil)
)

// RunReal runs the schedule of a seed on a real central, which is emptied
// first. The schedule must be a portable one.
func RunReal(ctx context.Context, c Config, r *Real) (Report, error) {
	if err := r.reset(ctx); err != nil {
		return Report{}, err
	}
	c.Portable = true
	rep, err := play(ctx, c, Plan(c), func(*World) (site, error) { return r, nil })
	if r.reader != nil {
		err = errors.Join(err, r.reader.Close())
		r.reader = nil
	}
	return rep, err
}

// reset makes the database as it was after its making.
func (r *Real) reset(ctx context.Context) error {
	if _, err := mysql.Init(ctx, r.URL); err != nil {
		return err
	}
	q := []string{"SET foreign_key_checks=0"}
	for _, e := range model.Entities() {
		q = append(q, "TRUNCATE TABLE `"+string(e.Noun)+"`")
	}
	for _, t := range []string{"outbox", "feed", "run", "push", "client", "audit"} {
		q = append(q, "TRUNCATE TABLE sync_"+t)
	}
	q = append(q, "UPDATE sync_counter SET seq=0, run_id=0", "UPDATE sync_meta SET min_seq=0, epoch=UUID()", "SET foreign_key_checks=1")
	if err := r.exec(ctx, q...); err != nil {
		return err
	}
	_, err := mysql.Init(ctx, r.URL)
	return err
}

// exec runs statements on one connection.
func (r *Real) exec(ctx context.Context, statements ...string) error {
	conn, err := r.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, q := range statements {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("%s: %w", q, err)
		}
	}
	return nil
}

// dial logs in as an account that reaches the tables by plain statements alone,
// as on a server without procedures: those set the session by themselves.
func (r *Real) dial(ctx context.Context, _ string) (model.Central, error) {
	c, err := mysql.Dial(ctx, r.URL, mysql.DialOptions{Way: mysql.WayPlain})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// table reads over a connection that is kept, for it is read often.
func (r *Real) table(ctx context.Context, n model.Noun) (map[model.ID]model.Row, error) {
	if r.reader == nil {
		c, err := mysql.Dial(ctx, r.URL, mysql.DialOptions{})
		if err != nil {
			return nil, err
		}
		r.reader = c
	}
	out := map[model.ID]model.Row{}
	err := r.reader.Load(ctx, n, "", func(row model.Row) error {
		out[row.ID()] = slices.Clone(row)
		return nil
	})
	return out, err
}

// arrivals reads the central's history.
func (r *Real) arrivals(ctx context.Context) (map[arrival]int, error) {
	rows, err := r.DB.QueryContext(ctx, "SELECT tbl, pk, changes FROM sync_audit WHERE action <> 'delete'")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[arrival]int{}
	for rows.Next() {
		var table, changes string
		var pk []byte
		if err := rows.Scan(&table, &pk, &changes); err != nil {
			return nil, err
		}
		pairs := map[string][]any{}
		dec := json.NewDecoder(strings.NewReader(changes))
		dec.UseNumber()
		if err := dec.Decode(&pairs); err != nil {
			return nil, fmt.Errorf("history of %s: %w", table, err)
		}
		for column, pair := range pairs {
			for i, v := range pair {
				if n, ok := v.(json.Number); ok {
					pair[i], _ = n.Int64()
				}
			}
			from, _ := tokenOf(pair[0])
			if s, ok := tokenOf(pair[1]); ok {
				out[arrival{rowKey{model.Noun(table), model.IDFromBytes(pk)}, column, from, s}]++
			}
		}
	}
	return out, rows.Err()
}

// forbid sets a trigger of the administrator that refuses a text.
func (r *Real) forbid(prefix string) error {
	var q []string
	for _, event := range []string{"insert", "update"} {
		q = append(q, "DROP TRIGGER IF EXISTS sim_forbids_"+event)
		if prefix != "" {
			q = append(q, fmt.Sprintf("CREATE TRIGGER sim_forbids_%[1]s BEFORE %[1]s ON contact FOR EACH ROW BEGIN"+
				" IF LEFT(NEW.status, CHAR_LENGTH('%[2]s')) = '%[2]s' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'that is forbidden here'; END IF; END", event, prefix))
		}
	}
	return r.exec(context.Background(), q...)
}

func (r *Real) purge(keep int64) error {
	return r.exec(context.Background(),
		fmt.Sprintf("UPDATE sync_meta SET min_seq=GREATEST(min_seq, (SELECT seq-%d FROM sync_counter))", keep),
		"DELETE FROM sync_feed WHERE seq <= (SELECT min_seq FROM sync_meta)")
}

func (r *Real) sizes(ctx context.Context) (outbox, feed int64, err error) {
	err = r.DB.QueryRowContext(ctx, "SELECT (SELECT COUNT(*) FROM sync_outbox), (SELECT COUNT(*) FROM sync_feed)").Scan(&outbox, &feed)
	return outbox, feed, err
}

// begin begins a transaction that does not wait for the locks of others, as
// far as the server can do without.
func (r *Real) begin() (writer, error) {
	ctx := context.Background()
	conn, err := r.DB.Conn(ctx)
	if err != nil {
		return nil, err
	}
	// Read committed, for else a writer also locks the gaps beside its rows,
	// in which people make theirs: the server in memory has no gaps.
	for _, q := range []string{"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", "SET time_zone='+00:00', innodb_lock_wait_timeout=1/*M!100300 , innodb_lock_wait_timeout=0*/", "START TRANSACTION"} {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			conn.Close()
			return nil, fmt.Errorf("%s: %w", q, err)
		}
	}
	return &realTx{conn: conn}, nil
}

// realTx is a transaction of another program on a real server.
type realTx struct{ conn *sql.Conn }

// Ended tells whether the transaction is over.
func (t *realTx) Ended() bool { return t.conn == nil }

func (t *realTx) end(statement string) {
	if t.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	// A connection that broke ends its transaction by itself.
	_, _ = t.conn.ExecContext(ctx, statement)
	t.conn.Close()
	t.conn = nil
}

// Commit shows what the transaction wrote.
func (t *realTx) Commit() { t.end("COMMIT") }

// Rollback takes it back.
func (t *realTx) Rollback() { t.end("ROLLBACK") }

// run runs a statement. What stands in a writer's way is busy, as in memory.
func (t *realTx) run(q string, args ...any) error {
	if t.conn == nil {
		return errBusy
	}
	_, err := t.conn.ExecContext(context.Background(), q, args...)
	if err != nil {
		return model.Errorf(model.Unreachable, "the statement of another program failed").Because(err)
	}
	return nil
}

// assignments writes columns with their values as SQL has them. The columns
// are those of the declaration.
func assignments(n model.Noun, set map[string]any) (columns []string, values []any) {
	e := model.EntityOf(n)
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if at, _ := e.Column(name); at < 0 {
			continue
		}
		columns = append(columns, "`"+name+"`")
		if id, ok := set[name].(model.ID); ok {
			values = append(values, id.Bytes())
		} else {
			values = append(values, set[name])
		}
	}
	return columns, values
}

// Insert makes a row.
func (t *realTx) Insert(n model.Noun, id model.ID, set map[string]any) error {
	columns, values := assignments(n, set)
	marks := strings.Repeat(", ?", len(columns))
	return t.run("INSERT INTO `"+string(n)+"` (id, "+strings.Join(columns, ", ")+") VALUES (?"+marks+")", append([]any{id.Bytes()}, values...)...)
}

// Update changes columns of a row.
func (t *realTx) Update(n model.Noun, id model.ID, set map[string]any) error {
	columns, values := assignments(n, set)
	q := "UPDATE `" + string(n) + "` SET id = id"
	for _, c := range columns {
		q += ", " + c + " = ?"
	}
	return t.run(q+" WHERE id = ?", append(values, id.Bytes())...)
}

// Delete removes a row for good.
func (t *realTx) Delete(n model.Noun, id model.ID) error {
	return t.run("DELETE FROM `"+string(n)+"` WHERE id = ?", id.Bytes())
}
