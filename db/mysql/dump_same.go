package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"
	"hash/crc32"
	"strings"
)

// Marks tells what changes when a table's rows are replaced without a trigger
// that could tell of it: the number that the server gives to a table that is
// emptied by TRUNCATE, swapped or made anew, and when its triggers were made. It
// costs the same however many rows there are. under "" stands which server that
// was: another one has other numbers. nil where the account may not ask.
func (d *Dump) Marks(ctx context.Context) map[string]string {
	if d.shared != nil {
		d.shared.turn.Lock()
		defer d.shared.turn.Unlock()
	}
	database := d.control.address.Database
	for _, source := range []string{"INNODB_SYS_TABLES", "INNODB_TABLES"} {
		number, made, server := map[string]string{}, map[string]string{}, ""
		err := d.control.query(ctx, "SELECT SUBSTRING_INDEX(name,'/',-1),table_id FROM information_schema."+source+" WHERE name LIKE "+quote(likeText(database)+"/%")+
			";SELECT event_object_table,GROUP_CONCAT(created ORDER BY trigger_name) FROM information_schema.triggers WHERE trigger_schema="+quote(database)+" GROUP BY event_object_table"+
			";SELECT CONCAT_WS(' ',@@hostname,@@port,@@server_id,@@datadir)", func(set int, v []driver.Value) error {
			switch set {
			case 0:
				number[asText(v[0])] = asText(v[1])
			case 1:
				made[asText(v[0])] = asText(v[1])
			default:
				server = asText(v[0])
			}
			return nil
		})
		if err != nil || len(number) == 0 {
			continue
		}
		of := map[string]string{"": shortMark(server)}
		for name, n := range number {
			of[name] = shortMark(n + " " + made[name])
		}
		return of
	}
	return nil
}

func shortMark(text string) string { return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(text))) }

// likeText makes a pattern of LIKE that is a text and nothing else.
func likeText(text string) string {
	return strings.NewReplacer(`\`, `\\`, "_", `\_`, "%", `\%`).Replace(text)
}
