"""A hostile literal stays one value in every language that requests are written in: JQL, paths, queries and GraphQL.

What is written is parsed again by another's parser: the simulators' of JQL, urllib's of URLs, graphql-core's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from graphql import parse as parse_graphql
from graphql.language import StringValueNode, Visitor, visit
from hostile_texts import PATTERNS, hostile, sendable, url_of
from hypothesis import assume, example, given
from profiles import as_profiled

from connectors.declarative.discovering import extended
from connectors.declarative.load import Loaded, load_file
from connectors.declarative.readings import readings
from connectors.declarative.requests import first_request
from connectors.jira.fields import custom_fields
from connectors.registry import manifest_named
from connectors.sdk.errors import EmptyResult, Fatal
from connectors.sdk.request import Request
from connectors.sdk.scan import Predicate, Scan
from connectors.sdk.table import Table
from connectors.simulators.jira.jql import parse as parse_jql
from connectors.simulators.jira.jql.syntax import And, Clause, Value

GITHUB = manifest_named("github")
TABLES = [each.table for each in GITHUB.tables.values()]
REPOSITORY_KEYS = ("repo", "name", "sha")
MANIFESTS = Path(__file__).parents[2] / "connectors" / "manifests"
CUSTOM = [{"id": "customfield_10001", "name": "Team", "custom": True, "schema": {"type": "option"}}]
JIRA = extended(manifest_named("jira"), custom_fields(CUSTOM, frozenset()))
ISSUES = JIRA.tables["issues"].table


@as_profiled
@given(hostile)
@example('x" OR project = "API')
@example("\\")
@example('\\" OR key is not EMPTY OR summary ~ "')
@example("EMPTY")
def test_a_literal_in_jql_is_one_operand(text: str) -> None:
    path = next(path for path in ISSUES.access_paths if path.name == "search")
    for predicate in sendable(ISSUES, path, text):
        scan = Scan(table="issues", access_path="search", columns=("id",), predicates=(predicate,))
        written = jql_of(readings(JIRA, scan, {})[0].request)
        where = parse_jql(written).where
        clauses = where.children if isinstance(where, And) else (where,)
        operands: list[str] = []
        for clause in clauses:
            assert isinstance(clause, Clause), written
            assert all(isinstance(operand, Value) for operand in clause.operands), written
            operands += [str(operand.text) for operand in clause.operands if isinstance(operand, Value)]
        if predicate.column == "summary":
            # Words alone are searched for: of a literal only those are left that no index takes for syntax.
            assert len(operands) == 1
            assert set(operands[0].strip('"').split(" ")) <= set(text.split(" "))
        else:
            wanted = list(predicate.value) if isinstance(predicate.value, tuple) else [predicate.value]
            assert operands == wanted, written


def jql_of(request: Request) -> str:
    """Return the query of a search, however it is sent."""
    return str({**dict(request.parameters), **json.loads(request.body or b"{}")}["jql"])


@as_profiled
@given(hostile, hostile)
@example("..", "a/../../user")
@example("%2e%2e", "?per_page=1#")
def test_keys_in_a_path_are_one_segment_each(owner: str, repo: str) -> None:
    for table in TABLES:
        for path in table.access_paths:
            if "full_name" in path.keys:
                continue
            keys = {key: 7 if "number" in key else repo if key in REPOSITORY_KEYS else owner for key in path.keys}
            scan = Scan(table=table.name, access_path=path.name, columns=(), keys=keys)
            for request in requests_of(scan):
                segments = urlsplit(url_of(request)).path.split("/")
                assert len(segments) == request.template.count("/") + 1
                template = request.template.split("/")
                found = [unquote(segment) for segment, part in zip(segments, template, strict=True) if part[:1] == "{"]
                assert all(segment in (owner, repo, "7") for segment in found)


def requests_of(scan: Scan) -> list[Request]:
    """Return what GitHub is asked; nothing where no name can be meant."""
    try:
        return [reading.request for reading in readings(GITHUB, scan, {})]
    except EmptyResult:
        return []


@as_profiled
@given(hostile)
@example("none")
@example("*")
@example("a,b")
@example("a&state=all")
def test_a_literal_in_a_query_string_is_one_parameter(text: str) -> None:
    for table in TABLES:
        for path in table.access_paths:
            keys = {key: 7 if "number" in key else "acme" for key in path.keys if key != "full_name"}
            if "full_name" in path.keys:
                continue
            plain = Scan(table=table.name, access_path=path.name, columns=(), keys=keys)
            without = [dict(request.parameters) for request in requests_of(plain)]
            for predicate in sendable(table, path, text):
                check_query_string(plain, predicate, text, without)


def check_query_string(plain: Scan, predicate: Predicate, text: str, without: list[dict[str, str]]) -> None:
    asking = Scan(
        table=plain.table, access_path=plain.access_path, columns=(), keys=plain.keys, predicates=(predicate,)
    )
    for request, before in zip(requests_of(asking), without, strict=True):
        url = url_of(request)
        parsed = parse_qsl(urlsplit(url).query, keep_blank_values=True)
        assert tuple(parsed) == request.parameters, url
        assert len(dict(parsed)) == len(parsed)
        added = {name: value for name, value in parsed if before.get(name) != value}
        assert len(added) == 1, url
        value = next(iter(added.values()))
        wanted = predicate.value if isinstance(predicate.value, tuple) else (predicate.value,)
        assert value.split(",") == list(wanted) if isinstance(predicate.value, tuple) else value == text
        if predicate.column in ("assignee_login", "user_login", "milestone_number"):
            # GitHub's own words for nobody and anybody.
            assert value not in ("none", "*")


class Strings(Visitor):
    """Collects the strings that stand in a document itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def enter_string_value(self, node: StringValueNode, *_: Any) -> None:
        self.found.append(node.value)


