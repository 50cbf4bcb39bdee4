package sqlite

import (
	"testing"

	"rapport/model"
)

// TestTellerSaysWhatOneRowSays tells rows after each other, so that a title
// that is left over from the row before would show.
func TestTellerSaysWhatOneRowSays(t *testing.T) {
	for _, e := range model.Records() {
		if !planOf(e).titled {
			continue
		}
		tell := newTeller(e)
		for i := range 6 {
			row := model.NewRow(e)
			for j, c := range e.Columns() {
				switch {
				case c.Type == model.ColID && c.Name == model.ColumnID, c.Type == model.ColID && i%3 == 1:
					row[j] = model.IDFromBytes([]byte{15: byte(i + 1)})
				case i%2 == 0 && (c.Type == model.ColText || c.Type == model.ColLong):
					row[j] = c.Name + string(rune('A'+i))
				case i%2 == 0 && (c.Type == model.ColInt || c.Type == model.ColTime || c.Type == model.ColBool):
					row[j] = int64(i)
				}
			}
			title, titleKey, key, sure := tell.tell(row)
			wantTitle, wantKey, wantSure := rowTitle(e, row)
			if title != wantTitle || key != wantKey || sure != wantSure {
				t.Errorf("%s row %d: told %q %q %v, want %q %q %v", e.Noun, i, title, key, sure, wantTitle, wantKey, wantSure)
			}
			if want := model.Fold(title); titleKey != want {
				t.Errorf("%s row %d: the title's key is %q, want %q", e.Noun, i, titleKey, want)
			}
		}
	}
}
