-- The people who sign in to the console, and their sessions by the hash of a cookie's secret.

CREATE TABLE operators (
    name TEXT NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL,
    password TEXT NOT NULL,
    failures INTEGER NOT NULL,
    resting_until BIGINT
);

CREATE TABLE console_sessions (
    secret_hash TEXT NOT NULL PRIMARY KEY,
    operator TEXT NOT NULL REFERENCES operators (name) ON DELETE CASCADE,
    began_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);

CREATE INDEX console_sessions_by_operator ON console_sessions (operator);
