-- How many identities of every kind an account has in a region, so that its limit costs one look.

CREATE TABLE identity_places (
    account_id TEXT NOT NULL,
    region TEXT NOT NULL,
    taken BIGINT NOT NULL,
    PRIMARY KEY (account_id, region)
);

INSERT INTO identity_places (account_id, region, taken)
SELECT account_id, region, COUNT(*) FROM (
    SELECT account_id, region FROM identities UNION ALL SELECT account_id, region FROM addresses
) AS held GROUP BY account_id, region;
