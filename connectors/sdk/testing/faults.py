"""The proof that a connector takes each fault of a source as it should: by recovery, and without showing its secret."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from connectors.sdk.connector import Connection, FetchContext
from connectors.sdk.errors import (
    ConnectorError,
    CredentialsRejected,
    EmptyResult,
    Fatal,
    RateLimited,
    Retryable,
    SourceTimeout,
)
from connectors.sdk.scan import Page, Scan
from connectors.sdk.table import Column, Table
from connectors.sdk.testing.overhearing import overhearing, spellings
from connectors.sdk.testing.spoiling import Fault, Faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """How a fault is to be taken: an error of a kind, with words in it, or no rows at all for `EmptyResult`."""

    kind: type[ConnectorError]
    sqlstate: str
    words: str = ""


Answers = Mapping[int, Expected]
"""What a connector declares of statuses, where it is not what RFC 9110 says."""

REJECTED = Expected(kind=CredentialsRejected, sqlstate="28000", words="CREDENTIALS_REJECTED: ")
DENIED = Expected(kind=Fatal, sqlstate="42501", words="denies access")
LIMITED = Expected(kind=RateLimited, sqlstate="53400", words="RATE_LIMIT_EXHAUSTED: ")
DOWN = Expected(kind=Retryable, sqlstate="08006", words="SOURCE_UNAVAILABLE: ")
REFUSED = Expected(kind=Fatal, sqlstate="HV000", words="refused a request")
NOTHING = Expected(kind=EmptyResult, sqlstate="02000")
_SLOW = Expected(kind=SourceTimeout, sqlstate="08006", words="SOURCE_TIMEOUT: ")
_ENDLESS = Expected(kind=Fatal, sqlstate="HV000", words="redirects without end")
_ELSEWHERE = Expected(kind=Fatal, sqlstate="HV000", words="points to another host")
_REPEATING = Expected(kind=Fatal, sqlstate="HV000", words="repeats a page")
_UNFIT = Expected(kind=Fatal, sqlstate="HV000", words="does not fit type")
_KEYLESS = Expected(kind=Fatal, sqlstate="HV000")


@dataclass(slots=True, kw_only=True)
class FaultProof:
    """How each fault was taken, by its name, and what was taken wrongly."""

    taken: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A fault of the next requests, or of all; without an expected error all rows come in spite of it."""

    name: str
    coming: tuple[Fault, ...] = ()
    always: Fault = Fault.NONE
    expected: Expected | None = None


async def prove_faults(
    connect: Callable[[], Awaitable[Connection]],
    table: Table,
    scan: Scan,
    faults: Faults,
    context: FetchContext,
    *,
    server: str,
    secret: str,
    answers: Answers | None = None,
    hasty: Callable[[], Awaitable[Connection]] | None = None,
) -> FaultProof:
    """Read a scan of several pages under every fault and tell how each was taken.

    `connect` opens a fresh connection each time, and `hasty` one with short timeouts, for what hangs. The scan has the
    primary key and other columns of the table, one of which is spoiled in its turn. `answers` are what the connector
    declares of statuses.
    """
    prover = _Prover(
        connect=connect, table=table, scan=scan, faults=faults, context=context, server=server, secret=secret
    )
    good = await prover.read(scan)
    prover.good_count = len(good.rows)
    if not good.rows:
        prover.proof.wrong.append("without a fault: the scan has no rows")
    with overhearing() as heard:
        for case in (*_by_status(answers or {}), *_CASES):
            await prover.prove(case)
        prover.connect, connect = hasty or connect, prover.connect
        await prover.prove(_HANGING)
        prover.connect = connect
        async with _another_host() as (address, callers):
            faults.elsewhere = address
            for case in _REDIRECTED_AWAY:
                await prover.prove(case)
        if callers:
            prover.proof.wrong.append(f"redirects to another host: it was called {len(callers)} times")
        await prover.prove_fields(good)
    if heard.shows(secret):
        prover.proof.wrong.append("logs and traces: show the secret")
    prover.proof.taken["logs and traces"] = f"{len(heard.texts)} without the secret"
    faults.arrange()
    return prover.proof


@dataclass(slots=True, kw_only=True)
class _Read:
    """What a reading gave, and how many values in it did not fit."""

    rows: list[dict[str, Any]]
    misfit_count: int


