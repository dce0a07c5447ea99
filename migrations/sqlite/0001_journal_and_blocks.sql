-- One row a gateway setting that must survive a restart, such as its incarnation.
CREATE TABLE node (
    key   TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

-- Vehicles are named once; everywhere else they are their number.
CREATE TABLE vehicle (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- What was committed and is not folded yet: one row a commit, so that a commit is one append.
-- The body is checksummed entry by entry; see crates/store/src/journal.rs.
CREATE TABLE journal (
    id   INTEGER PRIMARY KEY,
    body BLOB NOT NULL
);

-- How far the journal is folded into the tables below: vehicles numbered below `vehicle` through the row
-- `target`, all others through the row `through`. Equal when no fold is under way.
CREATE TABLE fold (
    only     INTEGER PRIMARY KEY CHECK (only = 0),
    through  INTEGER NOT NULL,
    target   INTEGER NOT NULL,
    vehicle  INTEGER NOT NULL,
    batches  INTEGER NOT NULL,
    records  INTEGER NOT NULL
);
INSERT INTO fold VALUES (0, 0, 0, 0, 0, 0);

-- Telemetry by vehicle: sealed batches of one spool, one after the other. t_max is the largest integer
-- while a block still grows, so that growing it does not touch the index.
CREATE TABLE block (
    id      INTEGER PRIMARY KEY,
    vehicle INTEGER NOT NULL,
    spool   INTEGER NOT NULL,
    t_min   INTEGER NOT NULL,
    t_max   INTEGER NOT NULL,
    body    BLOB NOT NULL
);
CREATE INDEX block_by_time ON block (vehicle, t_min, t_max);

-- Which sequence numbers of a spool are settled, and the block that still grows.
CREATE TABLE spool (
    vehicle    INTEGER NOT NULL,
    spool      INTEGER NOT NULL,
    settled    BLOB NOT NULL,
    open_block INTEGER,
    open_bytes INTEGER,
    open_t_min INTEGER,
    open_t_max INTEGER,
    PRIMARY KEY (vehicle, spool)
) WITHOUT ROWID;

CREATE TABLE presence (
    vehicle INTEGER PRIMARY KEY,
    epoch   INTEGER NOT NULL,
    session INTEGER NOT NULL,
    state   INTEGER NOT NULL,
    cause   INTEGER NOT NULL,
    cell    INTEGER,
    contact INTEGER NOT NULL,
    spool   INTEGER
);

-- The latest position by the vehicle's clock.
CREATE TABLE latest (
    vehicle   INTEGER PRIMARY KEY,
    t         INTEGER NOT NULL,
    lat_e7    INTEGER NOT NULL,
    lon_e7    INTEGER NOT NULL,
    alt_cm    INTEGER,
    speed_cms INTEGER,
    heading_cdeg INTEGER,
    hdop_centi   INTEGER
);

-- The latest value of each signal by the vehicle's clock.
CREATE TABLE signal (
    vehicle INTEGER NOT NULL,
    path    TEXT NOT NULL,
    t       INTEGER NOT NULL,
    value   BLOB NOT NULL,
    PRIMARY KEY (vehicle, path)
) WITHOUT ROWID;

-- Journal rows in which a checksum did not hold, kept as they were found.
CREATE TABLE damaged (
    journal INTEGER PRIMARY KEY,
    body    BLOB NOT NULL
);
