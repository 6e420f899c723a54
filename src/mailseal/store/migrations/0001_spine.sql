-- The first schema: tenants, identities with their settings, key slots, sealed keys, the zone and the log.
-- Times are integer epoch milliseconds, ids and names are text, bytes are BLOB (BYTEA on PostgreSQL).

-- Tenants.
CREATE TABLE accounts (
    account_id TEXT NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL
);

-- Keys that requests are signed with; the secret is sealed.
CREATE TABLE access_keys (
    access_key_id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (account_id),
    sealed_secret BLOB NOT NULL,
    is_enabled INTEGER NOT NULL,
    is_sandbox INTEGER NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE INDEX access_keys_by_account ON access_keys (account_id, access_key_id);

-- Named values of the installation: sealed secrets, the master key's check value.
CREATE TABLE installation (
    name TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
);

-- What waits to be placed; an envelope here opens for no place.
CREATE TABLE key_stock (
    key_id TEXT NOT NULL PRIMARY KEY,
    bits INTEGER NOT NULL,
    spki BLOB NOT NULL,
    envelope BLOB NOT NULL,
    master_key_id TEXT NOT NULL,
    made_at BIGINT NOT NULL
);

CREATE INDEX key_stock_by_age ON key_stock (bits, made_at, key_id);

-- Sealed private keys in their places; a row goes when neither a setting nor a slot refers to it.
CREATE TABLE private_keys (
    key_id TEXT NOT NULL PRIMARY KEY,
    bits INTEGER NOT NULL,
    spki BLOB NOT NULL,
    envelope BLOB NOT NULL,
    master_key_id TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    account_id TEXT NOT NULL,
    region TEXT NOT NULL,
    domain TEXT NOT NULL,
    selector TEXT NOT NULL
);

CREATE INDEX private_keys_by_domain ON private_keys (account_id, region, domain);

-- Identities; status and may_send repeat what the settings say, so that lists need no join.
CREATE TABLE identities (
    account_id TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    newest_setting_id TEXT NOT NULL,
    signing_setting_id TEXT,
    signing_enabled INTEGER NOT NULL,
    length_changed_at BIGINT,
    downgraded_at BIGINT,
    last_key_at BIGINT,
    new_key_wanted INTEGER NOT NULL,
    tags TEXT NOT NULL,
    status TEXT NOT NULL,
    may_send INTEGER NOT NULL,
    PRIMARY KEY (account_id, region, name)
);

CREATE INDEX identities_by_status ON identities (account_id, region, status, name);

-- The live settings of an identity, each with its proof. claim_at is when a check may be claimed: its due
-- time, or the end of the lease while is_leased.
CREATE TABLE settings (
    setting_id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    method TEXT NOT NULL,
    bits INTEGER,
    selector TEXT,
    key_id TEXT REFERENCES private_keys (key_id),
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
    claim_at BIGINT,
    is_leased INTEGER NOT NULL,
    FOREIGN KEY (account_id, region, name) REFERENCES identities (account_id, region, name) ON DELETE CASCADE
);

CREATE INDEX settings_by_identity ON settings (account_id, region, name);
CREATE INDEX settings_by_key ON settings (key_id);
CREATE INDEX settings_by_claim ON settings (claim_at);

-- What the last check of a setting saw.
CREATE TABLE evidence (
    setting_id TEXT NOT NULL PRIMARY KEY REFERENCES settings (setting_id) ON DELETE CASCADE,
    seen_at BIGINT NOT NULL,
    report TEXT NOT NULL
);

-- One row a domain that ever had slots: the anchor that a unit locks, and when its slots are due.
CREATE TABLE domains (
    account_id TEXT NOT NULL,
    region TEXT NOT NULL,
    domain TEXT NOT NULL,
    claim_at BIGINT,
    is_leased INTEGER NOT NULL,
    PRIMARY KEY (account_id, region, domain)
);

CREATE INDEX domains_by_claim ON domains (claim_at);

-- Key slots; token and zone are written once and rows are never deleted.
CREATE TABLE slots (
    owner TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL,
    region TEXT NOT NULL,
    domain TEXT NOT NULL,
    number INTEGER NOT NULL,
    token TEXT NOT NULL,
    zone TEXT NOT NULL,
    state TEXT NOT NULL,
    key_id TEXT REFERENCES private_keys (key_id),
    placed_at BIGINT,
    seen_at BIGINT,
    has_signed INTEGER NOT NULL,
    blank_at BIGINT,
    retired_at BIGINT,
    withdraw_at BIGINT,
    is_withdrawn INTEGER NOT NULL,
    UNIQUE (account_id, region, domain, number),
    FOREIGN KEY (account_id, region, domain) REFERENCES domains (account_id, region, domain)
);

CREATE INDEX slots_by_key ON slots (key_id);

-- What the zones give at this moment; text NULL is a name that has been taken out again.
CREATE TABLE served (
    owner TEXT NOT NULL PRIMARY KEY,
    zone TEXT NOT NULL,
    text BLOB,
    ttl INTEGER NOT NULL
);

CREATE INDEX served_by_zone ON served (zone, owner);

-- What a name gave before, as long as a cache may hold it.
CREATE TABLE earlier_answers (
    owner TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    text BLOB
);

CREATE INDEX earlier_answers_by_owner ON earlier_answers (owner, expires_at);

-- Owner names to be published anew, in the order of number.
CREATE TABLE zone_marks (
    owner TEXT NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL UNIQUE
);

-- The zones we have ever handed out, and their serials.
CREATE TABLE zones (
    zone TEXT NOT NULL PRIMARY KEY,
    serial BIGINT NOT NULL
);

-- The timeline; number counts up for each identity and goes on when its name comes back.
CREATE TABLE events (
    account_id TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    number BIGINT NOT NULL,
    happened_at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (account_id, region, name, number)
);

-- Answers to mutating calls, for the same call made again.
CREATE TABLE answers (
    access_key_id TEXT NOT NULL,
    invocation_id TEXT NOT NULL,
    payload_hash TEXT NOT NULL,
    answer BLOB NOT NULL,
    keep_until BIGINT NOT NULL,
    PRIMARY KEY (access_key_id, invocation_id, payload_hash)
);

CREATE INDEX answers_by_age ON answers (keep_until);
