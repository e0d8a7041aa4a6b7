"""Decisions are asked for once in a while, never kept when there is none, and gone with the rules they came from."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from omnisql_server.errors import EntitlementDenied, PolicyUndecided
from omnisql_server.model.mask import Mask, MaskKind
from omnisql_server.model.principal import Principal
from omnisql_server.model.row_filter import Comparison, FilterOperator
from omnisql_server.model.trail import DerivedRead, Fact
from omnisql_server.policy.decide import DECISIONS_MAX, Policy
from omnisql_server.policy.decision import read_decision
from omnisql_server.policy.embedded import EmbeddedEngine
from omnisql_server.policy.question import Question, Resource
from omnisql_server.policy.rules import Rules, parse_rules

QUESTION = Question(
    tenant="acme",
    user="eve",
    attributes=(("teams", ("web",)),),
    resources=(Resource(connector="hub", server="main", table="issues", columns=("id",)),),
)
ALLOWED = {"allow": True, "denyReasons": [], "rowFilters": [], "columnMasks": [], "revision": "r1"}
FIELD = {"type": "field", "operator": "eq", "field": "id", "value": 1}


class Scripted:
    """An engine that gives what it is told, after `gate` if there is one."""

    def __init__(self, *answers: Any, gate: asyncio.Event | None = None) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.closed = False
        self.gate = gate

    async def evaluate(self, document: Mapping[str, Any]) -> Any:
        self.asked += 1
        if self.gate is not None:
            await self.gate.wait()
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def close(self) -> None:
        self.closed = True


class Clock:
    """A clock that a test moves."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


async def test_a_decision_stands_for_a_while() -> None:
    engine, clock = Scripted(ALLOWED), Clock()
    policy = Policy(engine, kept_s=600.0, now_s=clock)
    for _ in range(3):
        await policy.decide(QUESTION)
    assert engine.asked == 1
    await policy.decide(replace(QUESTION, attributes=()))
    assert engine.asked == 2
    clock.now_s = 59.9
    await policy.decide(QUESTION)
    assert engine.asked == 2
    clock.now_s = 60.0
    await policy.decide(QUESTION)
    assert engine.asked == 3


async def test_what_was_written_is_read_for_a_purpose_of_its_tables() -> None:
    purpose = {"name": "people", "tables": ["hub.users"], "purposes": ["support"], "except": {"teams": ["security"]}}
    denial = {"name": "closed", "tables": ["hub.*"]}
    policy = Policy(EmbeddedEngine(parse_rules({"version": 1, "purposes": [purpose], "denials": [denial]}, "x").data))
    eve = Principal(tenant="acme", name="eve", attributes={})
    people, pulls = written("people", "users"), written("pulls", "pulls")
    await policy.let_read((people, pulls), "support", eve)
    await policy.let_read((pulls,), "", eve)
    for said in ("", "billing"):
        with pytest.raises(EntitlementDenied) as caught:
            await policy.let_read((people, pulls), said, eve)
        assert "read my.people" in caught.value.message
        assert caught.value.detail == "policy people"
    await policy.let_read((people,), "", replace(eve, attributes={"teams": ("security",)}))
    with pytest.raises(EntitlementDenied):
        await policy.let_read((people,), "support", replace(eve, sources=frozenset({"other"})))
    await policy.let_read((people,), "support", replace(eve, sources=frozenset({"main"})))


async def test_what_was_written_is_not_read_without_a_decision() -> None:
    eve = Principal(tenant="acme", name="eve", attributes={})
    with pytest.raises(PolicyUndecided):
        await Policy(Scripted({})).let_read((written("people", "users"),), "", eve)


def written(name: str, table: str) -> DerivedRead:
    fact = Fact(connector="hub", server="main", table=table, column="id", mask="", policy="")
    return DerivedRead(oid=1, schema="my", name=name, facts=(fact,))


async def test_what_is_no_decision_is_asked_for_again() -> None:
    engine = Scripted({}, ALLOWED)
    policy = Policy(engine)
    with pytest.raises(PolicyUndecided):
        await policy.decide(QUESTION)
    assert (await policy.decide(QUESTION)).revision == "r1"


async def test_another_revision_puts_all_decisions_away() -> None:
    engine = Scripted(ALLOWED, {**ALLOWED, "revision": "r2"})
    policy = Policy(engine)
    await policy.decide(QUESTION)
    await policy.decide(replace(QUESTION, user="ana"))
    await policy.decide(QUESTION)
    assert engine.asked == 3


