CREATE SCHEMA modlog_golden;
SET LOCAL search_path TO modlog_golden;
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

-- Events are found by when they occurred, acts by correlation id and by the kind of actor.

CREATE INDEX modlog_acts_correlation ON modlog_acts (correlation_id, number)
WHERE correlation_id IS NOT NULL;
CREATE INDEX modlog_acts_kind ON modlog_acts (actor_kind, number);

-- Events that occurred when they were recorded are a range of the log, and need no index.
CREATE INDEX modlog_events_occurred ON modlog_events (occurred_at) WHERE occurred_at IS NOT NULL;

-- Seals make the log tamper-evident: the tree over its events in tiles, and signed checkpoints.

-- What hides the parts of leaves from those who have only leaves.
CREATE TABLE modlog_secrets (
    name text COLLATE "C" PRIMARY KEY,
    value bytea NOT NULL
);

-- Full tiles only: 256 hashes, and the one above them. Of level 0 they have, beside the hashes of
-- leaves, the beginnings of what each leaf commits to, so that it can be told which part of an event
-- was changed.
CREATE TABLE modlog_tiles (
    level bigint NOT NULL,
    number bigint NOT NULL,
    hashes bytea NOT NULL,
    root bytea NOT NULL,
    parts bytea
);
-- Hashes cannot be compressed, and are read whole.
ALTER TABLE modlog_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;
ALTER TABLE modlog_tiles ALTER COLUMN parts SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX modlog_tiles_place ON modlog_tiles (level, number);

-- What was signed: of how many events, and the note.
CREATE TABLE modlog_checkpoints (
    size bigint PRIMARY KEY,
    note text COLLATE "C" NOT NULL
);

CREATE TRIGGER modlog_secrets_change BEFORE UPDATE OR DELETE ON modlog_secrets
FOR EACH ROW EXECUTE FUNCTION modlog_append_only();
CREATE TRIGGER modlog_secrets_truncate BEFORE TRUNCATE ON modlog_secrets
FOR EACH STATEMENT EXECUTE FUNCTION modlog_append_only();
ALTER TABLE modlog_secrets ENABLE ALWAYS TRIGGER modlog_secrets_change;
ALTER TABLE modlog_secrets ENABLE ALWAYS TRIGGER modlog_secrets_truncate;
REVOKE UPDATE, DELETE, TRUNCATE ON modlog_secrets FROM PUBLIC, CURRENT_USER;

CREATE TRIGGER modlog_tiles_change BEFORE UPDATE OR DELETE ON modlog_tiles
FOR EACH ROW EXECUTE FUNCTION modlog_append_only();
CREATE TRIGGER modlog_tiles_truncate BEFORE TRUNCATE ON modlog_tiles
FOR EACH STATEMENT EXECUTE FUNCTION modlog_append_only();
ALTER TABLE modlog_tiles ENABLE ALWAYS TRIGGER modlog_tiles_change;
ALTER TABLE modlog_tiles ENABLE ALWAYS TRIGGER modlog_tiles_truncate;
REVOKE UPDATE, DELETE, TRUNCATE ON modlog_tiles FROM PUBLIC, CURRENT_USER;

CREATE TRIGGER modlog_checkpoints_change BEFORE UPDATE OR DELETE ON modlog_checkpoints
FOR EACH ROW EXECUTE FUNCTION modlog_append_only();
CREATE TRIGGER modlog_checkpoints_truncate BEFORE TRUNCATE ON modlog_checkpoints
FOR EACH STATEMENT EXECUTE FUNCTION modlog_append_only();
ALTER TABLE modlog_checkpoints ENABLE ALWAYS TRIGGER modlog_checkpoints_change;
ALTER TABLE modlog_checkpoints ENABLE ALWAYS TRIGGER modlog_checkpoints_truncate;
REVOKE UPDATE, DELETE, TRUNCATE ON modlog_checkpoints FROM PUBLIC, CURRENT_USER;

-- The current state and the recorded past, made from the events: may be dropped and made anew.

-- An account's newest version, the greatest `occurred_at` of its events, and its profile.
-- `in_order`: its first event creates it, and none occurred earlier than one before it.
CREATE TABLE modlog_accounts (
    stream bigint PRIMARY KEY,
    version bigint NOT NULL,
    latest bigint NOT NULL,
    in_order smallint NOT NULL,
    profile text COLLATE "C" NOT NULL
);

-- Each stay of a facet in the state of an account: under the version of what caused it, from
-- the position that opened it to the one that closed it, if one has; with their `occurred_at`.
-- `since` is when its cause occurred; `opened_at` is NULL where that is what opened it.
-- facet: 1 existence, 2 flag, 3 protection, 4 suspension, 5 deletion, 6 erasure.
CREATE TABLE modlog_spans (
    stream bigint NOT NULL,
    version bigint NOT NULL,
    opened bigint NOT NULL,
    facet smallint NOT NULL,
    since bigint NOT NULL,
    until bigint,
    label text COLLATE "C",
    opened_at bigint,
    closed bigint,
    closed_at bigint,
    PRIMARY KEY (stream, version, opened)
);
CREATE INDEX modlog_spans_open ON modlog_spans (facet, stream) WHERE closed IS NULL;
CREATE INDEX modlog_spans_label ON modlog_spans (label, stream)
WHERE closed IS NULL AND label IS NOT NULL;

