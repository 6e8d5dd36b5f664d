-- What the district has signed for may be dropped, in order, and leaves the device's signed word on where the chain goes
-- on. Rows from now on are compressed (kiosk/storage/rows.py); those from before stay as they are.
CREATE TABLE pruned (
    only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
    seq INTEGER NOT NULL,
    message BLOB NOT NULL
) STRICT;

-- The receipt is canonical JSON, which spells its number in one way; SQLite's own JSON functions are not let into triggers.
CREATE TRIGGER nothing_unreceipted_is_pruned BEFORE INSERT ON pruned
WHEN NEW.seq > coalesce((
    SELECT CAST(substr(CAST(message AS TEXT), instr(CAST(message AS TEXT), '"upto_seq":') + 11) AS INTEGER) FROM receipt
), 0)
BEGIN
    SELECT raise(ABORT, 'an event without a receipt is never pruned');
END;

-- Numbers that a journal which was begun anew declares lost.
CREATE TABLE lost (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL CHECK (last >= first)
) STRICT;

DROP TRIGGER event_is_never_deleted;

CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event
WHEN OLD.seq > coalesce((SELECT seq FROM pruned), 0)
BEGIN
    SELECT raise(ABORT, 'an event is never deleted before it is pruned');
END;

DROP TRIGGER event_leaves_no_gap;

CREATE TRIGGER event_leaves_no_gap BEFORE INSERT ON event
WHEN NEW.seq <> (SELECT coalesce(max(seq), (SELECT seq FROM pruned), 0) + 1 FROM event)
    AND NOT EXISTS (
        SELECT 1 FROM lost
        WHERE first = (SELECT coalesce(max(seq), (SELECT seq FROM pruned), 0) + 1 FROM event) AND last = NEW.seq - 1
    )
BEGIN
    SELECT raise(ABORT, 'the sequence number does not follow the last one');
END;

-- Which journal this is, so that a new file is not taken for the one whose numbers were reserved (highwater.py).
CREATE TABLE name (
    only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
    name TEXT NOT NULL
) STRICT;

INSERT INTO name VALUES (1, lower(hex(randomblob(8))));
