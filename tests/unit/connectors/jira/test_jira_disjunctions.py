"""OR under Jira's refusals: a side whose value does not exist is left out, one that excludes nothing lets all in."""

from __future__ import annotations

import pytest

from connectors.declarative.hooks import Site
from connectors.declarative.requests import places_of
from connectors.jira.judge import QueryRefused
from connectors.jira.searching import refused, spelled
from connectors.registry import manifest_named
from connectors.sdk.errors import EmptyResult, Fatal
from connectors.sdk.request import Request, Response
from connectors.sdk.scan import Disjunction, Operator, Predicate, Scan, Value

PLACES = places_of(manifest_named("jira").tables["issues"].paths["search"])
Branch = tuple[Predicate, ...]


def where(column: str, operator: Operator, value: Value) -> Predicate:
    return Predicate(column=column, operator=operator, value=value)


NOPE, DONE = where("status", Operator.EQ, "Nope"), where("status", Operator.EQ, "Done")
NOT_NOPE = where("status", Operator.NE, "Nope")
HIGH, SOME = where("priority", Operator.EQ, "High"), where("status", Operator.IN, ("Nope", "Done"))


def scan(*branches: Branch) -> Scan:
    return Scan(table="issues", access_path="search", columns=("id",), disjunctions=(Disjunction(branches=branches),))


def after_refusal(*branches: Branch) -> tuple[Branch, ...] | None:
    """Return the sides that are left once Jira has said that Nope is no status, None where no OR is left."""
    left = refused(scan(*branches), PLACES, QueryRefused(server="s", unknown={"status": frozenset({"nope"})}))
    assert left is not None
    return left.disjunctions[0].branches if left.disjunctions else None


def test_a_side_with_a_value_that_does_not_exist_is_left_out() -> None:
    assert after_refusal((NOPE,), (HIGH,), (DONE,)) == ((HIGH,), (DONE,))
    assert after_refusal((NOPE, HIGH), (DONE,)) == ((DONE,),)
    assert after_refusal((SOME,), (HIGH,)) == ((where("status", Operator.IN, ("Done",)),), (HIGH,))


def test_a_side_that_excludes_what_does_not_exist_holds_without_that() -> None:
    assert after_refusal((NOT_NOPE, DONE), (HIGH,)) == ((DONE,), (HIGH,))
    assert after_refusal((NOT_NOPE,), (HIGH,)) is None


def test_without_any_side_no_row_is_left() -> None:
    with pytest.raises(EmptyResult):
        after_refusal((NOPE,), (NOPE, HIGH))


def test_a_refusal_over_something_else_changes_nothing() -> None:
    other = QueryRefused(server="s", unknown={"priority": frozenset({"urgent"})})
    assert refused(scan((HIGH,), (DONE,)), PLACES, other) is None
    assert refused(scan((HIGH,), (DONE,)), PLACES, Fatal(message="else")) is None


async def test_an_inequality_that_is_not_spelled_as_the_site_does_leaves_its_side() -> None:
    async def send(request: Request) -> Response:
        names = [{"name": "Done"}, {"name": "Open"}] if request.path.endswith("status") else []
        return Response(status=200, url="", headers={}, body=names)

    site = Site(send=send, known={})
    lowered, plain = where("status", Operator.NE, "done"), where("status", Operator.NE, "Done")
    assert (await spelled(site, scan((plain,), (HIGH,)))).disjunctions == scan((plain,), (HIGH,)).disjunctions
    assert (await spelled(site, scan((lowered, HIGH), (plain,)))).disjunctions == scan((HIGH,), (plain,)).disjunctions
    assert (await spelled(site, scan((lowered,), (HIGH,)))).disjunctions == ()
