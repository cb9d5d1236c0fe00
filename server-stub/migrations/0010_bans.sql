-- Players who may not play. A ban that has lapsed is deleted by the sweep.

CREATE TABLE bans (
    user_id   TEXT    NOT NULL PRIMARY KEY,
    reason    TEXT    NOT NULL,                  -- for operators alone
    until     INTEGER,                           -- Unix ms; NULL: for good
    banned_at INTEGER NOT NULL,
    who       TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
