"""Writes the validator function of a foreign-data wrapper: the last line against unknown options and plaintext
secrets.

PostgreSQL calls it for every option list of the wrapper, also from DO blocks, functions and restores (PostgreSQL 18,
chapter 58.3). It names every operator and type in full and pins its search_path, so that no object of a user can take
part in the decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from catalog.connection import Connection
from catalog.errors import ShapeInvalid
from catalog.quoting import identifier, literal, qualified, text_array

CATALOG_SCHEMA = "omnisql_catalog"

# Fixed OIDs of the system catalogs that PostgreSQL passes as the validator's second argument.
SERVER_CATALOG = 1417
MAPPING_CATALOG = 1418
TABLE_CATALOG = 3118
COLUMN_CATALOG = 1249

HANDLE_PATTERN = "^secret:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"

STATE_SQL = f"""
SELECT p.prosrc, pg_catalog.pg_get_userbyid(n.nspowner) AS owner
FROM pg_catalog.pg_namespace n
LEFT JOIN pg_catalog.pg_proc p ON p.pronamespace OPERATOR(pg_catalog.=) n.oid AND p.proname OPERATOR(pg_catalog.=) $1
WHERE n.nspname OPERATOR(pg_catalog.=) '{CATALOG_SCHEMA}'
"""

BODY = """
DECLARE
    known pg_catalog.text[];
    entry pg_catalog.text;
    key pg_catalog.text;
    value pg_catalog.text;
BEGIN
{choices}
    FOREACH entry IN ARRAY options LOOP
        key := pg_catalog.split_part(entry, '=', 1);
        value := pg_catalog.substr(entry, pg_catalog.length(key) OPERATOR(pg_catalog.+) 2);
        IF NOT (key OPERATOR(pg_catalog.=) ANY (known)) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'HV00D',
                MESSAGE = pg_catalog.format('invalid option "%s"', key),
                HINT = CASE WHEN pg_catalog.cardinality(known) OPERATOR(pg_catalog.=) 0
                    THEN 'No options are known here.'
                    ELSE pg_catalog.format('Known options are: %s.', pg_catalog.array_to_string(known, ', ')) END;
        END IF;
        IF key OPERATOR(pg_catalog.=) ANY ({secrets}) AND NOT (value OPERATOR(pg_catalog.~) {handle}) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'HV00D',
                MESSAGE = pg_catalog.format('option "%s" does not hold the handle of a secret', key),
                HINT = 'Give the credential to OmniSQL in a statement of its own; it stores a handle here.';
        END IF;
    END LOOP;
END
"""


async def install_validator(
    connection: Connection,
    wrapper: str,
    *,
    server_options: Sequence[str],
    mapping_options: Sequence[str],
    table_options: Sequence[str],
    column_options: Sequence[str],
    secret_options: Sequence[str],
) -> str | None:
    """Create or replace a wrapper's validator, owned by the control role; return the statement, or None if nothing
    differs.

    Raises: ShapeInvalid (HV000) when the database has no catalog schema.
    """
    known = {
        SERVER_CATALOG: server_options,
        MAPPING_CATALOG: mapping_options,
        TABLE_CATALOG: table_options,
        COLUMN_CATALOG: column_options,
    }
    body = validator_body(known, secret_options)
    state = await connection.fetchrow(STATE_SQL, f"validate_{wrapper}")
    if state is None:
        raise ShapeInvalid("the database is not a tenant's", detail=f"schema {CATALOG_SCHEMA} is missing")
    if state["prosrc"] == body:
        return None
    statement = create_validator_statement(wrapper, body)
    await connection.execute(statement)
    arguments = "(pg_catalog.text[], pg_catalog.oid)"
    await connection.execute(
        f"ALTER FUNCTION {validator_name(wrapper)}{arguments} OWNER TO {identifier(state['owner'])}"
    )
    return statement


def validator_name(wrapper: str) -> str:
    """Name the validator function of a wrapper, quoted and with its schema."""
    return qualified(CATALOG_SCHEMA, f"validate_{wrapper}")


def validator_body(known: Mapping[int, Sequence[str]], secret_options: Sequence[str]) -> str:
    """Write the function's body; `known` maps a system catalog's OID to the options known there, all others know
    none.
    """
    choices: list[str] = []
    for catalog_oid, names in known.items():
        keyword = "IF" if not choices else "ELSIF"
        condition = f"catalog OPERATOR(pg_catalog.=) {catalog_oid}::pg_catalog.oid"
        choices.append(f"    {keyword} {condition} THEN known := {text_array(names)};")
    choices += [f"    ELSE known := {text_array(())};", "    END IF;"]
    return BODY.format(choices="\n".join(choices), secrets=text_array(secret_options), handle=literal(HANDLE_PATTERN))


def create_validator_statement(wrapper: str, body: str) -> str:
    """Write the statement that creates or replaces the validator."""
    return (
        f"CREATE OR REPLACE FUNCTION {validator_name(wrapper)}(options pg_catalog.text[], catalog pg_catalog.oid)"
        " RETURNS pg_catalog.void LANGUAGE plpgsql SECURITY DEFINER"
        f" SET search_path = pg_catalog, pg_temp AS {literal(body)}"
    )
