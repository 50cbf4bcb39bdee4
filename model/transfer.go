package model

import "context"

// KeyPart is one value by which an import recognises a record: a field and
// what it holds. An empty field is the record's title. A list field matches a
// record that has an item of that value, a link one that points to the record
// of that id or name. A nil value is a record in which the field is empty.
type KeyPart struct {
	Field string
	Value any
}

// ImportTx is the transaction of one batch of an import. It sees what was
// saved in it before.
type ImportTx interface {
	// FindKey returns the living records that have all parts of a key, at
	// most three: more than one is ambiguous. Text is compared without
	// regard to case.
	FindKey(ctx context.Context, n Noun, key []KeyPart) ([]ID, error)
	// Get returns a record with its parts and the names of its links. Error:
	// NotFound.
	Get(ctx context.Context, n Noun, id ID) (*Record, error)
	// SaveNew and SaveOld apply one edit. SaveNew makes the record, under the
	// edit's id if it has one. An edit that fails is undone alone; its error
	// is of kind Invalid, NotFound or Ambiguous.
	SaveNew(ctx context.Context, e Edit) (Saved, error)
	SaveOld(ctx context.Context, e Edit) (Saved, error)
}
