package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"

	"rapport/model"
)

func (a *app) importCommand() *cobra.Command {
	var as, preset, mapping, mode, format, currency string
	var key []string
	c := &cobra.Command{
		Use: "import FILE…|-", Short: "Read csv, tsv, json, ndjson or vcf files into the workspace", Args: cobra.ArbitraryArgs,
		Long: "Read files into the workspace. A row that cannot be read is refused with its reason and written to a file of rejects;\n" +
			"the others go on. Importing the same file again changes nothing.\n\n" +
			"Presets: google, outlook, sales; they are recognised by the header.",
		Example: "  rapport import contacts.csv --dry-run\n  rapport import people.vcf\n" +
			"  rapport import leads.csv --as contact --map leads.toml --key email --mode upsert\n  rapport import undo RUN",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if len(args) == 0 {
				return &usageError{err: fmt.Errorf("a file to import is missing"), hint: "use it as rapport import FILE…"}
			}
			req := model.ImportRequest{Files: args, Preset: preset, Key: key, Mode: mode, DryRun: a.flags.dryRun, Format: format}
			if as != "" {
				e, err := entity(as)
				if err != nil {
					return err
				}
				req.As = e.Noun
			}
			if mode != "create" && mode != "update" && mode != "upsert" {
				return model.Errorf(model.Invalid, "--mode is create, update or upsert")
			}
			var err error
			if mapping != "" {
				if req.Map, err = readMapping(mapping); err != nil {
					return err
				}
			}
			for i, name := range args {
				if name == "-" {
					file, err := a.spool(ctx, format)
					if err != nil {
						return err
					}
					defer os.RemoveAll(filepath.Dir(file))
					req.Files = slices.Clone(args)
					req.Files[i] = file
				} else if err := readable(name); err != nil {
					return err
				}
			}
			ws, err := a.open(ctx)
			if err != nil {
				return err
			}
			req.Env = a.env()
			if currency != "" {
				req.Env.Currency = strings.ToUpper(currency)
			}
			res, err := ws.Import(ctx, req, a.notify())
			a.quietly()
			if err != nil {
				return err
			}
			return a.imported(res, len(args))
		},
	}
	f := c.Flags()
	f.StringVar(&as, "as", "", "noun of the rows, where the file does not tell")
	f.StringVar(&preset, "preset", "", "google, outlook or sales; told from the header if left out")
	f.StringVar(&mapping, "map", "", "TOML or JSON file of source column = field")
	f.StringSliceVar(&key, "key", nil, "fields by which a record that is there is recognised")
	f.StringVar(&mode, "mode", "upsert", "create, update or upsert")
	f.StringVar(&format, "format", "", "csv, tsv, json, ndjson or vcf, where the file does not tell")
	f.StringVar(&currency, "currency", "", "of amounts without one")
	c.AddCommand(a.importList(), a.importUndo())
	return c
}

// readable tells in time why a file cannot be imported.
func readable(name string) error {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return model.Errorf(model.NotFound, "there is no file %s", name)
	case err != nil:
		return model.Errorf(model.NotFound, "the file %s cannot be read", name).WithHint("check its rights").Because(err)
	case info.IsDir():
		return model.Errorf(model.Invalid, "%s is a folder", name).WithHint("name its files, for example %s", filepath.Join(name, "*.csv"))
	}
	return nil
}

// spool keeps the standard input in a file, as an import reads its source
// twice.
func (a *app) spool(ctx context.Context, format string) (string, error) {
	data, err := a.readAll(ctx)
	if err != nil {
		return "", err
	}
	// A folder of its own, so that messages and the list of imports name the
	// file by what it is.
	dir, err := os.MkdirTemp("", "rapport-*")
	if err != nil {
		return "", fmt.Errorf("keep the standard input: %w", err)
	}
	name := filepath.Join(dir, "standard-input")
	if format != "" {
		name += "." + format
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		os.RemoveAll(dir)
		return "", fmt.Errorf("keep the standard input: %w", err)
	}
	return name, nil
}

// readMapping reads which column of a file goes into which field.
func readMapping(name string) (map[string]string, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, model.Errorf(model.NotFound, "the mapping %s cannot be read", name).Because(err)
	}
	out := map[string]string{}
	if strings.HasSuffix(strings.ToLower(name), ".json") || strings.HasPrefix(strings.TrimSpace(string(data)), "{") {
		err = json.Unmarshal(data, &out)
	} else {
		err = toml.Unmarshal(data, &out)
	}
	if err != nil {
		return nil, model.Errorf(model.Invalid, "%s is not a mapping of \"source column\" = \"field\": %v", filepath.Base(name), err)
	}
	return out, nil
}

