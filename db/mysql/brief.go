package mysql

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"rapport/model"
)

// A change of a long text travels with the new text alone: the old one, which
// the row must still hold, is told by its SHA-256. A request has room for one of
// two texts that are almost as long as it may be.

// sum stands in the base of an operation for a long text.
type sum string

func sumOf(text string) sum {
	h := sha256.Sum256([]byte(text))
	return sum(hex.EncodeToString(h[:]))
}

const (
	// longText is from how many bytes on an old text is told by its sum.
	longText = 64 << 10
	// sumBytes is how long a sum is: no shorter text is told by it.
	sumBytes = 2 * sha256.Size
)

// brief returns an operation whose old texts are told by their sums where they
// are longer than most and change, and whether there are any.
func brief(op model.PushOp, most int) (short model.PushOp, own bool) {
	e := model.EntityOf(op.Table)
	for i, name := range op.Columns {
		if op.Insert || !longColumn(e, name) || op.Base[i] == op.Values[i] {
			continue
		}
		if s, ok := op.Base[i].(string); ok && len(s) > most {
			if !own {
				op.Base, own = slices.Clone(op.Base), true
			}
			op.Base[i] = sumOf(s)
		}
	}
	return op, own
}

// briefFor is brief for an operation that must fit into so many bytes.
func briefFor(op model.PushOp, limit int, size func(*model.PushOp) int) model.PushOp {
	op, _ = brief(op, longText)
	if least, less := brief(op, sumBytes); less && size(&op) > limit {
		return least
	}
	return op
}

func longColumn(e *model.Entity, name string) bool {
	_, c := e.Column(name)
	return c.Type == model.ColLong
}

// tooLong refuses an operation of so many bytes that no request, or no step of
// the server's work, has room for, and names the field that makes it so long.
// The limit is 0 where it is not known.
func tooLong(op *model.PushOp, size, limit int) model.PushResult {
	what, longest := "this", 0
	e := model.EntityOf(op.Table)
	for i, name := range op.Columns {
		if s, ok := op.Values[i].(string); ok && len(s) > longest && len(s) > size/4 {
			if _, c := e.Column(name); c.Field != nil {
				what, longest = c.Field.Label, len(s)
			}
		}
	}
	if longest > 0 {
		size = longest
	}
	most := "more than the company's server takes at once"
	if limit > 0 {
		most = fmt.Sprintf("and the company's server takes %d kB at once", limit>>10)
	}
	return model.PushResult{Outcome: model.PushRefused, Code: "too_long",
		Message: fmt.Sprintf("%s is %d kB long, %s: shorten it, or ask the administrator to raise max_allowed_packet", what, size>>10, most)}
}
