package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"rapport/model"
)

func (a *app) report() *cobra.Command {
	var by, from, to, format, pipeline, owner string
	c := &cobra.Command{
		Use: "report NAME", Short: "Figures: pipeline, won-lost, forecast, cycle, aging, activity", Args: cobra.ArbitraryArgs,
		Example: "  rapport report pipeline\n  rapport report won-lost --by month --from 2026-01-01\n  rapport report forecast --format csv > forecast.csv",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if len(args) != 1 {
				return &usageError{err: fmt.Errorf("the name of a report is missing"), hint: "see rapport report list"}
			}
			if format == "" {
				format = "table"
				if a.json {
					format = "json"
				}
			}
			switch format {
			case "table", "json", "csv", "html":
			default:
				return model.Errorf(model.Invalid, "--format is table, json, csv or html")
			}
			req := model.ReportRequest{Name: args[0], By: by, Owner: owner, Now: a.Now()}
			var err error
			if req.From, err = a.day("--from", from); err != nil {
				return err
			}
			if req.To, err = a.day("--to", to); err != nil {
				return err
			}
			ws, err := a.open(ctx)
			if err != nil {
				return err
			}
			if owner == "me" {
				req.Owner = ws.Settings().Me
			}
			if pipeline != "" {
				if req.Pipeline, err = ws.Find(ctx, "pipeline", pipeline); err != nil {
					return err
				}
			}
			return a.showReport(ctx, ws, req, format)
		},
	}
	f := c.Flags()
	f.StringVar(&by, "by", "", "what to group by, see rapport report list")
	f.StringVar(&from, "from", "", "first day")
	f.StringVar(&to, "to", "", "last day")
	f.StringVar(&format, "format", "", "table, json, csv or html")
	f.StringVar(&pipeline, "pipeline", "", "only this pipeline")
	f.StringVar(&owner, "owner", "", "only the deals of this login, or me")
	c.AddCommand(a.reportList())
	return c
}

// day reads a date of a flag.
func (a *app) day(flag, s string) (string, error) {
	if s == "" {
		return "", nil
	}
	d, err := model.ParseDate(s, a.Now())
	if err != nil {
		return "", model.Errorf(model.Invalid, "%s: %v", flag, err)
	}
	return d, nil
}

func (a *app) showReport(ctx context.Context, ws model.Reporter, req model.ReportRequest, format string) error {
	r, err := ws.Report(ctx, req)
	if err != nil {
		return err
	}
	switch format {
	case "csv":
		return r.WriteCSV(a.Out)
	case "html":
		return r.WriteHTML(a.Out)
	case "json":
		return a.reportJSON(r)
	}
	if len(r.Rows) == 0 {
		a.say("no figures for this report")
		return nil
	}
	t := &table{most: a.cellLimit()}
	for _, c := range r.Columns {
		label := c.Label
		if label == "" {
			label = c.Name
		}
		t.head, t.right = append(t.head, strings.ToUpper(label)), append(t.right, c.Numeric())
	}
	for _, row := range r.Rows {
		cells := make([]string, len(row))
		for i, v := range row {
			if m, ok := v.(model.Money); ok {
				cells[i] = m.String()
			} else {
				cells[i] = model.ReportText(v)
			}
		}
		t.add(cells...)
	}
	return t.write(a.Out)
}

func (a *app) reportJSON(r model.Report) error {
	rows := [][]any{}
	for _, row := range r.Rows {
		cells := make([]any, len(row))
		for i, v := range row {
			if m, ok := v.(model.Money); ok {
				v = object{{"amount", m.Amount()}, {"currency", m.Currency}}
			}
			cells[i] = v
		}
		rows = append(rows, cells)
	}
	return a.result(object{{"report", r.Name}, {"as_of", orNull(r.AsOf)}, {"columns", list(r.Columns)}, {"rows", rows}})
}

func (a *app) reportList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the reports", Args: exactly(0), Example: "  rapport report list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ws, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			infos := ws.Reports()
			if a.json {
				return a.result(object{{"items", list(infos)}})
			}
			t := &table{head: []string{"NAME", "TITLE", "BY"}}
			for _, i := range infos {
				t.add(i.Name, i.Title, strings.Join(i.By, ", "))
			}
			return t.write(a.Out)
		},
	}
}
