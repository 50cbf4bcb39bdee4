package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"rapport/model"
)

// loadPlan is what BeginLoad keeps about the load that is under way.
type loadPlan struct {
	At model.Position
}

// BeginLoad prepares the first load, or goes on with one that was interrupted.
// While it runs the position is that of its beginning.
func (d *DB) BeginLoad(ctx context.Context, at model.Position) error {
	return d.write(ctx, "begin load", func(t *Tx) error {
		p, err := t.loadPlan()
		if err != nil {
			return err
		}
		if p != nil && p.At.Epoch == at.Epoch && p.At.Access == at.Access && p.At.Seq <= at.Seq {
			return nil
		}
		if err := t.exec("DELETE FROM load_state"); err != nil {
			return err
		}
		data, err := json.Marshal(loadPlan{At: at})
		if err != nil {
			return err
		}
		if err := t.setState(stateLoad, string(data)); err != nil {
			return err
		}
		at.Loaded = false
		return t.setPosition(at)
	})
}

// compareSoon makes the next sync compare every row with the server's, because
// the file grew: rows that were pulled before lack what the server had in the
// new columns and tables. The feed is followed from where it was left.
func (t *Tx) compareSoon() error {
	at, err := t.position()
	if err != nil || at.Epoch == "" {
		return err
	}
	return t.setState(stateCompare, "1")
}

func (t *Tx) loadPlan() (*loadPlan, error) {
	s, err := t.state(stateLoad)
	if s == "" || err != nil {
		return nil, err
	}
	var p loadPlan
	return &p, json.Unmarshal([]byte(s), &p)
}

// LoadedTo returns how far the load of a table came.
func (d *DB) LoadedTo(ctx context.Context, n model.Noun) (after model.ID, done bool, err error) {
	var id []byte
	err = notNoRows(d.read().QueryRowContext(ctx, "SELECT after, done FROM load_state WHERE tbl = ?", string(n)).Scan(&id, &done))
	return model.IDFromBytes(id), done, mapError("read load state", err)
}

// Load merges rows of a load and stores how far it came, in one transaction.
func (d *DB) Load(ctx context.Context, n model.Noun, rows []model.Row, after model.ID, done bool) (model.ApplyResult, error) {
	var res model.ApplyResult
	err := d.write(ctx, "load rows", func(t *Tx) error {
		p, err := t.loadPlan()
		if err != nil || p == nil {
			return errors.Join(err, errNoLoad(p))
		}
		e := model.EntityOf(n)
		a := newApplier(t)
		a.loading = true
		for _, row := range rows {
			if e.IsPart() {
				orphan, err := t.orphan(e, row)
				if err != nil {
					return err
				}
				if orphan {
					continue // its owner changed scope or went since; the feed tells
				}
			}
			if err := a.row(ctx, e, row); err != nil {
				return err
			}
		}
		res = a.res
		return t.exec("INSERT INTO load_state (tbl, after, done) VALUES (?, ?, ?) ON CONFLICT (tbl) DO UPDATE SET after = excluded.after, done = excluded.done",
			string(n), after.Bytes(), done)
	})
	return res, err
}

func errNoLoad(p *loadPlan) error {
	if p == nil {
		return errors.New("no load was begun")
	}
	return nil
}

// orphan tells whether a part's owner is not here.
func (t *Tx) orphan(e *model.Entity, row model.Row) (bool, error) {
	n, id, ok := row.OwnerOf(e)
	if !ok {
		return true, nil
	}
	var one int
	err := t.QueryRow("SELECT 1 FROM "+quote(string(n))+" WHERE id = ?", id.Bytes()).Scan(&one)
	return errors.Is(err, sql.ErrNoRows), notNoRows(err)
}

// FinishLoad stores the position at which the load began, from which the feed
// is then followed.
func (d *DB) FinishLoad(ctx context.Context) (model.ApplyResult, error) {
	err := d.write(ctx, "finish load", func(t *Tx) error {
		p, err := t.loadPlan()
		if err != nil || p == nil {
			return errors.Join(err, errNoLoad(p))
		}
		if err := t.exec("DELETE FROM load_state"); err != nil {
			return err
		}
		p.At.Loaded = true
		if err := t.setPosition(p.At); err != nil {
			return err
		}
		return t.setState(stateLoad, "")
	})
	return model.ApplyResult{}, err
}
