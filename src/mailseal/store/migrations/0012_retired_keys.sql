-- Retired keys, sealed, where the installation publishes them some time after their records are blank. `stage`
-- is part of what the envelope is bound to; `owner` is the name in our zone; look_at NULL: published.

CREATE TABLE retired_keys (
    key_id TEXT NOT NULL PRIMARY KEY,
    bits INTEGER NOT NULL,
    spki BLOB NOT NULL,
    envelope BLOB NOT NULL,
    master_key_id TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    account_id TEXT NOT NULL,
    region TEXT NOT NULL,
    domain TEXT NOT NULL,
    selector TEXT NOT NULL,
    owner TEXT NOT NULL,
    stage TEXT NOT NULL,
    retired_at BIGINT,
    look_at BIGINT
);

CREATE INDEX retired_keys_by_look ON retired_keys (look_at);
CREATE INDEX retired_keys_by_domain ON retired_keys (domain, selector);
CREATE INDEX retired_keys_by_master ON retired_keys (master_key_id, key_id);
