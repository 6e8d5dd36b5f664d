-- The journal: what was signed, byte for byte, and its proof. Keyed on the sequence number alone: any second index would
-- double what an event costs to write.
CREATE TABLE event (
    seq INTEGER PRIMARY KEY CHECK (seq > 0),
    signed BLOB NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    sig BLOB NOT NULL CHECK (length(sig) = 64)
) STRICT;

CREATE TRIGGER event_leaves_no_gap BEFORE INSERT ON event
WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM event)
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

-- The district's last word, as it was signed.
CREATE TABLE receipt (
    only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
    message BLOB NOT NULL
) STRICT;
