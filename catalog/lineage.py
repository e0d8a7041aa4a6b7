"""Lineage: which tables hold what was read from API tables, from which columns and under which masks.

`omnisql_catalog.derived` names each such relation with who may see its rows, `derivation` says where its columns come
from (attribute 0: all of them), both written in the transaction of the write. What is made of them by CREATE TABLE AS,
SELECT INTO or a materialized view inherits all that the transaction had read, by an event trigger, so that DO blocks
and functions are no way round. `catalog.sharing` keeps the rows with their owner.
"""

from __future__ import annotations

from catalog.api_table_fences import API_TABLES
from catalog.connection import Connection
from catalog.following import FOLLOW_BODY, FOLLOWED_BODY, TABLE, TABLE_NAME, install_following
from catalog.quoting import identifier, literal
from catalog.sharing import (
    CALLER,
    EXPOSURES_SQL,
    KEEP_BODY,
    KEEPER_SQL,
    REFUSE_SHARING,
    SESSION_ROLE,
    SHARING_TAGS,
)
from catalog.tenants import DDL_LOCK_CLASS, DDL_LOCK_OBJECT
from catalog.validators import CATALOG_SCHEMA

# Names instead of numbers in a dump, so that a restored copy knows what is derived.
TABLES = f"""
CREATE TABLE IF NOT EXISTS {CATALOG_SCHEMA}.derived (
    relation pg_catalog.regclass PRIMARY KEY,
    owner pg_catalog.regrole NOT NULL,
    since pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now()
);
CREATE TABLE IF NOT EXISTS {CATALOG_SCHEMA}.derivation (
    relation pg_catalog.regclass, attribute pg_catalog.int2, connector pg_catalog.text, server pg_catalog.text,
    api_table pg_catalog.text, api_column pg_catalog.text, mask pg_catalog.text, policy pg_catalog.text,
    PRIMARY KEY (relation, attribute, connector, server, api_table, api_column, mask, policy)
);
CREATE TABLE IF NOT EXISTS {CATALOG_SCHEMA}.shared (
    relation pg_catalog.regclass, role pg_catalog.regrole, PRIMARY KEY (relation, role)
);
CREATE TABLE IF NOT EXISTS {CATALOG_SCHEMA}.share_permit (
    relation pg_catalog.regclass, role pg_catalog.regrole, until pg_catalog.timestamptz NOT NULL,
    PRIMARY KEY (relation, role)
);
ALTER TABLE {CATALOG_SCHEMA}.share_permit ADD COLUMN IF NOT EXISTS covers pg_catalog.jsonb NOT NULL DEFAULT '[]';
"""
TABLE_NAMES = ("derived", "derivation", "shared", "share_permit", TABLE_NAME)

# Routers learn of a new derived relation as of a definition: the lock before the sequence, as in `tenants`.
ANNOUNCE = f"""
    PERFORM pg_catalog.pg_try_advisory_xact_lock_shared({DDL_LOCK_CLASS}, {DDL_LOCK_OBJECT});
    PERFORM pg_catalog.nextval('{CATALOG_SCHEMA}.ddl_sequence'::pg_catalog.regclass);
"""

INHERIT = f"""
    INSERT INTO {CATALOG_SCHEMA}.derivation
    SELECT DISTINCT target, 0::pg_catalog.int2, s.connector, s.server, s.api_table, s.api_column, s.mask, s.policy
    FROM {CATALOG_SCHEMA}.derivation s
    WHERE s.relation::pg_catalog.oid OPERATOR(pg_catalog.=) ANY (
            SELECT u.root FROM pg_catalog.unnest(origins) o CROSS JOIN LATERAL {CATALOG_SCHEMA}.derived_under(o) u)
        AND s.relation::pg_catalog.oid OPERATOR(pg_catalog.<>) target::pg_catalog.oid
    ON CONFLICT DO NOTHING;
"""

