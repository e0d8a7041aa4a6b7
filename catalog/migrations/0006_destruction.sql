-- Each tenant's data key is sealed under a key of the tenant's own, which is kept elsewhere: `holder` says where (file,
-- transit), `generation` which. Generation 0 is a data key sealed under the server's key file alone, as they were before.
ALTER TABLE control.data_keys
    ADD COLUMN holder text NOT NULL DEFAULT 'file',
    ADD COLUMN generation int4 NOT NULL DEFAULT 0 CHECK (generation >= 0);

-- Tenants that were destroyed, or are being destroyed: a copy of one that is brought back is not served.
CREATE TABLE control.destroyed_tenants (
    tenant uuid PRIMARY KEY,
    name text NOT NULL,
    cluster text NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT now(),
    -- Null: it did not come to its end, and is to be destroyed again.
    finished_at timestamptz
);
