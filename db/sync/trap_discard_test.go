package sync_test

import (
	"context"
	"testing"

	"rapport/db/mysql"
	"rapport/model"
)

// restoreDiscarding puts a state in the place of what the central has and lets
// laptops give up what they sent after it.
func restoreDiscarding(t *testing.T, c *central, s *state) {
	t.Helper()
	plan, err := mysql.PlanRestore(t.Context(), c.url, s, mysql.Restoring{At: s.info.At, Discard: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !plan.Discard || plan.Lost == 0 || len(plan.Losses) == 0 || plan.Losses[0].Changes > plan.Lost {
		t.Errorf("the plan does not name what is lost: %+v", plan.Losses)
	}
	if _, err := mysql.Restore(t.Context(), c.url, s, mysql.Restoring{Epoch: s.info.Epoch, At: s.info.At, Position: s.info.Position, Discard: true,
		Erase: func(context.Context, *mysql.Loaded) error { return nil }}, nil); err != nil {
		t.Fatal(err)
	}
}

// T60: a mass mistake has travelled to the laptops when the central is restored
// to before it, and the administrator has them give up what they sent since. They
// take over what was restored and offer nothing; what they gave up is in their
// history and bins, from where a person enters it again; what was not sent is sent,
// on records that were sent too; and what others have done on the restored
// central stays.
func TestT60Discarded(t *testing.T) {
	bothWays(t, func(t *testing.T, c *central, url string) {
		a, b := newHome(t, "ann", url), newHome(t, "bob", c.url)
		wrong := a.save(t, "contact", "", map[string]any{"last_name": "x", "job_title": "right", "department": "1"})
		gone := a.save(t, "contact", "", map[string]any{"last_name": "gone"})
		deal := a.save(t, "deal", "", map[string]any{"name": "d", "amount": model.Money{Minor: 100, Currency: "EUR"}})
		both(t, a, b)
		s := backup(t, c)
		a.save(t, "contact", wrong.ID, map[string]any{"job_title": "wrong"})
		a.save(t, "deal", deal.ID, map[string]any{"amount": model.Money{Minor: 1, Currency: "EUR"}})
		if err := a.Delete(t.Context(), "contact", gone.ID); err != nil {
			t.Fatal(err)
		}
		mistake := a.save(t, "contact", "", map[string]any{"last_name": "mistake", "phone": []*model.Record{phone(t, "+41446681800")}})
		edited := a.save(t, "contact", "", map[string]any{"last_name": "edited"})
		both(t, a, b)
		a.save(t, "contact", wrong.ID, map[string]any{"department": "unsent"})
		a.save(t, "deal", deal.ID, map[string]any{"amount": model.Money{Minor: 300, Currency: "EUR"}})
		a.save(t, "contact", edited.ID, map[string]any{"department": "unsent"})
		made := a.save(t, "contact", "", map[string]any{"last_name": "made"})
		restoreDiscarding(t, c, s)
		c.exec(t, "UPDATE contact SET status = 'of a program' WHERE last_name = 'x'")
		b.sync(t)
		a.sync(t)
		converge(t, c, a, b)
		contacts := func(want string) {
			t.Helper()
			if got := c.value(t, "SELECT GROUP_CONCAT(CONCAT_WS(' ', last_name, job_title, department, status) ORDER BY last_name) FROM contact WHERE deleted_at IS NULL"); got != want {
				t.Errorf("on the server: %s, want %s", got, want)
			}
		}
		contacts("edited unsent,gone,made,x right unsent of a program")
		if got := c.value(t, "SELECT amount_minor FROM deal"); got != "300" {
			t.Errorf("the amount is %s", got)
		}
		alive(t, c, "contact", made.ID, a, b)
		for _, h := range []*home{a, b} {
			if len(h.conflicts(t)) > 0 {
				t.Errorf("%s is asked: %+v", h.me, h.conflicts(t))
			}
			if !h.inBinOf(t, mistake) || !h.noted(t, "contact", mistake.ID, "gave up") || !h.noted(t, "contact", wrong.ID, "gave up") || !h.changedFrom(t, "contact", wrong.ID, "job_title", "wrong") {
				t.Errorf("%s is not told what was given up", h.me)
			}
		}
		// What was given up is entered again by those who want it.
		acts, err := b.Acts(t.Context(), 0)
		if err != nil || len(acts) == 0 {
			t.Fatalf("acts = %v, %v", acts, err)
		}
		for _, act := range acts {
			if act.Record.ID == mistake.ID || act.Record.ID == wrong.ID {
				if _, err := b.Undo(t.Context(), act.ID); err != nil {
					t.Fatal(err)
				}
			}
		}
		converge(t, c, b, a)
		contacts("edited unsent,gone,made,mistake,x wrong unsent of a program")
		if got := c.value(t, "SELECT COUNT(*) FROM contact_method WHERE deleted_at IS NULL"); got != "1" {
			t.Errorf("%s phones came back", got)
		}
	})
}

// T60: a laptop that comes long after a restore that gave up what it sent, when
// the former tables are gone and there has been another restore, gives it up all
// the same; and one that comes after that restore was undone gives up nothing.
func TestT60DiscardedLongAgo(t *testing.T) {
	for _, undone := range []bool{false, true} {
		t.Run(map[bool]string{false: "restored again", true: "undone"}[undone], func(t *testing.T) {
			c, a, b := two(t)
			a.save(t, "contact", "", map[string]any{"last_name": "x"})
			both(t, a, b)
			s := backup(t, c)
			a.save(t, "contact", "", map[string]any{"last_name": "mistake"})
			a.sync(t)
			restoreDiscarding(t, c, s)
			want := "x"
			if undone {
				undoRestore(t, c)
				want = "mistake,x"
			} else {
				b.sync(t)
				b.save(t, "contact", "", map[string]any{"last_name": "right"})
				b.sync(t)
				c.exec(t, "UPDATE sync_restore SET ended_at = ended_at - INTERVAL 40 DAY")
				sweep(t, c)
				restoreBackup(t, c, s, nil, nil)
				want = "right,x"
			}
			a.sync(t)
			b.sync(t)
			converge(t, c, a, b)
			if got := c.value(t, "SELECT GROUP_CONCAT(last_name ORDER BY last_name) FROM contact"); got != want {
				t.Errorf("on the server: %s, want %s", got, want)
			}
		})
	}
}
