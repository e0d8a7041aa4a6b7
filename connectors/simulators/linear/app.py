"""The one route of the Linear simulator: documents are validated, priced and executed over a workspace.

- `first` is 50 without, 250 at most, `pageInfo` leads on, archived nodes are left out:
  https://linear.app/developers/pagination.
- Filters and comparators: https://linear.app/developers/filtering, and the public schema (see `schema`).
- A query is paid by its complexity (see `complexity`), which the answer tells, out of so many points an hour; beyond
  them it is refused by a 400, RATELIMITED, the reset in epoch milliseconds, and one of more than 10,000 always:
  https://linear.app/developers/rate-limiting.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import web
from graphql import GraphQLError, GraphQLSchema, GraphQLSyntaxError, execute_sync, parse, validate
from graphql.language import DocumentNode

from connectors.simulators.company import Company
from connectors.simulators.linear.complexity import COMPLEXITY_MAX, complexity
from connectors.simulators.linear.filters import matches, ordered
from connectors.simulators.linear.rules import (
    COMPLEXITY,
    POINTS_PER_HOUR,
    POINTS_PER_REQUEST,
    LinearRules,
    complexity_headers,
    refusal,
)
from connectors.simulators.linear.schema import field_of, served_schema
from connectors.simulators.linear.workspace import Workspace
from connectors.simulators.paging import page_token, token_offset
from connectors.simulators.rate_limit import RateLimit
from connectors.simulators.toolkit import SIMULATION, Simulation, create_simulator
from connectors.simulators.vendor import json_response

FIRST_DEFAULT = 50
FIRST_MAX = 250
DOCUMENTS_MAX = 256
KINDS = ("Issue", "Comment", "Team", "User", "WorkflowState", "Project", "Cycle", "IssueLabel", "Initiative")


def create_app(
    company: Company,
    *,
    api_key: str,
    clock: Callable[[], float] = time.time,
    points_per_hour: int = POINTS_PER_HOUR,
) -> web.Application:
    """Return Linear's API over a company, open to one personal API key; `clock` is the time of rate limits."""
    app = create_simulator(LinearRules(api_key, points_per_hour), clock)
    server = _Server(app[SIMULATION], Workspace(company))
    app.router.add_post("/graphql", server.answer)
    return app


class _Server:
    def __init__(self, simulation: Simulation, workspace: Workspace) -> None:
        self._simulation = simulation
        self._workspace = workspace
        self._schema: GraphQLSchema = served_schema()
        self._documents: dict[str, DocumentNode] = {}

    async def answer(self, request: web.Request) -> web.Response:
        """`POST /graphql`."""
        try:
            posted = msgspec.json.decode(await request.read())
            document = self._document(posted["query"])
        except (msgspec.DecodeError, KeyError, TypeError):
            raise refusal(400, "Syntax error in the query.", "GRAPHQL_PARSE_FAILED") from None
        variables = posted.get("variables") or {}
        headers = self._paid(request, document, variables)
        found = execute_sync(self._schema, document, root_value=self._root(), variable_values=variables)
        body: dict[str, Any] = {"data": found.data}
        if found.errors:
            body["errors"] = [{"message": error.message} for error in found.errors]
        status = 400 if found.errors and found.data is None else 200
        return json_response(body, status=status, headers=headers)

    def _paid(self, request: web.Request, document: DocumentNode, variables: Mapping[str, Any]) -> dict[str, str]:
        """Count a query's points, and return what the answer tells of them.

        Raises:
            ApiError: it has too many, or more than are left.
        """
        points = complexity(self._schema, document, variables)
        simulation, window = self._simulation, self._simulation.window(request, COMPLEXITY)
        rate, now_s = self._points_allowed(), simulation.clock()
        if points > COMPLEXITY_MAX:
            told = f"The query is too complex. Complexity: {points}. Maximum allowed complexity: {COMPLEXITY_MAX}."
            raise refusal(400, "Query too complex", "INPUT_ERROR", told=told)
        if not window.take(rate, now_s, points):
            headers = complexity_headers(points, window.state(rate, now_s))
            raise refusal(400, "Rate limit exceeded", "RATELIMITED", headers=headers)
        return complexity_headers(points, window.state(rate, now_s))

    def _points_allowed(self) -> RateLimit:
        """Return how many points there are: with a configured number of requests, as many for each as else."""
        configured = self._simulation.config.rate_limit
        if configured is None:
            return self._simulation.rate(COMPLEXITY)
        return RateLimit(limit=configured.limit * POINTS_PER_REQUEST, window_s=configured.window_s)

    def _document(self, text: str) -> DocumentNode:
        """Parse and validate a document, or return it if it was seen before."""
        if text not in self._documents:
            try:
                document = parse(text)
            except GraphQLSyntaxError:
                raise refusal(400, "Syntax error in the query.", "GRAPHQL_PARSE_FAILED") from None
            if errors := validate(self._schema, document):
                raise refusal(400, errors[0].message, "GRAPHQL_VALIDATION_FAILED")
            if len(self._documents) >= DOCUMENTS_MAX:
                self._documents.clear()
            self._documents[text] = document
        return self._documents[text]

    def _root(self) -> dict[str, Any]:
        listings = {field_of(kind): self._listing(kind) for kind in KINDS}
        return {"viewer": self._workspace.viewer, **listings}

    def _listing(self, kind: str) -> Callable[..., Mapping[str, Any]]:
        def resolve(_info: Any, **arguments: Any) -> Mapping[str, Any]:
            key = (kind, msgspec.json.encode({k: v for k, v in arguments.items() if k not in {"first", "after"}}))
            nodes = self._simulation.keep(key, lambda: self._found(kind, arguments))
            return self._page(nodes, arguments, key[1].decode())

        return resolve

    def _found(self, kind: str, arguments: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        condition = arguments.get("filter") or {}
        nodes: Sequence[Mapping[str, Any]] = self._workspace.nodes(kind)
        if not arguments.get("includeArchived"):
            nodes = [node for node in nodes if node["archivedAt"] is None]
        if kind == "User" and not arguments.get("includeDisabled"):
            nodes = [node for node in nodes if node["active"]]
        chosen = [_with_labels(node) for node in nodes if matches(node, condition)]
        return ordered(chosen, arguments.get("orderBy"))

    def _page(self, nodes: list[Mapping[str, Any]], arguments: Mapping[str, Any], bound_to: str) -> Mapping[str, Any]:
        first = arguments.get("first")
        wanted = FIRST_DEFAULT if first is None else first
        if not 1 <= wanted <= FIRST_MAX:
            raise GraphQLError(f"first must be between 1 and {FIRST_MAX}")
        after = arguments.get("after")
        start = 0 if after is None else token_offset(after, bound_to)
        if start is None:
            raise GraphQLError("The cursor is not valid.")
        end = start + self._simulation.page_rows(wanted)
        more = end < len(nodes)
        info = {"hasNextPage": more, "hasPreviousPage": start > 0, "startCursor": page_token(start, bound_to)}
        return {"nodes": nodes[start:end], "pageInfo": {**info, "endCursor": page_token(end, bound_to)}}


def _with_labels(node: Mapping[str, Any]) -> Mapping[str, Any]:
    if "labelIds" not in node:
        return node
    labels = node["labels"]

    def resolve(_info: Any, first: int | None = None, **_others: Any) -> Mapping[str, Any]:
        count = FIRST_DEFAULT if first is None else first
        info = {"hasNextPage": len(labels) > count, "hasPreviousPage": False, "startCursor": None, "endCursor": None}
        return {"nodes": labels[:count], "pageInfo": info}

    return {**node, "labels": resolve}
