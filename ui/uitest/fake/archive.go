package fake

import (
	"context"
	"slices"
	"strings"

	"rapport/model"
)

// BackupOverview answers with Glance.
func (w *Workspace) BackupOverview(context.Context) (model.BackupOverview, error) {
	return w.Glance, w.called(nil)
}

// ListArchive answers with a page of Archived and notes the query.
func (w *Workspace) ListArchive(_ context.Context, q model.ArchiveQuery) (model.ArchivePage, error) {
	err := w.called(func() { w.Looks = append(w.Looks, q) })
	out := model.ArchivePage{Items: []model.ArchivedRecord{}}
	if i := slices.IndexFunc(w.Copies, func(b model.BackupInfo) bool { return b.ID == q.ID }); i >= 0 {
		out.Backup = w.Copies[i]
	}
	items := w.Archived[q.Noun]
	if q.After != "" {
		i := slices.IndexFunc(items, func(it model.ArchivedRecord) bool { return it.Record.ID == q.After })
		items = items[i+1:]
	}
	for _, it := range items {
		if q.Different && it.Standing == model.StandingSame || !strings.Contains(model.Fold(it.Record.Title()), model.Fold(q.Search)) {
			continue
		}
		if len(out.Items) == q.Limit {
			out.Next = out.Items[len(out.Items)-1].Record.ID
			break
		}
		out.Items = append(out.Items, it)
	}
	return out, err
}

// Compare answers with Compared.
func (w *Workspace) Compare(context.Context, model.ArchiveRequest, model.Ref) (model.Comparison, error) {
	return w.Compared, w.called(nil)
}

// RestoreRecords answers with Back and notes the request.
func (w *Workspace) RestoreRecords(_ context.Context, req model.RecordsRequest, _ model.Notify) (model.RecordsRestored, error) {
	err := w.called(func() { w.Brought = append(w.Brought, req) })
	out := w.Back
	out.DryRun = req.DryRun
	return out, err
}
