"""Whether requests that were really made are legal: by the vendors' own descriptions and schemas.

The descriptions are third-party files that are not part of the project: they are read from the folder `shared/specs`
beside the checkout. Where one is missing, its vendor's requests are not judged, and the report says so.
"""

from __future__ import annotations

import gzip
import json
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from api_descriptions import choices, resolved
from demo_server import Simulator
from graphql import GraphQLSchema, OperationDefinitionNode, build_schema, parse, validate
from graphql.execution.values import get_variable_values

SPECIFICATIONS = Path(__file__).parents[3] / "shared" / "specs"
Described = Mapping[tuple[str, str], Mapping[str, list[str]]]
"""By method and path, whose placeholders have no name: each query parameter with the values that it takes, if told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """Where a vendor's API is described; paths begin with `prefix` there less, parameters and paths `in_prose`."""

    files: tuple[str, ...]
    prefix: str = ""
    parameters_in_prose: frozenset[str] = frozenset()
    paths_in_prose: str = "$^"


# What GitLab publishes so is its third version, which is retired.
DESCRIPTIONS = {
    # The GraphQL API has a schema instead; Link headers name repositories by their number.
    "github": Description(files=("github-openapi.json.gz",), paths_in_prose="/graphql|/repositories/[0-9]+/.*"),
    # The platform's description leaves the agile API out.
    "jira": Description(files=("jira-v3-openapi.json.gz",), paths_in_prose="/rest/agile/.*"),
    "hubspot": Description(
        files=tuple(f"hubspot-{kind}.json.gz" for kind in ("contacts", "companies", "deals", "tickets", "owners")),
        paths_in_prose="/crm/v3/pipelines/deals|/account-info/v3/details",
    ),
    "pagerduty": Description(files=("pagerduty-openapi.json.gz",)),
    "slack": Description(files=("slack-openapi-v2.json.gz",), prefix="/api"),
    "zendesk": Description(
        files=("zendesk-support-openapi.json.gz",),
        parameters_in_prose=frozenset({"page[size]", "page[after]", "sort", "score", "start_time", "end_time"}),
        paths_in_prose="/api/v2/tickets/[^/]+/metrics",
    ),
}


@dataclass(slots=True)
class Seen:
    """Every distinct request that simulators were sent: vendor, method, path, parameters and body as JSON."""

    requests: set[tuple[str, str, str, tuple[tuple[str, str], ...], str]] = field(default_factory=set)

    def take(self, vendor: str, simulator: Simulator) -> None:
        """Take in what a simulator's log has."""
        for record in simulator.requests():
            pairs = tuple((name, text) for name, texts in record["query"].items() for text in texts)
            body = json.dumps(record["body"], sort_keys=True)
            self.requests.add((vendor, str(record["method"]), str(record["path"]), pairs, body))

    def has_or(self, vendor: str) -> bool:
        """Say whether a vendor was sent OR: in a query between its literals, or as the name or the groups of a body."""
        own = [(pairs, json.loads(body)) for seen, _, _, pairs, body in self.requests if seen == vendor]
        queries = (_LITERAL.sub("", text) for pairs, _ in own for _, text in pairs)
        return any(" OR " in text for text in queries) or any(_is_or(body) for _, body in own)

    def parameters(self, vendor: str, name: str) -> list[str]:
        """Return the distinct values of a parameter, and of a key of posted bodies, of a vendor's requests."""
        own = [(pairs, json.loads(body)) for seen, _, _, pairs, body in self.requests if seen == vendor]
        sent = {text for pairs, _ in own for given, text in pairs if given == name}
        return sorted(sent | {str(body[name]) for _, body in own if isinstance(body, dict) and name in body})


