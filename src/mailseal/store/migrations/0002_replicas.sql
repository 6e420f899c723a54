-- Replicas of another region's identity: whose tokens and keys a setting borrows, and whether it may.

ALTER TABLE settings ADD COLUMN parent_region TEXT;
ALTER TABLE settings ADD COLUMN is_denied INTEGER NOT NULL DEFAULT 0;

CREATE INDEX settings_by_parent ON settings (account_id, name, parent_region);
