-- An experiment's report over time: what it said at the end of each day, so that nobody reads all events again to draw it.

CREATE TABLE experiment_days (
    name  TEXT    NOT NULL,
    day   INTEGER NOT NULL,                      -- Unix day number, UTC
    as_of INTEGER NOT NULL,                      -- when the numbers were taken, within the day; its last millisecond once it is over
    body  TEXT    NOT NULL,                      -- JSON, as in GET /admin/experiments/{name}/history
    PRIMARY KEY (name, day)
) STRICT, WITHOUT ROWID;
