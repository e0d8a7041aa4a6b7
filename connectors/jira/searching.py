"""Searches that Jira does not refuse: values that do not exist on a site are left out, and what they mean is kept.

Jira refuses a whole query over one value that does not exist; in SQL that is just a value that no row has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from connectors.declarative.hooks import Narrow, Site
from connectors.jira.judge import QueryRefused
from connectors.sdk.errors import EmptyResult, Fatal
from connectors.sdk.request import Request, Response
from connectors.sdk.scan import Operator, Predicate, Scan

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
    """Leave out inequalities with values that are not spelled as the site spells them."""
    kept: list[Predicate] = []
    for predicate in scan.predicates:
        template = VOCABULARIES.get(predicate.column)
        if template is not None and predicate.operator in _NEGATIVE:
            names = await _vocabulary(site, template)
            values = predicate.value if isinstance(predicate.value, tuple) else (predicate.value,)
            alike = {name for name in names if name.lower() in {str(value).lower() for value in values}}
            if not alike or not alike <= set(map(str, values)) or not set(map(str, values)) <= names:
                continue
        kept.append(predicate)
    return replace(scan, predicates=tuple(kept))


async def _vocabulary(site: Site, template: str) -> frozenset[str]:
    if template not in site.known:
        found = objects(await site.send(asked(template)), template)
        site.known[template] = frozenset(str(each.get("name")) for each in found)
    known = site.known[template]
    return known if isinstance(known, frozenset) else frozenset()


def refused(scan: Scan, places: Mapping[str, str], refusal: Fatal) -> Scan | None:
    """Return a scan without the values that a refusal names, None where it names none of the scan's.

    Raises:
        EmptyResult: a condition can hold for no row, because none of its values exists.
    """
    if not isinstance(refusal, QueryRefused):
        return None
    keys = tuple(
        Predicate(column=name, operator=Operator.IN, value=value if isinstance(value, tuple) else (value,))
        for name, value in scan.keys.items()
    )
    left = without_literals((*keys, *scan.predicates), places, refusal.unknown)
    if left == (*keys, *scan.predicates):
        return None
    values = {each.column: each.value for each in left[: len(keys)]}
    return replace(scan, keys=values, predicates=left[len(keys) :])


def without_literals(
    predicates: tuple[Predicate, ...], places: Mapping[str, str], unknown: Mapping[str, frozenset[str]]
) -> tuple[Predicate, ...]:
    """Return the predicates without values that the site does not know, given in lower case by JQL field.

    Raises:
        EmptyResult: a predicate can hold for no row, because none of its values exists.
    """
    names = {places[predicate.column].lower() for predicate in predicates}
    # A custom field may be called by its name instead of by its number; then the value alone tells.
    stray = frozenset(value for name, values in unknown.items() if name not in names for value in values)
    kept: list[Predicate] = []
    for predicate in predicates:
        gone = unknown.get(places[predicate.column].lower(), frozenset()) | stray
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


TO_KNOWN_VALUES = Narrow(before=spelled, refused=refused)
