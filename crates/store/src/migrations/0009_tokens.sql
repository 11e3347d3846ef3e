-- Tokens that phones register by (RFC 8898): those issued here, and what was taken back. The token itself is kept nowhere.
-- Of an identity provider's that was taken back nothing is known but its jti: node, phone and owner are empty, until_ms 0.

CREATE TABLE token (
    id         TEXT NOT NULL PRIMARY KEY,
    node       TEXT NOT NULL,
    phone      TEXT NOT NULL,
    owner      TEXT NOT NULL,
    issued_ms  INTEGER NOT NULL,
    until_ms   INTEGER NOT NULL,
    revoked_ms INTEGER,
    reason     TEXT
) WITHOUT ROWID;
