package cli

import (
	"context"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"rapport/model"
)

// pendingExport writes what the server refused, or any unsent change, into a
// file, so that it can be given up here without being lost.
func (a *app) pendingExport() *cobra.Command {
	var all bool
	var out string
	c := &cobra.Command{
		Use: "export [ID…]", Short: "Write refused changes with their records as NDJSON",
		Example: "  rapport pending export -o refused.ndjson\n  rapport pending export 1a2b3c4d",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			ws, items, ids, err := a.unsent(ctx, args)
			if err != nil {
				return err
			}
			items = slices.DeleteFunc(items, func(p model.PendingItem) bool {
				if len(ids) > 0 {
					return !slices.Contains(ids, p.ID)
				}
				return !all && p.Code == ""
			})
			if out == "" || out == "-" {
				_, err := model.WriteUnsent(ctx, ws, items, a.Out)
				return err
			}
			var n int64
			err = writeFile(out, func(w io.Writer) error {
				n, err = model.WriteUnsent(ctx, ws, items, w)
				return err
			})
			if err != nil {
				return err
			}
			if a.json {
				return a.result(object{{"file", out}, {"records", n}})
			}
			a.say("%s in %s", plural(n, "record", "records"), out)
			return nil
		},
	}
	c.Flags().BoolVar(&all, "all", false, "every unsent change, not only the refused ones")
	c.Flags().StringVarP(&out, "output", "o", "", "file, or - for the standard output")
	return c
}

// unsent opens the workspace and lists its unsent changes; ids are those of the
// records that are named.
func (a *app) unsent(ctx context.Context, named []string) (ws model.Workspace, items []model.PendingItem, ids []model.ID, err error) {
	if ws, err = a.open(ctx); err != nil {
		return nil, nil, nil, err
	}
	if items, err = ws.Pending(ctx); err != nil {
		return nil, nil, nil, err
	}
	all := make([]model.ID, 0, len(items))
	for _, p := range items {
		all = append(all, p.ID)
	}
	for _, ref := range named {
		id, err := among(all, ref, "unsent change")
		if err != nil {
			return nil, nil, nil, err
		}
		ids = append(ids, id)
	}
	return ws, items, ids, nil
}
