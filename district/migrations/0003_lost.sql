-- Numbers that a terminal which began its journal anew declares lost, and the event that says so. A chain may leave these
-- out, and no others; those that come after all are put in their places.
CREATE TABLE lost (
    dev TEXT NOT NULL REFERENCES device (dev),
    first INTEGER NOT NULL,
    last INTEGER NOT NULL CHECK (last >= first),
    declared_by INTEGER NOT NULL,
    PRIMARY KEY (dev, declared_by, first)
) STRICT, WITHOUT ROWID;

DROP TRIGGER event_leaves_no_gap;

CREATE TRIGGER event_leaves_no_gap BEFORE INSERT ON event
WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM event WHERE dev = NEW.dev)
    AND NOT EXISTS (
        SELECT 1 FROM lost WHERE dev = NEW.dev
            AND first <= min(NEW.seq, (SELECT coalesce(max(seq), 0) + 1 FROM event WHERE dev = NEW.dev))
            AND last >= NEW.seq - (NEW.seq > (SELECT coalesce(max(seq), 0) FROM event WHERE dev = NEW.dev))
    )
BEGIN
    SELECT raise(ABORT, 'the sequence number does not follow the last one');
END;
