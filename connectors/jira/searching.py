"""Searches that Jira does not refuse: values that do not exist on a site are left out, and what they mean is kept.

Jira refuses a whole query over one value that does not exist; in SQL that is just a value that no row has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from connectors.declarative.hooks import Narrow, Site
from connectors.jira.judge import QueryRefused
from connectors.sdk.errors import EmptyResult, Fatal
from connectors.sdk.request import Request, Response
from connectors.sdk.scan import Disjunction, Operator, Predicate, Scan

VOCABULARIES = {
    "status": "/rest/api/3/status",
    "issue_type": "/rest/api/3/issuetype",
    "priority": "/rest/api/3/priority",
    "resolution": "/rest/api/3/resolution",
}
"""The template of the list of its values, for each column whose inequalities are sent."""

_NEGATIVE = frozenset({Operator.NE, Operator.NOT_IN})
_POSITIVE = frozenset({Operator.EQ, Operator.IN})


def asked(template: str) -> Request:
    """Return the request for a list of the site."""
    return Request(template=template, path=template, conditional=False, bucket="burst")


def objects(response: Response, template: str) -> list[dict[str, object]]:
    """Return the objects that an answer lists.

    Raises:
        Fatal: SQLSTATE HV000, it lists something else.
    """
    found = response.body
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise Fatal(message=f"the answer of {template} is not a list of objects")
    return found


async def spelled(site: Site, scan: Scan) -> Scan:
    """Leave out inequalities with values that are not spelled as the site spells them.

    Without one of its conditions a side of OR lets through more; a side that is left without any, everything.
    """
    predicates = [each for each in scan.predicates if await _is_spelled(site, each)]
    disjunctions: list[Disjunction] = []
    for disjunction in scan.disjunctions:
        branches = [
            tuple([each for each in branch if await _is_spelled(site, each)]) for branch in disjunction.branches
        ]
        if all(branches):
            disjunctions.append(Disjunction(branches=tuple(branches)))
    return replace(scan, predicates=tuple(predicates), disjunctions=tuple(disjunctions))


async def _is_spelled(site: Site, predicate: Predicate) -> bool:
    template = VOCABULARIES.get(predicate.column)
    if template is None or predicate.operator not in _NEGATIVE:
        return True
    names = await _vocabulary(site, template)
    values = set(map(str, predicate.value if isinstance(predicate.value, tuple) else (predicate.value,)))
    lowered = {value.lower() for value in values}
    alike = {name for name in names if name.lower() in lowered}
    return bool(alike) and alike <= values <= names


async def _vocabulary(site: Site, template: str) -> frozenset[str]:
    if template not in site.known:
        found = objects(await site.send(asked(template)), template)
        site.known[template] = frozenset(str(each.get("name")) for each in found)
    known = site.known[template]
    return known if isinstance(known, frozenset) else frozenset()


def refused(scan: Scan, places: Mapping[str, str], refusal: Fatal) -> Scan | None:
    """Return a scan without the values that a refusal names, None where it names none of the scan's.

    Raises:
        EmptyResult: no row can meet the conditions, because values that they need do not exist.
    """
    if not isinstance(refusal, QueryRefused):
        return None
    keys = tuple(
        Predicate(column=name, operator=Operator.IN, value=value if isinstance(value, tuple) else (value,))
        for name, value in scan.keys.items()
    )
    columns = {*scan.keys, *(predicate.column for predicate in scan.every_predicate())}
    unknown = by_column(columns, places, refusal.unknown)
    left = without_literals((*keys, *scan.predicates), unknown)
    disjunctions = tuple(found for each in scan.disjunctions if (found := _without_literals(each, unknown)) is not None)
    if left == (*keys, *scan.predicates) and disjunctions == scan.disjunctions:
        return None
    values = {each.column: each.value for each in left[: len(keys)]}
    return replace(scan, keys=values, predicates=left[len(keys) :], disjunctions=disjunctions)


def by_column(
    columns: Iterable[str], places: Mapping[str, str], unknown: Mapping[str, frozenset[str]]
) -> dict[str, frozenset[str]]:
    """Return by column the values that the site does not know, which it tells in lower case by JQL field."""
    names = {column: places[column].lower() for column in columns}
    # A custom field may be called by its name instead of by its number; then the value alone tells.
    stray = frozenset(value for name, values in unknown.items() if name not in names.values() for value in values)
    return {column: unknown.get(name, frozenset()) | stray for column, name in names.items()}


def without_literals(predicates: tuple[Predicate, ...], unknown: Mapping[str, frozenset[str]]) -> tuple[Predicate, ...]:
    """Return predicates without values that the site does not know, given in lower case by column.

    Raises:
        EmptyResult: a predicate can hold for no row, because none of its values exists.
    """
    kept: list[Predicate] = []
    for predicate in predicates:
        gone = unknown[predicate.column]
        value = predicate.value
        values = value if isinstance(value, tuple) else (value,)
        left = tuple(each for each in values if str(each).lower() not in gone)
        if len(left) == len(values):
            kept.append(predicate)
        elif predicate.operator is Operator.CONTAINS or (predicate.operator in _POSITIVE and not left):
            raise EmptyResult(message="a value that is asked for does not exist on the source")
        elif left:
            kept.append(replace(predicate, value=left))
        # A value that does not exist excludes nothing: the comparison with it is left out.
    return tuple(kept)


def _without_literals(disjunction: Disjunction, unknown: Mapping[str, frozenset[str]]) -> Disjunction | None:
    """Return a disjunction without sides that can hold for no row, None where a side is left that always holds.

    Raises:
        EmptyResult: no side is left.
    """
    branches: list[tuple[Predicate, ...]] = []
    for branch in disjunction.branches:
        try:
            branches.append(without_literals(branch, unknown))
        except EmptyResult:
            continue
    if not branches:
        raise EmptyResult(message="no side of an OR has a value that exists on the source")
    return Disjunction(branches=tuple(branches)) if all(branches) else None


TO_KNOWN_VALUES = Narrow(before=spelled, refused=refused)
