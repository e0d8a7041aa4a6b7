"""API tables stay apart from inheritance and partitioning, whichever way a user tries."""

from __future__ import annotations

import asyncpg
import pytest

from catalog.connection import OwnConnection

pytestmark = pytest.mark.asyncio(loop_scope="session")

SETUP = """
CREATE TABLE public.ia_parent (number int8);
CREATE TABLE public.ia_parts (number int8) PARTITION BY LIST (number);
CREATE FOREIGN TABLE public.ia_api (number int8) SERVER hub OPTIONS ("table" 'issues');
"""
CREATE_CHILD = """CREATE FOREIGN TABLE public.ia_child () INHERITS (ia_parent) SERVER hub OPTIONS ("table" 'issues')"""
CREATE_PARTITION = """CREATE FOREIGN TABLE public.ia_part PARTITION OF ia_parts FOR VALUES IN (1) SERVER hub
    OPTIONS ("table" 'issues')"""


@pytest.mark.parametrize(
    "sql",
    [
        CREATE_CHILD,
        CREATE_PARTITION,
        "ALTER TABLE ia_parts ATTACH PARTITION ia_api DEFAULT",
        "ALTER FOREIGN TABLE ia_api INHERIT ia_parent",
        "ALTER TABLE ia_api INHERIT ia_parent",
        "CREATE TABLE public.ia_below () INHERITS (ia_api)",
        "CREATE SCHEMA ia_schema CREATE TABLE below () INHERITS (public.ia_api)",
        "DO $$ BEGIN EXECUTE 'ALTER FOREIGN TABLE ia_api INHERIT ia_parent'; END $$",
        "SELECT public.ia_attach()",
    ],
)
async def test_an_api_table_is_never_a_child_or_a_parent(admin: OwnConnection, sql: str) -> None:
    transaction = admin.transaction()
    await transaction.start()
    try:
        await admin.execute(SETUP)
        await admin.execute(
            f"CREATE FUNCTION public.ia_attach() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {CREATE_PARTITION}; END $$"
        )
        # A user's own operators and functions have no say.
        await admin.execute(
            "CREATE FUNCTION public.ia_never(oid, oid) RETURNS bool LANGUAGE sql AS 'SELECT false';"
            "CREATE OPERATOR public.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = public.ia_never);"
        )
        with pytest.raises(asyncpg.FeatureNotSupportedError, match=r"API table \S+ cannot be a partition") as refused:
            await admin.execute(sql)
        assert "UNION ALL" in str(refused.value.hint)
    finally:
        await transaction.rollback()


async def test_ordinary_inheritance_and_partitions_are_as_ever(admin: OwnConnection) -> None:
    transaction = admin.transaction()
    await transaction.start()
    try:
        await admin.execute(SETUP)
        await admin.execute("CREATE TABLE public.ia_one PARTITION OF ia_parts FOR VALUES IN (1)")
        await admin.execute("CREATE TABLE public.ia_two (extra text) INHERITS (ia_parent)")
        await admin.execute("INSERT INTO ia_parts VALUES (1)")
        assert await admin.fetchval("SELECT count(*) FROM ia_one") == 1
    finally:
        await transaction.rollback()
