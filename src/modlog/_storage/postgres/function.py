"""The function in PostgreSQL that records one event in a single call."""

from __future__ import annotations

from typing import Final

from modlog._storage.clock import COVERING, MAX_CLOCK_LAG
from modlog._storage.codec import EVENT_COLUMNS
from modlog._storage.database import Database

# The name of modlog among advisory locks: "modlog" in ASCII.
ADVISORY: Final = 120325193625447


# What the function takes, in this order. A call says the types again, so that it means this
# function however the driver binds parameters.
_ARGUMENTS: Final = {
    "now": "bigint",
    "fixed": "bigint",
    "account": "text",
    "version": "bigint",
    "created": "smallint",
    "erased": "smallint",
    "protected": "smallint",
    "profile": "text",
    "label": "text",
    "cleared": "bigint[]",
    "kind": "text",
    "until": "bigint",
    "lifted": "bigint[]",
    "occurred": "bigint",
    "schema": "smallint",
    "confidence": "double precision",
    "type": "text",
    "actor_kind": "text",
    "actor_id": "text",
    "actor_version": "text",
    "actor_account": "text",
    "reason": "text",
    "policy": "text",
    "batch": "text",
    "correlation": "text",
    "data": "text",
    "digest": "bytea",
    "request": "bytea",
}
_SIGNATURE: Final = ", ".join(f"_{name} {type_}" for name, type_ in _ARGUMENTS.items())


def record_call(name: str, before: str = "true") -> str:
    """The statement that calls the function.

    Args:
        name: of the function.
        before: an expression, not NULL, that is evaluated before the call, for what it does.
    """
    first, *rest = (f"CAST(? AS {type_})" for type_ in _ARGUMENTS.values())
    first = f"CASE WHEN {before} IS NOT NULL THEN {first} END"
    return f"SELECT * FROM {name}({', '.join((first, *rest))})"


def record_function(database: Database, name: str) -> str:
    """One event of one account, in a single call: lock, check, write.

    The caller has read the account and decided without the lock; the call fails with ML002 if
    somebody else changed the account since. Inside a transaction whose instant is settled
    already, and which has the head's lock, `_fixed` is that instant.

    Commands queue for an advisory lock of this ledger before they take the head: its release
    wakes one of them, in order. Those who queue for a row are woken twice, and look anew for
    its newest version; four writers together are up to an eighth slower so.
    """
    table = database.table
    head = table("head").replace("'", "''")
    return f"""
CREATE OR REPLACE FUNCTION {name} (
    {_SIGNATURE}, OUT _position bigint, OUT _recorded bigint
) LANGUAGE plpgsql AS $$
BEGIN
    IF _fixed IS NULL THEN
        PERFORM pg_advisory_xact_lock({ADVISORY} # '{head}'::regclass::oid::bigint);
    END IF;
    UPDATE {table("head")} SET position = position + 1,
        recorded_at = coalesce(_fixed, greatest(_now, recorded_at + 1))
        RETURNING position, recorded_at INTO _position, _recorded;
    IF _fixed IS NULL AND _recorded > _now + {MAX_CLOCK_LAG} + 1 THEN
        PERFORM 1 FROM {table("clocks")} WHERE {COVERING.format("_position", "_recorded")};
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the clock is more than five minutes behind the ledger'
                USING ERRCODE = 'ML003';
        END IF;
    END IF;
    _occurred := coalesce(_occurred, _recorded);
    IF _version = 1 THEN
        INSERT INTO {table("accounts")} VALUES (_account, 1, _occurred, _created, _erased,
            _protected, 0, coalesce(_profile, '{{}}')) ON CONFLICT DO NOTHING;
    ELSE
        UPDATE {table("accounts")} SET version = _version, latest = greatest(latest, _occurred),
            created = _created, erased = _erased, protected = _protected,
            profile = coalesce(_profile, profile)
            WHERE account_id = _account AND version = _version - 1;
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'another writer changed the account' USING ERRCODE = 'ML002';
    END IF;
    INSERT INTO {table("events")} ({", ".join(EVENT_COLUMNS)}) VALUES (
        _position, _recorded, _occurred, _version, _schema, _confidence, _account, _type,
        _actor_kind, _actor_id, _actor_version, _actor_account, _reason, _policy, _batch,
        _correlation, _data);
    IF _label IS NOT NULL THEN
        INSERT INTO {table("flags")} VALUES (_account, _version, _label);
    END IF;
    IF _cleared IS NOT NULL THEN
        DELETE FROM {table("flags")} WHERE account_id = _account AND version = ANY(_cleared);
    END IF;
    IF _kind IS NOT NULL THEN
        INSERT INTO {table("sanctions")} VALUES (_account, _version, _kind, _occurred, _until);
    END IF;
    IF _lifted IS NOT NULL THEN
        DELETE FROM {table("sanctions")} WHERE account_id = _account AND version = ANY(_lifted);
    END IF;
    IF _digest IS NOT NULL THEN
        INSERT INTO {table("keys")} (digest, request, position)
            VALUES (_digest, _request, _position);
    END IF;
END$$"""
