"""Lets a crowd share one answer, never one that was begun before they asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Any, Generic, TypeVar

_Question = TypeVar("_Question")
_Answer = TypeVar("_Answer")
_Given = TypeVar("_Given")


class Grouped(Generic[_Question, _Answer]):
    """Asks once for all who came while it was asked before; what `ask`, which gets their questions, raises they get.

    `quiet` is waited for each time before: it says when the moment is good.
    """

    def __init__(
        self,
        ask: Callable[[Sequence[_Question]], Awaitable[_Answer]],
        quiet: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._ask = ask
        self._quiet = quiet
        self._waiting: list[tuple[_Question, Callable[[_Answer, Any], None], asyncio.Future[Any]]] = []
        self._task: asyncio.Task[None] | None = None

    def ask(self, question: _Question) -> asyncio.Future[_Answer]:
        """Return what ends with an answer that was begun after this call; cancelled when `close` comes first."""
        return self.ask_then(question, _give)

    def ask_then(
        self, question: _Question, then: Callable[[_Answer, asyncio.Future[_Given]], None]
    ) -> asyncio.Future[_Given]:
        """Return what `then` ends, at once or later, when it is called with such an answer.

        Who waits for it is woken once, whatever `then` leaves it to; what `then` raises ends it, too.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_Given] = loop.create_future()
        self._waiting.append((question, then, future))
        if self._task is None:
            # Of its own context: it outlives the statement that happened to come first.
            self._task = loop.create_task(self._serve(), name="grouped", context=Context())
        return future

    def close(self) -> None:
        """Stop asking; whoever waits for an answer is cancelled."""
        if self._task is not None:
            self._task.cancel()

    async def _serve(self) -> None:
        asked = self._waiting
        try:
            while self._waiting:
                if self._quiet is not None:
                    await self._quiet()
                asked, self._waiting = self._waiting, []
                try:
                    answer = await self._ask([question for question, _, _ in asked])
                except Exception as error:  # noqa: BLE001  whoever asked is told
                    _tell(asked, error)
                else:
                    for _, then, future in asked:
                        if not future.done():
                            _end(answer, then, future)
                # What is left to others to be ended is not for `close` to cancel.
                asked = []
        finally:
            self._task = None
            for _, _, future in (*asked, *self._waiting):
                future.cancel()
            self._waiting = []


def _give(answer: _Answer, future: asyncio.Future[_Answer]) -> None:
    future.set_result(answer)


def _end(answer: _Answer, then: Callable[[_Answer, Any], None], future: asyncio.Future[Any]) -> None:
    try:
        then(answer, future)
    except Exception as error:  # noqa: BLE001  whoever asked is told, and the others are answered
        _tell([(None, then, future)], error)


def _tell(asked: Sequence[tuple[object, object, asyncio.Future[Any]]], error: Exception) -> None:
    for _, _, future in asked:
        if not future.done():
            future.set_exception(error)
