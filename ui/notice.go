package ui

import (
	"errors"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget"
)

// Notices stay for noticeFor, errors until the next key; at most maxNotices
// are seen. The messages dialog keeps the last keptNotices.
const (
	noticeFor   = 4 * time.Second
	maxNotices  = 3
	keptNotices = 200
)

type notice struct {
	id     int64
	at     time.Time
	text   string
	detail string // the cause, for the messages dialog
	bad    bool
}

type noticeOverMsg struct{ id int64 }

func (r *Root) notify(m screen.NoticeMsg) tea.Cmd {
	if m.Err != nil && r.env.Context.Err() != nil {
		return nil
	}
	r.noticed++
	n := notice{id: r.noticed, at: r.env.Now(), text: m.Text}
	if m.Err != nil {
		n.bad = true
		if n.text != "" {
			n.text += ": "
		}
		n.text += r.env.Sentence(m.Err)
		var e *model.Error
		if errors.As(m.Err, &e) && e.Err != nil {
			n.detail = e.Err.Error()
		}
		// The sentence may name a customer; the log gets the kind and the cause.
		r.log.Error("shown to the person", "kind", model.KindOf(m.Err).String(), "cause", n.detail)
	}
	if n.text == "" {
		return nil
	}
	r.notices = append(r.notices, n)
	if len(r.notices) > maxNotices {
		r.notices = r.notices[1:]
	}
	r.record = append(r.record, n)
	if len(r.record) > keptNotices {
		r.record = r.record[1:]
	}
	if n.bad {
		return nil
	}
	return r.env.Later(noticeFor, noticeOverMsg{n.id})
}

func (r *Root) dropNotice(id int64) {
	for i, n := range r.notices {
		if n.id == id {
			r.notices = append(r.notices[:i:i], r.notices[i+1:]...)
			return
		}
	}
}

// dropErrors clears the errors that are shown: a key was pressed, so they were
// seen.
func (r *Root) dropErrors() {
	var keep []notice
	for _, n := range r.notices {
		if !n.bad {
			keep = append(keep, n)
		}
	}
	r.notices = keep
}

// messages are the lines of the messages dialog, the newest first.
func (r *Root) messages() []string {
	th := r.env.Theme
	if len(r.record) == 0 {
		return []string{th.Muted.Render("nothing was said yet")}
	}
	var out []string
	w := min(90, max(20, r.w-8))
	for i := len(r.record) - 1; i >= 0; i-- {
		n := r.record[i]
		st, sign := th.Text, "· "
		if n.bad {
			st, sign = th.Danger, "× "
		}
		for j, l := range widget.Wrap(n.text, w-8) {
			lead := strings.Repeat(" ", 8)
			if j == 0 {
				lead = n.at.Format("15:04 ") + sign
			}
			out = append(out, th.Muted.Render(lead)+st.Render(l))
		}
		if n.detail != "" {
			for _, l := range widget.Wrap(n.detail, w-8) {
				out = append(out, strings.Repeat(" ", 8)+th.Muted.Render(l))
			}
		}
	}
	return out
}
