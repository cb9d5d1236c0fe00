-- What a sweep looks for among all players' copies. SQLite uses a partial index only where the query says its condition word
-- for word; the one before said IN ('queued', 'sent') and was never used.

DROP INDEX player_offers_state;
CREATE INDEX player_offers_queued ON player_offers (expires_at) WHERE state = 'queued';
CREATE INDEX player_offers_claimed ON player_offers (sent_at) WHERE state = 'sent' AND session_id IS NULL;