# What a session may be told of is what it writes to itself; a false report makes its own table harder to share.
NOTE_BODY = f"""
DECLARE
    caller pg_catalog.name := {CALLER};
BEGIN
    IF pg_catalog.current_setting('transaction_read_only') OPERATOR(pg_catalog.=) 'on' THEN
        RETURN false;
    END IF;
    IF pg_catalog.jsonb_array_length(facts) OPERATOR(pg_catalog.=) 0 AND NOT EXISTS (
        SELECT FROM pg_catalog.unnest(origins) o CROSS JOIN LATERAL {CATALOG_SCHEMA}.derived_under(o) u
        JOIN {CATALOG_SCHEMA}.derived d ON d.relation::pg_catalog.oid OPERATOR(pg_catalog.=) u.root
    ) THEN
        RETURN true;
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) target::pg_catalog.oid
            AND (pg_catalog.pg_has_role(caller, c.relowner, 'USAGE')
                 OR pg_catalog.has_any_column_privilege(caller, c.oid, 'INSERT, UPDATE'))
    ) THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = 'permission denied to note the lineage of this relation';
    END IF;
    PERFORM {CATALOG_SCHEMA}.derive(target, facts, origins);
    IF EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid OPERATOR(pg_catalog.=) target::pg_catalog.oid
                   AND NOT t.tgisinternal)
        OR EXISTS (SELECT FROM pg_catalog.pg_rewrite w
                   WHERE w.ev_class OPERATOR(pg_catalog.=) target::pg_catalog.oid)
        OR EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent OPERATOR(pg_catalog.=) target::pg_catalog.oid)
        OR EXISTS (SELECT FROM pg_catalog.pg_constraint k
                   WHERE k.confrelid OPERATOR(pg_catalog.=) target::pg_catalog.oid
                       AND k.confupdtype OPERATOR(pg_catalog.=) 'c'::pg_catalog."char")
    THEN
        -- Triggers, rules and ON UPDATE CASCADE may carry the rows on; partitions and children hold them.
        PERFORM {CATALOG_SCHEMA}.follow();
    END IF;
    RETURN true;
END
"""

COLUMNS_NOTED = f"""
(SELECT pg_catalog.count(DISTINCT pg_catalog.jsonb_build_array(v.connector, v.server, v.api_table, v.api_column))
 FROM {CATALOG_SCHEMA}.derivation v WHERE v.relation::pg_catalog.oid OPERATOR(pg_catalog.=) target::pg_catalog.oid)
"""

# Called by ours alone: whoever wrote there was let by PostgreSQL.
DERIVE_BODY = f"""
DECLARE
    known pg_catalog.int8 := {COLUMNS_NOTED};
BEGIN
    INSERT INTO {CATALOG_SCHEMA}.derived (relation, owner)
    SELECT target, {CATALOG_SCHEMA}.keeper_of(c.relowner) FROM pg_catalog.pg_class c
    WHERE c.oid OPERATOR(pg_catalog.=) target::pg_catalog.oid
        AND NOT EXISTS (SELECT FROM {CATALOG_SCHEMA}.derived d
                        WHERE d.relation::pg_catalog.oid OPERATOR(pg_catalog.=) target::pg_catalog.oid)
    ON CONFLICT DO NOTHING;
    IF FOUND THEN
        {ANNOUNCE}
    END IF;
    INSERT INTO {CATALOG_SCHEMA}.derivation
    SELECT DISTINCT target, COALESCE(a.attnum, 0::pg_catalog.int2), f.connector, f.server, f.api_table, f.api_column,
        f.mask, f.policy
    FROM pg_catalog.jsonb_to_recordset(facts) AS f(attribute pg_catalog.text, place pg_catalog.int4,
        connector pg_catalog.text, server pg_catalog.text, api_table pg_catalog.text, api_column pg_catalog.text,
        mask pg_catalog.text, policy pg_catalog.text)
    LEFT JOIN LATERAL (
        SELECT n.attnum FROM (
            SELECT t.attnum, t.attname, pg_catalog.row_number() OVER (ORDER BY t.attnum) AS place
            FROM pg_catalog.pg_attribute t
            WHERE t.attrelid OPERATOR(pg_catalog.=) target::pg_catalog.oid
                AND t.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2 AND NOT t.attisdropped
        ) n
        WHERE n.attname OPERATOR(pg_catalog.=) f.attribute::pg_catalog.name
            OR (f.attribute IS NULL AND n.place OPERATOR(pg_catalog.=) f.place::pg_catalog.int8)
    ) a ON true
    ON CONFLICT DO NOTHING;
    {INHERIT}
    PERFORM {CATALOG_SCHEMA}.keep_with_owner(target, CASE {COLUMNS_NOTED} WHEN known THEN '{{}}'::pg_catalog.oid[] END);
END
"""

