package transfer

import (
	"os"
	"strings"
	"testing"

	"rapport/model"
)

const people = "First Name;Last Name;E-mail;Mobile;Company;Tags;Shoe size\r\n" +
	"Zoë;Müller;zoe@example.org;+41 79 123 45 67;Acme;vip, friend;38\r\n" +
	"Bo;;;'+41446681800;Acme;;\r\n"

func TestImportCSV(t *testing.T) {
	w := newWorld(t)
	path := w.file("people.csv", people)
	res := w.load(model.ImportRequest{Files: []string{path}})
	counts(t, res.Counts, 2, 2, 0, 0, 0, 0)
	if !noted(res.Notes, `column "Shoe size" (1)`) {
		t.Errorf("%q", res.Notes)
	}
	for _, r := range w.list("contact") {
		switch r.Title() {
		case "Zoë Müller":
			if r.List("phone")[0].Text("label") != "mobile" || len(r.List("tag")) != 2 || r.Ref("organization").Name != "Acme" {
				t.Errorf("%s", r.JSON(nil))
			}
		case "Bo":
			if r.List("phone")[0].Text("value") != "+41446681800" {
				t.Errorf("%s", r.JSON(nil))
			}
		}
	}
	if len(w.list("organization")) != 1 {
		t.Errorf("%d organizations", len(w.list("organization")))
	}
	counts(t, w.load(model.ImportRequest{Files: []string{path}}).Counts, 2, 0, 0, 2, 0, 0)
}

func TestImportUpdates(t *testing.T) {
	w := newWorld(t)
	w.load(model.ImportRequest{Files: []string{w.file("a.csv", "first_name,last_name,email,job_title,notes\nAda,Lovelace,ada@example.org,Countess,old\n")}})
	// A blank cell clears nothing, another mail is added, the rest stays.
	res := w.load(model.ImportRequest{Files: []string{w.file("b.csv", "first_name,last_name,email,phone,job_title,notes\nAda,Lovelace,ADA@example.org,+41446681800,Programmer,\n")}})
	counts(t, res.Counts, 1, 0, 1, 0, 0, 0)
	r := w.list("contact")[0]
	if r.Text("job_title") != "Programmer" || r.Text("notes") != "old" || len(r.List("email")) != 1 || len(r.List("phone")) != 1 {
		t.Errorf("%s", r.JSON(nil))
	}
	res = w.load(model.ImportRequest{Files: []string{w.file("c.csv", "last_name,first_name,email,notes\nLovelace,Ada,ada@example.org,\n")}, Map: map[string]string{"notes": "notes!"}})
	counts(t, res.Counts, 1, 0, 1, 0, 0, 0)
	if s := w.list("contact")[0].Text("notes"); s != "" {
		t.Errorf("notes are %q", s)
	}
}

func TestImportModesAndKeys(t *testing.T) {
	w := newWorld(t)
	w.load(model.ImportRequest{Files: []string{w.file("a.csv", "name,tax_id\nAcme,1\n")}, As: "organization"})
	path := w.file("b.csv", "name,tax_id\nAcme,2\nBeta,3\n")
	counts(t, w.load(model.ImportRequest{Files: []string{path}, As: "org", Mode: "create", DryRun: true}).Counts, 2, 1, 0, 0, 1, 0)
	counts(t, w.load(model.ImportRequest{Files: []string{path}, As: "org", Mode: "update", DryRun: true}).Counts, 2, 0, 1, 0, 1, 0)
	counts(t, w.load(model.ImportRequest{Files: []string{path}, As: "org", DryRun: true}).Counts, 2, 1, 1, 0, 0, 0)
	counts(t, w.load(model.ImportRequest{Files: []string{path}, As: "org", Key: []string{"tax_id"}}).Counts, 2, 2, 0, 0, 0, 0)
	// Two organizations are called Acme now: nothing is guessed, nothing deleted.
	res := w.load(model.ImportRequest{Files: []string{w.file("c.csv", "name,industry\nAcme,toys\n")}, As: "organization"})
	counts(t, res.Counts, 1, 0, 0, 0, 0, 1)
	if res.Rejects[0].Code != "ambiguous" || len(w.list("organization")) != 3 {
		t.Errorf("%+v, %d organizations", res.Rejects, len(w.list("organization")))
	}
}

