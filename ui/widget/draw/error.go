package draw

import (
	"context"
	"errors"

	"rapport/model"
)

// sentence tells an error to a person.
func sentence(err error) string {
	var e *model.Error
	switch {
	case errors.As(err, &e) && e.Msg != "":
		if e.Hint != "" {
			return e.Msg + " – " + e.Hint
		}
		return e.Msg
	case errors.Is(err, context.Canceled):
		return "stopped"
	}
	return err.Error()
}
