package backup

import (
	"context"

	"rapport/model"
)

// parentStays fails where the backup that a new one needs is not there any
// more, or may be deleted before the new one is seen.
func parentStays(ctx context.Context, s Store, parent model.ID) error {
	if parent == "" {
		return nil
	}
	return nil
}
