package backup

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"rapport/model"
)

// grace is how long a backup stays between being marked and being deleted, by
// every clock that can be asked.
const grace = 24 * time.Hour

// deletions are the objects "deleted/<id>.json".
const deletions = "deleted/"

// deletion is a list of backups that are to be deleted when its time of grace
// is over, if they are still not needed then.
type deletion struct {
	Format  string    `json:"format"`
	ID      model.ID  `json:"id"`
	At      time.Time `json:"at"`                 // by the clock of the store
	Server  time.Time `json:"server_at,omitzero"` // by that of the central's server
	Asked   bool      `json:"asked,omitempty"`    // a person named them
	Backups []doomed  `json:"backups"`
}

// doomed is a backup that is to be deleted.
type doomed struct {
	ID  string `json:"id"`
	Why string `json:"why"`
}

func (d *deletion) key() string { return deletions + string(d.ID) + ".json" }

func (d *deletion) names(id string) bool {
	return slices.ContainsFunc(d.Backups, func(x doomed) bool { return x.ID == id })
}

// over tells whether the time of grace is over by the store's clock and, where
// it was asked both times, by the server's.
func (d *deletion) over(now, server time.Time) bool {
	if !d.Server.IsZero() && !server.IsZero() && server.Sub(d.Server) < grace {
		return false
	}
	return now.Sub(d.At) >= grace
}

// readDeletions reads what is to be deleted, the oldest list first. A list that
// cannot be read marks nothing.
func readDeletions(ctx context.Context, s Store) ([]*deletion, error) {
	objects, err := s.List(ctx, deletions)
	if err != nil {
		return nil, cannotRead(s, err)
	}
	var out []*deletion
	for _, o := range objects {
		id, ok := model.ParseID(strings.TrimSuffix(strings.TrimPrefix(o.Key, deletions), ".json"))
		if !ok {
			continue
		}
		data, err := s.Get(ctx, o.Key)
		if unanswered(err) {
			return nil, err
		}
		d := &deletion{}
		if err == nil && json.Unmarshal(data, d) == nil && d.Format == formatName && d.ID == id {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b *deletion) int { return a.At.Compare(b.At) })
	return out, nil
}

// write stores the list, or takes it away when it names nothing any more.
func (d *deletion) write(ctx context.Context, s Store) error {
	if len(d.Backups) == 0 {
		return s.Delete(ctx, d.key())
	}
	data, err := encodeJSON(d)
	if err != nil {
		return err
	}
	return s.Put(ctx, d.key(), data)
}

// unmarked lists the backups of a store that are not to be deleted, upon which
// a new one may build.
func unmarked(ctx context.Context, s Store, believed pins) ([]entry, error) {
	list, err := entries(ctx, s, believed)
	if err != nil {
		return nil, err
	}
	marks, err := readDeletions(ctx, s)
	return slices.DeleteFunc(list, func(e entry) bool {
		return slices.ContainsFunc(marks, func(d *deletion) bool { return d.names(e.info.ID) })
	}), err
}

// parentStays fails where the backup that a new one builds upon is not there
// any more, or was marked so long ago that it may be deleted before the new one
// is seen. own is the new one, whose summary was just written.
func parentStays(ctx context.Context, s Store, own place, parent model.ID) error {
	if parent == "" {
		return nil
	}
	o, err := s.Stat(ctx, own.prefix+summaryName)
	if err != nil {
		return cannotRead(s, err)
	}
	going := model.Errorf(model.Other, "the backup %s, upon which this one builds, was deleted meanwhile", parent.Short()).
		WithHint("repeat the command")
	there, err := hasManifest(ctx, s, "b/"+own.lineage+"/"+string(parent)+"-")
	if err != nil {
		return err
	}
	if !there {
		return going
	}
	list, err := readDeletions(ctx, s)
	if err != nil {
		return err
	}
	for _, d := range list {
		if d.names(string(parent)) && o.At.Sub(d.At) > grace/2 {
			return going
		}
	}
	return nil
}

// hasManifest tells whether there is a backup whose objects' names begin so.
func hasManifest(ctx context.Context, s Store, prefix string) (bool, error) {
	objects, err := s.List(ctx, prefix)
	if err != nil {
		return false, cannotRead(s, err)
	}
	return slices.ContainsFunc(objects, func(o Object) bool {
		_, name, ok := placeOf(o.Key)
		return ok && isManifest(name)
	}), nil
}

func isManifest(name string) bool { return name == manifestName || name == manifestName+suffix }
