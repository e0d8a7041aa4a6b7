"""An entry: one request that a source answered in full, and its rows as sealed bytes. Pure.

What describes an entry and what holds its rows are sealed apart, each under the tenant's key and bound to the key's id,
the shelf, the entry and which of the two it is: nothing opens in another's place.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
from cryptography.exceptions import InvalidTag

from catalog.key_ring import SEAL_BYTES, seal, seal_into, unseal, unseal_into
from connectors.sdk.misfits import Misfit, Misfits
from connectors.sdk.scan import Direction, Disjunction, Operator, Predicate, Scan, SortKey, Value
from connectors.sdk.trail import Step
from omnisql_server.freshness.domains import Request, covers, request_of

COMPRESSION = "lz4"


class Spoiled(Exception):
    """Bytes that are no entry of ours: changed, sealed under another key, or written by another version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One answered request. `fetched_us` is the shared clock's time before the first request was sent.

    `cost` counts the requests it took, `row_count` and `size_bytes` its rows and their sealed bytes. `steps` counts the
    requests by which its source can confirm it, 0 where it cannot. `full_us` is when all of it was read or confirmed:
    earlier than `fetched_us` where later changes were merged into it. `changes_since` is the time of the source's own
    clock, in ISO 8601, from which changes are not in it yet; empty where the source does not tell. `misfits` are values
    that are null in it because they did not fit.
    """

    id: str
    request: Request
    fetched_us: int
    cost: int
    row_count: int
    size_bytes: int
    steps: int = 0
    full_us: int
    changes_since: str = ""
    misfits: Misfits = ()

    def tells(self, request: Request) -> bool:
        """Say whether it covers a request and has the true values of what the request compares."""
        is_known = request.scan.compared.isdisjoint(each.column for each in self.misfits)
        return is_known and covers(self.request, request)

    @property
    def is_merged(self) -> bool:
        """Say whether it is not as it was read, but changed since."""
        return self.full_us < self.fetched_us


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """A tenant's key for what is kept of its rows, derived from its data key."""

    key: bytes
    key_id: str

    def close(self, content: bytes, *place: str) -> bytes:
        """Seal bytes for one place."""
        return seal(self.key, content, self._bound_to(place))

    def close_large(self, content: bytes | memoryview, *place: str) -> memoryview:
        """Seal what may be megabytes for one place."""
        sealed = _memory(len(content) + SEAL_BYTES)
        seal_into(sealed, self.key, content, self._bound_to(place))
        return sealed

    def open(self, sealed: bytes, *place: str) -> bytes:
        """Open bytes of one place.

        Raises:
            Spoiled: they were not sealed for it.
        """
        try:
            return unseal(self.key, sealed, self._bound_to(place))
        except (InvalidTag, ValueError) as error:
            raise Spoiled from error

    def open_large(self, sealed: bytes, *place: str) -> memoryview:
        """Open what may be megabytes of one place.

        Raises:
            Spoiled: they were not sealed for it.
        """
        if len(sealed) < SEAL_BYTES:
            raise Spoiled
        content = _memory(len(sealed) - SEAL_BYTES)
        try:
            unseal_into(content, self.key, sealed, self._bound_to(place))
        except (InvalidTag, ValueError) as error:
            raise Spoiled from error
        return content

    def name(self, *facts: object) -> str:
        """Give facts a name that tells nothing of them to whoever lacks the key."""
        return hmac.new(self.key, _json(facts), hashlib.sha256).hexdigest()[:32]

    def _bound_to(self, place: Sequence[str]) -> bytes:
        return _json(["freshness", self.key_id, *place])


def _memory(size_bytes: int) -> memoryview:
    """Return memory of Arrow's pool, which holds on to it: to have new pages from the system costs more than AES."""
    return memoryview(pa.allocate_buffer(size_bytes)).cast("B")


def seal_of(data_key: bytes) -> Seal:
    """Derive the seal from a tenant's data key."""
    key = hmac.new(data_key, b"omnisql freshness", hashlib.sha256).digest()
    return Seal(key=key, key_id=hashlib.sha256(key).hexdigest()[:16])


def describe(entry: Entry) -> bytes:
    """Write what an entry is about."""
    return _json(
        {
            "fetched_us": entry.fetched_us,
            "cost": entry.cost,
            "row_count": entry.row_count,
            "size_bytes": entry.size_bytes,
            "steps": entry.steps,
            "full_us": entry.full_us,
            "changes_since": entry.changes_since,
            "misfits": [[each.column, each.count, each.example] for each in entry.misfits],
            **_facts(entry.request.scan),
        }
    )


