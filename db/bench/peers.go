package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"rapport/screenshots/term"
)

// peer is a program that a person might look contacts up with instead.
type peer struct {
	name    string
	command func(ctx context.Context, b *bench, files exported) (*exec.Cmd, error)
	ready   string   // what it shows once it has read the file; ‹n› is the number of contacts
	search  []string // keys that look for a common name; nil if it has no search
	found   string   // what then appears
}

// exported are the contacts as files.
type exported struct {
	csv, vcf, lines string
	count           int64
}

var peers = []peer{
	{name: "fzf", ready: "‹n›/‹n›", search: []string{"s", "m", "i", "t", "h"}, found: "Smith",
		command: func(ctx context.Context, _ *bench, f exported) (*exec.Cmd, error) {
			return exec.CommandContext(ctx, "sh", "-c", `fzf -e < "$1"`, "sh", f.lines), nil
		}},
	{name: "abook", ready: "/‹n›",
		command: func(ctx context.Context, b *bench, f exported) (*exec.Cmd, error) {
			book := filepath.Join(b.temp, "abook")
			out, err := exec.CommandContext(ctx, "abook", "--convert", "--informat", "vcard", "--infile", f.vcf, "--outformat", "abook", "--outfile", book).CombinedOutput()
			if err != nil {
				return nil, fmt.Errorf("convert the cards: %w: %s", err, out[:min(len(out), 200)])
			}
			return exec.CommandContext(ctx, "abook", "--datafile", book), nil
		}},
	{name: "visidata", ready: "‹n› ",
		command: func(ctx context.Context, _ *bench, f exported) (*exec.Cmd, error) {
			return exec.CommandContext(ctx, "visidata", f.csv), nil
		}},
}

// comparing starts the programs that are installed here on the same contacts.
func comparing(ctx context.Context, b *bench) error {
	var here, absent []string
	for _, p := range peers {
		if _, err := exec.LookPath(p.name); err != nil {
			absent = append(absent, p.name)
		} else {
			here = append(here, p.name)
		}
	}
	if len(absent) > 0 {
		fmt.Fprintf(b.out, "  not installed here: %s\n", strings.Join(absent, ", "))
	}
	fmt.Fprintf(b.out, "  %-10s %10s %10s %12s\n", "", "start ms", "memory MB", "search ms")
	own, err := b.ownRow(ctx)
	if err != nil || len(here) == 0 {
		return err
	}
	files, err := b.export(ctx)
	if err != nil {
		return err
	}
	for _, p := range peers {
		if strings.Contains(strings.Join(absent, " "), p.name) {
			continue
		}
		if err := b.peerRow(ctx, p, files, own); err != nil {
			fmt.Fprintf(b.out, "  %-10s %v\n", p.name, firstLine(err))
		}
	}
	return nil
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// ownRow measures the program itself in the same way: until the contacts are
// there, and from the last letter of a search to its findings.
func (b *bench) ownRow(ctx context.Context) (cost, error) {
	rapport, err := b.build(ctx, "rapport")
	if err != nil {
		return cost{}, err
	}
	from := time.Now()
	t, err := term.Start(b.isolate(exec.CommandContext(ctx, rapport, "--home", b.home)), width, height, true)
	if err != nil {
		return cost{}, err
	}
	defer t.Close()
	if _, err := shown(t, startText, from); err != nil {
		return cost{}, err
	}
	if err := t.Press(contactsKey); err != nil {
		return cost{}, err
	}
	start, err := shown(t, contactsTip, from)
	if err != nil {
		return cost{}, err
	}
	t.Settle(time.Second)
	if err := t.Press("ctrl+k"); err != nil {
		return cost{}, err
	}
	t.Settle(300 * time.Millisecond)
	from = time.Now()
	if err := t.Press("s", "m", "i", "t", "h"); err != nil {
		return cost{}, err
	}
	search, err := shown(t, "Smith", from)
	if err != nil {
		return cost{}, err
	}
	now, _, err := memoryOf(t.Pid())
	fmt.Fprintf(b.out, "  %-10s %10.0f %10.0f %12.0f\n", "rapport", ms(start), now, ms(search))
	return cost{wall: start}, err
}

func (b *bench) peerRow(ctx context.Context, p peer, files exported, own cost) error {
	cmd, err := p.command(ctx, b, files)
	if err != nil {
		return err
	}
	from := time.Now()
	t, err := term.Start(b.isolate(cmd), width, height, true)
	if err != nil {
		return err
	}
	defer t.Close()
	start, err := shown(t, strings.ReplaceAll(p.ready, "‹n›", fmt.Sprint(files.count)), from)
	if err != nil {
		return err
	}
	t.Settle(time.Second)
	search := "–"
	if p.search != nil {
		from = time.Now()
		if err := t.Press(p.search...); err != nil {
			return err
		}
		if _, err := shown(t, p.found, from); err != nil {
			return err
		}
		t.Settle(700 * time.Millisecond) // it may show what it has so far
		search = fmt.Sprintf("%.0f", ms(max(0, time.Since(from)-700*time.Millisecond)))
	}
	memory, err := memoryOfTree(t.Pid())
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "  %-10s %10.0f %10.0f %12s   start %.1f times rapport's\n", p.name, ms(start), memory, search, float64(start)/float64(own.wall))
	return nil
}

