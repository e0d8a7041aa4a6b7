"""The cheapest usable access path, what goes with it, and what is asked for when none can be used."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from api_model import api_table

from connectors.sdk.scan import Operator, Predicate, Value
from connectors.sdk.table import AccessPath, Grade, Pushdown, Table
from omnisql_server.errors import KeyColumnRequired, LimitExceeded
from omnisql_server.plan.domains import NoRowCanMatch, Wanted, reduce_conditions
from omnisql_server.plan.paths import ChosenPath, choose_path
from omnisql_server.plan.predicate_texts import predicate_text

EXACT = Pushdown(grade=Grade.EXACT)


def wanted(*conditions: tuple[str, Operator, Value]) -> tuple[Wanted, ...]:
    return tuple(
        Wanted(predicate=Predicate(column=column, operator=operator, value=value), sql=f"{column} {operator} {value}")
        for column, operator, value in conditions
    )


def choose(table: Table, *conditions: tuple[str, Operator, Value], combinations_max: int = 10) -> ChosenPath:
    return choose_path(table, "app.t", wanted(*conditions), frozenset(), combinations_max)


def sent(chosen: ChosenPath) -> list[str]:
    return [predicate_text(pushed.predicate) for pushed in chosen.pushed]


def shown(items: Sequence[Wanted]) -> list[tuple[str, str, Value]]:
    return [(w.predicate.column, w.predicate.operator.value, w.predicate.value) for w in items]


BY_KEYS = AccessPath(name="by_keys", request="GET /{name}/{id}", keys=("name", "id"))
BY_ID = AccessPath(name="by_id", request="GET /{id}", keys=("id",), single=True)
BATCHED = AccessPath(name="batched", request="GET /?ids=", keys=("id",), batch="id", batch_keys_max=2)


def test_every_combination_of_keys_is_one_scan() -> None:
    chosen = choose(api_table(BY_KEYS), ("name", Operator.IN, ("a", "b")), ("id", Operator.EQ, 5))
    assert chosen.keys == ({"name": "a", "id": 5}, {"name": "b", "id": 5})
    assert (chosen.calls_min, chosen.calls_expected, chosen.calls_max) == (2, 20, None)


def test_a_batched_key_takes_many_values_at_a_time() -> None:
    chosen = choose(api_table(BATCHED), ("id", Operator.IN, (1, 2, 3)))
    assert chosen.keys == ({"id": (1, 2)}, {"id": (3,)})
    assert choose(api_table(BATCHED), ("id", Operator.EQ, 1)).keys == ({"id": (1,)},)


def test_too_many_combinations_are_refused_unless_another_path_can_do() -> None:
    many = ("id", Operator.IN, tuple(range(11)))
    with pytest.raises(LimitExceeded) as caught:
        choose(api_table(BY_ID), many)
    assert caught.value.sqlstate == "54000"
    assert choose(api_table(BY_ID, AccessPath(name="all", request="GET /")), many).path.name == "all"


def test_the_path_with_the_least_calls_wins() -> None:
    table = api_table(AccessPath(name="all", request="GET /"), BY_ID)
    assert choose(table, ("id", Operator.EQ, 5)).path.name == "by_id"
    assert choose(table, ("id", Operator.GT, 5)).path.name == "all"


def test_missing_keys_are_named_with_an_example() -> None:
    with pytest.raises(KeyColumnRequired) as caught:
        choose(api_table(BY_KEYS), ("id", Operator.GT, 5))
    assert caught.value.sqlstate == "HV00L"
    assert caught.value.message == "KEY_COLUMN_REQUIRED: app.t cannot be read without a value for name and id"
    assert caught.value.hint == "add name = '...' AND id = '...' to the WHERE clause"
    assert caught.value.detail == "the API behind it is asked by GET /{name}/{id}"


def test_only_the_keys_that_are_missing_are_named() -> None:
    with pytest.raises(KeyColumnRequired) as caught:
        choose(api_table(BY_KEYS), ("name", Operator.EQ, "a"))
    assert caught.value.message.endswith("without a value for id")


def test_a_closed_set_of_values_answers_without_a_call() -> None:
    closed = Pushdown(grade=Grade.EXACT, values=frozenset({"open", "closed"}))
    path = AccessPath(name="all", request="GET /", operators={"name": {Operator.EQ: closed, Operator.IN: closed}})
    chosen = choose(api_table(path), ("name", Operator.EQ, "other"))
    assert (chosen.empty, chosen.keys, chosen.calls_max) == ("no name has that value", (), 0)
    kept = choose(api_table(path), ("name", Operator.IN, ("open", "x")))
    assert (kept.empty, sent(kept)) == (None, ["name IN ('open')"])
    assert choose(api_table(path), ("name", Operator.IN, ("x", "y"))).empty == "no name has that value"


def test_a_predicate_may_need_others_that_are_sent_too() -> None:
    needing = Pushdown(grade=Grade.EXACT, needs=("name",))
    alone = AccessPath(name="all", request="GET /", operators={"big": {Operator.GT: needing}})
    both = AccessPath(name="all", request="GET /", operators={**alone.operators, "name": {Operator.EQ: EXACT}})
    keyed = AccessPath(name="keyed", request="GET /", keys=("name",), operators=alone.operators)
    asked = (("big", Operator.GT, 5), ("name", Operator.EQ, "a"))
    assert choose(api_table(alone), *asked).not_pushed[0].reason == "it needs name to be given as well"
    assert sent(choose(api_table(both), *asked)) == ["big > 5", "name = 'a'"]
    assert sent(choose(api_table(keyed), *asked)) == ["big > 5"]
    assert sent(choose(api_table(both), asked[0])) == []


def test_a_literal_may_lower_the_grade() -> None:
    def accepts(value: Value) -> Grade:
        return Grade.NONE if value == "%" else Grade.SUPERSET

    like = Pushdown(grade=Grade.EXACT, accepts=accepts)
    path = AccessPath(name="all", request="GET /", operators={"name": {Operator.LIKE: like}})
    assert choose(api_table(path), ("name", Operator.LIKE, "a%")).pushed[0].grade is Grade.SUPERSET
    refused = choose(api_table(path), ("name", Operator.LIKE, "%"))
    assert [n.reason for n in refused.not_pushed] == ["the API cannot evaluate this literal"]


def test_an_equality_goes_as_a_list_where_only_lists_are_taken() -> None:
    path = AccessPath(name="all", request="GET /", operators={"id": {Operator.IN: EXACT}})
    assert choose(api_table(path), ("id", Operator.EQ, 5)).pushed[0].predicate == Predicate(
        column="id", operator=Operator.IN, value=(5,)
    )


def test_what_a_path_does_not_take_is_explained() -> None:
    chosen = choose(api_table(), ("id", Operator.EQ, 5))
    assert [n.reason for n in chosen.not_pushed] == ["GET /t has no parameter for id ="]


def test_a_path_must_fill_every_column() -> None:
    narrow = AccessPath(name="narrow", request="GET /", columns=frozenset({"id"}))
    table = api_table(narrow, AccessPath(name="wide", request="GET /", rows_max=100))
    assert choose_path(table, "t", (), frozenset({"id"}), 10).path.name == "narrow"
    assert choose_path(table, "t", (), frozenset({"id", "name"}), 10).path.name == "wide"


def test_conditions_on_a_column_become_the_tightest() -> None:
    reduced = reduce_conditions(
        wanted(
            ("id", Operator.IN, (1, 2, 3)),
            ("id", Operator.IN, (3, 2)),
            ("big", Operator.GT, 5),
            ("big", Operator.GT, 7),
            ("big", Operator.LE, 9),
            ("big", Operator.LE, 8),
            ("name", Operator.IS_NOT_NULL, None),
            ("name", Operator.IS_NOT_NULL, None),
        )
    )
    assert shown(reduced) == [
        ("id", "in", (2, 3)),
        ("big", ">", 7),
        ("big", "<=", 8),
        ("name", "is not null", None),
    ]
    assert shown(reduce_conditions(wanted(("id", Operator.IN, (1, 2)), ("id", Operator.EQ, 2)))) == [("id", "=", 2)]


def test_a_contradiction_proves_that_no_row_matches() -> None:
    with pytest.raises(NoRowCanMatch, match="no value of id satisfies"):
        reduce_conditions(wanted(("id", Operator.EQ, 1), ("id", Operator.IN, (2, 3))))


def test_a_path_with_requests_of_its_own_is_for_long_readings() -> None:
    by_page = AccessPath(name="by_page", request="GET /t", page_rows_max=100)
    by_job = AccessPath(name="by_job", request="POST /jobs", page_rows_max=10_000, requests_fixed=12)
    for rows, name, calls in ((100, "by_page", 1), (1200, "by_page", 12), (2000, "by_job", 13), (50_000, "by_job", 17)):
        chosen = choose_path(api_table(by_page, by_job, rows_expected=rows), "app.t", (), frozenset({"id"}), 10)
        assert (chosen.path.name, chosen.calls_expected) == (name, calls)


def test_a_parameter_that_columns_share_is_sent_for_the_first_of_them_alone() -> None:
    both = Pushdown(grade=Grade.SUPERSET, shares="q")
    operators = {"name": {Operator.EQ: both}, "big": {Operator.GT: both}, "id": {Operator.EQ: EXACT}}
    path = AccessPath(name="all", request="GET /", operators=operators)
    asked = (("big", Operator.GT, 5), ("id", Operator.EQ, 1), ("name", Operator.EQ, "a"))
    chosen = choose(api_table(path), *asked)
    assert sent(chosen) == ["id = 1", "name = 'a'"]
    assert [each.reason for each in chosen.not_pushed] == ["GET / takes q once, for the condition on name"]
    assert sent(choose(api_table(path), *asked[:2])) == ["big > 5", "id = 1"]