# The relations that a transaction has read stay locked until its end. A materialized view is read as a view is.
INHERIT_BODY = f"""
DECLARE
    one record;
    target pg_catalog.regclass;
    origins pg_catalog.oid[];
BEGIN
    IF NOT EXISTS (SELECT FROM {CATALOG_SCHEMA}.derived) THEN
        RETURN;
    END IF;
    FOR one IN SELECT c.objid FROM pg_catalog.pg_event_trigger_ddl_commands() c
        JOIN pg_catalog.pg_class k ON k.oid OPERATOR(pg_catalog.=) c.objid
        WHERE c.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
            AND k.relkind OPERATOR(pg_catalog.=) ANY ('{{r,m}}'::pg_catalog."char"[])
    LOOP
        target := one.objid::pg_catalog.regclass;
        SELECT pg_catalog.array_agg(DISTINCT u.root) INTO origins
        FROM pg_catalog.pg_locks l
        CROSS JOIN LATERAL {CATALOG_SCHEMA}.derived_under(l.relation) u
        WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
            AND l.relation OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
            AND l.relation OPERATOR(pg_catalog.<>) one.objid AND u.root OPERATOR(pg_catalog.<>) one.objid
            AND EXISTS (SELECT FROM {CATALOG_SCHEMA}.derived d
                        WHERE d.relation::pg_catalog.oid OPERATOR(pg_catalog.=) u.root);
        CONTINUE WHEN origins IS NULL OR origins OPERATOR(pg_catalog.<@) ARRAY(
            SELECT u.root FROM {CATALOG_SCHEMA}.derived_under(one.objid) u);
        PERFORM {CATALOG_SCHEMA}.derive(target, '[]'::pg_catalog.jsonb, origins);
    END LOOP;
END
"""

FORGET_BODY = f"""
DECLARE
    gone pg_catalog.oid[];
BEGIN
    IF NOT EXISTS (SELECT FROM {CATALOG_SCHEMA}.derived) THEN
        RETURN;
    END IF;
    SELECT pg_catalog.array_agg(o.objid) INTO gone FROM pg_catalog.pg_event_trigger_dropped_objects() o
    WHERE o.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
        AND o.objsubid OPERATOR(pg_catalog.=) 0;
    DELETE FROM {CATALOG_SCHEMA}.derived d WHERE d.relation::pg_catalog.oid OPERATOR(pg_catalog.=) ANY (gone);
    DELETE FROM {CATALOG_SCHEMA}.derivation d WHERE d.relation::pg_catalog.oid OPERATOR(pg_catalog.=) ANY (gone);
    DELETE FROM {CATALOG_SCHEMA}.shared d WHERE d.relation::pg_catalog.oid OPERATOR(pg_catalog.=) ANY (gone);
    DELETE FROM {CATALOG_SCHEMA}.share_permit d WHERE d.relation::pg_catalog.oid OPERATOR(pg_catalog.=) ANY (gone);
END
"""

