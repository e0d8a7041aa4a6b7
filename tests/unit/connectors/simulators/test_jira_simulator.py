"""Jira's quirks, each by its values over real HTTP."""

from __future__ import annotations

import re
from typing import Any

import pytest
from simulated_api import Answer, Api

from connectors.simulators.company import Company
from connectors.simulators.company.model import TrackerIssue

API = "/rest/api/3"
SEARCH = f"{API}/search/jql"


async def pages(api: Api, jql: str, **params: str | int) -> list[Answer]:
    answers = [await api.get(SEARCH, jql=jql, **params)]
    while token := answers[-1].body.get("nextPageToken"):
        answers.append(await api.get(SEARCH, jql=jql, nextPageToken=token, **params))
    return answers


def project_issues(company: Company, key: str = "WEB") -> tuple[TrackerIssue, ...]:
    return company.tracker.project_issues(key)


async def test_credentials_are_required_except_for_server_info(jira: Api) -> None:
    for authorization in ("", "Bearer secret", "Basic !!!", "Basic YTpi"):
        answer = await jira.call("GET", f"{API}/myself", headers={"Authorization": authorization})
        assert (answer.status, answer.headers["x-seraph-loginreason"]) == (401, "AUTHENTICATED_FAILED")
        assert not answer.text.startswith("{")
    anonymous = await jira.call("GET", f"{API}/serverInfo", headers={"Authorization": ""})
    assert (anonymous.status, anonymous.body["deploymentType"]) == (200, "Cloud")


async def test_a_search_gives_identifiers_alone_by_default(jira: Api) -> None:
    body = (await jira.get(SEARCH, jql="project = WEB")).body
    assert set(body) == {"issues", "nextPageToken", "isLast"}
    assert len(body["issues"]) == 50
    assert set(body["issues"][0]) == {"id"}
    keys = (await jira.get(SEARCH, jql="project = WEB", fields="key")).body["issues"][0]
    assert set(keys) == {"expand", "id", "key", "self"}


async def test_tokens_lead_through_all_pages_and_the_last_has_none(jira: Api, company: Company) -> None:
    answers = await pages(jira, "project = WEB ORDER BY key ASC", fields="summary,status", maxResults=5000)
    bodies = [answer.body for answer in answers]
    # With fields the server gives a hundred rows at most, whatever is asked for.
    assert {len(body["issues"]) for body in bodies[:-1]} == {100}
    assert [body["isLast"] for body in bodies] == [False] * (len(bodies) - 1) + [True]
    assert "nextPageToken" not in bodies[-1]
    keys = [issue["key"] for body in bodies for issue in body["issues"]]
    assert keys == [issue.key for issue in project_issues(company)]
    assert set(bodies[0]["issues"][0]["fields"]) == {"summary", "status"}


async def test_identifiers_alone_come_in_large_pages(jira: Api, company: Company) -> None:
    body = (await jira.get(SEARCH, jql="project = WEB", maxResults=5000)).body
    assert (len(body["issues"]), body["isLast"]) == (len(project_issues(company)), True)


async def test_a_token_belongs_to_its_query_and_fields(jira: Api) -> None:
    token = (await jira.get(SEARCH, jql="project = WEB", fields="summary")).body["nextPageToken"]
    for changed in ({"jql": "project = API", "fields": "summary"}, {"jql": "project = WEB", "fields": "status"}):
        answer = await jira.get(SEARCH, nextPageToken=token, **changed)
        assert answer.status == 400
    assert (await jira.get(SEARCH, jql="project = WEB", nextPageToken="forged")).status == 400


async def test_posting_a_search_is_the_same_and_strict(jira: Api) -> None:
    got = (await jira.get(SEARCH, jql="project = WEB", fields="summary", maxResults=3)).body
    posted = await jira.post(SEARCH, {"jql": "project = WEB", "fields": ["summary"], "maxResults": 3})
    assert posted.body == got
    bad = await jira.post(SEARCH, {"jql": "project = WEB", "startAt": 5})
    assert bad.status == 400
    assert bad.body["errorMessages"] == ["Invalid request payload. Refer to the REST API documentation and try again."]


