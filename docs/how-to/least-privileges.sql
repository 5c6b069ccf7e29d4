-- A writer that can record and cannot change what is recorded.
--
-- Run it as the owner of the ledger's schema, who has opened the ledger once and so made its
-- tables. Put your own names for the schema "moderation" and the role "modlog_writer". Migrations
-- stay with the owner.

CREATE ROLE modlog_writer LOGIN;  -- give it a password, or let pg_hba.conf say who may be it

-- It sees the schema and makes nothing in it.
REVOKE CREATE ON SCHEMA moderation FROM PUBLIC, modlog_writer;
GRANT USAGE ON SCHEMA moderation TO modlog_writer;

-- It reads everything.
GRANT SELECT ON
    moderation.modlog_streams, moderation.modlog_acts, moderation.modlog_events,
    moderation.modlog_accounts, moderation.modlog_spans, moderation.modlog_keys,
    moderation.modlog_reverts, moderation.modlog_sweep_targets,
    moderation.modlog_sweep_outcomes, moderation.modlog_clocks, moderation.modlog_meta,
    moderation.modlog_head, moderation.modlog_log,
    moderation.modlog_secrets, moderation.modlog_tiles, moderation.modlog_checkpoints
    TO modlog_writer;

-- What is recorded is only ever added to.
GRANT INSERT ON
    moderation.modlog_streams, moderation.modlog_acts, moderation.modlog_events,
    moderation.modlog_keys, moderation.modlog_reverts, moderation.modlog_sweep_targets,
    moderation.modlog_sweep_outcomes, moderation.modlog_clocks,
    moderation.modlog_secrets, moderation.modlog_tiles, moderation.modlog_checkpoints
    TO modlog_writer;

-- The end of the log moves on; its row is also the append lock.
GRANT UPDATE ON moderation.modlog_head TO modlog_writer;

-- The current state is a cache of the events.
GRANT INSERT, UPDATE, DELETE ON
    moderation.modlog_accounts, moderation.modlog_spans
    TO modlog_writer;

-- One command is one call of this function, with the rights of the caller.
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA moderation TO modlog_writer;

-- Sweeps and reverts put each chunk into a temporary table. The name of the database stands here too.
GRANT TEMPORARY ON DATABASE postgres TO modlog_writer;
