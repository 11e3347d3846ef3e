-- A caller may have several calls through one node that began in the same millisecond (their seats in a conference): each
-- call's statement is kept. Those from before are of call 0.

CREATE TABLE statement_of_call (
    node     TEXT NOT NULL,
    caller   TEXT NOT NULL,
    began_ms INTEGER NOT NULL,
    call     INTEGER NOT NULL,
    made_ms  INTEGER NOT NULL,
    signed   TEXT NOT NULL,
    PRIMARY KEY (caller, node, began_ms, call)
) WITHOUT ROWID;

INSERT INTO statement_of_call (node, caller, began_ms, call, made_ms, signed)
    SELECT node, caller, began_ms, 0, made_ms, signed FROM statement;

DROP TABLE statement;

ALTER TABLE statement_of_call RENAME TO statement;

CREATE INDEX statement_by_time ON statement (node, made_ms);
