-- Certificates that a call manager's CAPF issued to phones (LSC), entered before a phone has them, and which of them were
-- taken back. They are of no list: CAPF's certificate may sign none.

CREATE TABLE lsc (
    issuer     TEXT NOT NULL,
    serial     TEXT NOT NULL,
    node       TEXT NOT NULL,
    device     TEXT NOT NULL,
    issued_ms  INTEGER NOT NULL,
    until_ms   INTEGER NOT NULL,
    revoked_ms INTEGER,
    reason     TEXT,
    PRIMARY KEY (issuer, serial)
) WITHOUT ROWID;
