-- Which keys still name an older master key, where a public key is in use, and which may not come in again.

CREATE INDEX private_keys_by_master ON private_keys (master_key_id, key_id);
CREATE INDEX key_stock_by_master ON key_stock (master_key_id, key_id);

-- Sixteen octets of the modulus tell keys apart.
CREATE INDEX private_keys_by_modulus ON private_keys (substr(spki, 40, 16));

-- Public keys that nobody may bring as their own, by the SHA-256 of their SubjectPublicKeyInfo.
CREATE TABLE blocked_keys (
    spki_sha256 BLOB NOT NULL PRIMARY KEY,
    reason TEXT NOT NULL
);
