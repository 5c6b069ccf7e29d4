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