@dataclass(slots=True, kw_only=True)
class _Prover:
    connect: Callable[[], Awaitable[Connection]]
    table: Table
    scan: Scan
    faults: Faults
    context: FetchContext
    server: str
    secret: str = field(repr=False)
    good_count: int = 0
    proof: FaultProof = field(default_factory=FaultProof)

    async def prove(self, case: _Case) -> None:
        """Read under one fault."""
        expected = case.expected
        self.faults.arrange(*case.coming, always=case.always)
        try:
            rows = (await self.read(self.scan)).rows
        except ConnectorError as error:
            self._judge(case.name, error, expected)
            return
        wanted = 0 if expected is not None and expected.kind is EmptyResult else self.good_count
        self.proof.taken[case.name] = "no rows" if wanted == 0 else "all rows come"
        if expected is not None and expected.kind is not EmptyResult:
            self.proof.wrong.append(f"{case.name}: no error")
        elif len(rows) != wanted:
            self.proof.wrong.append(f"{case.name}: {len(rows)} rows instead of {wanted}")

    async def prove_fields(self, good: _Read) -> None:
        """Read while a field of every row is of another type, missing or null, and while a part of its key is missing.

        Which column that is depends on what the rows have; there may be none that can be told from its surroundings.
        """
        for column in self._spoilable(good):
            fields = replace(self.scan, columns=tuple(dict.fromkeys((*self.table.primary_key, column.name))))
            expected = None if self.table.misfits_are_null else _UNFIT
            rows = await self._spoiled(f"{column.name} of another type", Fault.RETYPED, column, fields, expected)
            if self.faults.spoiled_count == 0:
                # It is made of something else than its path says, or of the request.
                del self.proof.taken[f"{column.name} of another type"]
                self.proof.wrong = [each for each in self.proof.wrong if not each.startswith(f"{column.name} of")]
                continue
            if rows is not None and rows.misfit_count != self.good_count:
                self.proof.wrong.append(f"{column.name} of another type: {rows.misfit_count} values were counted")
            for name, fault in (("missing", Fault.MISSING), ("null", Fault.NULLED)):
                rows = await self._spoiled(f"{column.name} {name}", fault, column, fields, None)
                if rows is not None and any(row[column.name] is not None for row in rows.rows):
                    self.proof.wrong.append(f"{column.name} {name}: it has a value")
            break
        key = self.table.primary_key
        if len(key) == 1 and key[0] not in self.scan.keys and _place(column := self.table.column(key[0])):
            keys = replace(self.scan, columns=key)
            await self._spoiled(f"key {column.name} missing", Fault.MISSING, column, keys, _KEYLESS)

    async def _spoiled(
        self, name: str, fault: Fault, column: Column, scan: Scan, expected: Expected | None
    ) -> _Read | None:
        self.faults.arrange(always=fault, place=_place(column))
        try:
            found = await self.read(scan)
        except ConnectorError as error:
            self._judge(name, error, expected)
            return None
        self.proof.taken[name] = "all rows come"
        if expected is not None:
            self.proof.wrong.append(f"{name}: no error")
        elif len(found.rows) != self.good_count:
            self.proof.wrong.append(f"{name}: {len(found.rows)} rows instead of {self.good_count}")
        return found

    def _spoilable(self, good: _Read) -> list[Column]:
        """Return columns whose values come from a place of their own, those of strict types first."""
        used = {*self.table.primary_key, *self.scan.compared}
        found = [
            column
            for column in map(self.table.column, self.scan.columns)
            if column.name not in used
            and column.hydrate is None
            and column.nullable
            and column.type_name not in {"json", "jsonb", "bool"}
            and _place(column)
            and any(row[column.name] is not None for row in good.rows)
        ]
        return sorted(found, key=lambda column: column.type_name == "text")

    def _judge(self, name: str, error: ConnectorError, expected: Expected | None) -> None:
        self.proof.taken[name] = f"{type(error).__name__} {error.sqlstate}"
        if expected is None:
            self.proof.wrong.append(f"{name}: {error.message}")
            return
        if (
            not isinstance(error, expected.kind)
            or error.sqlstate != expected.sqlstate
            or expected.words not in error.message
        ):
            self.proof.wrong.append(f"{name}: {type(error).__name__} {error.sqlstate} {error.message}")
        shown = f"{error.message} {error.detail} {error.hint} {error!r}"
        if any(spelled in shown for spelled in spellings(self.secret)):
            self.proof.wrong.append(f"{name}: shows the secret")
        if expected.kind is not Fatal and self.server not in error.message:
            self.proof.wrong.append(f"{name}: does not name the server")

    async def read(self, scan: Scan) -> _Read:
        """Read a scan by a connection of its own."""
        connection = await self.connect()
        found = _Read(rows=[], misfit_count=0)
        pages: Any = connection.fetch(scan, self.context)
        try:
            async with aclosing(pages) as opened:
                page: Page
                async for page in opened:
                    found.rows += page.rows.to_pylist()
                    found.misfit_count += sum(each.count for each in page.misfits)
        finally:
            await connection.disconnect()
        return found


