package sqlite

import (
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
)

// unmarshal reads stored JSON; whole numbers become int64.
func unmarshal(data string, into any) error {
	dec := json.NewDecoder(strings.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(into); err != nil {
		return err
	}
	switch x := into.(type) {
	case *[]any:
		whole(*x)
	case *[][]any:
		for _, item := range *x {
			whole(item)
		}
	}
	return nil
}

// whole turns the numbers of a list into int64, also in lists within it.
func whole(list []any) {
	for i, v := range list {
		switch x := v.(type) {
		case json.Number:
			if n, err := x.Int64(); err == nil {
				list[i] = n
			}
		case []any:
			whole(x)
		}
	}
}

// notNoRows returns err unless it only says that a query found nothing.
func notNoRows(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}
