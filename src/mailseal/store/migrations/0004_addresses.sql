-- E-mail addresses as identities: what was asked, the links that prove them, and who is not to be signed for.

-- Address identities. claim_at is when something has to be done about one: a mail to be offered to the next
-- hop, or its link running out; while it is being done, the end of the lease.
CREATE TABLE addresses (
    account_id TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    status TEXT NOT NULL,
    link_at BIGINT NOT NULL,
    proven_at BIGINT,
    mail_due_at BIGINT,
    mails_tried INTEGER NOT NULL,
    claim_at BIGINT,
    PRIMARY KEY (account_id, region, name)
);

CREATE INDEX addresses_by_status ON addresses (account_id, region, status, name);
CREATE INDEX addresses_by_claim ON addresses (claim_at);

-- Links that were mailed; of each only the SHA-256 of its secret part.
CREATE TABLE address_links (
    token_hash BLOB NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    ends_at BIGINT NOT NULL,
    FOREIGN KEY (account_id, region, name) REFERENCES addresses (account_id, region, name) ON DELETE CASCADE
);

CREATE INDEX address_links_by_address ON address_links (account_id, region, name);

-- Whether an address is signed for, where that was said for it alone; it need not be an identity.
CREATE TABLE signing_overrides (
    account_id TEXT NOT NULL,
    region TEXT NOT NULL,
    domain TEXT NOT NULL,
    name TEXT NOT NULL,
    signing_enabled INTEGER NOT NULL,
    PRIMARY KEY (account_id, region, domain, name)
);
