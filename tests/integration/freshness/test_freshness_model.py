"""Random changes of the source, questions, faults, bounds, users and replicas, against every state there ever was.

An answer must be that of some state within the bound of its statement, under the credential and the policy of its user.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fresh_source import BATCHED, KEYED, RESUMED, TABLE, Row, Rows
from fresh_world import Question, World, exhausted, on, row, unavailable
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from connectors.sdk.errors import ConnectorError, CredentialsRejected
from connectors.sdk.scan import Operator
from connectors.sdk.testing.reference import holds
from omnisql_server.freshness.store import TAG
from omnisql_server.limits import ValkeyChild
from omnisql_server.limits.valkey import Valkey
from omnisql_server.model.freshness import Staleness

EXAMPLES, STEPS = 100, 40
MINUTE_US = 60_000_000
USERS = {
    "ana": ("all", None),
    "eve": ("all", ("x",)),
    "kim": ("all", ("x", "y")),
    "bob": ("public", None),
    "zoe": ("public", ("y",)),
}
"""Each user's credential and what policy shows of the rows."""

REPOS, TEAMS, STATES = st.sampled_from("abc"), st.sampled_from("xxyz"), st.sampled_from(["open", "closed"])
NUMBERS = st.integers(0, 3)
BOUNDS = st.sampled_from([0, MINUTE_US // 2, 2 * MINUTE_US, 10 * MINUTE_US, 10 * MINUTE_US])
_REPO = st.one_of(
    REPOS.map(lambda repo: on("repo", Operator.EQ, repo)),
    st.lists(REPOS, min_size=2, max_size=3, unique=True).map(lambda repos: on("repo", Operator.IN, tuple(repos))),
)
_MORE = st.one_of(
    STATES.map(lambda state: on("state", Operator.EQ, state)),
    TEAMS.map(lambda team: on("team", Operator.EQ, team)),
    st.lists(TEAMS, min_size=1, max_size=2, unique=True).map(lambda teams: on("team", Operator.IN, tuple(teams))),
    st.builds(
        lambda operator, number: on("n", operator, number),
        st.sampled_from([Operator.GT, Operator.GE, Operator.LT, Operator.LE, Operator.EQ]),
        NUMBERS,
    ),
)


_USER = st.sampled_from(sorted(USERS))
_LIMIT = st.sampled_from([None, None, 1, 3])
_TABLES = st.builds(
    lambda table, revalidates: replace(table, revalidates=revalidates),
    st.sampled_from([TABLE, KEYED, BATCHED, RESUMED]),
    st.sampled_from([True, True, False]),
)
_HOW = st.fixed_dictionaries(
    {
        "max_us": BOUNDS,
        "kept": st.booleans(),
        "full_read_us": st.sampled_from([0, 15 * MINUTE_US, 60 * MINUTE_US]),
        "revalidate_us": st.sampled_from([0, 0, 20 * MINUTE_US]),
        "if_error_us": st.sampled_from([0, 5 * MINUTE_US, 20 * MINUTE_US]),
        "replica": st.integers(0, 1),
        "partial": st.booleans(),
        "next_user": st.sampled_from(sorted(USERS)),
    }
)


class Freshness(RuleBasedStateMachine):
    """The source, two replicas that keep its rows, and the states that the source has had."""

    client: Valkey
    run: Callable[[Any], Any]
    hits, confirmed, changed, merged, resumed, refreshed = 0, 0, 0, 0, 0, 0
    """Earlier answers used, pages confirmed and found changed, answers with changes merged into them, and those that
    a reading that failed was gone on for, and those that were too old while they were read again, in all."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.client)
        self.world.source.calls_each = 2
        self.states: list[tuple[int, Rows]] = []
        self.epochs = dict.fromkeys(("all", "public"), 0)
        self.now_us = 0
        self.resumed_us = -(10**15)
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

    @rule(user=_USER, where=_REPO, more=st.lists(_MORE, max_size=1), limit=_LIMIT, table=_TABLES, how=_HOW)
    def ask(
        self, user: str, where: Any, more: list[Any], limit: int | None, table: Any, how: Mapping[str, Any]
    ) -> None:
        self._ask(user, (where, *more), limit, table, how)

    @precondition(lambda self: self.asked)
    @rule(
        user=_USER,
        pick=st.integers(0, 99),
        number=st.integers(0, 15),
        facts=st.tuples(REPOS, STATES, NUMBERS, TEAMS, st.booleans()),
        how=_HOW,
    )
    def ask_after_a_change(self, user: str, pick: int, number: int, facts: Any, how: Mapping[str, Any]) -> None:
        """Ask again when what was kept is too old, and a part of it wrong."""
        self.change(number, facts)
        self.wait(5 * MINUTE_US)
        self._ask(user, *self.asked[-1 - pick % min(len(self.asked), 5)], how)

    @rule(
        user=_USER,
        where=_REPO,
        number=st.integers(0, 15),
        facts=st.tuples(REPOS, STATES, NUMBERS, TEAMS, st.booleans()),
        by_us=st.sampled_from([MINUTE_US // 4, MINUTE_US, 5 * MINUTE_US]),
        how=_HOW,
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
    @rule(user=_USER, pick=st.integers(0, 99), how=_HOW)
    def ask_again(self, user: str, pick: int, how: Mapping[str, Any]) -> None:
        self._ask(user, *self.asked[-1 - pick % min(len(self.asked), 5)], how)

    @precondition(lambda self: self.asked)
    @rule(user=_USER, pick=st.integers(0, 99), more=st.lists(_MORE, min_size=1, max_size=2), limit=_LIMIT, how=_HOW)
    def ask_for_less(self, user: str, pick: int, more: list[Any], limit: int | None, how: Mapping[str, Any]) -> None:
        conditions, _, table = self.asked[-1 - pick % min(len(self.asked), 5)]
        self._ask(user, (*conditions, *more), limit, table, how)

    @precondition(lambda self: self.asked)
    @rule(user=_USER, pick=st.integers(0, 99), where=_REPO, how=_HOW)
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
        self, user: str, conditions: tuple[Any, ...], limit: int | None, table: Any, how: Mapping[str, Any]
    ) -> None:
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
            return
        finally:
            for shared in self.world.shared:
                self.run(shared.refreshes.settled())
            self.world.source.fault = self.world.source.truncated = None
        report = fetched.report
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
        seen = self._seen(credential, bound_us)
        if "merged" in (report.cache_note or ""):
            Freshness.merged += 1
            assert how["full_read_us"] > 0
            assert how["max_us"] > 0 or report.stale is not None
            before = self._seen(credential, max(bound_us, how["full_read_us"]))
            self._check_merged(rows, question, seen, before)
        else:
            if "resumed" in (report.cache_note or ""):
                Freshness.resumed += 1
                self.resumed_us = self.now_us
            is_of_two = table.access_paths == RESUMED.access_paths and self.resumed_us >= self.now_us - bound_us
            self._check(rows, question, seen, complete=report.complete, is_of_two=is_of_two)

    def _seen(self, credential: str, bound_us: int) -> list[list[Row]]:
        """Return what a credential could see within a bound, state by state."""
        return [
            [one for one in state.values() if credential == "all" or not one["private"]]
            for state in self._states(bound_us)
        ]

    def _check_merged(
        self, rows: list[Row], question: Question, seen: list[list[Row]], before: list[list[Row]]
    ) -> None:
        """Compare as below, but for rows that vanished since the last full reading: nobody tells of them."""
        whole = Question(**_without_limit(question))
        for repo in "abc":
            part = [one for one in rows if one["repo"] == repo]
            once = [one for state in before for one in whole.answer(state)]
            assert all(one in once for one in part), (part, before)
            if question.limit is None:
                assert any(_differs_by_vanished(part, whole, state, repo) for state in seen), (part, seen)

    def _check(
        self, rows: list[Row], question: Question, seen: list[list[Row]], *, complete: bool, is_of_two: bool
    ) -> None:
        """Compare with the states of the time; repositories are fetched, and may be kept, one by one.

        `is_of_two` says that a reading that failed may have been gone on for it, in another state.
        """
        whole = Question(**_without_limit(question))
        if not complete:
            visible = [one for state in seen for one in whole.answer(state)]
            assert all(one in visible for one in rows)
            return
        for repo in "abc":
            part = [one for one in rows if one["repo"] == repo]
            answers = [[one for one in whole.answer(state) if one["repo"] == repo] for state in seen]
            if question.limit is None:
                assert part in answers or (is_of_two and _is_of_two(part, answers)), (part, answers)
            else:
                assert any(all(one in answer for one in part) for answer in answers), (part, answers)
        if question.limit is not None and len(_repositories(question)) == 1 and not is_of_two:
            assert rows in [question.answer(state) for state in seen]

    def _states(self, bound_us: int) -> list[Rows]:
        """Return the states that the source had from the bound on."""
        oldest_us = self.now_us - bound_us
        later = [state for since_us, state in self.states if since_us > oldest_us]
        before = [state for since_us, state in self.states if since_us <= oldest_us]
        # Of the states that began before, several may have stood at the same moment of the test's own clock.
        last_us = max((since_us for since_us, _ in self.states if since_us <= oldest_us), default=None)
        ends = [state for since_us, state in self.states if since_us == last_us]
        return [*(ends or before[-1:]), *later]

    def _note(self) -> None:
        self.states.append((self.now_us, self.world.source.rows))

    def _credential(self, credential: str) -> str:
        return f"{credential}:{self.epochs[credential]}"

    async def _spoil(self, kind: str, pick: int) -> None:
        found = sorted([key async for key in self.client.scan_iter(f"{TAG}{kind}:{self.world.tenant}*")])
        if not found:
            return
        place = found[pick % len(found)]
        if kind == "rows":
            await self.client.set(place, b"\x02" + b"spoiled" * 9)
        else:
            for entry in await self.client.hkeys(place):
                await self.client.hset(place, entry, b"\x02" + b"spoiled" * 9)


def _differs_by_vanished(part: list[Row], question: Question, state: list[Row], repo: str) -> bool:
    """Say whether rows are the answer to a question in a state, and beside it only some that are not there any more."""
    there = {one["id"] for one in state if one["repo"] == repo}
    answer = [one for one in question.answer(state) if one["repo"] == repo]
    return all(one in part for one in answer) and all(one in answer or one["id"] not in there for one in part)


def _is_of_two(part: list[Row], answers: list[list[Row]]) -> bool:
    """Say whether rows are those of one state up to an id and those of a later one from there on."""
    for cut in range(17):
        first, rest = [one for one in part if one["id"] < cut], [one for one in part if one["id"] >= cut]
        begins = [at for at, answer in enumerate(answers) if [one for one in answer if one["id"] < cut] == first]
        ends = [at for at, answer in enumerate(answers) if [one for one in answer if one["id"] >= cut] == rest]
        if begins and ends and begins[0] <= ends[-1]:
            return True
    return False


def _repositories(question: Question) -> set[str]:
    conditions = [condition for condition in question.conditions if condition.column == "repo"]
    return {repo for repo in "abc" if all(holds({"repo": repo}, condition) for condition in conditions)}


def _without_limit(question: Question) -> dict[str, Any]:
    return {"conditions": question.conditions, "policy": question.policy, "table": question.table}


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
    run_state_machine_as_test(Freshness, settings=bounded)
    # A model that never meets what is kept would prove nothing.
    assert Freshness.hits > 3
    assert Freshness.confirmed > 3
    assert Freshness.changed > 3
    assert Freshness.merged > 3
    assert Freshness.resumed > 0
    assert Freshness.refreshed > 0
