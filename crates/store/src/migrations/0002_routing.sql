-- Decisions of the contact centre with their inputs, and what its router was told: for `ringfence why`.

CREATE TABLE routed (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    node     TEXT NOT NULL,
    at_ms    INTEGER NOT NULL,
    caller   TEXT NOT NULL,
    decision TEXT NOT NULL
);
CREATE INDEX routed_by_caller ON routed (caller, id);

CREATE TABLE routing_input (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    node  TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    input TEXT NOT NULL
);
CREATE INDEX routing_input_by_time ON routing_input (node, at_ms, id);
