-- A statement is written where the last one was, as it was signed; who signed is written once for all that they sign. The
-- functions are those of src/migrations.rs.

CREATE TABLE chain (
    id  INTEGER PRIMARY KEY,
    der BLOB NOT NULL UNIQUE
);

CREATE TABLE statement_in_order (
    id        INTEGER PRIMARY KEY,
    node      TEXT NOT NULL,
    caller    TEXT NOT NULL,
    began_ms  INTEGER NOT NULL,
    call      INTEGER NOT NULL,
    made_ms   INTEGER NOT NULL,
    chain     INTEGER NOT NULL REFERENCES chain (id),
    signature BLOB NOT NULL,
    payload   BLOB NOT NULL
);

INSERT OR IGNORE INTO chain (der) SELECT chain_of(signed) FROM statement;

INSERT INTO statement_in_order (node, caller, began_ms, call, made_ms, chain, signature, payload)
    SELECT node, caller, began_ms, call, made_ms, chain.id, signature_of(signed), payload_of(signed)
    FROM statement JOIN chain ON chain.der = chain_of(signed) ORDER BY made_ms;

DROP TABLE statement;

ALTER TABLE statement_in_order RENAME TO statement;

CREATE UNIQUE INDEX statement_of_call ON statement (caller, node, began_ms, call);
CREATE INDEX statement_by_time ON statement (node, made_ms);
