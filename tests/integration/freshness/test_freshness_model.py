"""Random changes of the source, questions, faults, bounds, users and replicas, against every state there ever was.

An answer must be that of some state within the bound of its statement, under the credential and the policy of its user.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import UUID

import pytest
from fresh_checks import differs_by_vanished, is_of_two, repositories, without_limit
from fresh_questions import HOW, LIMIT, MINUTE_US, MORE, NUMBERS, REPO, REPOS, STATES, TABLES, TEAMS, USER, USERS
from fresh_source import BATCHED, KEYED, RESUMED, TABLE, Row, Rows
from fresh_world import Question, World, exhausted, row, unavailable
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from connectors.sdk.errors import ConnectorError, CredentialsRejected
from omnisql_server.freshness import changes, store
from omnisql_server.freshness.store import TAG, Store
from omnisql_server.limits import ValkeyChild
from omnisql_server.limits.valkey import Valkey
from omnisql_server.model.freshness import Change, Staleness
from omnisql_server.model.report import SourceReport

CALL_TIMEOUT_S = 60.0
EXAMPLES, STEPS = 100, 40


class Freshness(RuleBasedStateMachine):
    """The source, two replicas that keep its rows, and the states that the source has had."""

    client: Valkey
    run: Callable[[Any], Any]
    hits, confirmed, changed, merged, resumed, refreshed, told_of, renewed = 0, 0, 0, 0, 0, 0, 0, 0
    """Earlier answers used, pages confirmed and found changed, answers with changes merged into them, and those that
    a reading that failed was gone on for, and those that were too old while they were read again, in all; answers
    that might have been older but for what the source had told, and those after a call that had them read again."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.client)
        self.world.source.calls_each = 2
        self.states: list[tuple[int, Rows]] = []
        self.epochs = dict.fromkeys(("all", "public"), 0)
        self.now_us = 0
        self.resumed_us = -(10**15)
        self.told = dict.fromkeys("abc", 0)
        self.rows_spoiled = False
        self.deliveries = 0
        self.asked: list[tuple[tuple[Any, ...], int | None, Any]] = []

    @initialize(rows=st.lists(st.tuples(REPOS, STATES, NUMBERS, TEAMS, st.booleans()), min_size=8, max_size=16))
    def begin(self, rows: list[tuple[str, str, int, str, bool]]) -> None:
        self.world.source.rows = {number: row(number, *facts) for number, facts in enumerate(rows)}
        self._note()

    @rule(number=st.integers(0, 15), facts=st.tuples(REPOS, STATES, NUMBERS, TEAMS, st.booleans()))
    def change(self, number: int, facts: tuple[str, str, int, str, bool]) -> None:
        self.world.source.change(row(number, *facts))
        self._note()

    @rule(number=st.integers(0, 15))
    def delete(self, number: int) -> None:
        self.world.source.rows = {n: one for n, one in self.world.source.rows.items() if n != number}
        self._note()

    @rule(by_us=st.sampled_from([MINUTE_US // 4, MINUTE_US, 5 * MINUTE_US]))
    def wait(self, by_us: int) -> None:
        self.now_us += by_us
        self.world.ahead_us = self.now_us

    @rule(
        kind=st.sampled_from(["fail", "fail", "cap", "replace", "invalidate", "spoil", "spoil", "lose"]),
        fault=st.sampled_from([unavailable(), exhausted(), CredentialsRejected(message="no")]),
        credential=st.sampled_from(["all", "public"]),
        table=st.sampled_from([TABLE, BATCHED, KEYED, RESUMED]),
        pick=st.integers(0, 99),
    )
    def disturb(self, kind: str, fault: ConnectorError, credential: str, table: Any, pick: int) -> None:
        """Spoil something; a failing source recovers after one more question."""
        if kind == "fail":
            self.world.source.fault = fault
        elif kind == "cap":
            self.world.source.truncated = "only half"
        elif kind == "replace":
            self.epochs[credential] += 1
        elif kind == "invalidate":
            self.run(self.world.replicas[0].drop(self.world.origin(self._credential(credential)), table))
        elif kind == "spoil":
            self.run(self._spoil("rows" if pick % 2 else "entries", pick))
        else:
            self.run(self.client.flushall())

    @rule(repo=st.sampled_from("abc") | st.none())
    def tell(self, repo: str | None) -> None:
        """Have the source tell of its changes, as a webhook does: no answer within a bound is older from now on."""
        self.deliveries += 1
        keys = {} if repo is None else {"repo": repo}
        clock = partial(Store, ahead_us=lambda: self.world.ahead_us)
        with mock.patch.object(changes, "Store", clock):
            telling = changes.note_change(
                self.client,
                tenant=UUID(self.world.tenant),
                data_key=self.world.key,
                server="hub",
                change=Change(tables=frozenset({"items"}), keys=keys),
                delivery=str(self.deliveries),
                kept_us=3_600_000_000,
            )
            assert self.run(telling)
        self.told.update(dict.fromkeys(keys.values() or self.told, len(self.states) - 1))

    @rule(user=USER, where=REPO, more=st.lists(MORE, max_size=1), table=TABLES, how=HOW)
    def refresh(self, user: str, where: Any, more: list[Any], table: Any, how: Mapping[str, Any]) -> None:
        """Have rows read again and kept, as omnisql.refresh does: who asks next needs no request for them.

        What was confirmed is as whole as it was: after rows in Valkey were spoiled, it is sure for this replica only.
        """
        again = {**how, "max_us": 0, "kept": True, "if_error_us": 0, "revalidate_us": 0, "partial": False}
        if self._ask_once(user, (where, *more), None, table, again) is None:
            return
        replica = how["replica"] if self.rows_spoiled else 1 - how["replica"]
        then = {**again, "max_us": 10 * MINUTE_US, "replica": replica}
        assert self._ask_once(user, (where, *more), None, table, then, floor=len(self.states) - 1) == 0
        Freshness.renewed += 1

    @rule(user=USER, where=REPO, more=st.lists(MORE, max_size=1), limit=LIMIT, table=TABLES, how=HOW)
    def ask(
        self, user: str, where: Any, more: list[Any], limit: int | None, table: Any, how: Mapping[str, Any]
    ) -> None:
        self._ask(user, (where, *more), limit, table, how)

    @precondition(lambda self: self.asked)
    @rule(
        user=USER,
        pick=st.integers(0, 99),
        number=st.integers(0, 15),
        facts=st.tuples(REPOS, STATES, NUMBERS, TEAMS, st.booleans()),
        how=HOW,
    )
    def ask_after_a_change(self, user: str, pick: int, number: int, facts: Any, how: Mapping[str, Any]) -> None:
        """Ask again when what was kept is too old, and a part of it wrong."""
        self.change(number, facts)
        self.wait(5 * MINUTE_US)
        self._ask(user, *self.asked[-1 - pick % min(len(self.asked), 5)], how)

    @rule(
        user=USER,
        where=REPO,
        number=st.integers(0, 15),
        facts=st.tuples(REPOS, STATES, NUMBERS, TEAMS, st.booleans()),
        by_us=st.sampled_from([MINUTE_US // 4, MINUTE_US, 5 * MINUTE_US]),
        how=HOW,
    )
    def fail_on_the_way(
        self, user: str, where: Any, number: int, facts: Any, by_us: int, how: Mapping[str, Any]
    ) -> None:
        """Ask for what fails after its first page, and again when it has changed."""
        self.world.source.fault = unavailable()
        self._ask_once(user, (where,), None, RESUMED, {**how, "partial": False})
        self.change(number, facts)
        self.wait(by_us)
        self._ask_once(user, (where,), None, RESUMED, {**how, "replica": 1 - how["replica"]})

    @precondition(lambda self: self.asked)
    @rule(user=USER, pick=st.integers(0, 99), how=HOW)
    def ask_again(self, user: str, pick: int, how: Mapping[str, Any]) -> None:
        self._ask(user, *self.asked[-1 - pick % min(len(self.asked), 5)], how)

    @precondition(lambda self: self.asked)
    @rule(user=USER, pick=st.integers(0, 99), more=st.lists(MORE, min_size=1, max_size=2), limit=LIMIT, how=HOW)
    def ask_for_less(self, user: str, pick: int, more: list[Any], limit: int | None, how: Mapping[str, Any]) -> None:
        conditions, _, table = self.asked[-1 - pick % min(len(self.asked), 5)]
        self._ask(user, (*conditions, *more), limit, table, how)

    @precondition(lambda self: self.asked)
    @rule(user=USER, pick=st.integers(0, 99), where=REPO, how=HOW)
    def ask_elsewhere(self, user: str, pick: int, where: Any, how: Mapping[str, Any]) -> None:
        conditions, limit, table = self.asked[-1 - pick % min(len(self.asked), 5)]
        self._ask(user, (where, *conditions[1:]), limit, table, how)

    def _ask(
        self, user: str, conditions: tuple[Any, ...], limit: int | None, table: Any, how: Mapping[str, Any]
    ) -> None:
        """Ask, then at once for all rows on the other replica: what should not have been kept would answer."""
        self.asked.append((conditions, limit, table))
        self._ask_once(user, conditions, limit, table, how)
        again = {**how, "replica": 1 - how["replica"], "partial": False}
        self._ask_once(how["next_user"], conditions, None, table, again)

    def _ask_once(
        self,
        user: str,
        conditions: tuple[Any, ...],
        limit: int | None,
        table: Any,
        how: Mapping[str, Any],
        floor: int = 0,
    ) -> int | None:
        """Ask and compare; `floor` is the oldest state allowed. Return the requests made, None where it failed."""
        credential, policy = USERS[user]
        limit = None if table.access_paths == BATCHED.access_paths else limit
        question = Question(conditions=conditions, limit=limit, policy=policy, table=table)
        staleness = Staleness(
            max_us=how["max_us"],
            if_error_us=how["if_error_us"],
            kept=how["kept"],
            full_read_us=how["full_read_us"],
            revalidate_us=how["revalidate_us"],
        )
        reading = self.world.read(
            question,
            staleness,
            credential=self._credential(credential),
            replica=how["replica"],
            partial=how["partial"],
        )
        try:
            rows, fetched = self.run(reading)
        except ConnectorError:
            return None
        finally:
            for shared in self.world.shared:
                self.run(shared.refreshes.settled())
            self.world.source.fault = self.world.source.truncated = None
        self._compare(rows, question, fetched.report, how, credential, floor)
        made: int = fetched.report.requests
        return made

    def _compare(
        self,
        rows: list[Row],
        question: Question,
        report: SourceReport,
        how: Mapping[str, Any],
        credential: str,
        floor: int,
    ) -> None:
        """Compare an answer with the states that it may show."""
        Freshness.hits += report.cache_hits
        Freshness.confirmed += self.world.source.confirmed
        Freshness.changed += self.world.source.changed
        self.world.source.confirmed = self.world.source.changed = 0
        Freshness.refreshed += report.refreshing
        assert not report.refreshing or how["max_us"] > 0
        bound_us = max(
            how["max_us"],
            how["if_error_us"] if report.stale is not None else 0,
            how["revalidate_us"] if report.refreshing else 0,
        )
        assert report.age_ms * 1000 <= bound_us
        is_older = report.stale is not None or report.refreshing
        floors = {repo: 0 if is_older else max(floor, told) for repo, told in self.told.items()}
        seen = self._seen(credential, bound_us)
        Freshness.told_of += any(at < told for at, _ in seen for told in floors.values())
        if "merged" in (report.cache_note or ""):
            Freshness.merged += 1
            assert how["full_read_us"] > 0
            assert how["max_us"] > 0 or report.stale is not None
            before = self._seen(credential, max(bound_us, how["full_read_us"]))
            self._check_merged(rows, question, seen, before, floors)
        else:
            if "resumed" in (report.cache_note or ""):
                Freshness.resumed += 1
                self.resumed_us = self.now_us
            of_two = question.table.access_paths == RESUMED.access_paths and self.resumed_us >= self.now_us - bound_us
            self._check(rows, question, seen, floors, complete=report.complete, of_two=of_two)

    def _seen(self, credential: str, bound_us: int) -> list[tuple[int, list[Row]]]:
        """Return what a credential could see within a bound, state by state, with the state's number."""
        return [
            (number, [one for one in state.values() if credential == "all" or not one["private"]])
            for number, state in self._states(bound_us)
        ]

    def _check_merged(
        self,
        rows: list[Row],
        question: Question,
        seen: list[tuple[int, list[Row]]],
        before: list[tuple[int, list[Row]]],
        floors: Mapping[str, int],
    ) -> None:
        """Compare as below, but for rows that vanished since the last full reading: nobody tells of them."""
        whole = Question(**without_limit(question))
        for repo in "abc":
            part = [one for one in rows if one["repo"] == repo]
            once = [one for _, state in before for one in whole.answer(state)]
            assert all(one in once for one in part), (part, before)
            if question.limit is None:
                since = [state for number, state in seen if number >= floors[repo]]
                assert any(differs_by_vanished(part, whole, state, repo) for state in since), (part, since)

    def _check(
        self,
        rows: list[Row],
        question: Question,
        seen: list[tuple[int, list[Row]]],
        floors: Mapping[str, int],
        *,
        complete: bool,
        of_two: bool,
    ) -> None:
        """Compare with the states of the time; repositories are fetched, and may be kept, one by one.

        `of_two` says that a reading that failed may have been gone on for it, in another state.
        """
        whole = Question(**without_limit(question))
        if not complete:
            visible = [one for _, state in seen for one in whole.answer(state)]
            assert all(one in visible for one in rows)
            return
        for repo in "abc":
            part = [one for one in rows if one["repo"] == repo]
            since = [state for number, state in seen if number >= floors[repo]]
            answers = [[one for one in whole.answer(state) if one["repo"] == repo] for state in since]
            if question.limit is None:
                assert part in answers or (of_two and is_of_two(part, answers)), (part, answers)
            else:
                assert any(all(one in answer for one in part) for answer in answers), (part, answers)
        asked = repositories(question)
        if question.limit is not None and len(asked) == 1 and not of_two:
            assert rows in [question.answer(state) for number, state in seen if number >= floors[min(asked)]]

    def _states(self, bound_us: int) -> list[tuple[int, Rows]]:
        """Return the states that the source had from the bound on, with their numbers."""
        oldest_us = self.now_us - bound_us
        # Of the states that began before, several may have stood at the same moment of the test's own clock.
        last_us = max((since_us for since_us, _ in self.states if since_us <= oldest_us), default=oldest_us)
        return [(number, state) for number, (since_us, state) in enumerate(self.states) if since_us >= last_us]

    def _note(self) -> None:
        self.states.append((self.now_us, self.world.source.rows))

    def _credential(self, credential: str) -> str:
        return f"{credential}:{self.epochs[credential]}"

    async def _spoil(self, kind: str, pick: int) -> None:
        prefix = f"{TAG}{kind}:"
        found = [key.decode() async for key in self.client.scan_iter(f"{prefix}{self.world.tenant}*")]
        aged = sorted([(await self._age(key.removeprefix(prefix)), key) for key in found])
        if not aged:
            return
        _, place = aged[pick % len(aged)]
        if kind == "rows":
            self.rows_spoiled = True
            await self.client.set(place, b"\x02" + b"spoiled" * 9)
        else:
            for entry in await self.client.hkeys(place):
                await self.client.hset(place, entry, b"\x02" + b"spoiled" * 9)

    async def _age(self, place: str) -> tuple[int, int]:
        """Return when a shelf was begun and an entry's number there, so that the same one is picked in each run."""
        tenant, name, *entry = place.split("/")
        shelf = f"{tenant}/{name}"
        begun: Any = self.client.hget(f"{TAG}shelf:{shelf}", "generation")
        number = await self.client.zscore(f"{TAG}order:{shelf}", "".join(entry))
        return int(await begun or 0), int(number or 0)


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[asyncio.Runner]:
    """Run coroutines, with a Valkey for as long."""
    with asyncio.Runner() as runner:
        child = ValkeyChild(tmp_path)
        runner.run(child.start())
        Freshness.client, Freshness.run = child.client, staticmethod(runner.run)
        try:
            yield runner
        finally:
            runner.run(child.stop())


@pytest.mark.usefixtures("runner")
def test_no_answer_is_older_or_shows_more_than_it_may() -> None:
    bounded = settings(
        max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck)
    )
    # A pause of this process, which collects the garbage of a whole run, is no fault of Valkey's.
    with mock.patch.object(store, "CALL_TIMEOUT_S", CALL_TIMEOUT_S):
        run_state_machine_as_test(Freshness, settings=bounded)
    # A model that never meets what is kept would prove nothing.
    assert Freshness.hits > 3
    assert Freshness.confirmed > 3
    assert Freshness.changed > 3
    assert Freshness.merged > 3
    assert Freshness.resumed > 0
    assert Freshness.refreshed > 0
    assert Freshness.told_of > 3
    assert Freshness.renewed > 3
