package term

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"os"
	"slices"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/gofont/gomonobold"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// Attributes of a cell, as the emulator numbers them.
const (
	bold = 1 << iota
	faint
	_
	_
	_
	reverse
)

// Pencil draws screens. It holds the faces of one size.
type Pencil struct {
	regular, bold  font.Face
	others         []face // for letters that the first two lack
	width, height  int    // of a cell, pixels
	ascent, margin int
}

// face is a fallback font with what it has.
type face struct {
	font.Face
	font *sfnt.Font
}

func (f face) has(r rune) bool {
	var b sfnt.Buffer
	i, err := f.font.GlyphIndex(&b, r)
	return err == nil && i != 0
}

// NewPencil returns a pencil for letters of a size in pixels. The fonts that
// come with it have the letters of Europe; fallback names font files for
// others.
func NewPencil(size float64, fallback ...string) (*Pencil, error) {
	open := func(ttf []byte) (face, error) {
		f, err := opentype.ParseCollection(ttf)
		if err != nil {
			return face{}, err
		}
		first, err := f.Font(0)
		if err != nil {
			return face{}, err
		}
		drawn, err := opentype.NewFace(first, &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingFull})
		return face{drawn, first}, err
	}
	p := &Pencil{margin: int(size)}
	var err error
	var own face
	if own, err = open(gomonobold.TTF); err != nil {
		return nil, err
	}
	p.bold = own
	if own, err = open(gomono.TTF); err != nil {
		return nil, err
	}
	p.regular, p.others = own, []face{own}
	for _, name := range fallback {
		ttf, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		other, err := open(ttf)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		p.others = append(p.others, other)
	}
	advance, _ := p.regular.GlyphAdvance('m')
	m := p.regular.Metrics()
	p.width, p.ascent = advance.Round(), m.Ascent.Ceil()+1
	p.height = m.Ascent.Ceil() + m.Descent.Ceil() + 2
	return p, nil
}

// Draw returns the screen as a picture.
func (p *Pencil) Draw(t *Terminal) image.Image {
	t.mu.Lock()
	defer t.mu.Unlock()
	img := image.NewRGBA(image.Rect(0, 0, t.Width*p.width+2*p.margin, t.Height*p.height+2*p.margin))
	draw.Draw(img, img.Bounds(), image.NewUniform(t.Back()), image.Point{}, draw.Src)
	for y := range t.Height {
		for x, next := 0, 0; x < t.Width; x = next {
			c := t.screen.CellAt(x, y)
			next = x + 1
			if c == nil {
				continue
			}
			next = x + max(1, c.Width)
			fg, bg := c.Style.Fg, c.Style.Bg
			if fg == nil {
				fg = t.Fore()
			}
			if bg == nil {
				bg = t.Back()
			}
			if c.Style.Attrs&reverse != 0 {
				fg, bg = bg, fg
			}
			if c.Style.Attrs&faint != 0 {
				fg = between(fg, bg)
			}
			cells := max(1, c.Width)
			at := image.Rect(0, 0, cells*p.width, p.height).Add(image.Pt(p.margin+x*p.width, p.margin+y*p.height))
			draw.Draw(img, at, image.NewUniform(bg), image.Point{}, draw.Src)
			p.glyph(img, at, c.Content, fg, c.Style.Attrs&bold != 0)
			if c.Style.Underline != 0 {
				line := image.Rect(at.Min.X, at.Max.Y-2, at.Max.X, at.Max.Y-1)
				draw.Draw(img, line, image.NewUniform(fg), image.Point{}, draw.Src)
			}
		}
	}
	return img
}

// between mixes two colours evenly.
func between(a, b color.Color) color.Color {
	ar, ag, ab, _ := a.RGBA()
	br, bg, bb, _ := b.RGBA()
	return color.RGBA{uint8((ar + br) >> 9), uint8((ag + bg) >> 9), uint8((ab + bb) >> 9), 0xff}
}

// glyph draws one cell's text. Lines and blocks are drawn as rectangles, so
// that they meet without gaps; a letter that the font lacks becomes a box.
func (p *Pencil) glyph(img draw.Image, at image.Rectangle, text string, fg color.Color, strong bool) {
	if strings.TrimSpace(text) == "" {
		return
	}
	r := []rune(text)[0]
	if p.shape(img, at, r, fg) {
		return
	}
	i := slices.IndexFunc(p.others, func(f face) bool { return f.has(r) })
	if i < 0 {
		draw.Draw(img, at.Inset(p.width/4), image.NewUniform(between(fg, color.Black)), image.Point{}, draw.Src)
		return
	}
	drawn := p.others[i].Face
	if i == 0 && strong {
		drawn = p.bold
	}
	d := font.Drawer{Dst: img, Src: image.NewUniform(fg), Face: drawn, Dot: fixed.P(at.Min.X, at.Min.Y+p.ascent)}
	d.DrawString(text)
}

// Sides of a cell that a line of box drawing reaches.
const (
	up = 1 << iota
	down
	left
	right
)

var lines = map[rune]int{
	'─': left | right, '│': up | down, '┌': down | right, '┐': down | left, '└': up | right, '┘': up | left,
	'├': up | down | right, '┤': up | down | left, '┬': down | left | right, '┴': up | left | right, '┼': up | down | left | right,
	'╭': down | right, '╮': down | left, '╰': up | right, '╯': up | left, '━': left | right, '┃': up | down,
	'╴': left, '╶': right, '╵': up, '╷': down, '═': left | right, '║': up | down,
}

// shape draws box drawing and block elements; false for anything else.
func (p *Pencil) shape(img draw.Image, at image.Rectangle, r rune, fg color.Color) bool {
	fill := func(x0, y0, x1, y1 int) {
		draw.Draw(img, image.Rect(at.Min.X+x0, at.Min.Y+y0, at.Min.X+x1, at.Min.Y+y1), image.NewUniform(fg), image.Point{}, draw.Src)
	}
	w, h := at.Dx(), at.Dy()
	switch {
	case r == '█':
		fill(0, 0, w, h)
	case r > '█' && r <= '▏': // left eighths
		fill(0, 0, w*int('▐'-r)/8, h)
	case r >= '▁' && r < '█': // lower eighths
		fill(0, h-h*int(r-'▁'+1)/8, w, h)
	case r == '▀':
		fill(0, 0, w, h/2)
	case r == '▐':
		fill(w/2, 0, w, h)
	default:
		sides, ok := lines[r]
		if !ok {
			return false
		}
		thick := 1
		if r == '━' || r == '┃' {
			thick = 2
		}
		x, y := w/2, h/2
		if sides&up != 0 {
			fill(x, 0, x+thick, y+thick)
		}
		if sides&down != 0 {
			fill(x, y, x+thick, h)
		}
		if sides&left != 0 {
			fill(0, y, x+thick, y+thick)
		}
		if sides&right != 0 {
			fill(x, y, w, y+thick)
		}
	}
	return true
}
