package sqlite

// e164 returns a phone in its international form, "" if it has none.
func (d *DB) e164(value string) string { return "" }
