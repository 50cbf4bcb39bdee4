package model

import (
	"strings"
	"testing"
	"time"
)

func aReport() Report {
	return Report{
		Name: "pipeline", Title: "Pipeline <by stage>", AsOf: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC),
		Columns: []ReportColumn{{"stage", "text", "Stage"}, {"deals", "number", "Deals"}, {"sum", "money", "Sum"}, {"share", "percent", "Share"}},
		Rows: [][]any{
			{"=cmd()", int64(3), Money{120050, "EUR"}, 12.5},
			{"Won, then", int64(0), nil},
		},
	}
}

func TestReportCSV(t *testing.T) {
	var b strings.Builder
	if err := aReport().WriteCSV(&b); err != nil {
		t.Fatal(err)
	}
	want := "stage,deals,sum,sum_currency,share\n'=cmd(),3,1200.50,EUR,12.5\n\"Won, then\",0,,,\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestReportHTMLEscapesEverything(t *testing.T) {
	r := aReport()
	r.Rows[0][0] = "<script>"
	var b strings.Builder
	if err := r.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	s := b.String()
	for _, want := range []string{"Pipeline &lt;by stage&gt;", "<td>&lt;script&gt;</td>", `<td class="n">1200.50 EUR</td>`, `<td class="n">12.5</td>`} {
		if !strings.Contains(s, want) {
			t.Errorf("%q is missing in\n%s", want, s)
		}
	}
	if strings.Contains(s, "<script>") {
		t.Error("data became markup")
	}
}
