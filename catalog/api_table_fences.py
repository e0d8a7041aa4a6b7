"""Refuses definitions that would read API tables where no statement can: inheritance, policies, rules, SQL bodies.

PostgreSQL cannot read a foreign table without a handler, so what is defined here would only fail when it is used, far
from its cause. The triggers look at the catalog at the end of each command, so that DO blocks and functions are no way
round. Their functions pin the search_path and name every operator: no object of a user has a say.
"""

from __future__ import annotations

from catalog.connection import Connection
from catalog.quoting import identifier, literal
from catalog.validators import CATALOG_SCHEMA

EVENT_TRIGGER_SQL = "SELECT 1 FROM pg_catalog.pg_event_trigger WHERE evtname OPERATOR(pg_catalog.=) $1"

API_TABLES = f"""
    SELECT t.ftrelid FROM pg_catalog.pg_foreign_table t
    JOIN pg_catalog.pg_foreign_server s ON s.oid OPERATOR(pg_catalog.=) t.ftserver
    JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid OPERATOR(pg_catalog.=) s.srvfdw
    JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) w.fdwvalidator
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
    WHERE n.nspname OPERATOR(pg_catalog.=) '{CATALOG_SCHEMA}'
        AND w.fdwhandler OPERATOR(pg_catalog.=) 0::pg_catalog.oid
"""

REFUSE_INHERITANCE = f"""
DECLARE
    refused pg_catalog.text;
BEGIN
    SELECT a.ftrelid::pg_catalog.regclass::pg_catalog.text INTO refused
    FROM pg_catalog.pg_inherits i
    JOIN ({API_TABLES}) a
        ON a.ftrelid OPERATOR(pg_catalog.=) i.inhrelid OR a.ftrelid OPERATOR(pg_catalog.=) i.inhparent
    LIMIT 1;
    IF refused IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = '0A000',
            MESSAGE = pg_catalog.format('API table %s cannot be a partition, or take part in inheritance', refused),
            DETAIL = 'Statements over its parent or its children could not be answered.',
            HINT = 'Make a view that combines the tables by UNION ALL.';
    END IF;
END
"""

# From the few objects that read on their own account down through views: mostly there are none, and it costs nothing.
# A rule depends on its own table whether or not it reads it.
REFUSE_HIDDEN_READS = f"""
DECLARE
    reader pg_catalog.text;
    refused pg_catalog.text;
BEGIN
    WITH RECURSIVE readers(kind, catalog, object, own, label) AS (
        SELECT 'policy', 'pg_catalog.pg_policy'::pg_catalog.regclass::pg_catalog.oid, p.oid, p.polrelid,
            pg_catalog.format('policy %I of table %s', p.polname, p.polrelid::pg_catalog.regclass)
        FROM pg_catalog.pg_policy p
        UNION ALL
        SELECT 'rule', 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid, r.oid, r.ev_class,
            pg_catalog.format('rule %I of %s', r.rulename, r.ev_class::pg_catalog.regclass)
        FROM pg_catalog.pg_rewrite r
        WHERE r.ev_type OPERATOR(pg_catalog.<>) '1'::pg_catalog."char"
            AND r.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
        UNION ALL
        SELECT 'function', 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid, f.oid, 0::pg_catalog.oid,
            pg_catalog.format('function %s', f.oid::pg_catalog.regprocedure)
        FROM pg_catalog.pg_proc f
        WHERE f.prosqlbody IS NOT NULL AND f.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
    ), reached(label, relation) AS (
        SELECT r.label, d.refobjid FROM readers r JOIN pg_catalog.pg_depend d
            ON d.classid OPERATOR(pg_catalog.=) r.catalog AND d.objid OPERATOR(pg_catalog.=) r.object
        WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
            AND (d.refobjid OPERATOR(pg_catalog.<>) r.own OR r.kind OPERATOR(pg_catalog.<>) 'rule')
        UNION
        SELECT r.label, d.refobjid FROM reached r
        JOIN pg_catalog.pg_rewrite v ON v.ev_class OPERATOR(pg_catalog.=) r.relation
            AND v.ev_type OPERATOR(pg_catalog.=) '1'::pg_catalog."char"
        JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) v.ev_class
            AND c.relkind OPERATOR(pg_catalog.=) 'v'::pg_catalog."char"
        JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) v.oid
            AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid
            AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
    )
    SELECT r.label, r.relation::pg_catalog.regclass::pg_catalog.text INTO reader, refused
    FROM reached r JOIN ({API_TABLES}) a ON a.ftrelid OPERATOR(pg_catalog.=) r.relation
    LIMIT 1;
    IF reader IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = '0A000',
            MESSAGE = pg_catalog.format('%s reads API table %s, which only a top-level statement can', reader, refused),
            HINT = 'Copy the rows that are needed into a table, by CREATE TABLE .. AS or INSERT .. SELECT.';
    END IF;
END
"""

# Every command that can make such an object, or a view below one reach further.
FENCES = (
    (
        "omnisql_inheritance",
        "refuse_inheritance",
        REFUSE_INHERITANCE,
        ("CREATE FOREIGN TABLE", "CREATE TABLE", "ALTER TABLE", "ALTER FOREIGN TABLE", "CREATE SCHEMA"),
    ),
    (
        "omnisql_hidden_reads",
        "refuse_hidden_reads",
        REFUSE_HIDDEN_READS,
        ("CREATE POLICY", "ALTER POLICY", "CREATE RULE", "CREATE VIEW", "CREATE FUNCTION", "CREATE PROCEDURE"),
    ),
)


async def install_fences(connection: Connection, owner: str) -> None:
    """Make the fences in the connection's database, their functions owned by a role, or bring them up to date."""
    for trigger, function, body, tags in FENCES:
        name = f"{CATALOG_SCHEMA}.{function}()"
        await connection.execute(
            f"CREATE OR REPLACE FUNCTION {name} RETURNS event_trigger LANGUAGE plpgsql"
            f" SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS {literal(body)}"
        )
        await connection.execute(f"ALTER FUNCTION {name} OWNER TO {identifier(owner)}")
        if await connection.fetchval(EVENT_TRIGGER_SQL, trigger) is None:
            await connection.execute(
                f"CREATE EVENT TRIGGER {trigger} ON ddl_command_end"
                f" WHEN TAG IN ({', '.join(map(literal, tags))}) EXECUTE FUNCTION {name}"
            )
