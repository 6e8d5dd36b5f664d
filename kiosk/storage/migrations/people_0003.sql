-- Aligned pictures of faces, of those who consented to that as well: a consent of its own, with its time. With them,
-- references can be made anew when the embedder changes. They go when the person goes.
CREATE TABLE picture_consent (
    pid TEXT PRIMARY KEY REFERENCES person (pid) ON DELETE CASCADE,
    consent TEXT NOT NULL
) STRICT;

CREATE TABLE picture (
    id INTEGER PRIMARY KEY,
    pid TEXT NOT NULL REFERENCES picture_consent (pid) ON DELETE CASCADE,
    sealed_picture BLOB NOT NULL
) STRICT;

CREATE INDEX picture_of_person ON picture (pid);
