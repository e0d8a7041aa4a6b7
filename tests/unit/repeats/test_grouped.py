"""Many who ask at once share an answer, and nobody gets one that was begun before he asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from omnisql_server.repeats.grouped import Grouped


class Source:
    """Answers with the number of the question, once it is let; `asked` is what was asked each time."""

    def __init__(self) -> None:
        self.asked: list[Sequence[str]] = []
        self.may_answer = asyncio.Event()

    async def ask(self, questions: Sequence[str]) -> int:
        self.asked.append(questions)
        number = len(self.asked)
        await self.may_answer.wait()
        if "broken" in questions:
            raise ValueError("broken")
        return number


async def test_who_comes_while_one_asks_gets_the_next_answer() -> None:
    source = Source()
    grouped = Grouped(source.ask)
    first = [grouped.ask(name) for name in "abc"]
    await asyncio.sleep(0)
    later = [grouped.ask(name) for name in "def"]
    source.may_answer.set()
    assert await asyncio.gather(*first) == [1, 1, 1]
    assert await asyncio.gather(*later) == [2, 2, 2]
    assert source.asked == [["a", "b", "c"], ["d", "e", "f"]]
    assert await grouped.ask("g") == 3


async def test_nothing_is_asked_before_the_moment_is_good() -> None:
    source, good = Source(), asyncio.Event()
    source.may_answer.set()

    async def quiet() -> None:
        await good.wait()

    grouped = Grouped(source.ask, quiet)
    first = grouped.ask("a")
    await asyncio.sleep(0)
    # Who comes meanwhile is asked for together with the first.
    second = grouped.ask("b")
    assert source.asked == []
    good.set()
    assert [await first, await second] == [1, 1]
    assert source.asked == [["a", "b"]]


async def test_what_is_done_with_an_answer_may_end_the_waiting_later() -> None:
    source = Source()
    source.may_answer.set()
    grouped = Grouped(source.ask)
    answers: list[int] = []
    was_left = asyncio.Event()

    def leave(answer: int, _given: asyncio.Future[str]) -> None:
        answers.append(answer)
        was_left.set()

    waiting = grouped.ask_then("a", leave)
    await was_left.wait()
    grouped.close()
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.set_result("on record")
    assert (await waiting, answers) == ("on record", [1])


async def test_who_stops_waiting_stops_nobody_else() -> None:
    source = Source()
    grouped = Grouped(source.ask)
    called: list[str] = []
    stopped: asyncio.Future[str] = grouped.ask_then("a", lambda _answer, _given: called.append("a"))
    other = grouped.ask("b")
    stopped.cancel()
    source.may_answer.set()
    assert await other == 1
    assert called == []


async def test_an_error_is_told_to_those_whom_it_concerns() -> None:
    source = Source()
    source.may_answer.set()
    grouped = Grouped(source.ask)

    def fail(_answer: int, _given: asyncio.Future[str]) -> None:
        raise KeyError("mine")

    mine, other = grouped.ask_then("a", fail), grouped.ask("b")
    with pytest.raises(KeyError, match="mine"):
        await mine
    assert await other == 1
    both = [grouped.ask(name) for name in ("broken", "c")]
    for future in both:
        with pytest.raises(ValueError, match="broken"):
            await future
    assert await grouped.ask("d") == 3


async def test_the_end_frees_whoever_waits() -> None:
    source = Source()
    grouped = Grouped(source.ask)
    asked = grouped.ask("a")
    await asyncio.sleep(0)
    late = grouped.ask("b")
    grouped.close()
    for future in (asked, late):
        with pytest.raises(asyncio.CancelledError):
            await future
