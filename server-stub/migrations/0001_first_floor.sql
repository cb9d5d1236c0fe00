-- Sessions, durable messages, offers, flags, events, idempotency keys, audit.
-- Times are Unix milliseconds. Every table is written by the store's one writer, in transactions.

CREATE TABLE sessions (
    session_id   TEXT    NOT NULL PRIMARY KEY,
    user_id      TEXT    NOT NULL,
    device       TEXT    NOT NULL,
    build        TEXT    NOT NULL DEFAULT '',
    epoch        INTEGER NOT NULL,               -- raised by every authenticate; an older socket is fenced
    last_seq     INTEGER NOT NULL DEFAULT 0,     -- the last number given to a durable message
    acked        INTEGER NOT NULL DEFAULT 0,     -- everything up to here has been taken
    discarded    INTEGER NOT NULL DEFAULT 0,     -- unacknowledged messages thrown away, not yet told
    discarded_to INTEGER NOT NULL DEFAULT 0,     -- the highest number among them
    detached_at  INTEGER,                        -- NULL while a socket holds the session
    created_at   INTEGER NOT NULL,
    UNIQUE (user_id, device)
) STRICT;
CREATE INDEX sessions_detached ON sessions (detached_at) WHERE detached_at IS NOT NULL;

CREATE TABLE messages (
    session_id TEXT    NOT NULL,
    seq        INTEGER NOT NULL,
    channel    TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    payload    TEXT    NOT NULL,
    offer_id   TEXT,                             -- the player_offers row that this message carries
    created_at INTEGER NOT NULL,
    PRIMARY KEY (session_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE offer_definitions (
    definition_id TEXT    NOT NULL PRIMARY KEY,
    campaign_id   TEXT    NOT NULL,
    title         TEXT    NOT NULL,
    discount      REAL    NOT NULL,
    expires_in_s  INTEGER NOT NULL,
    image_url     TEXT    NOT NULL,
    data          TEXT,                          -- JSON, or NULL
    placements    TEXT,                          -- JSON array of names; NULL: any placement
    players       TEXT,                          -- JSON array of players; NULL: everybody
    priority      INTEGER NOT NULL,
    per_player    INTEGER NOT NULL,
    enabled       INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE player_offers (
    user_id       TEXT    NOT NULL,
    offer_id      TEXT    NOT NULL,
    definition_id TEXT    NOT NULL,
    number        INTEGER NOT NULL,              -- the player's first, second … of this definition
    state         TEXT    NOT NULL CHECK (state IN ('queued', 'sent', 'received', 'closed', 'lapsed')),
    session_id    TEXT,                          -- sent over this session's socket; NULL: claimed over HTTP
    sent_at       INTEGER,
    expires_at    INTEGER NOT NULL,
    outcome       TEXT,                          -- accepted, declined or expired, whichever came first
    created_at    INTEGER NOT NULL,
    PRIMARY KEY (user_id, offer_id),
    UNIQUE (user_id, definition_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX player_offers_state ON player_offers (state, session_id) WHERE state IN ('queued', 'sent');

CREATE TABLE feature_flags (
    flag_name       TEXT    NOT NULL PRIMARY KEY,
    variants        TEXT    NOT NULL,            -- JSON object: variant → value
    default_variant TEXT    NOT NULL,
    rollout_bp      INTEGER NOT NULL,
    weights         TEXT,                        -- JSON object: variant → basis points; NULL: as the protocol says
    salt            TEXT,                        -- NULL: the flag's name
    build           TEXT,                        -- this build alone; NULL: any
    rules           TEXT    NOT NULL DEFAULT '[]',
    enabled         INTEGER NOT NULL,
    private         INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL
) STRICT;
CREATE TABLE configuration (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    version  INTEGER NOT NULL
) STRICT;
INSERT INTO configuration VALUES (1, 1);

CREATE TABLE analytics_events (
    number      INTEGER PRIMARY KEY,
    user_id     TEXT    NOT NULL,
    event_id    TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    happened_at INTEGER NOT NULL,                -- by the server's clock, corrected
    received_at INTEGER NOT NULL,
    flags       TEXT    NOT NULL,
    props       TEXT    NOT NULL
) STRICT;
CREATE INDEX analytics_events_name ON analytics_events (name, happened_at);
CREATE TABLE event_ids (
    user_id     TEXT    NOT NULL,
    event_id    TEXT    NOT NULL,
    received_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, event_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX event_ids_age ON event_ids (received_at);

CREATE TABLE idempotency_keys (
    user_id    TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    hash       BLOB    NOT NULL,                 -- SHA-256 of type and payload text
    channel    TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    payload    TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

CREATE TABLE audit (
    number  INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    action  TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    detail  TEXT    NOT NULL
) STRICT;
