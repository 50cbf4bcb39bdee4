// Package model holds the nouns of the CRM and what every other part of
// Rapport agrees on: the declaration of each entity and its fields, typed
// ids, values and their text forms, validation, filters, the three-way merge,
// error kinds, and the contracts (interfaces) through which the user interface
// and the stores meet.
//
// Promises:
//   - A field is declared once, as one line of an Entity. Storage in both
//     databases, search, forms, tables, filters, import, export, command flags
//     and the sync read that declaration.
//   - The package imports the standard library and small pure libraries only.
//     It does no I/O and keeps no mutable state.
//   - Text is kept as typed. Folded keys are for comparing and searching only.
package model
