"""What others see of a run statement in the tenant's PostgreSQL, and how they stop it there.

While a statement waits for an API, a client or DuckDB, its backend has nothing to do. PostgreSQL would ignore
`pg_cancel_backend()` then, and show the last words of ours in pg_stat_activity. So after a moment, or at once when
another session is about to look (`onlookers`), the backend is given something to do: it sleeps, under a text that
begins with the client's statement, until we cancel it. What ends the sleep otherwise was meant for the client's
statement.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

from omnisql_server.errors import BackendError, RelayInstead
from omnisql_server.model.statement import SECRET_KINDS, Statement
from omnisql_server.session.exchange import Exchange
from omnisql_server.session.interrupts import Interrupts, user_request
from omnisql_server.session.link import BackendLink
from omnisql_server.session.replies import BIND_ENDS, CLOSE_ENDS, EXECUTE_ENDS, PARSE_ENDS
from wire.frontend import Bind, Close, Execute, Parse
from wire.sqlstate import QUERY_CANCELED

SHOWN_AFTER_S = 0.05
"""A statement that is answered sooner is shown only to those who look, so that it costs nothing.

It is the time for each statement that this process works on, so that to show them all costs PostgreSQL a part of one
processor and no more: the end of each sleep is a cancel request, which is a process of its own there."""
AT_WORK_MAX = 1
"""Statements that are counted: the last is shown after five seconds, however many others there are."""
CANCEL_AGAIN_AFTER_S = 0.1
HELD_S = 0.005
SLEEP_S = 60.0
"""How long a backend sleeps at most that has lost us; while the statement works, it is put to sleep again."""
TEXT_CHARACTERS_MAX = 65_536

SLEEP = """
DO LANGUAGE plpgsql $omnisql$
BEGIN
  RAISE INFO 'asleep';
  PERFORM pg_catalog.pg_sleep(60);
EXCEPTION WHEN query_canceled THEN
  IF pg_catalog.current_setting('statement_timeout') OPERATOR(pg_catalog.<>) '0'
     AND (pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) pg_catalog.statement_timestamp())
         OPERATOR(pg_catalog.>=) (pg_catalog.current_setting('statement_timeout')::pg_catalog.interval
                                  OPERATOR(pg_catalog.-) '5ms'::pg_catalog.interval) THEN
    RAISE;
  END IF;
