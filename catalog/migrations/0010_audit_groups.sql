-- Records that are written together are one row: their JSON texts, one a line, with one chain value for all. `number` is
-- that of the last; rows of a single record are as they were before. A row is written, hashed and found once, which costs
-- a third of as many rows. Every name is qualified, because the connection's search_path holds pg_catalog only.

DO $$
DECLARE
    part regclass;
BEGIN
    -- Compressing costs more than writing: records are short-lived and most rows are small.
    FOR part IN SELECT 'audit.records'::regclass UNION ALL
        SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = 'audit.records'::regclass
    LOOP
        EXECUTE format('ALTER TABLE ONLY %s ALTER COLUMN record SET STORAGE EXTERNAL', part);
    END LOOP;
END
$$;

COMMENT ON COLUMN audit.records.number IS 'number of the last record of the row in its tenant''s chain, from 1 without gaps';
COMMENT ON COLUMN audit.records.record IS 'records as JSON, one a line, kept to the byte';
COMMENT ON COLUMN audit.records.chain IS
    'sha256 over the previous chain value (32 zero bytes before the first), number, at and sha256(record)';

-- The only way in. Each tenant's text is one row; chains are locked in the order of tenants, which must not repeat.
CREATE OR REPLACE FUNCTION audit.append(tenants uuid[], records text[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    head audit.heads;
BEGIN
    PERFORM audit.prepare_month(moment);
    FOR each IN 1 .. coalesce(array_length(records, 1), 0) LOOP
        SELECT * INTO head FROM audit.heads h WHERE h.tenant = tenants[each] FOR UPDATE;
        IF NOT FOUND THEN
            INSERT INTO audit.heads VALUES (tenants[each], 0, decode(repeat('00', 32), 'hex')) ON CONFLICT DO NOTHING;
            SELECT * INTO head FROM audit.heads h WHERE h.tenant = tenants[each] FOR UPDATE;
        END IF;
        head.number := head.number + cardinality(string_to_array(records[each], E'\n'));
        head.chain := sha256(
            head.chain || int8send(head.number) || timestamptz_send(moment)
            || sha256(convert_to(records[each], 'UTF8'))
        );
        INSERT INTO audit.records VALUES (tenants[each], head.number, moment, head.chain, records[each]);
        UPDATE audit.heads h SET number = head.number, chain = head.chain WHERE h.tenant = tenants[each];
    END LOOP;
END
$$;