_LITERAL = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""")


def _is_or(body: object) -> bool:
    if isinstance(body, list):
        return any(map(_is_or, body))
    if not isinstance(body, dict):
        return False
    return "or" in body or len(body.get("filterGroups", ())) > 1 or any(map(_is_or, body.values()))


def problems(seen: Seen) -> set[str]:
    """Say what the descriptions of the vendors do not know of the requests that were made."""
    found: set[str] = set()
    for vendor, method, path, pairs, _ in seen.requests:
        description = DESCRIPTIONS.get(vendor)
        described = _described(vendor) if description is not None else None
        if description is None or described is None or re.fullmatch(description.paths_in_prose, path):
            continue
        found |= {f"{vendor}: {text}" for text in _misfits(description, described, method, path, pairs)}
    for vendor in sorted({vendor for vendor, *_ in seen.requests} & DESCRIPTIONS.keys()):
        if _described(vendor) is None:
            warnings.warn(f"no API description of {vendor} at {SPECIFICATIONS}: its gate is inactive", stacklevel=1)
    return found


def linear_problems(seen: Seen) -> set[str]:
    """Say what the schema of Linear does not know of the queries that were sent to it."""
    schema = _linear_schema()
    if schema is None:
        warnings.warn(f"no schema of Linear at {SPECIFICATIONS}: its gate is inactive", stacklevel=1)
        return set()
    queries = seen.parameters("linear", "query")
    found = {f"{error.message} in {query}" for query in queries for error in validate(schema, parse(query))}
    for vendor, _, _, _, body in seen.requests:
        if vendor == "linear" and not found:
            found |= {f"{text} in {body}" for text in _unfit_variables(schema, json.loads(body))}
    return found


def _unfit_variables(schema: GraphQLSchema, body: Mapping[str, Any]) -> list[str]:
    """Say what a schema does not take of a query's variables, such as filters."""
    (operation,) = (each for each in parse(body["query"]).definitions if isinstance(each, OperationDefinitionNode))
    values = get_variable_values(schema, operation.variable_definitions, body.get("variables") or {})
    return [error.message for error in values] if isinstance(values, list) else []


def _misfits(
    description: Description, described: Described, method: str, path: str, pairs: Iterable[tuple[str, str]]
) -> Iterator[str]:
    known = _parameters_of(described, method, path.removeprefix(description.prefix))
    if known is None:
        yield f"{method} {path} does not exist"
        return
    for name, text in pairs:
        if name in description.parameters_in_prose:
            continue
        # A list is sent as the name with brackets, or with commas between.
        choices = known.get(name, known.get(name.removesuffix("[]")))
        if choices is None:
            yield f"{method} {path} has no parameter {name}"
        elif choices and not set(text.split(",")) <= set(choices):
            yield f"{method} {path} does not take {name}={text}"


def _parameters_of(described: Described, method: str, path: str) -> Mapping[str, list[str]] | None:
    """Return the parameters of the path that fits best: one with fewer placeholders before one with more."""
    if (method, path) in described:
        return described[method, path]
    parts = path.split("/")
    fitting = [
        (template.count("{}"), template)
        for known, template in described
        if known == method and len(template.split("/")) == len(parts) and _fits(template.split("/"), parts)
    ]
    return described[method, min(fitting)[1]] if fitting else None


def _fits(template: list[str], parts: list[str]) -> bool:
    return all("{}" in expected or expected == part for expected, part in zip(template, parts, strict=True))


@lru_cache
def _described(vendor: str) -> Described | None:
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for file in DESCRIPTIONS[vendor].files:
        where = SPECIFICATIONS / file
        if not where.is_file():
            return None
        document = json.loads(gzip.decompress(where.read_bytes()))
        for template, item in document["paths"].items():
            for method in item.keys() & {"get", "post"}:
                parameters = [*item.get("parameters", []), *item[method].get("parameters", [])]
                every = [resolved(document, parameter) for parameter in parameters]
                found[method.upper(), re.sub(r"\{[^}]+\}", "{}", template)] = {
                    each["name"].removesuffix("[]"): choices(document, each) for each in every if each["in"] == "query"
                }
    return found


@lru_cache
def _linear_schema() -> GraphQLSchema | None:
    where = SPECIFICATIONS / "linear.graphql.gz"
    return build_schema(gzip.decompress(where.read_bytes()).decode()) if where.is_file() else None
