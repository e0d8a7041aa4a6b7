"""The audit as JSON lines, one for each record and each signed head: they can be proved wherever they are kept."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from uuid import UUID

from catalog.audit import SignedHead, StoredRecord, groups_of, signed_heads
from catalog.connection import Connection


async def exported(connection: Connection, chain: UUID, after: int = 0) -> AsyncIterator[str]:
    """Yield the lines of a chain after a number: its records in order, then its signed heads.

    `record` is the record's JSON as a string, to the byte, because that is what the chain value is made of; where it is
    made of less, `stored` has that. Records that were written together have one chain value and are given together.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        async for group in groups_of(connection, chain, after):
            for record in group.records():
                yield record_line(record)
        for signed in await signed_heads(connection, chain):
            if signed.head.number > after:
                yield head_line(signed)


def record_line(record: StoredRecord) -> str:
    """Return a record as a line."""
    line = {
        "chain": str(record.tenant),
        "number": record.number,
        "at": record.at.isoformat(timespec="microseconds"),
        "head": record.chain.hex(),
        "record": record.record,
    }
    if record.line != record.record:
        line["stored"] = record.line
    return json.dumps(line)


def head_line(signed: SignedHead) -> str:
    """Return a signed head as a line."""
    return json.dumps(
        {
            "chain": str(signed.head.tenant),
            "number": signed.head.number,
            "head": signed.head.chain.hex(),
            "signed_at": signed.signed_at.isoformat(timespec="microseconds"),
            "purpose": signed.purpose,
            "signed_by": signed.key_id,
            "signature": signed.signature.hex(),
        }
    )
