package sqlite

import (
	"context"
	"fmt"
	"strings"
	"time"

	"rapport/model"
)

// applyRules is what behaves specially: typed code, not declaration.
func (s *saving) applyRules() error {
	switch s.e.Noun {
	case "deal":
		return s.dealRules()
	case "activity":
		s.activityRules()
	case "pipeline":
		return s.pipelineRules()
	}
	return nil
}

// dealRules puts a deal into a pipeline and a stage and keeps what follows
// from the stage: when it was entered, when the deal was closed, why it was
// lost.
func (s *saving) dealRules() error {
	if err := s.placeDeal(); err != nil {
		return err
	}
	stage := s.rec.Ref("stage").ID
	row, err := s.t.row(model.EntityOf("stage"), stage)
	if err != nil {
		return err
	}
	if row == nil {
		return nil // not visible here: the central has the rules
	}
	st := model.RecordOf(model.EntityOf("stage"), row)
	kind := st.Text("kind")
	moved := s.old == nil || s.old.Ref("stage").ID != stage
	v := s.rec.Values
	if s.old == nil && v["opened_on"] == nil && !s.imported() {
		v["opened_on"] = s.t.db.now().Format(time.DateOnly)
	}
	if err := s.closeDeal(kind, moved); err != nil {
		return err
	}
	if moved && v["stage_entered_at"] == nil || moved && !s.sets("stage_entered_at") {
		v["stage_entered_at"] = s.enteredAt(kind)
	}
	s.ownProbability(st, moved && kind != model.StageOpen)
	return nil
}

// placeDeal fills in the pipeline and the stage and sees to it that they
// belong together.
func (s *saving) placeDeal() error {
	v := s.rec.Values
	stages := model.EntityOf("stage")
	if ref := s.rec.Ref("stage"); ref.ID != "" {
		row, err := s.t.row(stages, ref.ID)
		if err != nil || row == nil {
			return err
		}
		_, owner, _ := row.OwnerOf(stages)
		if s.rec.Ref("pipeline").ID == owner {
			return nil
		}
		if s.sets("stage") || s.rec.Ref("pipeline").ID == "" {
			v["pipeline"] = model.Ref{Noun: "pipeline", ID: owner}
			return nil
		}
	}
	pipeline := s.rec.Ref("pipeline").ID
	if pipeline == "" {
		id, err := s.t.defaultPipeline()
		if err != nil {
			return err
		}
		pipeline = id
		v["pipeline"] = model.Ref{Noun: "pipeline", ID: id}
	}
	var b []byte
	_, err := s.t.one([]any{&b}, `SELECT id FROM stage
WHERE pipeline_id = ? AND deleted_at IS NULL
ORDER BY title_key = ? DESC, kind = 'open' DESC, position, id
LIMIT 1`, pipeline.Bytes(), model.Fold(s.rec.Ref("stage").Name))
	if err != nil {
		return err
	}
	if b == nil {
		return model.Errorf(model.Invalid, "the pipeline has no stages").WithHint("add some with: pipeline edit")
	}
	v["stage"] = model.Ref{Noun: "stage", ID: model.IDFromBytes(b)}
	return nil
}

// closeDeal sets or clears what only closed deals have.
func (s *saving) closeDeal(kind string, moved bool) error {
	v := s.rec.Values
	if kind == model.StageOpen {
		if moved {
			v["closed_at"] = nil
			if !s.sets("lost_reason") {
				v["lost_reason"] = nil
			}
		}
		return nil
	}
	day, hasDay := v["close_date"].(string)
	switch {
	case s.imported() && hasDay && (moved || s.sets("close_date")) && !s.sets("closed_at"):
		if at, err := time.Parse(time.DateOnly, day); err == nil {
			v["closed_at"] = at
		}
	case moved && !s.sets("closed_at"):
		v["closed_at"] = s.t.now
	}
	if !hasDay && moved {
		v["close_date"] = s.t.db.now().Format(time.DateOnly)
	}
	if kind == model.StageWon {
		if moved && !s.sets("lost_reason") {
			v["lost_reason"] = nil
		}
		return nil
	}
	if strings.TrimSpace(s.rec.Text("lost_reason")) == "" {
		if !s.imported() {
			return model.Errorf(model.Invalid, "a lost deal needs a reason").WithHint("give one, for example price, competitor, no budget or timing")
		}
		v["lost_reason"] = "not given"
	}
	return nil
}

