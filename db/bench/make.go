package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"rapport/db/sqlite"
	"rapport/model"
)

// making compares the making of the workspace with the C shell reading the
// same rows from CSV files into the same tables, building the same indexes and
// the same full text. The shell need not invent, fold or parse anything.
func making(ctx context.Context, b *bench) error {
	if b.made.wall == 0 {
		fmt.Fprintln(b.out, "  the workspace was there already: name a new --home to measure its making")
		return nil
	}
	fmt.Fprintf(b.out, "  rapport        %8.1f s, %8.1f s of CPU\n", b.made.wall.Seconds(), b.made.cpu.Seconds())
	shell, err := exec.LookPath("sqlite3")
	if err != nil {
		fmt.Fprintln(b.out, "  there is no sqlite3 shell to compare with")
		return nil
	}
	dir, err := os.MkdirTemp(b.home, "shell-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &shellLoad{shell: shell, dir: dir, source: filepath.Join(b.home, sqlite.FileName)}
	if err := s.prepare(ctx, b.db); err != nil {
		return err
	}
	c, err := s.load(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "  sqlite3 shell  %8.1f s, %8.1f s of CPU\n", c.wall.Seconds(), c.cpu.Seconds())
	fmt.Fprintf(b.out, "  ratio          %8.2f    %8.2f (limit 3)\n", b.made.wall.Seconds()/c.wall.Seconds(), b.made.cpu.Seconds()/c.cpu.Seconds())
	return nil
}

// shellLoad loads a workspace's rows with the C shell.
type shellLoad struct {
	shell, dir, source string
	tables, after      []string // statements before and after the import
}

// run gives a script to the shell and returns what it printed.
func (s *shellLoad) run(ctx context.Context, file, script string) (string, cost, error) {
	cmd := exec.CommandContext(ctx, s.shell, "-batch", "-bail", file)
	cmd.Stdin = strings.NewReader(script)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	start := time.Now()
	err := cmd.Run()
	c := cost{wall: time.Since(start)}
	if cmd.ProcessState != nil {
		c.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	if err == nil && problems.Len() > 0 {
		err = fmt.Errorf("it complains")
	}
	if err != nil {
		text := problems.String()
		return "", c, fmt.Errorf("sqlite3: %w: %s", err, text[:min(len(text), 500)])
	}
	return out.String(), c, nil
}

// prepare writes the rows as CSV files and reads the definitions. Ids are
// written in hexadecimal, because a CSV file holds text only.
func (s *shellLoad) prepare(ctx context.Context, db *sqlite.DB) error {
	var script strings.Builder
	script.WriteString(".mode csv\n.headers off\n")
	for _, e := range model.Entities() {
		cols := "rid"
		for _, c := range e.Columns() {
			if c.Type == model.ColID {
				cols += ", lower(hex(\"" + c.Name + "\"))"
			} else {
				cols += ", \"" + c.Name + "\""
			}
		}
		if e.Name != nil {
			cols += ", title, title_key, sort_key"
		}
		fmt.Fprintf(&script, ".output '%s'\nSELECT %s FROM \"%s\";\n", s.csv(string(e.Noun)), cols, e.Noun)
	}
	if _, _, err := s.run(ctx, s.source, script.String()); err != nil {
		return err
	}
	if err := s.define(ctx); err != nil {
		return err
	}
	return s.words(ctx, db)
}

// define reads the definitions of the workspace's tables and indexes.
func (s *shellLoad) define(ctx context.Context) error {
	var script strings.Builder
	fmt.Fprintf(&script, ".mode list\n.separator '' '\\x01'\nSELECT type || '|' || replace(sql, char(10), ' ') FROM sqlite_schema WHERE tbl_name IN (%s) AND sql IS NOT NULL ORDER BY type DESC;\n", s.nouns())
	ddl, _, err := s.run(ctx, s.source, strings.ReplaceAll(script.String(), "'\\x01'", "\"\\n\""))
	if err != nil {
		return err
	}
	for line := range strings.Lines(ddl) {
		kind, sql, _ := strings.Cut(strings.TrimSpace(line), "|")
		// A CSV file has no NULL: what is empty is empty text.
		sql = strings.NewReplacer("STRICT", "", "BLOB", "TEXT", "CHECK (length(id) = 16)", "", "IS NOT NULL", "<> ''", "IS NULL", "= ''", "contentless_delete=1, ", "").Replace(sql)
		switch kind {
		case "table":
			s.tables = append(s.tables, sql+";")
		case "index":
			s.after = append(s.after, sql+";")
		}
	}
	return nil
}

// nouns lists the tables for an SQL list, with those of the search.
func (s *shellLoad) nouns() string {
	out := "'search_text', 'search_note'"
	for _, e := range model.Entities() {
		out += ", '" + string(e.Noun) + "'"
	}
	return out
}

func (s *shellLoad) csv(name string) string { return filepath.Join(s.dir, name+".csv") }

// words stores the folded words in a file of their own, from which the shell
// then builds its full text.
func (s *shellLoad) words(ctx context.Context, db *sqlite.DB) error {
	f, err := os.Create(s.csv("words"))
	if err != nil {
		return err
	}
	defer f.Close()
	buffered := bufio.NewWriter(f)
	w := csv.NewWriter(buffered)
	err = db.EachSearchText(ctx, func(row int64, text, note string) error {
		return w.Write([]string{strconv.FormatInt(row, 10), text, note})
	})
	if err != nil {
		return err
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return err
	}
	if err := buffered.Flush(); err != nil {
		return err
	}
	_, _, err = s.run(ctx, filepath.Join(s.dir, "words.db"), "CREATE TABLE words (row INTEGER PRIMARY KEY, text TEXT, note TEXT);\n.import --csv '"+s.csv("words")+"' words\n")
	return err
}

// load is the part that is measured.
func (s *shellLoad) load(ctx context.Context) (cost, error) {
	var script strings.Builder
	script.WriteString("ATTACH '" + filepath.Join(s.dir, "words.db") + "' AS words;\nBEGIN;\n")
	script.WriteString(strings.Join(s.tables, "\n") + "\n")
	for _, e := range model.Entities() {
		fmt.Fprintf(&script, ".import --csv '%s' %s\n", s.csv(string(e.Noun)), e.Noun)
	}
	script.WriteString(strings.Join(s.after, "\n") + "\n")
	script.WriteString("INSERT INTO search_text (rowid, words) SELECT row, text FROM words.words WHERE text <> '';\n")
	script.WriteString("INSERT INTO search_note (rowid, note) SELECT row, note FROM words.words WHERE note <> '';\nCOMMIT;\n")
	_, c, err := s.run(ctx, filepath.Join(s.dir, "load.db"), script.String())
	return c, err
}
