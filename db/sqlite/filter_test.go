package sqlite

import (
	"errors"
	"strings"
	"testing"

	"rapport/model"
)

func TestFilterByLines(t *testing.T) {
	d, _ := testDB(t)
	save(t, d, "product", "", map[string]any{"name": "Widget"})
	save(t, d, "product", "", map[string]any{"name": "Gadget"})
	line := model.NewRecord("deal_line")
	line.Values["product"] = ref("product", "Widget")
	save(t, d, "deal", "", map[string]any{"name": "with", "lines": []*model.Record{line}})
	save(t, d, "deal", "", map[string]any{"name": "without"})
	for filter, want := range map[string]int64{"lines=Widget": 1, "lines~widg": 1, "lines=Gadget": 0, "lines!=Widget": 1, "lines": 1, "!lines": 1, "lines=": 1} {
		conditions, err := model.ParseFilter(model.EntityOf("deal"), filter)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := d.Count(ctx, model.Query{Noun: "deal", Filter: conditions}); err != nil || n != want {
			t.Errorf("%s: %d, %v; want %d", filter, n, err, want)
		}
	}
	conditions := must(model.ParseFilter(model.EntityOf("deal"), "lines=Nothing"))(t)
	if _, err := d.Count(ctx, model.Query{Noun: "deal", Filter: conditions}); model.KindOf(err) != model.Invalid {
		t.Errorf("a product that nobody has: %v", err)
	}
}

// TestLinkOfSeveralNounsSaysHowItIsWritten holds that a link which may point
// to several nouns tells their form where it finds nothing.
func TestLinkOfSeveralNounsSaysHowItIsWritten(t *testing.T) {
	d, _ := testDB(t)
	e := model.EntityOf("activity")
	for _, about := range []string{"foo:nope", "nope", "deal:nope"} {
		ed := must(model.EditFromText(e, []string{"subject=x", "about=" + about}, nil, nil, d.env()))(t)
		_, err := d.Save(ctx, ed)
		if own := (*model.Error)(nil); !errors.As(err, &own) || own.Kind != model.Invalid || !strings.Contains(own.Hint, "deal:ID") {
			t.Errorf("%s: %v", about, err)
		}
	}
}
