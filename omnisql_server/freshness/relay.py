"""Pages of a fetch on their way to other processes: who waits there says so, and reads a list in Valkey as it grows.

A list belongs to one holder of the fetch's lock. Its first element says when the reading began, its last how it ended;
each is sealed for its place. Who reads waits for nobody, and writes nothing while nobody waits.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import msgspec
import pyarrow as pa

from connectors.sdk.misfits import Misfits
from omnisql_server.freshness.entries import Seal, Spoiled, pack, unpack
from omnisql_server.freshness.shared_pages import SharedPages, ended
from omnisql_server.freshness.store import Store
from omnisql_server.limits.valkey import VALKEY_ERRORS
from omnisql_server.model.freshness import Answer, Give
from omnisql_server.observability.metrics import INSTRUMENTS

_HEAD, _PAGE, _END = b"h", b"p", b"e"


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    began_us: int


class _End(msgspec.Struct, frozen=True, kw_only=True):
    whole: bool
    truncated: str | None = None
    misfits: Misfits = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """The lists of one fetch, by the name of its lock.

    `began_us` is the moment of the statement that asks here, `oldest_us` since when it wants rows to have been read.
    """

    store: Store
    seal: Seal
    name: str
    began_us: int
    oldest_us: int
    bytes_max: int

    async def lead(self, token: str, run: Callable[[Give], Awaitable[Answer]], pages: SharedPages) -> Answer:
        """Run a fetch whose pages go to those who wait, here and elsewhere; `token` is what its lock holds."""
        writing = _Writing(relay=self, token=token, pages=pages)
        answer: Answer | None = None
        try:
            answer = await run(writing.give)
        finally:
            await writing.end(answer)
        return answer

    def opened(self, sealed: bytes, token: str, place: int) -> tuple[bytes, bytes]:
        """Open an element of a list, and return what it is and what it holds."""
        content = self.seal.open(sealed, self.name, token, str(place))
        return content[:1], content[1:]

    def closed(self, kind: bytes, content: bytes, token: str, place: int) -> bytes:
        """Seal an element for its place in a list."""
        return self.seal.close(kind + content, self.name, token, str(place))


@dataclass(slots=True, kw_only=True)
class _Writing:
    """One list, from the moment at which somebody wants it."""

    relay: Relay
    token: str
    pages: SharedPages
    _listed: int = 0
    _given: int = 0
    _bytes: int = 0
    _stopped: bool = False

    async def give(self, batch: pa.RecordBatch) -> None:
        await self.pages.give(batch)
        wanted = False
        try:
            wanted = not self._stopped and await self.relay.store.is_wanted(self.relay.name, self.token)
            if wanted or (self._listed and not self._stopped):
                await self._write(self.pages.batches[self._given :])
        except VALKEY_ERRORS:
            self._stop()
        if self.pages.deserted and (not wanted or self._stopped):
            raise ended()

    async def end(self, answer: Answer | None) -> None:
        """Say how it ended, to those who have some of it."""
        if not self._listed or self._stopped:
            return
        whole = answer is not None and answer.error is None
        try:
            if answer is not None and whole and answer.batches:
                await self._write(answer.batches)
            if not self._stopped:
                said = answer if answer is not None else Answer(batches=())
                await self._end(_End(whole=whole, truncated=said.truncated, misfits=said.misfits))
        except VALKEY_ERRORS:
            self._stop()

    async def _write(self, batches: Sequence[pa.RecordBatch]) -> None:
        began_us = min(self.relay.began_us, self.pages.began_us or self.relay.began_us)
        parts = [] if self._listed else [(_HEAD, msgspec.json.encode(_Head(began_us=began_us)))]
        parts += [(_PAGE, bytes(pack((batch,)))) for batch in batches]
        self._given += len(batches)
        self._bytes += sum(len(content) for _, content in parts)
        if self._bytes > self.relay.bytes_max:
            self._stopped, self.pages.relayed = True, False
            if self._listed:
                await self._end(_End(whole=False))
            return
        sealed = [
            self.relay.closed(kind, content, self.token, self._listed + number)
            for number, (kind, content) in enumerate(parts)
        ]
        self._listed += len(sealed)
        self.pages.relayed = True
        await self.relay.store.list_pages(self.relay.name, self.token, sealed)

    async def _end(self, end: _End) -> None:
        sealed = self.relay.closed(_END, msgspec.json.encode(end), self.token, self._listed)
        await self.relay.store.list_pages(self.relay.name, self.token, [sealed], last=True)

    def _stop(self) -> None:
        # Who has some of it is told by the end of the lock.
        self._stopped, self.pages.relayed = True, False
        INSTRUMENTS.cache_failed("relay")


@dataclass(slots=True, kw_only=True)
class Following:
    """Reads the list of whoever holds the lock of a fetch; a list without an end is one whose writer is gone."""

    relay: Relay
    pages: SharedPages
    _token: str | None = None
    _read: int = 0
    _lost: bool = False

    async def go_on(self, *, holder: str | None) -> Answer | None:
        """Take what has come since; return the answer at its end, None before.

        `holder` is what the lock held before this was called, None if nobody else does.

        Raises:
            SharedFetchEnded: it ended without its end, and a statement has sent rows that no other can go on from.
        """
        before = self._token
        if before is None and holder is not None:
            self._token = before = holder
        answer = await self._taken() if before is not None and not self._lost else None
        if answer is None and holder != before and before is not None:
            self.pages.begin_again()
            self._token, self._read, self._lost = holder, 0, False
        return answer

    async def rest_of(self, answer: Answer) -> Answer:
        """Take an answer of another reading as the rest of what came before, and as old as that."""
        if not self.pages.goes_on:
            return answer
        return replace(
            answer, batches=await self.pages.rest_of(answer.batches), age_us=max(answer.age_us, self._age_us())
        )

    def _age_us(self) -> int:
        began_us = self.pages.began_us
        return 0 if began_us is None else max(0, self.relay.began_us - began_us)

    async def _taken(self) -> Answer | None:
        relay, token = self.relay, self._token or ""
        await relay.store.want(relay.name, token)
        for sealed in await relay.store.listed_pages(relay.name, token, self._read):
            try:
                kind, content = relay.opened(sealed, token, self._read)
                self._read += 1
                if kind == _HEAD:
                    began_us = msgspec.json.decode(content, type=_Head).began_us
                    self._lost = began_us < relay.oldest_us
                    if not self._lost:
                        self.pages.began_us = min(began_us, self.pages.began_us or began_us)
                elif kind == _PAGE and not self._lost:
                    for batch in unpack(content):
                        await self.pages.give(batch)
                elif kind == _END and not self._lost:
                    end = msgspec.json.decode(content, type=_End)
                    if end.whole:
                        told = Answer(batches=(), truncated=end.truncated, misfits=end.misfits)
                        return replace(told, shared=True, age_us=self._age_us())
                    self._lose()
            except (Spoiled, msgspec.MsgspecError):
                self._lose()
        return None

    def _lose(self) -> None:
        self._lost = True
        self.pages.begin_again()
