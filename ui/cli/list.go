package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"rapport/model"
)

// query are the flags that choose records.
type query struct {
	filter, view, sort, after, text string
	columns                         []string
	limit                           int
	bin                             bool
}

func (q *query) flags(c *cobra.Command, limit int) {
	f := c.Flags()
	f.StringVar(&q.filter, "filter", "", "conditions, for example 'status=active owner=me'")
	f.StringVar(&q.view, "view", "", "a saved view")
	f.StringVar(&q.sort, "sort", "", "fields to order by, for example name,-amount")
	f.StringSliceVar(&q.columns, "columns", nil, "fields to show")
	f.IntVar(&q.limit, "limit", limit, "most records, 0 for all")
	f.StringVar(&q.after, "after", "", "go on after this cursor, the \"next\" of the page before")
	f.StringVar(&q.text, "search", "", "words that names, mails, phones or notes begin with")
	f.BoolVar(&q.bin, "bin", false, "deleted records instead of living ones")
}

// build checks the flags against the declaration.
func (q *query) build(e *model.Entity) (model.Query, error) {
	out := model.Query{Noun: e.Noun, Text: q.text, Limit: q.limit, After: q.after, Bin: q.bin}
	if q.view != "" {
		return out, model.Errorf(model.Invalid, "saved views are not built yet").WithHint("use --filter and --sort")
	}
	if q.limit < 0 {
		return out, model.Errorf(model.Invalid, "--limit is 0 for all, or more")
	}
	var err error
	if out.Filter, err = model.ParseFilter(e, q.filter); err != nil {
		return out, err
	}
	if out.Sort, err = model.ParseSort(e, q.sort); err != nil {
		return out, err
	}
	known := append(fieldNames(e), "id", "sync", model.ColumnCreatedAt, model.ColumnUpdatedAt, model.ColumnCreatedBy, model.ColumnUpdatedBy, model.ColumnDeletedAt)
	for _, name := range q.columns {
		if !slices.Contains(known, name) {
			err := model.Errorf(model.Invalid, "%s has no field %q", e.One(), name)
			if near := model.Nearest(name, known); near != "" {
				return out, err.WithHint("did you mean %s?", near)
			}
			return out, err.WithHint("the columns are %s", strings.Join(known, ", "))
		}
	}
	return out, nil
}

// pageSize is how many records are asked for at once where all are wanted.
const pageSize = 1000

// pages calls each with one page after another until the query's limit or its
// end. It returns the cursor after which more follows, "" at the end.
func pages(ctx context.Context, ws model.Reader, q model.Query, each func(*model.Record) error) (next string, err error) {
	left := q.Limit
	for {
		q.Limit = pageSize
		if left > 0 {
			q.Limit = min(left, pageSize)
		}
		page, err := ws.List(ctx, q)
		if err != nil {
			return "", err
		}
		for _, r := range page.Items {
			if err := each(r); err != nil {
				return "", err
			}
		}
		if left > 0 {
			if left -= len(page.Items); left <= 0 {
				return page.Next, nil
			}
		}
		if page.Next == "" || len(page.Items) == 0 {
			return "", nil
		}
		q.After = page.Next
	}
}

func (a *app) list(e *model.Entity) *cobra.Command {
	var q query
	c := &cobra.Command{
		Use: "list", Short: "List " + strings.ToLower(e.Titles), Args: exactly(0),
		Example: fmt.Sprintf("  rapport %s list --filter 'created_at>-7d' --sort -updated_at --limit 10", e.Noun),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			mq, err := q.build(e)
			if err != nil {
				return err
			}
			ws, err := a.open(ctx)
			if err != nil {
				return err
			}
			total, err := ws.Count(ctx, model.Query{Noun: mq.Noun, Filter: mq.Filter, Text: mq.Text, Bin: mq.Bin})
			if err != nil {
				return err
			}
			if a.json {
				return a.listJSON(ctx, ws, e, mq, q.columns, total)
			}
			return a.listText(ctx, ws, e, mq, q.columns, total)
		},
	}
	q.flags(c, 50)
	return c
}

// listJSON writes the page as it comes, one record a line, so that a list of
// any length needs the memory of one page.
func (a *app) listJSON(ctx context.Context, ws model.Reader, e *model.Entity, q model.Query, columns []string, total int64) error {
	first := true
	begin := func() error {
		_, err := fmt.Fprintf(a.Out, `{"schema":%s,"items":[`, encode("rapport."+string(e.Noun)+"/1"))
		return err
	}
	next, err := pages(ctx, ws, q, func(r *model.Record) error {
		sep := ",\n"
		if first {
			if err := begin(); err != nil {
				return err
			}
			first, sep = false, "\n"
		}
		_, err := fmt.Fprintf(a.Out, "%s%s", sep, r.JSON(columns))
		return err
	})
	if err != nil {
		return err
	}
	if first {
		if err := begin(); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(a.Out, `],"next":%s,"total":%d}`+"\n", encode(orNull(next)), total)
	return err
}

func (a *app) listText(ctx context.Context, ws model.Reader, e *model.Entity, q model.Query, columns []string, total int64) error {
	if len(columns) == 0 {
		for i := range e.Fields {
			if e.Fields[i].Essential {
				columns = append(columns, e.Fields[i].Name)
			}
		}
	}
	columns = slices.DeleteFunc(slices.Clone(columns), func(s string) bool { return s == "id" })
	head := []string{"ID"}
	right := []bool{false}
	for _, name := range columns {
		head = append(head, strings.ToUpper(strings.ReplaceAll(name, "_", " ")))
		f := e.Field(name)
		right = append(right, f != nil && (f.Type == model.MoneyType || f.Type == model.Int || f.Type == model.Decimal))
	}
	t := &table{head: head, right: right, most: a.cellLimit()}
	shown := int64(0)
	flush := func() error {
		if len(t.rows) == 0 {
			return nil
		}
		err := t.write(a.Out)
		t.rows = nil
		return err
	}
	next, err := pages(ctx, ws, q, func(r *model.Record) error {
		cells := []string{r.ID.Short()}
		for _, name := range columns {
			cells = append(cells, a.column(e, r, name))
		}
		t.add(cells...)
		if shown++; shown%pageSize == 0 {
			return flush()
		}
		return nil
	})
	if err != nil {
		return err
	}
	if shown == 0 {
		a.say("no %s", strings.ToLower(e.Titles))
		return nil
	}
	if err := flush(); err != nil {
		return err
	}
	if next != "" {
		a.say("%d of %d; go on with --after %s", shown, total, next)
	}
	return nil
}

// column is a declared field or one of those that every record has.
func (a *app) column(e *model.Entity, r *model.Record, name string) string {
	if f := e.Field(name); f != nil {
		return a.cell(f, r)
	}
	switch name {
	case model.ColumnCreatedAt:
		return a.value(model.Time, r.CreatedAt)
	case model.ColumnUpdatedAt:
		return a.value(model.Time, r.UpdatedAt)
	case model.ColumnDeletedAt:
		return a.value(model.Time, r.DeletedAt)
	case model.ColumnCreatedBy:
		return r.CreatedBy
	case model.ColumnUpdatedBy:
		return r.UpdatedBy
	}
	return r.Sync.String()
}