async def test_a_replaced_engine_decides_no_more_and_is_closed() -> None:
    old, new = Scripted(ALLOWED), Scripted({**ALLOWED, "revision": "new"})
    policy = Policy(old)
    await policy.decide(QUESTION)
    policy.replace(new)
    assert (await policy.decide(QUESTION)).revision == "new"
    assert (old.asked, old.closed, new.closed) == (1, True, False)
    await policy.close()
    assert new.closed


async def test_a_decision_of_rules_that_were_replaced_meanwhile_is_not_kept() -> None:
    gate = asyncio.Event()
    old, new = Scripted(ALLOWED, gate=gate), Scripted({**ALLOWED, "revision": "new"})
    policy = Policy(old)
    waiting = asyncio.create_task(policy.decide(QUESTION))
    await asyncio.sleep(0)
    policy.replace(new)
    gate.set()
    assert (await waiting).revision == "r1"
    assert (await policy.decide(QUESTION)).revision == "new"


async def test_kept_decisions_are_bounded() -> None:
    engine = Scripted(ALLOWED)
    policy = Policy(engine)
    for number in range(DECISIONS_MAX + 1):
        await policy.decide(replace(QUESTION, user=str(number)))
    await policy.decide(replace(QUESTION, user=str(DECISIONS_MAX)))
    assert engine.asked == DECISIONS_MAX + 1
    await policy.decide(replace(QUESTION, user="0"))
    assert engine.asked == DECISIONS_MAX + 2


def masked_by(mask: Any, column: Any = "id") -> dict[str, Any]:
    return {**ALLOWED, "columnMasks": [{"index": 0, "policy": "p", "column": column, "mask": mask}]}


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {**ALLOWED, "allow": None},
        {**ALLOWED, "allow": "true"},
        {**ALLOWED, "allow": 1},
        {key: value for key, value in ALLOWED.items() if key != "allow"},
        {key: value for key, value in ALLOWED.items() if key != "rowFilters"},
        {key: value for key, value in ALLOWED.items() if key != "columnMasks"},
        {key: value for key, value in ALLOWED.items() if key != "denyReasons"},
        {key: value for key, value in ALLOWED.items() if key != "revision"},
        {**ALLOWED, "rowFilters": {}},
        {**ALLOWED, "rowFilters": [{}]},
        {**ALLOWED, "rowFilters": [{"index": 0, "policy": "p"}]},
        {**ALLOWED, "rowFilters": [{"index": 0, "policy": "p", "filter": {"type": "invalid"}}]},
        {**ALLOWED, "rowFilters": [{"index": 1, "policy": "p", "filter": FIELD}]},
        {**ALLOWED, "rowFilters": [{"index": True, "policy": "p", "filter": FIELD}]},
        {**ALLOWED, "rowFilters": [{"index": -1, "policy": "p", "filter": FIELD}]},
        {**ALLOWED, "rowFilters": [{"index": 0, "policy": "p", "filter": {**FIELD, "operator": "regex"}}]},
        {**ALLOWED, "rowFilters": [{"index": 0, "policy": "p", "filter": {**FIELD, "value": {"a": 1}}}]},
        {**ALLOWED, "rowFilters": [{"index": 0, "policy": "p", "filter": {**FIELD, "value": [1]}}]},
        {**ALLOWED, "rowFilters": [{"index": 0, "policy": "p", "filter": {**FIELD, "type": "compound"}}]},
        {
            **ALLOWED,
            "rowFilters": [
                {"index": 0, "policy": "p", "filter": {"type": "compound", "operator": "not", "value": [FIELD, FIELD]}}
            ],
        },
        {
            **ALLOWED,
            "rowFilters": [
                {"index": 0, "policy": "p", "filter": {"type": "compound", "operator": "xor", "value": [FIELD]}}
            ],
        },
        {**ALLOWED, "rowFilters": [{"index": 0, "policy": "p", "filter": {**FIELD, "operator": ["eq"]}}]},
        masked_by({"kind": "blur"}),
        masked_by({"kind": ["null"]}),
        masked_by(None),
        masked_by({"kind": "null"}, column=1),
        masked_by({"kind": "bucket", "width": 0}),
        masked_by({"kind": "partial", "last": -1}),
        masked_by({"kind": "const", "value": []}),
    ],
)
def test_an_answer_that_is_not_understood_is_none(answer: Any) -> None:
    with pytest.raises(PolicyUndecided) as caught:
        read_decision(answer, 1)
    assert caught.value.sqlstate == "42501"


def test_a_refusal_without_reasons_is_one() -> None:
    (denial,) = read_decision({**ALLOWED, "allow": False}, 1).denials
    assert (denial.index, denial.policy) == (None, "")


