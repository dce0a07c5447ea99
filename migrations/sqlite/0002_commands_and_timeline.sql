-- How long a sleeping vehicle said it will sleep, in milliseconds; by which channels it can be woken, and flags.
ALTER TABLE presence ADD COLUMN sleep INTEGER NOT NULL DEFAULT 0;
ALTER TABLE presence ADD COLUMN wake  INTEGER NOT NULL DEFAULT 0;
ALTER TABLE presence ADD COLUMN flags INTEGER NOT NULL DEFAULT 0;

-- Commands to vehicles. The id is sixteen bytes, the most significant first; the body is the gateway's own.
CREATE TABLE command (
    id      BLOB PRIMARY KEY,
    vehicle INTEGER NOT NULL,
    ended   INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    body    BLOB NOT NULL
);
CREATE INDEX command_open ON command (vehicle, id) WHERE ended = 0;
CREATE INDEX command_of_vehicle ON command (vehicle, updated, id, ended);
CREATE INDEX command_by_age ON command (updated) WHERE ended = 1;

-- Presence transitions, in the order in which a timeline is read. The numbers that are unsigned elsewhere
-- (incarnation, seq) have their highest bit inverted, so that they sort here as they do there.
CREATE TABLE transition (
    vehicle     INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    owner       TEXT NOT NULL,
    incarnation INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    region      TEXT NOT NULL,
    epoch       INTEGER NOT NULL,
    session     INTEGER NOT NULL,
    state       INTEGER NOT NULL,
    cause       INTEGER NOT NULL,
    cell        INTEGER,
    flags       INTEGER NOT NULL,
    PRIMARY KEY (vehicle, at, owner, incarnation, seq)
) WITHOUT ROWID;
CREATE UNIQUE INDEX transition_once ON transition (vehicle, owner, incarnation, seq);
CREATE INDEX transition_by_age ON transition (at);
