// Package backup makes, lists, proves and restores backups.
//
// Its promises: a backup is one moment of its source, a workspace or a central,
// also while people work; nothing counts as a backup before its manifest is
// there, which is written last and signed; a backup is called verified only
// after its parts were read back from where they lie and every row was compared
// with the source at that same moment; one that holds changes only begins where
// another ends, or a full one is made; a damaged backup is refused before
// anything is touched; a restore replaces the workspace in one rename and keeps
// what was there; no password is in a backup, and a restored copy takes ids of
// its own; memory stays constant, however many rows there are.
//
// # Places
//
// A repository lies in a store: a folder, or a bucket or container of S3 and
// what is compatible with it, Google Cloud Storage, or Azure Blob Storage. A
// store keeps whole objects of at most some tens of megabytes under names. Each
// object is sent in one request with its checksums, never in pieces, so that it
// is there whole or not at all and an attempt can be repeated; in a folder it
// is written beside its place, brought to the disk and renamed. No part of an
// object that failed to arrive is ever visible. Nothing relies on a lock in the
// store: names hold ids that nobody else makes, and the two objects that only
// one may make, REPO.json and the manifest, are made where none is. A store
// that cannot do that is recognised by backup init. The key comes from the
// variables that other programs of that store read, or from a command or file;
// it is in no address, error, log or backup. It needs to read, list and add;
// without the right to delete, what an interruption left stays.
//
// A share that is taken away in the middle of a backup is noticed before the
// manifest is written, one that hangs ends with the context, and neither is
// reported as damage. Passing faults of networks and servers are repeated five
// times with pauses that double.
//
// # Interruptions
//
// When the place of a backup that is being made goes away (a share, a network),
// the backup waits for it: its moment stays open, and the part at which it was is
// sent again when the place is back. It waits a quarter of an hour, or as long as
// a request says, and tells so; whoever stops it is obeyed at once. A place that
// is there and says no, for want of rights or room, is not waited for, nor is one
// that was never reached. A continuous backup waits between its steps instead.
//
// A backup whose process dies begins anew: a moment cannot be opened a second
// time, and parts that lie there already are not used again. Those that are
// encrypted could not be compared with the source any more, because the key that
// read them back died with the process; and a folder that a second process goes
// on filling would no longer be that of one writer, on which rests that nothing
// needs a lock. Parts of another folder, named by the manifest, would tie
// backups together that prune deletes one by one. What is lost is the sending of
// one backup.
//
// A folder .backup-<random> in the home, with a file that the living process has
// locked, notes the folder that a backup is being written to. The next backup of
// the home to that place takes away what a dead one left there, and its note says
// so, once. The same holds for .trial-<random> and .restore-<random>, in which
// backups are restored. What other homes left goes by its age.
//
// # What is read
//
// A backup of a central reads its primary, or spares that. A standby of it is
// read once it has all that the primary had when the backup began; the primary
// is asked for positions and the time, and holds the lease that keeps tables in
// place. From the report tables come the rows of records: of each table all that
// its copy has, but for the rows of which the feed, at the moment of the backup,
// knows a newer change; these are looked up by their ids. The archive, its
// position and its moment are those of any other, and increments may follow
// whichever was read. "copies" in the manifest has the position of the copies,
// the tables, and the number of rows that were newer.
//
// A copy is proved while it is read: by the hash of each of its rows, their
// number and their sum; on request it is also compared with its table. Where
// that finds something, a column is missing or nobody notes the changes, the
// table is read; where no standby has everything in half a minute, the primary
// is. A backup
// that takes more of the server is better than none. "instead" and the note of
// the backup say what and why.
//
// Backups of one workspace that one process makes at once come one after the
// other: each holds readers of the cache.
//
// # Copies
//
// A backup of a workspace holds its state, the id of the client among it. A restore
// leaves out what belongs to one copy: client, numbers of batches and backups,
// lineage, and the places it knew. The restored copy makes its own, so that no
// two answer to one id, and no two write one chain. A home that is copied as files
// keeps its id; the central finds that its batches meet other receipts, and the
// copy takes a new one then. The keys that sign and that are believed lie beside
// the cache and are in no backup.
//
// # Layout
//
// A repository is a tree of objects. Names are separated by slashes.
//
//	REPO.json                                    what the repository is
//	b/<lineage>/<id>-<kind>/t/<table>/<nnnnn>.jsonl.zst   rows
//	b/<lineage>/<id>-<kind>/g/<table>/<nnnnn>.jsonl.zst   keys of rows that went
//	b/<lineage>/<id>-<kind>/summary.json         what a list shows
//	b/<lineage>/<id>-<kind>/manifest.sig         who wrote it
//	b/<lineage>/<id>-<kind>/manifest.json        what the backup consists of
//	v/<id>/<id of the outcome>-<level>-<outcome>.json   a later verification
//
// The lineage names one copy of a workspace, or the epoch of a central: a
// restored one begins another, so that two copies never make one chain. The kind
// is full, incremental, differential or segment. The id is a UUIDv7. In the name
// of a table every byte but a-z, 0-9, _ and - is written as % and two
// hexadecimal digits. Where recipients are given, parts and manifest are
// encrypted with age (age-encryption.org/v1, binary form) and their names end in
// ".age"; summary.json stays readable and tells counts and names of tables only.
// Folders have mode 0700,
// files 0600. An object appears under its name complete or not at all. A
// folder of a backup without a manifest is what an interruption left; it is
// removed when it is two days old by the clock of the store.
//
// # Deletion
//
// A backup is deleted in two steps. deleted/<id>.json is a JSON object that
// names backups which are to go: format, id, at (by the clock of the store, which
// is that of its objects' times), server_at (by that of the central's server,
// where it was asked), asked (a person named them) and backups, each with id and
// why. When a day is over by each of these clocks, a prune deletes those that
// nothing outside of the list needs and that rules still do not keep: of each the
// manifest first, increments before what they need. Until then they are whole,
// and no new backup builds upon them.
//
// l/<name>/<token> is held by who works alone: name is prune, backup- with the
// source for the moment in which one of several ends a scheduled backup, or trial-
// with the source for as long as one of several restores a backup on trial. The
// token has ten digits and rises; the highest one counts, for a minute after its
// time, unless <token>-free or <token>-done lies beside it; -done says that the
// work went to its end. l/clock-<id> and l/probe-<id> asked the store something
// and are of no more use.
//
// # Part
//
// A part is UTF-8 text in lines that end in a line feed, compressed as one
// zstd frame with checksum, then perhaps encrypted. The plain text is
//
//	{"table":T,"columns":[…],"types":[…],"schema":N,"encoding":2,"part":P,"gone":true}
//	[…]                                          one line for each row
//	{"rows":N,"sha256":H}
//
// P counts from 1 within the table and is the number in the name, five digits
// or more. N of the last line is the number of rows, H the SHA-256, in
// lower-case hexadecimal, of all bytes before that line. Nothing follows.
// "gone" stands in parts below g/ only, whose columns are those of the key. A
// table without rows has no part. Rows stand in the order of the table's
// key across all parts; a part ends after the row with which its plain text
// reaches 16 MiB.
//
// A row is a JSON array without blanks, with a value for each column:
//
//	null                 NULL
//	digits, perhaps -    a whole number of 64 bits with its sign (type int)
//	"text"               a text in UTF-8 (type text), escaped are only " and \
//	                     (by \), line feed, carriage return and tab (\n \r \t)
//	                     and the other characters below 0x20 (\u00xx)
//	"22 characters"      16 bytes in base64 without its padding (type id)
//	"…"                  bytes in padded base64 (type blob)
//	{"b64":"…"}          what its type cannot write: a text that is not UTF-8,
//	                     an id that is not 16 bytes, as bytes in base64
//
// Each value has one form only, so equal rows are equal bytes.
//
// This is encoding 2. Encoding 1, of earlier backups, is the same but for ids:
// "8-4-4-4-12", a lower-case UUID with its dashes. Random digits hardly shrink,
// and in base64 there are fewer of them: a backup is a tenth smaller. Manifest,
// summary and each part name their encoding; a summary that does not is of
// encoding 1. All backups of a chain have the same, so that a full one is made
// where the parent would be of encoding 1.
//
// # Chains
//
// A full backup holds all rows. An increment holds of each table the rows that
// changed since its parent, as they are at its own moment, and the keys of those
// that went; a table with "whole" in its entry it holds in full. Incremental,
// differential and segment differ in their parent only: the newest backup but
// for segments, the newest full one, the newest of all. A chain is read as the
// rows of all its backups in the order of the key, from which of each key the
// newest counts: a row is there, a key that went is not; of a table that is
// whole, nothing older than that. Keys are ordered column by column: NULL, then
// numbers by their value, then texts and bytes by their bytes.
//
// A mark says how far a backup has seen its source: position, run and history of
// a central (of sync_counter, sync_run and sync_audit), note of a workspace, and
// the time; begins is when the history begins that a central has. The manifest
// of an increment has that of its parent as "from"; a chain in which they differ
// is refused, as is one of different lineages or definitions. The changes of a
// workspace are noted by triggers in its cache, by key, from the first chain on;
// each copy knows from which of its backups on its notes reach. Those of a
// central are its feed. "untold" names the tables whose changes after this
// moment are not told, so that the next increment holds them whole, "whole"
// those that an increment to here would; the latter hold for all increments that
// begin before and end after.
//
// "tables" of a central's mark says of each table what changes when its rows are
// replaced without a trigger that could tell of it: the CRC-32 of the number that
// the server gives to a table that is made or emptied by TRUNCATE, and of when its
// triggers were made; "" says which server that was. A table for which it differs
// from that of the parent on the same server is held whole. Where the account may
// not ask (it lacks the right PROCESS), such a table is held by the next full
// backup only.
//
// A full backup is made instead where no verified backup can be followed: none
// is there, the lineage, the schema, the encoding or the definition of a table is
// another, the source does not know the changes any more, the chain has 30 backups (segments
// left aside), or a differential one has come to more than half of the full one.
// Its "note" says why.
//
// # Manifest
//
// The manifest is a JSON object: format, id, kind, source (local or central),
// lineage, parent and base (of an increment), at (UTC, by the clock of the
// source), number (counts the backups of a workspace's lineage), position, from,
// mark, links (how many backups its chain has), schema, encoding, definition (a
// hash of what the tables are), untold, whole, server (of a central: version,
// role, method by which its readers saw one moment, readers, gtid, min_seq,
// schema_version, columns_hash, unread, copies,
// instead), recipients, and for each table its
// name, columns, types, key, definition (the statement that makes it, of a
// central), whole, total (rows at the moment, where they were counted), number
// of rows, the SHA-256 over its row lines with their line feeds, its parts, each
// with name, rows, size and the SHA-256 of its plain text and of the object as
// it lies there, and the same of the keys that went as "gone"; the settings
// without secrets; extras (of a central: name and statements of what a whole
// system needs beside its tables); the sums; and the outcome of the
// verification.
//
// summary.json has of these what a list and the next increment need, and the
// SHA-256 of the manifest object. manifest.sig is a JSON object with key and
// signature, in base64: an Ed25519 signature over the text
//
//	rapport-backup/1
//	<id>
//	<SHA-256 of the manifest object>
//	<SHA-256 of summary.json>
//
// with a line feed after each line. The public keys of those who may write are
// "signers" of REPO.json, a list; a manifest without a right signature is damaged
// where there are any. The private key lies in the home of each copy, in
// backup-signing.pem (PKCS #8), and in no backup. A copy that writes for the first
// time adds its key, where it may overwrite REPO.json.
//
// Whoever may write to a place could replace the keys there and sign forged
// backups with others. So each home keeps, in backup-keys.json, for each place
// the id and the keys of the repository as it found them at its first look, and its
// own. From then on a backup counts that one of these signed. "vouchers" of REPO.json, objects with
// key, by and signature, say for whom they vouch: an Ed25519 signature by one key
// over the text
//
//	rapport-backup/1
//	signer
//	<id of the repository>
//	<the other key>
//
// with a line feed after each line. A home believes, for good, whoever one vouches
// for that it believes. Backups of others are damaged to it, and stay. A place with
// another id, or that names none of the keys it believes, it refuses. With trust,
// init believes what is there beside what it knew, as where disks take turns, and
// vouches for it. A home that has never seen the
// place believes what it finds: make it known while the place is sound.
//
// The outcome of a verification, in v/, is a JSON object: format, id, backup,
// source and lineage of that, level, at, ok and problem. Its name says level (V0,
// V1, V2, V4) and outcome, sound or damaged. A prune removes those of backups that
// are gone, but for the newest trial (V4) of each lineage. Damage counts until a look at the same level or a deeper one
// finds none. Where a backup cannot be proved, each that it needs is looked at by itself and has
// an outcome of its own. A backup that needs one which is damaged or gone does not
// count either, and nothing follows it.
//
// # One moment
//
// A central is read by several sessions at once, and no writer waits for that:
// no lock is taken. They begin their snapshots again and again, a millisecond
// each time, until all see the same changes of records: the same state of the
// feed and the same changes that wait for a position in it, which every
// transaction adds to. Tables whose changes nobody notes there, an
// administrator's own among them, and the history are read by the first session
// alone, whose moment is that of the backup. One session reads everything where
// the account may not see the triggers that note the changes. "method" of the
// server in the manifest tells which it was.
//
// # Moments of a central
//
// A chain reads as the full set of rows at the moment of its last backup. A
// moment between two backups of one lineage is read from both: the later one
// holds the history, sync_audit, of what happened since the earlier one, a line
// for each change of a row with its time, its author and the old and new value
// of each column. A row without a line between the earlier backup and the moment
// is as the earlier one has it; one without a line between the moment and the
// later backup is as that has it; any other is that of the earlier one with the
// lines up to the moment applied in their order. A position of the feed is the
// moment of the run in sync_run that reached it. Tables without a history are
// those of the earlier backup.
//
// A moment before the oldest backup is read from that backup, whose history is
// that of the central from its beginning on ("begins" of its mark): the lines
// after the moment are taken back in turn, the last one first. A row without
// such a line is as the backup has it. In the same way a moment is read from the
// next backup where that has other columns than the one before the moment, or
// another lineage, as after a restore. What a restore gave up stands in no
// history: a moment in which it was there is refused, unless a backup from before
// the restore reaches it.
package backup
