package model

import "time"

// seeded is when the first rows of every database were made: a constant, so
// that the rows are the same everywhere.
var seeded = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()

// DefaultPipeline is the name of the pipeline that every database begins with.
const DefaultPipeline = "Sales"

// SeedRows returns the rows that every new database holds: the first pipeline
// with its stages. They have the same ids in every cache and on every central,
// so that they meet as one. Write them in the order of Entities.
func SeedRows() map[Noun][]Row {
	pid := DerivedID(string(pipeline.Noun), Fold(DefaultPipeline))
	p := seedRow(pipeline, pid)
	p.Set(pipeline, "name", DefaultPipeline)
	p.Set(pipeline, "is_default", int64(1))
	out := map[Noun][]Row{pipeline.Noun: {p}}
	for i, s := range []struct {
		name, kind  string
		probability int64
	}{
		{"Prospecting", StageOpen, 10}, {"Qualified", StageOpen, 25}, {"Proposal", StageOpen, 50}, {"Negotiation", StageOpen, 75},
		{"Won", StageWon, 100}, {"Lost", StageLost, 0},
	} {
		row := seedRow(stage, DerivedID(string(stage.Noun), string(pid), Fold(s.name)))
		row.Set(stage, "pipeline_id", pid)
		row.Set(stage, "name", s.name)
		row.Set(stage, "probability", s.probability)
		row.Set(stage, "kind", s.kind)
		row.Set(stage, "position", int64(i+1))
		if s.kind == StageOpen {
			row.Set(stage, "rot_days", int64(30))
		}
		out[stage.Noun] = append(out[stage.Noun], row)
	}
	return out
}

func seedRow(e *Entity, id ID) Row {
	row := NewRow(e)
	row[0] = id
	row.Set(e, ColumnVersion, int64(1))
	row.Set(e, ColumnCreatedAt, seeded)
	row.Set(e, ColumnUpdatedAt, seeded)
	return row
}