-- One event of one account, in a single call: lock, check, write.
--
-- The caller has read the account and decided without the lock; the call fails with ML002 if
-- somebody else changed the account since. Inside a transaction whose instant is settled already,
-- and which has the head's lock, _fixed is that instant, and _act the act if it is there.
--
-- Commands queue for an advisory lock of this ledger before they take the head: its release
-- wakes one of them, in order. Those who queue for a row are woken twice, and look anew for
-- its newest version; four writers together are up to an eighth slower so.
CREATE OR REPLACE FUNCTION modlog_record(
    _now bigint, _fixed bigint, _account text, _stream bigint, _version bigint,
    _in_order smallint, _profile text, _facet smallint, _until bigint, _label text,
    _ended bigint[], _act bigint, _occurred bigint, _schema smallint, _type text,
    _actor_kind text, _actor_id text, _actor_version text, _actor_account text, _reason text,
    _policy text, _batch text, _confidence double precision, _correlation text,
    _metadata text, _data text, _personal text, _key text, _request bytea,
    OUT _position bigint, OUT _recorded bigint
) LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    _at bigint;
BEGIN
    IF _fixed IS NULL THEN
        PERFORM pg_advisory_xact_lock(120325193625447 # 'modlog_head'::regclass::oid::bigint);
    END IF;
    UPDATE modlog_head SET position = position + 1,
        recorded_at = coalesce(_fixed, greatest(_now, recorded_at + 1))
        RETURNING position, recorded_at INTO _position, _recorded;
    IF _fixed IS NULL AND _recorded > _now + 300000001 THEN
        -- Whether somebody has accepted that, which no command asks whose clock is right.
        PERFORM 1 FROM modlog_clocks AS c WHERE c.position <= _position
            AND _recorded <= c.recorded_at + (_position - c.position);
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the clock is more than five minutes behind the ledger'
                USING ERRCODE = 'ML003';
        END IF;
    END IF;
    _at := coalesce(_occurred, _recorded);
    IF _stream IS NULL THEN
        _stream := _position;
        INSERT INTO modlog_streams VALUES (_stream, 'account', _account) ON CONFLICT DO NOTHING;
        IF FOUND THEN
            INSERT INTO modlog_accounts
                VALUES (_stream, 1, _at, _in_order, coalesce(_profile, '{}'));
        END IF;
    ELSE
        UPDATE modlog_accounts SET version = _version, latest = greatest(latest, _at),
            in_order = CASE WHEN latest > _at THEN 0 ELSE in_order END, profile = coalesce(_profile, profile)
            WHERE stream = _stream AND version = _version - 1;
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'another writer changed the account' USING ERRCODE = 'ML002';
    END IF;
    IF _act IS NULL THEN
        _act := _position;
        INSERT INTO modlog_acts VALUES (_act, _recorded, _type, _schema, _actor_kind, _actor_id,
            _actor_version, _actor_account, _reason, _policy, _batch, _confidence, _correlation,
            _metadata);
    END IF;
    INSERT INTO modlog_events
        VALUES (_position, _act, _stream, _version, _occurred, _data, _personal);
    IF _ended IS NOT NULL THEN
        UPDATE modlog_spans SET closed = _position, closed_at = _at
            WHERE stream = _stream AND version = ANY (_ended) AND closed IS NULL;
    END IF;
    IF _facet IS NOT NULL THEN
        INSERT INTO modlog_spans
            VALUES (_stream, _version, _position, _facet, _at, _until, _label);
    END IF;
    IF _key IS NOT NULL THEN
        INSERT INTO modlog_keys (key, request, position) VALUES (_key, _request, _position);
    END IF;
END
$$;

DELETE FROM modlog_head;
INSERT INTO modlog_meta VALUES ('ledger', '8aa01b62dd5e4a17a598ac609c621d5d');
INSERT INTO modlog_meta VALUES ('schema', '4');
INSERT INTO modlog_streams VALUES (1, 'account', '110018');
INSERT INTO modlog_streams VALUES (6, 'account', '2');
INSERT INTO modlog_streams VALUES (7, 'account', '3');
INSERT INTO modlog_streams VALUES (8, 'account', '4');
INSERT INTO modlog_streams VALUES (9, 'account', '5');
INSERT INTO modlog_streams VALUES (10, 'account', '6');
INSERT INTO modlog_streams VALUES (21, 'foreign', 'order-1');
INSERT INTO modlog_streams VALUES (22, 'account', 'old-1');
INSERT INTO modlog_streams VALUES (23, 'account', 'old-2');
INSERT INTO modlog_streams VALUES (27, 'account', 'old-3');
INSERT INTO modlog_streams VALUES (30, 'sweep', 'march');
INSERT INTO modlog_streams VALUES (38, 'sweep', 'april');
INSERT INTO modlog_streams VALUES (40, 'account', 'of-eve');
INSERT INTO modlog_streams VALUES (50, 'sweep', 'waits');
INSERT INTO modlog_streams VALUES (56, 'sweep', 'may');
INSERT INTO modlog_acts VALUES (1, 1769859840000000, 'account.created', 1, 'human', 'wan', NULL, '1', 'clean-up', 'illegal-content', 'b1', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (2, 1769859840000001, 'profile.changed', 1, 'human', 'wan', NULL, '1', 'clean-up', 'illegal-content', 'b1', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (3, 1769859840000002, 'account.flagged', 1, 'human', 'wan', NULL, '1', 'clean-up', 'illegal-content', 'b1', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (4, 1769859840000003, 'account.flagged', 1, 'human', 'wan', NULL, '1', 'clean-up', 'illegal-content', 'b1', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (5, 1769859840000004, 'flags.cleared', 1, 'human', 'wan', NULL, '1', 'clean-up', 'illegal-content', 'b1', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (6, 1769859840000005, 'account.created', 1, 'system', 'registration', NULL, NULL, 'clean-up', 'illegal-content', 'b1', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (7, 1769859840000006, 'account.created', 1, 'system', 'registration', NULL, NULL, 'clean-up', 'illegal-content', 'b1', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (8, 1769859840000007, 'account.created', 1, 'system', 'registration', NULL, NULL, 'clean-up', 'illegal-content', 'b1', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (9, 1769859840000008, 'account.created', 1, 'system', 'registration', NULL, NULL, 'clean-up', 'illegal-content', 'b1', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (10, 1769859840000009, 'account.created', 1, 'system', 'registration', NULL, NULL, 'clean-up', 'illegal-content', 'b1', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (11, 1769859840000010, 'account.protected', 1, 'model', 'm', '2026-01', NULL, 'clean-up', 'illegal-content', 'b1', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (12, 1769859840000011, 'account.unprotected', 1, 'human', 'wan', NULL, '1', 'clean-up', 'illegal-content', 'b1', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (13, 1769859840000012, 'account.protected', 1, 'human', 'wan', NULL, '1', 'clean-up', 'illegal-content', 'b1', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (14, 1769859840000013, 'account.suspended', 1, 'human', 'wan', NULL, '1', 'clean-up', 'illegal-content', 'b1', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (15, 1769859840000014, 'account.restored', 1, 'human', 'wan', NULL, '1', 'clean-up', 'illegal-content', 'b1', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (16, 1769859840000015, 'account.suspended', 1, 'human', 'wan', NULL, '1', 'clean-up', 'illegal-content', 'b1', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (17, 1769859840000016, 'account.noted', 1, 'human', 'wan', NULL, '1', 'clean-up', 'illegal-content', 'b1', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (18, 1769859900000000, 'account.deleted', 1, 'human', 'wan', NULL, '1', 'illegal content', 'illegal-content', NULL, 0.75, 'ticket-7', NULL);
INSERT INTO modlog_acts VALUES (19, 1769859900000001, 'account.noted', 1, 'human', 'mei', NULL, NULL, 'two at once', NULL, NULL, NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (21, 1769859900000002, 'shop:Ordered', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (22, 1769859960000000, 'account.created', 1, 'bot', 'b', NULL, NULL, 'imported with import-reject', NULL, 'import-reject', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (23, 1769859960000000, 'account.created', 1, 'system', 'import', NULL, NULL, 'first seen in a record imported with import-reject', NULL, 'import-reject', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (24, 1769859960000000, 'account.suspended', 1, 'bot', 'b', NULL, NULL, 'spam', NULL, 'import-reject', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (25, 1769859960000000, 'account.flagged', 1, 'bot', 'b', NULL, NULL, 'imported with import-reject', NULL, 'import-reject', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (26, 1769859960000000, 'account.noted', 1, 'bot', 'b', NULL, NULL, 'imported with import-reject', 'p', 'of-its-own', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (27, 1769859960000001, 'account.created', 1, 'system', 'import', NULL, NULL, 'first seen in a record imported with import-reject', NULL, 'import-reject', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (28, 1769859960000001, 'account.deleted', 1, 'bot', 'b', NULL, NULL, 'imported with import-reject', NULL, 'import-reject', 0.5, NULL, NULL);
INSERT INTO modlog_acts VALUES (29, 1769859960000002, 'account.noted', 1, 'bot', 'b', NULL, NULL, 'imported with import-note', 'p', 'of-its-own', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (30, 1769859960000003, 'sweep.planned', 1, 'human', 'wan', NULL, '1', 'illegal content', 'illegal-content', 'march', 0.5, NULL, NULL);
INSERT INTO modlog_acts VALUES (31, 1769859960000004, 'sweep.approved', 1, 'human', 'mei', NULL, NULL, NULL, NULL, 'march', NULL, 'ticket-9', NULL);
INSERT INTO modlog_acts VALUES (32, 1769860020000000, 'account.deleted', 1, 'human', 'wan', NULL, '1', 'illegal content', 'illegal-content', 'march', 0.5, NULL, NULL);
INSERT INTO modlog_acts VALUES (36, 1769860020000000, 'sweep.progressed', 1, 'bot', 'sweeper', '2', NULL, 'illegal content', 'illegal-content', 'march', 0.5, NULL, NULL);
INSERT INTO modlog_acts VALUES (37, 1769860020000000, 'sweep.completed', 1, 'bot', 'sweeper', '2', NULL, 'illegal content', 'illegal-content', 'march', 0.5, NULL, NULL);
INSERT INTO modlog_acts VALUES (38, 1769860020000001, 'sweep.planned', 1, 'human', 'wan', NULL, '1', 'illegal content', 'illegal-content', 'april', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (39, 1769860020000002, 'sweep.rejected', 1, 'human', 'mei', NULL, NULL, 'not all of them', NULL, 'april', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (40, 1769860020000003, 'account.created', 1, 'human', 'mei', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (41, 1769860020000004, 'account.suspended', 1, 'human', 'mei', NULL, NULL, 'spam', NULL, NULL, NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (42, 1769860020000005, 'action.refused', 1, 'human', 'eve', NULL, 'of-eve', 'revenge', NULL, 'of-eves', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (43, 1769860080000000, 'events.reverted', 1, 'human', 'mei', NULL, NULL, 'a mistake', NULL, 'back', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (47, 1769860080000001, 'events.reverted', 1, 'human', 'wan', NULL, '1', 'illegal content', 'illegal-content', 'again', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (48, 1769860080000002, 'events.reverted', 1, 'human', 'wan', NULL, '1', 'illegal content', 'illegal-content', 'forth', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (49, 1769860080000003, 'account.erased', 1, 'human', 'wan', NULL, '1', 'asked for', NULL, NULL, NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (50, 1769860080000004, 'sweep.planned', 1, 'human', 'wan', NULL, '1', 'illegal content', 'illegal-content', 'waits', NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (51, 1769860080000005, 'account.noted', 1, 'human', 'mei', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO modlog_acts VALUES (52, 1769860080000006, 'account.noted', 1, 'human', 'wan', NULL, '1', 'illegal content', 'illegal-content', NULL, NULL, 'ticket-10',  E'{"":{"agent":{"name":"x"},"b":"","z":-0.0},"a":[1,1.0,0.1,true,null,{},9007199254740991,5e-324],"ü":"雷军 \\"\\\\\\n☎"}');
INSERT INTO modlog_acts VALUES (53, 1769860080000007, 'account.noted', 1, 'human', 'wan', NULL, '1', 'illegal content', 'illegal-content', NULL, NULL, NULL,  E'{"":{"agent":{"name":"x"},"b":"","z":-0.0},"a":[1,1.0,0.1,true,null,{},9007199254740991,5e-324],"ü":"雷军 \\"\\\\\\n☎"}');
INSERT INTO modlog_acts VALUES (55, 1769860080000007, 'account.noted', 1, 'human', 'wan', NULL, '1', 'illegal content', 'illegal-content', NULL, NULL, NULL, '{"ip":null}');
INSERT INTO modlog_acts VALUES (56, 1769860080000008, 'sweep.planned', 1, 'human', 'wan', NULL, '1', 'illegal content', 'illegal-content', 'may', NULL, NULL,  E'{"":{"agent":{"name":"x"},"b":"","z":-0.0},"a":[1,1.0,0.1,true,null,{},9007199254740991,5e-324],"ü":"雷军 \\"\\\\\\n☎"}');
INSERT INTO modlog_acts VALUES (57, 1769860080000009, 'account.flagged', 1, 'human', 'wan', NULL, '1', 'illegal content', 'illegal-content', 'may', NULL, NULL,  E'{"":{"agent":{"name":"x"},"b":"","z":-0.0},"a":[1,1.0,0.1,true,null,{},9007199254740991,5e-324],"ü":"雷军 \\"\\\\\\n☎"}');
INSERT INTO modlog_acts VALUES (58, 1769860080000009, 'sweep.progressed', 1, 'human', 'wan', NULL, '1', 'illegal content', 'illegal-content', 'may', NULL, NULL,  E'{"":{"agent":{"name":"x"},"b":"","z":-0.0},"a":[1,1.0,0.1,true,null,{},9007199254740991,5e-324],"ü":"雷军 \\"\\\\\\n☎"}');
INSERT INTO modlog_acts VALUES (59, 1769860080000009, 'sweep.completed', 1, 'human', 'wan', NULL, '1', 'illegal content', 'illegal-content', 'may', NULL, NULL,  E'{"":{"agent":{"name":"x"},"b":"","z":-0.0},"a":[1,1.0,0.1,true,null,{},9007199254740991,5e-324],"ü":"雷军 \\"\\\\\\n☎"}');
INSERT INTO modlog_acts VALUES (60, 1769860080000010, 'events.reverted', 1, 'human', 'wan', NULL, '1', 'illegal content', 'illegal-content', 'not-may', NULL, NULL,  E'{"":{"agent":{"name":"x"},"b":"","z":-0.0},"a":[1,1.0,0.1,true,null,{},9007199254740991,5e-324],"ü":"雷军 \\"\\\\\\n☎"}');
INSERT INTO modlog_acts VALUES (61, 1769860080000011, 'account.noted', 1, 'human', 'wan', NULL, '1', 'imported with import-3', NULL, 'import-3', NULL, NULL,  E'{"":{"agent":{"name":"x"},"b":"","z":-0.0},"a":[1,1.0,0.1,true,null,{},9007199254740991,5e-324],"ü":"雷军 \\"\\\\\\n☎"}');
INSERT INTO modlog_acts VALUES (62, 1769860080000012, 'account.noted', 1, 'human', 'mei', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO modlog_events VALUES (1, 1, 1, 1, NULL, NULL, '{"profile":{"nickname":"Lei Jun","tags":["ü",1,0.5,null]}}', NULL);
INSERT INTO modlog_events VALUES (2, 2, 1, 2, NULL, NULL, '{"changes":{"nickname":"Lei","tags":null}}', NULL);
INSERT INTO modlog_events VALUES (3, 3, 1, 3, NULL, '{"label":"spam","score":0.9}', NULL, NULL);
INSERT INTO modlog_events VALUES (4, 4, 1, 4, NULL, '{"label":"nudity","score":null}', NULL, NULL);
INSERT INTO modlog_events VALUES (5, 5, 1, 5, NULL, '{"flags":[3]}', NULL, NULL);
INSERT INTO modlog_events VALUES (6, 6, 6, 1, NULL, NULL, '{"profile":{"nickname":"2"}}', NULL);
INSERT INTO modlog_events VALUES (7, 7, 7, 1, NULL, NULL, '{"profile":{"nickname":"3"}}', NULL);
INSERT INTO modlog_events VALUES (8, 8, 8, 1, NULL, NULL, '{"profile":{"nickname":"4"}}', NULL);
INSERT INTO modlog_events VALUES (9, 9, 9, 1, NULL, NULL, '{"profile":{"nickname":"5"}}', NULL);
INSERT INTO modlog_events VALUES (10, 10, 10, 1, NULL, NULL, '{"profile":{"nickname":"6"}}', NULL);
INSERT INTO modlog_events VALUES (11, 11, 6, 2, NULL, NULL, NULL, NULL);
INSERT INTO modlog_events VALUES (12, 12, 6, 3, NULL, NULL, NULL, NULL);
INSERT INTO modlog_events VALUES (13, 13, 9, 2, NULL, NULL, NULL, NULL);
INSERT INTO modlog_events VALUES (14, 14, 7, 2, NULL, '{"until":"2026-03-02T11:44:00.000000Z"}', NULL, NULL);
INSERT INTO modlog_events VALUES (15, 15, 7, 3, NULL, '{"lifts":[2]}', NULL, NULL);
INSERT INTO modlog_events VALUES (16, 16, 7, 4, 1735299840000000, '{"until":null}', NULL, NULL);
INSERT INTO modlog_events VALUES (17, 17, 7, 5, NULL, NULL,  E'{"text":"called support\\n☎"}', NULL);
INSERT INTO modlog_events VALUES (18, 18, 1, 6, NULL, NULL, NULL, NULL);
INSERT INTO modlog_events VALUES (19, 19, 6, 4, NULL, NULL, '{"text":"one"}', NULL);
INSERT INTO modlog_events VALUES (20, 19, 6, 5, NULL, NULL, '{"text":"two"}', NULL);
INSERT INTO modlog_events VALUES (21, 21, 21, 1, NULL, NULL, NULL, '\x00ff'::bytea);
INSERT INTO modlog_events VALUES (22, 22, 22, 1, 1735299840000000, NULL, '{"profile":{"nickname":"ü"}}', NULL);
INSERT INTO modlog_events VALUES (23, 23, 23, 1, 1735386240000000, NULL, '{"profile":{}}', NULL);
INSERT INTO modlog_events VALUES (24, 24, 23, 2, 1735386240000000, '{"until":"2026-01-31T11:44:00.000000Z"}', NULL, NULL);
INSERT INTO modlog_events VALUES (25, 25, 23, 3, 1733571840000000, '{"label":"spam","score":null}', NULL, NULL);
INSERT INTO modlog_events VALUES (26, 26, 22, 2, 1735559040000000, NULL, '{"text":"☎"}', NULL);
INSERT INTO modlog_events VALUES (27, 27, 27, 1, 1735731840000000, NULL, '{"profile":{}}', NULL);
INSERT INTO modlog_events VALUES (28, 28, 27, 2, 1735731840000000, NULL, NULL, NULL);
INSERT INTO modlog_events VALUES (29, 29, 22, 3, 1735559040000000, NULL, '{"text":"☎"}', NULL);
INSERT INTO modlog_events VALUES (30, 30, 30, 1, 1769859960000002, '{"action":"delete","arguments":{},"digest":"05882373882208df62ade321ecc45a0ecfd5a983cc26d492617d01f871a6e049","guardrails":{"deletions_per_hour":10000,"enabled":true,"restored_days":30,"rules":[],"sweep_share":1.0,"sweep_size":3},"needs_approval":true,"size":6}', NULL, NULL);
INSERT INTO modlog_events VALUES (31, 31, 30, 2, NULL, '{"digest":"05882373882208df62ade321ecc45a0ecfd5a983cc26d492617d01f871a6e049"}', NULL, NULL);
INSERT INTO modlog_events VALUES (32, 32, 1, 7, NULL, NULL, NULL, NULL);
INSERT INTO modlog_events VALUES (33, 32, 6, 6, NULL, NULL, NULL, NULL);
INSERT INTO modlog_events VALUES (34, 32, 7, 6, NULL, NULL, NULL, NULL);
INSERT INTO modlog_events VALUES (35, 32, 8, 2, NULL, NULL, NULL, NULL);
INSERT INTO modlog_events VALUES (36, 36, 30, 3, NULL, '{"last":"nobody","outcomes":{"done":4,"refused":1,"unknown":1},"through":6}', NULL, NULL);
INSERT INTO modlog_events VALUES (37, 37, 30, 4, NULL, '{"outcomes":{"done":4,"refused":1,"unknown":1}}', NULL, NULL);
INSERT INTO modlog_events VALUES (38, 38, 38, 1, 1769860020000000, '{"action":"suspend","arguments":{"until":"2026-05-01T11:44:00.000000Z"},"digest":"0541a52e2e26e7fca91dd3ef1131ba8a72df0225cae4a6d9308bd38fbc03621f","guardrails":{"deletions_per_hour":10000,"enabled":true,"restored_days":30,"rules":[],"sweep_share":1.0,"sweep_size":3},"needs_approval":true,"size":6}', NULL, NULL);
INSERT INTO modlog_events VALUES (39, 39, 38, 2, NULL, '{"digest":"0541a52e2e26e7fca91dd3ef1131ba8a72df0225cae4a6d9308bd38fbc03621f"}', NULL, NULL);
INSERT INTO modlog_events VALUES (40, 40, 40, 1, NULL, NULL, '{"profile":{}}', NULL);
INSERT INTO modlog_events VALUES (41, 41, 40, 2, NULL, '{"until":null}', NULL, NULL);
INSERT INTO modlog_events VALUES (42, 42, 40, 3, NULL, '{"action":"plan_sweep","rule":"sanctioned-actor"}', NULL, NULL);
INSERT INTO modlog_events VALUES (43, 43, 1, 8, NULL, '{"targets":[7]}', NULL, NULL);
INSERT INTO modlog_events VALUES (44, 43, 6, 7, NULL, '{"targets":[6]}', NULL, NULL);
INSERT INTO modlog_events VALUES (45, 43, 7, 7, NULL, '{"targets":[6]}', NULL, NULL);
INSERT INTO modlog_events VALUES (46, 43, 8, 3, NULL, '{"targets":[2]}', NULL, NULL);
INSERT INTO modlog_events VALUES (47, 47, 7, 8, NULL, '{"targets":[6]}', NULL, NULL);
INSERT INTO modlog_events VALUES (48, 48, 7, 9, NULL, '{"targets":[8]}', NULL, NULL);
INSERT INTO modlog_events VALUES (49, 49, 10, 2, NULL, NULL, NULL, NULL);
INSERT INTO modlog_events VALUES (50, 50, 50, 1, 1769860080000003, '{"action":"flag","arguments":{"label":"x","score":null},"digest":"e403f84a7b70651891fdce4116a868700ce07f99df5d3a52083e4f6c72be8c60","guardrails":{"deletions_per_hour":10000,"enabled":true,"restored_days":30,"rules":[],"sweep_share":1.0,"sweep_size":3},"needs_approval":false,"size":1}', NULL, NULL);
INSERT INTO modlog_events VALUES (51, 51, 8, 4, NULL, NULL, '{"text":"the clock was wrong"}', NULL);
INSERT INTO modlog_events VALUES (52, 52, 8, 5, NULL, NULL, '{"text":"x"}', NULL);
INSERT INTO modlog_events VALUES (53, 53, 8, 6, NULL, NULL, '{"text":"one"}', NULL);
INSERT INTO modlog_events VALUES (54, 53, 9, 3, NULL, NULL, '{"text":"the same act"}', NULL);
INSERT INTO modlog_events VALUES (55, 55, 9, 4, NULL, NULL, '{"text":"another"}', NULL);
INSERT INTO modlog_events VALUES (56, 56, 56, 1, 1769860080000007, '{"action":"flag","arguments":{"label":"y","score":null},"digest":"f1050a43755a9bf05e94eaa975ba5a9d83e40e95e9343526749ae7418edd51d2","guardrails":{"deletions_per_hour":10000,"enabled":true,"restored_days":30,"rules":[],"sweep_share":1.0,"sweep_size":3},"needs_approval":false,"size":1}', NULL, NULL);
INSERT INTO modlog_events VALUES (57, 57, 8, 7, NULL, '{"label":"y","score":null}', NULL, NULL);
INSERT INTO modlog_events VALUES (58, 58, 56, 2, NULL, '{"last":"4","outcomes":{"done":1},"through":1}', NULL, NULL);
INSERT INTO modlog_events VALUES (59, 59, 56, 3, NULL, '{"outcomes":{"done":1}}', NULL, NULL);
INSERT INTO modlog_events VALUES (60, 60, 8, 8, NULL, '{"targets":[7]}', NULL, NULL);
INSERT INTO modlog_events VALUES (61, 61, 22, 4, 1769773440000000, NULL, '{"text":"x"}', NULL);
INSERT INTO modlog_events VALUES (62, 62, 8, 9, NULL, NULL, '{"text":"in no checkpoint yet"}', NULL);
INSERT INTO modlog_keys VALUES ('#5aa7fbbf37986bb2a5d547c0d3c4d4326a24d786e7d57bf93fc784176e38b33d', '\xd99cb8173e12c7c63031381fbe319334'::bytea, 28, NULL);
INSERT INTO modlog_keys VALUES ('=k1', '\x5bc45c271da31c776208ba06d135adff'::bytea, 18, NULL);
INSERT INTO modlog_keys VALUES ('=k3', '\x61fd99d00788917f0890157896bc669a'::bytea, 52, NULL);
INSERT INTO modlog_keys VALUES ('=r1', '\x33da812d328e3089da0b9028664ab4df'::bytea, 22, NULL);
INSERT INTO modlog_keys VALUES ('=r2', '\x68ef50ff92a82fe2dd0aa0a79119c6ee'::bytea, 24, NULL);
INSERT INTO modlog_keys VALUES ('=r3', '\xbbe4828adcd5c200decfb97bc0c65372'::bytea, 25, NULL);
INSERT INTO modlog_keys VALUES ('=r4', '\xcf84bf1215d5c7cbc8177b2a231ecbbb'::bytea, NULL, 'account ''old-1'' has no sanction in force at 2024-12-31T11:44:00.000000Z: there is nothing to lift');
INSERT INTO modlog_keys VALUES ('=r9', '\xf298f4dfbdbe5e078327187bdd1d05fe'::bytea, 61, NULL);
INSERT INTO modlog_clocks VALUES (50, 1769860080000004, 1769859480000000, 'human', 'mei', NULL, NULL, 'it was set back');
INSERT INTO modlog_reverts VALUES ('again', 46, '{"account_id":["3"],"type":["account.deleted"]}');
INSERT INTO modlog_reverts VALUES ('back', 42, '{"batch_id":["march"]}');
INSERT INTO modlog_reverts VALUES ('forth', 47, '{"batch_id":["again"]}');
INSERT INTO modlog_reverts VALUES ('not-may', 59, '{"batch_id":["may"]}');
INSERT INTO modlog_sweep_targets VALUES ('\x41e3d14b100b47865a656d642f490537'::bytea, '4', 'active', 0, NULL);
INSERT INTO modlog_sweep_targets VALUES ('\x8191dcdba8a868c77e443f6ffe63b0bf'::bytea, '4', 'active', 0, NULL);
INSERT INTO modlog_sweep_targets VALUES ('\xcc09ce694d367e702a2fdf940be779d1'::bytea, '110018', 'deleted', 0, NULL);
INSERT INTO modlog_sweep_targets VALUES ('\xcc09ce694d367e702a2fdf940be779d1'::bytea, '2', 'deleted', 0, NULL);
INSERT INTO modlog_sweep_targets VALUES ('\xcc09ce694d367e702a2fdf940be779d1'::bytea, '3', 'deleted', 0, NULL);
INSERT INTO modlog_sweep_targets VALUES ('\xcc09ce694d367e702a2fdf940be779d1'::bytea, '4', 'deleted', 0, NULL);
INSERT INTO modlog_sweep_targets VALUES ('\xcc09ce694d367e702a2fdf940be779d1'::bytea, '5', 'active', 1, 'protected-account');
INSERT INTO modlog_sweep_targets VALUES ('\xcc09ce694d367e702a2fdf940be779d1'::bytea, 'nobody', NULL, 0, NULL);
INSERT INTO modlog_sweep_targets VALUES ('\xd58ad903d8b8ff0c27b82a420454dc8f'::bytea, '110018', 'deleted', 0, NULL);
INSERT INTO modlog_sweep_targets VALUES ('\xd58ad903d8b8ff0c27b82a420454dc8f'::bytea, '2', 'active', 0, NULL);
INSERT INTO modlog_sweep_targets VALUES ('\xd58ad903d8b8ff0c27b82a420454dc8f'::bytea, '3', 'suspended', 0, NULL);
INSERT INTO modlog_sweep_targets VALUES ('\xd58ad903d8b8ff0c27b82a420454dc8f'::bytea, '4', 'active', 0, NULL);
INSERT INTO modlog_sweep_targets VALUES ('\xd58ad903d8b8ff0c27b82a420454dc8f'::bytea, '5', 'active', 1, 'protected-account');
INSERT INTO modlog_sweep_targets VALUES ('\xd58ad903d8b8ff0c27b82a420454dc8f'::bytea, 'nobody', NULL, 0, NULL);
INSERT INTO modlog_sweep_outcomes VALUES ('march', '5', 'refused', 'protected-account');
INSERT INTO modlog_sweep_outcomes VALUES ('march', 'nobody', 'unknown', NULL);
INSERT INTO modlog_head VALUES (62, 1769860080000012);
INSERT INTO modlog_secrets VALUES ('salts', '\xe7d6c0468d7a13ef0df7ec2a0271d80faad41efbfd28e572ac15000a5f2ce44a'::bytea);
INSERT INTO modlog_checkpoints VALUES (61, 'example.com/golden
61
R8Zjn2BKyU5ZuQNxCNUsVdCuFI8uBUNN/WgE98ZhgbI=

— example.com/golden BxcCcLhYeHrvJoZVoZxjy6/qH/TUNICU2fKHRv5jH8z91f8MonaOsAD6BILXuS94Hlx/fh+qyJ+UIeDdxeADM6u7bwI=
');
INSERT INTO modlog_accounts VALUES (1, 8, 1769860080000000, 1, '{"nickname":"Lei"}');
INSERT INTO modlog_accounts VALUES (6, 7, 1769860080000000, 1, '{"nickname":"2"}');
INSERT INTO modlog_accounts VALUES (7, 9, 1769860080000002, 0, '{"nickname":"3"}');
INSERT INTO modlog_accounts VALUES (8, 9, 1769860080000012, 1, '{"nickname":"4"}');
INSERT INTO modlog_accounts VALUES (9, 4, 1769860080000007, 1, '{"nickname":"5"}');
INSERT INTO modlog_accounts VALUES (10, 2, 1769860080000003, 1, '{}');
INSERT INTO modlog_accounts VALUES (22, 4, 1769773440000000, 1, '{"nickname":"ü"}');
INSERT INTO modlog_accounts VALUES (23, 3, 1735386240000000, 0, '{}');
INSERT INTO modlog_accounts VALUES (27, 2, 1735731840000000, 1, '{}');
INSERT INTO modlog_accounts VALUES (40, 3, 1769860020000005, 1, '{}');
INSERT INTO modlog_spans VALUES (1, 1, 1, 1, 1769859840000000, NULL, NULL, NULL, NULL, NULL);
INSERT INTO modlog_spans VALUES (1, 3, 3, 2, 1769859840000002, NULL, 'spam', NULL, 5, 1769859840000004);
INSERT INTO modlog_spans VALUES (1, 4, 4, 2, 1769859840000003, NULL, 'nudity', NULL, NULL, NULL);
INSERT INTO modlog_spans VALUES (1, 6, 18, 5, 1769859900000000, NULL, NULL, NULL, NULL, NULL);
INSERT INTO modlog_spans VALUES (1, 7, 32, 5, 1769860020000000, NULL, NULL, NULL, 43, 1769860080000000);
INSERT INTO modlog_spans VALUES (6, 1, 6, 1, 1769859840000005, NULL, NULL, NULL, NULL, NULL);
INSERT INTO modlog_spans VALUES (6, 2, 11, 3, 1769859840000010, NULL, NULL, NULL, 12, 1769859840000011);
INSERT INTO modlog_spans VALUES (6, 6, 33, 5, 1769860020000000, NULL, NULL, NULL, 44, 1769860080000000);
INSERT INTO modlog_spans VALUES (7, 1, 7, 1, 1769859840000006, NULL, NULL, NULL, NULL, NULL);
INSERT INTO modlog_spans VALUES (7, 2, 14, 4, 1769859840000013, 1772451840000000, NULL, NULL, 15, 1769859840000014);
INSERT INTO modlog_spans VALUES (7, 4, 16, 4, 1735299840000000, NULL, NULL, NULL, NULL, NULL);
INSERT INTO modlog_spans VALUES (7, 6, 34, 5, 1769860020000000, NULL, NULL, NULL, 45, 1769860080000000);
INSERT INTO modlog_spans VALUES (8, 1, 8, 1, 1769859840000007, NULL, NULL, NULL, NULL, NULL);
INSERT INTO modlog_spans VALUES (8, 2, 35, 5, 1769860020000000, NULL, NULL, NULL, 46, 1769860080000000);
INSERT INTO modlog_spans VALUES (8, 7, 57, 2, 1769860080000009, NULL, 'y', NULL, 60, 1769860080000010);
INSERT INTO modlog_spans VALUES (9, 1, 9, 1, 1769859840000008, NULL, NULL, NULL, NULL, NULL);
INSERT INTO modlog_spans VALUES (9, 2, 13, 3, 1769859840000012, NULL, NULL, NULL, NULL, NULL);
INSERT INTO modlog_spans VALUES (10, 1, 10, 1, 1769859840000009, NULL, NULL, NULL, 49, 1769860080000003);
INSERT INTO modlog_spans VALUES (10, 2, 49, 6, 1769860080000003, NULL, NULL, NULL, NULL, NULL);
INSERT INTO modlog_spans VALUES (22, 1, 22, 1, 1735299840000000, NULL, NULL, NULL, NULL, NULL);
INSERT INTO modlog_spans VALUES (23, 1, 23, 1, 1735386240000000, NULL, NULL, NULL, NULL, NULL);
INSERT INTO modlog_spans VALUES (23, 2, 24, 4, 1735386240000000, 1769859840000000, NULL, NULL, NULL, NULL);
INSERT INTO modlog_spans VALUES (23, 3, 25, 2, 1733571840000000, NULL, 'spam', NULL, NULL, NULL);
INSERT INTO modlog_spans VALUES (27, 1, 27, 1, 1735731840000000, NULL, NULL, NULL, NULL, NULL);
INSERT INTO modlog_spans VALUES (27, 2, 28, 5, 1735731840000000, NULL, NULL, NULL, NULL, NULL);
INSERT INTO modlog_spans VALUES (40, 1, 40, 1, 1769860020000003, NULL, NULL, NULL, NULL, NULL);
INSERT INTO modlog_spans VALUES (40, 2, 41, 4, 1769860020000004, NULL, NULL, NULL, NULL, NULL);
