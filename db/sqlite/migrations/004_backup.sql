-- One row that changed, or went, since the newest full backup of this copy that
-- a chain began with: where it is found again. seq grows with each change and
-- is never used twice. Triggers write it from the first chain on.
CREATE TABLE backup_note (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  tbl TEXT NOT NULL,
  k1  ANY  NOT NULL,
  k2  ANY  NOT NULL DEFAULT '',         -- of a key of two columns
  UNIQUE (tbl, k1, k2)
) STRICT;

-- One complete backup of this copy, and the newest note that it had seen.
CREATE TABLE backup_mark (
  id    TEXT    PRIMARY KEY,
  place TEXT    NOT NULL,
  seq   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
