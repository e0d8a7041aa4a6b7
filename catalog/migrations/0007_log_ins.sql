-- How a tenant's users may log in other than by password, and what they are then.

-- One document for each tenant; what it may say is checked where it is set.
CREATE TABLE control.log_in_rules (
    tenant uuid PRIMARY KEY REFERENCES control.tenants ON DELETE CASCADE,
    rules jsonb NOT NULL CHECK (jsonb_typeof(rules) = 'object')
);

-- A role that has no password may log in by other means. Until its cluster was looked at, only passwords count.
ALTER TABLE control.principals ADD COLUMN may_log_in boolean NOT NULL DEFAULT false;
UPDATE control.principals SET may_log_in = verifier IS NOT NULL;

CREATE TABLE control.api_tokens (
    id text PRIMARY KEY CHECK (id ~ '^[0-9a-z]{12}$'),
    tenant uuid NOT NULL REFERENCES control.tenants ON DELETE CASCADE,
    -- Whose it is: a role, whatever that is called. It dies with its role.
    principal_oid oid NOT NULL,
    -- sha256 of the whole token, which is random enough that nothing slower is needed.
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    description text NOT NULL,
    -- What it is good for: null means all that its owner may do.
    role_oid oid,
    sources text[],
    read_only boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX api_tokens_by_tenant ON control.api_tokens (tenant, created_at);