async def test_unbounded_and_overordered_queries_are_refused(jira: Api) -> None:
    message = "Unbounded JQL queries are not allowed here. Please add a search restriction to your query."
    for jql in ("", "ORDER BY key"):
        answer = await jira.get(SEARCH, jql=jql)
        assert (answer.status, answer.body) == (400, {"errorMessages": [message], "errors": {}})
    names = ("key", "created", "updated", "due", "status", "priority", "summary", "id")
    for count, status in ((7, 200), (8, 400)):
        order = ", ".join(names[:count])
        assert (await jira.get(SEARCH, jql=f"project = WEB ORDER BY {order}")).status == status


async def test_the_old_search_is_gone(jira: Api) -> None:
    assert (await jira.get(f"{API}/search", jql="project = WEB")).status == 410


async def test_approximate_count(jira: Api, company: Company) -> None:
    answer = await jira.post(f"{API}/search/approximate-count", {"jql": "project = API"})
    assert answer.body == {"count": len(project_issues(company, "API"))}
    assert (await jira.post(f"{API}/search/approximate-count", {"jql": ""})).status == 400


async def test_all_fields_of_an_issue(jira: Api, company: Company) -> None:
    issue = next(i for i in project_issues(company) if i.parent_key and i.sprints and i.story_points and i.due_date)
    found = (await jira.get(f"{API}/issue/{issue.key.lower()}")).body
    fields = found["fields"]
    assert (found["id"], found["key"]) == (str(issue.id), issue.key)
    assert fields["status"]["statusCategory"]["key"] == issue.status.category
    assert fields["parent"]["key"] == issue.parent_key
    assert fields["customfield_10016"] == issue.story_points
    assert [sprint["name"] for sprint in fields["customfield_10020"]] == [sprint.name for sprint in issue.sprints]
    assert fields["duedate"] == issue.due_date
    assert fields["labels"] == list(issue.labels)
    assert fields["project"]["key"] == "WEB"
    assert fields["votes"]["votes"] == issue.votes
    by_id = (await jira.get(f"{API}/issue/{issue.id}", fields="summary")).body
    assert by_id["fields"] == {"summary": issue.summary}
    excluded = (await jira.get(f"{API}/issue/{issue.id}", fields="*all,-comment")).body["fields"]
    assert set(fields) - set(excluded) == {"comment"}


async def test_absent_values_are_null_but_an_absent_parent_is_no_key(jira: Api, company: Company) -> None:
    issue = next(i for i in project_issues(company) if not i.parent_key and not i.assignee and not i.resolution)
    fields = (await jira.get(f"{API}/issue/{issue.key}")).body["fields"]
    assert "parent" not in fields
    assert (fields["assignee"], fields["resolution"], fields["resolutiondate"]) == (None, None, None)


async def test_times_have_milliseconds_and_an_offset_without_colon(jira: Api) -> None:
    fields = (await jira.get(f"{API}/issue/WEB-1", fields="created,updated")).body["fields"]
    for text in fields.values():
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}-0700", text)


async def test_unknown_issues_are_404(jira: Api) -> None:
    for key in ("WEB-999999", "NOPE-1", "WEB-0", "99", "WEB-007"):
        answer = await jira.get(f"{API}/issue/{key}")
        assert answer.status == 404
        assert answer.body["errorMessages"] == ["Issue does not exist or you do not have permission to see it."]


async def test_descriptions_and_comments_are_documents(jira: Api, company: Company) -> None:
    issues = (await jira.get(SEARCH, jql="project = WEB", fields="description", maxResults=100)).body["issues"]
    documents = [issue["fields"]["description"] for issue in issues]
    assert None in documents
    kinds = {node["type"] for document in documents if document for node in document["content"]}
    assert kinds == {"paragraph", "codeBlock"}
    assert {(d["type"], d["version"]) for d in documents if d} == {("doc", 1)}
    comment = (await jira.get(f"{API}/issue/WEB-2/comment", maxResults=1)).body["comments"][0]
    assert comment["body"]["type"] == "doc"
    assert comment["id"] == str(company.tracker.comments(project_issues(company)[1])[0].id)


async def test_comments_have_pages_and_both_orders(jira: Api) -> None:
    path = f"{API}/issue/WEB-2/comment"
    first = (await jira.get(path)).body
    assert (first["startAt"], first["maxResults"], first["total"], len(first["comments"])) == (0, 100, 130, 100)
    second = (await jira.get(path, startAt=100)).body
    assert len(second["comments"]) == 30
    newest = (await jira.get(path, orderBy="-created", maxResults=1)).body["comments"]
    assert newest[0]["id"] == second["comments"][-1]["id"]
    assert (await jira.get(path, orderBy="author")).status == 400
    embedded = (await jira.get(f"{API}/issue/WEB-2", fields="comment")).body["fields"]["comment"]
    assert (len(embedded["comments"]), embedded["total"]) == (20, 130)