func (a *app) imported(res model.ImportResult, files int) error {
	if a.json {
		o := object{{"run", res.Run}, {"read", res.Read}, {"created", res.Created}, {"updated", res.Updated}, {"unchanged", res.Unchanged},
			{"skipped", res.Skipped}, {"rejected", res.Rejected}, {"rejects_file", orNull(res.RejectsFile)}}
		if files > 1 || len(res.ByNoun) > 1 {
			o = append(o, pair{"by_noun", res.ByNoun})
		}
		if res.DryRun {
			o = append(o, pair{"dry_run", true})
		}
		if len(res.Notes) > 0 {
			o = append(o, pair{"notes", res.Notes})
		}
		if err := a.result(o); err != nil {
			return err
		}
	} else {
		if err := a.importedText(res); err != nil {
			return err
		}
	}
	if res.Rejected > 0 {
		err := model.Errorf(model.Partial, "%d of %s rejected", res.Rejected, plural(res.Read, "record was", "records were"))
		if res.RejectsFile != "" {
			return err.WithHint("with their reasons they stand in %s", res.RejectsFile)
		}
		return err
	}
	return nil
}

func (a *app) importedText(res model.ImportResult) error {
	head := "Run " + res.Run
	if res.DryRun {
		head = "Dry run: nothing was changed"
	}
	if err := a.print("%s\nread %d, created %d, updated %d, unchanged %d, skipped %d, rejected %d", head,
		res.Read, res.Created, res.Updated, res.Unchanged, res.Skipped, res.Rejected); err != nil {
		return err
	}
	for _, e := range model.Records() {
		if c, ok := res.ByNoun[e.Noun]; ok && len(res.ByNoun) > 1 {
			if err := a.print("  %s: read %d, created %d, updated %d, unchanged %d, skipped %d, rejected %d", e.Plural,
				c.Read, c.Created, c.Updated, c.Unchanged, c.Skipped, c.Rejected); err != nil {
				return err
			}
		}
	}
	for _, n := range res.Notes {
		a.say("%s", model.Visible(n))
	}
	for i, r := range res.Rejects {
		if i == 10 {
			a.say("… and %d more", len(res.Rejects)-i)
			break
		}
		fmt.Fprintf(a.Err, "%s, line %d: %s\n", model.Visible(filepath.Base(r.File)), r.Line, model.Visible(r.Message))
	}
	return nil
}

func (a *app) importList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List past imports", Args: exactly(0), Example: "  rapport import list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ws, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			runs, err := ws.ImportRuns(cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				return a.result(object{{"items", list(runs)}})
			}
			if len(runs) == 0 {
				a.say("no imports")
				return nil
			}
			t := &table{head: []string{"RUN", "AT", "READ", "CREATED", "UPDATED", "REJECTED", "SOURCE", ""}, most: a.cellLimit(),
				right: []bool{false, false, true, true, true, true, false, false}}
			for _, r := range runs {
				undone := ""
				if r.Undone {
					undone = "undone"
				}
				t.add(r.Run, a.value(model.Time, r.At), fmt.Sprint(r.Read), fmt.Sprint(r.Created), fmt.Sprint(r.Updated), fmt.Sprint(r.Rejected), r.Source, undone)
			}
			return t.write(a.Out)
		},
	}
}

func (a *app) importUndo() *cobra.Command {
	return &cobra.Command{
		Use: "undo RUN", Short: "Take an import back; records that were changed since are kept", Args: exactly(1),
		Example: "  rapport import undo 20261121-093000-1a2b",
		RunE: func(cmd *cobra.Command, args []string) error {
			ws, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			if a.flags.dryRun {
				return model.Errorf(model.Invalid, "taking an import back has no dry run").WithHint("what it deletes can be restored")
			}
			undone, kept, err := ws.UndoImport(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if a.json {
				return a.result(object{{"run", args[0]}, {"undone", undone}, {"kept", list(hitObjects(kept))}})
			}
			for _, h := range kept {
				a.say("kept %s %s (%s)", h.Noun, model.Visible(h.Title), h.ID.Short())
			}
			return a.print("%s deleted, %d kept", plural(undone, "record", "records"), len(kept))
		},
	}
}
