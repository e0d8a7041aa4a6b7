"""Encoded answers in this process's memory, bounded by bytes: what was asked for longest ago makes room."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field, replace

from catalog.version import Version
from omnisql_server.freshness.asked import TOLD_AGAIN_AFTER_US
from omnisql_server.freshness.domains import Request
from omnisql_server.freshness.shelf import Shelf
from omnisql_server.model.query import AuthorizedQuery
from omnisql_server.model.report import SourceReport
from omnisql_server.model.run import Repeated
from omnisql_server.model.statement import Statement
from omnisql_server.policy.decide import Standing
from wire.backend import Field, command_complete, row_description
from wire.rows import EncodedRows

ANSWER_OVERHEAD_BYTES = 4096
"""What an answer takes beside its rows: its plan's filters, reports and keys, as an order of magnitude."""
ANSWER_SHARE = 16
"""The rows of one answer may take one of this many parts of the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What one scan was answered from: a shelf in one state of it, looked at at `now_us` of Valkey's clock.

    The oldest of its rows were fetched at `fetched_us`, and may be as old as `max_us`.
    """

    scan_name: str
    shelf: Shelf = field(repr=False)
    generation: str
    number: str
    change: str
    now_us: int
    fetched_us: int
    max_us: int
    entries: tuple[str, ...] = ()
    requests: tuple[Request, ...] = ()
    noted_us: list[int] = field(default_factory=lambda: [0], repr=False)

    @property
    def stands(self) -> bool:
        """Say whether the shelf, as this process knows it, is as it was, and its source has told of no change."""
        known = self.shelf.known
        return (known.generation, known.number, known.change) == (self.generation, self.number, self.change)

    def note_asked(self, now_us: int) -> None:
        """Note now and then that it is still asked for: it helps to judge what to read when something must be read."""
        if now_us - self.noted_us[0] >= TOLD_AGAIN_AFTER_US:
            self.noted_us[0] = now_us
            for request in self.requests:
                self.shelf.asked.note(request, now_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An answer, and all that it depends on; its rows are a part of its messages."""

    statement: Statement
    query: AuthorizedQuery
    standing: Standing
    version: Version
    places: tuple[Place, ...]
    reports: tuple[SourceReport, ...]
    rows: EncodedRows
    messages: bytes
    facts: dict[str, object] = field(default_factory=dict, repr=False, compare=False)

    @property
    def size_bytes(self) -> int:
        """Return about how much memory it takes."""
        return len(self.messages) + self.rows.ends.nbytes + ANSWER_OVERHEAD_BYTES


class Slot:
    """Implements `model.run.Repeatable`; sessions hold it, and the store empties it."""

    __slots__ = ("_origin", "kept", "key")

    def __init__(self, key: Hashable, origin: object) -> None:
        self.key = key
        # The key names it by its identity, which is nobody else's as long as it is held.
        self._origin = origin
        self.kept: Kept | None = None

    @property
    def holds(self) -> bool:
        """Say whether there is an answer."""
        return self.kept is not None


class AnswerStore:
    """The answers of all tenants of this process."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._slots: dict[Hashable, Slot] = {}
        # By slot: hashing a key takes as long as all the rest.
        self._order: OrderedDict[Slot, None] = OrderedDict()
        self.used_bytes = 0

    @property
    def answer_bytes_max(self) -> int:
        """Return how many bytes the rows of one answer may have."""
        return self._bytes_max // ANSWER_SHARE

    def find(self, key: Hashable) -> Slot | None:
        """Return what is kept under a key."""
        return self._slots.get(key)

    def touch(self, slot: Slot) -> None:
        """Remember that an answer was asked for."""
        if slot in self._order:
            self._order.move_to_end(slot)

    def put(self, key: Hashable, origin: object, kept: Kept) -> Slot:
        """Keep an answer in the place of an earlier one; it is no larger than `answer_bytes_max`."""
        slot = self._slots.get(key) or Slot(key, origin)
        self.drop(slot)
        slot.kept = kept
        self._slots[key] = slot
        self._order[slot] = None
        self.used_bytes += kept.size_bytes
        while self.used_bytes > self._bytes_max:
            self.drop(next(iter(self._order)))
        return slot

    def drop(self, slot: Slot) -> None:
        """Forget an answer."""
        kept, slot.kept = slot.kept, None
        if kept is not None:
            self.used_bytes -= kept.size_bytes
            del self._slots[slot.key], self._order[slot]

    def drop_all(self, owner: object) -> None:
        """Forget the answers of one owner: what keys begin with."""
        for slot in [slot for slot in self._order if isinstance(slot.key, tuple) and slot.key[0] is owner]:
            self.drop(slot)


def written(fields: tuple[Field, ...], rows: EncodedRows) -> tuple[bytes, EncodedRows]:
    """Write an answer as the simple protocol sends it, whose values are all text; return it, and its rows in it."""
    head = row_description([replace(field, format=0) for field in fields])
    messages = b"".join((head, rows.data, command_complete(f"SELECT {rows.row_count}")))
    return messages, replace(rows, data=memoryview(messages)[len(head) : len(head) + len(rows.data)])


def repeated(kept: Kept) -> Repeated:
    """Give an answer to a session."""
    return Repeated(
        messages=kept.messages,
        rows=kept.rows.row_count,
        statement=kept.statement,
        query=kept.query,
        reports=kept.reports,
        facts=kept.facts,
    )
