package backup

import (
	"context"
	"errors"
	"slices"
	"time"

	"rapport/db/mysql"
	"rapport/model"
)

// centralSource is the central of a URL.
type centralSource struct {
	url  func(ctx context.Context) (string, error)
	from mysql.DumpFrom
}

var _ source = centralSource{}

func (s centralSource) open(ctx context.Context, readers int, _ bool, n model.Notify) (snapshot, error) {
	url, err := s.url(ctx)
	if err != nil {
		return nil, err
	}
	d, err := mysql.OpenDumpFrom(ctx, url, s.from, readers, n)
	if err != nil {
		return nil, moved(err)
	}
	out, err := newCentralSnapshot(ctx, d)
	if err != nil {
		return nil, errors.Join(moved(err), d.Close())
	}
	return out, nil
}

// moved marks the error of a moment that is lost.
func moved(err error) error {
	if errors.Is(err, mysql.ErrChanged) {
		return errors.Join(errMoved, err)
	}
	return err
}

// centralSnapshot is one moment of a central.
type centralSnapshot struct {
	d    *mysql.Dump
	what moment
	list []table
	of   map[string]mysql.DumpTable
}

func newCentralSnapshot(ctx context.Context, d *mysql.Dump) (*centralSnapshot, error) {
	extras, err := d.Extras(ctx)
	if err != nil {
		return nil, err
	}
	begins, err := d.HistoryBegins(ctx)
	if err != nil {
		return nil, err
	}
	i := d.Info()
	s := &centralSnapshot{d: d, of: map[string]mysql.DumpTable{}, what: moment{
		Source: model.SourceCentral, Lineage: i.Epoch, At: i.At.UTC().Truncate(time.Millisecond), Schema: int(i.SchemaVersion), Readers: i.Readers,
		Mark: mark{Position: i.Mark.Position, Run: i.Mark.Run, History: i.Mark.History, At: i.Mark.At.UTC(), Begins: begins, Tables: d.Marks(ctx)},
		Server: &server{Version: i.Server, Role: i.Role, Method: i.Method, GTID: i.GTID, MinSeq: i.MinSeq, Readers: i.Readers,
			Schema: int(i.SchemaVersion), Columns: i.ColumnsHash, Unread: d.Unread()},
	}}
	for _, e := range extras {
		s.what.Extras = append(s.what.Extras, extra{Name: e.Name, SQL: e.SQL})
	}
	for _, t := range d.Tables() {
		s.of[t.Name] = t
		whole := !t.Followed || !t.Ordered
		s.list = append(s.list, table{Name: t.Name, Columns: t.Columns, Types: t.Types, Key: t.Key, Whole: whole, Untold: whole && !t.Empty, Definition: t.Definition, First: !t.Alike})
		if t.Loose {
			s.what.Server.Unread = append(slices.Clone(s.what.Server.Unread), "the rows of "+t.Name+" may be of another moment: its engine has no transactions")
		}
	}
	return s, nil
}

func (s *centralSnapshot) info() moment {
	what, is := s.what, *s.what.Server
	if c := s.d.Copies(); c != nil {
		is.Copies = &copied{Position: c.Position, Tables: c.Tables, Newer: c.Newer}
	}
	is.Instead = s.d.Instead()
	what.Server = &is
	return what
}

func (s *centralSnapshot) tables() []table { return s.list }
func (s *centralSnapshot) close() error    { return s.d.Close() }

func (s *centralSnapshot) count(ctx context.Context, reader int, t table) (int64, bool, error) {
	n, err := s.d.Count(ctx, reader, s.of[t.Name])
	return n, false, moved(err)
}

func (s *centralSnapshot) rows(ctx context.Context, reader int, t table, row func(values []any) error) error {
	return moved(s.d.Rows(ctx, reader, s.of[t.Name], row))
}

func (s *centralSnapshot) changed(ctx context.Context, reader int, t table, since mark, row func(values []any) error, gone func(key []any) error) error {
	return moved(s.d.Changed(ctx, reader, s.of[t.Name], dumpMark(since), row, gone))
}

func (s *centralSnapshot) follows(ctx context.Context, _ model.ID, since mark) (string, error) {
	return s.d.Follows(ctx, dumpMark(since))
}

func (s *centralSnapshot) keep(context.Context, model.ID, bool) error { return nil }

func dumpMark(m mark) mysql.DumpMark {
	return mysql.DumpMark{Position: m.Position, Run: m.Run, History: m.History, At: m.At}
}
