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
	Mode model.LoadMode
	At   model.Position
	// Track is true where the workspace met the server before: then the ids
	// that arrive are noted, so that those that do not can be told at the
	// end.
	Track bool
}

// BeginLoad prepares a load, or goes on with one that was interrupted. While
// one is under way the workspace counts as not loaded, so a first load is
// asked for then: what is left to do is told by the load that was begun.
func (d *DB) BeginLoad(ctx context.Context, mode model.LoadMode, at model.Position) error {
	return d.write(ctx, "begin load", func(t *Tx) error {
		p, err := t.loadPlan()
		if err != nil {
			return err
		}
		begun := p != nil && (mode == p.Mode || mode == model.FirstLoad)
		if begun && p.At.Epoch == at.Epoch && p.At.Seq <= at.Seq {
			return nil
		}
		return t.startLoad(&loadPlan{Mode: mode, At: at, Track: mode != model.FirstLoad})
	})
}

// startLoad makes a load the one under way, from its beginning. While it runs
// the position is that of its beginning, so that an interrupted one is
// recognised.
func (t *Tx) startLoad(p *loadPlan) error {
	for _, q := range []string{"DELETE FROM load_state", "DELETE FROM load_seen"} {
		if err := t.exec(q); err != nil {
			return err
		}
	}
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := t.setState(stateLoad, string(data)); err != nil {
		return err
	}
	p.At.Loaded = false
	return t.setPosition(p.At)
}

// loadAgain makes the next sync compare every row with the server's, because
// the file grew: rows that were pulled before lack what the server had in the
// new columns and tables. The feed is followed from where it was left.
func (t *Tx) loadAgain() error {
	p, err := t.loadPlan()
	if err != nil {
		return err
	}
	if p == nil {
		at, err := t.position()
		if err != nil || at.Epoch == "" {
			return err
		}
		p = &loadPlan{Mode: model.RefreshLoad, At: at, Track: true}
	}
	return t.startLoad(p)
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
		a.loading, a.offer = true, p.Mode == model.ForkLoad
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
			if p.Track {
				if err := t.exec("INSERT OR IGNORE INTO load_seen (tbl, id) VALUES (?, ?)", string(n), row.ID().Bytes()); err != nil {
					return err
				}
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

// FinishLoad settles the rows that the server did not send and stores the
// position at which the load began, from which the feed is then followed.
func (d *DB) FinishLoad(ctx context.Context) (model.ApplyResult, error) {
	var res model.ApplyResult
	err := d.write(ctx, "finish load", func(t *Tx) error {
		p, err := t.loadPlan()
		if err != nil || p == nil {
			return errors.Join(err, errNoLoad(p))
		}
		a := newApplier(t)
		if p.Track {
			if err := a.unseen(ctx, p.Mode); err != nil {
				return err
			}
		}
		for _, q := range []string{"DELETE FROM load_state", "DELETE FROM load_seen"} {
			if _, err := t.ExecContext(ctx, q); err != nil {
				return err
			}
		}
		res = a.res
		p.At.Loaded = true
		if err := t.setPosition(p.At); err != nil {
			return err
		}
		return t.setState(stateLoad, "")
	})
	return res, err
}

// unseen settles the rows that the server had once and did not send. After a
// fork it lost them: they are offered again. Else they are gone, like a row
// that the feed says is deleted.
func (a *applier) unseen(ctx context.Context, mode model.LoadMode) error {
	entities := model.Entities()
	for i := len(entities) - 1; i >= 0; i-- { // parts before their owners
		e := entities[i]
		ids, err := a.tx.unseenIDs(ctx, e)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if mode != model.ForkLoad {
				if err := a.takeOut(ctx, e, model.FeedEntry{Table: e.Noun, ID: id, Op: model.FeedDelete}); err != nil {
					return err
				}
				continue
			}
			row, err := a.tx.row(e, id)
			if err != nil || row == nil {
				return err
			}
			if deleted(e, row) {
				continue
			}
			if err := a.tx.setVersion(e, id, 0); err != nil {
				return err
			}
			if err := a.tx.setBase(e, id, nil, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// unseenIDs returns the rows of a table that the server had once and that did
// not arrive in this load.
func (t *Tx) unseenIDs(ctx context.Context, e *model.Entity) ([]model.ID, error) {
	return scanIDs(t.QueryContext(ctx, "SELECT id FROM "+quote(string(e.Noun))+" AS x WHERE row_version > 0 AND NOT EXISTS (SELECT 1 FROM load_seen WHERE tbl = ? AND load_seen.id = x.id)",
		string(e.Noun)))
}
