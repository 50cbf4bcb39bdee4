package sync_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"rapport/db/mysql/servertest"
	"rapport/model"
)

// TestRandomSchedules runs seeds of three laptops and another program that
// change the same few records in any order, with lost acknowledgements, and
// then asks for convergence. Fields that no two sides ever touch must hold the
// last value that their one writer gave them.
func TestRandomSchedules(t *testing.T) {
	for seed := range uint64(times(4, 300)) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			randomSchedule(t, seed, newCentral(t), servertest.NewProxy(t, servertest.Shared(t)))
		})
	}
}

func randomSchedule(t *testing.T, seed uint64, c *central, p *servertest.Proxy) {
	rng := rand.New(rand.NewPCG(seed, 7))
	homes := []*home{newHome(t, "ann", p.URL(c.url)), newHome(t, "bob", p.URL(c.url)), newHome(t, "cid", p.URL(c.url))}
	own := []string{"job_title", "department", "salutation"} // one field for each laptop alone
	var ids []model.ID
	for i := range 3 {
		ids = append(ids, homes[0].save(t, "contact", "", map[string]any{"last_name": fmt.Sprint("c", i)}).ID)
	}
	for _, h := range homes {
		h.sync(t)
	}
	last := map[string]string{}
	rough := homes[0].save(t, "contact", "", map[string]any{"last_name": "rough"}).ID
	for step := range 40 {
		i := rng.IntN(len(homes))
		h, id := homes[i], ids[rng.IntN(len(ids))]
		value := fmt.Sprint("v", step)
		switch rng.IntN(12) {
		case 0, 1, 2:
			h.save(t, "contact", id, map[string]any{own[i]: value})
			last[string(id)+own[i]] = value
		case 3:
			h.save(t, "contact", id, map[string]any{"status": value}) // shared, low risk
		case 4:
			h.save(t, "contact", id, map[string]any{"do_not_call": step%2 == 0}) // shared, waits
		case 5:
			c.exec(t, "UPDATE contact SET source = ? WHERE id = ?", value, id.Bytes())
			last[string(id)+"source"] = value
		case 6:
			p.On("sync_push", func() bool { return false })
			h.try(t)
			p.On("", nil)
		case 7, 8, 9:
			roughly(t, rng, c, h, rough, value)
		default:
			h.sync(t)
		}
	}
	p.On("", nil)
	settleAll(t, homes)
	converge(t, c, homes...)
	for key, want := range last {
		id, field := model.ID(key[:36]), key[36:]
		for _, h := range homes {
			if got := h.get(t, "contact", id).Text(field); got != want {
				t.Errorf("%s of %s on %s = %q, want %q", field, id, h.me, got, want)
			}
		}
	}
}

// roughly does to one record what records suffer: it is deleted and restored,
// tagged, given phones and mails and rid of them, by anybody at any time.
// Whatever comes of it must be the same everywhere.
func roughly(t *testing.T, rng *rand.Rand, c *central, h *home, id model.ID, value string) {
	t.Helper()
	r, err := h.Get(t.Context(), "contact", id)
	if model.KindOf(err) == model.NotFound {
		return // it has not come here yet
	}
	if err != nil {
		t.Fatal(err)
	}
	list := func(field, text string) map[string][]*model.Record {
		item, err := model.ParseItem(model.EntityOf("contact").Field(field), text, model.Env{})
		if err != nil {
			t.Fatal(err)
		}
		return map[string][]*model.Record{field: {item}}
	}
	edit := model.Edit{Noun: "contact", ID: id}
	switch rng.IntN(7) {
	case 0:
		if r.DeletedAt.IsZero() {
			err = h.Delete(t.Context(), "contact", id)
		} else {
			err = h.Restore(t.Context(), "contact", id)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	case 1:
		edit.Add = list("tag", fmt.Sprint("tag", rng.IntN(2)))
	case 2:
		edit.Remove = list("tag", fmt.Sprint("tag", rng.IntN(2)))
	case 3:
		edit.Add = list("phone", "+41 44 668 18 0"+fmt.Sprint(rng.IntN(3)))
	case 4:
		edit.Remove = list("phone", "+41 44 668 18 0"+fmt.Sprint(rng.IntN(3)))
	case 5:
		edit.Set = map[string]any{"email": list("email", value+"@example.org")["email"]}
	case 6:
		c.exec(t, "DELETE FROM contact_method WHERE kind = 'phone' LIMIT 1")
		return
	}
	if !r.DeletedAt.IsZero() {
		return
	}
	_, err = h.Save(t.Context(), edit)
	if err != nil && (edit.Remove == nil || model.KindOf(err) != model.Invalid) { // there may be none to remove
		t.Fatal(err)
	}
}

// settleAll syncs and takes mine until no conflict is open anywhere.
func settleAll(t *testing.T, homes []*home) {
	t.Helper()
	for range 6 {
		open := 0
		for _, h := range homes {
			h.sync(t)
			for _, cf := range h.conflicts(t) {
				open++
				if err := h.Settle(t.Context(), cf.ID, []model.Settlement{{Take: "mine"}}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if open == 0 {
			return
		}
	}
	t.Error("conflicts keep coming")
}
