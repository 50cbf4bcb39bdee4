package mysql

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"rapport/model"
)

// callBlock is a run of operations in a request; see pushProcedure.
type callBlock struct {
	Table   model.Noun `json:"t"`
	Insert  int        `json:"n"`
	Columns string     `json:"k"`
	Ops     []callOp   `json:"o"`
}

type callOp struct {
	ID       string         `json:"i"`
	Guard    int64          `json:"g,omitempty"`
	EditedAt string         `json:"e,omitempty"`
	Columns  map[string]any `json:"c"`
}

// blocks cuts a batch into runs of one table and kind. A row occurs once in a
// block and is not pointed to from within it, so that one statement can apply
// it in any order.
func blocks(ops []model.PushOp) []callBlock {
	var out []callBlock
	var columns []string
	seen := map[model.ID]bool{}
	for i := range ops {
		op := &ops[i]
		if n := len(out); n == 0 || out[n-1].Table != op.Table || (out[n-1].Insert == 1) != op.Insert || seen[op.ID] || pointsTo(op, seen) {
			b := callBlock{Table: op.Table}
			if op.Insert {
				b.Insert = 1
			}
			out, columns = append(out, b), nil
			clear(seen)
		}
		seen[op.ID] = true
		b := &out[len(out)-1]
		c := callOp{ID: plainHex(op.ID), Guard: op.Guard, Columns: map[string]any{}}
		if op.EditedAt != 0 {
			c.EditedAt = callValue(model.Column{Type: model.ColTime}, op.EditedAt).(string)
		}
		e := model.EntityOf(op.Table)
		for j, name := range op.Columns {
			_, col := e.Column(name)
			if name == model.ColumnScope {
				continue // who sees a row is the server's to say
			}
			if op.Insert {
				c.Columns[name] = callValue(col, op.Values[j])
			} else {
				c.Columns[name] = callChange(col, op.Base[j], op.Values[j])
			}
			if !slices.Contains(columns, name) {
				columns = append(columns, name)
				b.Columns = strings.Join(columns, ",")
			}
		}
		b.Ops = append(b.Ops, c)
	}
	return out
}

// callChange writes what a column held and what it gets. The old text is told by
// its sum where that stands for it.
func callChange(c model.Column, base, value any) []any {
	if s, ok := base.(sum); ok {
		return []any{nil, callValue(c, value), string(s)}
	}
	return []any{callValue(c, base), callValue(c, value)}
}

// callSize is how long an operation is in a request.
func callSize(op *model.PushOp) int { return len(jsonLiteral(blocks([]model.PushOp{*op}))) }

func pointsTo(op *model.PushOp, ids map[model.ID]bool) bool {
	return slices.ContainsFunc(op.Values, func(v any) bool { id, ok := v.(model.ID); return ok && ids[id] })
}

// callValue writes a cell for a request.
func callValue(c model.Column, v any) any {
	switch x := v.(type) {
	case model.ID:
		if x == "" {
			return nil
		}
		return plainHex(x)
	case int64:
		if c.Type == model.ColTime {
			return time.UnixMilli(x).UTC().Format(timeLayout)
		}
	}
	return v
}

// callPush is Push through the procedures: one request, or a second one where
// the server gives up at an update and is asked to make each alone. Where rows
// may exchange a value that must not occur twice, it is first asked which
// operations meet one, and room is made for those.
func (c *Central) callPush(ctx context.Context, b *model.PushBatch, at model.Position) (model.Receipt, error) {
	p := &pusher{Central: c, batch: b, at: at, refused: map[int]model.PushResult{}}
	for i := range b.Ops {
		if err := whole(&b.Ops[i]); err != nil {
			return model.Receipt{}, err
		}
	}
	requests, sent := p.callRequests()
	var stored string
	for tries := 1; ; tries++ {
		stored, p.done, p.line = "", false, ""
		var err error
		for _, q := range requests {
			if err = c.query(ctx, q, func(set int, v []driver.Value) error {
				if set == 0 {
					stored, p.done = asText(v[0]), true
				} else {
					p.line = asText(v[0])
				}
				return nil
			}); err != nil {
				break
			}
		}
		if again, found := strings.CutPrefix(stored, againMark); found {
			p.done, tries = false, 0
			if err := p.learn(again, sent); err != nil {
				return model.Receipt{}, err
			}
			requests, sent = p.callRequests()
			continue
		}
		if p.done {
			break
		}
		if !p.singly && slices.Contains(refusedNumbers, number(err)) {
			p.singly, p.asking = true, p.exchanges()
			requests, sent = p.callRequests()
			continue
		}
		if p.aside != nil && slices.Contains(refusedNumbers, number(err)) {
			p.aside = nil
			requests, sent = p.callRequests()
			continue
		}
		if number(err) == erStalePrimary {
			return model.Receipt{}, stale(err)
		}
		if err == nil {
			err = errUndone
		}
		if !passing(err) || enough(tries, err) {
			return model.Receipt{}, mapError("push", err)
		}
		if err := pause(ctx, tries); err != nil {
			return model.Receipt{}, mapError("push", err)
		}
	}
	head, err := p.headAfter(ctx)
	if err != nil {
		return model.Receipt{}, err
	}
	if stored == "foreign" {
		return model.Receipt{Foreign: true, Head: head}, nil
	}
	results, err := p.callResults(ctx, stored, sent)
	return model.Receipt{Results: results, Head: head}, err
}

