// Package widget holds the pieces that screens are made of: the windowed
// table, text fields, and the ways in which values are written.
//
// Promises: whatever the data, a widget draws exactly the cells it was given;
// control characters never reach the terminal; text that a person typed or
// pasted is kept byte for byte; nothing here reads a store but through a
// command.
package widget
