-- Tokens of programs that cannot sign their requests: of each only the hash is kept.

CREATE TABLE bearer_tokens (
    token_id TEXT NOT NULL PRIMARY KEY,
    token_hash BLOB NOT NULL UNIQUE,
    account_id TEXT NOT NULL,
    label TEXT NOT NULL,
    allowed_actions TEXT NOT NULL,
    allowed_identities TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);

CREATE INDEX bearer_tokens_by_account ON bearer_tokens (account_id, token_id);
