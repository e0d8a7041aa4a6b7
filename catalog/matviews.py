"""Where the rows of materialized views over API tables are kept: schema `omnisql_data`, which nobody may create in.

Such a view M reads a staging table S there, which a hidden view D, the query that M was made with, says how to fill.
All three belong to M's owner. Event triggers keep it so: what is left without M is dropped, and M's owner is S's and
D's. Their functions run as the cluster's superuser, because a new owner needs no rights in the schema; they take no
argument, pin the search_path and name every operator.
"""

from __future__ import annotations

from catalog.api_table_fences import EVENT_TRIGGER_SQL
from catalog.connection import Connection
from catalog.quoting import identifier, literal
from catalog.validators import CATALOG_SCHEMA

DATA_SCHEMA = "omnisql_data"
STAGING_PREFIX = "omnisql_mv_"
QUERY_SUFFIX = "_query"

STAGINGS = f"""
    SELECT s.oid AS staging, q.oid AS query, m.oid AS matview, m.relowner AS owner
    FROM pg_catalog.pg_class s
    LEFT JOIN pg_catalog.pg_class q ON q.relnamespace OPERATOR(pg_catalog.=) s.relnamespace
        AND q.relkind OPERATOR(pg_catalog.=) 'v'::pg_catalog."char"
        AND q.relname OPERATOR(pg_catalog.=)
            pg_catalog.concat(s.relname, '{QUERY_SUFFIX}')::pg_catalog.name
    LEFT JOIN LATERAL (
        SELECT c.oid, c.relowner FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_rewrite w ON w.oid OPERATOR(pg_catalog.=) d.objid
        JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) w.ev_class
            AND c.relkind OPERATOR(pg_catalog.=) 'm'::pg_catalog."char"
        WHERE d.refobjid OPERATOR(pg_catalog.=) s.oid
            AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
            AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid
        LIMIT 1
    ) m ON true
    WHERE s.relnamespace OPERATOR(pg_catalog.=) '{DATA_SCHEMA}'::pg_catalog.regnamespace::pg_catalog.oid
        AND s.relkind OPERATOR(pg_catalog.=) 'r'::pg_catalog."char"
"""
"""Each staging table, with its query and its materialized view where there are such."""

# The caller's rights are asked of the role of the session: a function of another's is no way round.
ADOPT_BODY = f"""
DECLARE
    moved pg_catalog.regclass;
    granted record;
BEGIN
    FOREACH moved IN ARRAY ARRAY[staging, query] LOOP
        IF moved IS NULL OR NOT EXISTS (
            SELECT FROM pg_catalog.pg_class c
            WHERE c.oid OPERATOR(pg_catalog.=) moved::pg_catalog.oid
                AND pg_catalog.starts_with(c.relname::pg_catalog.text, '{STAGING_PREFIX}')
                AND pg_catalog.pg_has_role(
                    CASE pg_catalog.current_setting('role') WHEN 'none' THEN session_user
                         ELSE pg_catalog.current_setting('role')::pg_catalog.name END,
                    c.relowner, 'USAGE')
        ) THEN
            RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = 'must be owner of what becomes a staging table';
        END IF;
        FOR granted IN
            SELECT DISTINCT pg_catalog.pg_get_userbyid(a.grantee) AS role, a.grantee, c.relowner
            FROM pg_catalog.pg_class c CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) a
            WHERE c.oid OPERATOR(pg_catalog.=) moved::pg_catalog.oid
                AND a.grantee OPERATOR(pg_catalog.<>) c.relowner
        LOOP
            EXECUTE pg_catalog.format('REVOKE ALL ON %s FROM %s CASCADE', moved,
                CASE granted.grantee WHEN 0::pg_catalog.oid THEN 'PUBLIC'
                     ELSE pg_catalog.quote_ident(granted.role::pg_catalog.text) END);
        END LOOP;
    END LOOP;
    EXECUTE pg_catalog.format('ALTER TABLE %s SET SCHEMA {DATA_SCHEMA}', staging);
    EXECUTE pg_catalog.format('ALTER VIEW %s SET SCHEMA {DATA_SCHEMA}', query);
END
"""

# What is done here fires the trigger again, so each relation is looked at when its turn comes.
FOLLOW_BODY = f"""
DECLARE
    one record;
    moved pg_catalog.regclass;
BEGIN
    FOR one IN SELECT * FROM ({STAGINGS}) k WHERE k.matview IS NOT NULL AND k.query IS NOT NULL LOOP
        FOREACH moved IN ARRAY ARRAY[one.staging, one.query]::pg_catalog.regclass[] LOOP
            IF EXISTS (SELECT FROM pg_catalog.pg_class c
                       WHERE c.oid OPERATOR(pg_catalog.=) moved::pg_catalog.oid
                           AND c.relowner OPERATOR(pg_catalog.<>) one.owner) THEN
                EXECUTE pg_catalog.format('ALTER TABLE %s OWNER TO %I', moved, pg_catalog.pg_get_userbyid(one.owner));
            END IF;
        END LOOP;
    END LOOP;
END
"""

