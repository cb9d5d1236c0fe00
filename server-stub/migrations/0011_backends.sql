-- The game's backends: their keys, and what they say was paid.

CREATE TABLE api_keys (
    name         TEXT    NOT NULL PRIMARY KEY,   -- never given twice, so that the audit table stays clear
    hash         BLOB    NOT NULL UNIQUE,        -- SHA-256 of the whole key
    scopes       TEXT    NOT NULL,               -- JSON array
    created_at   INTEGER NOT NULL,
    created_by   TEXT    NOT NULL,
    last_used_at INTEGER,
    revoked_at   INTEGER                         -- NULL: good
) STRICT;

CREATE TABLE revenue (
    transaction_id TEXT    NOT NULL PRIMARY KEY, -- the shop's own
    user_id        TEXT    NOT NULL,
    amount         INTEGER NOT NULL,             -- minor units; a refund is negative
    currency       TEXT    NOT NULL,
    at             INTEGER NOT NULL,
    recorded_at    INTEGER NOT NULL,
    who            TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX revenue_player ON revenue (user_id, recorded_at);

CREATE TABLE player_spend (
    user_id  TEXT    NOT NULL,
    currency TEXT    NOT NULL,
    amount   INTEGER NOT NULL,                   -- minor units, the sum of all transactions
    count    INTEGER NOT NULL,
    PRIMARY KEY (user_id, currency)
) STRICT, WITHOUT ROWID;

-- What rules may ask for: what the backend states, and what it has said was paid.
CREATE VIEW known_traits (user_id, name, value) AS
SELECT user_id, name, value FROM player_traits
UNION ALL
SELECT user_id, '$spend.' || currency, CAST(amount AS TEXT) FROM player_spend;
