package sync_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"rapport/db/mysql"
	"rapport/db/mysql/servertest"
	"rapport/model"
)

// office is a central on which people have accounts of their own.
type office struct {
	*central
	*mysql.Office
	t *testing.T
}

func newOffice(t *testing.T) *office {
	t.Helper()
	c := newCentral(t)
	f, err := mysql.OpenOffice(t.Context(), c.url, mysql.DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return &office{c, f, t}
}

// login is somebody's login on this central: accounts belong to the whole
// server, which other tests use too.
func (o *office) login(name string) string { return name + "_" + o.name }

// hire lets somebody in who sees only what is theirs, and gives them a laptop.
func (o *office) hire(name string) *home {
	o.t.Helper()
	login := o.login(name)
	i, err := o.AddPerson(o.t.Context(), model.NewPerson{Person: model.Person{Login: login, Name: name, Role: model.RoleSales, Scope: model.ScopeOwn}})
	if err != nil {
		o.t.Fatalf("hire %s: %v", name, err)
	}
	s := servertest.Shared(o.t)
	o.t.Cleanup(func() { s.SQL(o.t, "", "DROP USER IF EXISTS '"+login+"'@'%'") })
	if err := mysql.ChangePassword(o.t.Context(), s.URLFor(login, i.Password, o.name), "a-long-enough-secret", mysql.DialOptions{}); err != nil {
		o.t.Fatalf("first login of %s: %v", name, err)
	}
	return newHome(o.t, login, s.URLFor(login, "a-long-enough-secret", o.name))
}

// give makes contacts somebody's as another program does.
func (o *office) give(h *home, ids ...model.ID) {
	o.t.Helper()
	for _, id := range ids {
		o.exec(o.t, "UPDATE contact SET owner_id = (SELECT id FROM user WHERE login = ?) WHERE id = ?", h.me, id.Bytes())
	}
}

// agree is the oracle where people see different rows: within four rounds
// nothing moves any more, and everybody has exactly the rows that the server
// shows them, but for records that stay for an unsent change.
func agree(t *testing.T, homes ...*home) {
	t.Helper()
	quiet := false
	for round := 0; round < 4 && !quiet; round++ {
		quiet = true
		for _, h := range homes {
			res := h.sync(t)
			quiet = quiet && res.Pushed == 0 && res.Pulled == 0
		}
	}
	if !quiet {
		t.Error("rows still move after four rounds")
	}
	for _, h := range homes {
		left := map[model.ID]bool{}
		for _, p := range h.pending(t) {
			left[p.ID] = p.Code == model.CodeLeft
		}
		for _, e := range model.Entities() {
			want, got := serverRows(t, h.url, e), h.rows(t, e)
			for id, row := range want {
				if !slices.Equal(got[id], row) {
					t.Errorf("%s %s on %s:\n  is   %q\n  want %q", e.Noun, id, h.me, got[id], row)
				}
			}
			for id, row := range got {
				record := id
				if _, owner, ok := row.OwnerOf(e); ok {
					record = owner
				}
				if _, ok := want[id]; !ok && !left[record] {
					t.Errorf("%s %s is on %s only: %q", e.Noun, id, h.me, row)
				}
			}
		}
		if res := h.sync(t); res.RoundTrips != 1 {
			t.Errorf("an idle sync of %s took %d round trips", h.me, res.RoundTrips)
		}
	}
}

// has tells whether somebody has a record.
func (h *home) has(t *testing.T, noun model.Noun, id model.ID) bool {
	t.Helper()
	row, err := h.Row(t.Context(), model.EntityOf(noun), id)
	if err != nil {
		t.Fatal(err)
	}
	return row != nil
}

func phones(values ...string) []*model.Record {
	var out []*model.Record
	for _, v := range values {
		p := model.NewPart(model.EntityOf("contact").Field("phone"))
		p.Values["value"] = v
		out = append(out, p)
	}
	return out
}

// TestT65MovedOutOfScope moves contacts of ann to bob and on to cid before ann
// syncs. They leave ann with their phones; her unsent edit stays until she
// answers, and is sent where the contact comes back.
func TestT65MovedOutOfScope(t *testing.T) {
	for _, compact := range []bool{false, true} {
		t.Run(fmt.Sprintf("compacted between %t", compact), func(t *testing.T) {
			o := newOffice(t)
			ann, bob, cid := o.hire("ann"), o.hire("bob"), o.hire("cid")
			for _, h := range []*home{ann, bob, cid} {
				h.sync(t)
			}
			var ids []model.ID
			for i := range 3 {
				ids = append(ids, ann.save(t, "contact", "", map[string]any{"last_name": fmt.Sprint("Meier ", i), "owner": model.Ref{Noun: "user", Name: ann.me},
					"phone": phones("+41446681800")}).ID)
			}
			ann.sync(t)
			clean, edited, given := ids[0], ids[1], ids[2]
			ann.save(t, "contact", edited, map[string]any{"job_title": "Buyer"})
			ann.save(t, "contact", given, map[string]any{"phone": phones("+41446681801")})
			o.give(bob, ids...)
			bob.sync(t)
			if !bob.has(t, "contact", clean) {
				t.Error("bob did not get it")
			}
			o.give(cid, ids...)
			if compact {
				cid.sync(t) // which gives the moves their positions
				if _, err := mysql.Sweep(t.Context(), o.url, 24*time.Hour); err != nil {
					t.Fatal(err)
				}
			}
			ann.sync(t)
			if ann.has(t, "contact", clean) {
				t.Error("it stays with ann")
			}
			if bin, err := ann.List(t.Context(), model.Query{Noun: "contact", Bin: true}); err != nil || len(bin.Items) > 0 {
				t.Errorf("in ann's bin: %v %v", bin.Items, err)
			}
			agree(t, ann, bob, cid)
			if bob.has(t, "contact", clean) || !cid.has(t, "contact", clean) || !cid.has(t, "contact", edited) {
				t.Error("bob has what is cid's")
			}
			items := ann.pending(t)
			if len(items) != 2 {
				t.Fatalf("ann's edits: %+v", items)
			}
			for _, p := range items {
				if p.Code != model.CodeLeft || !strings.Contains(p.Error, "may not see it") {
					t.Errorf("ann's edit: %+v", p)
				}
			}
			if got := ann.get(t, "contact", edited).Text("job_title"); got != "Buyer" {
				t.Errorf("ann's edit reads %q", got)
			}
			// She gives one up; the other comes back to her.
			if _, err := ann.Discard(t.Context(), given); err != nil {
				t.Fatal(err)
			}
			o.give(ann, edited)
			agree(t, ann, bob, cid)
			if ann.has(t, "contact", given) || len(ann.pending(t)) > 0 {
				t.Errorf("still pending: %+v", ann.pending(t))
			}
			if got := o.value(t, "SELECT job_title FROM contact WHERE id = ?", edited.Bytes()); got != "Buyer" {
				t.Errorf("the server has the job title %q", got)
			}
		})
	}
}

// TestT66MovedIn moves a contact with old activities to somebody who gets all
// of it in one sync, while the one who had it loses all of it.
func TestT66MovedIn(t *testing.T) {
	const activities = 200
	o := newOffice(t)
	ann, bob := o.hire("ann"), o.hire("bob")
	ann.sync(t)
	bob.sync(t)
	me := model.Ref{Noun: "user", Name: bob.me}
	id := bob.save(t, "contact", "", map[string]any{"last_name": "Meier", "owner": me, "phone": phones("+41446681800", "+41446681801")}).ID
	var edits []model.Edit
	for i := range activities {
		about := model.NewPart(model.EntityOf("activity").Field("about"))
		about.Values["record"] = model.Ref{Noun: "contact", ID: id}
		edits = append(edits, model.Edit{Noun: "activity", Set: map[string]any{"kind": "call", "subject": fmt.Sprint("Call ", i), "owner": me, "about": []*model.Record{about}}})
	}
	if _, err := bob.SaveAll(t.Context(), edits, false); err != nil {
		t.Fatal(err)
	}
	bob.sync(t)
	o.give(ann, id)
	ann.sync(t)
	count := func(h *home) (contacts, phones, calls, links int) {
		return len(h.rows(t, model.EntityOf("contact"))), len(h.rows(t, model.EntityOf("contact_method"))),
			len(h.rows(t, model.EntityOf("activity"))), len(h.rows(t, model.EntityOf("activity_link")))
	}
	if c, p, a, l := count(ann); c != 1 || p != 2 || a != activities || l != activities {
		t.Errorf("ann has %d contacts, %d phones, %d calls, %d links", c, p, a, l)
	}
	bob.sync(t)
	if c, p, a, l := count(bob); c+p+a+l != 0 {
		t.Errorf("bob keeps %d contacts, %d phones, %d calls, %d links", c, p, a, l)
	}
	agree(t, ann, bob)
}

// TestT67GrantedAndRevoked gives ann what is bob's and takes it away again. She
// gets it whole; what she did not send is kept and can be exported.
func TestT67GrantedAndRevoked(t *testing.T) {
	o := newOffice(t)
	ann, bob := o.hire("ann"), o.hire("bob")
	bob.sync(t)
	ann.sync(t)
	var ids []model.ID
	for i := range 5 {
		ids = append(ids, bob.save(t, "contact", "", map[string]any{"last_name": fmt.Sprint("Meier ", i), "owner": model.Ref{Noun: "user", Name: bob.me},
			"phone": phones("+41446681800")}).ID)
	}
	bob.sync(t)
	agree(t, ann, bob)
	if ann.has(t, "contact", ids[0]) {
		t.Fatal("ann sees what is bob's")
	}
	if err := o.Grant(t.Context(), model.ScopeGrant{Login: ann.me, Scope: bob.me}); err != nil {
		t.Fatal(err)
	}
	ann.sync(t)
	for _, id := range ids {
		if !ann.has(t, "contact", id) || len(ann.get(t, "contact", id).List("phone")) != 1 {
			t.Errorf("ann did not get %s", id)
		}
	}
	agree(t, ann, bob)
	ann.save(t, "contact", ids[0], map[string]any{"job_title": "Buyer"})
	if err := o.Revoke(t.Context(), ann.me, bob.me); err != nil {
		t.Fatal(err)
	}
	ann.sync(t)
	for _, id := range ids[1:] {
		if ann.has(t, "contact", id) {
			t.Errorf("ann keeps %s", id)
		}
	}
	agree(t, ann, bob)
	items := ann.pending(t)
	if len(items) != 1 || items[0].ID != ids[0] || items[0].Code != model.CodeLeft {
		t.Fatalf("ann's edits: %+v", items)
	}
	page, err := ann.List(t.Context(), model.Query{Noun: "contact"})
	if err != nil || len(page.Items) != 1 || page.Items[0].Text("job_title") != "Buyer" {
		t.Errorf("an export has %v, %v", page.Items, err)
	}
	if got := o.value(t, "SELECT COUNT(*) FROM contact WHERE job_title = 'Buyer'"); got != "0" {
		t.Error("the edit arrived after the revocation")
	}
}
