"""Reads what a view reads as its owner: on a backend of the owner's own, in the snapshot of the session's transaction.

The owner's backend logs in as that very role, so that nothing in it could ever become more, and evaluates nothing but
column references: a relation whose planning or reading would call a function of a user's is refused. Its rows go into
the statement of the session's user as one parameter, where no expression of the user's sees more of them than the view
shows; settings under which PostgreSQL would tell parameters to the client are refused. Nothing is granted to anybody.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import asyncpg

from catalog.connection import OwnConnection
from catalog.quoting import identifier, qualified
from omnisql_server.bind.questions import rows_of, text_array
from omnisql_server.errors import BackendError, InternalError, LimitExceeded, LockNotAvailable, NotSupported
from omnisql_server.execute.arrays import ArrayParameter
from omnisql_server.execute.record_arrays import RowType, record_array
from omnisql_server.execute.splice_tables import SpliceLimits
from omnisql_server.model.backend import Ask, Backend
from omnisql_server.model.plan import OwnerScan, QueryPlan
from omnisql_server.model.query import BoundQuery, OwnerRead
from omnisql_server.owner_backends import OwnerBackends
from omnisql_server.owner_conditions import where_of
from omnisql_server.owner_questions import COLUMNS, MOMENT, SNAPSHOT, USERS_CODE

LOCK_TIMEOUT_MS = 1_000
"""How long an owner's backend waits for a lock: what it waits for may be the very session that waits for it."""
ROWS_AHEAD = 1_000
USER_TYPES_START = 16_384

_SNAPSHOT_NAME = re.compile(r"[0-9A-F]+(-[0-9A-F]+)*")


async def read_as_owners(
    plan: QueryPlan, backend: Backend, backends: OwnerBackends, limits: SpliceLimits
) -> Mapping[object, ArrayParameter]:
    """Read everything that a plan has read as the owners of views, in one snapshot, by `OwnerRead.key`.

    Raises:
        NotSupported: it cannot be read in the session's snapshot, or without running code of users (0A000).
        LockNotAvailable: the relation is locked (55P03).
        LimitExceeded: the rows are more than `inline_bytes_max` bytes (54000).
        ClusterUnavailable: the owner's backend does not answer (57P03).
    """
    scans = plan.owner_scans
    if not scans:
        return {}
    snapshot = await _snapshot(plan.authorized.query, tuple(scan.read for scan in scans), backend)
    found: dict[object, ArrayParameter] = {}
    for role in sorted({scan.read.role for scan in scans}):
        async with _reader(backends, role, snapshot) as connection:
            for scan in (each for each in scans if each.read.role == role):
                left = limits.inline_bytes_max - sum(len(array.value) for array in found.values())
                found[scan.read.key] = await _rows(scan, connection, left)
    return found


async def _snapshot(query: BoundQuery, reads: Sequence[OwnerRead], backend: Backend) -> str:
    """Have the session's backend export the snapshot of its transaction, if that is the statement's as well."""
    roles = text_array(sorted({read.role for read in reads}))
    moment = rows_of((await backend.ask(Ask(sql=MOMENT, parameters=(roles,))))[0])[0]
    isolation, has_written, role, tells = (*moment[:3], query.settings.tells or moment[3])
    reasons = (
        (has_written == "t", "the transaction has written, which no other session can see"),
        (isolation == "serializable", "a serializable transaction can be told only of what it reads itself"),
        (
            query.as_owners.reads_others and isolation != "repeatable read",
            "the statement reads other local tables too, each statement of this transaction in a snapshot of its own",
        ),
        (role is not None, f"role {role} owns the view, and is a superuser or may not log in"),
        (bool(tells), f"as {tells} is set, PostgreSQL would tell of rows that the view does not show"),
        (
            any(oid >= USER_TYPES_START for oid in query.parameter_oids),
            "a parameter has a type that a user has made, whose checks would run beside hidden rows",
        ),
    )
    reason = next((reason for applies, reason in reasons if applies), None)
    if reason is not None:
        raise _refused(reads[0], reason)
    try:
        name = rows_of((await backend.ask(Ask(sql=SNAPSHOT)))[0])[0][0] or ""
    except BackendError as error:
        raise _refused(reads[0], f"the transaction cannot share its snapshot: {error.message}") from error
    if not _SNAPSHOT_NAME.fullmatch(name):
        raise InternalError(message="the name of the exported snapshot is not understood")
    return name


