-- One row with unsent edits. base is what the server last said, NULL for a
-- row that was made here; columns names the values of base in order.
CREATE TABLE sync_base (
  tbl       TEXT    NOT NULL,
  id        BLOB    NOT NULL,
  noun      TEXT    NOT NULL,           -- the record that the row is or belongs to
  record_id BLOB    NOT NULL,
  base      TEXT,
  columns   TEXT,
  first_at  INTEGER NOT NULL,           -- when the first unsent edit was made
  seq       INTEGER NOT NULL,           -- the order of first edits
  code      TEXT,                       -- why the server refused it, NULL if it did not
  error     TEXT,
  PRIMARY KEY (tbl, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX sync_base_seq ON sync_base (seq);
CREATE INDEX sync_base_record ON sync_base (record_id);

-- The batch of unsent changes that was frozen for sending and awaits its
-- acknowledgement: at most one.
CREATE TABLE sync_batch (
  number  INTEGER PRIMARY KEY,
  payload TEXT    NOT NULL
) STRICT;

-- One field in which two people's changes differ. Rows of one record that are
-- open together share their id. The values are the cells of the field's
-- columns as a JSON array.
CREATE TABLE sync_conflict (
  seq        INTEGER PRIMARY KEY,
  id         BLOB    NOT NULL,
  tbl        TEXT    NOT NULL,
  row_id     BLOB    NOT NULL,
  noun       TEXT    NOT NULL,
  record_id  BLOB    NOT NULL,
  field      TEXT    NOT NULL,
  base       TEXT    NOT NULL,
  mine       TEXT    NOT NULL,
  theirs     TEXT    NOT NULL,
  mine_at    INTEGER,
  theirs_at  INTEGER,
  theirs_by  TEXT,
  opened_at  INTEGER NOT NULL,
  settled_at INTEGER,
  resolution TEXT                       -- mine, theirs or value
) STRICT;

CREATE UNIQUE INDEX sync_conflict_open ON sync_conflict (tbl, row_id, field) WHERE settled_at IS NULL;
CREATE INDEX sync_conflict_record ON sync_conflict (record_id);

-- One change of one row, as it happened here: the local history.
CREATE TABLE audit (
  seq       INTEGER PRIMARY KEY,
  at        INTEGER NOT NULL,
  by        TEXT,
  action    TEXT    NOT NULL,           -- add, edit, delete, restore, import, sync, merge, settle
  noun      TEXT    NOT NULL,           -- the record
  record_id BLOB    NOT NULL,
  tbl       TEXT    NOT NULL,           -- the row that changed: the record's or that of a part
  row_id    BLOB    NOT NULL,
  changes   TEXT    NOT NULL,           -- [["field", [old cells], [new cells]], …]
  note      TEXT,                       -- what the program decided by itself
  run       TEXT                        -- the import run
) STRICT;

CREATE INDEX audit_record ON audit (record_id, seq);
CREATE INDEX audit_run ON audit (run) WHERE run IS NOT NULL;

-- One value that the workspace keeps about itself: the client id, the position
-- in the feed, when it last synced.
CREATE TABLE state (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- How far the first load of a table came.
CREATE TABLE load_state (
  tbl   TEXT PRIMARY KEY,
  after BLOB,
  done  INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- One row that arrived in the load that is under way.
CREATE TABLE load_seen (
  tbl TEXT NOT NULL,
  id  BLOB NOT NULL,
  PRIMARY KEY (tbl, id)
) STRICT, WITHOUT ROWID;

-- One import.
CREATE TABLE import_run (
  run       TEXT PRIMARY KEY,
  at        INTEGER NOT NULL,
  source    TEXT    NOT NULL,
  read      INTEGER NOT NULL,
  created   INTEGER NOT NULL,
  updated   INTEGER NOT NULL,
  unchanged INTEGER NOT NULL,
  skipped   INTEGER NOT NULL,
  rejected  INTEGER NOT NULL,
  undone_at INTEGER
) STRICT, WITHOUT ROWID;