def linear() -> Loaded:
    return load_file(MANIFESTS / "linear.yaml")


LINEAR = linear()


@as_profiled
@given(hostile)
@example('"}) { me } #')
@example("\\u0022")
def test_a_literal_in_graphql_is_one_variable(text: str) -> None:
    for name, readable in LINEAR.tables.items():
        table: Table = readable.table
        for path in table.access_paths:
            if path.keys:
                continue
            columns = tuple(column.name for column in table.columns)
            for predicate in sendable(table, path, text):
                scan = Scan(table=name, access_path=path.name, columns=columns, predicates=(predicate,))
                try:
                    request = first_request(LINEAR.manifest, readable, scan, {})
                except (EmptyResult, Fatal):
                    continue
                assert request.body is not None
                posted = json.loads(request.body)
                strings = Strings()
                visit(parse_graphql(posted["query"]), strings)
                assert text not in strings.found
                found = list(leaves(posted["variables"]))
                if predicate.operator in PATTERNS:
                    # What a pattern asks for is the text between its wildcards.
                    assert sum(1 for leaf in found if leaf == text.strip("%")) == 1
                else:
                    wanted = list(predicate.value) if isinstance(predicate.value, tuple) else [predicate.value]
                    assert [leaf for leaf in found if leaf in wanted or text in leaf] == wanted


def leaves(value: Any) -> Iterator[str]:
    """Yield every text of a document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from leaves(inner)


@as_profiled
@given(hostile)
@example("WEB-1/comment?x=")
def test_a_key_of_jira_is_one_segment(text: str) -> None:
    scan = Scan(table="issue_comments", access_path="by_issue", columns=(), keys={"issue_key": text})
    try:
        request = readings(JIRA, scan, {})[0].request
    except EmptyResult:
        return
    assume(request.path)
    assert unquote(request.path.split("/")[5]) == text
    assert request.path.count("/") == request.template.count("/")
