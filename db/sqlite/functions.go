package sqlite

import (
	"database/sql/driver"

	sqlite "modernc.org/sqlite"

	"rapport/model"
)

// foldFunction is the SQL function fold(text): the key under which text is
// compared. Anything but text is returned as it is.
func foldFunction(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
	if s, ok := args[0].(string); ok {
		return model.Fold(s), nil
	}
	return args[0], nil
}
