package backup

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSettingsWithoutSecrets(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`central = "mysql://a:b@h/d"`:                        `central = "mysql://a@h/d"`,
		`central = ["mysql://a:b@h/d", 'mysql://c:x@y@i/d']`: `central = ["mysql://a@h/d", 'mysql://c@i/d']`,
		`central = "mysql://a@h:3306/d"`:                     `central = "mysql://a@h:3306/d"`,
		`password = "x y" # why`:                             `password = "" # why`,
		`db_password='x'`:                                    `db_password=""`,
		"\"password\" = \"\"\"\nmany\nlines\"\"\"\nx = 1":    "\"password\" = \"\"\nx = 1",
		`a = {token = "t", b = 1}`:                           `a = {token = "", b = 1}`,
		`password_command = "pass crm"`:                      `password_command = "pass crm"`,
		`password_file = "/x"`:                               `password_file = "/x"`,
		`to = "azblob://a/c?sv=1&sig=x%2F&se=2"`:             `to = "azblob://a/c?sv=1&sig=&se=2"`,
		`to = "s3://key:secret@b/p"`:                         `to = "s3://key@b/p"`,
		`credentials_command = "pass s3"`:                    `credentials_command = "pass s3"`,
	} {
		if got := withoutSecrets(in); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
}

func TestRowsSurviveTheirForm(t *testing.T) {
	t.Parallel()
	types := []string{"text", "int", "id", "blob", "text"}
	rapid.Check(t, func(rt *rapid.T) {
		in := rapid.SampledFrom([]encoding{encodingUUID, encodingShort}).Draw(rt, "encoding")
		text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }), rapid.SampledFrom(strange))
		values := []any{text.Draw(rt, "text"), rapid.Int64().Draw(rt, "int"), rapid.SliceOfN(rapid.Byte(), 16, 17).Draw(rt, "id"),
			rapid.SliceOf(rapid.Byte()).Draw(rt, "blob"), nil}
		line, err := in.appendRow(nil, types, values)
		if err != nil {
			rt.Fatal(err)
		}
		if strings.ContainsAny(string(line), "\n\r\x00") {
			rt.Fatalf("a control character in %q", line)
		}
		got, err := in.parseRow(line, types)
		if err != nil || !equalRows(got, values) {
			rt.Fatalf("%s became %q, %v; want %q", line, got, err, values)
		}
		again, err := in.appendRow(nil, types, got)
		if err != nil || string(again) != string(line) {
			rt.Fatalf("%s has another form %s, %v", line, again, err)
		}
	})
}

func equalRows(a, b []any) bool {
	return slices.EqualFunc(a, b, func(x, y any) bool { return reflect.DeepEqual(x, y) || compareValues(x, y) == 0 })
}

func FuzzParseRow(f *testing.F) {
	f.Add([]byte(`["a",1,"00000000-0000-0000-0000-000000000000","AA==",null]`))
	f.Add([]byte(`[{"b64":"AA=="},-1,{"b64":""},null,"\u0000"]`))
	f.Add([]byte(`["a",1,"AAAAAAAAAAAAAAAAAAAAAA","AA==",null]`))
	f.Fuzz(func(t *testing.T, line []byte) {
		types := []string{"text", "int", "id", "blob", "text"}
		for _, in := range []encoding{encodingUUID, encodingShort} {
			if values, err := in.parseRow(line, types); err == nil && len(values) != len(types) {
				t.Errorf("%q gave %d values", line, len(values))
			}
		}
	})
}