UNDER_SQL = f"""
WITH RECURSIVE under(oid) AS (
    SELECT relation
    UNION
    SELECT n.oid FROM under u CROSS JOIN LATERAL (
        SELECT d.refobjid AS oid FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_depend d
            ON d.objid OPERATOR(pg_catalog.=) w.oid
            AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid
            AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
        WHERE w.ev_class OPERATOR(pg_catalog.=) u.oid
        UNION ALL
        SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent OPERATOR(pg_catalog.=) u.oid
    ) n
)
SELECT DISTINCT u.oid FROM under u
WHERE u.oid OPERATOR(pg_catalog.=) ANY (SELECT d.relation::pg_catalog.oid FROM {CATALOG_SCHEMA}.derived d)
    OR u.oid OPERATOR(pg_catalog.=) ANY ({API_TABLES})
"""
"""The derived relations and API tables that a relation reads, itself among them."""

_OPEN = f"""
(c.relpersistence OPERATOR(pg_catalog.=) 't'::pg_catalog."char"
        OR d.owner::pg_catalog.oid OPERATOR(pg_catalog.=) {SESSION_ROLE}
        OR EXISTS (SELECT FROM {CATALOG_SCHEMA}.shared s
                   WHERE s.relation::pg_catalog.oid OPERATOR(pg_catalog.=) c.oid
                       AND (s.role::pg_catalog.oid OPERATOR(pg_catalog.=) 0::pg_catalog.oid
                            OR pg_catalog.pg_has_role(session_user, s.role::pg_catalog.oid, 'USAGE'))))
"""
"""Whether whoever logged in is the keeper of a derived relation `d` of class `c`, or somebody it was shared with."""

# Who may read a relation may know where its rows come from.
READ_SQL = f"""
SELECT c.oid, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, d.relation IS NULL,
    d.relation IS NULL OR {_OPEN},
    (SELECT pg_catalog.json_agg(DISTINCT pg_catalog.jsonb_build_array(
            v.connector, v.server, v.api_table, v.api_column, v.mask, v.policy))
     FROM {CATALOG_SCHEMA}.derivation v WHERE v.relation::pg_catalog.oid OPERATOR(pg_catalog.=) c.oid)
FROM {CATALOG_SCHEMA}.derived_under($1) u
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) u.root
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
LEFT JOIN {CATALOG_SCHEMA}.derived d ON d.relation::pg_catalog.oid OPERATOR(pg_catalog.=) c.oid
WHERE pg_catalog.has_any_column_privilege({CALLER}, $1, 'SELECT')
"""

# What a function reads may be nothing its caller may read: it is his to read all the same if it was shared with him.
CALLED_SQL = f"""
SELECT c.oid, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, false, o.open,
    (SELECT pg_catalog.json_agg(DISTINCT pg_catalog.jsonb_build_array(
            v.connector, v.server, v.api_table, v.api_column, v.mask, v.policy))
     FROM {CATALOG_SCHEMA}.derivation v WHERE v.relation::pg_catalog.oid OPERATOR(pg_catalog.=) c.oid)
FROM {CATALOG_SCHEMA}.derived d
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) d.relation::pg_catalog.oid
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
CROSS JOIN LATERAL (SELECT {_OPEN} AS open) o
WHERE (c.relpersistence OPERATOR(pg_catalog.<>) 't'::pg_catalog."char"
        OR c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema())
    AND CASE WHEN c.oid OPERATOR(pg_catalog.=) ANY (relations)
            THEN o.open OR pg_catalog.has_any_column_privilege({CALLER}, c.oid, 'SELECT')
            ELSE o.open AND 0::pg_catalog.oid OPERATOR(pg_catalog.=) ANY (relations) END
"""

