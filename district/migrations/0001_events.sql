-- What the district holds. `event` is each device's chain, from 1 on without a gap, each linked to the one before it;
-- `waiting` is what was signed by the device but cannot be linked yet, since something before it has not come.
CREATE TABLE device (
    dev TEXT PRIMARY KEY,
    key TEXT NOT NULL,
    unit TEXT NOT NULL,
    enrolled_t TEXT NOT NULL,
    duplicates INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE event (
    dev TEXT NOT NULL REFERENCES device (dev),
    seq INTEGER NOT NULL CHECK (seq > 0),
    hash TEXT NOT NULL,
    received_t TEXT NOT NULL,
    message BLOB NOT NULL,
    PRIMARY KEY (dev, seq)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER event_leaves_no_gap BEFORE INSERT ON event
WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM event WHERE dev = NEW.dev)
BEGIN
    SELECT raise(ABORT, 'the sequence number does not follow the last one');
END;

CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event
BEGIN
    SELECT raise(ABORT, 'an event is never changed');
END;

CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event
BEGIN
    SELECT raise(ABORT, 'an event is never deleted');
END;

CREATE TABLE waiting (
    dev TEXT NOT NULL REFERENCES device (dev),
    seq INTEGER NOT NULL,
    hash TEXT NOT NULL,
    received_t TEXT NOT NULL,
    message BLOB NOT NULL,
    PRIMARY KEY (dev, seq)
) STRICT, WITHOUT ROWID;

-- What cannot be what it claims to be, kept as evidence. The same bytes again only raise `times`.
CREATE TABLE quarantine (
    digest TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    dev TEXT,
    seq INTEGER,
    detail TEXT NOT NULL,
    topic TEXT NOT NULL,
    first_t TEXT NOT NULL,
    last_t TEXT NOT NULL,
    times INTEGER NOT NULL DEFAULT 1,
    raw BLOB NOT NULL
) STRICT;

CREATE INDEX quarantine_of_device ON quarantine (dev);

-- The newest state, birth and checkpoint of each device.
CREATE TABLE condition (
    dev TEXT NOT NULL REFERENCES device (dev),
    topic TEXT NOT NULL,
    received_t TEXT NOT NULL,
    message BLOB NOT NULL,
    PRIMARY KEY (dev, topic)
) STRICT, WITHOUT ROWID;
