-- Experiments: what was declared before the first number was seen, and how each ended.

CREATE TABLE experiments (
    name         TEXT    NOT NULL PRIMARY KEY,
    flag_name    TEXT    NOT NULL,
    definition   TEXT    NOT NULL,              -- JSON, as the operator declared it
    control      TEXT    NOT NULL,              -- the flag's default variant at the start
    shares       TEXT    NOT NULL,              -- JSON: variant → share of all players, from rollout and weights at the start
    started_at   INTEGER NOT NULL,
    ended_at     INTEGER,                       -- NULL while it runs
    promoted     TEXT,                          -- the variant, where it ended so; NULL: dropped, or it runs
    flag_changed INTEGER NOT NULL DEFAULT 0     -- an ended one: the flag had been changed while it ran
) STRICT;
-- Two experiments at once on one flag would each look at the other's effect.
CREATE UNIQUE INDEX experiments_running ON experiments (flag_name) WHERE ended_at IS NULL;
