-- Links that show one identity's records to whoever runs its DNS; what a link's URL holds is not stored.

CREATE TABLE share_links (
    link_id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX share_links_by_identity ON share_links (account_id, region, name, expires_at);
