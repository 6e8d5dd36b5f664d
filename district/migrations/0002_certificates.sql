-- The certificates that the district issued to its devices, and whether they still hold.
CREATE TABLE certificate (
    serial TEXT PRIMARY KEY,
    dev TEXT NOT NULL REFERENCES device (dev),
    until_t TEXT NOT NULL,
    revoked_t TEXT
) STRICT, WITHOUT ROWID;

-- A device that was lost or stolen: what it signs from then on is evidence, not attendance.
ALTER TABLE device ADD COLUMN revoked_t TEXT;
