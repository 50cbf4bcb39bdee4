package backup

import (
	"context"

	"rapport/model"
)

// VerifyBackup reads a whole backup, and those that it needs, and proves them
// against their manifests: every hash, every count, every row. Damage is
// Corrupt and named.
func (b *Backuper) VerifyBackup(ctx context.Context, req model.BackupRequest, n model.Notify) (model.BackupInfo, error) {
	s, err := b.store(&req)
	if err != nil {
		return model.BackupInfo{}, err
	}
	k, err := readKeys(req.Identity)
	if err != nil {
		return model.BackupInfo{}, err
	}
	list, err := entries(ctx, s)
	if err != nil {
		return model.BackupInfo{}, err
	}
	e, err := pick(s, list, req.ID, false)
	if err != nil {
		return model.BackupInfo{}, err
	}
	c, err := openChain(ctx, s, k, list, e)
	if err == nil {
		err = c.prove(ctx, n)
	}
	if err != nil {
		e.info.Verified, e.info.Problem = false, messageOf(err)
		return e.info, err
	}
	return e.info, nil
}

// prove reads every row of every backup of the chain.
func (c *chain) prove(ctx context.Context, n model.Notify) error {
	var total, done int64
	for _, l := range c.links {
		total += l.m.Rows
	}
	for _, l := range c.links {
		var rows int64
		for i := range l.m.Tables {
			te := &l.m.Tables[i]
			for _, what := range []set{te.rowSet(), te.goneSet()} {
				err := readSet(ctx, c.store, l.place, c.keys, what, func([]byte, []any) error {
					if rows++; (done+rows)%10000 == 0 {
						n.Tell("verifying", done+rows, total)
					}
					return nil
				})
				if err != nil {
					return err
				}
			}
		}
		if done += rows; rows != l.m.Rows {
			return damaged(l.place, manifestName, "the tables do not have the rows it tells")
		}
	}
	return nil
}
