-- Who is enrolled. Everything about a person but the opaque `pid` is sealed under a key of their own; without
-- `wrapped_key` nothing of it can be read again.
CREATE TABLE person (
    pid TEXT PRIMARY KEY,
    consent TEXT NOT NULL,
    wrapped_key BLOB NOT NULL,
    sealed_name BLOB NOT NULL
) STRICT;

CREATE TABLE reference (
    id INTEGER PRIMARY KEY,
    pid TEXT NOT NULL REFERENCES person (pid) ON DELETE CASCADE,
    modality TEXT NOT NULL CHECK (modality IN ('face', 'finger')),
    label TEXT NOT NULL,
    sealed_template BLOB NOT NULL
) STRICT;

CREATE INDEX reference_of_person ON reference (pid);
