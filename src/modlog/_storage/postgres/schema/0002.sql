-- What is recorded, for ever. Instants are microseconds since 1970 in UTC; text is
-- sorted by code point, as in SQLite. Made with the ledger's schema as the search path.

CREATE TABLE modlog_meta (
    name text COLLATE "C" PRIMARY KEY,
    value text COLLATE "C" NOT NULL
);

-- A stream is the history of an account, of a sweep, or of something of another program.
-- Its number is the position of its first event.
CREATE TABLE modlog_streams (
    number bigint PRIMARY KEY,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('account', 'sweep', 'foreign')),
    id text COLLATE "C" NOT NULL
);
CREATE UNIQUE INDEX modlog_streams_id ON modlog_streams (kind, id);

-- An act is what one transaction records under one envelope and of one type: who, why, when.
-- Its number is the position of its first event. An act of another program has a type alone.
CREATE TABLE modlog_acts (
    number bigint PRIMARY KEY,
    recorded_at bigint NOT NULL,
    type text COLLATE "C" NOT NULL,
    schema smallint,
    actor_kind text COLLATE "C",
    actor_id text COLLATE "C",
    actor_version text COLLATE "C",
    actor_account_id text COLLATE "C",
    reason text COLLATE "C",
    policy text COLLATE "C",
    batch_id text COLLATE "C",
    confidence double precision,
    correlation_id text COLLATE "C",
    metadata text COLLATE "C"
);
CREATE INDEX modlog_acts_actor ON modlog_acts (actor_id, number);
CREATE INDEX modlog_acts_type ON modlog_acts (type, number);
CREATE INDEX modlog_acts_batch ON modlog_acts (batch_id, number) WHERE batch_id IS NOT NULL;

-- `data` is structure, `personal` what is about a person; `state` is another program's own.
-- `occurred_at` is NULL where it is the instant of recording.
CREATE TABLE modlog_events (
    position bigint PRIMARY KEY,
    act bigint NOT NULL,
    stream bigint NOT NULL,
    version bigint NOT NULL,
    occurred_at bigint,
    data text COLLATE "C",
    personal text COLLATE "C",
    state bytea
);
CREATE UNIQUE INDEX modlog_events_stream ON modlog_events (stream, version);
CREATE INDEX modlog_events_act ON modlog_events (act, position);

-- Which requests were answered, and by which event; or why an import rejected the record.
CREATE TABLE modlog_keys (
    key text COLLATE "C" PRIMARY KEY,
    request bytea NOT NULL,
    position bigint,
    rejection text COLLATE "C",
    CHECK ((position IS NULL) <> (rejection IS NULL))
);

-- By whom and why it was accepted that the ledger goes on although its last instant lies ahead
-- of the clock: at which position, what the instant was, and what the clock said.
CREATE TABLE modlog_clocks (
    position bigint PRIMARY KEY,
    recorded_at bigint NOT NULL,
    clock bigint NOT NULL,
    actor_kind text COLLATE "C" NOT NULL,
    actor_id text COLLATE "C" NOT NULL,
    actor_version text COLLATE "C",
    actor_account_id text COLLATE "C",
    reason text COLLATE "C" NOT NULL
);

-- What a revert was asked to take back: the selection means the events up to that head.
CREATE TABLE modlog_reverts (
    batch_id text COLLATE "C" PRIMARY KEY,
    head bigint NOT NULL,
    selection text COLLATE "C" NOT NULL
);

-- What a sweep is to act on, as it was when the sweep was planned.
CREATE TABLE modlog_sweep_targets (
    sweep bytea NOT NULL,
    account_id text COLLATE "C" NOT NULL,
    status text COLLATE "C",
    protected smallint NOT NULL,
    rule text COLLATE "C",
    PRIMARY KEY (sweep, account_id)
);

-- What became of targets on which a sweep did not act.
CREATE TABLE modlog_sweep_outcomes (
    batch_id text COLLATE "C" NOT NULL,
    account_id text COLLATE "C" NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    rule text COLLATE "C",
    PRIMARY KEY (batch_id, account_id)
);

