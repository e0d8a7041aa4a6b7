"""The more statements a process works on, the later each one's backend is put to sleep."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import cast

import pytest

from omnisql_server.model.statement import Statement, StatementKind
from omnisql_server.session.interrupts import Interrupts
from omnisql_server.session.link import BackendLink
from omnisql_server.session.presence import AT_WORK_MAX, SHOWN_AFTER_S, Presence

STATEMENT = Statement(text="SELECT 1", kind=StatementKind.SELECT, references=())


def check_shown_after(presence: Presence, wanted_s: float) -> None:
    clock = asyncio.get_running_loop().time
    before_s = clock()
    presence.rest()
    assert presence._timer is not None
    assert before_s + wanted_s <= presence._timer.when() <= clock() + wanted_s


@pytest.mark.parametrize("others", [0, 1, 20, 5 * AT_WORK_MAX])
async def test_the_time_to_sleep_grows_with_the_statements_at_work(others: int) -> None:
    wanted_s = SHOWN_AFTER_S * min(others + 1, AT_WORK_MAX)
    async with AsyncExitStack() as stack:
        presences = [Presence(cast(BackendLink, None), Interrupts()) for _ in range(others + 1)]
        for presence in presences:
            await stack.enter_async_context(presence.of(STATEMENT))
        check_shown_after(presences[0], wanted_s)
    async with presences[0].of(STATEMENT):
        check_shown_after(presences[0], SHOWN_AFTER_S)
