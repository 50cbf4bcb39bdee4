package admin

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/theme"
	"rapport/ui/widget/draw"
)

// job is something long that runs in a command and tells how far it is. It is
// used on the event loop only; the command reaches it through channels.
type job struct {
	work, tick *screen.Loader
	parent     context.Context
	name       string // "Importing"
	kept       string // what becomes of it when it is stopped; "" for the usual
	cancel     context.CancelFunc
	news       chan model.Progress
	done       chan struct{}
	last       model.Progress
	now        func() time.Time
	pace       model.Pace
	speed      string // how fast it goes and for how long, "" while that is not known
	stopping   bool
	again      func() tea.Cmd // begins it anew
	failed     error          // why it last did not succeed
}

func newJob(env *screen.Env) *job {
	return &job{work: screen.NewLoader(env.Context), tick: screen.NewLoader(env.Context), parent: env.Context, now: env.Now}
}

func (j *job) running() bool { return j.work.Busy() }

// start runs something and listens to its progress.
func (j *job) start(name string, run func(ctx context.Context, n model.Notify) (any, error)) tea.Cmd {
	ctx, cancel := context.WithCancel(j.parent)
	news, done := make(chan model.Progress, 1), make(chan struct{})
	j.name, j.cancel, j.news, j.done, j.last, j.stopping = name, cancel, news, done, model.Progress{}, false
	j.pace, j.speed, j.failed = model.Pace{}, "", nil
	kept := j.kept
	j.again = func() tea.Cmd {
		j.kept = kept
		return j.start(name, run)
	}
	// The newest report takes the place of one that nobody has read yet.
	tell := func(p model.Progress) {
		select {
		case <-news:
		default:
		}
		select {
		case news <- p:
		default:
		}
	}
	work := j.work.Load(func(context.Context) (any, error) {
		defer close(done)
		return run(ctx, tell)
	})
	return tea.Batch(work, j.listen())
}

// listen waits for the next report.
func (j *job) listen() tea.Cmd {
	news, done := j.news, j.done
	return j.tick.Load(func(ctx context.Context) (any, error) {
		select {
		case p := <-news:
			return p, nil
		case <-done:
		case <-ctx.Done():
		}
		return nil, nil
	})
}

// take tells whether a message is the job's end, and what it brings. A report
// of progress is taken by itself; cmd listens on.
func (j *job) take(msg tea.Msg) (m screen.LoadedMsg, ended bool, cmd tea.Cmd) {
	m, ok := msg.(screen.LoadedMsg)
	switch {
	case !ok:
	case j.work.Take(m):
		j.cancel()
		j.tick.Stop()
		j.failed = m.Err
		return m, true, nil
	case j.tick.Take(m):
		if p, ok := m.Value.(model.Progress); ok && j.running() {
			j.last, j.speed = p, j.pace.Speed(j.now(), p)
			return m, false, j.listen()
		}
	}
	return m, false, nil
}

// What can become of a job when its page is left.
const (
	goOn   = "leave this page; it goes on"
	stopIt = "stop it"
)

// askLeave asks what becomes of it when its page is left.
func (j *job) askLeave() tea.Cmd {
	return choose(j.name+" is under way", "The status line says how far it is when you leave. If it is stopped: "+j.stopped(), goOn, []string{goOn, stopIt}, func(v string) tea.Cmd {
		if v == goOn {
			return screen.Back
		}
		j.stop()
		return nil
	})
}

// stopped is what becomes of it when it is stopped.
func (j *job) stopped() string { return cmp.Or(j.kept, "What is done already is kept.") }

// stop ends it.
func (j *job) stop() {
	if j.running() {
		j.stopping = true
		j.cancel()
	}
}

// lasts is what it is at, in few words; "" if it does not run.
func (j *job) lasts() string {
	if !j.running() {
		return ""
	}
	words := strings.ToLower(j.name[:1]) + j.name[1:]
	if p := j.last; p.Total > 0 {
		words += fmt.Sprintf(" %d %%", 100*min(p.Done, p.Total)/p.Total)
	}
	return words
}

// lines say how far it is.
func (j *job) lines(th *theme.Theme, w int) []string {
	p := j.last
	words := j.name
	switch {
	case j.stopping:
		words += ": stopping"
	case p.Phase != "":
		words += ": " + p.Phase
	}
	switch {
	case p.Total > 0:
		n := draw.Count(p.Done) + " of " + draw.Count(p.Total) + j.speed
		return []string{"  " + th.Accent.Render(draw.Fit(model.Visible(words), max(0, w-4))),
			draw.Bars(th, []draw.Bar{{Label: "", Value: float64(p.Total), Part: max(0.001, float64(p.Done)), Notes: []string{n}}}, min(w, 70))[0]}
	case p.Done > 0:
		words += ", " + draw.Count(p.Done)
	}
	return []string{"  " + th.Accent.Render(draw.Fit(model.Visible(words)+" …", max(0, w-4)))}
}