async def test_worklogs_between_exclusive_bounds(jira: Api, company: Company) -> None:
    issue = next(i for i in project_issues(company) if i.worklogs_count == 2)
    logs = company.tracker.worklogs(issue)
    path = f"{API}/issue/{issue.key}/worklog"
    assert (await jira.get(path)).body["total"] == 2
    after = (await jira.get(path, startedAfter=logs[0].started_ms)).body["worklogs"]
    assert [log["id"] for log in after] == [str(logs[1].id)]
    assert after[0]["timeSpentSeconds"] == 3600
    before = (await jira.get(path, startedBefore=logs[1].started_ms)).body["worklogs"]
    assert [log["id"] for log in before] == [str(logs[0].id)]


async def test_changelogs_singly_and_in_bulk(jira: Api, company: Company) -> None:
    issue = project_issues(company)[1]
    first = (await jira.get(f"{API}/issue/WEB-2/changelog")).body
    assert (first["total"], first["isLast"], len(first["values"])) == (130, False, 100)
    last = (await jira.call("GET", first["nextPage"])).body
    assert (last["isLast"], last["values"][-1]["items"][0]["toString"]) == (True, issue.status.name)
    wanted: dict[str, Any] = {"issueIdsOrKeys": ["WEB-2", str(issue.id + 1), "WEB-99999"], "maxResults": 90}
    histories: dict[str, list[Any]] = {}
    while True:
        body = (await jira.post(f"{API}/changelog/bulkfetch", wanted)).body
        for log in body["issueChangeLogs"]:
            histories.setdefault(log["issueId"], []).extend(log["changeHistories"])
        if "nextPageToken" not in body:
            break
        wanted["nextPageToken"] = body["nextPageToken"]
    assert len(histories["10002"]) == 130
    assert histories["10002"][0]["created"] == company.tracker.changes(issue)[0].created_ms
    only = await jira.post(f"{API}/changelog/bulkfetch", {"issueIdsOrKeys": ["WEB-2"], "fieldIds": ["priority"]})
    items = [change["items"][0] for change in only.body["issueChangeLogs"][0]["changeHistories"]]
    assert {item["fieldId"] for item in items} == {"priority"}
    too_many = await jira.post(f"{API}/changelog/bulkfetch", {"issueIdsOrKeys": ["WEB-1"] * 1001})
    assert too_many.status == 400


async def test_issues_in_bulk_leave_out_unknown_ones(jira: Api) -> None:
    body = {"issueIdsOrKeys": ["WEB-3", "WEB-1", "NOPE-1"], "fields": ["summary"]}
    answer = (await jira.post(f"{API}/issue/bulkfetch", body)).body
    assert [issue["key"] for issue in answer["issues"]] == ["WEB-1", "WEB-3"]
    assert [error["id"] for error in answer["issueErrors"]] == ["NOPE-1"]


async def test_projects_filter_order_and_page(jira: Api) -> None:
    path = f"{API}/project/search"
    body = (await jira.get(path)).body
    assert [project["key"] for project in body["values"]] == ["API", "DATA", "MOB", "WEB"]
    assert (body["maxResults"], body["total"], body["isLast"]) == (50, 4, True)
    page = (await jira.get(path, maxResults=3)).body
    assert (page["isLast"], len(page["values"])) == (False, 3)
    assert [p["key"] for p in (await jira.call("GET", page["nextPage"])).body["values"]] == ["WEB"]
    for params, keys in (
        ({"keys": "WEB,API"}, ["API", "WEB"]),
        ({"id": "10002"}, ["DATA"]),
        ({"query": "mob"}, ["MOB"]),
        ({"typeKey": "business"}, []),
        ({"status": "archived"}, []),
        ({"orderBy": "-key"}, ["WEB", "MOB", "DATA", "API"]),
        ({"orderBy": "-issueCount", "maxResults": "1"}, ["WEB"]),
    ):
        assert [project["key"] for project in (await jira.get(path, **params)).body["values"]] == keys
    assert (await jira.get(path, orderBy="size")).status == 400


