"""Proves a chain: every link, its end, and every signed head that lies on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from catalog.audit import DROP, NO_CHAIN, Head, StoredGroup, groups_of, head_of, linked, signed_heads
from catalog.connection import Connection
from omnisql_server.audit.errors import AuditBroken
from omnisql_server.audit.record import decoded
from omnisql_server.audit.signing import is_signed, key_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A chain that holds.

    Records before `first` were dropped with their months; a signed head stands for them. `signed` is the number of the
    last head signed with the key, 0 where none is. `unfinished` are ids of starts without a finish, with their times:
    statements under way, or lost.
    """

    tenant: UUID
    first: int
    last: int
    signed: int
    unfinished: tuple[tuple[str, datetime], ...]


async def verify(connection: Connection, tenant: UUID, key: Ed25519PublicKey) -> Verified:
    """Verify a tenant's chain; all of it is read in one snapshot.

    Raises:
        AuditBroken: XX001, it does not hold.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        head = await head_of(connection, tenant)
        by_key = [each for each in await signed_heads(connection, tenant) if each.key_id == key_id(key)]
        for each in by_key:
            if not is_signed(each, key):
                raise _broken(tenant, each.head.number, "the signature over the head does not fit")
        signed = {each.head.number: each.head for each in by_key}
        dropped = {each.head.number: each.head for each in by_key if each.purpose == DROP}
        first, number, chain = 0, 0, NO_CHAIN
        open_since: dict[str, datetime] = {}
        met: set[int] = set()
        async for group in groups_of(connection, tenant):
            if not first:
                first = group.first
                number, chain = _start(tenant, first, dropped)
            if group.first != number + 1:
                raise _broken(tenant, number + 1, "it is missing" if group.first > number else "others were put in")
            number, chain = group.number, linked(chain, group.number, group.at, group.text)
            if chain != group.chain:
                raise _broken(tenant, group.first, "the record, or one before it, is not what was written", number)
            met.add(number)
            _compare(signed.get(number), chain)
            _follow(open_since, group)
        if not first and head.number:
            # All records were dropped with their months.
            number, chain = _start(tenant, head.number + 1, dropped)
    if (head.number, head.chain) != (number, chain):
        raise _broken(tenant, head.number, "the chain does not end where its head says")
    # Signed heads stand where something that was written together ended.
    skipped = [each for each in signed if first <= each < number and each not in met] if first else []
    if skipped:
        raise _broken(tenant, skipped[0], "a signed head says otherwise")
    beyond = max(signed, default=0)
    if beyond > number:
        raise _broken(tenant, beyond, "records up to a signed head are missing")
    return Verified(
        tenant=tenant, first=first or number + 1, last=number, signed=beyond, unfinished=tuple(open_since.items())
    )


def _start(tenant: UUID, first: int, dropped: dict[int, Head]) -> tuple[int, bytes]:
    """Return the number and chain value before the first record that is left."""
    if first == 1:
        return 0, NO_CHAIN
    before = dropped.get(first - 1)
    if before is None:
        raise _broken(tenant, first - 1, "records up to it are missing, and no signed head stands for them")
    return before.number, before.chain


def _compare(signed: Head | None, chain: bytes) -> None:
    if signed is not None and signed.chain != chain:
        raise _broken(signed.tenant, signed.number, "a signed head says otherwise")


def _follow(open_since: dict[str, datetime], group: StoredGroup) -> None:
    try:
        for stored in group.records():
            record = decoded(stored.record)
            if record.phase == "start":
                open_since[record.id] = stored.at
            else:
                open_since.pop(record.id, None)
    except ValueError as error:
        raise _broken(group.tenant, group.first, "the record cannot be read", group.number) from error


def _broken(tenant: UUID, number: int, what: str, last: int = 0) -> AuditBroken:
    """Say what does not hold of a record, or of those up to `last` that were written together."""
    which = f"record {number}" if last <= number else f"record {number} to {last}"
    return AuditBroken(message="the audit does not hold", detail=f"Chain {tenant}, {which}: {what}.")
