-- What is recorded, for ever. Instants are microseconds since 1970 in UTC.

CREATE TABLE modlog_meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A stream is the history of an account, of a sweep, or of something of another program.
-- Its number is the position of its first event.
CREATE TABLE modlog_streams (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('account', 'sweep', 'foreign')),
    id TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX modlog_streams_id ON modlog_streams (kind, id);

-- An act is what one transaction records under one envelope and of one type: who, why, when.
-- Its number is the position of its first event. An act of another program has a type alone.
CREATE TABLE modlog_acts (
    number INTEGER PRIMARY KEY,
    recorded_at INTEGER NOT NULL,
    type TEXT NOT NULL,
    schema INTEGER,
    actor_kind TEXT,
    actor_id TEXT,
    actor_version TEXT,
    actor_account_id TEXT,
    reason TEXT,
    policy TEXT,
    batch_id TEXT,
    confidence REAL,
    correlation_id TEXT,
    metadata TEXT
) STRICT;
CREATE INDEX modlog_acts_actor ON modlog_acts (actor_id, number);
CREATE INDEX modlog_acts_type ON modlog_acts (type, number);
CREATE INDEX modlog_acts_batch ON modlog_acts (batch_id, number) WHERE batch_id IS NOT NULL;

-- `data` is structure, `personal` what is about a person; `state` is another program's own.
-- `occurred_at` is NULL where it is the instant of recording.
CREATE TABLE modlog_events (
    position INTEGER PRIMARY KEY,
    act INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    version INTEGER NOT NULL,
    occurred_at INTEGER,
    data TEXT,
    personal TEXT,
    state BLOB
) STRICT;
CREATE UNIQUE INDEX modlog_events_stream ON modlog_events (stream, version);
CREATE INDEX modlog_events_act ON modlog_events (act, position);

-- Which requests were answered, and by which event; or why an import rejected the record.
CREATE TABLE modlog_keys (
    key TEXT PRIMARY KEY,
    request BLOB NOT NULL,
    position INTEGER,
    rejection TEXT,
    CHECK ((position IS NULL) <> (rejection IS NULL))
) STRICT, WITHOUT ROWID;

-- By whom and why it was accepted that the ledger goes on although its last instant lies ahead
-- of the clock: at which position, what the instant was, and what the clock said.
CREATE TABLE modlog_clocks (
    position INTEGER PRIMARY KEY,
    recorded_at INTEGER NOT NULL,
    clock INTEGER NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    actor_version TEXT,
    actor_account_id TEXT,
    reason TEXT NOT NULL
) STRICT;

