package mysql

import (
	"context"

	"rapport/model"
)

// Reports tells how fresh the report tables of a central are, nil where there
// are none. It reads no table of records.
func Reports(ctx context.Context, url string) (*model.ReportsState, error) {
	a, err := ParseURL(url)
	if err != nil {
		return nil, err
	}
	s, err := openPrimary(ctx, a, DialOptions{Program: "rapport-central"}, a.Database)
	if err != nil {
		return nil, err
	}
	defer s.close()
	st, _, err := reportsState(ctx, s)
	return st, err
}
