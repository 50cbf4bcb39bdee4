package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"rapport/model"
)

// A source reads the texts of all living records of a noun: those of its own
// row by one query and those of its parts by one for each kind of part, all in
// the order of the records. That takes half the time of searched.all, which
// looks into the parts again for each list.
type source struct {
	noun  model.Noun
	own   string
	kinds []model.Search // of each column after the rid
	parts []partSource
}

// partSource reads the texts of one kind of part.
type partSource struct {
	query   string
	columns int // after the rid of the record
	texts   []partText
}

// partText is one searched text of a part, in one list of the record.
type partText struct {
	column int
	kind   model.Search
	test   int // a column that has the value in parts of the list; -1 if all parts are
	value  string
}

func newSource(e *model.Entity) source {
	s := source{noun: e.Noun}
	var own []string
	byPart := map[model.Noun]int{}
	columns := map[model.Noun][]string{}
	column := func(part model.Noun, name string) int {
		for i, c := range columns[part] {
			if c == name {
				return i
			}
		}
		columns[part] = append(columns[part], name)
		return len(columns[part]) - 1
	}
	for i := range e.Fields {
		f := &e.Fields[i]
		switch {
		case f.Type == model.List:
			for j := range model.EntityOf(f.Part).Fields {
				pf := &model.EntityOf(f.Part).Fields[j]
				kind := partSearch(f, pf)
				if kind == model.NoSearch {
					continue
				}
				text := partText{column: column(f.Part, pf.Columns()[0].Name), kind: kind, test: -1}
				if name, value, ok := strings.Cut(f.Where, "="); ok {
					text.test, text.value = column(f.Part, name), value
				}
				at, ok := byPart[f.Part]
				if !ok {
					at = len(s.parts)
					byPart[f.Part] = at
					s.parts = append(s.parts, partSource{})
				}
				s.parts[at].texts = append(s.parts[at].texts, text)
			}
		case f.Search != model.NoSearch:
			own = append(own, f.Columns()[0].Name)
			s.kinds = append(s.kinds, f.Search)
		}
	}
	from := "\nFROM " + quote(string(e.Noun)) + " AS t"
	s.own = "SELECT t.rid" + selected("t", own) + from + "\nWHERE t.deleted_at IS NULL\nORDER BY t.rid"
	for part, at := range byPart {
		s.parts[at].columns = len(columns[part])
		s.parts[at].query = "SELECT t.rid" + selected("p", columns[part]) + from + " CROSS JOIN " + quote(string(part)) + " AS p\nWHERE p." +
			quote(string(e.Noun)+"_id") + " = t.id AND p.deleted_at IS NULL AND t.deleted_at IS NULL\nORDER BY t.rid"
	}
	return s
}

// selected lists columns after another.
func selected(alias string, columns []string) string {
	out := ""
	for _, c := range columns {
		out += ", " + alias + "." + quote(c)
	}
	return out
}

// textRows walks a result of a rid and texts.
type textRows struct {
	*sql.Rows
	rid   int64
	texts []sql.RawBytes // until the next row
	dest  []any
	more  bool
}

func queryTexts(ctx context.Context, q querier, query string, texts int) (*textRows, error) {
	rows, err := q.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	r := &textRows{Rows: rows, texts: make([]sql.RawBytes, texts)}
	r.dest = append(r.dest, &r.rid)
	for i := range r.texts {
		r.dest = append(r.dest, &r.texts[i])
	}
	return r, nil
}

// next goes to the next row; more tells whether there is one.
func (r *textRows) next() error {
	if r.more = r.Next(); !r.more {
		return r.Err()
	}
	return r.Scan(r.dest...)
}

// read gives every record in the order of their rids, folded. What is given is
// used again for the next one. All queries must see the same: q is a
// transaction.
func (s *source) read(ctx context.Context, q querier, region string, each func(rid int64, text, note []byte) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("read the texts of %s: %w", s.noun, err)
		}
	}()
	own, err := queryTexts(ctx, q, s.own, len(s.kinds))
	if err != nil {
		return err
	}
	defer own.Close()
	var parts []*textRows
	for _, p := range s.parts {
		r, err := queryTexts(ctx, q, p.query, p.columns)
		if err != nil {
			return err
		}
		defer r.Close()
		if err := r.next(); err != nil {
			return err
		}
		parts = append(parts, r)
	}
	f := folder{region: region}
	for {
		if err := own.next(); err != nil || !own.more {
			return err
		}
		f.reset()
		for i, kind := range s.kinds {
			f.add(kind, own.texts[i])
		}
		for i, r := range parts {
			for r.more && r.rid == own.rid {
				s.parts[i].fold(&f, r.texts)
				if err := r.next(); err != nil {
					return err
				}
			}
		}
		if err := each(own.rid, f.text, f.note); err != nil {
			return err
		}
	}
}

// fold adds the words of a part.
func (p *partSource) fold(f *folder, columns []sql.RawBytes) {
	for _, t := range p.texts {
		if t.test < 0 || string(columns[t.test]) == t.value {
			f.add(t.kind, columns[t.column])
		}
	}
}

// docBatch is folded records on their way to the index.
type docBatch struct {
	words []byte
	docs  []batchDoc
}

// batchDoc is a record in a batch: its row in the index, and how many bytes
// its words take.
type batchDoc struct {
	row        int64
	text, note int
}

// batchBytes is about how many bytes of words are handed over at once, and
// batches how many are under way.
const (
	batchBytes = 64 << 10
	batches    = 3
)

// eachDoc gives every record that has words as the index sees it, in the order
// of their rows there. Reading and folding run a batch ahead.
func eachDoc(ctx context.Context, q querier, bases map[model.Noun]int64, region string, each func(row int64, text, note []byte) error) error {
	ctx, cancel := context.WithCancel(ctx)
	full, free := make(chan *docBatch, batches), make(chan *docBatch, batches)
	for range batches {
		free <- &docBatch{}
	}
	failed := make(chan error, 1)
	go func() {
		defer close(full)
		failed <- readDocs(ctx, q, bases, region, full, free)
	}()
	var eachErr error
	for b := range full {
		words := b.words
		for _, d := range b.docs {
			if eachErr == nil {
				if eachErr = each(d.row, words[:d.text], words[d.text:d.text+d.note]); eachErr != nil {
					cancel()
				}
			}
			words = words[d.text+d.note:]
		}
		b.words, b.docs = b.words[:0], b.docs[:0]
		free <- b
	}
	cancel()
	readErr := <-failed
	if eachErr != nil {
		return eachErr
	}
	return readErr
}

// readDocs fills batches.
func readDocs(ctx context.Context, q querier, bases map[model.Noun]int64, region string, full chan<- *docBatch, free <-chan *docBatch) error {
	b := <-free
	for _, s := range byNumber(bases) {
		base := bases[s.noun]
		err := s.source.read(ctx, q, region, func(rid int64, text, note []byte) error {
			if len(text)+len(note) == 0 {
				return nil
			}
			b.words = append(append(b.words, text...), note...)
			b.docs = append(b.docs, batchDoc{base + rid, len(text), len(note)})
			if len(b.words) >= batchBytes {
				full <- b
				b = <-free
			}
			return ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	full <- b
	return nil
}
