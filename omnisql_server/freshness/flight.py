"""Single flight: statements that want the same rows at the same time share one fetch, in this process and across them.

A fetch runs in a task of its own, which ends early only when nobody waits for it any more. Its pages are there for all
who wait as they come: who joins late finds those that came before. It waits for nobody's client. Across processes a
lock in Valkey with a lease says who fetches: when its holder dies, the lease ends and another takes over.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

import structlog

from omnisql_server.fetch.budget import CallsExhausted
from omnisql_server.freshness.domains import Request, covers
from omnisql_server.freshness.relay import Following, Relay
from omnisql_server.freshness.shared_pages import SharedPages
from omnisql_server.freshness.store import Store
from omnisql_server.limits.valkey import VALKEY_ERRORS
from omnisql_server.model.freshness import Answer, Give

LEASE_MS = 10_000
RENEW_S = 3.0
POLL_S = 0.02
POLL_MAX_S = 0.2

_log = structlog.get_logger(__name__)

Lead = Callable[[SharedPages], Awaitable[Answer]]
Run = Callable[[Give], Awaitable[Answer]]
Look = Callable[[], Awaitable[Answer | None]]


@dataclass(slots=True, kw_only=True, eq=False)
class Flight:
    """A fetch under way; `task` ends with what it gave beside its `pages`.

    One that is `sparing` may fail where others would not.
    """

    request: Request
    started_us: int
    task: asyncio.Task[Answer]
    pages: SharedPages
    waiting: int = 0
    given_up: bool = False
    sparing: bool = False


@dataclass(slots=True, kw_only=True)
class Flights:
    """The fetches under way in this process, by shelf; `sleep` is for tests."""

    store: Store
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _under_way: dict[str, list[Flight]] = field(default_factory=dict)
    _tasks: set[asyncio.Task[Answer]] = field(default_factory=set)

    def under_way(self, shelf: str, request: Request, oldest_us: int) -> Flight | None:
        """Return a fetch under way that covers a request and began at `oldest_us` or later."""
        for flight in self._under_way.get(shelf, ()):
            if flight.given_up or flight.task.done() or flight.started_us < oldest_us:
                continue
            if covers(flight.request, request):
                return flight
        return None

    async def lead(
        self,
        shelf: str,
        request: Request,
        started_us: int,
        run: Lead,
        *,
        sparing: bool = False,
        give: Give | None = None,
        key: tuple[str, ...] = (),
    ) -> Answer:
        """Run a fetch that others may join, and wait for it; `key` are columns that tell its rows apart, if any do."""
        pages = SharedPages(key=key)
        task = asyncio.create_task(_run(run, pages), name="shared-fetch")
        flight = Flight(request=request, started_us=started_us, task=task, pages=pages, sparing=sparing)
        self._under_way.setdefault(shelf, []).append(flight)
        self._tasks.add(task)

        def over(_: asyncio.Task[Answer]) -> None:
            self._tasks.discard(task)
            if not task.cancelled():
                # Of one that went on for other processes, nobody here asks how it ended.
                task.exception()
            left = [other for other in self._under_way[shelf] if other is not flight]
            if left:
                self._under_way[shelf] = left
            else:
                del self._under_way[shelf]

        task.add_done_callback(over)
        try:
            return await self.wait(flight, give)
        except CallsExhausted as stop:
            stop.batches = () if give is not None else tuple(pages.batches)
            raise

    async def alone(self, relay: Relay, run: Run, look: Look, pages: SharedPages) -> Answer:
        """Run a fetch unless another process runs it; then take its pages, or what `look` finds, or wait for its end.

        Raises:
            SharedFetchEnded: its end did not come, and a statement here has sent rows that no other can go on from.
        """
        name, token = relay.name, secrets.token_hex(8)
        following = Following(relay=relay, pages=pages)

        async def rest(give: Give) -> Answer:
            return await following.rest_of(await run(give))

        delay_s = POLL_S
        try:
            while not await self.store.lock(name, token, LEASE_MS):
                known = len(pages.batches)
                answer = await following.go_on(holder=await self.store.holder(name))
                if answer is not None:
                    return answer
                delay_s = POLL_S if len(pages.batches) > known else min(POLL_MAX_S, delay_s * 1.5)
                await self.sleep(delay_s)
                if not pages.taken and (found := await look()) is not None:
                    pages.begin_again()
                    return found
        except VALKEY_ERRORS as error:
            # Nobody can say who else fetches: an answer matters more than the calls it may cost twice.
            _log.warning("single_flight_unlocked", error=type(error).__name__)
            pages.begin_again()
            return await rest(pages.give)
        renewing = asyncio.create_task(self._renew(name, token), name="shared-fetch-lease")
        try:
            answer = await _put_meanwhile(following, look, pages)
            return answer or await relay.lead(token, rest, pages)
        finally:
            renewing.cancel()
            with suppress(*VALKEY_ERRORS):
                await self.store.release(name, token)

    async def close(self) -> None:
        """Cancel every fetch under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _renew(self, name: str, token: str) -> None:
        while True:
            await self.sleep(RENEW_S)
            with suppress(*VALKEY_ERRORS):
                await self.store.renew(name, token, LEASE_MS)

    async def wait(self, flight: Flight, give: Give | None = None) -> Answer:
        """Wait for a fetch, and give its pages away as they come; when nobody waits any more, it is canceled."""
        flight.waiting += 1
        flight.pages.deserted = False
        given = 0
        try:
            if give is None:
                await asyncio.wait([flight.task])
            else:
                given = await flight.pages.given_to(give, flight.task)
        finally:
            flight.waiting -= 1
            flight.pages.deserted = flight.waiting == 0
            # Rows that another process has sent need the rest; the fetch ends with the next page if they do not.
            if flight.pages.deserted and not flight.task.done() and not flight.pages.relayed:
                flight.given_up = True
                flight.task.cancel()
                # Its requests end before the statement does.
                await asyncio.gather(flight.task, return_exceptions=True)
        answer = flight.task.result()
        return replace(answer, batches=(*flight.pages.batches[given:], *answer.batches))


async def _run(run: Lead, pages: SharedPages) -> Answer:
    return await run(pages)


async def _put_meanwhile(following: Following, look: Look, pages: SharedPages) -> Answer | None:
    """Find what was put there between the last look and the lock; nothing, if Valkey does not say."""
    try:
        answer = await following.go_on(holder=None)
        found = await look() if answer is None else None
        return answer if found is None else await following.rest_of(found)
    except VALKEY_ERRORS as error:
        _log.warning("single_flight_not_looked", error=type(error).__name__)
        pages.begin_again()
        return None
