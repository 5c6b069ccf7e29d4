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
