package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"rapport/model"
)

// Sizes of a sweep's steps. Each is a short transaction of its own that locks
// nothing but what it removes, so that no writer feels it.
const (
	sweepScan = 20000 // feed entries that are looked at for newer ones at once
	sweepRows = 1000  // entries, receipts and runs removed at once
)

// Sweep removes what nobody needs any more and returns what it did, a line
// each: entries of the feed that a newer one of the same row and scope
// replaces, everything about deletions older than keep, old receipts and runs,
// and the rows that were deleted so long ago. It may be stopped at any time and
// run by several at once: each step finds only what is left.
//
// The order matters. min_seq rises first, so that a client whose position the
// feed does not reach back to any more is told before anything is missing.
func Sweep(ctx context.Context, url string, keep time.Duration) ([]string, error) {
	s, err := adminSession(ctx, url)
	if err != nil {
		return nil, err
	}
	defer s.close()
	w := &sweeper{builder: builder{session: s, ctx: ctx, database: s.address.Database}, keep: keep}
	w.run("USE " + ident(w.database))
	switch tables := w.tables(); {
	case w.err == nil && !slices.Contains(tables, metaTable):
		return nil, model.Errorf(model.NoCentral, "the central database is not set up").WithHint("run `rapport central init` first")
	case w.err == nil && !slices.Contains(tables, "sync_lease"):
		return nil, model.Errorf(model.TooNew, "the central is older than this program").WithHint("run `rapport central migrate`")
	}
	w.raiseMinimum()
	w.trimFeed()
	w.compact()
	w.trimRuns()
	w.trimReceipts()
	w.removed("sync_lease", "name", "SELECT QUOTE(name) FROM sync_lease WHERE name LIKE '"+receiptName+"%' AND expires_at<UTC_TIMESTAMP(3)")
	w.purge()
	w.forgetReplaced()
	w.forgetRestores()
	if w.err == nil && len(w.done) == 0 {
		w.say("nothing was old enough to remove")
	}
	return w.done, mapError("sweep", w.err)
}

// sweeper runs steps until one fails.
type sweeper struct {
	builder
	keep    time.Duration
	minimum int64
}

// cutoff is the moment before which things are old, by the server's clock.
func (w *sweeper) cutoff() string {
	return fmt.Sprintf("UTC_TIMESTAMP(3)-INTERVAL %d SECOND", int64(w.keep.Seconds()))
}

func (w *sweeper) number(q string) int64 {
	n := int64(0)
	for _, line := range w.list(q) {
		n, _ = strconv.ParseInt(line, 10, 64)
	}
	return n
}

// raiseMinimum makes the newest position that is older than the cutoff the
// oldest that a client may follow the feed from.
func (w *sweeper) raiseMinimum() {
	before := w.number("SELECT min_seq FROM sync_meta WHERE id=1")
	old := w.number("SELECT COALESCE(MAX(last_seq),0) FROM sync_run WHERE at<" + w.cutoff())
	if w.minimum = max(before, old); w.minimum > before {
		w.run(fmt.Sprintf("UPDATE sync_meta SET min_seq=GREATEST(min_seq,%d) WHERE id=1", w.minimum))
		w.say("clients follow the feed from position %d on", w.minimum)
	}
}

// removed removes in short transactions what a condition names and returns how
// much it was. The rows are found without locks.
func (w *sweeper) removed(table, key, find string) int64 {
	total := int64(0)
	for w.err == nil {
		keys := w.list(find + fmt.Sprintf(" LIMIT %d", sweepRows))
		if len(keys) == 0 || w.err != nil {
			break
		}
		w.again("DELETE FROM " + table + " WHERE " + key + " IN (" + strings.Join(keys, ",") + ")")
		total += int64(len(keys))
	}
	return total
}

// again runs a statement, anew where it met another one.
func (w *sweeper) again(q string) {
	if w.err == nil {
		w.err = retry(w.ctx, func() error { return w.exec(w.ctx, q) })
	}
}

// trimFeed removes the entries that no client asks for any more.
func (w *sweeper) trimFeed() {
	n := w.removed("sync_feed", "seq", fmt.Sprintf("SELECT seq FROM sync_feed WHERE seq<=%d ORDER BY seq", w.minimum))
	if n > 0 {
		w.say("%d entries of the feed that were older than %d days are gone", n, int(w.keep.Hours()/24))
	}
}

