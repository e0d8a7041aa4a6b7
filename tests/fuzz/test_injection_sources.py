"""A hostile literal stays one value in what no manifest writes: GitHub's search and GraphQL, and PostgreSQL's queries.

And no language is left out: each that requests are written in is tried here or beside it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

import pytest
import test_injection as by_manifest
import test_injection_dialects as by_dialect
from graphql import parse as parse_graphql
from graphql import print_ast
from hostile_texts import LISTED, TEXT_OPERATORS, hostile, url_of
from hypothesis import assume, example, given
from profiles import as_profiled

from connectors import registry
from connectors.declarative.dialects import DIALECTS
from connectors.github.aliases import details_request
from connectors.github.counts import count_request
from connectors.github.sizes import measure
from connectors.postgres.kinds import RemoteType, kind_of
from connectors.postgres.queries import Query, RemoteTable, rows_query
from connectors.sdk.request import Request, Response
from connectors.sdk.scan import Operator, Predicate, Scan
from connectors.sdk.table import AccessPath, Column, Table
from connectors.simulators.github.search_query import Term, parse_query

HOST = "https://api.github.com"
OTHER = "acme"
SEARCHED = [("is:issue", "is:pr"), ("is:pr",)]
TEXT, TEXTS = 25, 1009


class Answering:
    """A transport whose repositories belong to some owners, and which keeps what it is asked."""

    def __init__(self, *owners: str) -> None:
        self.repositories = [{"owner": {"login": owner}, "name": "web"} for owner in owners]
        self.asked: list[Request] = []

    async def send(self, request: Request, _context: object) -> Response:
        self.asked.append(request)
        listed = request.template == "/user/repos"
        body: object = self.repositories if listed else {"total_count": 3}
        return Response(status=200, headers={}, body=body, url=url_of(request))


@as_profiled
@given(hostile)
@example("octo-cat")
@example("acme_emu")
@example("acme OR is:open")
@example('acme" user:"other')
@example("acme user:other")
@example("-acme")
@example("")
def test_an_owner_in_githubs_search_is_one_value(text: str) -> None:
    for table, kinds in zip(("issues", "pull_requests"), SEARCHED, strict=True):
        transport = Answering(text, OTHER)
        asyncio.run(measure(cast("Any", transport), table, cast("Any", None)))
        queries = [dict(request.parameters)["q"] for request in transport.asked if request.template == "/search/issues"]
        # Where an owner can be in no query there is none: his repositories are counted one by one.
        for query, kind in zip(queries, kinds if queries else (), strict=True):
            owners = [Term(name="user", values=(owner,), is_negated=False) for owner in dict.fromkeys((text, OTHER))]
            assert list(parse_query(query)) == [*parse_query(kind), *owners]


def test_plain_owners_are_searched_for() -> None:
    transport = Answering("octo-cat", "acme_emu", "O1")
    asyncio.run(measure(cast("Any", transport), "issues", cast("Any", None)))
    asked = [dict(request.parameters).get("q") for request in transport.asked]
    assert asked[1:] == [f"{kind} user:octo-cat user:acme_emu user:O1" for kind in SEARCHED[0]]


@as_profiled
@given(hostile, hostile)
@example('"}) { viewer { login } } #', "\\")
def test_names_in_githubs_graphql_are_variables(owner: str, repo: str) -> None:
    # Of two equal names one is asked for.
    assume(repo != OTHER)
    counted = Scan(
        table="issues", access_path="counted", columns=("owner",), keys={"owner": owner, "repo": (repo, OTHER)}
    )
    plain = Scan(table="issues", access_path="counted", columns=("owner",), keys={"owner": "o", "repo": ("r", OTHER)})
    for asked, harmless in (
        (count_request(counted, HOST), count_request(plain, HOST)),
        (details_request([(owner, repo, 7)], ("merged",), HOST), details_request([("o", "r", 7)], ("merged",), HOST)),
    ):
        found, wanted = json.loads(asked.body or b""), json.loads(harmless.body or b"")
        assert print_ast(parse_graphql(found["query"])) == print_ast(parse_graphql(wanted["query"]))
        values = {"o": owner, "r": repo}
        assert found["variables"] == {name: values.get(value, value) for name, value in wanted["variables"].items()}


REMOTE = RemoteTable(
    schema="public",
    name="t",
    table=Table(
        name="public.t",
        description="",
        columns=(Column(name="a", type_name="text", path="a"), Column(name="b", type_name="text[]", path="b")),
        primary_key=(),
        access_paths=(AccessPath(name="scan", request=""),),
    ),
    kinds={
        "a": kind_of(RemoteType(oid=TEXT), is_utf8=True),
        "b": kind_of(RemoteType(oid=TEXTS), is_utf8=True),
    },
)


def queries_of(text: str) -> list[Query]:
    """Write a query for each comparison with a text, and one by its key."""
    scan = Scan(table="public.t", access_path="scan", columns=("a",))
    found = [rows_query(REMOTE, replace(scan, keys={"a": text}))]
    for column, kind in REMOTE.kinds.items():
        for operator in (each for each in TEXT_OPERATORS if each in kind.operators):
            value = (text, OTHER) if operator in LISTED else text
            predicate = Predicate(column=column, operator=operator, value=value)
            found.append(rows_query(REMOTE, replace(scan, predicates=(predicate,))))
    return found


@as_profiled
@given(hostile)
@example("'; DROP TABLE t; --")
@example("$1")
@example("\\'")
def test_a_literal_in_sql_is_one_parameter(text: str) -> None:
    plain, asked = queries_of("x"), queries_of(text)
    assert [(each.sql, each.shown) for each in asked] == [(each.sql, each.shown) for each in plain]
    for before, after in zip(plain, asked, strict=True):
        (found,), (wanted,) = after.parameters, before.parameters
        assert found == ([text if each == "x" else each for each in wanted] if isinstance(wanted, list) else text)


def test_every_comparison_of_sql_is_tried() -> None:
    assert {Operator.EQ, Operator.LIKE, Operator.IN, Operator.CONTAINS} <= {
        operator for kind in REMOTE.kinds.values() for operator in kind.operators
    }


TRIED: Mapping[str, Callable[[], None]] = {
    "hubspot": by_dialect.test_a_literal_of_a_manifest_changes_nothing_else,
    "scim": by_dialect.test_a_literal_of_a_manifest_changes_nothing_else,
    "notion": by_dialect.test_a_literal_of_a_manifest_changes_nothing_else,
    "zendesk": by_dialect.test_a_literal_of_a_manifest_changes_nothing_else,
    "jql": by_manifest.test_a_literal_in_jql_is_one_operand,
    # It asks for all issues, in JQL without a value.
    "jira search": by_manifest.test_a_literal_in_jql_is_one_operand,
    "linear": by_manifest.test_a_literal_in_graphql_is_one_variable,
    "github": test_names_in_githubs_graphql_are_variables,
    "github search": test_an_owner_in_githubs_search_is_one_value,
    "salesforce": by_dialect.test_a_literal_in_soql_is_one_string,
    "postgres": test_a_literal_in_sql_is_one_parameter,
}
"""By language, or by the connector that writes one of its own."""


def languages() -> set[str]:
    """List what requests are written in: dialects, GraphQL, what hooks ask of themselves, and connectors in Python."""
    named = set(DIALECTS)
    for name in registry.connector_names():
        loaded = registry.loaded_named(name)
        if loaded is None:
            named.add(name)
            continue
        hooks = loaded.hooks
        named |= set(hooks.dialects) | ({f"{name} search"} if hooks.measure else set())
        graphql = any(path.graphql is not None for table in loaded.tables.values() for path in table.paths.values())
        named |= {name} if graphql or hooks.counts or hooks.together else set()
    return named


@pytest.mark.parametrize("language", sorted(languages()))
def test_every_language_is_tried(language: str) -> None:
    assert TRIED[language].is_hypothesis_test  # type: ignore[attr-defined]
