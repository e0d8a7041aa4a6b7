"""The audit's tables in the control database: chains of records, their heads, and signed heads.

Records are added by a role that may do nothing else, `omnisql_audit`, through a function that links what is written
together to what was before. The rest is read, and months that are over are dropped, by the control database's owner.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg

from catalog.audit_groups import in_full
from catalog.connection import Connection
from catalog.errors import DatabaseInUse

WRITER_ROLE = "omnisql_audit"
SERVER_CHAIN = UUID(int=0)
"""The chain of what concerns no tenant that exists."""
HEAD, DROP = "head", "drop"
NO_CHAIN = bytes(32)
POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
PAGE_GROUPS = 200
NUMBER_MAX = 2**63 - 1
LOCK_WAIT_MS = 2_000

APPEND_SQL = "SELECT audit.append($1, $2)"
HEADS_SQL = "SELECT tenant, number, chain FROM audit.heads ORDER BY tenant"
HEAD_SQL = "SELECT tenant, number, chain FROM audit.heads WHERE tenant = $1"
UNSIGNED_SQL = """
SELECT h.tenant, h.number, h.chain FROM audit.heads h
WHERE h.number > 0 AND NOT EXISTS (
    SELECT FROM audit.signed_heads s
    WHERE s.tenant = h.tenant AND s.number = h.number AND s.key_id = $1 AND s.purpose = 'head'
)
ORDER BY h.tenant
"""
PUT_SIGNED_SQL = """
INSERT INTO audit.signed_heads (tenant, number, chain, signed_at, key_id, purpose, signature)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT DO NOTHING
"""
SIGNED_SQL = """
SELECT tenant, number, chain, signed_at, key_id, purpose, signature FROM audit.signed_heads
WHERE tenant = $1 ORDER BY number, purpose
"""
PAGE_SQL = """
SELECT tenant, number, at, chain, record AS text FROM audit.records
WHERE tenant = $1 AND number > $2 ORDER BY number LIMIT $3
"""
RECENT_SQL = """
SELECT tenant, number, at, chain, record AS text FROM audit.records
WHERE tenant = $1 AND number < $2 ORDER BY number DESC LIMIT $3
"""
LAST_BEFORE_SQL = """
SELECT DISTINCT ON (tenant) tenant, number, chain FROM audit.records WHERE at < $1 ORDER BY tenant, number DESC
"""
MONTHS_SQL = r"""
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'audit.records'::regclass ORDER BY c.relname
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where a tenant's chain ends, or ended once: its number of records and its last value."""

    tenant: UUID
    number: int
    chain: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedHead:
    """A head with the signature of `key_id` over it, and what it was signed for: HEAD or DROP."""

    head: Head
    signed_at: datetime
    key_id: str
    purpose: str
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecord:
    """One record: JSON in full, and `line` as it is stored; `at` is when, `chain` the value of those stored with it."""

    tenant: UUID
    number: int
    at: datetime
    chain: bytes
    record: str
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredGroup:
    """Records that were written together: a `text` of `audit_groups`, the `number` of the last."""

    tenant: UUID
    number: int
    at: datetime
    chain: bytes
    text: str

    @property
    def first(self) -> int:
        """Return the number of the first record."""
        return self.number - self.text.count("\n")

    def records(self) -> Iterator[StoredRecord]:
        """Yield the records in order.

        Raises: ValueError, the text is not one of `audit_groups`.
        """
        lines = self.text.split("\n")
        for number, (record, line) in enumerate(zip(in_full(lines), lines, strict=True), self.first):
            yield StoredRecord(
                tenant=self.tenant, number=number, at=self.at, chain=self.chain, record=record, line=line
            )


def linked(previous: bytes, number: int, at: datetime, text: str) -> bytes:
    """Return the chain value of a group after `previous`, as `audit.append` makes it."""
    since = (at - POSTGRES_EPOCH) // timedelta(microseconds=1)
    digest = hashlib.sha256(text.encode()).digest()
    return hashlib.sha256(previous + number.to_bytes(8) + since.to_bytes(8, signed=True) + digest).digest()


async def append(connection: Connection, groups: Mapping[UUID, str]) -> None:
    """Add a text of `audit_groups` to each tenant's chain, all or none; they are durable on return.

    `connection` is the writer's.
    """
    tenants = sorted(groups)
    await connection.execute(APPEND_SQL, tenants, [groups[tenant] for tenant in tenants])


