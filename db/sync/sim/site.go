package sim

import (
	"context"
	"math/rand/v2"
	"strings"
	"time"

	"rapport/model"
)

// site is the side of the server in a simulation: the one in memory or a real
// one, with what other programs and its administrator do to it.
type site interface {
	// dial logs a person in.
	dial(ctx context.Context, person string) (model.Central, error)
	// begin begins a transaction of another program.
	begin() (writer, error)
	// table returns the committed rows of a table.
	table(ctx context.Context, n model.Noun) (map[model.ID]model.Row, error)
	// arrivals returns how often each marked value came into a column.
	arrivals(ctx context.Context) (map[arrival]int, error)
	// forbid refuses every text that begins with a prefix; "" refuses none.
	forbid(prefix string) error
	// purge forgets the feed up to so many positions before its head.
	purge(keep int64) error
	// sizes returns how many committed changes have no position and how many
	// entries the feed has.
	sizes(ctx context.Context) (outbox, feed int64, err error)
}

// keeper is a site that can do more than a real one does quickly.
type keeper interface {
	snapshot() any
	restore(snapshot any, newEpoch bool)
	// rebuild puts older states of contacts back and nothing else.
	rebuild(snapshot any)
	restart()
	// knows tells whether a position is of the server's present history.
	knows(p model.Position) bool
	// standby logs in to a server that stands where the snapshot does.
	standby(snapshot any, person string) model.Central
	// grant lets a person see some scopes only.
	grant(person string, scopes []model.ID)
	// shows tells whether a person sees a row.
	shows(person string, e *model.Entity, row model.Row) bool
	// compact forgets what newer entries of the feed replace.
	compact()
}

// writer is a transaction of another program. Rows that are not there are left
// alone. An error ends it.
type writer interface {
	Insert(n model.Noun, id model.ID, set map[string]any) error
	Update(n model.Noun, id model.ID, set map[string]any) error
	Delete(n model.Noun, id model.ID) error
	Commit()
	Rollback()
	Ended() bool
}

// memorySite is the site in memory.
type memorySite struct {
	*Server
	// login is the account with which everybody logs in, as it is on a real
	// server; "" where each person has one.
	login string
}

var (
	_ site   = memorySite{}
	_ keeper = memorySite{}
	_ writer = (*Tx)(nil)
)

// newMemorySite returns a site in memory.
func newMemorySite(clock func() time.Time, random *rand.Rand, login string) memorySite {
	return memorySite{NewServer(clock, random), login}
}

func (m memorySite) dial(_ context.Context, person string) (model.Central, error) {
	if m.login != "" {
		person = m.login
	}
	return m.Dial(person), nil
}

func (m memorySite) begin() (writer, error) { return m.Begin("etl"), nil }

func (m memorySite) table(_ context.Context, n model.Noun) (map[model.ID]model.Row, error) {
	return m.tables[n], nil
}

func (m memorySite) arrivals(context.Context) (map[arrival]int, error) { return m.state.arrivals, nil }

func (m memorySite) forbid(prefix string) error {
	m.forbidden = prefix
	return nil
}

func (m memorySite) purge(keep int64) error {
	m.Server.purge(m.seq - keep)
	return nil
}

func (m memorySite) sizes(context.Context) (outbox, feed int64, err error) {
	return int64(len(m.outbox)), int64(len(m.feed)), nil
}

func (m memorySite) snapshot() any { return m.copyState() }

func (m memorySite) restore(snapshot any, newEpoch bool) {
	m.Server.restore(snapshot.(state), newEpoch)
}

func (m memorySite) rebuild(snapshot any) { m.Server.rebuild(snapshot.(state)) }

func (m memorySite) restart() { m.Restart() }

func (m memorySite) knows(p model.Position) bool {
	return m.epoch == p.Epoch && m.runs[p.Run] == p.Nonce && p.Seq <= m.seq
}

func (m memorySite) grant(person string, scopes []model.ID) { m.reach[person] = scopes }

func (m memorySite) standby(snapshot any, person string) model.Central {
	st := snapshot.(state)
	s := &Server{clock: m.clock, random: m.random, state: st.copyState(), readOnly: true}
	return s.Dial(person)
}

// mark stands in every text whose way the simulation follows; stop ends it.
const mark, stop = "~", "."

// amounts that are followed lie in this range of minor units.
const firstAmount, lastAmount = 1_000_000, 9_999_999

// tokenOf returns a value as text if its way is followed.
func tokenOf(v any) (string, bool) {
	switch x := v.(type) {
	case string:
		if strings.Contains(x, mark) {
			return x, true
		}
	case int64:
		if x >= firstAmount && x <= lastAmount {
			return formatAmount(x), true
		}
	}
	return "", false
}
