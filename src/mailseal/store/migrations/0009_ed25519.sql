-- What is said about an identity's second signature, by an Ed25519 key in slots of its own; NULL: as the
-- installation says.

ALTER TABLE identities ADD COLUMN ed25519 INTEGER;
ALTER TABLE identities ADD COLUMN ed25519_key_wanted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE identities ADD COLUMN ed25519_revoke INTEGER NOT NULL DEFAULT 0;