def test_reasons_deny_whatever_allow_says() -> None:
    reasons = [{"index": 0, "policy": "p"}]
    assert [d.policy for d in read_decision({**ALLOWED, "denyReasons": reasons}, 1).denials] == ["p"]


def test_of_several_masks_the_strongest_holds() -> None:
    def given(*kinds: str) -> Mask:
        masks = [{"index": 0, "policy": kind, "column": "id", "mask": {"kind": kind}} for kind in kinds]
        return read_decision({**ALLOWED, "columnMasks": masks}, 1).masks[0]["id"]

    assert given("partial", "hash", "redact").kind is MaskKind.REDACT
    assert given("null", "redact").policy == "null"
    assert given("truncate_date", "bucket").kind is MaskKind.BUCKET


def test_a_failing_evaluation_is_no_decision() -> None:
    engine = EmbeddedEngine(Rules().data)
    assert engine.evaluate_now(QUESTION.document)["allow"] is True
    without_revision = EmbeddedEngine({"denials": [], "row_filters": [], "masks": []})
    with pytest.raises(PolicyUndecided):
        read_decision(without_revision.evaluate_now(QUESTION.document), 1)


def test_an_engine_decides_in_any_thread() -> None:
    engine = EmbeddedEngine(Rules().data)
    answers = [engine.evaluate_now(QUESTION.document)]
    thread = threading.Thread(target=lambda: answers.append(engine.evaluate_now(QUESTION.document)))
    thread.start()
    thread.join()
    assert answers[0] == answers[1]


def test_many_rules_over_many_columns_are_decided() -> None:
    masks = [
        {"name": f"m{number}", "tables": ["hub.*"], "columns": [f"*_{number}", "x?y"], "mask": "hash"}
        for number in range(120)
    ]
    denials = [{"name": "closed", "tables": ["hub.last"]}]
    engine = EmbeddedEngine(parse_rules({"version": 1, "masks": masks, "denials": denials}, "test").data)
    columns = tuple(f"column_{number}" for number in range(60))
    tables = ("first", "second", "third")
    resources = tuple(Resource(connector="hub", server="main", table=name, columns=columns) for name in tables)
    decision = read_decision(engine.evaluate_now(replace(QUESTION, resources=resources).document), len(tables))
    assert decision.denials == ()
    assert [set(found) for found in decision.masks] == [set(columns)] * len(tables)
    last = (*resources, Resource(connector="hub", server="main", table="last", columns=columns))
    refused = read_decision(engine.evaluate_now(replace(QUESTION, resources=last).document), len(last))
    assert [(denial.index, denial.policy) for denial in refused.denials] == [(3, "closed")]


def test_who_is_in_many_groups_is_decided_by_many_rules() -> None:
    groups = tuple(f"group {number}" for number in range(1_000))
    filters = [
        {
            "name": f"f{number}",
            "tables": ["hub.*"],
            "subjects": {"groups": ["other", f"group {number}"]},
            "except": {"groups": ["chosen"]},
            "rows": {"column": "id", "in": {"attribute": "groups"}},
        }
        for number in range(100)
    ]
    engine = EmbeddedEngine(parse_rules({"version": 1, "row_filters": filters}, "test").data)
    decision = read_decision(engine.evaluate_now(replace(QUESTION, attributes=(("groups", groups),)).document), 1)
    assert decision.denials == ()
    assert [found.policy for found in decision.filters[0]] == [f"f{number}" for number in range(100)]
    assert decision.filters[0][99].condition == Comparison(column="id", operator=FilterOperator.IN, value=groups)


def test_a_policy_that_says_two_things_of_two_tables_is_read_twice() -> None:
    def said(index: int, value: Any) -> dict[str, Any]:
        return {"index": index, "policy": "p", "filter": {**FIELD, "value": value}}

    decision = read_decision({**ALLOWED, "rowFilters": [said(0, 1), said(1, True), said(2, 1)]}, 3)
    assert [repr(found.condition) for (found,) in decision.filters] == [
        repr(Comparison(column="id", operator=FilterOperator.EQ, value=value)) for value in (1, True, 1)
    ]


@pytest.mark.parametrize("section", ["denials", "row_filters", "masks"])
def test_data_without_a_section_allows_nothing(section: str) -> None:
    data = {name: value for name, value in Rules().data.items() if name != section}
    decision = read_decision(EmbeddedEngine(data).evaluate_now(QUESTION.document), 1)
    assert [denial.policy for denial in decision.denials] == [""]
