-- What caches may hold beside the record that proves a setting: the TTL of that record, in seconds; the TTL of
-- another one that stands in its place; and until when such a one may still be cached.

ALTER TABLE settings ADD COLUMN record_ttl BIGINT;
ALTER TABLE settings ADD COLUMN stale_ttl BIGINT;
ALTER TABLE settings ADD COLUMN stale_until BIGINT;
ALTER TABLE mail_from ADD COLUMN record_ttl BIGINT;
ALTER TABLE mail_from ADD COLUMN stale_ttl BIGINT;
ALTER TABLE mail_from ADD COLUMN stale_until BIGINT;
