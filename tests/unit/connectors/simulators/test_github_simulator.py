"""GitHub's quirks, each by its values over real HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import hdrs
from simulated_api import Answer, Api, next_link

from connectors.simulators.company import Company

WEB = "/repos/acme/web"


async def all_rows(api: Api, path: str, /, **params: str | int) -> list[dict[str, Any]]:
    answer = await api.get(path, per_page=100, **params)
    rows = list(answer.body)
    while url := next_link(answer):
        answer = await api.get(url)
        rows += answer.body
    return rows


async def test_bad_and_missing_credentials_are_refused(github: Api) -> None:
    bad = await github.call("GET", "/user", headers={"Authorization": "Bearer wrong"})
    assert (bad.status, bad.body["message"]) == (401, "Bad credentials")
    missing = await github.call("GET", "/user", headers={"Authorization": ""})
    assert (missing.status, missing.body["message"]) == (401, "Requires authentication")
    assert (await github.call("GET", "/user", headers={"Authorization": "token secret"})).status == 200


async def test_a_request_without_user_agent_is_forbidden(github: Api) -> None:
    answer = await github.call("GET", "/user", skip_auto_headers=[hdrs.USER_AGENT])
    assert answer.status == 403
    assert "User-Agent" in answer.text


async def test_issues_are_open_newest_first_and_thirty_by_default(github: Api) -> None:
    rows = (await github.get(f"{WEB}/issues")).body
    assert len(rows) == 30
    assert {row["state"] for row in rows} == {"open"}
    assert [row["number"] for row in rows] == sorted((row["number"] for row in rows), reverse=True)


async def test_pull_requests_are_mixed_into_issues(github: Api, company: Company) -> None:
    rows = await all_rows(github, f"{WEB}/issues", state="all")
    web = company.forge.repositories[0]
    pulls = {row["number"] for row in rows if "pull_request" in row}
    assert len(rows) == web.items_count
    assert pulls == {item.number for item in company.forge.items(web) if item.pull_request}


async def test_link_headers_name_the_repository_by_number(github: Api, company: Company) -> None:
    web = company.forge.repositories[0]
    last = -(-web.items_count // 50)
    first = await github.get(f"{WEB}/issues", state="all", per_page=50)
    base = f"{github.base_url}/repositories/{web.id}/issues?state=all&per_page=50&page="
    assert first.headers["link"] == f'<{base}2>; rel="next", <{base}{last}>; rel="last"'
    middle = await github.get(f"{WEB}/issues", state="all", per_page=50, page=2)
    assert [next_link(middle, name) for name in ("prev", "next", "last", "first")] == [
        f"{base}{page}" for page in (1, 3, last, 1)
    ]
    final = await github.get(f"{base}{last}")
    assert next_link(final) is None
    assert next_link(final, "last") is None
    assert len(final.body) == web.items_count - (last - 1) * 50
    beyond = await github.get(f"{base}{last + 5}")
    assert (beyond.status, beyond.body) == (200, [])


async def test_per_page_is_capped_at_a_hundred(github: Api) -> None:
    assert len((await github.get(f"{WEB}/issues", state="all", per_page=1000)).body) == 100
    assert len((await github.get(f"{WEB}/issues", state="all", per_page="x")).body) == 30


async def test_labels_are_all_required_and_matched_without_case(github: Api) -> None:
    rows = await all_rows(github, "/repos/acme/mobile-app/issues", state="all", labels="team:MOBILE,bug")
    assert rows
    for row in rows:
        names = {label["name"] for label in row["labels"]}
        assert {"Team:Mobile", "Bug"} <= names
    assert (await github.get(f"{WEB}/issues", labels="no such label")).body == []


async def test_since_is_inclusive_and_about_updates(github: Api, company: Company) -> None:
    items = company.forge.items(company.forge.repositories[0])
    row = (await github.get(f"{WEB}/issues/{items[len(items) // 2].number}")).body
    rows = await all_rows(github, f"{WEB}/issues", state="all", since=row["updated_at"])
    assert row["number"] in {found["number"] for found in rows}
    assert min(found["updated_at"] for found in rows) == row["updated_at"]
    assert len(rows) == sum(item.updated_s >= items[len(items) // 2].updated_s for item in items)


@pytest.mark.parametrize(("value", "has_one"), [("none", False), ("*", True)])
async def test_assignee_and_milestone_take_none_and_any(github: Api, value: str, has_one: bool) -> None:
    rows = await all_rows(github, f"{WEB}/issues", state="all", assignee=value)
    assert {bool(row["assignees"]) for row in rows} == {has_one}
    rows = await all_rows(github, f"{WEB}/issues", state="all", milestone=value)
    assert {row["milestone"] is not None for row in rows} == {has_one}


async def test_people_filters_compare_logins_without_case(github: Api, company: Company) -> None:
    login = company.people[0].login
    created = await all_rows(github, f"{WEB}/issues", state="all", creator=login.upper())
    assert {row["user"]["login"] for row in created} == {login}
    mentioned = await all_rows(github, f"{WEB}/issues", state="all", mentioned=login)
    items = company.forge.items(company.forge.repositories[0])
    assert len(mentioned) == sum(login in item.mentions for item in items)
    numbered = await all_rows(github, f"{WEB}/issues", state="all", milestone=2)
    assert {row["milestone"]["number"] for row in numbered} == {2}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state", "x"),
        ("assignee", "nobody"),
        ("creator", "nobody"),
        ("milestone", "99"),
        ("since", "soon"),
        ("sort", "x"),
    ],
)
async def test_unknown_values_of_filters_are_422(github: Api, name: str, value: str) -> None:
    answer = await github.get(f"{WEB}/issues", **{name: value})
    assert (answer.status, answer.body["message"]) == (422, "Validation Failed")
    assert answer.body["errors"] == [{"value": value, "resource": "Issue", "field": name, "code": "invalid"}]


async def test_sorts_and_directions(github: Api) -> None:
    rows = await all_rows(github, f"{WEB}/issues", state="all", sort="comments", direction="asc")
    counts = [row["comments"] for row in rows]
    assert counts == sorted(counts)
    assert counts[-1] == 130
    rows = await all_rows(github, f"{WEB}/issues", state="all", sort="updated")
    times = [row["updated_at"] for row in rows]
    assert times == sorted(times, reverse=True)


async def test_identifiers_exceed_four_bytes_and_deleted_users_are_null(github: Api) -> None:
    rows = await all_rows(github, f"{WEB}/issues", state="all")
    assert all(2**31 < row["id"] != row["number"] for row in rows)
    assert None in [row["user"] for row in rows]


async def test_empty_renamed_closed_and_unknown_repositories(github: Api, company: Company) -> None:
    empty = await github.get("/repos/acme/sandbox/commits")
    assert (empty.status, empty.body["message"]) == (409, "Git Repository is empty.")
    closed = await github.get("/repos/acme/mirror/issues")
    assert (closed.status, closed.body["message"]) == (410, "Issues are disabled for this repo")
    moved = await github.get("/repos/ACME/website/issues", state="all", per_page=2)
    web = company.forge.repositories[0]
    assert (moved.status, moved.body["message"]) == (301, "Moved Permanently")
    location = f"{github.base_url}/repositories/{web.id}/issues?state=all&per_page=2"
    assert moved.headers["location"] == location
    assert len((await github.get(location)).body) == 2
    unknown = await github.get("/repos/acme/nope/issues")
    assert unknown.status == 404
    assert unknown.body == {
        "message": "Not Found",
        "documentation_url": "https://docs.github.com/rest",
        "status": "404",
    }


async def test_single_pull_requests_alone_have_sizes(github: Api, company: Company) -> None:
    rows = (await github.get(f"{WEB}/pulls", state="all")).body
    extra = {"merged", "mergeable", "additions", "deletions", "changed_files", "commits"}
    assert not extra & set(rows[0])
    one = (await github.get(f"{WEB}/pulls/{rows[0]['number']}")).body
    assert extra <= set(one)
    stored = company.forge.item(company.forge.repositories[0], one["number"])
    assert stored
    assert stored.pull_request
    assert one["additions"] == stored.pull_request.additions
    assert one["merged"] == (one["merged_at"] is not None)
    issue = next(i for i in company.forge.items(company.forge.repositories[0]) if not i.pull_request)
    assert (await github.get(f"{WEB}/pulls/{issue.number}")).status == 404


async def test_pull_requests_filter_and_sort_ascending_unless_by_creation(github: Api) -> None:
    rows = await all_rows(github, f"{WEB}/pulls", state="all", sort="updated")
    times = [row["updated_at"] for row in rows]
    assert times == sorted(times)
    head = rows[0]["head"]
    found = (await github.get(f"{WEB}/pulls", state="all", head=head["label"])).body
    assert [row["number"] for row in found] == [rows[0]["number"]]
    based = await all_rows(github, f"{WEB}/pulls", state="all", base="release")
    assert {row["base"]["ref"] for row in based} == {"release"}
    # Updates after a bound are not a filter of this list.
    unfiltered = await all_rows(github, f"{WEB}/pulls", state="all", since="2099-01-01T00:00:00Z")
    assert len(unfiltered) == len(rows)


async def test_comments_of_a_repository_and_of_an_issue(github: Api, company: Company) -> None:
    web = company.forge.repositories[0]
    rows = await all_rows(github, f"{WEB}/issues/comments")
    assert [row["id"] for row in rows] == [comment.id for comment in company.forge.comments(web)]
    # Without a sort the direction does not count.
    backwards = (await github.get(f"{WEB}/issues/comments", direction="desc")).body
    assert backwards[0]["id"] == rows[0]["id"]
    newest = (await github.get(f"{WEB}/issues/comments", sort="created", direction="desc")).body
    assert newest[0]["id"] == rows[-1]["id"]
    busy = await all_rows(github, f"{WEB}/issues/2/comments")
    assert len(busy) == 130
    assert {row["issue_url"] for row in busy} == {f"{github.base_url}/repos/acme/web/issues/2"}
    recent = await all_rows(github, f"{WEB}/issues/comments", since=rows[50]["updated_at"])
    assert len(recent) == sum(row["updated_at"] >= rows[50]["updated_at"] for row in rows)


async def test_commits_filter_by_committer_date_author_and_path(github: Api) -> None:
    rows = await all_rows(github, f"{WEB}/commits")
    dates = [row["commit"]["committer"]["date"] for row in rows]
    assert dates == sorted(dates, reverse=True)
    assert "stats" not in rows[0]
    between = await all_rows(github, f"{WEB}/commits", since=dates[20], until=dates[10])
    assert [row["sha"] for row in between] == [row["sha"] for row in rows[10:21]]
    login = next(row["author"]["login"] for row in rows if row["author"])
    by_login = await all_rows(github, f"{WEB}/commits", author=login)
    assert {row["author"]["login"] for row in by_login} == {login}
    unknown = next(row for row in rows if row["author"] is None)
    email = unknown["commit"]["author"]["email"]
    assert unknown["sha"] in [row["sha"] for row in await all_rows(github, f"{WEB}/commits", author=email)]
    by_path = await all_rows(github, f"{WEB}/commits", path="src")
    assert 0 < len(by_path) < len(rows)
    older = await all_rows(github, f"{WEB}/commits", sha=rows[7]["sha"])
    assert len(older) == len(rows) - 7
    assert (await github.get(f"{WEB}/commits", sha="nope")).status == 404


async def test_single_commits_alone_have_stats_and_files(github: Api) -> None:
    one = (await github.get(f"{WEB}/commits/main")).body
    assert one["stats"]["total"] == one["stats"]["additions"] + one["stats"]["deletions"]
    assert one["stats"]["additions"] == sum(file["additions"] for file in one["files"])
    assert (await github.get(f"{WEB}/commits/nope")).status == 422


async def test_workflow_runs_are_wrapped_and_filtered(github: Api) -> None:
    body = (await github.get(f"{WEB}/actions/runs", per_page=100)).body
    assert set(body) == {"total_count", "workflow_runs"}
    assert [run["status"] for run in body["workflow_runs"][:4]] == ["queued", "in_progress", "waiting", "completed"]
    # One parameter takes states and conclusions.
    failed = (await github.get(f"{WEB}/actions/runs", status="failure")).body
    assert {run["conclusion"] for run in failed["workflow_runs"]} == {"failure"}
    assert (await github.get(f"{WEB}/actions/runs", status="bad")).status == 422
    bound = body["workflow_runs"][30]["created_at"]
    since = (await github.get(f"{WEB}/actions/runs", created=f">={bound}")).body
    assert since["total_count"] == 31
    until = (await github.get(f"{WEB}/actions/runs", created=f"*..{bound}")).body
    assert until["total_count"] == body["total_count"] - 30


async def test_releases_members_and_repositories(github: Api, company: Company) -> None:
    releases = (await github.get(f"{WEB}/releases")).body
    assert (releases[0]["draft"], releases[0]["published_at"]) == (True, None)
    assert {release["draft"] for release in releases[1:]} == {False}
    members = await all_rows(github, "/orgs/acme/members")
    assert len(members) == 40
    admins = (await github.get("/orgs/acme/members", role="admin")).body
    assert [admin["login"] for admin in admins] == [person.login for person in company.people[:3]]
    assert len((await github.get("/orgs/acme/members", filter="2fa_disabled")).body) == 2
    names = [repository["full_name"] for repository in await all_rows(github, "/user/repos")]
    assert names == sorted(names)
    assert len(names) == 10
    private = (await github.get("/orgs/acme/repos", type="private")).body
    assert {repository["private"] for repository in private} == {True}
    assert len((await github.get("/users/acme/repos")).body) == 8
    fork = (await github.get(f"/users/{company.people[1].login}/repos")).body
    assert [(repository["fork"], repository["has_issues"]) for repository in fork] == [(True, False)]
    conflict = await github.get("/user/repos", type="all", visibility="public")
    assert conflict.status == 422


async def test_open_issue_counts_include_pull_requests(github: Api, company: Company) -> None:
    web = company.forge.repositories[0]
    body = (await github.get("/repos/Acme/WEB")).body
    assert body["open_issues_count"] == sum(item.state == "open" for item in company.forge.items(web))


async def test_primary_limit_headers_refusal_and_reset(github: Api) -> None:
    await github.configure(rate_limit={"limit": 2, "window_s": 60})
    first, second, third = [await github.get("/user") for _ in range(3)]
    assert limits(first) == ("2", "1", "1", "core")
    assert limits(second) == ("2", "0", "2", "core")
    assert first.headers["x-ratelimit-reset"] == str(int(github.clock.now_s) + 60)
    assert (third.status, limits(third)) == (403, ("2", "0", "2", "core"))
    assert third.body["message"].startswith("API rate limit exceeded")
    assert "retry-after" not in third.headers
    assert (await github.get("/rate_limit")).body["rate"]["remaining"] == 0
    github.clock.now_s += 60
    assert limits(await github.get("/user")) == ("2", "1", "1", "core")


async def test_search_has_a_limit_of_its_own(github: Api) -> None:
    answer = await github.get("/search/issues", q="is:pr")
    assert limits(answer) == ("30", "29", "1", "search")
    assert limits(await github.get("/user"))[3] == "core"
    for _ in range(29):
        await github.get("/search/issues", q="is:pr", per_page=1)
    assert (await github.get("/search/issues", q="is:pr")).status == 403
    assert (await github.get("/user")).status == 200


async def test_secondary_limit_says_when_to_come_back(github: Api) -> None:
    await github.configure(secondary_rate_limit={"limit": 1, "window_s": 60, "retry_after_s": 7})
    await github.get("/user")
    answer = await github.get("/user")
    assert (answer.status, answer.headers["retry-after"]) == (403, "7")
    assert "secondary rate limit" in answer.body["message"]
    assert int(answer.headers["x-ratelimit-remaining"]) > 0


async def test_not_modified_is_free_and_tags_vary_by_credential(github: Api) -> None:
    first = await github.get(f"{WEB}/issues", per_page=5)
    tag = first.headers["etag"]
    assert tag.startswith('"')
    again = await github.call("GET", f"{WEB}/issues?per_page=5", headers={"If-None-Match": tag})
    assert (again.status, again.text, again.headers["etag"]) == (304, "", tag)
    assert again.headers["x-ratelimit-used"] == first.headers["x-ratelimit-used"]
    weak = await github.call("GET", f"{WEB}/issues?per_page=5", headers={"If-None-Match": f'"x", W/{tag}'})
    assert weak.status == 304
    other = await github.call(
        "GET", f"{WEB}/issues?per_page=5", headers={"If-None-Match": tag, "Accept": "application/vnd.github+json"}
    )
    assert other.status == 200


async def test_an_unsupported_version_is_refused(github: Api) -> None:
    answer = await github.call("GET", "/user", headers={"X-GitHub-Api-Version": "1999-01-01"})
    assert answer.status == 400
    assert (await github.call("GET", "/user", headers={"X-GitHub-Api-Version": "2022-11-28"})).status == 200


def limits(answer: Answer) -> tuple[str, str, str, str]:
    names = ("limit", "remaining", "used", "resource")
    limit, remaining, used, resource = (answer.headers[f"x-ratelimit-{name}"] for name in names)
    return limit, remaining, used, resource
