"""From a scan to the GitHub requests that answer it: pure builders, one per table.

Every list is read oldest first unless another order is asked for: new rows then appear on the last page, so that offset
pages do not shift and the entity tags of earlier pages stay valid.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from connectors.github.tables import RUNS_FILTERED_MAX
from connectors.sdk.errors import EmptyResult, Fatal
from connectors.sdk.instants import ceil_s, floor_s, iso_utc
from connectors.sdk.request import Request, filled
from connectors.sdk.scan import Direction, Operator, Predicate, Scan

ACCEPT = "application/vnd.github+json"
PER_PAGE_MAX = 100
_GONE = frozenset({404, 451})
_SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_SORTS = {"created_at": "created", "updated_at": "updated", "comments": "comments"}

Parameters = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How to read one listing or one object.

    `rows_at` names the list inside the body, empty when the body is the list. `boundary` ends a listing sorted by
    `updated_at` descending at the first older row. `rows_max` is GitHub's cap. `echo` holds values that rows lack
    because they were parameters. `details` says that rows come with what the list would leave to a hydrate call.
    """

    request: Request
    rows_at: str = ""
    single: bool = False
    boundary: datetime | None = None
    rows_max: int | None = None
    echo: Mapping[str, str] = field(default_factory=dict)
    details: bool = False


def readings(scan: Scan) -> tuple[Reading, ...]:
    """Return the readings whose rows together are the scan's.

    Raises:
        EmptyResult: nothing can match, no request is needed.
        Fatal: SQLSTATE HV000, the scan asks for what the table does not declare.
    """
    return _BUILDERS[scan.table](scan)


def own_repositories(scan: Scan) -> Reading:
    """Return the reading of repositories whose owner is the user of the credentials."""
    return _listing("/user/repos", scan, {"affiliation": "owner", **_repository_order(scan)})


def user_repositories(scan: Scan) -> Reading:
    """Return the reading of repositories of an owner that is no organization."""
    return _listing("/users/{username}/repos", scan, _repository_order(scan), username=scan.keys["owner"])


def organization(name: str) -> Request:
    """Return the request for an organization, which tells how it is spelled."""
    return _request("/orgs/{org}", {}, org=name)


def detail(table: str, owner: object, repo: object, key: object) -> Request:
    """Return the request that fills the hydrate columns of a row."""
    if table == "commits":
        return _request("/repos/{owner}/{repo}/commits/{ref}", {}, owner=owner, repo=repo, ref=key)
    return _request("/repos/{owner}/{repo}/pulls/{pull_number}", {}, owner=owner, repo=repo, pull_number=key)


def _repositories(scan: Scan) -> tuple[Reading, ...]:
    if scan.access_path in {"by_full_name", "by_owner_and_name"}:
        full_name = str(scan.keys.get("full_name") or f"{scan.keys['owner']}/{scan.keys['name']}")
        owner, slash, repo = full_name.partition("/")
        if not slash or "/" in repo:
            raise EmptyResult(message="no repository has a name of this form")
        return (_single("/repos/{owner}/{repo}", owner=owner, repo=repo),)
    public = any(p.column == "private" and p.value is False for p in scan.predicates)
    forks = [p.value for p in scan.predicates if p.column == "fork"]
    if scan.access_path == "mine":
        chosen = {"visibility": "public"} if public else {}
        return (_listing("/user/repos", scan, {**chosen, **_repository_order(scan)}),)
    # There is one parameter for all kinds; what it leaves out is a superset.
    kind = "public" if public else "all" if not forks else "forks" if forks[0] else "sources"
    parameters = {"type": kind, **_repository_order(scan)}
    return (_listing("/orgs/{org}/repos", scan, parameters, org=scan.keys["owner"]),)


def _issues(scan: Scan) -> tuple[Reading, ...]:
    if scan.access_path == "by_number":
        return (_numbered("/repos/{owner}/{repo}/issues/{issue_number}", scan, "issue_number"),)
    # GitHub leaves closed issues out unless it is asked for all.
    parameters: Parameters = {"state": "all"}
    since: list[int] = []
    for predicate in scan.predicates:
        if predicate.column == "updated_at":
            since.append(floor_s(_moment(predicate)))
        elif predicate.column == "labels" and isinstance(predicate.value, tuple):
            labels = [*parameters.get("labels", "").split(","), *(str(label) for label in predicate.value)]
            parameters["labels"] = ",".join(label for label in labels if label)
        else:
            name = _ISSUE_PARAMETERS[predicate.column]
            parameters[name] = _ISSUE_NULLS.get(predicate.operator) or str(predicate.value)
    parameters |= _sorted_by(scan, _SORTS)
    if since:
        parameters["since"] = iso_utc(max(since))
    return (_in_repository("/repos/{owner}/{repo}/issues", scan, parameters, empty={410}),)


