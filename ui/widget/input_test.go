package widget

import (
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"
)

func press(in *Input, keys ...string) {
	codes := map[string]rune{"left": tea.KeyLeft, "right": tea.KeyRight, "up": tea.KeyUp, "down": tea.KeyDown, "home": tea.KeyHome,
		"end": tea.KeyEnd, "backspace": tea.KeyBackspace, "delete": tea.KeyDelete, "enter": tea.KeyEnter}
	for _, k := range keys {
		if c, ok := codes[k]; ok {
			in.Update(tea.KeyPressMsg{Code: c})
			continue
		}
		if rest, ok := strings.CutPrefix(k, "ctrl+"); ok {
			in.Update(tea.KeyPressMsg{Code: rune(rest[0]), Mod: tea.ModCtrl})
			continue
		}
		for _, r := range k {
			in.Update(tea.KeyPressMsg{Code: r, Text: string(r)})
		}
	}
}

func TestInputEdits(t *testing.T) {
	for _, c := range []struct {
		name  string
		multi bool
		keys  []string
		want  string
	}{
		{"typed", false, []string{"abc"}, "abc"},
		{"in the middle", false, []string{"ac", "left", "b"}, "abc"},
		{"backspace takes a whole character", false, []string{"e\u0301x", "left", "backspace"}, "x"},
		{"delete", false, []string{"abc", "home", "delete"}, "bc"},
		{"a word back", false, []string{"one two", "ctrl+w"}, "one "},
		{"to the beginning", false, []string{"one two", "left", "ctrl+u"}, "o"},
		{"enter is no text in one line", false, []string{"a", "enter", "b"}, "ab"},
		{"enter breaks a line", true, []string{"a", "enter", "b"}, "a\nb"},
		{"up and down keep the place", true, []string{"abc", "enter", "xyz", "left", "up", "1", "down", "2"}, "ab1c\nxyz2"},
		{"backspace joins lines", true, []string{"a", "enter", "b", "home", "backspace"}, "ab"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := Input{Multi: c.multi}
			in.SetSize(20, 3)
			press(&in, c.keys...)
			if in.Value() != c.want {
				t.Errorf("%q, want %q", in.Value(), c.want)
			}
		})
	}
}

// TestPasteIsKeptByteForByte pastes any text, however odd.
func TestPasteIsKeptByteForByte(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := strings.ReplaceAll(rapid.String().Draw(t, "text"), "\r", "")
		in := Input{Multi: true}
		in.Update(tea.PasteMsg{Content: s})
		if in.Value() != s {
			t.Fatalf("%q became %q", s, in.Value())
		}
	})
}

// TestInputStaysInItsRectangle edits at random and measures what is drawn.
func TestInputStaysInItsRectangle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := Input{Multi: rapid.Bool().Draw(t, "multi")}
		w, h := rapid.IntRange(1, 30).Draw(t, "w"), rapid.IntRange(1, 5).Draw(t, "h")
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "paste") {
				in.Update(tea.PasteMsg{Content: rapid.String().Draw(t, "text")})
			} else {
				press(&in, rapid.SampledFrom([]string{"left", "right", "up", "down", "home", "end", "backspace", "delete", "x", "ctrl+w"}).Draw(t, "key"))
			}
			in.SetSize(w, h)
			lines := strings.Split(in.View(lipgloss.NewStyle()), "\n")
			if want := map[bool]int{true: h, false: 1}[in.Multi]; len(lines) != want {
				t.Fatalf("%d lines, want %d", len(lines), want)
			}
			for _, l := range lines {
				if n := ansi.StringWidth(l); n != w {
					t.Fatalf("a line of %d cells in %d: %q", n, w, l)
				}
				if strings.ContainsFunc(ansi.Strip(l), func(r rune) bool { return r < 0x20 || r == 0x7f }) {
					t.Fatalf("a control character is drawn: %q", l)
				}
			}
			if x, y := in.Cursor(); x < 0 || x >= w || y < 0 || y >= len(lines) {
				t.Fatalf("the cursor is at %d,%d of %dx%d", x, y, w, len(lines))
			}
		}
	})
}
