-- Seals make the log tamper-evident: the tree over its events in tiles, and signed checkpoints.

-- What hides the parts of leaves from those who have only leaves.
CREATE TABLE modlog_secrets (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Full tiles only: 256 hashes, and the one above them. Of level 0 they have, beside the hashes of
-- leaves, the beginnings of what each leaf commits to, so that it can be told which part of an event
-- was changed.
CREATE TABLE modlog_tiles (
    level INTEGER NOT NULL,
    number INTEGER NOT NULL,
    hashes BLOB NOT NULL,
    root BLOB NOT NULL,
    parts BLOB
) STRICT;
CREATE UNIQUE INDEX modlog_tiles_place ON modlog_tiles (level, number);

-- What was signed: of how many events, and the note.
CREATE TABLE modlog_checkpoints (
    size INTEGER PRIMARY KEY,
    note TEXT NOT NULL
) STRICT;

CREATE TRIGGER modlog_secrets_update BEFORE UPDATE ON modlog_secrets
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_secrets_delete BEFORE DELETE ON modlog_secrets
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_secrets_insert BEFORE INSERT ON modlog_secrets
WHEN EXISTS (SELECT 1 FROM modlog_secrets WHERE name = NEW.name)
BEGIN SELECT RAISE(FAIL, 'modlog: events are append-only: this place is taken'); END;

CREATE TRIGGER modlog_tiles_update BEFORE UPDATE ON modlog_tiles
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_tiles_delete BEFORE DELETE ON modlog_tiles
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_tiles_insert BEFORE INSERT ON modlog_tiles
WHEN EXISTS (SELECT 1 FROM modlog_tiles WHERE level = NEW.level AND number = NEW.number)
BEGIN SELECT RAISE(FAIL, 'modlog: events are append-only: this place is taken'); END;

CREATE TRIGGER modlog_checkpoints_update BEFORE UPDATE ON modlog_checkpoints
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_checkpoints_delete BEFORE DELETE ON modlog_checkpoints
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_checkpoints_insert BEFORE INSERT ON modlog_checkpoints
WHEN EXISTS (SELECT 1 FROM modlog_checkpoints WHERE size = NEW.size)
BEGIN SELECT RAISE(FAIL, 'modlog: events are append-only: this place is taken'); END;
