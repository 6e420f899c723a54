-- What access keys may do, and what accounts may have.

-- max_identities: in each region, NULL is no limit; requests_per_s and burst: NULL is no limit.
ALTER TABLE accounts ADD COLUMN label TEXT NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN max_identities BIGINT DEFAULT 10000;
ALTER TABLE accounts ADD COLUMN requests_per_s BIGINT;
ALTER TABLE accounts ADD COLUMN burst BIGINT;

-- Patterns with a blank between them.
ALTER TABLE access_keys ADD COLUMN label TEXT NOT NULL DEFAULT '';
ALTER TABLE access_keys ADD COLUMN allowed_actions TEXT NOT NULL DEFAULT '*';
ALTER TABLE access_keys ADD COLUMN allowed_identities TEXT NOT NULL DEFAULT '*';