// callRequests writes the batch as requests that the server takes: one, unless
// it is longer than the server's limit. It returns which operations they hold;
// one that has room in no request is refused here.
func (p *pusher) callRequests() (requests []string, sent []int) {
	limit := p.packetLimit() - 512
	head := fmt.Sprintf("%s,%d", idLiteral(p.batch.Client), p.batch.Number)
	var ops []model.PushOp
	stage := func(text string) {
		requests = append(requests, fmt.Sprintf("CALL sync_stage(%s,%d,%s)", head, len(requests), text))
	}
	size, all, room := 0, slices.Clone(p.batch.Ops), 0
	add := func(op model.PushOp) (n int, fits bool) {
		op = briefFor(op, limit, callSize)
		if n = callSize(&op); n > limit {
			return n, false
		}
		if size+n > limit {
			stage(jsonLiteral(blocks(ops)))
			ops, size = nil, 0
		}
		ops, size = append(ops, op), size+n
		return n, true
	}
	for _, i := range slices.Sorted(maps.Keys(p.aside)) {
		away, then := moved(all[i], p.aside[i])
		if _, fits := add(away); fits {
			all[i] = then
			room++
		}
	}
	for i, op := range all {
		if n, fits := add(op); fits {
			sent = append(sent, i)
		} else {
			p.refused[i] = tooLong(&p.batch.Ops[i], n, limit)
		}
	}
	text, flag := jsonLiteral(blocks(ops)), 0
	if p.singly {
		if flag = 1 + room; p.asking {
			flag = -flag
		}
	}
	if len(requests) > 0 {
		stage(text)
		text = "''"
	}
	return append(requests, fmt.Sprintf("SET @rapport_term=%d,@rapport_parts=%d;CALL sync_push(%s,%s,%s,%d,%s)", p.at.Term, len(requests), head, quote(p.batch.Nonce), text, flag, atSQL(p.at))), sent
}

// callResults reads a receipt: a mark for each operation that was sent, and why
// those that are marked x were refused.
func (p *pusher) callResults(ctx context.Context, stored string, sent []int) ([]model.PushResult, error) {
	flags, _, _ := strings.Cut(stored, " ")
	sent = p.asSent(sent, len(flags))
	flags, reasons, err := p.readMarks(stored, sent)
	if err != nil {
		return nil, err
	}
	all := []byte(strings.Repeat("x", len(p.batch.Ops)))
	for i, place := range sent {
		all[place] = flags[i]
		if flags[i] == 'x' {
			op := &p.batch.Ops[place]
			p.refused[place] = reasons[i].result(op, p.head.SchemaVersion > model.SchemaVersion)
		}
	}
	return p.results(ctx, string(all), p.refused)
}

// readMarks reads a mark for each operation that was sent, and the reasons of
// those marked x by their place among them.
func (p *pusher) readMarks(text string, sent []int) (marks string, reasons map[int]reason, err error) {
	marks, why, _ := strings.Cut(text, " ")
	if reasons, err = decodeReasons(why); err != nil || len(marks) != len(sent) {
		return "", nil, model.Errorf(model.Corrupt, "the central's receipt of batch %d cannot be read", p.batch.Number).Because(err)
	}
	return marks, reasons, nil
}

// asSent returns which operations a receipt with so many marks is of. They are
// other ones than now where the server's limit changed since the batch was first
// sent: those left out then were the longest.
func (p *pusher) asSent(sent []int, marks int) []int {
	if len(sent) == marks || marks > len(p.batch.Ops) {
		return sent
	}
	sizes := make([]int, len(p.batch.Ops))
	places := make([]int, len(sizes))
	for i := range sizes {
		least, _ := brief(p.batch.Ops[i], sumBytes)
		sizes[i], places[i] = callSize(&least), i
	}
	slices.SortStableFunc(places, func(a, b int) int { return sizes[a] - sizes[b] })
	for i, place := range places {
		if i < marks {
			delete(p.refused, place)
		} else {
			p.refused[place] = tooLong(&p.batch.Ops[place], sizes[place], p.packetLimit())
		}
	}
	sent = places[:marks]
	slices.Sort(sent)
	return sent
}

// reason is why the server refused an operation.
type reason struct {
	Number uint16 `json:"errno"`
	Text   string `json:"text"`
}

func decodeReasons(s string) (map[int]reason, error) {
	m := map[int]reason{}
	if s == "" {
		return m, nil
	}
	err := json.Unmarshal([]byte(s), &m)
	return m, err
}

// result explains a refusal to a person.
func (r reason) result(op *model.PushOp, newer bool) model.PushResult {
	e := model.EntityOf(op.Table)
	if r.Number == 0 {
		return model.PushResult{Outcome: model.PushRefused, Code: "not_visible", Message: "the company's database has this " + strings.ToLower(e.Title) + " where this account cannot see it"}
	}
	text := r.Text
	if r.Number == erUnknownColumn {
		text = "'" + text + "'"
	}
	res, ok := refusal(e, op, &mysql.MySQLError{Number: r.Number, Message: text}, newer)
	if !ok {
		res = model.PushResult{Outcome: model.PushRefused, Code: "server", Message: text}
	}
	return res
}