func TestImportSkipsDeleted(t *testing.T) {
	w := newWorld(t)
	path := w.file("people.csv", people)
	w.load(model.ImportRequest{Files: []string{path}})
	for _, r := range w.list("contact") {
		if r.Title() == "Bo" {
			if err := w.db.Delete(t.Context(), "contact", r.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	res := w.load(model.ImportRequest{Files: []string{path}})
	counts(t, res.Counts, 2, 0, 0, 1, 1, 0)
	if !noted(res.Notes, "deleted here") {
		t.Errorf("%q", res.Notes)
	}
}

func TestRejectsCanBeCorrected(t *testing.T) {
	w := newWorld(t)
	res := w.load(model.ImportRequest{Files: []string{w.file("o.csv", "name,employees\nAcme,many\n=Beta,7\n,8\nx,1,2\n\"open\n")}, As: "organization"})
	counts(t, res.Counts, 5, 1, 0, 0, 0, 4)
	data, err := os.ReadFile(res.RejectsFile)
	if err != nil {
		t.Fatal(err)
	}
	want := "file,line,code,message,name,employees\r\no.csv,2,invalid,\"employees: \"\"many\"\" is not a whole number\",Acme,many\r\n"
	if !strings.HasPrefix(string(data), want) {
		t.Errorf("%s", data)
	}
	fixed := strings.Replace(string(data[:len(want)]), ",many\r\n", ",12\r\n", 1)
	res = w.load(model.ImportRequest{Files: []string{w.file("fixed.csv", fixed)}, As: "organization"})
	counts(t, res.Counts, 1, 1, 0, 0, 0, 0)
	if res.RejectsFile != "" {
		t.Errorf("a rejects file %s without rejects", res.RejectsFile)
	}
}

func TestGoogleContacts(t *testing.T) {
	w := newWorld(t)
	path := testdata(t, "contacts-csv", "roundcube_gmail.csv")
	p, err := w.Preview(t.Context(), model.ImportRequest{Files: []string{path}})
	if err != nil || p.Preset != "google" || p.As != "contact" || p.Map["Phone 1 - Value"] != "phone.value" || len(p.Rows) != 1 {
		t.Errorf("%+v %v", p, err)
	}
	// A person who accepts the proposed mapping gets the same.
	res := w.load(model.ImportRequest{Files: []string{path}, Preset: p.Preset, As: p.As, Map: p.Map})
	counts(t, res.Counts, 1, 1, 0, 0, 0, 0)
	counts(t, w.load(model.ImportRequest{Files: []string{path}}).Counts, 1, 0, 0, 1, 0, 0)
	r := w.list("contact")[0]
	if len(r.List("phone")) != 7 || len(r.List("email")) != 4 || len(r.List("address")) != 2 || len(r.List("tag")) != 2 || r.Text("birth_date") != "1975-12-12" ||
		r.Text("notes") != `note"note` || !r.List("email")[0].Bool("primary") || r.Ref("organization").Name != "company" {
		t.Errorf("%s", r.JSON(nil))
	}
	for _, n := range []string{`"Nickname" (1)`, `"Website 2 - Value" (1)`} {
		if !noted(res.Notes, n) {
			t.Errorf("no note says %s: %q", n, res.Notes)
		}
	}
	newer := w.file("new.csv", "First Name,Last Name,Organization Name,Organization Title,Labels,E-mail 1 - Label,E-mail 1 - Value,Phone 1 - Label,Phone 1 - Value\n"+
		"Ada,Lovelace,Acme,Boss,* myContacts ::: Friends,* Work,a@example.org ::: b@example.org,Mobile,1 ::: 2\n")
	counts(t, w.load(model.ImportRequest{Files: []string{newer}}).Counts, 1, 1, 0, 0, 0, 0)
	for _, r := range w.list("contact") {
		if r.Text("first_name") == "Ada" && (len(r.List("email")) != 2 || len(r.List("phone")) != 2 || len(r.List("tag")) != 1 || r.Text("job_title") != "Boss") {
			t.Errorf("%s", r.JSON(nil))
		}
	}
}

func TestRealTables(t *testing.T) {
	for _, c := range []struct {
		file string
		as   model.Noun
		want [6]int64
	}{
		{"contacts-csv/atomic-crm_contacts_500.csv", "contact", [6]int64{500, 500}},
		{"contacts-csv/roundcube_outlook.csv", "contact", [6]int64{1, 1}},
		{"zoho-crm/Contacts.csv", "contact", [6]int64{1265, 1265}},
		{"zoho-crm/Accounts.csv", "organization", [6]int64{2229, 2226, 0, 0, 0, 3}},
		{"zoho-crm/Users.csv", "user", [6]int64{11, 11}},
	} {
		t.Run(c.file, func(t *testing.T) {
			w := newWorld(t)
			path := testdata(t, c.file)
			p, err := w.Preview(t.Context(), model.ImportRequest{Files: []string{path}})
			if err != nil || p.As != c.as {
				t.Fatalf("%s %v", p.As, err)
			}
			counts(t, w.load(model.ImportRequest{Files: []string{path}}).Counts, c.want[:]...)
			again := w.load(model.ImportRequest{Files: []string{path}})
			counts(t, again.Counts, c.want[0], 0, 0, c.want[1], 0, c.want[5])
		})
	}
}

func TestImportRefusesWhatMakesNoSense(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		req  model.ImportRequest
		kind model.Kind
	}{
		"no file":        {model.ImportRequest{}, model.Invalid},
		"missing file":   {model.ImportRequest{Files: []string{w.home + "/none.csv"}}, model.NotFound},
		"unknown noun":   {model.ImportRequest{Files: []string{"a"}, As: "planet"}, model.Invalid},
		"unknown mode":   {model.ImportRequest{Files: []string{"a"}, Mode: "merge"}, model.Invalid},
		"unknown field":  {model.ImportRequest{Files: []string{w.file("a.csv", "x\n1\n")}, As: "contact", Map: map[string]string{"x": "hat_size"}}, model.Invalid},
		"unknown header": {model.ImportRequest{Files: []string{w.file("b.csv", "x,y\n1,2\n")}}, model.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := w.Import(t.Context(), c.req, nil); model.KindOf(err) != c.kind {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestImportDeals(t *testing.T) {
	w := newWorld(t)
	path := w.file("deals.csv", "Deal Name,Account,Amount,Closing Date,Stage\nBig,Acme,\"$22,700.00\",\"16 Apr, 2021 00:03:00\",Won\nSmall,Beta,12,2026-12-01,Proposal\n")
	counts(t, w.load(model.ImportRequest{Files: []string{path}}).Counts, 2, 2, 0, 0, 0, 0)
	counts(t, w.load(model.ImportRequest{Files: []string{path}}).Counts, 2, 0, 0, 2, 0, 0)
	for _, d := range w.list("deal") {
		if d.Title() == "Big" {
			if m, _ := d.Money("amount"); m.String() != "22700.00 USD" || d.Text("close_date") != "2021-04-16" || d.Ref("stage").Name != "Won" {
				t.Errorf("%s", d.JSON(nil))
			}
		}
	}
	// What was exported comes back whole, with its lines and links.
	for _, format := range []string{"csv", "json"} {
		other := newWorld(t)
		for _, n := range []model.Noun{"organization", "deal"} {
			other.load(model.ImportRequest{Files: []string{other.file(string(n)+"s."+format, w.export(n, format))}, As: n})
		}
		var a, b string
		for _, f := range []string{"id", "name", "amount", "close_date", "organization"} {
			for i := range w.list("deal") {
				a += string(w.list("deal")[i].JSON([]string{f}))
				b += string(other.list("deal")[i].JSON([]string{f}))
			}
		}
		if a != b {
			t.Errorf("%s: was %s is %s", format, a, b)
		}
	}
}

func TestStagesOfOtherPrograms(t *testing.T) {
	w := newWorld(t)
	res := w.load(model.ImportRequest{Files: []string{w.file("deals.csv", "Deal Name,Amount,Stage\nA,1,Closed Won\nB,2,Closed Lost\nC,3,Demo\n")}})
	counts(t, res.Counts, 3, 3, 0, 0, 0, 0)
	kinds := map[string]string{}
	for _, s := range w.list("pipeline")[0].List("stages") {
		kinds[s.Text("name")] = s.Text("kind")
	}
	if kinds["Closed Won"] != model.StageWon || kinds["Closed Lost"] != model.StageLost || kinds["Demo"] != model.StageOpen {
		t.Errorf("%v", kinds)
	}
}

func TestUndoKeepsWhatIsInUse(t *testing.T) {
	w := newWorld(t)
	res := w.load(model.ImportRequest{Files: []string{w.file("people.csv", people)}})
	acme := w.list("organization")[0]
	w.save(model.Edit{Noun: "deal", Set: map[string]any{"name": "Mine", "organization": model.Ref{Noun: "organization", ID: acme.ID}}})
	undone, kept, err := w.UndoImport(t.Context(), res.Run)
	if err != nil || undone < 2 || len(w.list("contact")) != 0 || len(w.list("organization")) != 1 {
		t.Errorf("%d undone, %v", undone, err)
	}
	if len(kept) != 1 || kept[0].ID != acme.ID || kept[0].Snippet != "another record points to it" {
		t.Errorf("kept %+v", kept)
	}
	if _, _, err := w.UndoImport(t.Context(), "nothing"); model.KindOf(err) != model.NotFound {
		t.Errorf("%v", err)
	}
}

func TestUndoLeavesWhatWasThere(t *testing.T) {
	w := newWorld(t)
	w.save(model.Edit{Noun: "organization", Set: map[string]any{"name": "Acme"}})
	res := w.load(model.ImportRequest{Files: []string{w.file("o.csv", "name,industry\nAcme,toys\nBeta,toys\n")}, As: "organization"})
	counts(t, res.Counts, 2, 1, 1, 0, 0, 0)
	undone, kept, err := w.UndoImport(t.Context(), res.Run)
	if err != nil || undone != 1 || len(kept) != 0 || len(w.list("organization")) != 1 {
		t.Errorf("%d undone, kept %v, %v", undone, kept, err)
	}
}

func TestKeysThatAreGiven(t *testing.T) {
	w := newWorld(t)
	path := w.file("o.csv", "name,tax_id\nAcme,1\nBeta,\n")
	res := w.load(model.ImportRequest{Files: []string{path}, As: "organization", Key: []string{"tax_id"}})
	counts(t, res.Counts, 2, 1, 0, 0, 0, 1)
	_, err := w.Import(t.Context(), model.ImportRequest{Files: []string{path}, As: "organization", Key: []string{"tax_di"}}, nil)
	if model.KindOf(err) != model.Invalid {
		t.Errorf("%v", err)
	}
}

func TestPreview(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		content, as, format string
		header, rows        int
	}{
		"people.csv":  {people, "contact", "csv", 7, 2},
		"unknown.csv": {"x,y\n1,2\n", "", "csv", 2, 1},
		"a.vcf":       {"BEGIN:VCARD\nVERSION:3.0\nN:Meier;;;;\nEND:VCARD\n", "contact", "vcf", len(model.EntityOf("contact").Fields), 1},
		"a.json":      {`{"schema":"rapport.deal/1","items":[{"name":"Big"}]}`, "deal", "json", 18, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := w.Preview(t.Context(), model.ImportRequest{Files: []string{w.file(name, c.content)}})
			if err != nil || string(p.As) != c.as || p.Format != c.format || len(p.Header) != c.header || len(p.Rows) != c.rows {
				t.Errorf("%v %+v", err, p)
			}
		})
	}
}

func TestExportRefusesAndGuards(t *testing.T) {
	w := newWorld(t)
	w.save(model.Edit{Noun: "contact", Set: map[string]any{"last_name": "=SUM(A1)", "do_not_call": true}})
	var b strings.Builder
	for name, req := range map[string]model.ExportRequest{
		"noun":   {Query: model.Query{Noun: "planet"}},
		"format": {Query: model.Query{Noun: "contact"}, Format: "pdf"},
		"column": {Query: model.Query{Noun: "contact"}, Columns: []string{"last_nam"}},
		"card":   {Query: model.Query{Noun: "deal"}, Format: "vcf"},
	} {
		if _, err := w.Export(t.Context(), req, &b); model.KindOf(err) != model.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	req := model.ExportRequest{Query: model.Query{Noun: "contact"}, Format: "csv", Columns: []string{"last_name", "do_not_call"}, BOM: true}
	for raw, want := range map[bool]string{false: "'=SUM(A1),true\r\n", true: ",=SUM(A1),true\r\n"} {
		b.Reset()
		req.Raw = raw
		if n, err := w.Export(t.Context(), req, &b); err != nil || n != 1 || !strings.HasPrefix(b.String(), "\ufeffid,last_name,do_not_call\r\n") || !strings.HasSuffix(b.String(), want) {
			t.Errorf("%d %v %q", n, err, b.String())
		}
	}
}

// TestRejectedDateIsNamedAsWritten holds that a reason quotes the file and not
// what became of its words on the way.
func TestRejectedDateIsNamedAsWritten(t *testing.T) {
	w := newWorld(t)
	res := w.load(model.ImportRequest{Files: []string{w.file("a.csv", "First Name,Birthday\nAda,31/31/1999\nBob,3/21/1980\n")}, As: "contact"})
	counts(t, res.Counts, 2, 1, 0, 0, 0, 1)
	if !strings.Contains(res.Rejects[0].Message, "31/31/1999") {
		t.Errorf("%+v", res.Rejects)
	}
}