def _pull_requests(scan: Scan) -> tuple[Reading, ...]:
    if scan.access_path == "by_number":
        return (_numbered("/repos/{owner}/{repo}/pulls/{pull_number}", scan, "pull_number"),)
    parameters: Parameters = {"state": "all"}
    bounds: list[datetime] = []
    for predicate in scan.predicates:
        if predicate.column == "updated_at":
            bounds.append(_moment(predicate))
        else:
            parameters[{"state": "state", "base_ref": "base"}[predicate.column]] = str(predicate.value)
    order = _sorted_by(scan, _SORTS)
    newest_first = {"sort": "updated", "direction": "desc"}
    # There is no lower bound to send: reading newest first and stopping there does the same, in no other order.
    boundary = max(bounds) if bounds and (not scan.order or order == newest_first) else None
    parameters |= newest_first if boundary else order
    return (_in_repository("/repos/{owner}/{repo}/pulls", scan, parameters, boundary=boundary),)


def _issue_comments(scan: Scan) -> tuple[Reading, ...]:
    since = [floor_s(_moment(predicate)) for predicate in scan.predicates]
    parameters = {"since": iso_utc(max(since))} if since else {}
    if scan.access_path == "by_issue":
        template, number = "/repos/{owner}/{repo}/issues/{issue_number}/comments", scan.keys["issue_number"]
        return (_in_repository(template, scan, parameters, empty={410}, issue_number=number),)
    template = "/repos/{owner}/{repo}/issues/comments"
    return (_in_repository(template, scan, parameters | _sorted_by(scan, _SORTS), empty={410}),)


def _commits(scan: Scan) -> tuple[Reading, ...]:
    owner, repo = scan.keys["owner"], scan.keys["repo"]
    if scan.access_path == "by_sha":
        sha = str(scan.keys["sha"])
        if not _SHA.fullmatch(sha):
            # GitHub would take a branch's name or a shortened sha; no row has those as its sha.
            raise EmptyResult(message="no commit has an identifier of this form")
        template = "/repos/{owner}/{repo}/commits/{ref}"
        return (_single(template, empty={409, 422}, details=True, owner=owner, repo=repo, ref=sha),)
    parameters: Parameters = {}
    for predicate in scan.predicates:
        if predicate.column == "committer_date":
            name, text = _range_end(predicate, "since", "until")
            pick = max if name == "since" else min
            parameters[name] = pick(text, parameters.get(name, text))
        else:
            parameters.setdefault("author", str(predicate.value))
    # An empty repository answers 409.
    return (_in_repository("/repos/{owner}/{repo}/commits", scan, parameters, empty={409}),)


def _releases(scan: Scan) -> tuple[Reading, ...]:
    return (_in_repository("/repos/{owner}/{repo}/releases", scan, {}),)


def _labels(scan: Scan) -> tuple[Reading, ...]:
    return (_in_repository("/repos/{owner}/{repo}/labels", scan, {}),)


def _workflow_runs(scan: Scan) -> tuple[Reading, ...]:
    parameters: Parameters = {}
    ends: Parameters = {}
    for predicate in scan.predicates:
        if predicate.column == "created_at":
            name, text = _range_end(predicate, "from", "to")
            ends[name] = (max if name == "from" else min)(text, ends.get(name, text))
        elif predicate.column == "conclusion":
            # Status and conclusion share a parameter; the conclusion says more.
            parameters["status"] = str(predicate.value)
        elif predicate.column == "status":
            parameters.setdefault("status", str(predicate.value))
        else:
            parameters[_RUN_PARAMETERS[predicate.column]] = str(predicate.value)
    if ends.keys() == {"from", "to"}:
        parameters["created"] = f"{ends['from']}..{ends['to']}"
    elif ends:
        parameters["created"] = f">={ends['from']}" if "from" in ends else f"<={ends['to']}"
    rows_max = RUNS_FILTERED_MAX if parameters else None
    return (
        _in_repository(
            "/repos/{owner}/{repo}/actions/runs", scan, parameters, rows_at="workflow_runs", rows_max=rows_max
        ),
    )


