package transfer

import (
	"context"
	"fmt"
	"slices"

	"rapport/model"
)

// ensureStage puts the stage that a deal names into the default pipeline where
// it is missing and something is known about it: a chance, or from its name
// that deals in it are won or lost. Other missing stages are made by the
// store, at the end.
func (im *importer) ensureStage(ctx context.Context, tx model.ImportTx, ed model.Edit) error {
	ref, _ := ed.Set["stage"].(model.Ref)
	pipeline, _ := ed.Set["pipeline"].(model.Ref)
	if ed.Noun != "deal" || ref.Name == "" || ref.ID != "" || !pipeline.IsZero() {
		return nil
	}
	key := "stage\x00" + model.Fold(ref.Name)
	if _, done := im.links[key]; done {
		return nil
	}
	im.links[key] = ref
	chance, kind, known := stageMeaning(ref.Name)
	if !known {
		return nil
	}
	ids, err := tx.FindKey(ctx, "pipeline", []model.KeyPart{{Field: "is_default", Value: true}})
	if err != nil || len(ids) == 0 {
		return err
	}
	p, err := tx.Get(ctx, "pipeline", ids[0])
	if err != nil {
		return err
	}
	stages := slices.Clone(p.List("stages"))
	place := 0
	for i, st := range stages {
		if model.Fold(st.Text("name")) == model.Fold(ref.Name) {
			return nil
		}
		if kind != model.StageOpen || st.Text("kind") == model.StageOpen && st.Int("probability") <= chance {
			place = i + 1
		}
	}
	st := model.NewPart(model.EntityOf("pipeline").Field("stages"))
	st.Values["name"], st.Values["probability"], st.Values["kind"] = ref.Name, chance, kind
	_, err = tx.SaveOld(ctx, model.Edit{Noun: "pipeline", ID: p.ID, Action: "import", Run: im.result.Run,
		Set: map[string]any{"stages": slices.Insert(stages, place, st)}})
	if err == nil {
		im.notes.add(mended, fmt.Sprintf("the pipeline got the stage %q (%s, %d %%)", ref.Name, kind, chance))
	}
	return err
}

// stageMeaning tells what the name of a stage says.
func stageMeaning(name string) (chance int64, kind string, known bool) {
	if chance, ok := salesStages[model.Fold(name)]; ok {
		return chance, model.StageOpen, true
	}
	words := model.Words(name)
	switch {
	case slices.Contains(words, "lost"):
		return 0, model.StageLost, true
	case slices.Contains(words, "won"):
		return 100, model.StageWon, true
	}
	return 0, "", false
}
