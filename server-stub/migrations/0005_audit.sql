-- The audit table says who, from where, and what was before and after.

CREATE TABLE audit_lines (
    number  INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    who     TEXT    NOT NULL,                    -- an operator's word, `api-key:<name>`, or what in the process itself
    address TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    before  TEXT,                                -- JSON, bounded; NULL: there was none
    after   TEXT                                 -- the same; NULL: deleted
) STRICT;
INSERT INTO audit_lines (number, at, who, address, action, subject, after)
SELECT number, at, '', '', action, subject, CASE WHEN json_valid(detail) THEN detail END FROM audit;
DROP TABLE audit;
ALTER TABLE audit_lines RENAME TO audit;
CREATE INDEX audit_age ON audit (at);
