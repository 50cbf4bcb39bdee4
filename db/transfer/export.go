package transfer

import (
	"bufio"
	"context"
	"io"
	"strings"

	"rapport/model"
)

// pageRows is how many records an export holds at a time.
const pageRows = 500

// Export writes the records of a query and returns how many. Errors: Invalid
// for a format, a noun or a column that is not there.
//
// A table has one column for each field, two for an amount and a link. A list
// is one cell: an item on each line, the primary one first, its label after
// two colons; or JSON where that does not say everything. Cells that a
// spreadsheet would run get an apostrophe, which an import takes away again.
func (t *Transfer) Export(ctx context.Context, req model.ExportRequest, w io.Writer) (int64, error) {
	e := model.EntityOf(req.Query.Noun)
	if e == nil || e.IsPart() {
		return 0, model.Errorf(model.Invalid, "there is no noun %q", req.Query.Noun)
	}
	req.Query.Noun = e.Noun
	for _, c := range req.Columns {
		if e.Field(c) == nil && !contains(serviceColumns, c) && c != model.ColumnID {
			err := model.Errorf(model.Invalid, "%s has no field %q", e.One(), c)
			var names []string
			for i := range e.Fields {
				names = append(names, e.Fields[i].Name)
			}
			if near := model.Nearest(c, names); near != "" {
				err = err.WithHint("did you mean %s?", near)
			}
			return 0, err
		}
	}
	out, err := newSink(e, req)
	if err != nil {
		return 0, err
	}
	b := bufio.NewWriterSize(w, 64<<10)
	if _, err := b.Write(out.head()); err != nil {
		return 0, err
	}
	n, err := t.each(ctx, req.Query, func(r *model.Record, i int64) error {
		_, err := b.Write(out.record(r, i))
		return err
	})
	if err != nil {
		return n, err
	}
	if _, err := b.Write(out.foot()); err != nil {
		return n, err
	}
	return n, b.Flush()
}

// each calls fn with every record of a query, page by page.
func (t *Transfer) each(ctx context.Context, q model.Query, fn func(*model.Record, int64) error) (int64, error) {
	limit, n := int64(q.Limit), int64(0)
	q.Short = false
	for {
		q.Limit = pageRows
		if limit > 0 && limit-n < pageRows {
			q.Limit = int(limit - n)
		}
		page, err := t.store.List(ctx, q)
		if err != nil {
			return n, err
		}
		for _, r := range page.Items {
			if err := fn(r, n); err != nil {
				return n, err
			}
			n++
		}
		if page.Next == "" || limit > 0 && n >= limit {
			return n, nil
		}
		q.After, q.Around = page.Next, ""
	}
}

// sink gives records the form of one format.
type sink struct {
	head   func() []byte
	record func(r *model.Record, i int64) []byte
	foot   func() []byte
}

func nothing() []byte { return nil }

// newSink returns the sink of a format.
func newSink(e *model.Entity, req model.ExportRequest) (sink, error) {
	format := strings.ToLower(req.Format)
	switch format {
	case "", "csv", "tsv":
		return tableSink(e, req, format), nil
	case "json":
		return sink{
			head: func() []byte { return []byte(`{"schema":"rapport.` + string(e.Noun) + `/1","items":[`) },
			record: func(r *model.Record, i int64) []byte {
				b := []byte("\n")
				if i > 0 {
					b = []byte(",\n")
				}
				return append(b, r.JSON(req.Columns)...)
			},
			foot: func() []byte { return []byte("\n]}\n") },
		}, nil
	case "ndjson":
		return sink{head: nothing, foot: nothing, record: func(r *model.Record, _ int64) []byte {
			b := r.JSON(req.Columns)
			return append([]byte(`{"schema":"rapport.`+string(e.Noun)+`/1",`), append(b[1:], '\n')...)
		}}, nil
	case "vcf", "vcf3", "vcf4":
		if e.Field("phone") == nil {
			return sink{}, model.Errorf(model.Invalid, "%s has no vCard", e.One()).WithHint("contacts and organizations have")
		}
		return sink{head: nothing, foot: nothing, record: func(r *model.Record, _ int64) []byte {
			return appendCard(nil, r, format == "vcf4")
		}}, nil
	}
	return sink{}, model.Errorf(model.Invalid, "there is no format %q", req.Format).WithHint("it is csv, tsv, json, ndjson, vcf, vcf3 or vcf4")
}

func tableSink(e *model.Entity, req model.ExportRequest, format string) sink {
	delim := byte(',')
	if format == "tsv" {
		delim = '\t'
	}
	names := tableColumns(e, req.Columns)
	cells := make([]string, len(names))
	return sink{
		head: func() []byte {
			var b []byte
			if req.BOM {
				b = append(b, 0xef, 0xbb, 0xbf)
			}
			return appendCSVRow(b, names, delim)
		},
		record: func(r *model.Record, _ int64) []byte {
			for i, n := range names {
				cells[i] = guard(cellOf(r, n), req.Raw)
			}
			return appendCSVRow(nil, cells, delim)
		},
		foot: nothing,
	}
}
