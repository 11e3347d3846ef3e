-- What each phone of a call manager holds, as far as it is known; the lists that phones hold; when lines registered.

CREATE TABLE phone_held (
    node   TEXT NOT NULL,
    device TEXT NOT NULL,
    ctl    TEXT NOT NULL,
    itl    TEXT NOT NULL,
    held   TEXT NOT NULL,
    PRIMARY KEY (node, device)
) WITHOUT ROWID;

CREATE TABLE phone_list (
    node   TEXT NOT NULL,
    digest TEXT NOT NULL,
    list   BLOB NOT NULL,
    PRIMARY KEY (node, digest)
) WITHOUT ROWID;

CREATE TABLE line_registered (
    node  TEXT NOT NULL,
    line  TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (node, line)
) WITHOUT ROWID;
