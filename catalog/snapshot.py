"""A snapshot of what reaches API tables in a tenant's database: the hint that routes statements, never the authority.

Which relations a statement really touches is asked of the backend that runs it. Loading needs a control connection
(pinned search_path).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import asyncpg

from catalog.carriers import SQL as CARRIERS_SQL
from catalog.carriers import Carriers, carriers_of
from catalog.connection import Connection
from catalog.lineage import ABOVE_WITH
from catalog.name_pattern import NameTest, shape
from catalog.quoting import options_from_array
from catalog.tenants import DDL_LOCK_CLASS, DDL_LOCK_OBJECT
from catalog.validators import CATALOG_SCHEMA

_DIGITS = frozenset("0123456789")

# Also sent on users' own backends: constant and fully qualified.
SEQUENCE_SQL = f"SELECT last_value FROM {CATALOG_SCHEMA}.ddl_sequence"

UNFINISHED_DDL_SQL = f"""
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_locks l
    WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.classid = {DDL_LOCK_CLASS} AND l.objid = {DDL_LOCK_OBJECT}
        AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
)
"""

WRAPPERS_WITH = f"""
wrappers AS (
    SELECT w.oid, w.fdwname FROM pg_catalog.pg_foreign_data_wrapper w
    JOIN pg_catalog.pg_proc p ON p.oid = w.fdwvalidator JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = '{CATALOG_SCHEMA}' AND w.fdwhandler = 0
)
"""

# Views and rules reach a table through their rewrite rule; inheritance is refused where it would begin. A materialized
# view is named, but what reads it reads its stored rows: the search goes no further there. Other sessions' temporary
# objects are out of sight.
REACHING_SQL = f"""
WITH RECURSIVE {WRAPPERS_WITH}, reaching(oid) AS (
    SELECT t.ftrelid FROM pg_catalog.pg_foreign_table t JOIN pg_catalog.pg_foreign_server s ON s.oid = t.ftserver
    JOIN wrappers w ON w.oid = s.srvfdw
    UNION
    SELECT next.oid FROM reaching r JOIN pg_catalog.pg_class c ON c.oid = r.oid AND c.relkind <> 'm'
    CROSS JOIN LATERAL (
        SELECT w.ev_class AS oid FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid
        WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
            AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = r.oid
    ) next
)
SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind::pg_catalog.text AS kind
FROM reaching r JOIN pg_catalog.pg_class c ON c.oid = r.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't' ORDER BY c.oid
"""

# What reads them by more than the rewrite rule of a view, such as a partitioned table, is named here, too.
DERIVED_SQL = f"""
WITH {ABOVE_WITH}
SELECT DISTINCT c.oid, n.nspname AS schema, c.relname AS name, c.relkind::pg_catalog.text AS kind
FROM above u JOIN pg_catalog.pg_class c ON c.oid = u.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't' ORDER BY c.oid
"""
# Of temporary ones no other session may know the names, but functions may read them, too.
IS_DERIVED_SQL = f"SELECT EXISTS (SELECT FROM {CATALOG_SCHEMA}.derived)"
HAS_LINEAGE_SQL = f"SELECT pg_catalog.to_regclass('{CATALOG_SCHEMA}.derived') IS NOT NULL"

SERVERS_SQL = f"""
WITH {WRAPPERS_WITH}
SELECT s.oid, s.srvname, w.fdwname, s.srvversion, s.srvoptions FROM pg_catalog.pg_foreign_server s
JOIN wrappers w ON w.oid = s.srvfdw ORDER BY s.oid
"""

TABLES_SQL = f"""
WITH {WRAPPERS_WITH}
SELECT c.oid, n.nspname, c.relname, s.srvname, s.srvversion, w.fdwname, t.ftoptions
FROM pg_catalog.pg_foreign_table t JOIN pg_catalog.pg_foreign_server s ON s.oid = t.ftserver
JOIN wrappers w ON w.oid = s.srvfdw JOIN pg_catalog.pg_class c ON c.oid = t.ftrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't' ORDER BY c.oid
"""

COLUMNS_SQL = """
SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.attfdwoptions
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = ANY ($1::pg_catalog.oid[]) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachingRelation:
    """A relation through which rows of an API, or rows derived from some, can be read; `kind` is pg_class.relkind."""

    oid: int
    schema: str
    name: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiServer:
    """A foreign server of one of our wrappers."""

    oid: int
    name: str
    wrapper: str
    options: Mapping[str, str]
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiColumn:
    """A column of an API table; `attnum` is PostgreSQL's, with gaps where columns were dropped."""

    attnum: int
    name: str
    type_oid: int
    typmod: int
    not_null: bool
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiTable:
    """A foreign table of one of our wrappers, with its columns in order; `version` is its server's."""

    oid: int
    schema: str
    name: str
    server: str
    wrapper: str
    options: Mapping[str, str]
    columns: tuple[ApiColumn, ...]
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What was found at one value of the DDL sequence.

    A snapshot that is not `settled` was taken while a transaction with DDL was open, whose objects it may lack: it
    serves, and is to be loaded again soon even if the sequence stays. `derived` are relations whose rows were
    written from API tables, `carriers` what reads them by functions.
    """

    sequence: int
    settled: bool
    reaching: Mapping[int, ReachingRelation]
    tables: Mapping[int, ApiTable]
    servers: Mapping[str, ApiServer]
    derived: Mapping[int, ReachingRelation] = field(default_factory=dict)
    carriers: Carriers = field(default_factory=Carriers)
    api_names: frozenset[str] = field(init=False)
    derived_names: frozenset[str] = field(init=False)
    _names: NameTest = field(init=False, repr=False, compare=False)
    _numbered: NameTest = field(init=False, repr=False, compare=False)
    _by_name: Mapping[str, tuple[ReachingRelation, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_name: dict[str, tuple[ReachingRelation, ...]] = {}
        for relation in self.reaching.values():
            by_name[relation.name] = (*by_name.get(relation.name, ()), relation)
        object.__setattr__(self, "_by_name", by_name)
        object.__setattr__(self, "api_names", frozenset(by_name))
        object.__setattr__(self, "derived_names", frozenset(relation.name for relation in self.derived.values()))
        names = {*self.api_names, *self.derived_names, *(name for name, _ in self.carriers.names)}
        numbered = {shape(name.encode()).decode() for name in names if not _DIGITS.isdisjoint(name)}
        object.__setattr__(self, "_names", NameTest(names))
        object.__setattr__(self, "_numbered", NameTest(numbered))

    def may_reach(self, text: bytes) -> bool:
        """Say whether a statement's text could name a relation that reaches an API table or what was derived from one;
        false is certain, true is not.
        """
        return self._names.hits(text)

    def digits_matter(self, text: bytes) -> bool:
        """Say whether texts that differ from this one in digits alone could name others of them; false is certain."""
        return self._numbered.hits(shape(text))

    def relations_named(self, name: str) -> tuple[ReachingRelation, ...]:
        """List the reaching relations of this name, spelled as in pg_class, in all schemas."""
        return self._by_name.get(name, ())


async def read_sequence(connection: Connection) -> int:
    """Read the DDL sequence, which moves with every statement that changes objects other than temporary ones."""
    return int(await connection.fetchval(SEQUENCE_SQL))


async def load_snapshot(connection: Connection) -> Snapshot:
    """Load the snapshot over a control connection to the tenant's database.

    The order matters: a change that the catalog queries cannot see yet either moves the sequence after it was read,
    or holds its lock while the locks are read.
    """
    sequence = await read_sequence(connection)
    settled = not await connection.fetchval(UNFINISHED_DDL_SQL)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        reaching = await connection.fetch(REACHING_SQL)
        servers = await connection.fetch(SERVERS_SQL)
        tables = await connection.fetch(TABLES_SQL)
        columns = await connection.fetch(COLUMNS_SQL, [row["oid"] for row in tables])
        lineage = await connection.fetchval(HAS_LINEAGE_SQL)
        derived = await connection.fetch(DERIVED_SQL) if lineage else []
        carries = lineage and await connection.fetchval(IS_DERIVED_SQL)
        carriers = await connection.fetch(CARRIERS_SQL) if carries else []
    # Compiling the pattern of thousands of names takes longer than the event loop may stand still.
    return await asyncio.to_thread(
        Snapshot,
        sequence=sequence,
        settled=settled,
        reaching={row["oid"]: ReachingRelation(**dict(row)) for row in reaching},
        derived={row["oid"]: ReachingRelation(**dict(row)) for row in derived},
        carriers=carriers_of(carriers),
        tables=_tables(tables, columns),
        servers={
            row["srvname"]: ApiServer(
                oid=row["oid"],
                name=row["srvname"],
                wrapper=row["fdwname"],
                options=options_from_array(row["srvoptions"]),
                version=row["srvversion"] or "",
            )
            for row in servers
        },
    )


def _tables(tables: list[asyncpg.Record], columns: list[asyncpg.Record]) -> dict[int, ApiTable]:
    by_table: dict[int, list[ApiColumn]] = {row["oid"]: [] for row in tables}
    for row in columns:
        by_table[row["attrelid"]].append(
            ApiColumn(
                attnum=row["attnum"],
                name=row["attname"],
                type_oid=row["atttypid"],
                typmod=row["atttypmod"],
                not_null=row["attnotnull"],
                options=options_from_array(row["attfdwoptions"]),
            )
        )
    return {
        row["oid"]: ApiTable(
            oid=row["oid"],
            schema=row["nspname"],
            name=row["relname"],
            server=row["srvname"],
            wrapper=row["fdwname"],
            options=options_from_array(row["ftoptions"]),
            columns=tuple(by_table[row["oid"]]),
            version=row["srvversion"] or "",
        )
        for row in tables
    }
