package backup

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"rapport/model"
)

// minKeep is how many sound backups of a lineage stay whatever rules and clocks
// say.
const minKeep = 2

// ahead is how far the time of a backup may lie after now before its clock is
// taken for wrong.
const ahead = 24 * time.Hour

// usedFor is how long after its newest backup a lineage counts as in use.
const usedFor = 90 * 24 * time.Hour

// chains are the backups of a place and what they need of each other.
type chains struct {
	list     []model.BackupInfo
	byID     map[string]model.BackupInfo
	children map[string][]string
}

func chainsOf(list []model.BackupInfo) *chains {
	c := &chains{list: list, byID: map[string]model.BackupInfo{}, children: map[string][]string{}}
	for _, b := range list {
		c.byID[b.ID] = b
		if b.Parent != "" {
			c.children[b.Parent] = append(c.children[b.Parent], b.ID)
		}
		if !unreadable(b) || b.Kind == model.BackupFull {
			continue
		}
		// What it needs cannot be told: it may be any of its lineage.
		for _, o := range list {
			if o.ID != b.ID && o.Lineage == b.Lineage {
				c.children[o.ID] = append(c.children[o.ID], b.ID)
			}
		}
	}
	return c
}

func infosOf(list []entry) []model.BackupInfo {
	out := make([]model.BackupInfo, len(list))
	for i, e := range list {
		out[i] = e.info
	}
	return out
}

// dependants returns the backups that need one of those named, themselves or
// by way of others. Every deletion asks it.
func (c *chains) dependants(ids ...string) []string {
	seen := map[string]bool{}
	for _, id := range ids {
		seen[id] = true
	}
	var out []string
	for queue := slices.Clone(ids); len(queue) > 0; queue = queue[1:] {
		for _, child := range c.children[queue[0]] {
			if !seen[child] {
				seen[child] = true
				out = append(out, child)
				queue = append(queue, child)
			}
		}
	}
	return out
}

// closed returns those of a set of backups that no backup outside of it needs,
// those that need others first.
func (c *chains) closed(set map[string]bool) []string {
	var out []string
	count := map[string]int{}
	for id := range set {
		others := c.dependants(id)
		if !slices.ContainsFunc(others, func(d string) bool { return !set[d] }) {
			count[id] = len(others)
			out = append(out, id)
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		return cmp.Or(cmp.Compare(count[a], count[b]), cmp.Compare(b, a))
	})
	return out
}

// needs returns the backups that one needs, the nearest first, and whether
// they reach back to a full one.
func (c *chains) needs(id string) (out []string, whole bool) {
	seen := map[string]bool{}
	for b, ok := c.byID[id]; ok && !seen[b.ID]; b, ok = c.byID[b.Parent] {
		seen[b.ID] = true
		if b.ID != id {
			out = append(out, b.ID)
		}
		if b.Parent == "" {
			return out, true
		}
	}
	return out, false
}

// sound tells whether a backup and all that it needs are there and verified.
func (c *chains) sound(id string) bool {
	needs, whole := c.needs(id)
	return whole && !slices.ContainsFunc(append(needs, id), func(id string) bool {
		b := c.byID[id]
		return !b.Verified || b.Problem != ""
	})
}

// unreadable tells whether nothing is known of a backup but that it is there.
func unreadable(b model.BackupInfo) bool { return b.Problem != "" && b.Rows == 0 && b.Bytes == 0 }

// line is a source's lineage.
type line struct{ source, lineage string }

func (c *chains) lines() map[line][]model.BackupInfo {
	out := map[line][]model.BackupInfo{}
	for _, b := range c.list {
		l := line{b.Source, b.Lineage}
		out[l] = append(out[l], b)
	}
	return out
}

// byAt puts the newest first by the clock of the source, byMade by what no
// clock can turn round: a central's position, or the number of a workspace's
// backup.
func byAt(a, b model.BackupInfo) int {
	return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.ID, a.ID))
}

func byMade(a, b model.BackupInfo) int {
	return cmp.Or(cmp.Compare(b.Position, a.Position), cmp.Compare(b.Number, a.Number), byAt(a, b))
}

// soundOf returns the sound backups of a lineage in an order.
func (c *chains) soundOf(list []model.BackupInfo, order func(a, b model.BackupInfo) int) []model.BackupInfo {
	out := slices.DeleteFunc(slices.Clone(list), func(b model.BackupInfo) bool { return !c.sound(b.ID) })
	slices.SortFunc(out, order)
	return out
}

// guarded returns the backups of a lineage that stay whatever happens, with the
// reason: the newest full one and the newest ones, whichever clock one trusts.
func (c *chains) guarded(list []model.BackupInfo) map[string]string {
	out := map[string]string{}
	for _, order := range []func(a, b model.BackupInfo) int{byAt, byMade} {
		sound := c.soundOf(list, order)
		for _, b := range sound[:min(minKeep, len(sound))] {
			out[b.ID] = fmt.Sprintf("one of the newest %d", minKeep)
		}
		if i := slices.IndexFunc(sound, func(b model.BackupInfo) bool { return b.Kind == model.BackupFull }); i >= 0 {
			out[sound[i].ID] = "the newest verified full backup"
		}
	}
	return out
}