// enteredAt is when a deal came into its stage: now, or what a file lets one
// know.
func (s *saving) enteredAt(kind string) time.Time {
	if !s.imported() {
		return s.t.now
	}
	if at := s.rec.Time("closed_at"); kind != model.StageOpen && !at.IsZero() {
		return at
	}
	if at, err := time.Parse(time.DateOnly, s.rec.Text("opened_on")); err == nil && s.old == nil {
		return at
	}
	return s.t.now
}

// ownProbability keeps a deal's probability only where it differs from that
// of its stage. A closed deal has that of its stage.
func (s *saving) ownProbability(stage *model.Record, closed bool) {
	v := s.rec.Values
	if !s.sets("probability") {
		if v["probability"] = nil; s.oldRow != nil && !closed {
			v["probability"] = model.FieldValue(s.e, s.e.Field("probability"), s.oldRow)
		}
	}
	if v["probability"] == stage.Values["probability"] {
		v["probability"] = nil
	}
}

// storeHistory writes a deal's move from one stage to another.
func (s *saving) storeHistory(r revision) (bool, error) {
	if s.e.Noun != "deal" {
		return false, nil
	}
	var from any
	to := s.rec.Ref("stage")
	if s.old != nil {
		if s.old.Ref("stage").ID == to.ID {
			return false, nil
		}
		from = s.old.Ref("stage")
	}
	he := model.EntityOf("stage_history")
	row := s.t.newRow(he, s.t.db.ids.New())
	row.Set(he, "deal_id", s.rec.ID)
	for name, v := range map[string]any{"from_stage": from, "to_stage": to, "at": s.rec.Values["stage_entered_at"], "amount": s.rec.Values["amount"]} {
		model.SetFieldValue(he, he.Field(name), row, v)
	}
	return true, s.t.edit(he, nil, row)
}

// activityRules: what happened already is done, and what is done has a time.
func (s *saving) activityRules() {
	v := s.rec.Values
	if kind := s.rec.Text("kind"); s.old == nil && !s.sets("status") && (kind == "note" || kind == "call") {
		v["status"] = "done"
	}
	if s.rec.Text("status") != "done" {
		if !s.sets("done_at") {
			v["done_at"] = nil
		}
		return
	}
	if v["done_at"] != nil {
		return
	}
	v["done_at"] = s.t.now
	if s.imported() {
		for _, name := range []string{"start_at", "due_at"} {
			if at := s.rec.Time(name); !at.IsZero() {
				v["done_at"] = at
				return
			}
		}
	}
}

// pipelineRules keeps one default pipeline, and a new one usable.
func (s *saving) pipelineRules() error {
	if s.old == nil && !s.lists["stages"] {
		f := s.e.Field("stages")
		s.ed.Set["stages"] = seedStages()
		list, err := s.mergeList(f)
		if err != nil {
			return err
		}
		s.rec.Values["stages"], s.lists["stages"] = list, true
	}
	if !s.rec.Bool("is_default") || s.old != nil && s.old.Bool("is_default") {
		return nil
	}
	delete(s.t.names, nameKey("pipeline", "\x00default"))
	others, err := matching(context.Background(), s.t, s.e, severalIDs, "is_default = 1 AND id <> ?", s.rec.ID.Bytes())
	if err != nil {
		return err
	}
	for _, id := range others {
		old, err := s.t.row(s.e, id)
		if err != nil {
			return err
		}
		row := append(model.Row(nil), old...)
		row.Set(s.e, "is_default", int64(0))
		if err := s.t.change(s.e, old, row, revision{Action: "edit", Noun: s.e.Noun, Record: id}); err != nil {
			return err
		}
	}
	return nil
}

// mayDelete refuses to delete a pipeline or a stage in which deals are.
func (t *Tx) mayDelete(e *model.Entity, id model.ID) error {
	if e.Noun != "pipeline" && e.Noun != "stage" {
		return nil
	}
	var n int64
	err := t.QueryRow(fmt.Sprintf("SELECT count(*)\nFROM deal\nWHERE %s = ? AND deleted_at IS NULL", quote(string(e.Noun)+"_id")), id.Bytes()).Scan(&n)
	if err != nil || n == 0 {
		return err
	}
	if n == 1 {
		return model.Errorf(model.Invalid, "a deal is in this %s", e.Noun).WithHint("move it first")
	}
	return model.Errorf(model.Invalid, "%d deals are in this %s", n, e.Noun).WithHint("move them first")
}
