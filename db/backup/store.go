package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"rapport/model"
)

// Object is one object of a store.
type Object struct {
	Key  string
	Size int64
	At   time.Time
}

// Store keeps objects by name. An absent object is fs.ErrNotExist.
type Store interface {
	// Put makes an object or replaces it. Others see the old one or the
	// whole new one, also after a crash.
	Put(ctx context.Context, key string, data []byte) error
	Get(ctx context.Context, key string) (io.ReadCloser, error)
	// List returns the objects whose names begin with prefix, by name.
	List(ctx context.Context, prefix string) ([]Object, error)
	Stat(ctx context.Context, key string) (Object, error)
	// Delete removes an object; one that is absent is no error.
	Delete(ctx context.Context, key string) error
	// String is where the store is, for people.
	String() string
}

// OpenStore returns the store at an address: a folder, or a file URL.
func OpenStore(address string) (Store, error) {
	if scheme, _, ok := strings.Cut(address, "://"); ok {
		if scheme != "file" {
			return nil, model.Errorf(model.Invalid, "backups to %s:// are not supported yet: use a folder", model.Visible(scheme))
		}
		u, err := url.Parse(address)
		if err != nil || u.Host != "" && u.Host != "localhost" || u.Path == "" {
			return nil, model.Errorf(model.Invalid, "%q names no folder", address).WithHint("write a folder, or file:///path").Because(err)
		}
		address = filepath.FromSlash(u.Path)
	}
	if address == "" {
		return nil, model.Errorf(model.Invalid, "no folder for backups is named")
	}
	abs, err := filepath.Abs(address)
	if err != nil {
		return nil, model.Errorf(model.Invalid, "%q names no folder", address).Because(err)
	}
	return Folder(abs), nil
}

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

// Put writes a temporary file beside the object's place, brings it to the
// disk and renames it.
func (f Folder) Put(ctx context.Context, key string, data []byte) error {
	name, err := f.path(key)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return stopped(err)
	}
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return cannotWrite(f, err)
	}
	if err := writeFile(dir, name, data); err != nil {
		return cannotWrite(f, err)
	}
	return nil
}

func writeFile(dir, name string, data []byte) (err error) {
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
	if err := os.Rename(tmp.Name(), name); err != nil {
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

// Get opens an object for reading.
func (f Folder) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	name, err := f.path(key)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, stopped(err)
	}
	r, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// List walks the folder. A folder that is absent holds nothing.
func (f Folder) List(ctx context.Context, prefix string) ([]Object, error) {
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
	if err != nil {
		return nil, cannotRead(f, err)
	}
	return out, nil
}

// Stat describes an object.
func (f Folder) Stat(_ context.Context, key string) (Object, error) {
	name, err := f.path(key)
	if err != nil {
		return Object{}, err
	}
	info, err := os.Stat(name)
	if err != nil {
		return Object{}, err
	}
	return Object{Key: key, Size: info.Size(), At: info.ModTime()}, nil
}

// Delete removes an object and the folders that become empty by it.
func (f Folder) Delete(_ context.Context, key string) error {
	name, err := f.path(key)
	if err != nil {
		return err
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return cannotWrite(f, err)
	}
	for dir := filepath.Dir(name); dir != string(f) && os.Remove(dir) == nil; dir = filepath.Dir(dir) {
	}
	return nil
}

// cannotWrite says in a sentence why a store takes nothing.
func cannotWrite(s fmt.Stringer, err error) error {
	var own *model.Error
	switch {
	case errors.As(err, &own):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return model.Errorf(model.Other, "there is no room left in %s: the backup was not made", s).WithHint("make room or choose another folder with --to").Because(err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return model.Errorf(model.Invalid, "%s cannot be written", s).WithHint("check the rights of the folder or choose another with --to").Because(err)
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist):
		return model.Errorf(model.Invalid, "%s is no folder", s).Because(err)
	}
	return model.Errorf(model.Other, "the backup could not be written to %s", s).Because(err)
}

func cannotRead(s fmt.Stringer, err error) error {
	var own *model.Error
	if errors.As(err, &own) {
		return err
	}
	if errors.Is(err, syscall.ENOTDIR) {
		return model.Errorf(model.Invalid, "%s is no folder", s).Because(err)
	}
	return model.Errorf(model.Other, "the backups in %s cannot be read", s).Because(err)
}

// stopped is the error of work whose context ended.
func stopped(err error) error {
	return model.Errorf(model.Interrupted, "it was stopped").Because(err)
}

// readAll reads a small object.
func readAll(ctx context.Context, s Store, key string) ([]byte, error) {
	r, err := s.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	const most = 64 << 20
	data, err := io.ReadAll(io.LimitReader(r, most))
	if err == nil && len(data) == most {
		err = fmt.Errorf("%s is too large", key)
	}
	return data, err
}