def described(entry_id: str, content: bytes) -> Entry:
    """Read what `describe` wrote.

    Raises:
        Spoiled: it did not.
    """
    try:
        facts: Mapping[str, Any] = json.loads(content)
        scan = _scan_of(facts)
        changes_since = str(facts["changes_since"])
        misfits = tuple(Misfit(column=str(c), count=int(n), example=str(e)) for c, n, e in facts["misfits"])
        counts = {
            name: int(facts[name]) for name in ("fetched_us", "cost", "row_count", "size_bytes", "steps", "full_us")
        }
    except (ValueError, KeyError, TypeError) as error:
        raise Spoiled from error
    return Entry(id=entry_id, request=request_of(scan), changes_since=changes_since, misfits=misfits, **counts)


def written_request(request: Request) -> bytes:
    """Write what a request asks for."""
    return _json(_facts(request.scan))


def read_request(content: bytes) -> Request:
    """Read what `written_request` wrote.

    Raises:
        Spoiled: it did not.
    """
    try:
        return request_of(_scan_of(json.loads(content)))
    except (ValueError, KeyError, TypeError) as error:
        raise Spoiled from error


def joined(batches: Sequence[pa.RecordBatch]) -> tuple[pa.RecordBatch, ...]:
    """Make one batch of many small ones: pages of a hundred rows cost more to read than their rows do.

    Raises:
        pa.ArrowException: they do not have the same columns.
    """
    if len(batches) < 2 or not batches[0].num_columns:
        return tuple(batches)
    return tuple(pa.Table.from_batches(batches).combine_chunks().to_batches())


def pack(batches: Sequence[pa.RecordBatch]) -> memoryview:
    """Write rows as one compressed Arrow stream; batches of no rows at all are an empty one."""
    if not batches:
        return memoryview(b"")
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=COMPRESSION)
    with pa.ipc.new_stream(sink, batches[0].schema, options=options) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return memoryview(sink.getvalue()).cast("B")


def unpack(content: bytes | memoryview) -> tuple[pa.RecordBatch, ...]:
    """Read what `pack` wrote.

    Raises:
        Spoiled: it did not.
    """
    if not content:
        return ()
    try:
        return tuple(pa.ipc.open_stream(content))
    except (pa.ArrowException, OSError) as error:
        raise Spoiled from error


def written_steps(steps: Sequence[Step]) -> bytes:
    """Write the steps that confirm an entry."""
    return msgspec.json.encode(steps)


def read_steps(content: bytes) -> tuple[Step, ...]:
    """Read what `written_steps` wrote.

    Raises:
        Spoiled: it did not.
    """
    try:
        return msgspec.json.decode(content, type=tuple[Step, ...])
    except msgspec.MsgspecError as error:
        raise Spoiled from error


def _facts(scan: Scan) -> dict[str, object]:
    return {
        "table": scan.table,
        "access_path": scan.access_path,
        "columns": scan.columns,
        "keys": [[name, _written(value)] for name, value in scan.keys.items()],
        "predicates": _written_all(scan.predicates),
        "disjunctions": [[_written_all(branch) for branch in each.branches] for each in scan.disjunctions],
        "order": [[key.column, key.direction.value] for key in scan.order],
        "limit": scan.limit,
    }


def _scan_of(facts: Mapping[str, Any]) -> Scan:
    return Scan(
        table=facts["table"],
        access_path=facts["access_path"],
        columns=tuple(facts["columns"]),
        keys={name: _read(value) for name, value in facts["keys"]},
        predicates=_read_all(facts["predicates"]),
        disjunctions=tuple(
            Disjunction(branches=tuple(_read_all(branch) for branch in branches)) for branches in facts["disjunctions"]
        ),
        order=tuple(SortKey(column=c, direction=Direction(d)) for c, d in facts["order"]),
        limit=facts["limit"],
    )


def _written_all(predicates: Sequence[Predicate]) -> list[list[object]]:
    return [[each.column, each.operator.value, _written(each.value)] for each in predicates]


def _read_all(written: Sequence[Any]) -> tuple[Predicate, ...]:
    return tuple(Predicate(column=c, operator=Operator(o), value=_read(v)) for c, o, v in written)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode()


def _written(value: Value) -> list[object]:
    """Write a value with its type, which JSON does not tell."""
    match value:
        case None | bool() | int() | str():
            return ["plain", value]
        case float():
            return ["float", value.hex()]
        case Decimal():
            return ["numeric", str(value)]
        case datetime():
            return ["datetime", value.isoformat()]
        case date():
            return ["date", value.isoformat()]
        case tuple():
            return ["tuple", [_written(each) for each in value]]


def _read(written: Sequence[Any]) -> Value:
    kind, content = written
    match kind:
        case "plain":
            return content  # type: ignore[no-any-return]
        case "float":
            return float.fromhex(content)
        case "numeric":
            return Decimal(content)
        case "datetime":
            return datetime.fromisoformat(content)
        case "date":
            return date.fromisoformat(content)
        case "tuple":
            return tuple(_read(each) for each in content)
    raise ValueError(kind)
