-- The audit: for each tenant a chain of records that can be added to and not be changed. Tenants are named by their id
-- without a reference, because records outlive them; the id of zeros stands for the server itself.
-- Every name is qualified: the connection's search_path holds pg_catalog only.

CREATE SCHEMA audit;

CREATE TABLE audit.records (
    tenant uuid NOT NULL,
    -- Place in the tenant's chain, from 1 without gaps.
    number int8 NOT NULL CHECK (number > 0),
    at timestamptz NOT NULL,
    -- sha256 over the previous chain value (32 zero bytes before the first), number, at and sha256(record).
    chain bytea NOT NULL CHECK (octet_length(chain) = 32),
    -- JSON, kept to the byte.
    record text NOT NULL,
    PRIMARY KEY (tenant, number, at)
) PARTITION BY RANGE (at);

CREATE TABLE audit.heads (
    tenant uuid PRIMARY KEY,
    number int8 NOT NULL,
    chain bytea NOT NULL
);

-- Heads signed with a key that is not in this database; those for `drop` stand for records that were dropped.
CREATE TABLE audit.signed_heads (
    tenant uuid NOT NULL,
    number int8 NOT NULL,
    chain bytea NOT NULL,
    signed_at timestamptz NOT NULL,
    key_id text NOT NULL,
    purpose text NOT NULL CHECK (purpose IN ('head', 'drop')),
    signature bytea NOT NULL,
    PRIMARY KEY (tenant, number, key_id, purpose)
);

CREATE FUNCTION audit.refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'audit records are not changed' USING ERRCODE = '42501';
END
$$;

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON audit.records
    FOR EACH ROW EXECUTE FUNCTION audit.refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON audit.records
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON audit.signed_heads
    FOR EACH ROW EXECUTE FUNCTION audit.refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON audit.signed_heads
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();

-- A month's partition is made by the first record of the month.
CREATE FUNCTION audit.prepare_month(moment timestamptz) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first timestamptz := date_trunc('month', moment, 'UTC');
    name text := 'records_' || to_char(first AT TIME ZONE 'UTC', 'YYYY_MM');
BEGIN
    IF to_regclass('audit.' || name) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(8030604370911717481);
    IF to_regclass('audit.' || name) IS NULL THEN
        -- Attached, because making it in its place would wait for everybody who reads records.
        EXECUTE format('CREATE TABLE audit.%I (LIKE audit.records INCLUDING ALL)', name);
        EXECUTE format(
            'ALTER TABLE audit.records ATTACH PARTITION audit.%I FOR VALUES FROM (%L) TO (%L)',
            name, first, (first AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC'
        );
        EXECUTE format(
            'CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON audit.%I'
            ' FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change()', name
        );
    END IF;
END
$$;

-- The only way in. Records of one tenant stand together, so that chains are locked in one order.
CREATE FUNCTION audit.append(tenants uuid[], records text[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    owner uuid;
    head audit.heads;
BEGIN
    PERFORM audit.prepare_month(moment);
    FOR each IN 1 .. coalesce(array_length(records, 1), 0) LOOP
        IF owner IS DISTINCT FROM tenants[each] THEN
            IF owner IS NOT NULL THEN
                UPDATE audit.heads h SET number = head.number, chain = head.chain WHERE h.tenant = owner;
            END IF;
            owner := tenants[each];
            SELECT * INTO head FROM audit.heads h WHERE h.tenant = owner FOR UPDATE;
            IF NOT FOUND THEN
                INSERT INTO audit.heads VALUES (owner, 0, decode(repeat('00', 32), 'hex')) ON CONFLICT DO NOTHING;
                SELECT * INTO head FROM audit.heads h WHERE h.tenant = owner FOR UPDATE;
            END IF;
        END IF;
        head.number := head.number + 1;
        head.chain := sha256(
            head.chain || int8send(head.number) || timestamptz_send(moment)
            || sha256(convert_to(records[each], 'UTF8'))
        );
        INSERT INTO audit.records VALUES (owner, head.number, moment, head.chain, records[each]);
    END LOOP;
    IF owner IS NOT NULL THEN
        UPDATE audit.heads h SET number = head.number, chain = head.chain WHERE h.tenant = owner;
    END IF;
END
$$;

REVOKE ALL ON FUNCTION audit.append(uuid[], text[]), audit.prepare_month(timestamptz), audit.refuse_change()
    FROM PUBLIC;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'omnisql_audit') THEN
        CREATE ROLE omnisql_audit LOGIN NOINHERIT;
    END IF;
END
$$;
GRANT USAGE ON SCHEMA audit TO omnisql_audit;
GRANT EXECUTE ON FUNCTION audit.append(uuid[], text[]) TO omnisql_audit;