ABOVE_WITH = f"""
RECURSIVE above(root, oid) AS (
    SELECT d.relation::pg_catalog.oid, d.relation::pg_catalog.oid FROM {CATALOG_SCHEMA}.derived d
    UNION
    SELECT a.root, n.oid FROM above a CROSS JOIN LATERAL (
        SELECT w.ev_class AS oid FROM pg_catalog.pg_depend p
        JOIN pg_catalog.pg_rewrite w ON w.oid OPERATOR(pg_catalog.=) p.objid
        WHERE p.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid
            AND p.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
            AND p.refobjid OPERATOR(pg_catalog.=) a.oid
        UNION ALL
        SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid OPERATOR(pg_catalog.=) a.oid
    ) n
)
"""
"""The derived relations, and all views, materialized views and parents that read them."""

# Of a view it is not said which column is from where: it has all that is below it.
LINEAGE_VIEW = f"""
WITH {ABOVE_WITH}
SELECT DISTINCT n.nspname AS schema, c.relname AS name, a.attname AS column, v.connector, v.server, v.api_table,
    NULLIF(v.api_column, ''::pg_catalog.text) AS api_column, NULLIF(v.mask, ''::pg_catalog.text) AS mask,
    NULLIF(v.policy, ''::pg_catalog.text) AS policy, d.since
FROM above u
JOIN {CATALOG_SCHEMA}.derived d ON d.relation::pg_catalog.oid OPERATOR(pg_catalog.=) u.root
JOIN {CATALOG_SCHEMA}.derivation v ON v.relation::pg_catalog.oid OPERATOR(pg_catalog.=) u.root
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) u.oid
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) c.oid
    AND u.oid OPERATOR(pg_catalog.=) u.root AND a.attnum OPERATOR(pg_catalog.=) v.attribute
    AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2 AND NOT a.attisdropped
WHERE pg_catalog.pg_has_role(c.relowner, 'USAGE')
"""

OWNED_SQL = f"""
SELECT d.relation::pg_catalog.oid, (SELECT pg_catalog.json_agg(DISTINCT pg_catalog.jsonb_build_array(
        v.connector, v.server, v.api_table, v.api_column))
    FROM {CATALOG_SCHEMA}.derivation v
    WHERE v.relation::pg_catalog.oid OPERATOR(pg_catalog.=) d.relation::pg_catalog.oid)
FROM {CATALOG_SCHEMA}.derived d
WHERE pg_catalog.pg_has_role(session_user, d.owner::pg_catalog.oid, 'USAGE')
"""

DERIVE = "derive(target pg_catalog.regclass, facts pg_catalog.jsonb, origins pg_catalog.oid[])"
FUNCTIONS = (
    ("lineage_owned()", "TABLE (root pg_catalog.oid, facts pg_catalog.json) LANGUAGE sql STABLE", OWNED_SQL),
    ("derived_under(relation pg_catalog.oid)", "TABLE (root pg_catalog.oid) LANGUAGE sql STABLE", UNDER_SQL),
    (
        "lineage_read(relation pg_catalog.oid)",
        "TABLE (root pg_catalog.oid, schema pg_catalog.text, name pg_catalog.text, api pg_catalog.bool,"
        " open pg_catalog.bool, facts pg_catalog.json) LANGUAGE sql STABLE",
        READ_SQL,
    ),
    (
        "lineage_called(relations pg_catalog.oid[])",
        "TABLE (root pg_catalog.oid, schema pg_catalog.text, name pg_catalog.text, api pg_catalog.bool,"
        " open pg_catalog.bool, facts pg_catalog.json) LANGUAGE sql STABLE",
        CALLED_SQL,
    ),
    ("keeper_of(owner pg_catalog.oid)", "pg_catalog.oid LANGUAGE sql STABLE", KEEPER_SQL),
    (
        "exposures(target pg_catalog.regclass)",
        "TABLE (root pg_catalog.oid, role pg_catalog.oid, hidden pg_catalog.bool,"
        " relation pg_catalog.oid, what pg_catalog.text) LANGUAGE sql STABLE",
        EXPOSURES_SQL,
    ),
    (
        "keep_with_owner(target pg_catalog.regclass, touched pg_catalog.oid[])",
        "pg_catalog.void LANGUAGE plpgsql",
        KEEP_BODY,
    ),
    (
        "note_derivation(target pg_catalog.regclass, facts pg_catalog.jsonb, origins pg_catalog.oid[])",
        "pg_catalog.bool LANGUAGE plpgsql",
        NOTE_BODY,
    ),
    (DERIVE, "pg_catalog.void LANGUAGE plpgsql", DERIVE_BODY),
    ("follow()", "pg_catalog.void LANGUAGE plpgsql", FOLLOW_BODY),
    ("followed()", "pg_catalog.trigger LANGUAGE plpgsql", FOLLOWED_BODY),
)
TRIGGERS = (
    ("omnisql_sharing", "ddl_command_end", "refuse_sharing", REFUSE_SHARING, SHARING_TAGS),
    (
        "omnisql_lineage",
        "ddl_command_end",
        "inherit_lineage",
        INHERIT_BODY,
        ("CREATE TABLE AS", "SELECT INTO", "CREATE MATERIALIZED VIEW", "REFRESH MATERIALIZED VIEW"),
    ),
    ("omnisql_lineage_drop", "sql_drop", "forget_lineage", FORGET_BODY, ()),
)