def _org_members(scan: Scan) -> tuple[Reading, ...]:
    asked = [str(predicate.value) for predicate in scan.predicates if predicate.column == "role"]
    # A member's role is not in the row but only in the question: without a predicate both roles are asked for.
    roles = asked[:1] or (["admin", "member"] if "role" in scan.columns else [])
    if not roles:
        return (_listing("/orgs/{org}/members", scan, {}, org=scan.keys["org"]),)
    return tuple(
        _listing("/orgs/{org}/members", scan, {"role": role}, echo={"role": role}, org=scan.keys["org"])
        for role in roles
    )


def _repository_order(scan: Scan) -> Parameters:
    return _sorted_by(scan, {"created_at": "created"})


def _sorted_by(scan: Scan, names: Mapping[str, str]) -> Parameters:
    if not scan.order:
        return {"sort": "created", "direction": "asc"}
    if len(scan.order) > 1 or scan.order[0].column not in names:
        raise Fatal(message=f"{scan.table} cannot be read in this order")
    key = scan.order[0]
    return {"sort": names[key.column], "direction": "asc" if key.direction is Direction.ASC else "desc"}


def _range_end(predicate: Predicate, lower: str, upper: str) -> tuple[str, str]:
    if predicate.operator in {Operator.GE, Operator.GT}:
        return lower, iso_utc(floor_s(_moment(predicate)))
    return upper, iso_utc(ceil_s(_moment(predicate)))


def _moment(predicate: Predicate) -> datetime:
    if not isinstance(predicate.value, datetime):
        raise Fatal(message=f"{predicate.column} can only be compared with a time")
    return predicate.value


def _numbered(template: str, scan: Scan, name: str) -> Reading:
    number = scan.keys["number"]
    if not isinstance(number, int) or number < 1:
        raise EmptyResult(message="numbers begin with 1")
    keys = {"owner": scan.keys["owner"], "repo": scan.keys["repo"], name: number}
    return _single(template, empty={410}, details=True, **keys)


def _single(template: str, *, empty: set[int] | None = None, details: bool = False, **keys: object) -> Reading:
    return Reading(request=_request(template, {}, empty, **keys), single=True, details=details)


def _in_repository(
    template: str,
    scan: Scan,
    parameters: Parameters,
    *,
    empty: set[int] | None = None,
    rows_at: str = "",
    boundary: datetime | None = None,
    rows_max: int | None = None,
    **keys: object,
) -> Reading:
    request = _request(
        template, _paged(scan, parameters), empty, owner=scan.keys["owner"], repo=scan.keys["repo"], **keys
    )
    return Reading(request=request, rows_at=rows_at, boundary=boundary, rows_max=rows_max)


def _listing(
    template: str, scan: Scan, parameters: Parameters, echo: Mapping[str, str] | None = None, **keys: object
) -> Reading:
    return Reading(request=_request(template, _paged(scan, parameters), None, **keys), echo=echo or {})


def _paged(scan: Scan, parameters: Parameters) -> Parameters:
    per_page = PER_PAGE_MAX if scan.limit is None else max(1, min(PER_PAGE_MAX, scan.limit))
    return {**parameters, "per_page": str(per_page)}


def _request(template: str, parameters: Parameters, empty: set[int] | None = None, **keys: object) -> Request:
    return Request(
        template=template,
        path=filled(template, **keys),
        parameters=tuple(parameters.items()),
        accept=ACCEPT,
        # GitHub answers 404 as well for what the credentials may not see: to them it does not exist.
        empty_statuses=_GONE | (empty or set()),
    )


_ISSUE_PARAMETERS = {
    "state": "state",
    "assignee_login": "assignee",
    "user_login": "creator",
    "milestone_number": "milestone",
}
_ISSUE_NULLS = {Operator.IS_NULL: "none", Operator.IS_NOT_NULL: "*"}
_RUN_PARAMETERS = {"event": "event", "head_branch": "branch", "head_sha": "head_sha", "actor_login": "actor"}
_BUILDERS: dict[str, Callable[[Scan], tuple[Reading, ...]]] = {
    "repositories": _repositories,
    "issues": _issues,
    "pull_requests": _pull_requests,
    "issue_comments": _issue_comments,
    "commits": _commits,
    "releases": _releases,
    "workflow_runs": _workflow_runs,
    "org_members": _org_members,
    "labels": _labels,
}
