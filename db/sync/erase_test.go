package sync_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rapport/db/mysql"
	"rapport/model"
)

// wordsIn lists the files of a home that hold a word.
func (h *home) wordsIn(t *testing.T, word string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(h.dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range []string{word, strings.ToLower(word)} {
			if bytes.Contains(data, []byte(w)) {
				out = append(out, f+" "+w)
			}
		}
	}
	return out
}

// TestErasureReachesEveryCache erases a contact while one laptop is synced,
// one has unsent changes of it, and one was away for so long that it compares
// every row: none keeps a word of it, nothing brings it back, and nobody waits.
func TestErasureReachesEveryCache(t *testing.T) {
	bothWays(t, func(t *testing.T, c *central, url string) {
		const word = "Qxzvwjkp"
		synced, unsent, away := newHome(t, "ann", url), newHome(t, "ann", url), newHome(t, "ann", url)
		r := synced.save(t, "contact", "", map[string]any{"last_name": word, "notes": "of " + word, "phone": []*model.Record{phone(t, "+41446681800")}})
		deal := synced.save(t, "deal", "", map[string]any{"name": "Big", "contact": model.Ref{Noun: "contact", ID: r.ID}})
		note, err := model.ParseItem(model.EntityOf("activity").Field("about"), "contact:"+string(r.ID), model.Env{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := synced.Save(t.Context(), model.Edit{Noun: "activity", Set: map[string]any{"kind": "note", "subject": "called " + word}, Add: map[string][]*model.Record{"about": {note}}}); err != nil {
			t.Fatal(err)
		}
		for _, h := range []*home{synced, unsent, away} {
			h.sync(t)
		}
		unsent.save(t, "contact", r.ID, map[string]any{"notes": "unsent of " + word})
		if _, err := unsent.Save(t.Context(), model.Edit{Noun: "contact", ID: r.ID, Add: map[string][]*model.Record{"phone": {phone(t, "+41446681801")}}}); err != nil {
			t.Fatal(err)
		}
		if _, err := mysql.Erase(t.Context(), c.url, r.ID); err != nil {
			t.Fatal(err)
		}
		c.exec(t, "UPDATE sync_meta SET min_seq = (SELECT seq FROM sync_counter) - 1")
		c.exec(t, "DELETE FROM sync_feed WHERE seq < (SELECT min_seq FROM sync_meta)")
		for _, h := range []*home{synced, unsent, away} {
			h.sync(t)
			h.sync(t)
		}
		converge(t, c, synced, unsent, away)
		for _, h := range []*home{synced, unsent, away} {
			if found := h.wordsIn(t, word); len(found) > 0 {
				t.Errorf("the word stands in %v", found)
			}
			if got := h.get(t, "deal", deal.ID).Ref("contact"); got.ID != "" {
				t.Errorf("the deal points to %v", got)
			}
		}
	})
}
