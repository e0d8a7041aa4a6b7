"""Details of many pull requests in one request: a GraphQL query with an alias for each of them.

After GitHub's public GraphQL schema (`Query.repository`, `Repository.pullRequest`) and its documentation of rate
limits: a query costs a point for a hundred connections that it reads, one at least, so that fifty pull requests cost
one point, where the REST API has a request for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing

from connectors.github.counts import COST, TEMPLATE, graphql_request
from connectors.sdk.decode import Row, attach, is_attached
from connectors.sdk.errors import Fatal
from connectors.sdk.ordered import in_order
from connectors.sdk.pagination import Reader
from connectors.sdk.request import Request, Response

PULLS_MAX = 50
"""Pull requests of one query: GitHub gives a query ten seconds, and may have to try a merge for each of them."""

_MERGEABLE = {"MERGEABLE": True, "CONFLICTING": False}
_FIELDS = {
    "merged": "merged",
    "mergeable": "mergeable",
    "additions": "additions",
    "deletions": "deletions",
    "changed_files": "changedFiles",
    "commits": "commits { totalCount }",
}
Place = tuple[str, str, int]
"""The owner, repository and number of a pull request."""


async def detailed(
    reader: Reader, rows: Sequence[Row], columns: Iterable[str], place_of: Callable[[Row], Place], base_url: str
) -> None:
    """Attach to rows of pull requests what their listing lacks of some columns.

    Raises:
        Fatal: SQLSTATE HV000, a pull request that was just listed does not exist any more.
    """
    wanted = [name for name in _FIELDS if name in set(columns)]
    lacking = [row for row in rows if not is_attached(row, "detail")]
    chunks = [lacking[start : start + PULLS_MAX] for start in range(0, len(lacking), PULLS_MAX)]

    async def answer_of(chunk: list[Row]) -> Response:
        return await reader.send(details_request([place_of(row) for row in chunk], wanted, base_url))

    async with aclosing(in_order(answer_of, iter(chunks), reader.concurrency)) as answers:
        at = 0
        async for answer in answers:
            for row, body in zip(chunks[at], bodies(answer, [place_of(row) for row in chunks[at]]), strict=True):
                attach(row, "detail", body)
            at += 1


def details_request(places: Sequence[Place], columns: Sequence[str], base_url: str) -> Request:
    """Return the request for some columns of pull requests."""
    repositories = _repositories(places)
    fields = " ".join(_FIELDS[name] for name in columns)
    variables: dict[str, object] = {}
    declared, asked = [], []
    for at, (owner, repo) in enumerate(repositories):
        variables |= {f"owner{at}": owner, f"name{at}": repo}
        declared.append(f"$owner{at}: String!, $name{at}: String!")
        numbers = dict.fromkeys(number for *of, number in places if of == [owner, repo])
        pulls = " ".join(f"p{number}: pullRequest(number: {number}) {{ {fields} }}" for number in numbers)
        asked.append(f"r{at}: repository(owner: $owner{at}, name: $name{at}) {{ {pulls} }}")
    return graphql_request(f"query({', '.join(declared)}) {{ {COST} {' '.join(asked)} }}", variables, base_url)


def bodies(response: Response, places: Sequence[Place]) -> list[Row]:
    """Return what an answer says of each pull request, in the form of the REST API.

    Raises:
        Fatal: SQLSTATE HV000, there is none for a pull request, or the answer has another form.
    """
    repositories = {repository: f"r{at}" for at, repository in enumerate(_repositories(places))}
    try:
        data = response.body["data"]  # type: ignore[index]
        found = [(data[repositories[owner, repo]] or {}).get(f"p{number}") for owner, repo, number in places]
        if None in found:
            raise Fatal(message="a row of pull_requests vanished while it was read", hint="Run the statement again.")
        return [_as_rest(one) for one in found if one is not None]
    except (KeyError, TypeError, AttributeError):
        raise Fatal(message=f"the answer of {TEMPLATE} does not tell what was asked for") from None


def _repositories(places: Sequence[Place]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((owner, repo) for owner, repo, _ in places))


def _as_rest(found: Row) -> Row:
    # A pull request that is closed, or was not tried yet, is UNKNOWN here and null there.
    mergeable = found.get("mergeable")
    commits = found.get("commits")
    return {
        **{name: found.get(_FIELDS[name]) for name in ("merged", "additions", "deletions", "changed_files")},
        "mergeable": _MERGEABLE.get(mergeable) if isinstance(mergeable, str) else None,
        "commits": commits["totalCount"] if isinstance(commits, dict) else None,
    }
