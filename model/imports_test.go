package model_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// sourceFile is one file of the project with its imports.
type sourceFile struct {
	name    string // slash-separated, from the root
	dir     string
	test    bool
	imports []string
	lines   int
}

func sources(t *testing.T) []sourceFile {
	t.Helper()
	var out []sourceFile
	const root = ".."
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != root && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		whole, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		s := sourceFile{name: filepath.ToSlash(rel), test: strings.HasSuffix(name, "_test.go"), lines: fset.Position(whole.FileEnd).Line}
		s.dir = path.Dir(s.name)
		for _, spec := range f.Imports {
			p, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, p)
		}
		out = append(out, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 50 {
		t.Fatalf("only %d files were found: the test looks in the wrong place", len(out))
	}
	return out
}

func under(dir string, roots ...string) bool {
	return slices.ContainsFunc(roots, func(r string) bool { return dir == r || strings.HasPrefix(dir, r+"/") })
}

// TestImportsGoOneWay holds the architecture: main → ui/{cli,sshd} → ui →
// screens → ui/{screen,dialog,widget,theme} → keymap, model; db → model.
func TestImportsGoOneWay(t *testing.T) {
	foundation := []string{"ui/screen", "ui/dialog", "ui/widget", "ui/theme", "ui/uitest"}
	for _, f := range sources(t) {
		for _, imp := range f.imports {
			own, isOwn := strings.CutPrefix(imp, "rapport/")
			bad := func(why string) { t.Errorf("%s imports %s: %s", f.name, imp, why) }
			charm := strings.HasPrefix(imp, "charm.land/") || strings.HasPrefix(imp, "github.com/charmbracelet/")
			if charm && !under(f.dir, "ui", "keymap", "screenshots") && f.dir != "." && f.dir != "db/bench" {
				bad("Charm packages belong to ui, keymap, screenshots and main")
			}
			if !isOwn || f.test {
				continue
			}
			switch {
			case f.dir == "model":
				bad("model depends on nothing of the project")
			case f.dir == "keymap" && own != "model":
				bad("keymap depends on model only")
			case under(f.dir, "ui") && under(own, "db"):
				bad("ui never imports db")
			case under(f.dir, "db") && (under(own, "ui") || own == "keymap"):
				if f.dir != "db/bench" {
					bad("db never imports ui")
				}
			case under(f.dir, foundation...) && under(own, "ui") && !under(own, foundation...):
				bad("what screens are built from does not know screens")
			case under(f.dir, "ui/cli", "ui/sshd") || f.dir == "ui" || !under(f.dir, "ui"):
				// The root and the commands may use every screen.
			case under(own, "ui") && !under(own, foundation...) && !under(own, f.dir) && !under(f.dir, own):
				bad("a screen never imports another screen")
			}
		}
	}
}

// TestNetworkStaysInItsPlace holds the promise that nothing but the configured
// database is ever talked to.
func TestNetworkStaysInItsPlace(t *testing.T) {
	network := []string{"net", "net/http", "net/rpc", "net/smtp", "github.com/go-sql-driver/mysql"}
	for _, f := range sources(t) {
		if f.test || under(f.dir, "db/mysql", "db/backup", "ui/sshd", "db/sync/soak") {
			continue
		}
		for _, imp := range f.imports {
			if slices.Contains(network, imp) {
				t.Errorf("%s imports %s: network code lives in db/mysql, db/backup and ui/sshd only", f.name, imp)
			}
		}
	}
}

// TestSQLStaysInDB holds that only packages under db speak SQL.
func TestSQLStaysInDB(t *testing.T) {
	for _, f := range sources(t) {
		if !f.test && !under(f.dir, "db") && slices.Contains(f.imports, "database/sql") {
			t.Errorf("%s imports database/sql: SQL appears only in db", f.name)
		}
	}
}

// TestFilesStayShort holds that no file outgrows what can be read at once.
func TestFilesStayShort(t *testing.T) {
	for _, f := range sources(t) {
		if f.lines > 600 {
			t.Errorf("%s has %d lines, more than 600", f.name, f.lines)
		}
	}
}
