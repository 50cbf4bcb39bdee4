// Package report answers the questions of the reports from the cache's tables.
//
// Its promises: amounts are added as whole numbers in the smallest unit and
// never across currencies; a share or a weighted amount is rounded once per
// deal, half away from zero; deleted records count nowhere; no row is a total,
// so that a reader may add the rows up; every deal that a report is about is
// in one of its rows, under "(none)" or "no date" where it lacks what the
// report groups by. Each report is one or a few statements that the database
// aggregates itself.
package report

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"rapport/model"
)

// Querier is what a Reporter needs of the cache: a pool for reading.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Reporter makes reports. It implements model.Reporter.
type Reporter struct {
	db       Querier
	currency string
}

var _ model.Reporter = (*Reporter)(nil)

// New returns a Reporter. Deals without an amount are counted under their
// pipeline's currency, under currency if that has none.
func New(db Querier, currency string) *Reporter { return &Reporter{db: db, currency: currency} }

// none is the name of the group of what has no stage, owner or product.
const none = "(none)"

const dateLayout = "2006-01-02"

// table is what a report's maker returns.
type table struct {
	columns []model.ReportColumn
	rows    [][]any
	chart   string
}

// definition is one report: what it is and how it is made.
type definition struct {
	info model.ReportInfo
	make func(*Reporter, context.Context, *request) (table, error)
	// pipelines is false for a report that has nothing to do with deals.
	pipelines bool
}

func definitions() []definition {
	return []definition{
		{model.ReportInfo{Name: "pipeline", Title: "Pipeline by stage",
			Comment: "deals in each stage: how many, their sum, and the sum weighted by probability; from and to bound the close date"},
			(*Reporter).pipeline, true},
		{model.ReportInfo{Name: "won-lost", Title: "Won and lost deals", By: []string{"month", "owner", "product"},
			Comment: "closed deals and the win rate; a deal of several products is counted at each, its amount shared by the values of its lines; from and to bound the day it closed"},
			(*Reporter).wonLost, true},
		{model.ReportInfo{Name: "forecast", Title: "Forecast by close month",
			Comment: "open deals by the month in which they are expected to close; from and to bound the close date"},
			(*Reporter).forecast, true},
		{model.ReportInfo{Name: "cycle", Title: "Sales cycle", By: []string{"owner", "stage"},
			Comment: "days from the opening of a deal to its close, for deals that have both days; from and to bound the day it closed"},
			(*Reporter).cycle, true},
		{model.ReportInfo{Name: "aging", Title: "Age of open deals",
			Comment: "open deals by the days they have been in their stage, and how many of them are past what the stage allows; from and to bound the close date"},
			(*Reporter).aging, true},
		{model.ReportInfo{Name: "activity", Title: "Activities by user", By: []string{"user", "kind"},
			Comment: "tasks, calls, meetings and notes of each user; from and to bound the day of the activity"},
			(*Reporter).activity, false},
	}
}

// Reports lists the reports that there are.
func (r *Reporter) Reports() []model.ReportInfo {
	var out []model.ReportInfo
	for _, d := range definitions() {
		out = append(out, d.info)
	}
	return out
}

// Report makes a report. An unknown name, grouping, owner or date is Invalid.
func (r *Reporter) Report(ctx context.Context, req model.ReportRequest) (model.Report, error) {
	defs := definitions()
	i := slices.IndexFunc(defs, func(d definition) bool { return d.info.Name == req.Name })
	if i < 0 {
		var names []string
		for _, d := range defs {
			names = append(names, d.info.Name)
		}
		return model.Report{}, unknown("report", req.Name, names)
	}
	d := defs[i]
	q, err := r.check(ctx, d, req)
	if err != nil {
		return model.Report{}, err
	}
	t, err := d.make(r, ctx, q)
	if err != nil {
		return model.Report{}, failed(d.info.Name, err)
	}
	title := d.info.Title
	if len(d.info.By) > 0 && q.By != d.info.By[0] {
		title += " by " + q.By
	}
	return model.Report{Name: d.info.Name, Title: title, AsOf: q.Now, Columns: t.columns, Rows: t.rows, Chart: t.chart}, nil
}

// request is a ReportRequest that was checked, with the owner looked up.
type request struct {
	model.ReportRequest
	owner []byte // id of Owner
}

func (r *Reporter) check(ctx context.Context, d definition, req model.ReportRequest) (*request, error) {
	q := &request{ReportRequest: req}
	if q.Now.IsZero() {
		q.Now = time.Now()
	}
	switch {
	case len(d.info.By) == 0 && q.By != "":
		return nil, model.Errorf(model.Invalid, "the report %s is grouped in one way only", d.info.Name).WithHint("leave out --by")
	case len(d.info.By) > 0 && q.By == "":
		q.By = d.info.By[0]
	case len(d.info.By) > 0 && !slices.Contains(d.info.By, q.By):
		return nil, unknown("grouping of the report "+d.info.Name, q.By, d.info.By)
	}
	for _, day := range []string{q.From, q.To} {
		if _, err := time.Parse(dateLayout, day); day != "" && err != nil {
			return nil, model.Errorf(model.Invalid, "%q is not a date such as 2026-12-01", day)
		}
	}
	if q.From != "" && q.To != "" && q.To < q.From {
		return nil, model.Errorf(model.Invalid, "the report would end on %s, before it begins on %s", q.To, q.From)
	}
	if q.Pipeline != "" && !d.pipelines {
		return nil, model.Errorf(model.Invalid, "the report %s has nothing to do with pipelines", d.info.Name)
	}
	if q.Owner == "" {
		return q, nil
	}
	var logins []string
	err := r.each(ctx, `
		SELECT id, login
		FROM "user"
		WHERE deleted_at IS NULL`, nil, func(rows *sql.Rows) error {
		var id []byte
		var login sql.NullString
		if err := rows.Scan(&id, &login); err != nil {
			return err
		}
		if strings.EqualFold(login.String, q.Owner) {
			q.owner = id
		}
		logins = append(logins, login.String)
		return nil
	})
	if err != nil {
		return nil, failed(d.info.Name, err)
	}
	if q.owner == nil {
		return nil, unknown("user", q.Owner, logins)
	}
	return q, nil
}

// unknown is the error for a word that is none of those known.
func unknown(what, word string, known []string) error {
	err := model.Errorf(model.Invalid, "there is no %s %q", what, word)
	if near := model.Nearest(word, known); near != "" {
		return err.WithHint("did you mean %s?", near)
	}
	if len(known) > 12 {
		return err
	}
	return err.WithHint("there are: %s", strings.Join(known, ", "))
}

// failed wraps what the database said. An interruption stays what it is.
func failed(name string, err error) error {
	if model.KindOf(err) != model.Other {
		return err
	}
	e := model.Errorf(model.Other, "the report %s could not be made", name).Because(err)
	e.Op = "report " + name
	return e
}

// each runs a statement and calls scan for every row.
func (r *Reporter) each(ctx context.Context, query string, args []any, scan func(*sql.Rows) error) error {
	rows, err := r.db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
