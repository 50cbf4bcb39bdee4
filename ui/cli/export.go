package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"rapport/model"
)

func (a *app) export() *cobra.Command {
	var q query
	var format, out string
	var raw, bom bool
	c := &cobra.Command{
		Use: "export NOUN", Short: "Write records as csv, tsv, json, ndjson or vcf", Args: exactly(1),
		Example: "  rapport export contact -o contacts.vcf\n  rapport export deal --filter stage=Won --format csv > won.csv",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			e, err := entity(args[0])
			if err != nil {
				return err
			}
			mq, err := q.build(e)
			if err != nil {
				return err
			}
			toFile := out != "" && out != "-"
			if format == "" && toFile {
				format = strings.TrimPrefix(strings.ToLower(filepath.Ext(out)), ".")
			}
			if format == "" && a.json && !toFile {
				format = "json"
			}
			if format == "" {
				format = "csv"
			}
			ws, err := a.open(ctx)
			if err != nil {
				return err
			}
			req := model.ExportRequest{Query: mq, Format: strings.ToLower(format), Columns: q.columns, Raw: raw, BOM: bom}
			if !toFile {
				_, err := ws.Export(ctx, req, a.Out)
				return err
			}
			n, err := a.exportFile(ctx, ws, req, out)
			if err != nil {
				return err
			}
			if a.json {
				return a.result(object{{"noun", e.Noun}, {"format", req.Format}, {"file", out}, {"records", n}})
			}
			a.say("%s in %s", plural(n, "record", "records"), out)
			return nil
		},
	}
	q.flags(c, 0)
	c.Flags().StringVar(&format, "format", "", "csv, tsv, json, ndjson or vcf; told from the file's name if left out")
	c.Flags().StringVarP(&out, "output", "o", "", "file, or - for the standard output")
	c.Flags().BoolVar(&raw, "raw", false, "no guard before cells that a spreadsheet would run as a formula")
	c.Flags().BoolVar(&bom, "bom", false, "begin with a byte order mark, which some spreadsheets want")
	return c
}

// exportFile writes the file beside its place and renames it, so that a file
// of that name is always whole.
func (a *app) exportFile(ctx context.Context, ws model.Transfer, req model.ExportRequest, name string) (int64, error) {
	var n int64
	err := writeFile(name, func(w io.Writer) error {
		var err error
		n, err = ws.Export(ctx, req, w)
		return err
	})
	return n, err
}

// writeFile makes a file from what write gives, whole or not at all.
func writeFile(name string, write func(io.Writer) error) error {
	cannot := func(err error) error {
		hint := "check the rights of its folder"
		if errors.Is(err, syscall.ENOSPC) {
			hint = "the disk is full: make room"
		}
		return model.Errorf(model.Invalid, "%s cannot be written", name).WithHint("%s", hint).Because(err)
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".rapport-*")
	if err != nil {
		return cannot(err)
	}
	defer os.Remove(f.Name())
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if failed := (*os.PathError)(nil); errors.As(err, &failed) {
		return cannot(err)
	}
	if failed := (*os.LinkError)(nil); errors.As(err, &failed) {
		return cannot(err)
	}
	return err
}