@asynccontextmanager
async def _reader(backends: OwnerBackends, role: str, snapshot: str) -> AsyncIterator[OwnConnection]:
    async with (
        backends.lease(role) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        await connection.execute(
            f"SET TRANSACTION SNAPSHOT '{snapshot}'; SET LOCAL ROLE NONE; SET LOCAL row_security = off;"
            f" SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}; SET LOCAL constraint_exclusion = off"
        )
        yield connection


async def _rows(scan: OwnerScan, connection: OwnConnection, bytes_max: int) -> ArrayParameter:
    read = scan.read
    try:
        row_type, needed, text = await _shape(read, connection)
        where, values = where_of(scan.predicates, read.relation)
        return record_array(await _records(read, text + where, values, connection, bytes_max), row_type, needed)
    except asyncpg.LockNotAvailableError as error:
        raise LockNotAvailable(
            message=f"canceling statement: {read.relation.qualified_name} is locked, perhaps by this very session",
            detail=f"View {read.view} reads it with its owner's rights, on another backend.",
        ) from error
    except asyncpg.InsufficientPrivilegeError as error:
        # Row security applies to the owner, or it has lost the schema, which PostgreSQL asks for only in a text.
        raise _refused(read, str(error)) from error
    except asyncpg.PostgresError as error:
        fields = {"S": "ERROR", "V": "ERROR", "C": error.sqlstate or "XX000", "M": str(error)}
        raise BackendError(fields) from error


async def _shape(read: OwnerRead, connection: OwnConnection) -> tuple[RowType, list[int], str]:
    """Find out what the rows of a relation are made of, which columns are needed, and the query for them."""
    oid = read.relation.oid
    if await connection.fetchval(USERS_CODE, oid):
        raise _refused(read, "an index of it, or the domain of a column, calls a function that a user has made")
    found = await connection.fetch(COLUMNS, oid)
    if not found or not found[0]["array_oid"]:
        raise _refused(read, "it has no row type")
    first, needed = found[0], [index for index, row in enumerate(found) if row["name"] in read.columns]
    columns = ", ".join(f"t.{identifier(found[index]['name'])}" for index in needed)
    where = f"{'ONLY ' if read.only else ''}{qualified(first['schema'], first['relation'])}"
    row_type = RowType(
        type_oid=first["row_oid"], array_oid=first["array_oid"], column_oids=tuple(row["type_oid"] for row in found)
    )
    return row_type, needed, f"SELECT pg_catalog.record_send(ROW({columns})) FROM {where} AS t"


async def _records(
    read: OwnerRead, text: str, values: Sequence[object], connection: OwnConnection, bytes_max: int
) -> list[bytes]:
    rows: list[bytes] = []
    size = 0
    async for (row,) in connection.cursor(text, *values, prefetch=ROWS_AHEAD):
        size += len(row)
        if size > bytes_max:
            raise LimitExceeded(
                message=f"view {read.view} reads {read.relation.name} with its owner's rights: more than {bytes_max}"
                " bytes of rows",
                hint="have the view read a materialized view with fewer rows, or raise engine.splice_inline_bytes_max",
            )
        rows.append(row)
    return rows


def _refused(read: OwnerRead, why: str) -> NotSupported:
    return NotSupported(
        message=f"view {read.view} reads {read.relation.name} with its owner's rights, beside an API table",
        detail=f"It is read on another backend, in the same snapshot, and cannot be here: {why}.",
        hint=f"ask for the view alone, in autocommit or in a REPEATABLE READ transaction; or ALTER VIEW {read.view} SET"
        f" (security_invoker = true) and grant SELECT on {read.relation.name}",
    )
