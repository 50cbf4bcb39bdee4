package screen

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"rapport/model"
)

func TestWriteNew(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	hello := func(w io.Writer) error { _, err := io.WriteString(w, "hello"); return err }
	path, err := WriteNew("~/a.csv", hello)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() != 5 || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("%v %v", info, err)
	}
	if _, err := WriteNew(path, hello); model.KindOf(err) != model.Invalid {
		t.Errorf("an existing file: %v", err)
	}
	broken := filepath.Join(filepath.Dir(path), "b.csv")
	if _, err := WriteNew(broken, func(io.Writer) error { return errors.New("full") }); err == nil {
		t.Error("a failed write was taken for a good one")
	}
	if _, err := os.Stat(broken); !os.IsNotExist(err) {
		t.Error("half a file stayed")
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []string{"b.csv", "a.csv", "c.vcf", ".hidden"} {
		if err := os.WriteFile(filepath.Join(dir, n), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		path string
		want int
		kind model.Kind
	}{
		{dir, 3, model.Other}, {filepath.Join(dir, "*.csv"), 2, model.Other}, {" " + filepath.Join(dir, "c.vcf") + " ", 1, model.Other},
		{filepath.Join(dir, "none.csv"), 0, model.NotFound}, {filepath.Join(dir, "*.x"), 0, model.NotFound},
	} {
		got, err := Files(c.path)
		if len(got) != c.want || model.KindOf(err) != c.kind {
			t.Errorf("%s: %v, %v", c.path, got, err)
		}
	}
}
