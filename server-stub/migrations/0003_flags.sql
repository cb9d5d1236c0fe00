-- Flags complete: schedule, testers' overrides, prerequisite; their history; what the server knows of players.

ALTER TABLE feature_flags ADD COLUMN schedule TEXT;                      -- JSON object: from, until (Unix ms); NULL: always
ALTER TABLE feature_flags ADD COLUMN overrides TEXT NOT NULL DEFAULT '{}'; -- JSON object: player → variant
ALTER TABLE feature_flags ADD COLUMN prerequisite TEXT;                  -- JSON object: flag, variants; NULL: none

CREATE TABLE flag_changes (
    number    INTEGER PRIMARY KEY,
    flag_name TEXT    NOT NULL,
    version   INTEGER NOT NULL,                  -- of the configuration, as this change made it
    at        INTEGER NOT NULL,
    who       TEXT    NOT NULL,
    address   TEXT    NOT NULL,
    action    TEXT    NOT NULL,
    before    TEXT,                              -- the definition as JSON; NULL: there was none
    after     TEXT                               -- the same; NULL: deleted
) STRICT;
CREATE INDEX flag_changes_flag ON flag_changes (flag_name, version);

CREATE TABLE player_traits (
    user_id    TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    value      TEXT    NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, name)
) STRICT, WITHOUT ROWID;
