-- The first tables. Times are milliseconds since 1970; JSON is text whose shape belongs to another crate.

CREATE TABLE registration (
    node  TEXT NOT NULL,
    line  TEXT NOT NULL,
    state BLOB NOT NULL,
    PRIMARY KEY (node, line)
) WITHOUT ROWID;

CREATE TABLE refusal (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    node   TEXT NOT NULL,
    at_ms  INTEGER NOT NULL,
    cause  TEXT NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX refusal_by_node ON refusal (node, id);

CREATE TABLE statement (
    node    TEXT NOT NULL,
    caller  TEXT NOT NULL,
    began_ms INTEGER NOT NULL,
    made_ms INTEGER NOT NULL,
    signed  TEXT NOT NULL,
    PRIMARY KEY (caller, node, began_ms)
) WITHOUT ROWID;
CREATE INDEX statement_by_time ON statement (node, made_ms);

CREATE TABLE ended_leg (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    node     TEXT NOT NULL,
    call     INTEGER NOT NULL,
    leg      INTEGER NOT NULL,
    caller   TEXT NOT NULL,
    ended_ms INTEGER NOT NULL,
    record   TEXT NOT NULL
);
CREATE INDEX ended_leg_by_caller ON ended_leg (caller);
CREATE INDEX ended_leg_by_time ON ended_leg (node, ended_ms);

CREATE TABLE audit (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms  INTEGER NOT NULL,
    who    TEXT NOT NULL,
    source TEXT NOT NULL,
    what   TEXT NOT NULL,
    detail TEXT NOT NULL
);

CREATE TABLE snapshot (
    node  TEXT NOT NULL,
    call  INTEGER NOT NULL,
    state BLOB NOT NULL,
    PRIMARY KEY (node, call)
) WITHOUT ROWID;

CREATE TABLE agent_state (
    node  TEXT NOT NULL,
    id    TEXT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (node, id)
) WITHOUT ROWID;

CREATE TABLE decision (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    node   TEXT NOT NULL,
    at_ms  INTEGER NOT NULL,
    caller TEXT NOT NULL,
    words  TEXT NOT NULL
);
CREATE INDEX decision_by_caller ON decision (caller, id);
