"""GitHub's GraphQL API, in part: repositories, the totals of their issues and pull requests, and single pull requests.

After the public schema (`Query.rateLimit`, `Query.repository`, `Repository.issues`, `IssueConnection.totalCount`,
`Repository.pullRequest`). A query is read by a small parser of its own, so that serving the demo needs no library for
it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

from connectors.simulators.company import Company, Repository
from connectors.simulators.company.model import ForgeItem
from connectors.simulators.github.errors import error_body
from connectors.simulators.github.listing import company_of
from connectors.simulators.toolkit import SIMULATION
from connectors.simulators.vendor import ApiError, json_response

_WORD = re.compile(r"\s*(?:(\$?[A-Za-z_][A-Za-z0-9_]*|[0-9]+)|([{}()\[\]:!]))|\s*,|\s+")
_MERGEABLE = {True: "MERGEABLE", False: "CONFLICTING", None: "UNKNOWN"}
_CONNECTIONS = frozenset({"issues", "pullRequests", "commits"})
BUCKET = "graphql"
_STATES = {"issues": {"OPEN", "CLOSED"}, "pullRequests": {"OPEN", "CLOSED", "MERGED"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    alias: str
    name: str
    arguments: Mapping[str, str | list[str]]
    fields: tuple[_Field, ...]


class _Invalid(Exception):
    """The query does not fit the grammar or the schema; the message says why."""


async def answer_query(request: web.Request) -> web.Response:
    """`POST /graphql`; what is wrong with a query is said with status 200."""
    try:
        posted = msgspec.json.decode(await request.read(), type=dict[str, Any])
        query, variables = str(posted["query"]), posted.get("variables") or {}
    except (msgspec.MsgspecError, KeyError):
        raise ApiError(400, error_body(400, "Problems parsing JSON")) from None
    data: dict[str, Any] = {}
    errors: list[dict[str, Any]] = []
    try:
        fields = _parsed(query)
        cost = _cost(fields)
        _charge(request, cost)
        for asked in fields:
            if asked.name == "rateLimit":
                data[asked.alias] = _rate_limit(asked, cost)
                continue
            found = _repository(company_of(request), asked, variables)
            data[asked.alias] = found
            errors += _missing(asked, found)
            if found is None:
                message = "Could not resolve to a Repository with that name."
                errors.append({"type": "NOT_FOUND", "path": [asked.alias], "message": message})
    except _Invalid as error:
        return json_response({"errors": [{"message": str(error)}]})
    return json_response({"data": data, "errors": errors} if errors else {"data": data})


def _cost(fields: tuple[_Field, ...]) -> int:
    """Count a query's points: the requests that its connections take by themselves, by a hundred, at least one.

    Source: "Rate limits and query limits for the GraphQL API", calculating points for the query.
    """
    return max(1, round(sum(map(_connections, fields)) / 100))


def _connections(field: _Field) -> int:
    """Count connections; there are none within others here, which would be asked for once for each of their nodes."""
    is_one = field.name in _CONNECTIONS and any(below.name == "totalCount" for below in field.fields)
    return int(is_one) + sum(map(_connections, field.fields))


def _charge(request: web.Request, cost: int) -> None:
    """Take what a query costs beyond the one point that each request has been counted for."""
    simulation = request.app[SIMULATION]
    rate, now_s = simulation.rate(BUCKET), simulation.clock()
    if cost > 1 and not simulation.window(request, BUCKET).take(rate, now_s, cost - 1):
        raise simulation.rules.limited(BUCKET, simulation.window_state(request, BUCKET), now_s)


def _rate_limit(asked: _Field, cost: int) -> dict[str, int]:
    if [field.name for field in asked.fields] != ["cost"]:
        raise _Invalid("Field 'rateLimit' must have the selection that is known here: cost")
    return {asked.fields[0].alias: cost}


def _repository(company: Company, asked: _Field, variables: Mapping[str, Any]) -> dict[str, Any] | None:
    if asked.name != "repository" or asked.arguments.keys() != {"owner", "name"}:
        raise _Invalid(f"Field '{asked.name}' doesn't exist on type 'Query' with these arguments")
    owner, name = (_text(asked.arguments[argument], variables) for argument in ("owner", "name"))
    # Former names lead to the repository, as in the REST API.
    repository = company.forge.repository(owner, name) or company.forge.renamed(owner, name)
    if repository is None:
        return None
    return {field.alias: _value(company, repository, field) for field in asked.fields}


def _missing(asked: _Field, found: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
    """Say which pull requests of a repository there are not; they are null in the answer."""
    for field in asked.fields if found is not None else ():
        if field.name == "pullRequest" and found is not None and found[field.alias] is None:
            message = f"Could not resolve to a PullRequest with the number of {field.arguments['number']}."
            yield {"type": "NOT_FOUND", "path": [asked.alias, field.alias], "message": message}


def _value(company: Company, repository: Repository, field: _Field) -> Any:
    plain = {"name": repository.name, "hasIssuesEnabled": repository.has_issues}
    if field.name in plain and not field.fields:
        return plain[field.name]
    below = [inner.name for inner in field.fields]
    if field.name == "owner" and below == ["login"]:
        return {"login": repository.owner}
    if field.name in _STATES and below == ["totalCount"]:
        wanted = field.arguments.get("states", list(_STATES[field.name]))
        if not isinstance(wanted, list) or not set(wanted) <= _STATES[field.name]:
            raise _Invalid(f"Argument 'states' on Field '{field.name}' has an invalid value")
        items = [item for item in company.forge.items(repository) if _is_of(field.name, item)]
        return {"totalCount": sum(_state(item) in wanted for item in items)}
    if field.name == "pullRequest" and field.arguments.keys() == {"number"}:
        return _pull_request(company, repository, field)
    raise _Invalid(f"Field '{field.name}' doesn't exist on type 'Repository' with these selections")


def _pull_request(company: Company, repository: Repository, field: _Field) -> dict[str, Any] | None:
    number = field.arguments["number"]
    if not isinstance(number, str) or not number.isdigit():
        raise _Invalid("Argument 'number' on Field 'pullRequest' has an invalid value. Expected type 'Int!'.")
    item = company.forge.item(repository, int(number))
    if item is None or item.pull_request is None:
        return None
    change = item.pull_request
    plain = {
        "number": item.number,
        "merged": change.merged_s is not None,
        "mergeable": _MERGEABLE[change.is_mergeable],
        "additions": change.additions,
        "deletions": change.deletions,
        "changedFiles": change.changed_files,
    }
    found: dict[str, Any] = {}
    for inner in field.fields:
        if inner.name in plain and not inner.fields:
            found[inner.alias] = plain[inner.name]
        elif inner.name == "commits" and [below.name for below in inner.fields] == ["totalCount"]:
            found[inner.alias] = {"totalCount": change.commits}
        else:
            raise _Invalid(f"Field '{inner.name}' doesn't exist on type 'PullRequest' with these selections")
    return found


def _is_of(connection: str, item: ForgeItem) -> bool:
    return (item.pull_request is not None) == (connection == "pullRequests")


def _state(item: ForgeItem) -> str:
    if item.pull_request is not None and item.pull_request.merged_s is not None:
        return "MERGED"
    return item.state.upper()


def _text(argument: str | list[str], variables: Mapping[str, Any]) -> str:
    if not isinstance(argument, str) or not isinstance(variables.get(argument.removeprefix("$")), str):
        raise _Invalid("Variable of type String! was provided invalid value")
    return str(variables[argument.removeprefix("$")])


def _parsed(query: str) -> tuple[_Field, ...]:
    words = _words(query)
    if next(words) != "query":
        raise _Invalid("Expected a query")
    word = next(words)
    while word not in ("{", ""):
        word = next(words)
    return _selection(words)


def _words(query: str) -> Iterator[str]:
    position = 0
    while position < len(query):
        found = _WORD.match(query, position)
        if found is None:
            raise _Invalid(f"Expected one of SCHEMA, but got {query[position]!r}")
        position = found.end()
        if text := found[1] or found[2]:
            yield text
    while True:
        yield ""


def _selection(words: Iterator[str]) -> tuple[_Field, ...]:
    """Read fields up to the brace that ends them."""
    fields: list[_Field] = []
    word = next(words)
    while word != "}":
        if not word.isidentifier():
            raise _Invalid(f"Expected NAME, but got {word!r}")
        alias = name = word
        word = next(words)
        if word == ":":
            name, word = next(words), next(words)
        arguments: dict[str, str | list[str]] = {}
        if word == "(":
            arguments, word = _arguments(words), next(words)
        below: tuple[_Field, ...] = ()
        if word == "{":
            below, word = _selection(words), next(words)
        fields.append(_Field(alias=alias, name=name, arguments=arguments, fields=below))
    return tuple(fields)


def _arguments(words: Iterator[str]) -> dict[str, str | list[str]]:
    arguments: dict[str, str | list[str]] = {}
    word = next(words)
    while word != ")":
        name = word
        if not name or next(words) != ":":
            raise _Invalid(f"Expected an argument, but got {name!r}")
        value: str | list[str] = next(words)
        if value == "[":
            value, word = [], next(words)
            while word not in ("]", ""):
                value.append(word)
                word = next(words)
        arguments[name] = value
        word = next(words)
    return arguments
