-- What the site's own CA has issued and revoked, and the lists that it has signed: no serial and no number serves twice.

CREATE TABLE certificate (
    serial     TEXT NOT NULL PRIMARY KEY,
    subject    TEXT NOT NULL,
    identity   TEXT NOT NULL,
    issued_ms  INTEGER NOT NULL,
    until_ms   INTEGER NOT NULL,
    revoked_ms INTEGER,
    reason     TEXT
) WITHOUT ROWID;
CREATE INDEX certificate_by_identity ON certificate (identity, issued_ms);

CREATE TABLE revocation_list (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    made_ms INTEGER NOT NULL,
    list    TEXT NOT NULL
);