// compact removes the entries that a newer one of the same row and scope
// replaces. The scope counts: that a row left one must be told there, although
// it changed in another one since.
func (w *sweeper) compact() {
	head := w.number("SELECT seq FROM sync_counter WHERE id=1")
	total := int64(0)
	for from := w.minimum; from < head && w.err == nil; from += sweepScan {
		total += w.removed("sync_feed", "seq", fmt.Sprintf("SELECT f.seq FROM sync_feed f WHERE f.seq>%d AND f.seq<=%d AND EXISTS"+
			" (SELECT 1 FROM sync_feed n WHERE n.tbl=f.tbl AND n.pk=f.pk AND n.scope<=>f.scope AND n.seq>f.seq)", from, min(from+sweepScan, head)))
	}
	if total > 0 {
		w.say("%d entries of the feed that newer ones replace are gone", total)
	}
}

// trimRuns removes the runs of positions that no client may have. The newest
// one always stays: it is what a server is recognised by.
func (w *sweeper) trimRuns() {
	n := w.removed("sync_run", "run_id", fmt.Sprintf("SELECT run_id FROM sync_run WHERE last_seq<%d AND at<%s AND run_id<(SELECT run_id FROM sync_counter WHERE id=1)", w.minimum, w.cutoff()))
	if n > 0 {
		w.say("%d old runs of the sequencer are gone", n)
	}
}

// trimReceipts removes receipts of batches that nobody sends again. The newest
// one of each workspace stays: a copy of the workspace is told by it.
func (w *sweeper) trimReceipts() {
	n := w.removed("sync_push", "(client,batch)", "SELECT CONCAT('(X''',HEX(client),''',',batch,')') FROM sync_push p WHERE at<"+w.cutoff()+
		" AND EXISTS (SELECT 1 FROM sync_push n WHERE n.client=p.client AND n.batch>p.batch)")
	if n > 0 {
		w.say("%d old receipts are gone", n)
	}
}

// purge removes the rows that were deleted before the cutoff, parts before
// their records. A record that something living refers to stays.
func (w *sweeper) purge() {
	entities := model.Entities()
	total, kept := int64(0), int64(0)
	for _, e := range slices.Backward(entities) {
		after := ""
		for w.err == nil {
			ids := w.list(fmt.Sprintf("SELECT CONCAT('X''',HEX(id),'''') FROM %s WHERE deleted_at<%s%s ORDER BY id LIMIT %d", ident(string(e.Noun)), w.cutoff(), after, sweepRows))
			if len(ids) == 0 {
				break
			}
			after = " AND id>" + ids[len(ids)-1]
			for _, id := range ids {
				if w.purgeOne(e, id) {
					total++
				} else {
					kept++
				}
			}
		}
	}
	if total > 0 {
		w.say("%d rows that were deleted more than %d days ago are gone", total, int(w.keep.Hours()/24))
	}
	if kept > 0 && w.err == nil {
		w.say("%d deleted rows stay, because living ones refer to them", kept)
	}
}

// purgeOne removes a row with its parts, in one transaction, if it is deleted
// still. It tells whether it did.
func (w *sweeper) purgeOne(e *model.Entity, id string) bool {
	if w.err != nil {
		return false
	}
	table, old := ident(string(e.Noun)), "deleted_at<"+w.cutoff()
	// The lock keeps the row from being restored while its parts go.
	q := []string{"SELECT id FROM " + table + " WHERE id=" + id + " AND " + old + " FOR UPDATE"}
	for _, part := range model.Entities() {
		if slices.Contains(part.Owner, e.Noun) {
			q = append(q, "DELETE FROM "+ident(string(part.Noun))+" WHERE "+ident(string(e.Noun)+"_id")+"="+id+
				" AND EXISTS (SELECT 1 FROM "+table+" o WHERE o.id="+id+" AND o."+old+")")
		}
	}
	q = append(q, "DELETE FROM "+table+" WHERE id="+id+" AND "+old, "SELECT ROW_COUNT()")
	count := ""
	err := w.atomically(w.ctx, func() error {
		return w.query(w.ctx, strings.Join(q, ";"), func(set int, v []driver.Value) error {
			if set == 1 {
				count = asText(v[0])
			}
			return nil
		})
	})
	if number(err) == erReferenced {
		return false
	}
	w.err = err
	return err == nil && count == "1"
}
