package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"rapport/db/sqlite"
	"rapport/model"
	"rapport/screenshots/term"
)

// Presses of one measurement, and contacts of the workspace with plain rows.
const (
	presses    = 200
	plainCount = 2000
)

// pressing measures what one key costs: CPU on the large workspace, bytes on
// one whose rows are plain ASCII.
func pressing(ctx context.Context, b *bench) error {
	t, err := b.contactsOf(ctx, b.home)
	if err != nil {
		return err
	}
	defer t.Close()
	fmt.Fprintf(b.out, "  %-38s %10s %10s %10s\n", "key", "CPU ms", "bytes", "most bytes")
	if err := b.keyCost(t, "cursor down", 5, 0, func(int) string { return "down" }); err != nil {
		return err
	}
	if err := b.keyCost(t, "page down", 0, 0, func(int) string { return "pgdown" }); err != nil {
		return err
	}
	plain, err := b.plainHome(ctx)
	if err != nil {
		return err
	}
	p, err := b.contactsOf(ctx, plain)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := b.keyCost(p, "cursor down, ASCII rows", 5, 400, func(int) string { return "down" }); err != nil {
		return err
	}
	if err := p.Press("/"); err != nil {
		return err
	}
	p.Settle(300 * time.Millisecond)
	if err := b.keyCost(p, "letter in the filter, list that follows", 0, 0, filterKeys); err != nil {
		return err
	}
	if err := p.Press("esc", "esc", "n"); err != nil {
		return err
	}
	p.Settle(300 * time.Millisecond)
	return b.keyCost(p, "letter in a form", 5, 80, func(i int) string {
		if i%40 >= 20 {
			return "backspace"
		}
		return string(rune('a' + i%20))
	})
}

// filterKeys types a name and takes it back.
func filterKeys(i int) string {
	const word = "keller"
	if at := i % (2 * len(word)); at < len(word) {
		return word[at : at+1]
	}
	return "backspace"
}

// keyCost presses keys one by one and prints the mean CPU and output of one. A
// limit of 0 is none.
func (b *bench) keyCost(t *term.Terminal, name string, limitMS, limitBytes int, key func(int) string) error {
	t.Settle(300 * time.Millisecond)
	before, err := cpuOf(t.Pid())
	if err != nil {
		return err
	}
	var bytes []int64
	for i := range presses {
		written := t.Written()
		if err := t.Press(key(i)); err != nil {
			return err
		}
		t.Settle(25 * time.Millisecond)
		bytes = append(bytes, t.Written()-written)
	}
	after, err := cpuOf(t.Pid())
	if err != nil {
		return err
	}
	var sum int64
	for _, n := range bytes {
		sum += n
	}
	limits := ""
	if limitMS > 0 {
		limits += fmt.Sprintf(" (limit %d ms", limitMS)
		if limitBytes > 0 {
			limits += fmt.Sprintf(", %d bytes", limitBytes)
		}
		limits += ")"
	}
	fmt.Fprintf(b.out, "  %-38s %10.2f %10d %10d%s\n", name, ms((after-before)/presses), sum/presses, slices.Max(bytes), limits)
	return nil
}

// plainHome makes a workspace whose rows are ASCII only.
func (b *bench) plainHome(ctx context.Context) (string, error) {
	dir, err := b.scratch()
	if err != nil {
		return "", err
	}
	home := filepath.Join(dir, "plain")
	db, err := sqlite.Open(ctx, filepath.Join(home, sqlite.FileName), sqlite.Options{Settings: model.Settings{Home: home, Me: "you", Currency: "USD"}})
	if err != nil {
		return "", err
	}
	first, last := []string{"James", "Mary", "Robert", "Linda", "Karen"}, []string{"Smith", "Keller", "Jones", "Miller", "Baker", "Young", "Clark"}
	e, m := model.EntityOf("contact"), model.EntityOf("contact_method")
	ids := model.NewIDSource(time.Now, nil)
	err = db.Bulk(ctx, func(bulk *sqlite.Bulk) error {
		for i := range plainCount {
			f, l := first[i%len(first)], fmt.Sprintf("%s%03d", last[i%len(last)], i/10)
			row := model.NewRow(e)
			row[0] = ids.New()
			row.Set(e, "first_name", f)
			row.Set(e, "last_name", l)
			row.Set(e, "job_title", "Buyer")
			if err := bulk.Put(e, row); err != nil {
				return err
			}
			part := model.NewRow(m)
			part[0] = ids.New()
			part.Set(m, "contact_id", row[0])
			part.Set(m, "kind", "email")
			part.Set(m, "value", fmt.Sprintf("%s.%s@example.org", f, l))
			if err := bulk.Put(m, part); err != nil {
				return err
			}
		}
		return nil
	})
	if cerr := db.Close(); err == nil {
		err = cerr
	}
	return home, err
}
