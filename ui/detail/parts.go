package detail

import (
	"slices"
	"strings"

	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget"
	"rapport/ui/widget/draw"
)

// part is one block of the page with a cursor of its own.
type part struct {
	title string
	note  string
	items []item
	cur   int
	empty string // what stands there without items

	whens, kinds int // cells of the heads and of the labels of a timeline
}

// item is one thing in a part.
type item struct {
	label string // of a field
	head  string // what stands before the text in the timeline
	text  string
	more  string // a second, quieter line or the end of the first
	by    string
	long  bool // text has several lines
	mark  model.SyncState
	open  screen.OpenMsg // what enter opens; no kind if nothing
	copy  string
}

func (d *Detail) build() []part {
	parts := []part{{title: d.entity.Title, items: d.fields()}}
	for _, r := range d.data.related {
		p := part{title: r.entity.Titles}
		for _, rec := range r.recs {
			p.items = append(p.items, item{text: rec.Title(), more: summary(rec, d.id, d.env.Now), mark: rec.Sync, copy: rec.Title(),
				open: screen.OpenMsg{Kind: screen.Detail, Noun: rec.Noun, ID: rec.ID}})
		}
		if len(r.recs) == relatedLimit {
			p.note = "the first " + draw.Count(relatedLimit)
		}
		parts = append(parts, p)
	}
	if e := d.data.rec; e.Noun != "tag" && e.Noun != "user" {
		p := part{title: "Timeline", empty: "Nothing happened yet."}
		for _, ev := range d.data.events {
			it := d.event(ev)
			p.whens, p.kinds = max(p.whens, draw.Width(it.head)), max(p.kinds, min(12, draw.Width(it.label)))
			p.items = append(p.items, it)
		}
		if len(d.data.events) == timelineLimit {
			p.note = "the latest " + draw.Count(timelineLimit)
		}
		parts = append(parts, p)
	}
	return parts
}

// fields are the record's values that are there, lists one item each.
func (d *Detail) fields() []item {
	rec, now := d.data.rec, d.env.Now()
	var out []item
	for i := range d.entity.Fields {
		f := &d.entity.Fields[i]
		v := rec.Values[f.Name]
		switch x := v.(type) {
		case nil:
		case []*model.Record:
			for j, p := range x {
				it := item{label: f.Label, text: widget.Item(f, p), more: partNote(f, p), copy: widget.Item(f, p)}
				if j > 0 {
					it.label = ""
				}
				if f.Target != "" {
					it.open = openRef(p.Ref(f.Target))
				}
				out = append(out, it)
			}
		case model.Ref:
			out = append(out, item{label: f.Label, text: widget.Value(f, x, now), copy: x.Name, open: openRef(x)})
		case bool:
			if x || f.Default == true {
				out = append(out, item{label: f.Label, text: widget.Value(f, x, now), copy: model.FormatValue(v)})
			}
		default:
			out = append(out, item{label: f.Label, text: widget.Value(f, v, now), copy: model.FormatValue(v), long: f.Type == model.LongText})
		}
	}
	for _, s := range []struct{ label, text string }{
		{"Added", stamp(draw.When(rec.CreatedAt, now), rec.CreatedBy)},
		{"Changed", stamp(draw.When(rec.UpdatedAt, now), rec.UpdatedBy)},
	} {
		if s.text != "" {
			out = append(out, item{label: s.label, text: s.text, copy: s.text})
		}
	}
	return out
}

func stamp(at, by string) string {
	if at != "" && by != "" {
		return at + " by " + by
	}
	return at + by
}

// openRef opens the page of a linked record, if its noun has one.
func openRef(ref model.Ref) screen.OpenMsg {
	if e := model.EntityOf(ref.Noun); e == nil || e.IsPart() || ref.ID == "" || ref.Name == "" {
		return screen.OpenMsg{}
	}
	return screen.OpenMsg{Kind: screen.Detail, Noun: ref.Noun, ID: ref.ID}
}

