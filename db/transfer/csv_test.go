package transfer

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCSVSpectrum(t *testing.T) {
	files, _ := filepath.Glob(testdata(t, "csv", "csv-spectrum", "csvs", "*.csv"))
	if len(files) != 12 {
		t.Fatalf("%d files", len(files))
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".csv")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			var got []map[string]string
			var header []string
			s, _ := decodeText(data)
			for row := range readCSV(s, sniffDelimiter(s)) {
				if row.Problem != "" {
					t.Fatal(row.Problem)
				}
				if header == nil {
					header = row.Cells
					continue
				}
				m := map[string]string{}
				for i, h := range header {
					m[h] = row.Cells[i]
				}
				got = append(got, m)
			}
			data, err = os.ReadFile(testdata(t, "csv", "csv-spectrum", "json", name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			if data = bytes.TrimSpace(data); data[0] == '{' {
				data = append(append([]byte("["), data...), ']')
			}
			var want []map[string]string
			if err := json.Unmarshal(data, &want); err != nil {
				t.Fatal(err)
			}
			if name == "location_coordinates" {
				// The two files of the collection disagree about this number.
				delete(got[0], "Contact Phone Number")
				delete(want[0], "Contact Phone Number")
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestCSVRowsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		delim := rapid.SampledFrom([]byte{',', ';', '\t'}).Draw(t, "delimiter")
		cell := rapid.StringOfN(rapid.RuneFrom([]rune("a'=+-@\t\r\n\",; é\x00")), 0, 6, -1)
		rows := rapid.SliceOfN(rapid.SliceOfN(cell, 2, 4), 1, 5).Draw(t, "rows")
		raw := rapid.Bool().Draw(t, "raw")
		var b []byte
		for _, r := range rows {
			g := make([]string, len(r))
			for i, c := range r {
				g[i] = guard(c, raw)
				if !raw && c != "" && strings.ContainsRune(spreadsheetRuns, rune(c[0])) && g[i][0] != '\'' {
					t.Fatalf("%q is not guarded", c)
				}
			}
			b = appendCSVRow(b, g, delim)
		}
		i := 0
		for row := range readCSV(string(b), delim) {
			if row.Problem != "" || i >= len(rows) || len(row.Cells) != len(rows[i]) {
				t.Fatalf("row %d of %q: %+v", i, b, row)
			}
			for j, c := range row.Cells {
				if unguard(c) != rows[i][j] {
					t.Fatalf("%q came back as %q", rows[i][j], unguard(c))
				}
			}
			i++
		}
		if i != len(rows) {
			t.Fatalf("%d rows of %d", i, len(rows))
		}
	})
}

func TestDecodeText(t *testing.T) {
	for name, c := range map[string]struct {
		data    string
		want    string
		western bool
	}{
		"utf-8":           {"Zoë,1", "Zoë,1", false},
		"utf-8 mark":      {"\xef\xbb\xbfZoë", "Zoë", false},
		"windows-1252":    {"Zo\xeb \x80", "Zoë €", true},
		"utf-16 le mark":  {"\xff\xfeZ\x00o\x00\xeb\x00", "Zoë", false},
		"utf-16 be mark":  {"\xfe\xff\x00Z\x00o\x00\xeb", "Zoë", false},
		"utf-16 no mark":  {"\x00B\x00E\x00G\x00I\x00N\x00:\x00V\x00C", "BEGIN:VC", false},
		"zeros in a text": {"name\na\x00b\n", "name\na\x00b\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got, western := decodeText([]byte(c.data)); got != c.want || western != c.western {
				t.Errorf("%q, %v", got, western)
			}
		})
	}
}

func TestSniffDelimiter(t *testing.T) {
	for s, want := range map[string]byte{"a,b,c\n": ',', "a;b;c\n": ';', "a\tb\n": '\t', "\"a;b\",c\n": ',', "name\n": ','} {
		if got := sniffDelimiter(s); got != want {
			t.Errorf("%q: %q", s, got)
		}
	}
}