async def heads(connection: Connection) -> tuple[Head, ...]:
    """List the heads of all chains."""
    return tuple(Head(**dict(row)) for row in await connection.fetch(HEADS_SQL))


async def head_of(connection: Connection, tenant: UUID) -> Head:
    """Return the head of a tenant's chain, which may have no record."""
    row = await connection.fetchrow(HEAD_SQL, tenant)
    return Head(tenant=tenant, number=0, chain=NO_CHAIN) if row is None else Head(**dict(row))


async def unsigned_heads(connection: Connection, key_id: str) -> tuple[Head, ...]:
    """List the heads that a key has not signed."""
    return tuple(Head(**dict(row)) for row in await connection.fetch(UNSIGNED_SQL, key_id))


async def put_signed_head(connection: Connection, signed: SignedHead) -> None:
    """Keep a signed head; one that is there already stays."""
    head = signed.head
    by = (signed.signed_at, signed.key_id, signed.purpose, signed.signature)
    await connection.execute(PUT_SIGNED_SQL, head.tenant, head.number, head.chain, *by)


async def signed_heads(connection: Connection, tenant: UUID) -> tuple[SignedHead, ...]:
    """List the signed heads of a tenant's chain by number."""
    rows = await connection.fetch(SIGNED_SQL, tenant)
    return tuple(
        SignedHead(
            head=Head(tenant=row["tenant"], number=row["number"], chain=row["chain"]),
            signed_at=row["signed_at"],
            key_id=row["key_id"],
            purpose=row["purpose"],
            signature=row["signature"],
        )
        for row in rows
    )


async def groups_of(connection: Connection, tenant: UUID, after: int = 0) -> AsyncIterator[StoredGroup]:
    """Yield what is in a tenant's chain after a number, in order; the group that holds the number's next is whole."""
    while True:
        rows = await connection.fetch(PAGE_SQL, tenant, after, PAGE_GROUPS)
        for row in rows:
            yield StoredGroup(**dict(row))
        if len(rows) < PAGE_GROUPS:
            return
        after = rows[-1]["number"]


async def records_of(connection: Connection, tenant: UUID, after: int = 0) -> AsyncIterator[StoredRecord]:
    """Yield the records of a tenant's chain after a number, in order."""
    async for group in groups_of(connection, tenant, after):
        for record in group.records():
            if record.number > after:
                yield record


async def recent_records(
    connection: Connection, tenant: UUID, principal: str | None, count_max: int
) -> tuple[StoredRecord, ...]:
    """List a chain's last records, or those of one principal among as many, the last first."""
    records: list[StoredRecord] = []
    before = NUMBER_MAX
    while len(records) < count_max:
        rows = await connection.fetch(RECENT_SQL, tenant, before, PAGE_GROUPS)
        for row in rows:
            records += reversed([*StoredGroup(**dict(row)).records()])
        if len(rows) < PAGE_GROUPS:
            break
        before = rows[-1]["number"]
    last = records[:count_max]
    return tuple(each for each in last if principal is None or json.loads(each.record).get("principal") == principal)


async def last_before(connection: Connection, moment: datetime) -> tuple[Head, ...]:
    """List where the chains stood at a moment, those that had records by then."""
    return tuple(Head(**dict(row)) for row in await connection.fetch(LAST_BEFORE_SQL, moment))


async def drop_months(connection: Connection, before: datetime) -> tuple[str, ...]:
    """Drop the months that lie wholly before a month's first moment (UTC), and return their names, such as 2026_01.

    Raises: DatabaseInUse (55006) when records are being read; what was dropped by then is dropped.
    """
    last = f"records_{before:%Y_%m}"
    names = [row["relname"] for row in await connection.fetch(MONTHS_SQL)]
    dropped = [name for name in names if name < last]
    # While it waits for those who read, nobody could write.
    await connection.execute(f"SET lock_timeout = {LOCK_WAIT_MS}")
    try:
        for name in dropped:
            await connection.execute(f'DROP TABLE audit."{name}"')
    except asyncpg.LockNotAvailableError as error:
        raise DatabaseInUse("the audit is being read", hint="Try again when no export or verification runs.") from error
    finally:
        await connection.execute("RESET lock_timeout")
    return tuple(name.removeprefix("records_") for name in dropped)
