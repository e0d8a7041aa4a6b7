-- Tenants, who may log in to them, their sources, and their sealed secrets.
-- Every name is qualified: the connection's search_path holds pg_catalog only.

CREATE TABLE control.tenants (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9_-]{0,62}$'),
    database text NOT NULL,
    -- Null: the tenant's cluster is embedded.
    dsn text,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE control.principals (
    tenant uuid NOT NULL REFERENCES control.tenants ON DELETE CASCADE,
    name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 63),
    -- A SCRAM-SHA-256 verifier in PostgreSQL's own notation; null: this principal cannot log in by password.
    verifier text CHECK (verifier ~ '^SCRAM-SHA-256\$'),
    attributes jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(attributes) = 'object'),
    roles text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant, name)
);

CREATE TABLE control.sources (
    tenant uuid NOT NULL REFERENCES control.tenants ON DELETE CASCADE,
    server text NOT NULL CHECK (octet_length(server) BETWEEN 1 AND 63),
    connector text NOT NULL,
    options jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(options) = 'object'),
    PRIMARY KEY (tenant, server)
);

CREATE TABLE control.secrets (
    handle uuid PRIMARY KEY,
    tenant uuid NOT NULL REFERENCES control.tenants ON DELETE CASCADE,
    server text NOT NULL,
    role text NOT NULL,
    audience text NOT NULL,
    sealed bytea NOT NULL
);

CREATE INDEX secrets_by_owner ON control.secrets (tenant, server, role);