DROP_BODY = f"""
DECLARE
    one record;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_event_trigger_dropped_objects() d
                   WHERE d.object_type OPERATOR(pg_catalog.=) ANY ('{{materialized view,view,table}}')) THEN
        RETURN;
    END IF;
    LOOP
        SELECT k.* INTO one FROM ({STAGINGS}) k JOIN pg_catalog.pg_class s ON s.oid OPERATOR(pg_catalog.=) k.staging
        WHERE k.matview IS NULL OR (k.query IS NULL AND EXISTS (
            SELECT FROM pg_catalog.pg_event_trigger_dropped_objects() d
            WHERE d.schema_name OPERATOR(pg_catalog.=) '{DATA_SCHEMA}'
                AND d.object_name OPERATOR(pg_catalog.=) pg_catalog.concat(s.relname, '{QUERY_SUFFIX}')))
        LIMIT 1;
        EXIT WHEN NOT FOUND;
        EXECUTE pg_catalog.format('DROP TABLE %s CASCADE', one.staging::pg_catalog.regclass);
    END LOOP;
    LOOP
        SELECT v.oid::pg_catalog.regclass AS query INTO one FROM pg_catalog.pg_class v
        WHERE v.relnamespace OPERATOR(pg_catalog.=) '{DATA_SCHEMA}'::pg_catalog.regnamespace::pg_catalog.oid
            AND v.relkind OPERATOR(pg_catalog.=) 'v'::pg_catalog."char"
            AND EXISTS (
                SELECT FROM pg_catalog.pg_event_trigger_dropped_objects() d
                WHERE d.schema_name OPERATOR(pg_catalog.=) '{DATA_SCHEMA}'
                    AND v.relname OPERATOR(pg_catalog.=)
                        pg_catalog.concat(d.object_name, '{QUERY_SUFFIX}')::pg_catalog.name)
        LIMIT 1;
        EXIT WHEN NOT FOUND;
        EXECUTE pg_catalog.format('DROP VIEW %s CASCADE', one.query);
    END LOOP;
END
"""

MATVIEWS_VIEW = f"""
SELECT n.nspname AS schemaname, m.relname AS matviewname, pg_catalog.pg_get_userbyid(k.owner) AS matviewowner,
    m.relispopulated AS ispopulated, pg_catalog.pg_get_viewdef(k.query) AS definition, s.relname AS staging
FROM ({STAGINGS}) k JOIN pg_catalog.pg_class m ON m.oid OPERATOR(pg_catalog.=) k.matview
JOIN pg_catalog.pg_class s ON s.oid OPERATOR(pg_catalog.=) k.staging
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) m.relnamespace
"""

_TRIGGERS = (
    (
        "omnisql_matview_owner",
        "ddl_command_end",
        "follow_matview_owner",
        FOLLOW_BODY,
        ("ALTER MATERIALIZED VIEW", "ALTER TABLE"),
    ),
    ("omnisql_matview_drop", "sql_drop", "drop_staging", DROP_BODY, ()),
)


async def install_matviews(connection: Connection, owner: str) -> None:
    """Make the schema, its functions and triggers, and the view `omnisql.matviews`, or bring them up to date.

    The schema belongs to the role `owner`; the functions to the connection's role, a superuser.
    """
    async with connection.transaction():
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {DATA_SCHEMA} AUTHORIZATION {identifier(owner)}")
        await connection.execute(f"GRANT USAGE ON SCHEMA {DATA_SCHEMA} TO PUBLIC")
        await connection.execute(
            f"CREATE OR REPLACE FUNCTION {CATALOG_SCHEMA}.adopt_staging(staging pg_catalog.regclass,"
            " query pg_catalog.regclass) RETURNS pg_catalog.void LANGUAGE plpgsql SECURITY DEFINER"
            f" SET search_path = pg_catalog, pg_temp AS {literal(ADOPT_BODY)}"
        )
        for trigger, event, function, body, tags in _TRIGGERS:
            name = f"{CATALOG_SCHEMA}.{function}()"
            await connection.execute(
                f"CREATE OR REPLACE FUNCTION {name} RETURNS event_trigger LANGUAGE plpgsql"
                f" SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS {literal(body)}"
            )
            if await connection.fetchval(EVENT_TRIGGER_SQL, trigger) is None:
                when = f" WHEN TAG IN ({', '.join(map(literal, tags))})" if tags else ""
                await connection.execute(f"CREATE EVENT TRIGGER {trigger} ON {event}{when} EXECUTE FUNCTION {name}")
        await connection.execute(f"CREATE OR REPLACE VIEW omnisql.matviews AS {MATVIEWS_VIEW}")
        await connection.execute("GRANT SELECT ON omnisql.matviews TO PUBLIC")
