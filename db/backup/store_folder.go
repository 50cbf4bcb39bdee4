package backup

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"rapport/model"
)

// Folder is a store in a folder, also one of a network share.
type Folder string

// String returns the folder's path.
func (f Folder) String() string { return string(f) }

func (f Folder) path(key string) (string, error) {
	if local := filepath.FromSlash(key); filepath.IsLocal(local) && path.Clean(key) == key {
		return filepath.Join(string(f), local), nil
	}
	return "", model.Errorf(model.Corrupt, "%q is no name of an object", key)
}

const tempPrefix = ".tmp-"

// errTaken is the answer of a place that has an object.
var errTaken = &fs.PathError{Op: "put", Path: "object", Err: fs.ErrExist}

// Put writes a temporary file beside the object's place, brings it to the
// disk and renames it. The folder itself is made only for the object that every
// repository begins with: where that is absent later, a share was disconnected,
// and nothing may be written where it was.
func (f Folder) Put(ctx context.Context, key string, data []byte) error {
	return f.put(ctx, key, data, os.Rename)
}

// PutNew is like Put, but gives the file its name only where none is.
func (f Folder) PutNew(ctx context.Context, key string, data []byte) error {
	return f.put(ctx, key, data, placeNew(os.Link))
}

func (f Folder) put(ctx context.Context, key string, data []byte, place func(temp, name string) error) error {
	name, err := f.path(key)
	if err != nil {
		return err
	}
	_, err = within(ctx, func() (struct{}, error) {
		if _, err := os.Stat(filepath.Join(string(f), repoName)); key != repoName && errors.Is(err, fs.ErrNotExist) {
			return struct{}{}, vanished(f).Because(err)
		}
		dir := filepath.Dir(name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, writeAs(dir, name, data, place)
	})
	if err == nil || errors.Is(err, errTaken) {
		return err
	}
	return cannotWrite(f, err)
}

// placeNew gives a file its name by a second link, which fails where the name
// is taken. A file system without links (FAT, some shares) has the name claimed
// by an empty file first; who dies between the two leaves that behind.
func placeNew(link func(temp, name string) error) func(temp, name string) error {
	return func(temp, name string) error {
		err := link(temp, name)
		if err == nil {
			return os.Remove(temp)
		}
		if errors.Is(err, fs.ErrExist) {
			return errTaken
		}
		claim, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, fs.ErrExist) {
			return errTaken
		}
		if err != nil {
			return err
		}
		if err = claim.Close(); err == nil {
			err = os.Rename(temp, name)
		}
		if err != nil {
			return errors.Join(err, os.Remove(name))
		}
		return nil
	}
}

// writeFile writes a file that is there whole or not at all.
func writeFile(dir, name string, data []byte) error { return writeAs(dir, name, data, os.Rename) }

func writeAs(dir, name string, data []byte, place func(temp, name string) error) (err error) {
	tmp, err := os.CreateTemp(dir, tempPrefix+"*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			tmp.Close()
			os.Remove(tmp.Name())
		}
	}()
	if err := tmp.Chmod(0o600); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if _, err := tmp.Write(data); err != nil {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	if err := place(tmp.Name(), name); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir brings a rename to the disk. Some systems and shares cannot do it
// for a folder; the rename is in effect there all the same.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); errors.Is(err, syscall.EIO) || errors.Is(err, syscall.ENOSPC) {
		return err
	}
	return nil
}

// Get reads a file.
func (f Folder) Get(ctx context.Context, key string) ([]byte, error) {
	data, err := f.GetRange(ctx, key, 0, mostBytes+1)
	if len(data) > mostBytes {
		return nil, errDamaged("%s is too large", key)
	}
	return data, err
}

// GetRange reads a part of a file.
func (f Folder) GetRange(ctx context.Context, key string, from, to int64) ([]byte, error) {
	name, err := f.path(key)
	if err != nil {
		return nil, err
	}
	data, err := within(ctx, func() ([]byte, error) {
		r, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		info, err := r.Stat()
		if err != nil {
			return nil, err
		}
		data := make([]byte, max(0, min(to, info.Size())-from))
		n, err := r.ReadAt(data, from)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return data[:n], err
	})
	if isGone(err) {
		err = vanished(f).Because(err)
	}
	return data, err
}

// List walks the folder. A folder that is absent holds nothing.
func (f Folder) List(ctx context.Context, prefix string) ([]Object, error) {
	out, err := within(ctx, func() ([]Object, error) { return f.walk(ctx, prefix) })
	if err != nil {
		return nil, cannotRead(f, err)
	}
	return out, nil
}

func (f Folder) walk(ctx context.Context, prefix string) ([]Object, error) {
	var out []Object
	root := string(f)
	start := filepath.Join(root, filepath.FromSlash(path.Dir(prefix+"x")))
	err := filepath.WalkDir(start, func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case ctx.Err() != nil:
			return stopped(ctx.Err())
		case d.IsDir():
			return nil
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		key := filepath.ToSlash(rel)
		if !strings.HasPrefix(key, prefix) {
			return nil
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		out = append(out, Object{Key: key, Size: info.Size(), At: info.ModTime()})
		return nil
	})
	return sortedByKey(out), err
}

// Stat describes a file.
func (f Folder) Stat(ctx context.Context, key string) (Object, error) {
	name, err := f.path(key)
	if err != nil {
		return Object{}, err
	}
	info, err := within(ctx, func() (fs.FileInfo, error) { return os.Stat(name) })
	if isGone(err) {
		err = vanished(f).Because(err)
	}
	if err != nil {
		return Object{}, err
	}
	return Object{Key: key, Size: info.Size(), At: info.ModTime()}, nil
}

// Delete removes a file and the folders that become empty by it.
func (f Folder) Delete(ctx context.Context, key string) error {
	name, err := f.path(key)
	if err != nil {
		return err
	}
	_, err = within(ctx, func() (struct{}, error) {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return struct{}{}, err
		}
		for dir := filepath.Dir(name); dir != string(f) && os.Remove(dir) == nil; dir = filepath.Dir(dir) {
		}
		return struct{}{}, nil
	})
	if err != nil {
		return cannotWrite(f, err)
	}
	return nil
}
