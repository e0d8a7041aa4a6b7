"""The history of the shapes of API tables: `omnisql.schema_versions`, written by an event trigger.

A foreign table's columns, with the names and types that its source has for them, are noted when they are made or
changed, and when the version of its server is: in the transaction of that command, whoever gives it.
"""

from __future__ import annotations

from catalog.api_table_fences import API_TABLES, EVENT_TRIGGER_SQL
from catalog.connection import Connection
from catalog.quoting import identifier, literal
from catalog.validators import CATALOG_SCHEMA

TABLE = f"""
CREATE TABLE IF NOT EXISTS {CATALOG_SCHEMA}.schema_history (
    number pg_catalog.int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    server pg_catalog.name NOT NULL, schema pg_catalog.name NOT NULL, name pg_catalog.name NOT NULL,
    api_table pg_catalog.text NOT NULL, connector pg_catalog.name NOT NULL, version pg_catalog.text NOT NULL,
    columns pg_catalog.jsonb NOT NULL, change pg_catalog.text NOT NULL,
    since pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now()
)
"""

NOTE_BODY = f"""
DECLARE
    one record;
    last record;
    change pg_catalog.text;
BEGIN
    FOR one IN
        SELECT s.srvname, n.nspname, c.relname, w.fdwname, COALESCE(s.srvversion, '') AS version,
            COALESCE((SELECT o.option_value FROM pg_catalog.pg_options_to_table(t.ftoptions) o
                      WHERE o.option_name OPERATOR(pg_catalog.=) 'table'), c.relname::pg_catalog.text) AS api_table,
            COALESCE((SELECT pg_catalog.jsonb_object_agg(
                    COALESCE((SELECT o.option_value FROM pg_catalog.pg_options_to_table(a.attfdwoptions) o
                              WHERE o.option_name OPERATOR(pg_catalog.=) 'column'), a.attname::pg_catalog.text),
                    pg_catalog.format_type(a.atttypid, a.atttypmod))
                FROM pg_catalog.pg_attribute a
                WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2
                    AND NOT a.attisdropped), '{{}}'::pg_catalog.jsonb) AS columns
        FROM pg_catalog.pg_foreign_table t
        JOIN pg_catalog.pg_foreign_server s ON s.oid OPERATOR(pg_catalog.=) t.ftserver
        JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid OPERATOR(pg_catalog.=) s.srvfdw
        JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.ftrelid
        JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
        WHERE t.ftrelid OPERATOR(pg_catalog.=) ANY ({API_TABLES})
            AND w.fdwname OPERATOR(pg_catalog.<>) 'omnisql'
            AND c.relpersistence OPERATOR(pg_catalog.<>) 't'::pg_catalog."char"
            AND (objects IS NULL OR t.ftrelid OPERATOR(pg_catalog.=) ANY (objects)
                 OR t.ftserver OPERATOR(pg_catalog.=) ANY (objects))
        ORDER BY t.ftrelid
    LOOP
        SELECT h.version, h.columns INTO last FROM {CATALOG_SCHEMA}.schema_history h
        WHERE h.server OPERATOR(pg_catalog.=) one.srvname AND h.schema OPERATOR(pg_catalog.=) one.nspname
            AND h.name OPERATOR(pg_catalog.=) one.relname
        ORDER BY h.number DESC LIMIT 1;
        change := CASE
            WHEN NOT FOUND THEN 'new'
            WHEN last.columns OPERATOR(pg_catalog.=) one.columns AND last.version OPERATOR(pg_catalog.=) one.version
                THEN NULL
            WHEN one.columns OPERATOR(pg_catalog.@>) last.columns THEN 'compatible'
            ELSE 'breaking' END;
        CONTINUE WHEN change IS NULL;
        INSERT INTO {CATALOG_SCHEMA}.schema_history
            (server, schema, name, api_table, connector, version, columns, change)
        VALUES (one.srvname, one.nspname, one.relname, one.api_table, one.fdwname, one.version, one.columns, change);
    END LOOP;
END
"""