-- What a revert was asked to take back: the selection means the events up to that head.
CREATE TABLE modlog_reverts (
    batch_id TEXT PRIMARY KEY,
    head INTEGER NOT NULL,
    selection TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What a sweep is to act on, as it was when the sweep was planned.
CREATE TABLE modlog_sweep_targets (
    sweep BLOB NOT NULL,
    account_id TEXT NOT NULL,
    status TEXT,
    protected INTEGER NOT NULL,
    rule TEXT,
    PRIMARY KEY (sweep, account_id)
) STRICT, WITHOUT ROWID;

-- What became of targets on which a sweep did not act.
CREATE TABLE modlog_sweep_outcomes (
    batch_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    outcome TEXT NOT NULL,
    rule TEXT,
    PRIMARY KEY (batch_id, account_id)
) STRICT, WITHOUT ROWID;

-- One flat row an event, for people who come with SQL.
CREATE VIEW modlog_log AS
SELECT
    e.position,
    CASE WHEN s.kind = 'account' THEN s.id END AS account_id,
    e.version,
    a.type,
    strftime('%Y-%m-%dT%H:%M:%S', a.recorded_at / 1000000, 'unixepoch')
        || printf('.%06dZ', a.recorded_at % 1000000) AS recorded_at,
    strftime('%Y-%m-%dT%H:%M:%S', coalesce(e.occurred_at, a.recorded_at) / 1000000, 'unixepoch')
        || printf('.%06dZ', coalesce(e.occurred_at, a.recorded_at) % 1000000) AS occurred_at,
    a.actor_kind,
    a.actor_id,
    a.actor_version,
    a.actor_account_id,
    a.reason,
    a.policy,
    a.batch_id,
    a.confidence,
    a.correlation_id,
    a.metadata,
    json_patch(coalesce(e.data, '{}'), coalesce(e.personal, '{}')) AS data
FROM modlog_events AS e
JOIN modlog_acts AS a ON a.number = e.act
JOIN modlog_streams AS s ON s.number = e.stream
WHERE s.kind <> 'foreign';

-- Nothing of it is changed or deleted. INSERT OR REPLACE removes the row in its way without
-- asking the triggers on DELETE, so an insert is looked at as well: an event takes the next
-- position and a version that is free. FAIL, because a statement of modlog's is never undone
-- alone, but always with its transaction or savepoint.

CREATE TRIGGER modlog_streams_update BEFORE UPDATE ON modlog_streams
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_streams_delete BEFORE DELETE ON modlog_streams
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_streams_insert BEFORE INSERT ON modlog_streams
WHEN EXISTS (SELECT 1 FROM modlog_streams WHERE number = NEW.number)
    OR EXISTS (SELECT 1 FROM modlog_streams WHERE kind = NEW.kind AND id = NEW.id)
BEGIN SELECT RAISE(FAIL, 'modlog: events are append-only: this place is taken'); END;

CREATE TRIGGER modlog_acts_update BEFORE UPDATE ON modlog_acts
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_acts_delete BEFORE DELETE ON modlog_acts
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_acts_insert BEFORE INSERT ON modlog_acts
WHEN EXISTS (SELECT 1 FROM modlog_acts WHERE number = NEW.number)
BEGIN SELECT RAISE(FAIL, 'modlog: events are append-only: this place is taken'); END;

CREATE TRIGGER modlog_events_update BEFORE UPDATE ON modlog_events
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_events_delete BEFORE DELETE ON modlog_events
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_events_insert BEFORE INSERT ON modlog_events
WHEN NEW.position IS NOT (SELECT coalesce(max(position), 0) + 1 FROM modlog_events)
    OR EXISTS (
        SELECT 1 FROM modlog_events WHERE stream = NEW.stream AND version = NEW.version
    )
BEGIN
    SELECT RAISE(FAIL, 'modlog: events are append-only: this place is taken, or is not the next');
END;

CREATE TRIGGER modlog_keys_update BEFORE UPDATE ON modlog_keys
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_keys_delete BEFORE DELETE ON modlog_keys
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_keys_insert BEFORE INSERT ON modlog_keys
WHEN EXISTS (SELECT 1 FROM modlog_keys WHERE key = NEW.key)
BEGIN SELECT RAISE(FAIL, 'modlog: events are append-only: this place is taken'); END;

CREATE TRIGGER modlog_clocks_update BEFORE UPDATE ON modlog_clocks
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_clocks_delete BEFORE DELETE ON modlog_clocks
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_clocks_insert BEFORE INSERT ON modlog_clocks
WHEN EXISTS (SELECT 1 FROM modlog_clocks WHERE position = NEW.position)
BEGIN SELECT RAISE(FAIL, 'modlog: events are append-only: this place is taken'); END;

CREATE TRIGGER modlog_reverts_update BEFORE UPDATE ON modlog_reverts
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_reverts_delete BEFORE DELETE ON modlog_reverts
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_reverts_insert BEFORE INSERT ON modlog_reverts
WHEN EXISTS (SELECT 1 FROM modlog_reverts WHERE batch_id = NEW.batch_id)
BEGIN SELECT RAISE(IGNORE); END;

CREATE TRIGGER modlog_sweep_targets_update BEFORE UPDATE ON modlog_sweep_targets
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_sweep_targets_delete BEFORE DELETE ON modlog_sweep_targets
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_sweep_targets_insert BEFORE INSERT ON modlog_sweep_targets
WHEN EXISTS (
    SELECT 1 FROM modlog_sweep_targets WHERE sweep = NEW.sweep AND account_id = NEW.account_id
)
BEGIN SELECT RAISE(IGNORE); END;

CREATE TRIGGER modlog_sweep_outcomes_update BEFORE UPDATE ON modlog_sweep_outcomes
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_sweep_outcomes_delete BEFORE DELETE ON modlog_sweep_outcomes
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_sweep_outcomes_insert BEFORE INSERT ON modlog_sweep_outcomes
WHEN EXISTS (
    SELECT 1 FROM modlog_sweep_outcomes
    WHERE batch_id = NEW.batch_id AND account_id = NEW.account_id
)
BEGIN SELECT RAISE(IGNORE); END;
