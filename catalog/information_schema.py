"""Keeps information_schema readable where there are API tables.

Its views ask PostgreSQL for every foreign table, and every view, whether it can be written to
(`pg_relation_is_updatable`, `pg_column_is_updatable`), and PostgreSQL asks the wrapper's handler, which ours do not
have: reading `information_schema.columns` or `tables` whole would fail (55000). The views are made anew with the same
text over functions that know the answer for such tables, and for views that reach one: no.
"""

from __future__ import annotations

from catalog.connection import Connection
from catalog.quoting import identifier, qualified
from catalog.validators import CATALOG_SCHEMA

FUNCTIONS = ("pg_relation_is_updatable", "pg_column_is_updatable")

FIRST_USER_OID = 16_384
"""PostgreSQL's FirstNormalObjectId: what it made itself reaches no API table."""
# Read by the functions' callers, who may read all of these catalogs.
_HANDLERLESS = """
FROM pg_catalog.pg_foreign_table t
JOIN pg_catalog.pg_foreign_server s ON s.oid OPERATOR(pg_catalog.=) t.ftserver
JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid OPERATOR(pg_catalog.=) s.srvfdw
WHERE w.fdwhandler OPERATOR(pg_catalog.=) 0::pg_catalog.oid AND t.ftrelid OPERATOR(pg_catalog.=)
"""
IS_API_TABLE = f"EXISTS (SELECT {_HANDLERLESS} $1::pg_catalog.oid)"
# Apart from the functions that ask it, each call of which would prepare to follow views.
VIEW_REACHES_API_SQL = f"""
CREATE OR REPLACE FUNCTION {CATALOG_SCHEMA}.view_reaches_api(pg_catalog.regclass)
RETURNS pg_catalog.bool LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN EXISTS (
    WITH RECURSIVE reached(oid) AS (
        SELECT $1::pg_catalog.oid
        UNION
        SELECT d.refobjid FROM reached r
        JOIN pg_catalog.pg_rewrite w ON w.ev_class OPERATOR(pg_catalog.=) r.oid
        JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) w.oid
            AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid
            AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
    )
    SELECT FROM reached r WHERE EXISTS (SELECT {_HANDLERLESS} r.oid)
);
"""
NOT_WRITTEN = f"""
CASE WHEN $1::pg_catalog.oid OPERATOR(pg_catalog.<) {FIRST_USER_OID}::pg_catalog.oid THEN false
     WHEN {IS_API_TABLE} THEN true ELSE {CATALOG_SCHEMA}.view_reaches_api($1) END
"""
FUNCTIONS_SQL = f"""{VIEW_REACHES_API_SQL}
CREATE OR REPLACE FUNCTION {CATALOG_SCHEMA}.pg_relation_is_updatable(pg_catalog.regclass, pg_catalog.bool)
RETURNS pg_catalog.int4 LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN {NOT_WRITTEN} THEN 0 ELSE pg_catalog.pg_relation_is_updatable($1, $2) END;
CREATE OR REPLACE FUNCTION {CATALOG_SCHEMA}.pg_column_is_updatable(
    pg_catalog.regclass, pg_catalog.int2, pg_catalog.bool
) RETURNS pg_catalog.bool LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN {NOT_WRITTEN} THEN false ELSE pg_catalog.pg_column_is_updatable($1, $2, $3) END;
"""
# With search_path on pg_catalog alone pg_get_viewdef writes PostgreSQL's own functions without a schema, ours with one.
VIEWS_SQL = """
SELECT c.relname, pg_catalog.pg_get_viewdef(c.oid) AS text FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE n.nspname OPERATOR(pg_catalog.=) 'information_schema' AND c.relkind OPERATOR(pg_catalog.=) 'v'
    AND pg_catalog.pg_get_viewdef(c.oid) OPERATOR(pg_catalog.~) '(^|[^.])\\mpg_(relation|column)_is_updatable\\('
ORDER BY c.relname
"""


async def mend_information_schema(connection: Connection) -> tuple[str, ...]:
    """Make the views anew that would fail, over a control connection to the tenant's database; name those changed now.

    Their columns, owner and grants stay.
    """
    await connection.execute(FUNCTIONS_SQL)
    rows = await connection.fetch(VIEWS_SQL)
    for row in rows:
        text = row["text"]
        for function in FUNCTIONS:
            text = text.replace(f"{function}(", f"{identifier(CATALOG_SCHEMA)}.{function}(")
        await connection.execute(f"CREATE OR REPLACE VIEW {qualified('information_schema', row['relname'])} AS {text}")
    return tuple(row["relname"] for row in rows)
