-- A secret is bound to what does not change when something is renamed: the OIDs of the server and of the mapping's role
-- (0 for PUBLIC). Secrets sealed under names cannot be opened any more, so they are deleted: their owners give them
-- again. Each tenant has a data key of its own, under which its secrets are sealed from now on.
-- Which sources a tenant has is recorded in its own PostgreSQL, and nowhere else.

DROP TABLE control.sources;

DELETE FROM control.secrets;
DROP INDEX control.secrets_by_owner;
ALTER TABLE control.secrets
    DROP COLUMN server,
    DROP COLUMN role,
    ADD COLUMN server_oid oid NOT NULL,
    ADD COLUMN role_oid oid NOT NULL,
    ADD COLUMN created_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX secrets_by_age ON control.secrets (tenant, created_at);

CREATE TABLE control.data_keys (
    tenant uuid PRIMARY KEY REFERENCES control.tenants ON DELETE CASCADE,
    -- The tenant's 32-byte key, sealed by the key ring.
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
