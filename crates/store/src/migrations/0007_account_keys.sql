-- SSH public keys of administrators, as OpenSSH writes them (RFC 4253 section 6.6 in base64), without a comment.

CREATE TABLE account_key (
    key         TEXT NOT NULL PRIMARY KEY,
    account     TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,
    fingerprint TEXT NOT NULL,
    comment     TEXT NOT NULL,
    made_ms     INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX account_key_account ON account_key (account);