TRIGGER_BODY = f"""
BEGIN
    PERFORM {CATALOG_SCHEMA}.note_schemas((
        SELECT COALESCE(pg_catalog.array_agg(c.objid), '{{}}'::pg_catalog.oid[])
        FROM pg_catalog.pg_event_trigger_ddl_commands() c
        WHERE c.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
            OR c.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_foreign_server'::pg_catalog.regclass::pg_catalog.oid));
END
"""
TAGS = ("CREATE FOREIGN TABLE", "ALTER FOREIGN TABLE", "ALTER TABLE", "ALTER SERVER")

# Of a table that is gone, or a server, only the tenant's owner knows.
VIEW = f"""
SELECT h.server, h.schema AS schema_name, h.name AS table_name, h.api_table, h.connector,
    NULLIF(h.version, ''::pg_catalog.text) AS version, h.columns, h.change, h.since
FROM {CATALOG_SCHEMA}.schema_history h
WHERE EXISTS (SELECT FROM pg_catalog.pg_database d
              WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
                  AND pg_catalog.pg_has_role(d.datdba, 'USAGE'))
    OR EXISTS (SELECT FROM pg_catalog.pg_class c
               JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
               WHERE c.relname OPERATOR(pg_catalog.=) h.name AND n.nspname OPERATOR(pg_catalog.=) h.schema
                   AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
                   AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT'))
ORDER BY h.number
"""


async def install_schema_history(connection: Connection, control_role: str, owner: str) -> None:
    """Make the table, its trigger and the view, or bring them up to date, and note tables that it does not know yet.

    Everything belongs to the role `control_role`; the tenant's `owner` may read the table, so that a dump has it.
    """
    table, role = f"{CATALOG_SCHEMA}.schema_history", identifier(control_role)
    async with connection.transaction():
        await connection.execute(TABLE)
        await connection.execute(f"ALTER TABLE {table} OWNER TO {role}")
        await connection.execute(f"GRANT SELECT ON {table} TO {identifier(owner)}")
        await connection.execute(f"GRANT SELECT ON SEQUENCE {table}_number_seq TO {identifier(owner)}")
        for signature, returns, body in (
            ("note_schemas(objects pg_catalog.oid[])", "pg_catalog.void", NOTE_BODY),
            ("note_changed_schemas()", "event_trigger", TRIGGER_BODY),
        ):
            name = f"{CATALOG_SCHEMA}.{signature}"
            await connection.execute(
                f"CREATE OR REPLACE FUNCTION {name} RETURNS {returns} LANGUAGE plpgsql SECURITY DEFINER"
                f" SET search_path = pg_catalog, pg_temp AS {literal(body)}"
            )
            await connection.execute(f"ALTER FUNCTION {name} OWNER TO {role}")
        await connection.execute(f"REVOKE EXECUTE ON FUNCTION {CATALOG_SCHEMA}.note_schemas(oid[]) FROM PUBLIC")
        if await connection.fetchval(EVENT_TRIGGER_SQL, "omnisql_schema_history") is None:
            await connection.execute(
                f"CREATE EVENT TRIGGER omnisql_schema_history ON ddl_command_end"
                f" WHEN TAG IN ({', '.join(map(literal, TAGS))})"
                f" EXECUTE FUNCTION {CATALOG_SCHEMA}.note_changed_schemas()"
            )
        await connection.execute(f"CREATE OR REPLACE VIEW omnisql.schema_versions AS {VIEW}")
        await connection.execute(f"ALTER VIEW omnisql.schema_versions OWNER TO {role}")
        await connection.execute("GRANT SELECT ON omnisql.schema_versions TO PUBLIC")
        await connection.execute(f"SELECT {CATALOG_SCHEMA}.note_schemas(NULL)")
