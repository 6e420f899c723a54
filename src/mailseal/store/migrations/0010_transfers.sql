-- What changed from serial to serial, for zone transfers, and which of the operator's servers has seen what.

-- One row for each name that a serial changed; text NULL is "no such name".
CREATE TABLE zone_changes (
    zone TEXT NOT NULL,
    serial BIGINT NOT NULL,
    owner TEXT NOT NULL,
    old_text BLOB,
    old_ttl INTEGER NOT NULL,
    new_text BLOB,
    new_ttl INTEGER NOT NULL,
    PRIMARY KEY (zone, serial, owner)
);

CREATE INDEX zone_changes_by_owner ON zone_changes (owner, serial);

-- journal_from: the oldest serial from which the changes are known without a gap. shape: a digest of the
-- records that come from the configuration.
ALTER TABLE zones ADD COLUMN journal_from BIGINT NOT NULL DEFAULT 0;
ALTER TABLE zones ADD COLUMN shape TEXT NOT NULL DEFAULT '';
UPDATE zones SET journal_from = serial;

-- The serial that last changed what the name gives; 0 for what is older than the journal.
ALTER TABLE served ADD COLUMN serial BIGINT NOT NULL DEFAULT 0;

-- An answer that some server may still give has 253370764800000 (the year 9999) for expires_at, until every
-- server has been seen with that serial of the zone; ttl says how long a cache may keep it from then on.
ALTER TABLE earlier_answers ADD COLUMN zone TEXT NOT NULL DEFAULT '';
ALTER TABLE earlier_answers ADD COLUMN serial BIGINT NOT NULL DEFAULT 0;
ALTER TABLE earlier_answers ADD COLUMN ttl INTEGER NOT NULL DEFAULT 0;

CREATE INDEX earlier_answers_still_given ON earlier_answers (zone, serial) WHERE expires_at = 253370764800000;

-- The operator's servers: the newest serial of each zone that each has been seen to serve.
CREATE TABLE zone_servers (
    server TEXT NOT NULL,
    zone TEXT NOT NULL,
    serial BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (zone, server)
);
