package backup

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"rapport/model"
)

// Where a chain ends and a full backup begins another.
const (
	mostLinks    = 30  // backups of one chain, segments left aside
	mostSegments = 150 // that follow one of them
)

// plan says which backup is made and what it follows.
type plan struct {
	kind   string
	parent *entry // nil for a full one
	note   string // why it is another kind than the one that was asked for
	// untold are the tables whose changes since the parent nobody told, at
	// least for a while.
	untold []string
}

// planOf decides what backup of a snapshot is made where another kind than full
// was asked for, from those that are there, newest first. It is a full one
// where there is nothing that it could follow.
func planOf(ctx context.Context, snap snapshot, list []entry, kind string) (plan, error) {
	definition, err := definitionOf(snap.info().Schema, snap.tables())
	if err != nil {
		return plan{}, err
	}
	full := func(format string, args ...any) (plan, error) {
		return plan{kind: model.BackupFull, note: "a full backup was made: " + fmt.Sprintf(format, args...)}, nil
	}
	why := ""
	for i := range list {
		e := &list[i]
		if e.lineage != snap.info().Lineage || e.sum.Source != snap.info().Source || !mayFollow(kind, e.kind) {
			continue
		}
		reason := ""
		switch {
		case !e.info.Verified || e.info.Problem != "":
			reason = "the backup " + e.id.Short() + " is not verified"
		case cmp.Or(e.sum.Encoding, encodingUUID) != written:
			reason = "the backup " + e.id.Short() + " writes its rows in an older form"
		case e.sum.Definition != definition:
			reason = "the tables are not what they were"
		default:
			if reason, err = snap.follows(ctx, e.id, e.sum.Mark); err != nil {
				return plan{}, err
			}
		}
		if reason == "" {
			p, err := chained(list, e, kind, full)
			p.holdReplaced(snap.info().Mark)
			return p, err
		}
		if why == "" {
			why = reason
		}
	}
	if why == "" {
		why = "there is none yet that another could follow"
	}
	return full("%s", why)
}

// mayFollow tells whether a backup of one kind may have a parent of another.
func mayFollow(kind, parent string) bool {
	switch kind {
	case model.BackupDifferential:
		return parent == model.BackupFull
	case model.BackupIncremental:
		// It takes the place of the segments since its parent.
		return parent != model.BackupSegment
	}
	return true
}

// chained plans a backup that follows e, unless the chain has become too long.
func chained(list []entry, e *entry, kind string, full func(string, ...any) (plan, error)) (plan, error) {
	switch {
	case kind == model.BackupIncremental && e.sum.Links >= mostLinks:
		return full("the chain has %d backups", e.sum.Links)
	case kind == model.BackupSegment && e.sum.Links >= mostLinks+mostSegments:
		return full("the chain has %d backups", e.sum.Links)
	case kind == model.BackupDifferential:
		grown := slices.IndexFunc(list, func(x entry) bool {
			return x.kind == model.BackupDifferential && x.sum.Parent == e.id && x.info.Verified && x.info.Bytes*2 > e.info.Bytes
		})
		if grown >= 0 {
			return full("the differential ones have come to more than half of it")
		}
	}
	p := plan{kind: kind, parent: e, untold: slices.Clone(e.sum.Untold)}
	for _, x := range list {
		if x.id == e.id {
			break
		}
		if x.lineage == e.lineage {
			p.untold = append(p.untold, x.sum.Whole...)
		}
	}
	return p, nil
}

// holdReplaced holds whole the tables whose rows were replaced since the parent
// without anybody telling of it.
func (p *plan) holdReplaced(now mark) {
	if p.parent == nil || len(now.Tables) == 0 || p.parent.sum.Mark.Tables[""] != now.Tables[""] {
		return
	}
	var replaced []string
	for name, was := range p.parent.sum.Mark.Tables {
		if is := now.Tables[name]; is != "" && is != was {
			replaced = append(replaced, name)
		}
	}
	slices.Sort(replaced)
	p.untold = append(p.untold, replaced...)
	if of := slices.DeleteFunc(replaced, func(name string) bool { return !isDeclared(name) }); len(of) > 0 {
		p.note = "rows of these tables were replaced and no trigger told of it, so that they are held whole: " + strings.Join(of, ", ")
	}
}
