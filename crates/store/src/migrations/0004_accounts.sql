-- People who log in: to the desk's interface, later to others. The password is kept as an argon2id string (RFC 9106).

CREATE TABLE account (
    name     TEXT NOT NULL PRIMARY KEY,
    role     TEXT NOT NULL,
    agent    TEXT,
    password TEXT NOT NULL,
    made_ms  INTEGER NOT NULL
) WITHOUT ROWID;
