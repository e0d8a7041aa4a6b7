"""`GET /search/issues`: finds issues and pull requests in all repositories and shows the first 1,000 at most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from connectors.simulators.company import Company, Repository
from connectors.simulators.company.model import ForgeItem
from connectors.simulators.github.errors import error_body
from connectors.simulators.github.issues import issue
from connectors.simulators.github.listing import api_url, choice, company_of, page_of
from connectors.simulators.github.ranges import Range, in_range, parse_number_range, parse_range
from connectors.simulators.github.search_query import TEXT_CHARACTERS_MAX, Term, parse_query, text_length, words_of
from connectors.simulators.toolkit import SIMULATION
from connectors.simulators.vendor import ApiError, json_response

RESULTS_MAX = 1000
_SORTS = ("", "created", "updated", "comments")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    repository: Repository
    item: ForgeItem


Check = Callable[[Hit], bool]


async def search_issues(request: web.Request) -> web.Response:
    """Answer a search; a page that starts beyond the first 1,000 rows is refused."""
    query = request.query.get("q", "").strip()
    if not query:
        raise _refused(None, field="q", code="missing")
    sort = choice(request, "sort", _SORTS, "", "Search")
    descending = request.query.get("order", "desc").lower() != "asc"
    company = company_of(request)
    hits = request.app[SIMULATION].keep(
        ("search", query, sort, descending), lambda: _sorted(_found(company, query), sort, descending=descending)
    )
    page = page_of(request, len(hits), rows_reachable=RESULTS_MAX)
    if page.start >= RESULTS_MAX:
        raise ApiError(422, error_body(422, "Only the first 1000 search results are available"))
    base = api_url(request)
    rows = [
        {**issue(company, base, hit.repository, hit.item), "score": 1.0}
        for hit in hits[page.start : page.start + page.rows_max]
    ]
    body = {"total_count": len(hits), "incomplete_results": False, "search_type": "lexical", "items": rows}
    return json_response(body, headers=page.headers)


def _refused(message: str | None, *, field: str, code: str) -> ApiError:
    error = {"resource": "Search", "field": field, "code": code}
    errors = [{"message": message, **error}] if message else [error]
    return ApiError(422, error_body(422, "Validation Failed", errors))


def _found(company: Company, query: str) -> list[Hit]:
    terms = parse_query(query)
    if text_length(terms) > TEXT_CHARACTERS_MAX:
        raise _refused("The search is longer than 256 characters.", field="q", code="invalid")
    scope = next((term.values[0].lower() for term in terms if term.name == "in"), "title,body")
    repositories = _repositories(company, terms)
    checks = [_check(company, term, scope) for term in terms if term.name not in {"repo", "org", "user", "in"}]
    return [
        hit
        for repository in repositories
        for hit in (Hit(repository=repository, item=item) for item in company.forge.items(repository))
        if all(check(hit) for check in checks)
    ]


def _sorted(hits: list[Hit], sort: str, *, descending: bool) -> list[Hit]:
    # The best match comes first by default; here every hit matches equally well and the newest comes first.
    keys: dict[str, Callable[[Hit], tuple[int, int]]] = {
        "": lambda hit: (hit.item.created_s, hit.item.id),
        "created": lambda hit: (hit.item.created_s, hit.item.id),
        "updated": lambda hit: (hit.item.updated_s, hit.item.id),
        "comments": lambda hit: (hit.item.comments_count, hit.item.id),
    }
    return sorted(hits, key=keys[sort], reverse=descending or not sort)


def _repositories(company: Company, terms: tuple[Term, ...]) -> list[Repository]:
    """Return the repositories to search: the union of those named, less those excluded."""
    named: set[int] = set()
    excluded: set[int] = set()
    is_restricted = False
    for term in terms:
        if term.name not in {"repo", "org", "user"}:
            continue
        value = term.values[0].lower()
        matching = {r.id for r in company.forge.repositories if value in {r.full_name.lower(), r.owner.lower()}}
        if not matching and company.person(value) is None:
            message = (
                "The listed users and repositories cannot be searched either because the resources do not exist or "
                "you do not have permission to view them."
            )
            raise _refused(message, field="q", code="invalid")
        if term.is_negated:
            excluded |= matching
        else:
            is_restricted = True
            named |= matching
    return [r for r in company.forge.repositories if (not is_restricted or r.id in named) and r.id not in excluded]


def _check(company: Company, term: Term, scope: str) -> Check:
    check = _text_check(term, scope) if term.name is None else _qualifier_check(company, term)
    return (lambda hit: not check(hit)) if term.is_negated else check


def _text_check(term: Term, scope: str) -> Check:
    wanted = words_of(term.values[0])

    def contains(hit: Hit) -> bool:
        texts = [hit.item.title] if "title" in scope else []
        texts += [hit.item.body or ""] if "body" in scope else []
        return any(_has_phrase(words_of(text), wanted) for text in texts)

    return contains


def _has_phrase(words: list[str], wanted: list[str]) -> bool:
    return any(words[start : start + len(wanted)] == wanted for start in range(len(words) - len(wanted) + 1))


def _qualifier_check(company: Company, term: Term) -> Check:
    value = term.values[0]
    if term.name in {"created", "updated", "closed", "merged"}:
        return _time_check(term.name, _range(term, parse_range(value)))
    if term.name == "comments":
        bounds = _range(term, parse_number_range(value))
        return lambda hit: in_range(bounds, hit.item.comments_count)
    if term.name in {"author", "assignee", "mentions"}:
        return _person_check(company, term.name, value.lower())
    if term.name == "label":
        wanted = {name.lower() for name in term.values}
        return lambda hit: any(name.lower() in wanted for name in hit.item.labels)
    if term.name == "milestone":
        return lambda hit: _milestone_title(company, hit) == value.lower()
    return _state_check(term.name or "", value.lower())


def _range(term: Term, bounds: Range | None) -> Range:
    if bounds is None:
        message = f'"{term.values[0]}" is not a recognized date/time or number for {term.name}.'
        raise _refused(message, field="q", code="invalid")
    return bounds


def _time_check(name: str, bounds: Range) -> Check:
    def moment(item: ForgeItem) -> int | None:
        if name == "merged":
            return item.pull_request.merged_s if item.pull_request else None
        return {"created": item.created_s, "updated": item.updated_s, "closed": item.closed_s}[name]

    def is_within(hit: Hit) -> bool:
        value = moment(hit.item)
        return value is not None and in_range(bounds, value)

    return is_within


def _person_check(company: Company, name: str, login: str) -> Check:
    if login == "@me":
        login = company.people[0].login.lower()
    if name == "assignee" and login == "*":
        return lambda hit: bool(hit.item.assignees)
    person = company.person(login.removeprefix("app/"))
    if person is None:
        message = (
            "The listed users cannot be searched either because the users do not exist or you do not have permission "
            "to view the users."
        )
        raise _refused(message, field="q", code="invalid")
    found = person.login
    if name == "author":
        return lambda hit: hit.item.author == found
    if name == "assignee":
        return lambda hit: found in hit.item.assignees
    return lambda hit: found in hit.item.mentions


def _milestone_title(company: Company, hit: Hit) -> str | None:
    if hit.item.milestone_number is None:
        return None
    return company.forge.milestones(hit.repository)[hit.item.milestone_number - 1].title.lower()


def _state_check(name: str, value: str) -> Check:
    """Return the check of a qualifier with a fixed set of values; an unknown value is met by nothing."""
    checks: dict[tuple[str, str], Check] = {
        ("no", "assignee"): lambda hit: not hit.item.assignees,
        ("no", "label"): lambda hit: not hit.item.labels,
        ("no", "milestone"): lambda hit: hit.item.milestone_number is None,
        ("is", "issue"): lambda hit: hit.item.pull_request is None,
        ("is", "pr"): lambda hit: hit.item.pull_request is not None,
        ("is", "merged"): lambda hit: hit.item.pull_request is not None and hit.item.pull_request.merged_s is not None,
        ("is", "unmerged"): lambda hit: hit.item.pull_request is not None and hit.item.pull_request.merged_s is None,
        ("is", "locked"): lambda hit: hit.item.is_locked,
        ("is", "unlocked"): lambda hit: not hit.item.is_locked,
        ("is", "public"): lambda hit: not hit.repository.is_private,
        ("is", "private"): lambda hit: hit.repository.is_private,
        ("is", "draft"): lambda hit: hit.item.pull_request is not None and hit.item.pull_request.is_draft,
        ("draft", "false"): lambda hit: hit.item.pull_request is None or not hit.item.pull_request.is_draft,
        ("archived", "true"): lambda hit: hit.repository.is_archived,
        ("archived", "false"): lambda hit: not hit.repository.is_archived,
    }
    if name in {"is", "state"} and value in {"open", "closed"}:
        return lambda hit: hit.item.state == value
    if name == "reason":
        return lambda hit: hit.item.state_reason == value.replace(" ", "_")
    if name in {"head", "base"}:
        return lambda hit: hit.item.pull_request is not None and _ref(hit.item, name).startswith(value)
    # Several spellings mean the same.
    name = "is" if name in {"type", "state"} or (name, value) == ("draft", "true") else name
    value = {"pull-request": "pr", "true": "draft" if name == "is" else "true"}.get(value, value)
    return checks.get((name, value), lambda _hit: False)


def _ref(item: ForgeItem, name: str) -> str:
    if item.pull_request is None:
        return ""
    return (item.pull_request.head_ref if name == "head" else item.pull_request.base_ref).lower()
