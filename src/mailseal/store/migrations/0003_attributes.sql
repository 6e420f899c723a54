-- What stands beside an identity of any kind, by its name: attributes, MAIL FROM domain, policies. And
-- configuration sets. Tags move out of identities: an address has tags as well.

CREATE TABLE attributes (
    account_id TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    feedback_forwarding INTEGER NOT NULL,
    configuration_set TEXT,
    tags TEXT NOT NULL,
    PRIMARY KEY (account_id, region, name)
);

CREATE INDEX attributes_by_configuration_set ON attributes (account_id, region, configuration_set);

INSERT INTO attributes (account_id, region, name, feedback_forwarding, configuration_set, tags)
SELECT account_id, region, name, 1, NULL, tags FROM identities WHERE tags <> '[]';

ALTER TABLE identities DROP COLUMN tags;

CREATE TABLE policies (
    account_id TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    policy_name TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (account_id, region, name, policy_name)
);

-- MAIL FROM domains with their proof, and what the last check saw. claim_at as in settings.
CREATE TABLE mail_from (
    account_id TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    domain TEXT NOT NULL,
    on_failure TEXT NOT NULL,
    status TEXT NOT NULL,
    since BIGINT NOT NULL,
    searching_since BIGINT NOT NULL,
    excused_ms BIGINT NOT NULL,
    first_match_at BIGINT,
    negatives INTEGER NOT NULL,
    missing_ms BIGINT NOT NULL,
    temporaries INTEGER NOT NULL,
    temporary_since BIGINT,
    last_evidence TEXT,
    last_checked_at BIGINT,
    last_success_at BIGINT,
    error_type TEXT,
    soa_primary TEXT,
    soa_admin TEXT,
    soa_serial BIGINT,
    soa_minimum BIGINT,
    negative_until BIGINT,
    report TEXT,
    claim_at BIGINT,
    is_leased INTEGER NOT NULL,
    PRIMARY KEY (account_id, region, name)
);

CREATE INDEX mail_from_by_claim ON mail_from (claim_at);

CREATE TABLE configuration_sets (
    account_id TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    options TEXT NOT NULL,
    tags TEXT NOT NULL,
    PRIMARY KEY (account_id, region, name)
);
