"""What predicates are sent as: values that can be sent, times rounded outward, several predicates on one input."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.declarative.load import Loaded, load_text
from connectors.declarative.requests import first_request
from connectors.sdk.errors import EmptyResult, Fatal
from connectors.sdk.grades import grade_of
from connectors.sdk.scan import Direction, Operator, Predicate, Scan, SortKey, Value
from connectors.sdk.table import Grade

MANIFEST = """\
omnisql: 1
name: tiny
title: Tiny
documentation: https://tiny.example/docs
base_url: https://tiny.example
secrets:
  token: {description: A token.}
auth:
  - {kind: header, value: "Bearer {token}"}
check: {request: GET /me, shows: name}
pagination: {kind: link, size: per_page, rows_max: 50}
tables:
  things:
    description: Things.
    primary_key: [id]
    columns:
      id: int8!
      place: text!
      state: text
      tags: text[]
      rank: int4
      made: timestamptz made_at
    pushdown:
      state:
        "=": {send: state, grade: exact}
        in: {send: state, grade: exact}
      tags: {contains: {send: labels, join: ","}}
      rank: {">=": {send: min, grade: exact}, "<=": {send: max, grade: exact}}
      made: {">=": {send: since}, ">": {send: since}, "<": {send: until, exclusive: true, format: epoch_s}}
      id: {in: {send: "ids[]", pattern: "[1-9][0-9]*"}, "=": {send: "ids[]", pattern: "[1-9][0-9]*"}}
    order:
      made: {desc: {sort: made, direction: down}}
    access_paths:
      by_id: {request: "GET /places/{place}/things", keys: [place, id], batch: {key: id, max: 10}, echo: [place]}
      by_place: {request: "GET /things", inputs: {where: "{place}", all: true}, keys: [place]}
"""


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return load_text(MANIFEST, "tiny.yaml")


def sent(loaded: Loaded, *predicates: tuple[str, Operator, Value], **keys: Value) -> list[tuple[str, str]]:
    path = "by_id" if "id" in keys else "by_place"
    made = tuple(Predicate(column=name, operator=operator, value=value) for name, operator, value in predicates)
    scan = Scan(table="things", access_path=path, columns=("id",), keys={"place": "a b", **keys}, predicates=made)
    return list(first_request(loaded.manifest, loaded.tables["things"], scan, {}).parameters)


def grade(loaded: Loaded, column: str, operator: Operator, value: Value) -> Grade:
    path = loaded.tables["things"].table.access_paths[1]
    return grade_of(path, Predicate(column=column, operator=operator, value=value))


def test_keys_enter_paths_inputs_and_batches(loaded: Loaded) -> None:
    scan = Scan(table="things", access_path="by_id", columns=("id",), keys={"place": "a/b", "id": (1, 2)}, limit=7)
    request = first_request(loaded.manifest, loaded.tables["things"], scan, {})
    assert request.path == "/places/a%2Fb/things"
    assert request.parameters == (("ids[]", "1"), ("ids[]", "2"), ("per_page", "7"))
    assert sent(loaded) == [("where", "a b"), ("all", "true"), ("per_page", "50")]


def test_a_key_of_a_batch_that_no_row_can_have_leaves_the_others(loaded: Loaded) -> None:
    assert sent(loaded, id=(0, 1, -2, 3)) == [("ids[]", "1"), ("ids[]", "3"), ("per_page", "50")]
    for none in ((0, -2), 0):
        with pytest.raises(EmptyResult):
            sent(loaded, id=none)


@pytest.mark.parametrize("place", ["", " a"])
def test_a_key_that_an_api_would_read_otherwise_needs_no_request(loaded: Loaded, place: str) -> None:
    with pytest.raises(EmptyResult):
        sent(loaded, place=place)


def test_times_are_rounded_so_that_no_row_is_lost(loaded: Loaded) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)
    found = sent(loaded, ("made", Operator.GT, moment), ("made", Operator.LT, moment))
    assert ("since", "2026-01-02T03:04:05Z") in found
    # Rounded up, and one more because the API leaves out the bound itself.
    assert ("until", str(int(moment.timestamp()) + 2)) in found


def test_the_narrowest_of_several_predicates_is_sent(loaded: Loaded) -> None:
    early, late = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)
    found = sent(
        loaded,
        ("made", Operator.GE, late),
        ("made", Operator.GT, early),
        ("rank", Operator.GE, 3),
        ("rank", Operator.GE, 5),
        ("rank", Operator.LE, 9),
        ("state", Operator.IN, ("open", "shut")),
        ("state", Operator.EQ, "shut"),
    )
    assert found[2:6] == [("since", "2026-01-03T00:00:00Z"), ("min", "5"), ("max", "9"), ("state", "shut")]


def test_predicates_that_exclude_each_other_need_no_request(loaded: Loaded) -> None:
    with pytest.raises(EmptyResult):
        sent(loaded, ("state", Operator.EQ, "open"), ("state", Operator.EQ, "shut"))


def test_what_an_api_would_read_otherwise_is_not_pushed(loaded: Loaded) -> None:
    assert grade(loaded, "state", Operator.EQ, "open") is Grade.EXACT
    assert grade(loaded, "state", Operator.EQ, "") is Grade.NONE
    assert grade(loaded, "state", Operator.EQ, " open") is Grade.NONE
    assert grade(loaded, "state", Operator.IN, tuple(str(each) for each in range(101))) is Grade.NONE
    assert grade(loaded, "tags", Operator.CONTAINS, ("a", "b")) is Grade.SUPERSET
    assert grade(loaded, "tags", Operator.CONTAINS, ("a,b",)) is Grade.NONE


def test_an_order_that_is_not_declared_is_refused(loaded: Loaded) -> None:
    scan = Scan(table="things", access_path="by_place", columns=("id",), keys={"place": "a"})
    for direction, inputs in ((Direction.DESC, [("sort", "made"), ("direction", "down")]), (Direction.ASC, None)):
        ordered = Scan(
            table=scan.table, access_path=scan.access_path, columns=scan.columns, keys=scan.keys,
            order=(SortKey(column="made", direction=direction),),
        )  # fmt: skip
        if inputs is None:
            with pytest.raises(Fatal):
                first_request(loaded.manifest, loaded.tables["things"], ordered, {})
        else:
            found = first_request(loaded.manifest, loaded.tables["things"], ordered, {}).parameters
            assert set(inputs) <= set(found)


def test_an_input_that_columns_share_is_told_to_the_planner(loaded: Loaded) -> None:
    def shares(loaded: Loaded, column: str) -> set[str | None]:
        path = next(each for each in loaded.tables["things"].table.access_paths if each.name == "by_place")
        return {each.shares for each in path.operators[column].values()}

    assert {name for column in ("state", "rank", "made") for name in shares(loaded, column)} == {None}
    text = MANIFEST.replace("send: state, grade: exact", "send: q").replace('send: labels, join: ","', "send: q")
    both = load_text(text, "tiny.yaml")
    assert shares(both, "state") == shares(both, "tags") == {"q"}
    assert sent(both, ("tags", Operator.CONTAINS, ("a",)), ("state", Operator.EQ, "open"))[2] == ("q", "open")
