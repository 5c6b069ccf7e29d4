-- The current state and the recorded past, made from the events: may be dropped and made anew.

-- An account's newest version, the greatest `occurred_at` of its events, and its profile.
-- `in_order`: its first event creates it, and none occurred earlier than one before it.
CREATE TABLE modlog_accounts (
    stream INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    latest INTEGER NOT NULL,
    in_order INTEGER NOT NULL,
    profile TEXT NOT NULL
) STRICT;

-- Each stay of a facet in the state of an account: under the version of what caused it, from
-- the position that opened it to the one that closed it, if one has; with their `occurred_at`.
-- `since` is when its cause occurred; `opened_at` is NULL where that is what opened it.
-- facet: 1 existence, 2 flag, 3 protection, 4 suspension, 5 deletion, 6 erasure.
CREATE TABLE modlog_spans (
    stream INTEGER NOT NULL,
    version INTEGER NOT NULL,
    opened INTEGER NOT NULL,
    facet INTEGER NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER,
    label TEXT,
    opened_at INTEGER,
    closed INTEGER,
    closed_at INTEGER,
    PRIMARY KEY (stream, version, opened)
) STRICT, WITHOUT ROWID;
CREATE INDEX modlog_spans_open ON modlog_spans (facet, stream) WHERE closed IS NULL;
CREATE INDEX modlog_spans_label ON modlog_spans (label, stream)
WHERE closed IS NULL AND label IS NOT NULL;
