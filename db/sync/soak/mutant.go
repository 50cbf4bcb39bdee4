package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// edit replaces a text that occurs once in a file.
type edit struct {
	file     string
	old, new string
}

// mutant is a program that breaks one rule. A test must notice.
type mutant struct {
	name  string // the rule that is broken, as it is then
	edits []edit
	run   string   // the test that notices; "" for the simulation in memory
	pkg   string   // its package; "" for that of the simulation
	args  []string // for the test binary
}

// mutantSeeds is how many seeds a mutant has to survive to count as unnoticed.
const mutantSeeds = "600"

// The time of one mutant. The simulation begins no further seed when mutantSpare
// is left of mutantTime. What still runs after that does not end: it is noticed,
// as a person would notice it. With what it takes to build it, a mutant that
// takes mutantAtMost could not be tried.
const (
	mutantSpare  = time.Minute
	mutantTime   = 10 * time.Minute
	mutantAtMost = 15 * time.Minute
)

// verdict is what became of a mutant.
type verdict struct {
	Rule    string  `json:"rule"`
	Caught  bool    `json:"caught"`
	Seeds   int     `json:"seeds,omitempty"`   // of the simulation until then
	Endless bool    `json:"endless,omitempty"` // it was cut, for it did not end
	Seconds float64 `json:"seconds"`
	Problem string  `json:"problem,omitempty"` // it could not be tried
	Sign    string  `json:"sign,omitempty"`    // the first line that tells of it
}

// apply writes the mutant's files and what go is told of them: the tree stays
// as it is.
func (m mutant) apply(dir, into string) (overlay string, err error) {
	texts := map[string]string{}
	for _, e := range m.edits {
		name := filepath.Join(dir, filepath.FromSlash(e.file))
		text, ok := texts[name]
		if !ok {
			data, err := os.ReadFile(name)
			if err != nil {
				return "", err
			}
			text = string(data)
		}
		if n := strings.Count(text, e.old); n != 1 {
			return "", fmt.Errorf("%s has %d times, not once: %s", e.file, n, e.old)
		}
		texts[name] = strings.Replace(text, e.old, e.new, 1)
	}
	replace := map[string]string{}
	for name, text := range texts {
		at := filepath.Join(into, fmt.Sprintf("%d-%s", len(replace), filepath.Base(name)))
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[name] = at
	}
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(into, "overlay.json")
	return overlay, os.WriteFile(overlay, data, 0o600)
}

// try builds the mutant and runs the test that must notice it.
func (m mutant) try(ctx context.Context, dir string) verdict {
	v := verdict{Rule: m.name}
	into, err := os.MkdirTemp("", "rapport-mutant")
	if err != nil {
		v.Problem = err.Error()
		return v
	}
	defer os.RemoveAll(into)
	overlay, err := m.apply(dir, into)
	if err != nil {
		v.Problem = err.Error()
		return v
	}
	pkg, run, args := m.pkg, m.run, m.args
	if pkg == "" {
		pkg = "./db/sync/sim"
	}
	if run == "" {
		run, args = "^TestSeeds$", []string{"-seeds=" + mutantSeeds}
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, mutantAtMost)
	defer cancel()
	command := append([]string{"-overlay=" + overlay, "-vet=off", "-count=1", "-timeout=" + mutantTime.String(), "-run=" + run, pkg}, args...)
	out, failed, err := goTest(ctx, dir, nil, command...)
	v.Seconds = time.Since(began).Seconds()
	switch {
	case err != nil:
		v.Problem = err.Error()
	case failed && strings.Contains(out, "[build failed]"):
		v.Problem = "it does not compile: " + out
	default:
		v.Caught = failed
		v.Endless = strings.Contains(out, "panic: test timed out")
		v.Sign = sign(out)
		if m := signedSeed.FindStringSubmatch(v.Sign); m != nil {
			seed, _ := strconv.Atoi(m[1])
			v.Seeds = seed + 1
		}
		if !v.Caught && v.Seconds >= (mutantTime-mutantSpare).Seconds() {
			v.Problem = "there was no time for every seed"
		}
	}
	return v
}

// signedSeed finds the seed in what the simulation tells; seeds count from 0.
var signedSeed = regexp.MustCompile(`\bseed (\d+)\b`)

// sign returns the line of a test's output that tells what it noticed.
func sign(out string) string {
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "---") || strings.HasPrefix(line, "===") || strings.HasPrefix(line, "goos") || strings.HasPrefix(line, "ok") {
			continue
		}
		return line
	}
	return ""
}

// seeds says how many seeds it took, or nothing of another test.
func (v verdict) seeds() string {
	if v.Seeds == 0 {
		return ""
	}
	return strconv.Itoa(v.Seeds)
}

// runMutants tries every mutant and fails if one is not noticed.
func runMutants(ctx context.Context, s settings) error {
	dir, err := root()
	if err != nil {
		return err
	}
	all := []verdict{}
	missed := 0
	for _, m := range mutants {
		if !strings.Contains(m.name, s.only) {
			continue
		}
		v := m.try(ctx, dir)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		all = append(all, v)
		word := "caught"
		if !v.Caught {
			word = "MISSED"
			missed++
		}
		if !s.json {
			fmt.Printf("%-7s %5.1f s %4s seeds  %s\n", word, v.Seconds, v.seeds(), v.Rule)
			if v.Endless {
				fmt.Println("        it was cut, for it did not end")
			}
			if v.Problem != "" {
				fmt.Println("        " + v.Problem)
			}
		}
	}
	if s.json {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		if err := enc.Encode(map[string]any{"mutants": all, "missed": missed}); err != nil {
			return err
		}
	} else {
		fmt.Printf("%d of %d mutants are caught\n", len(all)-missed, len(all))
	}
	if missed > 0 {
		return fmt.Errorf("%d mutants are not noticed", missed)
	}
	return nil
}
