-- What was learned of API tables and is shared by all servers of a tenant; losing it costs calls and never an answer.

-- Conditions that were evaluated here and not by an API, without any literal, and what the scans under them took.
CREATE TABLE control.pushdown_misses (
    tenant uuid NOT NULL REFERENCES control.tenants ON DELETE CASCADE,
    relation_oid oid NOT NULL,
    condition text NOT NULL CHECK (length(condition) <= 500),
    reason text NOT NULL,
    rewrite text NOT NULL,
    statements int8 NOT NULL,
    calls int8 NOT NULL,
    rows_fetched int8 NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, relation_oid, condition)
);

-- A shape that tells literals apart has digests in the place of classes, under a key of the tenant's own that is not here.
ALTER TABLE control.statistics ADD COLUMN literal boolean NOT NULL DEFAULT false;