// partNote is what a part says beside its main value: its label, its role,
// that it is the primary one.
func partNote(f *model.Field, p *model.Record) string {
	var notes []string
	e := p.Entity()
	for i := range e.Fields {
		pf := &e.Fields[i]
		v := p.Values[pf.Name]
		if v == nil || pf.ReadOnly || pf.Name == f.Target {
			continue
		}
		switch {
		case pf.Type == model.Bool && v == true:
			notes = append(notes, strings.ToLower(pf.Label))
		case pf.Type == model.Text && (len(pf.Options) > 0 || f.Target != ""):
			notes = append(notes, p.Text(pf.Name))
		}
	}
	return strings.Join(notes, ", ")
}

// summary tells a related record apart in a few words: its first essential
// values, but for the link back.
func summary(r *model.Record, back model.ID, now clock) string {
	var out []string
	for _, c := range widget.ColumnsOf(r.Entity()) {
		if c.Title || len(out) == 3 || slices.Contains(c.Field.To, "user") {
			continue
		}
		if ref, ok := r.Values[c.Field.Name].(model.Ref); ok && ref.ID == back {
			continue
		}
		if s := c.Text(r, now()); s != "" && r.Values[c.Field.Name] != false {
			out = append(out, s)
		}
	}
	return strings.Join(out, " · ")
}

// event is a line of the timeline.
func (d *Detail) event(ev model.Event) item {
	now := d.env.Now()
	it := item{head: draw.When(ev.At, now), label: ev.Kind, text: ev.Title, by: ev.By, copy: ev.Title}
	if ev.Noun != "" {
		it.open = screen.OpenMsg{Kind: screen.Detail, Noun: ev.Noun, ID: ev.ID}
		if ev.Kind == "task" {
			it.text = taskSign(ev.Status) + it.text
			if ev.Status == "open" && !ev.DueAt.IsZero() {
				it.more = "due " + draw.When(ev.DueAt, now)
			}
		}
		if b := firstLine(ev.Body, ev.Title); b != "" {
			it.more = strings.TrimSpace(it.more + " " + b)
		}
		return it
	}
	if ev.Kind == "add" {
		it.text = "added"
	} else if s := changesText(d.entity, ev.Changes, d.env.Now); s != "" {
		it.text = s
	}
	it.copy = it.text
	if ev.Conflict {
		it.mark = model.Conflicted
	}
	return it
}

func taskSign(status string) string {
	switch status {
	case "done":
		return "[x] "
	case "cancelled":
		return "[-] "
	}
	return "[ ] "
}

// firstLine is the first line of a text that is not the title once more.
func firstLine(s, title string) string {
	for l := range strings.Lines(s) {
		if l = strings.TrimSpace(l); l != "" {
			if l == strings.TrimSpace(title) {
				return ""
			}
			return l
		}
	}
	return ""
}

// changesText writes changes of fields on a line: "Stage: Proposal → Won".
func changesText(e *model.Entity, cs []model.FieldChange, now clock) string {
	var parts []string
	for _, c := range cs {
		f := e.Field(c.Field)
		label := c.Field
		if f != nil {
			label = f.Label
		}
		if c.Field == model.ColumnDeletedAt {
			continue
		}
		parts = append(parts, label+": "+oldNew(f, c, now))
	}
	return strings.Join(parts, ", ")
}

func oldNew(f *model.Field, c model.FieldChange, now clock) string {
	o, n := changeValue(f, c.Old, now), changeValue(f, c.New, now)
	if o == "–" {
		return n
	}
	return o + " → " + n
}

// changeValue writes a value of a change, however it came: a link may have
// nothing but its id.
func changeValue(f *model.Field, v any, now clock) string {
	if ref, ok := v.(model.Ref); ok && ref.Name == "" && ref.ID != "" {
		return "(" + ref.ID.Short() + ")"
	}
	if s := widget.Value(f, v, now()); s != "" {
		return s
	}
	return "–"
}