def _place(column: Column) -> tuple[str, ...]:
    """Return the fields on the way to a column's value, none where it is not one field's."""
    steps = tuple(column.path.split("."))
    return steps if all(step.replace("_", "a").replace("-", "a").isalnum() for step in steps) else ()


@asynccontextmanager
async def _another_host() -> AsyncIterator[tuple[str, list[object]]]:
    """Listen on a port that nobody has a reason to call; give its address and who called."""
    callers: list[object] = []

    async def called(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callers.append(writer.get_extra_info("peername"))
        writer.close()

    listener = await asyncio.start_server(called, "127.0.0.1", 0)
    async with listener:
        host, port = listener.sockets[0].getsockname()[:2]
        yield f"http://{host}:{port}", callers


def _by_status(answers: Answers) -> tuple[_Case, ...]:
    """Return the answers whose meaning a connector may declare."""
    given = (
        (401, Fault.UNAUTHORIZED, REJECTED),
        (403, Fault.FORBIDDEN, DENIED),
        (404, Fault.NOT_FOUND, REFUSED),
        (409, Fault.CONFLICT, REFUSED),
        (429, Fault.THROTTLED, LIMITED),
        (500, Fault.INTERNAL_ERROR, DOWN),
        (502, Fault.SERVER_ERROR, DOWN),
        (503, Fault.UNAVAILABLE, DOWN),
    )
    return tuple(
        _Case(name=str(status), always=fault, expected=answers.get(status, usual)) for status, fault, usual in given
    )


_CASES = (
    _Case(name="429 with a short Retry-After, once", coming=(Fault.THROTTLED_SHORTLY,)),
    _Case(name="429 with a long Retry-After", always=Fault.THROTTLED_LONG, expected=LIMITED),
    _Case(name="502 once", coming=(Fault.NONE, Fault.SERVER_ERROR)),
    _Case(name="truncated once", coming=(Fault.TRUNCATED,)),
    _Case(name="truncated", always=Fault.TRUNCATED, expected=DOWN),
    _Case(name="no JSON once", coming=(Fault.NO_JSON,)),
    _Case(name="no JSON", always=Fault.NO_JSON, expected=DOWN),
    _Case(name="fields that are new", always=Fault.EXTENDED),
    _Case(name="disconnected once", coming=(Fault.DISCONNECTED,)),
    _Case(name="disconnected", always=Fault.DISCONNECTED, expected=DOWN),
    _Case(name="repeated page", always=Fault.REPEATED, expected=_REPEATING),
    _Case(name="redirected by 301, once", coming=(Fault.MOVED,)),
    _Case(name="redirected by 302, once", coming=(Fault.FOUND,)),
    _Case(name="redirected by 307, once", coming=(Fault.REDIRECTED,)),
    _Case(name="redirected by 308, once", coming=(Fault.RENAMED,)),
    _Case(name="redirected without end", always=Fault.REDIRECTED, expected=_ENDLESS),
)
_HANGING = _Case(name="hanging", always=Fault.HANGING, expected=_SLOW)
_REDIRECTED_AWAY = (
    _Case(name="redirected by 301 to another host", always=Fault.MOVED_AWAY, expected=_ELSEWHERE),
    _Case(name="redirected by 302 to another host", always=Fault.FOUND_AWAY, expected=_ELSEWHERE),
    _Case(name="redirected by 307 to another host", always=Fault.REDIRECTED_AWAY, expected=_ELSEWHERE),
    _Case(name="redirected by 308 to another host", always=Fault.RENAMED_AWAY, expected=_ELSEWHERE),
)