END
$omnisql$
"""
"""Says that it can be canceled, and sleeps until it is, which does not fail the transaction; the end of
`statement_timeout` does. INFO is sent whatever client_min_messages says, and at once."""

_NAME = b"omnisql_presence"


class Presence:
    """Shows one statement at a time; used by the session's task alone, but for its timer."""

    _at_work: ClassVar[int] = 0

    def __init__(self, link: BackendLink, interrupts: Interrupts) -> None:
        self._link = link
        self._interrupts = interrupts
        self._statement: Statement | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._sleep: Exchange | None = None
        self._asleep = asyncio.Event()
        self._shown_at_s = 0.0
        self._watched = False
        self._onlookers: list[asyncio.Future[None]] = []

    @property
    def prefix(self) -> str:
        """Return what is to stand before a text of ours that PostgreSQL executes in the statement's place."""
        return commented(self._statement) if self._statement is not None else ""

    @asynccontextmanager
    async def of(self, statement: Statement) -> AsyncIterator[None]:
        """Show a statement inside, whenever its backend has nothing to do; after an error `end` must be called."""
        self._statement = statement
        Presence._at_work += 1
        try:
            yield
        except RelayInstead:
            await self.leave()
            raise
        else:
            await self.leave()
        finally:
            Presence._at_work -= 1
            self._statement = None
            self._watched = False
            self._stop_timer()
            self._tell_onlookers()

    @property
    def is_seen(self) -> bool:
        """Say whether all there is to be seen and stopped is: a statement asleep, or none."""
        return self._statement is None or (self._sleep is not None and self._asleep.is_set())

    def show(self) -> asyncio.Future[None]:
        """Show the statement at once and from now on, and return what ends when it is seen, or over."""
        seen = asyncio.get_running_loop().create_future()
        self._onlookers.append(seen)
        self._watched = True
        if self._timer is not None:
            self._stop_timer()
            self._show()
        return seen

    def rest(self) -> None:
        """Learn that the backend has nothing more to do for now."""
        if self._statement is None:
            return
        self._stop_timer()
        if self._watched:
            self._show()
        else:
            after_s = SHOWN_AFTER_S * min(Presence._at_work, AT_WORK_MAX)
            self._timer = asyncio.get_running_loop().call_later(after_s, self._show)

    async def leave(self) -> None:
        """Have the backend ready for something else.

        Raises:
            BackendError: PostgreSQL's own timer has stopped the statement.
            BackendLost: the connection is gone.
        """
        self._stop_timer()
        while (sleep := self._sleep) is not None:
            if sleep.done.done():
                self._on_awake(sleep.done)
                continue
            await self.end()
            sleep.done.result()

    async def end(self) -> None:
        """End the sleep, whatever comes of it."""
        self._stop_timer()
        sleep, self._sleep = self._sleep, None
        while sleep is not None and not sleep.done.done():
            # PostgreSQL ignores a cancel request that comes before it sleeps.
            await self._asleep.wait()
            await self._link.cancel()
            await asyncio.wait([sleep.done], timeout=CANCEL_AGAIN_AFTER_S)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _show(self) -> None:
        self._timer = None
        link = self._link
        if self._statement is None or link.lost or link.skipping or link.copying_in:
            return
        if link.is_held:
            # By the cancel that ended an earlier sleep, or by what the backend still has to read.
            self._timer = asyncio.get_running_loop().call_later(HELD_S, self._show)
            return
        self._sleep = exchange = Exchange()
        self._asleep.clear()
        self._shown_at_s = time.monotonic()
        text = (commented(self._statement) + SLEEP).encode()
        link.send(Close(kind="S", name=_NAME).encode(), exchange.expect(CLOSE_ENDS))
        link.send(Parse(statement=_NAME, text=text).encode(), exchange.expect(PARSE_ENDS))
        link.send(Bind(portal=_NAME, statement=_NAME).encode(), exchange.expect(BIND_ENDS))
        link.send(Execute(portal=_NAME).encode(), exchange.expect(EXECUTE_ENDS, noticed=self._on_asleep))
        link.send(Close(kind="P", name=_NAME).encode(), exchange.expect(CLOSE_ENDS))
        exchange.done.add_done_callback(self._on_awake)
        link.executed_privately = True
        link.send_flush()
        link.set_pressure(link.pressed)

    def _on_asleep(self) -> None:
        self._asleep.set()
        self._tell_onlookers()

    def _tell_onlookers(self) -> None:
        for seen in self._onlookers:
            if not seen.done():
                seen.set_result(None)
        self._onlookers.clear()

    def _on_awake(self, done: asyncio.Future[None]) -> None:
        """Stop the statement if neither we nor its time have ended the sleep."""
        self._asleep.set()
        if self._sleep is None or self._sleep.done is not done:
            return
        self._sleep = None
        error = done.exception()
        if error is None and time.monotonic() - self._shown_at_s >= SLEEP_S:
            self._show()
            return
        if isinstance(error, BackendError) and error.sqlstate == QUERY_CANCELED:
            error = BackendError({key: value for key, value in error.fields.items() if key != "W"})
        self._interrupts.interrupt(error if isinstance(error, Exception) else user_request())


def commented(statement: Statement) -> str:
    """Return a statement's text as a comment to stand before another text; empty where it may hold a secret.

    What would end the comment early, or never, is shown with a space in it.
    """
    if statement.kind in SECRET_KINDS:
        return ""
    text = statement.text[:TEXT_CHARACTERS_MAX].replace("/*", "/ *").replace("*/", "* /")
    return f"/* {text} */ "
