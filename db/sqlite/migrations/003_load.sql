-- A load compares no more what arrived: see the sums of buckets.
DROP TABLE load_seen;

-- One record that arrived in the first load and whose title its lists decide:
-- it is told when they have come.
CREATE TABLE load_late (
  noun TEXT NOT NULL,
  id   BLOB NOT NULL,
  PRIMARY KEY (noun, id)
) STRICT, WITHOUT ROWID;

-- One record that changed while there was no search index, or while it was
-- being built: it is indexed anew when that is done.
CREATE TABLE search_late (
  noun TEXT NOT NULL,
  id   BLOB NOT NULL,
  PRIMARY KEY (noun, id)
) STRICT, WITHOUT ROWID;
