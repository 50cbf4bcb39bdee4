package backup

import (
	"bytes"
	"context"
	"errors"
	"io/fs"

	"rapport/model"
)

// Probe tries out what a store lets this key do, with an object of its own that
// it takes away again where it may. A right that is missing is part of the
// answer; an error means that the store could not be asked, or cannot be
// written at all.
func Probe(ctx context.Context, s Store, id model.ID) (model.BackupTarget, error) {
	t := model.BackupTarget{Address: s.String()}
	key, content := "l/probe-"+string(id), []byte("rapport probe "+string(id)+"\n")
	// denied takes a refusal as an answer.
	denied := func(err error) error {
		if mayNot(err) {
			return nil
		}
		return err
	}
	if err := s.PutNew(ctx, key, content); err != nil {
		if _, rerr := s.Get(ctx, repoName); rerr == nil && (model.KindOf(err) == model.Refused || model.KindOf(err) == model.Invalid) {
			t.Read = true
			return t, nil
		}
		return t, err
	}
	t.Write = true
	err := s.PutNew(ctx, key, []byte("rapport probe, second writer\n"))
	switch r, isRemote := s.(*remote); {
	case errors.Is(err, fs.ErrExist):
		t.Exclusive = !isRemote || !r.loose.Load()
	case denied(err) != nil:
		return t, err
	}
	data, err := s.Get(ctx, key)
	if denied(err) != nil && !errors.Is(err, fs.ErrNotExist) {
		return t, err
	}
	_, lerr := s.List(ctx, "l/")
	if denied(lerr) != nil {
		return t, lerr
	}
	t.Read = err == nil && lerr == nil && (!t.Exclusive || bytes.Equal(data, content))
	err = s.Delete(ctx, key)
	if denied(err) != nil {
		return t, err
	}
	if err == nil && t.Read {
		_, err = s.Stat(ctx, key)
		t.Delete = errors.Is(err, fs.ErrNotExist)
	} else {
		t.Delete = err == nil
	}
	if !t.Delete {
		t.Left = key
	}
	return t, nil
}
