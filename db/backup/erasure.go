package backup

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"strings"

	"rapport/db/sqlite"
	"rapport/model"
)

// The ledger of erasures lies beside the backups too, one object for each
// record, so that an old backup gives nobody back who was erased after it was
// made. It holds ids only and is readable without a key.
const ledgerPrefix = "e/"

func ledgerName(x model.Erased) string {
	return ledgerPrefix + string(x.Noun) + "-" + string(x.ID) + ".json"
}

// NoteErasures writes records that were erased beside the backups of the
// workspace. Where there are none yet it does nothing.
func (b *Backuper) NoteErasures(ctx context.Context, list []model.Erased) error {
	s, err := b.store(&model.BackupRequest{})
	if err != nil {
		return err
	}
	if _, err := s.Get(ctx, repoName); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return cannotRead(s, err)
	}
	return noteErasures(ctx, s, list)
}

func noteErasures(ctx context.Context, s Store, list []model.Erased) error {
	if len(list) == 0 {
		return nil
	}
	there, err := s.List(ctx, ledgerPrefix)
	if err != nil {
		return cannotRead(s, err)
	}
	known := map[string]bool{}
	for _, o := range there {
		known[o.Key] = true
	}
	for _, x := range list {
		if known[ledgerName(x)] {
			continue
		}
		x.By = ""
		data, err := json.Marshal(x)
		if err != nil {
			return err
		}
		if err := s.PutNew(ctx, ledgerName(x), append(data, '\n')); err != nil && !errors.Is(err, fs.ErrExist) {
			return cannotWrite(s, err)
		}
	}
	return nil
}

// noteOwn writes the workspace's ledger beside its backups.
func (b *Backuper) noteOwn(ctx context.Context, s Store) error {
	list, err := b.o.DB().Erasures(ctx)
	if err != nil {
		return err
	}
	return noteErasures(ctx, s, list)
}

// readErasures reads the ledger beside the backups. The names say everything
// that a restore needs; an object that cannot be read is as good as one that
// can.
func readErasures(ctx context.Context, s Store) ([]model.Erased, error) {
	objects, err := s.List(ctx, ledgerPrefix)
	if err != nil {
		return nil, cannotRead(s, err)
	}
	var out []model.Erased
	for _, o := range objects {
		name := strings.TrimSuffix(strings.TrimPrefix(o.Key, ledgerPrefix), ".json")
		noun, text, _ := strings.Cut(name, "-")
		if id, ok := model.ParseID(text); ok && model.EntityOf(model.Noun(noun)) != nil {
			out = append(out, model.Erased{Noun: model.Noun(noun), ID: id, At: o.At})
		}
	}
	return out, nil
}

// forgetErased takes out of a restored cache, which nobody has open, what was
// erased: as the backups' place knows it, and as the workspace does that is
// about to be replaced.
func (b *Backuper) forgetErased(ctx context.Context, s Store, file string) error {
	var list []model.Erased
	if b.o.DB != nil {
		own, err := b.o.DB().Erasures(ctx)
		if err != nil {
			return err
		}
		list = own // they say who did it
	}
	beside, err := readErasures(ctx, s)
	if err != nil {
		return err
	}
	list = append(list, beside...)
	if len(list) == 0 {
		return nil
	}
	settings := b.settingsOf()
	settings.ReadOnly = false
	db, err := sqlite.Open(ctx, file, sqlite.Options{Settings: settings, Now: b.o.Now, IDs: b.o.IDs})
	if err != nil {
		return err
	}
	return errors.Join(db.TakeErasures(ctx, list), db.Close())
}
