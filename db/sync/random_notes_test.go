package sync_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"rapport/db/mysql/servertest"
	"rapport/model"
)

// TestRandomNotes lets three laptops write lines into the same two notes, at
// any place and in any order, with lost acknowledgements, and delete and
// restore the contacts meanwhile. Every line must be there in the end.
func TestRandomNotes(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { randomNotes(t, seed) })
	}
}

func randomNotes(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 11))
	c := newCentral(t)
	p := servertest.NewProxy(t, servertest.Shared(t))
	homes := []*home{newHome(t, "ann", p.URL(c.url)), newHome(t, "bob", p.URL(c.url)), newHome(t, "cid", p.URL(c.url))}
	var ids []model.ID
	for i := range 2 {
		ids = append(ids, homes[0].save(t, "contact", "", map[string]any{"last_name": fmt.Sprint("c", i), "notes": "first\nsecond\nthird"}).ID)
	}
	for _, h := range homes {
		h.sync(t)
	}
	written := map[model.ID][]string{}
	for step := range 40 {
		h, id := homes[rng.IntN(len(homes))], ids[rng.IntN(len(ids))]
		switch rng.IntN(9) {
		case 0, 1, 2, 3:
			r := h.get(t, "contact", id)
			if !r.DeletedAt.IsZero() {
				continue
			}
			line := fmt.Sprint(h.me, " wrote ", step)
			lines := strings.Split(r.Text("notes"), "\n")
			lines = slices.Insert(lines, rng.IntN(len(lines)+1), line)
			h.save(t, "contact", id, map[string]any{"notes": strings.Join(lines, "\n")})
			written[id] = append(written[id], line)
		case 4:
			var err error
			if h.get(t, "contact", id).DeletedAt.IsZero() {
				err = h.Delete(t.Context(), "contact", id)
			} else {
				err = h.Restore(t.Context(), "contact", id)
			}
			if err != nil {
				t.Fatal(err)
			}
		case 5:
			p.On("sync_push", func() bool { return false })
			h.try(t)
			p.On("", nil)
		default:
			h.sync(t)
		}
	}
	p.On("", nil)
	converge(t, c, homes...)
	for id, lines := range written {
		notes := strings.Split(homes[0].get(t, "contact", id).Text("notes"), "\n")
		for _, line := range append(lines, "first", "second", "third") {
			if !slices.Contains(notes, line) {
				t.Errorf("the line %q is lost:\n%s", line, strings.Join(notes, "\n"))
			}
		}
	}
}
