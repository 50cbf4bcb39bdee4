package sync_test

import (
	"context"
	"os"
	"time"

	"rapport/model"
)

// points are the places at which a client may die: before and after each
// transaction of its cache and each request to the server.
type points struct{ passed, last int }

// here passes a point and dies at the last one, as a process does that is
// killed: nothing is tidied up.
func (p *points) here() {
	if p.passed++; p.passed != p.last {
		return
	}
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic(err)
	}
	select {}
}

// around runs a step between two points.
func (p *points) around(step func()) {
	p.here()
	step()
	p.here()
}

// mortalReplica is a cache whose process may die around each transaction.
type mortalReplica struct {
	model.Replica
	*points
}

func (r mortalReplica) NextBatch(ctx context.Context, ops, bytes int) (b *model.PushBatch, err error) {
	r.around(func() { b, err = r.Replica.NextBatch(ctx, ops, bytes) })
	return b, err
}

func (r mortalReplica) Acknowledge(ctx context.Context, b *model.PushBatch, results []model.PushResult, at model.Position) (pushed map[model.ID]bool, clashed map[model.Noun][]model.ID, err error) {
	r.around(func() { pushed, clashed, err = r.Replica.Acknowledge(ctx, b, results, at) })
	return pushed, clashed, err
}

func (r mortalReplica) Apply(ctx context.Context, page *model.FeedPage, at model.Position) (res model.ApplyResult, err error) {
	r.around(func() { res, err = r.Replica.Apply(ctx, page, at) })
	return res, err
}

func (r mortalReplica) Reconcile(ctx context.Context, mode model.LoadMode, page *model.FeedPage, at model.Position) (res model.ApplyResult, err error) {
	r.around(func() { res, err = r.Replica.Reconcile(ctx, mode, page, at) })
	return res, err
}

func (r mortalReplica) SetNextCompare(ctx context.Context, at time.Time) (err error) {
	r.around(func() { err = r.Replica.SetNextCompare(ctx, at) })
	return err
}

func (r mortalReplica) SetPosition(ctx context.Context, at model.Position) (err error) {
	r.around(func() { err = r.Replica.SetPosition(ctx, at) })
	return err
}

func (r mortalReplica) BeginLoad(ctx context.Context, at model.Position, rows int64) (err error) {
	r.around(func() { err = r.Replica.BeginLoad(ctx, at, rows) })
	return err
}

func (r mortalReplica) Load(ctx context.Context, n model.Noun, rows []model.Row, after model.ID, done bool) (res model.ApplyResult, err error) {
	r.around(func() { res, err = r.Replica.Load(ctx, n, rows, after, done) })
	return res, err
}

func (r mortalReplica) FinishLoad(ctx context.Context) (res model.ApplyResult, err error) {
	r.around(func() { res, err = r.Replica.FinishLoad(ctx) })
	return res, err
}

func (r mortalReplica) Synced(ctx context.Context, at time.Time) (err error) {
	r.around(func() { err = r.Replica.Synced(ctx, at) })
	return err
}

// mortalCentral is a connection whose process may die around each request.
type mortalCentral struct {
	model.Central
	*points
}

func (c mortalCentral) Poll(ctx context.Context, who model.Device, at model.Position) (h model.Head, err error) {
	c.around(func() { h, err = c.Central.Poll(ctx, who, at) })
	return h, err
}

func (c mortalCentral) Push(ctx context.Context, b *model.PushBatch, at model.Position) (r model.Receipt, err error) {
	c.around(func() { r, err = c.Central.Push(ctx, b, at) })
	return r, err
}

func (c mortalCentral) Sequence(ctx context.Context, at model.Position) (h model.Head, err error) {
	c.around(func() { h, err = c.Central.Sequence(ctx, at) })
	return h, err
}

func (c mortalCentral) Pull(ctx context.Context, from, to int64, nouns []model.Noun) (page model.FeedPage, err error) {
	c.around(func() { page, err = c.Central.Pull(ctx, from, to, nouns) })
	return page, err
}

func (c mortalCentral) Fetch(ctx context.Context, ids map[model.Noun][]model.ID) (rows map[model.Noun][]model.Row, err error) {
	c.around(func() { rows, err = c.Central.Fetch(ctx, ids) })
	return rows, err
}
