package backup

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"rapport/model"
)

// endless is a source of as many rows as are asked for, which it keeps nowhere.
type endless struct {
	snapshot
	number int64
}

func (e endless) open(context.Context, int, bool, model.Notify) (snapshot, error) { return e, nil }

func (e endless) tables() []table {
	columns, types := []string{"id", "owner_id", "name", "notes", "at", "amount"}, []string{"id", "id", "text", "text", "text", "int"}
	return []table{{Name: "a", Columns: columns, Types: types, Key: columns[:1]}, {Name: "b", Columns: columns, Types: types, Key: columns[:1]}}
}

func (e endless) count(context.Context, int, table) (int64, bool, error) { return e.number, true, nil }

func (e endless) rows(_ context.Context, _ int, _ table, row func([]any) error) error {
	id, owner := model.DerivedID("row").Bytes(), model.DerivedID("owner").Bytes()
	values := make([]any, 6)
	name := []byte{}
	for i := range e.number {
		for j := range 8 {
			id[j] = byte(i >> (56 - 8*j))
			id[15-j] = byte(i * 2654435761 >> (8 * j))
		}
		owner[15] = byte(i % 50)
		name = fmt.Appendf(name[:0], "Person %d Müller", i*7919%e.number)
		values[0], values[1], values[2], values[3], values[4], values[5] = id, owner, name, []byte("met at the fair; wants the offer in writing, by the end of the month"), []byte("2026-11-21 10:31:07.123"), i*100
		if err := row(values); err != nil {
			return err
		}
	}
	return nil
}

// weighed is a store that notes the most memory that is in use when a part comes
// or is asked for. What is no longer used does not count: how much of that there
// is depends on when the collector comes to it.
type weighed struct {
	Store
	mu   sync.Mutex
	most uint64
}

func (w *weighed) weigh() {
	w.mu.Lock()
	defer w.mu.Unlock()
	runtime.GC()
	var is runtime.MemStats
	runtime.ReadMemStats(&is)
	w.most = max(w.most, is.HeapAlloc)
}

func (w *weighed) Put(ctx context.Context, key string, data []byte) error {
	w.weigh()
	return w.Store.Put(ctx, key, data)
}

func (w *weighed) Get(ctx context.Context, key string) ([]byte, error) {
	data, err := w.Store.Get(ctx, key)
	w.weigh()
	return data, err
}

// TestMemoryStaysFlat backs up ten times as many rows in the same memory.
func TestMemoryStaysFlat(t *testing.T) {
	_, b, _ := fakeChain(t)
	src := &fakeSource{now: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)}
	snap, err := src.open(t.Context(), 1, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	own, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	k, err := newKeys([]string{own.Recipient().String()})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int64{15_000, 150_000} {
		store := Folder(t.TempDir())
		if err := store.Put(t.Context(), repoName, newMemory().objects[repoName]); err != nil {
			t.Fatal(err)
		}
		w := &weighed{Store: store}
		info, err := b.create(t.Context(), endless{snap, n}, target{store: w, keys: k}, order{kind: model.BackupFull}, nil)
		if err != nil || !info.Verified || info.Rows != 2*n {
			t.Errorf("%+v, %v", info, err)
		}
		if w.most > 40<<20 {
			t.Errorf("a backup of %d rows took %d MB", 2*n, w.most>>20)
		}
	}
}
