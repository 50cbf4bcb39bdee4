package mysql

import (
	"context"
	"time"
)

// Lease is the right to do alone what only one may do at a time, for work that
// is done beside the server: its clock decides.
type Lease struct{ l *lease }

// TakeLease takes the lease of a name. It needs an administrator's account.
// Errors: Locked where somebody else has it, Unreachable, Refused.
func TakeLease(ctx context.Context, url, name string) (*Lease, error) {
	s, err := adminSession(ctx, url)
	if err != nil {
		return nil, err
	}
	if err := s.exec(ctx, "USE "+ident(s.address.Database)); err != nil {
		s.close()
		return nil, mapError("take the lease", err)
	}
	l, err := take(ctx, s, name)
	if err != nil {
		s.close()
		return nil, err
	}
	return &Lease{l}, nil
}

// Keep prolongs the lease and returns the server's time. Error: Locked where
// somebody else has it by now.
func (l *Lease) Keep(ctx context.Context) (time.Time, error) {
	if err := l.l.renew(ctx, true); err != nil {
		return time.Time{}, err
	}
	text, err := l.l.text(ctx, "SELECT UTC_TIMESTAMP(3)")
	if err != nil {
		return time.Time{}, mapError("ask the clock", err)
	}
	return time.Parse(timeLayout, text)
}

// Release lets the next one in.
func (l *Lease) Release() {
	l.l.release()
	l.l.close()
}
