package workspace

import (
	"database/sql"
	"slices"
	"strings"
	"testing"
	"time"

	"rapport/db/mysql/servertest"
	"rapport/model"
)

// TestRecordComesBackToEverybody brings a record back from a backup of the
// central, and from a moment between two of them. It is an edit like any other:
// the central keeps its identity, everybody gets it, and one undo takes it back
// everywhere.
func TestRecordComesBackToEverybody(t *testing.T) {
	srv := servertest.Shared(t)
	url := srv.Database(t)
	open := func(me string) model.Workspace {
		return openTest(t, model.Settings{Home: t.TempDir(), Me: me, Currency: "EUR", Central: url})
	}
	ann, bob := open("ann"), open("bob")
	ctx := t.Context()
	if _, err := ann.InitCentral(ctx); err != nil {
		t.Fatal(err)
	}
	settle := func() {
		t.Helper()
		for _, ws := range []model.Workspace{ann, bob, ann} {
			if _, err := ws.Sync(ctx, false, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	edit := func(ws model.Workspace, id model.ID, set ...string) *model.Record {
		t.Helper()
		ed, err := model.EditFromText(model.EntityOf("contact"), set, nil, nil, model.Env{Now: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		ed.ID, ed.MakeLinks = id, true
		r, err := ws.Save(ctx, ed)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	place := model.BackupRequest{Source: model.SourceCentral, To: t.TempDir()}
	backup := func(kind string) model.BackupInfo {
		t.Helper()
		req := place
		req.Kind = kind
		info, err := ann.CreateBackup(ctx, req, nil)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	epoch := func() string {
		t.Helper()
		st, err := ann.CentralStatus(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return st.Epoch
	}

	ada := edit(ann, "", "first_name=Ada", "last_name=Lovelace", "phone=+41446681800:work", "phone=+41791234567:mobile", "tag=vip", "birth_date=1815-12-10", "notes=one\ntwo")
	settle()
	first := ada
	full := backup(model.BackupFull)
	edit(bob, ada.ID, "last_name=Byron", "phone=+41446681800:work")
	settle()
	second, err := ann.Get(ctx, "contact", ada.ID)
	if err != nil {
		t.Fatal(err)
	}
	between := serverTime(t, srv.DB(servertest.Name(url)))
	edit(bob, ada.ID, "last_name=King", "notes=", "tag=", "phone=+49301234567")
	settle()
	if err := bob.Delete(ctx, "contact", ada.ID); err != nil {
		t.Fatal(err)
	}
	settle()
	backup(model.BackupIncremental)
	before := epoch()

	at := func(id string, moment time.Time) model.ArchiveRequest {
		req := model.ArchiveRequest{BackupRequest: place, At: moment}
		req.ID = id
		return req
	}
	page, err := ann.ListArchive(ctx, model.ArchiveQuery{ArchiveRequest: at(full.ID, time.Time{}), Noun: "contact", Search: "044 668"})
	if err != nil || len(page.Items) != 1 || page.Items[0].Standing != model.StandingBin || page.Items[0].Record.Title() != "Ada Lovelace" {
		t.Errorf("found %+v, %v", page, err)
	}
	for name, c := range map[string]struct {
		from model.ArchiveRequest
		want *model.Record
	}{
		"a backup": {at(full.ID, time.Time{}), first},
		"a moment": {at("", between), second},
	} {
		out, err := ann.RestoreRecords(ctx, model.RecordsRequest{ArchiveRequest: c.from, Records: []model.Ref{{Noun: "contact", ID: ada.ID}}}, nil)
		if err != nil || out.Restored != 1 || len(out.Notes) > 0 {
			t.Fatalf("%s: %+v, %v", name, out, err)
		}
		settle()
		for who, ws := range map[string]model.Workspace{"ann": ann, "bob": bob} {
			now, err := ws.Get(ctx, "contact", ada.ID)
			if err != nil {
				t.Fatal(err)
			}
			if d := model.Differences(c.want, now); len(d) > 0 || !now.DeletedAt.IsZero() || now.Sync != model.Clean {
				t.Errorf("%s: %s has it %v, deleted %v, %+v", name, who, now.Sync, now.DeletedAt, d)
			}
			history, err := ws.History(ctx, "contact", ada.ID)
			if err != nil {
				t.Fatal(err)
			}
			if who == "ann" && !slices.ContainsFunc(history, func(r model.Revision) bool { return strings.HasPrefix(r.Note, "from the backup ") }) {
				t.Errorf("%s: the history does not say where it comes from", name)
			}
		}
		if u, err := ann.Undo(ctx, model.LastAct); err != nil || u.Act.ID != out.Act || len(u.Stayed) > 0 {
			t.Fatalf("%s: undone %+v, %v", name, u, err)
		}
		settle()
		if now, err := bob.Get(ctx, "contact", ada.ID); err != nil || now.DeletedAt.IsZero() || now.Text("last_name") != "King" {
			t.Errorf("%s: after the undo bob has %v, %v", name, now, err)
		}
	}
	if after := epoch(); after != before {
		t.Errorf("the central has another identity: %s, %s", before, after)
	}

	o, err := ann.BackupOverview(ctx)
	if err != nil || o.Central == "" || o.CentralProblem != "" || o.Standby == nil || len(o.Standby.Servers) != 1 {
		t.Errorf("the overview is %+v, %v", o, err)
	}
}

// serverTime is the time by a server's clock. What happens after it has a later
// one.
func serverTime(t *testing.T, db *sql.DB) time.Time {
	t.Helper()
	defer db.Close()
	var at string
	if err := db.QueryRowContext(t.Context(), "SELECT UTC_TIMESTAMP(3)+INTERVAL SLEEP(0.002) SECOND").Scan(&at); err != nil {
		t.Fatal(err)
	}
	v, err := time.Parse("2006-01-02 15:04:05.999999", at)
	if err != nil {
		t.Fatal(err)
	}
	return v.Truncate(time.Millisecond)
}

// TestOverviewWithoutACentral does not wait for a central that is away.
func TestOverviewWithoutACentral(t *testing.T) {
	ws := openTest(t, model.Settings{Home: t.TempDir(), Me: "ann", Central: "mysql://ann:x@127.0.0.1:1/crm"})
	o, err := ws.BackupOverview(t.Context())
	if err != nil || o.CentralProblem == "" || o.Standby != nil || o.Reports != nil || o.PlaceProblem != "" || o.Place == "" || !strings.Contains(o.Central, "127.0.0.1") {
		t.Errorf("%+v, %v", o, err)
	}
}