// memoryOfTree is the memory of a process and of those it started.
func memoryOfTree(pid int) (float64, error) {
	sum, _, err := memoryOf(pid)
	if err != nil {
		return 0, err
	}
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return 0, err
	}
	for _, name := range lists {
		data, err := os.ReadFile(name)
		if err != nil {
			continue // the thread ended
		}
		for _, f := range strings.Fields(string(data)) {
			var child int
			if _, err := fmt.Sscan(f, &child); err != nil {
				continue
			}
			if n, err := memoryOfTree(child); err == nil {
				sum += n
			}
		}
	}
	return sum, nil
}

// export writes the contacts with the program's own commands. The files stay
// beside a workspace that is kept.
func (b *bench) export(ctx context.Context) (exported, error) {
	dir := filepath.Join(b.home, "bench")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return exported{}, err
	}
	f := exported{csv: filepath.Join(dir, "contacts.csv"), vcf: filepath.Join(dir, "contacts.vcf"), lines: filepath.Join(dir, "contacts.txt")}
	for format, path := range map[string]string{"csv": f.csv, "vcf": f.vcf} {
		if _, err := os.Stat(path); err == nil {
			continue
		}
		cmd := b.isolate(exec.CommandContext(ctx, b.built["rapport"], "--home", b.home, "export", "contact", "--format", format, "-o", path+".part"))
		if out, err := cmd.CombinedOutput(); err != nil {
			return f, fmt.Errorf("export: %w: %s", err, out)
		}
		if err := os.Rename(path+".part", path); err != nil {
			return f, err
		}
	}
	var err error
	f.count, err = linesOf(f.csv, f.lines)
	return f, err
}

// linesOf writes a line with name, organization, phone and mail for each
// contact of a CSV file.
func linesOf(from, to string) (n int64, err error) {
	in, err := os.Open(from)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	r, w := csv.NewReader(bufio.NewReaderSize(in, 1<<20)), bufio.NewWriter(out)
	r.ReuseRecord = true
	head, err := r.Read()
	if err != nil {
		return 0, err
	}
	var wanted []int
	for i, name := range head {
		switch name {
		case "first_name", "last_name", "organization", "phone", "email":
			wanted = append(wanted, i)
		}
	}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return n, w.Flush()
		}
		if err != nil {
			return n, err
		}
		var cells []string
		for _, i := range wanted {
			cells = append(cells, strings.ReplaceAll(row[i], "\n", " "))
		}
		if _, err := w.WriteString(strings.Join(cells, "\t") + "\n"); err != nil {
			return n, err
		}
		n++
	}
}
