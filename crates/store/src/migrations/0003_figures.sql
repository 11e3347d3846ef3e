-- Figures of the contact centre by quarters of an hour: JSON whose shape belongs to another crate.

CREATE TABLE figures (
    node      TEXT NOT NULL,
    begins_ms INTEGER NOT NULL,
    figures   TEXT NOT NULL,
    PRIMARY KEY (node, begins_ms)
) WITHOUT ROWID;
