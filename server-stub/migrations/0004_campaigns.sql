-- Campaigns, segments, and the counters that spare the event log. A campaign is evaluated in memory, so it is kept as
-- the JSON that operators write.

CREATE TABLE campaigns (
    definition_id TEXT    NOT NULL PRIMARY KEY,
    body          TEXT    NOT NULL,              -- JSON, as in PUT /admin/campaigns/{id}
    updated_at    INTEGER NOT NULL
) STRICT;
INSERT INTO campaigns
SELECT definition_id,
       json_object('campaignId', campaign_id, 'title', title, 'discount', discount, 'expiresInSeconds', expires_in_s,
                   'imageUrl', image_url, 'data', json(data), 'placements', json(placements), 'players', json(players),
                   'priority', priority, 'perPlayer', per_player,
                   'enabled', json(CASE WHEN enabled THEN 'true' ELSE 'false' END)),
       updated_at
FROM offer_definitions;
DROP TABLE offer_definitions;

CREATE TABLE segments (
    name       TEXT    NOT NULL PRIMARY KEY,
    body       TEXT    NOT NULL,                 -- JSON, as in PUT /admin/segments/{name}
    updated_at INTEGER NOT NULL
) STRICT;
-- Another number after every change of campaigns or segments.
CREATE TABLE offer_plan (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    stamp    INTEGER NOT NULL
) STRICT;
INSERT INTO offer_plan VALUES (1, 1);

ALTER TABLE player_offers ADD COLUMN day TEXT NOT NULL DEFAULT '';       -- on which it was first sent, in the campaign's time zone
ALTER TABLE player_offers ADD COLUMN charged INTEGER NOT NULL DEFAULT 0; -- it stands in campaign_budgets
ALTER TABLE player_offers ADD COLUMN variant TEXT NOT NULL DEFAULT '';   -- of the flag that varies the offer
ALTER TABLE player_offers ADD COLUMN shown_at INTEGER;
CREATE INDEX player_offers_campaign ON player_offers (definition_id, variant, state, outcome);

-- Copies that stand against a budget: of a day, and of all time under the day ''.
CREATE TABLE campaign_budgets (
    definition_id TEXT    NOT NULL,
    day           TEXT    NOT NULL,
    spent         INTEGER NOT NULL,
    PRIMARY KEY (definition_id, day)
) STRICT, WITHOUT ROWID;

-- A trigger that has fired and waits for a break.
CREATE TABLE campaign_due (
    user_id       TEXT    NOT NULL,
    definition_id TEXT    NOT NULL,
    due_until     INTEGER NOT NULL,
    PRIMARY KEY (user_id, definition_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX campaign_due_age ON campaign_due (due_until);
-- A trigger that needs several events and has seen some of them.
CREATE TABLE campaign_progress (
    user_id       TEXT    NOT NULL,
    definition_id TEXT    NOT NULL,
    times         TEXT    NOT NULL,              -- JSON array of Unix ms, ascending, at most 99
    keep_until    INTEGER NOT NULL,
    PRIMARY KEY (user_id, definition_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX campaign_progress_age ON campaign_progress (keep_until);

-- How often a player's events of a name came, by UTC day (Unix day number), and in all under the day -1. Only names that
-- a campaign or segment asks for.
CREATE TABLE player_event_days (
    user_id TEXT    NOT NULL,
    name    TEXT    NOT NULL,
    day     INTEGER NOT NULL,
    count   INTEGER NOT NULL,
    PRIMARY KEY (user_id, name, day)
) STRICT, WITHOUT ROWID;
CREATE TABLE counted_events (
    name TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- The session in which a player was first seen.
CREATE TABLE player_first (
    user_id    TEXT    NOT NULL PRIMARY KEY,
    session_id TEXT    NOT NULL,                 -- '': before this was kept
    at         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO player_first
SELECT user_id, '', 0 FROM sessions UNION SELECT user_id, '', 0 FROM event_ids UNION SELECT user_id, '', 0 FROM player_offers;
