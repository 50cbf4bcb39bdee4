package model

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
)

// WriteUnsent writes unsent changes for keeping elsewhere, one JSON object in a
// line each: what was to be sent, why it was not, and the whole record.
func WriteUnsent(ctx context.Context, r Reader, items []PendingItem, w io.Writer) (int64, error) {
	type refusal struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	type line struct {
		Noun   Noun     `json:"noun"`
		ID     ID       `json:"id"`
		Title  string   `json:"title"`
		Action string   `json:"action"`
		Fields []string `json:"fields"`
		At     string   `json:"at"`
		Error  *refusal `json:"error"`
		Record *Record  `json:"record"`
	}
	var n int64
	for _, p := range items {
		rec, err := r.Get(ctx, p.Noun, p.ID)
		if err != nil && KindOf(err) != NotFound {
			return n, err
		}
		l := line{Noun: p.Noun, ID: p.ID, Title: p.Title, Action: p.Action, Fields: p.Fields, At: FormatTime(p.At), Record: rec}
		if l.Fields == nil {
			l.Fields = []string{}
		}
		if p.Code != "" {
			l.Error = &refusal{p.Code, p.Error}
		}
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(l); err != nil {
			return n, err
		}
		if _, err := w.Write(b.Bytes()); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
