//go:build unix

package backup

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"rapport/model"
)

// TestShareHangs reads from a share that never answers, for which a pipe
// without a writer stands: opening it hangs in the operating system.
func TestShareHangs(t *testing.T) {
	t.Parallel()
	f := Folder(t.TempDir())
	pipe := filepath.Join(string(f), "REPO.json")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	h := newHome(t)
	begun := make(chan struct{})
	h.store = &entered{f, begun}
	done := make(chan error, 1)
	go func() {
		_, err := h.CreateBackup(ctx, model.BackupRequest{}, nil)
		done <- err
	}()
	<-begun
	cancel()
	if err := <-done; model.KindOf(err) != model.Interrupted {
		t.Errorf("%v", err)
	}
	if w, err := os.OpenFile(pipe, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
		w.Close() // the reader that was left behind ends
	}
}

// entered tells when an object is asked for.
type entered struct {
	Store
	begun chan struct{}
}

func (e *entered) Get(ctx context.Context, key string) ([]byte, error) {
	close(e.begun)
	return e.Store.Get(ctx, key)
}