-- The end of the log. The lock on its one row is the append lock: it makes the order of commits
-- the order of positions.
CREATE TABLE modlog_head (
    position bigint NOT NULL,
    recorded_at bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO modlog_head VALUES (0, 0);

-- One flat row an event, for people who come with SQL.
CREATE VIEW modlog_log AS
SELECT
    e.position,
    CASE WHEN s.kind = 'account' THEN s.id END AS account_id,
    e.version,
    a.type,
    timestamptz 'epoch' + a.recorded_at * interval '1 microsecond' AS recorded_at,
    timestamptz 'epoch' + coalesce(e.occurred_at, a.recorded_at) * interval '1 microsecond'
        AS occurred_at,
    a.actor_kind,
    a.actor_id,
    a.actor_version,
    a.actor_account_id,
    a.reason,
    a.policy,
    a.batch_id,
    a.confidence,
    a.correlation_id,
    a.metadata::jsonb AS metadata,
    coalesce(e.data, '{}')::jsonb || coalesce(e.personal, '{}')::jsonb AS data
FROM modlog_events AS e
JOIN modlog_acts AS a ON a.number = e.act
JOIN modlog_streams AS s ON s.number = e.stream
WHERE s.kind <> 'foreign';

-- Nothing of it is changed or deleted. The triggers fire always, also for a session that replays
-- replication; the privileges are taken from the owner too, who would have to grant them back.

CREATE FUNCTION modlog_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'modlog: events are append-only' USING ERRCODE = 'ML001';
END
$$;

CREATE TRIGGER modlog_streams_change BEFORE UPDATE OR DELETE ON modlog_streams
FOR EACH ROW EXECUTE FUNCTION modlog_append_only();
CREATE TRIGGER modlog_streams_truncate BEFORE TRUNCATE ON modlog_streams
FOR EACH STATEMENT EXECUTE FUNCTION modlog_append_only();
ALTER TABLE modlog_streams ENABLE ALWAYS TRIGGER modlog_streams_change;
ALTER TABLE modlog_streams ENABLE ALWAYS TRIGGER modlog_streams_truncate;
REVOKE UPDATE, DELETE, TRUNCATE ON modlog_streams FROM PUBLIC, CURRENT_USER;

CREATE TRIGGER modlog_acts_change BEFORE UPDATE OR DELETE ON modlog_acts
FOR EACH ROW EXECUTE FUNCTION modlog_append_only();
CREATE TRIGGER modlog_acts_truncate BEFORE TRUNCATE ON modlog_acts
FOR EACH STATEMENT EXECUTE FUNCTION modlog_append_only();
ALTER TABLE modlog_acts ENABLE ALWAYS TRIGGER modlog_acts_change;
ALTER TABLE modlog_acts ENABLE ALWAYS TRIGGER modlog_acts_truncate;
REVOKE UPDATE, DELETE, TRUNCATE ON modlog_acts FROM PUBLIC, CURRENT_USER;

CREATE TRIGGER modlog_events_change BEFORE UPDATE OR DELETE ON modlog_events
FOR EACH ROW EXECUTE FUNCTION modlog_append_only();
CREATE TRIGGER modlog_events_truncate BEFORE TRUNCATE ON modlog_events
FOR EACH STATEMENT EXECUTE FUNCTION modlog_append_only();
ALTER TABLE modlog_events ENABLE ALWAYS TRIGGER modlog_events_change;
ALTER TABLE modlog_events ENABLE ALWAYS TRIGGER modlog_events_truncate;
REVOKE UPDATE, DELETE, TRUNCATE ON modlog_events FROM PUBLIC, CURRENT_USER;

CREATE TRIGGER modlog_keys_change BEFORE UPDATE OR DELETE ON modlog_keys
FOR EACH ROW EXECUTE FUNCTION modlog_append_only();
CREATE TRIGGER modlog_keys_truncate BEFORE TRUNCATE ON modlog_keys
FOR EACH STATEMENT EXECUTE FUNCTION modlog_append_only();
ALTER TABLE modlog_keys ENABLE ALWAYS TRIGGER modlog_keys_change;
ALTER TABLE modlog_keys ENABLE ALWAYS TRIGGER modlog_keys_truncate;
REVOKE UPDATE, DELETE, TRUNCATE ON modlog_keys FROM PUBLIC, CURRENT_USER;

CREATE TRIGGER modlog_reverts_change BEFORE UPDATE OR DELETE ON modlog_reverts
FOR EACH ROW EXECUTE FUNCTION modlog_append_only();
CREATE TRIGGER modlog_reverts_truncate BEFORE TRUNCATE ON modlog_reverts
FOR EACH STATEMENT EXECUTE FUNCTION modlog_append_only();
ALTER TABLE modlog_reverts ENABLE ALWAYS TRIGGER modlog_reverts_change;
ALTER TABLE modlog_reverts ENABLE ALWAYS TRIGGER modlog_reverts_truncate;
REVOKE UPDATE, DELETE, TRUNCATE ON modlog_reverts FROM PUBLIC, CURRENT_USER;

CREATE TRIGGER modlog_sweep_targets_change BEFORE UPDATE OR DELETE ON modlog_sweep_targets
FOR EACH ROW EXECUTE FUNCTION modlog_append_only();
CREATE TRIGGER modlog_sweep_targets_truncate BEFORE TRUNCATE ON modlog_sweep_targets
FOR EACH STATEMENT EXECUTE FUNCTION modlog_append_only();
ALTER TABLE modlog_sweep_targets ENABLE ALWAYS TRIGGER modlog_sweep_targets_change;
ALTER TABLE modlog_sweep_targets ENABLE ALWAYS TRIGGER modlog_sweep_targets_truncate;
REVOKE UPDATE, DELETE, TRUNCATE ON modlog_sweep_targets FROM PUBLIC, CURRENT_USER;

CREATE TRIGGER modlog_sweep_outcomes_change BEFORE UPDATE OR DELETE ON modlog_sweep_outcomes
FOR EACH ROW EXECUTE FUNCTION modlog_append_only();
CREATE TRIGGER modlog_sweep_outcomes_truncate BEFORE TRUNCATE ON modlog_sweep_outcomes
FOR EACH STATEMENT EXECUTE FUNCTION modlog_append_only();
ALTER TABLE modlog_sweep_outcomes ENABLE ALWAYS TRIGGER modlog_sweep_outcomes_change;
ALTER TABLE modlog_sweep_outcomes ENABLE ALWAYS TRIGGER modlog_sweep_outcomes_truncate;
REVOKE UPDATE, DELETE, TRUNCATE ON modlog_sweep_outcomes FROM PUBLIC, CURRENT_USER;

CREATE TRIGGER modlog_clocks_change BEFORE UPDATE OR DELETE ON modlog_clocks
FOR EACH ROW EXECUTE FUNCTION modlog_append_only();
CREATE TRIGGER modlog_clocks_truncate BEFORE TRUNCATE ON modlog_clocks
FOR EACH STATEMENT EXECUTE FUNCTION modlog_append_only();
ALTER TABLE modlog_clocks ENABLE ALWAYS TRIGGER modlog_clocks_change;
ALTER TABLE modlog_clocks ENABLE ALWAYS TRIGGER modlog_clocks_truncate;
REVOKE UPDATE, DELETE, TRUNCATE ON modlog_clocks FROM PUBLIC, CURRENT_USER;
