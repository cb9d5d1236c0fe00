-- How the pool fared, a line every ten seconds.

CREATE TABLE pool_metrics (
    at             INTEGER PRIMARY KEY,          -- the period's end, Unix ms
    connections    INTEGER NOT NULL,
    players        INTEGER NOT NULL,
    strangers      INTEGER NOT NULL,
    workers        TEXT    NOT NULL,             -- JSON: {"0": 812}, connections by worker
    opened         INTEGER NOT NULL,
    ended          INTEGER NOT NULL,
    lived_ms       INTEGER NOT NULL,             -- how long those that ended had lived, together
    closes         TEXT    NOT NULL,             -- JSON: {"1000": 3}; 0: a code that the protocol does not know
    sent           INTEGER NOT NULL,
    received       INTEGER NOT NULL,
    devices        INTEGER NOT NULL,             -- of the window that the reconnect rate is of
    reconnected    INTEGER NOT NULL,
    reconnect_rate REAL    NOT NULL,
    timed          INTEGER NOT NULL,             -- messages whose way was timed
    p50            REAL,                         -- ms; NULL: none
    p95            REAL,
    p99            REAL,
    firing         INTEGER NOT NULL              -- the alert
) STRICT;
