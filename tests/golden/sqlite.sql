CREATE INDEX modlog_acts_actor ON modlog_acts (actor_id, number);
CREATE INDEX modlog_acts_batch ON modlog_acts (batch_id, number) WHERE batch_id IS NOT NULL;
CREATE INDEX modlog_acts_correlation ON modlog_acts (correlation_id, number)
WHERE correlation_id IS NOT NULL;
CREATE INDEX modlog_acts_kind ON modlog_acts (actor_kind);
CREATE INDEX modlog_acts_type ON modlog_acts (type, number);
CREATE INDEX modlog_events_act ON modlog_events (act, position);
CREATE INDEX modlog_events_occurred ON modlog_events (occurred_at) WHERE occurred_at IS NOT NULL;
CREATE UNIQUE INDEX modlog_events_stream ON modlog_events (stream, version);
CREATE INDEX modlog_spans_label ON modlog_spans (label, stream)
WHERE closed IS NULL AND label IS NOT NULL;
CREATE INDEX modlog_spans_open ON modlog_spans (facet, stream) WHERE closed IS NULL;
CREATE UNIQUE INDEX modlog_streams_id ON modlog_streams (kind, id);
CREATE UNIQUE INDEX modlog_tiles_place ON modlog_tiles (level, number);
CREATE TABLE modlog_accounts (
    stream INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    latest INTEGER NOT NULL,
    in_order INTEGER NOT NULL,
    profile TEXT NOT NULL
) STRICT;
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
CREATE TABLE modlog_checkpoints (
    size INTEGER PRIMARY KEY,
    note TEXT NOT NULL
) STRICT;
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
CREATE TABLE modlog_keys (
    key TEXT PRIMARY KEY,
    request BLOB NOT NULL,
    position INTEGER,
    rejection TEXT,
    CHECK ((position IS NULL) <> (rejection IS NULL))
) STRICT, WITHOUT ROWID;
CREATE TABLE modlog_meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE modlog_reverts (
    batch_id TEXT PRIMARY KEY,
    head INTEGER NOT NULL,
    selection TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE modlog_secrets (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
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
CREATE TABLE modlog_streams (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('account', 'sweep', 'foreign')),
    id TEXT NOT NULL
) STRICT;
CREATE TABLE modlog_sweep_outcomes (
    batch_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    outcome TEXT NOT NULL,
    rule TEXT,
    PRIMARY KEY (batch_id, account_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE modlog_sweep_targets (
    sweep BLOB NOT NULL,
    account_id TEXT NOT NULL,
    status TEXT,
    protected INTEGER NOT NULL,
    rule TEXT,
    PRIMARY KEY (sweep, account_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE modlog_tiles (
    level INTEGER NOT NULL,
    number INTEGER NOT NULL,
    hashes BLOB NOT NULL,
    root BLOB NOT NULL,
    parts BLOB
) STRICT;
CREATE TRIGGER modlog_acts_delete BEFORE DELETE ON modlog_acts
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_acts_insert BEFORE INSERT ON modlog_acts
WHEN EXISTS (SELECT 1 FROM modlog_acts WHERE number = NEW.number)
BEGIN SELECT RAISE(FAIL, 'modlog: events are append-only: this place is taken'); END;
CREATE TRIGGER modlog_acts_update BEFORE UPDATE ON modlog_acts
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_checkpoints_delete BEFORE DELETE ON modlog_checkpoints
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_checkpoints_insert BEFORE INSERT ON modlog_checkpoints
WHEN EXISTS (SELECT 1 FROM modlog_checkpoints WHERE size = NEW.size)
BEGIN SELECT RAISE(FAIL, 'modlog: events are append-only: this place is taken'); END;
CREATE TRIGGER modlog_checkpoints_update BEFORE UPDATE ON modlog_checkpoints
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_clocks_delete BEFORE DELETE ON modlog_clocks
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_clocks_insert BEFORE INSERT ON modlog_clocks
WHEN EXISTS (SELECT 1 FROM modlog_clocks WHERE position = NEW.position)
BEGIN SELECT RAISE(FAIL, 'modlog: events are append-only: this place is taken'); END;
CREATE TRIGGER modlog_clocks_update BEFORE UPDATE ON modlog_clocks
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
CREATE TRIGGER modlog_events_update BEFORE UPDATE ON modlog_events
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_keys_delete BEFORE DELETE ON modlog_keys
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_keys_insert BEFORE INSERT ON modlog_keys
WHEN EXISTS (SELECT 1 FROM modlog_keys WHERE key = NEW.key)
BEGIN SELECT RAISE(FAIL, 'modlog: events are append-only: this place is taken'); END;
CREATE TRIGGER modlog_keys_update BEFORE UPDATE ON modlog_keys
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_reverts_delete BEFORE DELETE ON modlog_reverts
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_reverts_insert BEFORE INSERT ON modlog_reverts
WHEN EXISTS (SELECT 1 FROM modlog_reverts WHERE batch_id = NEW.batch_id)
BEGIN SELECT RAISE(IGNORE); END;
CREATE TRIGGER modlog_reverts_update BEFORE UPDATE ON modlog_reverts
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_secrets_delete BEFORE DELETE ON modlog_secrets
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_secrets_insert BEFORE INSERT ON modlog_secrets
WHEN EXISTS (SELECT 1 FROM modlog_secrets WHERE name = NEW.name)
BEGIN SELECT RAISE(FAIL, 'modlog: events are append-only: this place is taken'); END;
CREATE TRIGGER modlog_secrets_update BEFORE UPDATE ON modlog_secrets
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_streams_delete BEFORE DELETE ON modlog_streams
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_streams_insert BEFORE INSERT ON modlog_streams
WHEN EXISTS (SELECT 1 FROM modlog_streams WHERE number = NEW.number)
    OR EXISTS (SELECT 1 FROM modlog_streams WHERE kind = NEW.kind AND id = NEW.id)
BEGIN SELECT RAISE(FAIL, 'modlog: events are append-only: this place is taken'); END;
CREATE TRIGGER modlog_streams_update BEFORE UPDATE ON modlog_streams
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_sweep_outcomes_delete BEFORE DELETE ON modlog_sweep_outcomes
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_sweep_outcomes_insert BEFORE INSERT ON modlog_sweep_outcomes
WHEN EXISTS (
    SELECT 1 FROM modlog_sweep_outcomes
    WHERE batch_id = NEW.batch_id AND account_id = NEW.account_id
)
BEGIN SELECT RAISE(IGNORE); END;
CREATE TRIGGER modlog_sweep_outcomes_update BEFORE UPDATE ON modlog_sweep_outcomes
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_sweep_targets_delete BEFORE DELETE ON modlog_sweep_targets
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_sweep_targets_insert BEFORE INSERT ON modlog_sweep_targets
WHEN EXISTS (
    SELECT 1 FROM modlog_sweep_targets WHERE sweep = NEW.sweep AND account_id = NEW.account_id
)
BEGIN SELECT RAISE(IGNORE); END;
CREATE TRIGGER modlog_sweep_targets_update BEFORE UPDATE ON modlog_sweep_targets
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_tiles_delete BEFORE DELETE ON modlog_tiles
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_tiles_insert BEFORE INSERT ON modlog_tiles
WHEN EXISTS (SELECT 1 FROM modlog_tiles WHERE level = NEW.level AND number = NEW.number)
BEGIN SELECT RAISE(FAIL, 'modlog: events are append-only: this place is taken'); END;
CREATE TRIGGER modlog_tiles_update BEFORE UPDATE ON modlog_tiles
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
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
