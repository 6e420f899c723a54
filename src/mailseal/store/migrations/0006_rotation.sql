-- How often an identity's keys rotate, and whether its active key has to be revoked.

ALTER TABLE identities ADD COLUMN rotate_days INTEGER;
ALTER TABLE identities ADD COLUMN revoke_old_key INTEGER NOT NULL DEFAULT 0;
