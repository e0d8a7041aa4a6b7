-- What was observed of API tables, by the shape of what was asked (columns and operators, never values). It prices plans;
-- losing it loses no more than that.

CREATE TABLE control.statistics (
    tenant uuid NOT NULL REFERENCES control.tenants ON DELETE CASCADE,
    server_oid oid NOT NULL,
    api_table text NOT NULL,
    -- A list of [column, operator, class of the number of values].
    shape jsonb NOT NULL CHECK (jsonb_typeof(shape) = 'array'),
    rows float8 NOT NULL,
    pages float8 NOT NULL,
    calls float8 NOT NULL,
    latency_ms float8 NOT NULL,
    sightings integer NOT NULL,
    seen_at timestamptz NOT NULL,
    origin text NOT NULL,
    stale boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant, server_oid, api_table, shape)
);