// keep returns the backups that stay under the rules, with the reason. What
// they need stays with them.
func (c *chains) keep(r model.KeepRules, now time.Time) map[string]string {
	why := map[string]string{}
	for _, list := range c.lines() {
		maps.Copy(why, c.keepLine(list, r, now))
	}
	for id := range maps.Clone(why) {
		needs, _ := c.needs(id)
		for _, n := range needs {
			if why[n] == "" {
				why[n] = "needed by " + model.ID(id).Short()
			}
		}
	}
	return why
}

func (c *chains) keepLine(list []model.BackupInfo, r model.KeepRules, now time.Time) map[string]string {
	why := map[string]string{}
	note := func(id, reason string) {
		if why[id] == "" {
			why[id] = reason
		}
	}
	inFuture := func(b model.BackupInfo) bool { return b.At.After(now.Add(ahead)) }
	made := slices.DeleteFunc(c.soundOf(list, byMade), inFuture)
	lasts := r.Last
	for _, b := range made {
		switch {
		case b.Kind == model.BackupSegment && lasts == r.Last:
			note(b.ID, "newer than the last backup")
		case b.Kind != model.BackupSegment && lasts > 0:
			note(b.ID, "one of the last")
			lasts--
		}
	}
	dated := slices.DeleteFunc(c.soundOf(list, byAt), inFuture)
	for _, rule := range []struct {
		n      int
		reason string
		bucket func(t time.Time) string
	}{
		{r.Daily, "the last of a day", func(t time.Time) string { return t.Format(time.DateOnly) }},
		{r.Weekly, "the last of a week", func(t time.Time) string { y, w := t.ISOWeek(); return fmt.Sprint(y, w) }},
		{r.Monthly, "the last of a month", func(t time.Time) string { return t.Format("2006-01") }},
		{r.Yearly, "the last of a year", func(t time.Time) string { return t.Format("2006") }},
	} {
		last := ""
		for _, b := range dated {
			if k := rule.bucket(b.At.UTC()); rule.n > 0 && k != last {
				note(b.ID, rule.reason)
				last = k
				rule.n--
			}
		}
	}
	for _, b := range list {
		switch {
		case unreadable(b):
			note(b.ID, "it cannot be read: "+b.Problem)
		case inFuture(b):
			note(b.ID, "its time lies in the future")
		case !c.sound(b.ID) && newerThan(b, made) < minKeep:
			note(b.ID, "not verified, but too few that are verified are newer")
		}
	}
	maps.Copy(why, c.guarded(list))
	return why
}

// newerThan counts those that are newer than b whichever clock one trusts.
func newerThan(b model.BackupInfo, list []model.BackupInfo) int {
	n := 0
	for _, o := range list {
		if byAt(o, b) < 0 && byMade(o, b) < 0 {
			n++
		}
	}
	return n
}

// leftOver returns the backups that no rule keeps, with the reason.
func (c *chains) leftOver(r model.KeepRules, now time.Time) map[string]string {
	kept := c.keep(r, now)
	out := map[string]string{}
	for _, b := range c.list {
		if kept[b.ID] == "" {
			out[b.ID] = "no rule keeps it"
			if !c.sound(b.ID) {
				out[b.ID] = "it is not verified and newer ones are"
			}
		}
	}
	return out
}

// mayGo fails where a person asks to delete backups that must not go: what
// others need, unless they go too, and the newest verified full one of a
// lineage in use. It returns all that would go.
func (c *chains) mayGo(ids []string, cascade bool, own map[string]bool, now time.Time) ([]string, error) {
	others := c.dependants(ids...)
	if len(others) > 0 && !cascade {
		need := fmt.Sprintf("%d other backups need that one, the first: %s", len(others), others[0])
		if len(others) == 1 {
			need = "another backup needs that one: " + others[0]
		}
		return nil, model.Errorf(model.Invalid, "%s", need).
			WithHint("add --cascade to delete them too")
	}
	all := append(slices.Clone(ids), others...)
	for l, list := range c.lines() {
		used := own[l.lineage] || slices.ContainsFunc(list, func(b model.BackupInfo) bool { return now.Sub(b.At) < usedFor })
		for id := range c.guarded(list) {
			if used && c.byID[id].Kind == model.BackupFull && slices.Contains(all, id) && c.newestFull(list, id) {
				return nil, model.Errorf(model.Invalid, "%s is the newest verified full backup that there is", model.ID(id).Short()).
					WithHint("make another one first: rapport backup create --kind full")
			}
		}
	}
	return all, nil
}

// newestFull tells whether a sound backup is the newest full one by any clock.
func (c *chains) newestFull(list []model.BackupInfo, id string) bool {
	for _, order := range []func(a, b model.BackupInfo) int{byAt, byMade} {
		for _, b := range c.soundOf(list, order) {
			if b.Kind == model.BackupFull {
				if b.ID == id {
					return true
				}
				break
			}
		}
	}
	return false
}