EVENT_TRIGGER_TAGS_SQL = """
SELECT evttags FROM pg_catalog.pg_event_trigger WHERE evtname OPERATOR(pg_catalog.=) $1
"""


async def install_lineage(connection: Connection, control_role: str, owner: str) -> None:
    """Make the tables, functions, triggers and the view `omnisql.lineage`, or bring them up to date.

    Everything belongs to the role `control_role`; the tenant's `owner` may read the tables, so that a dump has them.
    """
    async with connection.transaction():
        await connection.execute(TABLES + TABLE)
        for table in TABLE_NAMES:
            name = f"{CATALOG_SCHEMA}.{table}"
            await connection.execute(f"ALTER TABLE {name} OWNER TO {identifier(control_role)}")
            await connection.execute(f"GRANT SELECT ON {name} TO {identifier(owner)}")
        for signature, returns, body in FUNCTIONS:
            await _install_function(connection, control_role, signature, returns, body)
        await connection.execute(f"REVOKE EXECUTE ON FUNCTION {CATALOG_SCHEMA}.{DERIVE} FROM PUBLIC")
        await install_following(connection)
        for trigger, event, function, body, tags in TRIGGERS:
            await _install_function(connection, control_role, f"{function}()", "event_trigger LANGUAGE plpgsql", body)
            known = await connection.fetchrow(EVENT_TRIGGER_TAGS_SQL, trigger)
            if known is not None and set(known["evttags"] or ()) != set(tags):
                await connection.execute(f"DROP EVENT TRIGGER {trigger}")
            if known is None or set(known["evttags"] or ()) != set(tags):
                when = f" WHEN TAG IN ({', '.join(map(literal, tags))})" if tags else ""
                await connection.execute(
                    f"CREATE EVENT TRIGGER {trigger} ON {event}{when} EXECUTE FUNCTION {CATALOG_SCHEMA}.{function}()"
                )
        await connection.execute(f"CREATE OR REPLACE VIEW omnisql.lineage AS {LINEAGE_VIEW}")
        await connection.execute(f"ALTER VIEW omnisql.lineage OWNER TO {identifier(control_role)}")
        await connection.execute("GRANT SELECT ON omnisql.lineage TO PUBLIC")


async def _install_function(connection: Connection, owner: str, signature: str, returns: str, body: str) -> None:
    name = f"{CATALOG_SCHEMA}.{signature}"
    await connection.execute(
        f"CREATE OR REPLACE FUNCTION {name} RETURNS {returns} SECURITY DEFINER"
        f" SET search_path = pg_catalog, pg_temp AS {literal(body)}"
    )
    await connection.execute(f"ALTER FUNCTION {name} OWNER TO {identifier(owner)}")
