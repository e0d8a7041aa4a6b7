"""Many who ask at once share an answer, and nobody gets one that was begun before he asked."""

from __future__ import annotations

import asyncio

import pytest

from omnisql_server.repeats.grouped import Grouped


class Source:
    """Answers with the number of the question, once it is let."""

    def __init__(self) -> None:
        self.begun = 0
        self.may_answer = asyncio.Event()

    async def ask(self) -> int:
        self.begun += 1
        number = self.begun
        await self.may_answer.wait()
        return number


async def test_who_comes_while_one_asks_gets_the_next_answer() -> None:
    source = Source()
    grouped = Grouped(source.ask)
    first = [grouped.ask() for _ in range(3)]
    await asyncio.sleep(0)
    later = [grouped.ask() for _ in range(3)]
    source.may_answer.set()
    assert await asyncio.gather(*first) == [1, 1, 1]
    assert await asyncio.gather(*later) == [2, 2, 2]
    assert source.begun == 2
    assert await grouped.ask() == 3


async def test_who_stops_waiting_stops_nobody_else() -> None:
    source = Source()
    grouped = Grouped(source.ask)
    stopped, other = grouped.ask(), grouped.ask()
    stopped.cancel()
    source.may_answer.set()
    assert await other == 1


async def test_the_end_frees_whoever_waits() -> None:
    source = Source()
    grouped = Grouped(source.ask)
    asked = grouped.ask()
    await asyncio.sleep(0)
    late = grouped.ask()
    grouped.close()
    for future in (asked, late):
        with pytest.raises(asyncio.CancelledError):
            await future