async def test_users_end_only_with_an_empty_page(jira: Api) -> None:
    sizes, users, start = [], [], 0
    while True:
        page = (await jira.get(f"{API}/users/search", startAt=start, maxResults=10)).body
        if not page:
            break
        sizes.append(len(page))
        users += page
        start += 10
    assert min(sizes[:-1]) < 10
    assert [user["active"] for user in users].count(False) == 1
    assert {user["accountType"] for user in users} == {"atlassian", "app"}
    assert 0 < sum("emailAddress" in user for user in users) < len(users)


async def test_users_are_found_by_the_start_of_a_word(jira: Api, company: Company) -> None:
    person = company.people[2]
    found = (await jira.get(f"{API}/user/search", query=person.name.split()[0][:3].lower())).body
    assert person.account_id in [user["accountId"] for user in found]
    one = (await jira.get(f"{API}/user/search", accountId=person.account_id)).body
    assert [user["displayName"] for user in one] == [person.name]
    assert (await jira.get(f"{API}/user/search")).status == 400


async def test_catalogs(jira: Api, company: Company) -> None:
    fields = {field["id"]: field for field in (await jira.get(f"{API}/field")).body}
    assert fields["customfield_10016"]["schema"]["type"] == "number"
    assert fields["customfield_10001"]["name"] == fields["customfield_10032"]["name"] == "Team"
    assert fields["customfield_10020"]["clauseNames"] == ["cf[10020]", "Sprint"]
    statuses = (await jira.get(f"{API}/status")).body
    categories = {status["name"]: status["statusCategory"]["key"] for status in statuses}
    assert categories["Won't Do"] == "done"
    assert (await jira.get(f"{API}/priority")).body[0]["name"] == "Highest"
    types = (await jira.get(f"{API}/issuetype")).body
    assert [kind["name"] for kind in types if kind["subtask"]] == ["Sub-task"]
    assert (await jira.get(f"{API}/myself")).body["accountId"] == company.people[0].account_id


async def test_boards_and_sprints(jira: Api) -> None:
    boards = (await jira.get("/rest/agile/1.0/board")).body
    assert [(board["name"], board["type"]) for board in boards["values"]][2] == ("DATA board", "kanban")
    assert (boards["total"], boards["isLast"]) == (4, True)
    own = (await jira.get("/rest/agile/1.0/board", projectKeyOrId="MOB", type="scrum")).body["values"]
    assert [board["location"]["projectKey"] for board in own] == ["MOB"]
    sprints = (await jira.get("/rest/agile/1.0/board/1/sprint", state="active,future")).body["values"]
    assert [sprint["state"] for sprint in sprints] == ["active", "future"]
    assert "startDate" not in sprints[1]
    kanban = await jira.get("/rest/agile/1.0/board/3/sprint")
    assert (kanban.status, kanban.body["errorMessages"]) == (400, ["The board does not support sprints"])
    assert (await jira.get("/rest/agile/1.0/board/99/sprint")).status == 404


async def test_limits_are_told_in_iso_time_and_refused_with_a_reason(jira: Api) -> None:
    await jira.configure(rate_limit={"limit": 1, "window_s": 30})
    first = await jira.get(f"{API}/myself")
    assert (first.headers["x-ratelimit-limit"], first.headers["x-ratelimit-remaining"]) == ("1", "0")
    assert first.headers["x-ratelimit-reset"] == "2027-01-15T08:01Z"
    assert first.headers["x-ratelimit-nearlimit"] == "true"
    second = await jira.get(f"{API}/myself")
    assert (second.status, second.headers["retry-after"]) == (429, "30")
    assert second.headers["ratelimit-reason"] == "jira-burst-based"
    jira.clock.now_s += 30
    assert (await jira.get(f"{API}/myself")).status == 200
    await jira.configure(secondary_rate_limit={"limit": 0, "window_s": 60, "retry_after_s": 9})
    third = await jira.get(f"{API}/myself")
    assert (third.headers["retry-after"], third.headers["ratelimit-reason"]) == ("9", "jira-quota-tenant-based")


async def test_there_are_no_entity_tags(jira: Api) -> None:
    assert "etag" not in (await jira.get(SEARCH, jql="project = WEB")).headers


@pytest.mark.parametrize("rows", [0, 5001])
async def test_a_page_size_out_of_range_is_refused(jira: Api, rows: int) -> None:
    assert (await jira.get(SEARCH, jql="project = WEB", maxResults=rows)).status == 400
