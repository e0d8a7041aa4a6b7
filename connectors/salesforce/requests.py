"""From scans and questions to the requests that answer them: pure builders.

A query is a parameter of a GET as long as its address is short; a longer one goes in the body of a composite request,
which counts as one call.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from urllib.parse import urlencode

import msgspec

from connectors.salesforce import soql
from connectors.salesforce.objects import ObjectModel
from connectors.salesforce.soql import Kind, SoqlField
from connectors.sdk.errors import EmptyResult, Fatal
from connectors.sdk.request import Request
from connectors.sdk.scan import Disjunction, Operator, Predicate, Scan

COMPOSITE = "/composite"
PARTS_MAX = 25
ADDRESS_CHARACTERS_MAX = 8000
"""Address and headers may have 16,384 bytes together, and access tokens can be long."""

_LOCATOR = re.compile(r"/services/data/v[0-9]{1,3}\.0/query/[A-Za-z0-9]{15,30}-[0-9]{1,12}", re.ASCII)
_ID = SoqlField(name="Id", kind=Kind.ID)


def root(version: str) -> str:
    """Return the path below which an API version is."""
    return f"/services/data/v{version}"


def rows(model: ObjectModel, scan: Scan, version: str) -> Request:
    """Return the request for the first rows of a scan.

    Raises:
        EmptyResult: no key has the form of an identifier.
        Fatal: SQLSTATE HV000 or 54001, see `soql.query`.
    """
    return query(text_of(model, scan), version)


def text_of(model: ObjectModel, scan: Scan) -> str:
    """Return the query of a scan in SOQL.

    Raises:
        EmptyResult, Fatal: as `rows`.
    """
    names = dict.fromkeys(("Id", *(model.requested[column] for column in scan.columns)))
    fields = {**model.fields, "id": _ID}
    asked: list[Predicate | Disjunction] = [*_keys(scan, fields), *scan.predicates, *scan.disjunctions]
    order = [(model.requested[key.column], key.direction) for key in scan.order]
    return soql.query(model.name, tuple(names), fields, asked, order, scan.limit)


def count(model: ObjectModel, version: str) -> Request:
    """Return the request that counts an object's records."""
    return query(soql.query(model.name, ("COUNT()",), {}), version)


def query(text: str, version: str) -> Request:
    """Return the request for a query in SOQL."""
    path = f"{root(version)}/query"
    parameters = (("q", text),)
    address = f"{path}?{urlencode(parameters)}"
    if len(address) > ADDRESS_CHARACTERS_MAX:
        return composite([address], version)
    return Request(template="/services/data/{version}/query", path=path, parameters=parameters, conditional=False)


def following(request: Request, address: str) -> Request:
    """Return the request for the rows after those that were answered, at the address that the answer gave.

    Raises:
        Fatal: SQLSTATE HV000, it is not the address of a result.
    """
    if _LOCATOR.fullmatch(address) is None:
        raise Fatal(message="the source continues a result at an address that is none of its results")
    return Request(
        template="/services/data/{version}/query/{locator}", path=address, conditional=False, bucket=request.bucket
    )


def composite(addresses: Iterable[str], version: str) -> Request:
    """Return one request for several addresses."""
    parts = [{"method": "GET", "url": address, "referenceId": f"r{at}"} for at, address in enumerate(addresses)]
    return Request(
        template="/services/data/{version}" + COMPOSITE,
        path=root(version) + COMPOSITE,
        method="POST",
        body=msgspec.json.encode({"allOrNone": False, "compositeRequest": parts}),
        conditional=False,
    )


def descriptions(names: Iterable[str], version: str) -> Request:
    """Return the request that describes some objects, 25 of them at most."""
    return composite([f"{root(version)}/sobjects/{name}/describe" for name in names], version)


def objects(version: str) -> Request:
    """Return the request for the names of all objects."""
    return replace(_GET, template="/services/data/{version}/sobjects", path=f"{root(version)}/sobjects")


def resources(version: str) -> Request:
    """Return the request for what an API version has, which names the user that asks."""
    return replace(_GET, template="/services/data/{version}", path=root(version))


def user_name(identifier: str, version: str) -> Request:
    """Return the request for the name of a user."""
    fields: Mapping[str, SoqlField] = {"id": _ID}
    wanted = (Predicate(column="id", operator=Operator.EQ, value=identifier),)
    return query(soql.query("User", ("Name", "Username"), fields, wanted), version)


def _keys(scan: Scan, fields: Mapping[str, SoqlField]) -> tuple[Predicate, ...]:
    found = []
    for column, value in scan.keys.items():
        asked = value if isinstance(value, tuple) else (value,)
        can_be = soql.is_id if fields[column].kind is Kind.ID else soql.is_name
        known = tuple(each for each in dict.fromkeys(asked) if can_be(each))
        if not known:
            raise EmptyResult(message=f"no record can have such a value of {fields[column].name}")
        found.append(Predicate(column=column, operator=Operator.IN, value=known))
    return tuple(found)


_GET = Request(template="", path="", conditional=False)
