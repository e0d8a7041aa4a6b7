"""Filters of SCIM as manifests send them, read by a parser that others wrote."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from client_programs import scim_parser

from connectors.declarative.dialects import filter_input
from connectors.declarative.hooks import Condition, Either
from connectors.sdk.scan import Operator

pytestmark = pytest.mark.clients

# JSON that this parser does not read as JSON is left out: \n, and a text that ends with a backslash.
VALUES: tuple[object, ...] = ("x", "two words", 'a "b" and c eq "d"', ") or (id pr", "é𝒳\u2028", True, False, 3, 0.5)


def parsed(texts: list[str]) -> list[dict[str, Any]]:
    program = Path(__file__).with_name("scim_parser.mjs")
    done = subprocess.run(
        ["node", str(program)],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        cwd=scim_parser(),
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def compared(operator: str, value: object) -> dict[str, object]:
    return {"op": operator, "attrPath": "name.of", "compValue": value}


def condition(operator: Operator, comparator: str, value: object) -> Condition:
    return Condition(place="name.of", comparator=comparator, value=value, operator=operator)


def test_every_condition_is_read_as_the_one_that_was_meant() -> None:
    present: dict[str, object] = {"op": "pr", "attrPath": "name.of"}
    is_present = condition(Operator.IS_NOT_NULL, "pr", True)
    meant: list[tuple[Condition | Either, dict[str, object]]] = [
        (is_present, present),
        (condition(Operator.IS_NULL, "pr", True), {"op": "not", "filter": present}),
    ]
    for comparator in ("eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"):
        meant += [(condition(Operator.EQ, comparator, each), compared(comparator, each)) for each in VALUES]
    listed = [*VALUES]
    meant += [
        (condition(Operator.IN, "eq", listed), {"op": "or", "filters": [compared("eq", each) for each in listed]}),
        (condition(Operator.NOT_IN, "ne", listed), {"op": "and", "filters": [compared("ne", each) for each in listed]}),
        (
            Either(branches=((condition(Operator.EQ, "eq", 1), condition(Operator.EQ, "eq", 2)), (is_present,))),
            {"op": "or", "filters": [{"op": "and", "filters": [compared("eq", 1), compared("eq", 2)]}, present]},
        ),
    ]
    texts = [str(filter_input("scim", "", [each])) for each, _ in meant]
    assert parsed(texts) == [tree for _, tree in meant]
    # All of them at once: brackets keep what belongs together.
    (whole,) = parsed([str(filter_input("scim", "id pr", [each for each, _ in meant]))])
    assert whole["op"] == "and"
    assert whole["filters"][:2] == [{"op": "pr", "attrPath": "id"}, present]


def test_the_parser_refuses_what_is_no_scim() -> None:
    assert all("error" in answer for answer in parsed(["name eq", 'name is "x"', 'name eq "x" and', "(a pr"]))
