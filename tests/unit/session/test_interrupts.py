"""An interrupt ends the work in its scope with its own error, and nothing else."""

from __future__ import annotations

import asyncio

import pytest

from omnisql_server.errors import StatementCanceled
from omnisql_server.session.interrupts import Interrupts, user_request


async def test_an_interrupt_becomes_the_works_error() -> None:
    interrupts = Interrupts()
    asyncio.get_running_loop().call_soon(interrupts.interrupt, user_request())
    with pytest.raises(StatementCanceled, match="user request"):
        async with interrupts.scope(0):
            await asyncio.Event().wait()
    assert not interrupts.armed


async def test_an_interrupt_without_a_scope_does_nothing() -> None:
    interrupts = Interrupts()
    assert not interrupts.interrupt(user_request())
    async with interrupts.scope(0):
        assert interrupts.armed
    assert not interrupts.interrupt(user_request())


async def test_only_the_first_interrupt_counts() -> None:
    interrupts = Interrupts()

    def interrupt_twice() -> None:
        assert interrupts.interrupt(ValueError("first"))
        assert not interrupts.interrupt(ValueError("second"))

    asyncio.get_running_loop().call_soon(interrupt_twice)
    with pytest.raises(ValueError, match="first"):
        async with interrupts.scope(0):
            await asyncio.Event().wait()


async def test_an_interrupt_of_ready_work_is_still_delivered_inside_the_scope() -> None:
    interrupts = Interrupts()
    done = asyncio.get_running_loop().create_future()

    def finish_and_interrupt() -> None:
        done.set_result(None)
        interrupts.interrupt(user_request())

    asyncio.get_running_loop().call_soon(finish_and_interrupt)
    with pytest.raises(StatementCanceled):
        async with interrupts.scope(0):
            await done
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_the_limit_is_a_statement_timeout() -> None:
    with pytest.raises(StatementCanceled, match="statement timeout"):
        async with Interrupts().scope(0.001):
            await asyncio.Event().wait()


async def test_a_cancellation_from_outside_stays_one() -> None:
    interrupts = Interrupts()

    async def work() -> None:
        async with interrupts.scope(0):
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.wait({task}, timeout=0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not interrupts.armed


async def test_what_comes_before_a_message_has_begun_its_statement_stops_that_and_no_other() -> None:
    interrupts = Interrupts()
    interrupts.interrupt_next(user_request())
    with interrupts.expecting():
        async with interrupts.scope(0):
            await asyncio.sleep(0)
        interrupts.interrupt_next(user_request())
        with pytest.raises(StatementCanceled, match="user request"):
            async with interrupts.scope(0):
                await asyncio.Event().wait()
        interrupts.interrupt_next(user_request())
    with interrupts.expecting():
        async with interrupts.scope(0):
            await asyncio.sleep(0)
