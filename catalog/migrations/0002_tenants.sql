-- A cluster keeps its name when its tenant is renamed; a tenant is served once it is complete; its owner is on record.

ALTER TABLE control.tenants
    ADD COLUMN cluster text,
    ADD COLUMN owner text,
    ADD COLUMN ready boolean NOT NULL DEFAULT false;
UPDATE control.tenants SET cluster = name, ready = true;
ALTER TABLE control.tenants
    ALTER COLUMN cluster SET NOT NULL,
    ADD CONSTRAINT tenants_cluster_key UNIQUE (cluster);

-- A password ends when the role's does (VALID UNTIL). A principal is its role, whatever that is called: the OID is null
-- until the role was first seen.
ALTER TABLE control.principals
    ADD COLUMN valid_until timestamptz,
    ADD COLUMN role_oid oid;
