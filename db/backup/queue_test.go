package backup

import (
	"context"
	"strings"
	"sync"
	"testing"

	"rapport/model"
)

// gate is a store whose first part waits to be let through.
type gate struct {
	Store
	once          sync.Once
	stopped, goOn chan struct{}
}

func (g *gate) Put(ctx context.Context, key string, data []byte) error {
	if strings.Contains(key, "/t/") {
		g.once.Do(func() { close(g.stopped); <-g.goOn })
	}
	return g.Store.Put(ctx, key, data)
}

// TestBackupsOfOneProcessQueue makes several backups of a workspace at once in
// one process. They come one after the other, each says what it waits for, and
// the workspace answers meanwhile.
func TestBackupsOfOneProcessQueue(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.fill(2, "contact")
	g := &gate{Store: newShelf(), stopped: make(chan struct{}), goOn: make(chan struct{})}
	h.store = g
	var all sync.WaitGroup
	make := func(ctx context.Context, said func()) error {
		tell := sync.OnceFunc(said)
		info, err := h.CreateBackup(ctx, model.BackupRequest{}, func(p model.Progress) {
			if p.Phase == "waiting for another backup of this workspace" {
				tell()
			}
		})
		if err == nil && !info.Verified {
			t.Errorf("%+v", info)
		}
		return err
	}
	all.Go(func() {
		if err := make(t.Context(), func() { t.Error("the first waits") }); err != nil {
			t.Error(err)
		}
	})
	<-g.stopped
	var waiting sync.WaitGroup
	waiting.Add(3)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	all.Go(func() {
		if err := make(ctx, waiting.Done); model.KindOf(err) != model.Interrupted {
			t.Errorf("one that is stopped: %v", err)
		}
	})
	for range 2 {
		all.Go(func() {
			if err := make(t.Context(), waiting.Done); err != nil {
				t.Error(err)
			}
		})
	}
	waiting.Wait()
	if _, err := h.db.List(t.Context(), model.Query{Noun: "contact", Limit: 1}); err != nil {
		t.Error(err)
	}
	cancel()
	close(g.goOn)
	all.Wait()
	if list, err := h.ListBackups(t.Context(), model.BackupRequest{}); err != nil || len(list) != 3 {
		t.Errorf("%d backups, %v", len(list), err)
	}
}
