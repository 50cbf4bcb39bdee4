-- What one act of a person, or one decision that the program made by itself,
-- changed is one number: it is taken back as a whole. Changes that came from
-- the central have none.
ALTER TABLE audit ADD COLUMN act INTEGER;

-- The act that this one takes back, and the act that took this one back.
ALTER TABLE audit ADD COLUMN undoes INTEGER;
ALTER TABLE audit ADD COLUMN undone INTEGER;

CREATE INDEX audit_act ON audit (act) WHERE act IS NOT NULL;

-- Two records that may be the same thing, the smaller id first. A settled pair
-- stays, so that nobody is asked twice.
CREATE TABLE duplicate (
  noun       TEXT    NOT NULL,
  first_id   BLOB    NOT NULL,
  second_id  BLOB    NOT NULL,
  field      TEXT    NOT NULL,          -- in which they agree
  value      TEXT    NOT NULL,          -- as one of them has it
  found_at   INTEGER NOT NULL,
  settled_at INTEGER,
  resolution TEXT,                      -- merged or distinct
  PRIMARY KEY (first_id, second_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX duplicate_open ON duplicate (noun) WHERE settled_at IS NULL;
CREATE INDEX duplicate_second ON duplicate (second_id);
