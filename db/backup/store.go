package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"runtime"
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

// Store keeps objects by name. An absent object is fs.ErrNotExist; that the
// store itself cannot answer is a model.Error.
type Store interface {
	// Put makes an object or replaces it. Others see the old one or the
	// whole new one, also after a crash.
	Put(ctx context.Context, key string, data []byte) error
	// PutNew makes an object where none is. One that is there stays as it
	// is, and the answer is fs.ErrExist. Of several who try at once one
	// succeeds; data must differ between them where that matters.
	PutNew(ctx context.Context, key string, data []byte) error
	// Get reads a whole object.
	Get(ctx context.Context, key string) ([]byte, error)
	// GetRange reads the bytes of an object from one place up to another,
	// fewer where it ends before.
	GetRange(ctx context.Context, key string, from, to int64) ([]byte, error)
	// List returns the objects whose names begin with prefix, by name.
	List(ctx context.Context, prefix string) ([]Object, error)
	Stat(ctx context.Context, key string) (Object, error)
	// Delete removes an object; one that is absent is no error.
	Delete(ctx context.Context, key string) error
	// String is where the store is, for people. No secret is in it.
	String() string
}

// mostBytes is the size of an object up to which it is read whole. Parts are a
// tenth of it.
const mostBytes = 256 << 20

// OpenStore returns the store at an address: a folder, or a file, s3, gs or
// azblob URL. It only reads the address; the store is asked at the first call.
// Error: Invalid for an address that names no store or holds a secret.
func OpenStore(address string) (Store, error) { return openStore(address, Credentials{}) }

func openStore(address string, c Credentials) (Store, error) {
	scheme, _, ok := strings.Cut(address, "://")
	if !ok {
		return openFolder(address, address)
	}
	switch scheme {
	case "file", "s3", "gs", "azblob":
	default:
		return nil, model.Errorf(model.Invalid, "backups cannot go to %s://", model.Visible(scheme)).
			WithHint("write a folder, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or azblob://ACCOUNT/CONTAINER/PREFIX")
	}
	u, err := url.Parse(address)
	if err != nil {
		// The cause of a URL's error holds the URL.
		return nil, model.Errorf(model.Invalid, "the address of the backups is no URL").WithHint("write it as in rapport backup create --help").By(model.PlaceForm)
	}
	if _, has := u.User.Password(); has || u.User != nil && scheme != "file" {
		return nil, model.Errorf(model.Invalid, "the address of the backups holds a secret").
			WithHint("take what stands before the @ out of it, and give the key by environment variables or credentials_command")
	}
	switch scheme {
	case "s3", "gs":
		return openS3(u, c)
	case "azblob":
		return openAzure(u, c)
	}
	if u.Host != "" && u.Host != "localhost" || u.Path == "" {
		return nil, model.Errorf(model.Invalid, "%q names no folder", address).WithHint("write a folder, or file:///path")
	}
	return openFolder(filepath.FromSlash(u.Path), address)
}

func openFolder(name, address string) (Store, error) {
	if name == "" {
		return nil, model.Errorf(model.Invalid, "no folder for backups is named")
	}
	abs, err := filepath.Abs(name)
	if err != nil {
		return nil, model.Errorf(model.Invalid, "%q names no folder", address).Because(err)
	}
	return Folder(abs), nil
}

// cannotWrite says in a sentence why a store takes nothing.
func cannotWrite(s fmt.Stringer, err error) error {
	var own *model.Error
	switch {
	case errors.As(err, &own):
		return err
	case isFull(err):
		return noRoom(s).Because(err)
	case mayNot(err):
		return model.Errorf(model.Invalid, "%s cannot be written", s).WithHint("check the rights of the folder or choose another with --to").By(model.OtherPlace).Because(err)
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist):
		return model.Errorf(model.Invalid, "%s is no folder", s).Because(err)
	case isGone(err):
		return vanished(s).Because(err)
	}
	return model.Errorf(model.Other, "the backup could not be written to %s", s).Because(err)
}

func cannotRead(s fmt.Stringer, err error) error {
	var own *model.Error
	switch {
	case errors.As(err, &own):
		return err
	case errors.Is(err, syscall.ENOTDIR):
		return model.Errorf(model.Invalid, "%s is no folder", s).Because(err)
	case isGone(err):
		return vanished(s).Because(err)
	}
	return model.Errorf(model.Other, "the backups in %s cannot be read", s).Because(err)
}

// mayNot tells whether a store can be read but not changed by this key, or by
// nobody.
func mayNot(err error) bool {
	return model.KindOf(err) == model.Refused || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

func isFull(err error) bool {
	const windowsDiskFull, windowsHandleDiskFull = syscall.Errno(112), syscall.Errno(39)
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) ||
		runtime.GOOS == "windows" && (errors.Is(err, windowsDiskFull) || errors.Is(err, windowsHandleDiskFull))
}

// isGone tells whether the disk or share itself does not answer any more.
func isGone(err error) bool {
	for _, e := range []error{syscall.ESTALE, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ENOTCONN, syscall.ETIMEDOUT, syscall.ENODEV, syscall.ENXIO} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func noRoom(s fmt.Stringer) *model.Error {
	return model.Errorf(model.Other, "there is no room left in %s: the backup was not made", s).WithHint("make room or choose another place with --to").By(model.OtherPlace)
}

// vanished is the error of a store that was there before.
func vanished(s fmt.Stringer) *model.Error {
	return model.Errorf(model.Unreachable, "%s is not there any more", s).WithHint("connect the disk or the share again, then repeat the command")
}

// stopped is the error of work whose context ended.
func stopped(err error) error {
	return model.Errorf(model.Interrupted, "it was stopped").Because(err)
}

// unanswered tells whether an error says that a store could not be asked, which
// is no word about its objects.
func unanswered(err error) bool {
	var own *model.Error
	return errors.As(err, &own) && own.Kind != model.Corrupt
}

// within does work that a hanging disk or share can hold up for ever. When the
// context ends first, the work is left to the operating system, which ends it
// when the share answers or is taken away; it touches nothing that its caller
// still uses.
func within[T any](ctx context.Context, work func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	var none T
	if err := ctx.Err(); err != nil {
		return none, stopped(err)
	}
	if ctx.Done() == nil {
		return work()
	}
	done := make(chan answer, 1)
	go func() {
		v, err := work()
		done <- answer{v, err}
	}()
	select {
	case a := <-done:
		return a.value, a.err
	case <-ctx.Done():
		return none, stopped(ctx.Err())
	}
}
