"""The company's code host as a GitLab instance: objects as the API pages show them, built once. Pure.

On purpose: an empty and an archived project, label names of two cases, items without author or milestone, times with
milliseconds, a pipeline without end, commits whose times have an offset.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import cast

from connectors.simulators.company import Company
from connectors.simulators.company.model import ForgeItem, Person, PullRequest, Repository
from connectors.simulators.plain_rest import Node, iso

_STATUSES = {"success": "success", "failure": "failed", "cancelled": "canceled", None: "running"}
PROJECTS_MAX = 6


class Instance:
    """All objects of an instance; lists within a project are by its identifier."""

    def __init__(self, company: Company) -> None:
        self._forge = company.forge
        people = [person for person in company.people if not person.is_bot]
        self.users = [_user(person) for person in people]
        self._by_login = {person.login: user for person, user in zip(people, self.users, strict=True)}
        self.groups: list[Node] = [
            {"id": 500 + at, "name": team.title, "path": team.name, "full_name": f"Acme / {team.title}",
             "full_path": f"acme/{team.name}", "description": "", "visibility": ("private", "internal")[at % 2],
             "parent_id": 499, "web_url": f"https://gitlab.example/groups/acme/{team.name}",
             "created_at": iso(1_600_000_000_123 + at, milliseconds=True)}
            for at, team in enumerate(company.teams)
        ]  # fmt: skip
        repositories = [*company.forge.repositories][:PROJECTS_MAX]
        self.projects = [self._project(at, each) for at, each in enumerate(repositories)]
        self.issues: dict[int, list[Node]] = {}
        self.merge_requests: dict[int, list[Node]] = {}
        self.notes: dict[tuple[int, int], list[Node]] = {}
        self.pipelines: dict[int, list[Node]] = {}
        self.commits: dict[int, list[Node]] = {}
        self.branches: dict[int, list[Node]] = {}
        self.labels: dict[int, list[Node]] = {}
        self.milestones: dict[int, list[Node]] = {}
        self.members: dict[int, list[Node]] = {}
        for repository, project in zip(repositories, self.projects, strict=True):
            self._fill(repository, project["id"])

    def _project(self, at: int, repository: Repository) -> Node:
        path = f"{repository.owner}/{repository.name}"
        return {
            "id": 9000 + at, "name": repository.name, "path": repository.name, "path_with_namespace": path,
            "name_with_namespace": path.replace("/", " / "), "description": repository.description,
            "visibility": "private" if repository.is_private else "public", "archived": repository.is_archived,
            "empty_repo": repository.is_empty, "default_branch": repository.default_branch,
            "star_count": repository.stars, "forks_count": repository.forks, "open_issues_count": at,
            "topics": list(repository.topics), "namespace": {"id": 499, "full_path": repository.owner},
            "creator_id": self.users[at]["id"], "web_url": f"https://gitlab.example/{path}",
            "created_at": iso(repository.created_s * 1000, milliseconds=True),
            "last_activity_at": iso(1_760_000_000_500 - at * 86_400_000, milliseconds=True),
        }  # fmt: skip

    def _fill(self, repository: Repository, project: int) -> None:
        forge = self._forge
        items = forge.items(repository)[:80]
        milestones = forge.milestones(repository)
        self.milestones[project] = [
            {"id": each.id, "iid": each.number, "project_id": project, "title": each.title,
             "description": each.description or "", "state": "active" if each.state == "open" else "closed",
             "due_date": (iso((each.due_s or 0) * 1000) or "")[:10] if each.due_s else None,
             "start_date": "2025-03-01" if each.number % 2 else None,
             "created_at": _ms(each.created_s), "updated_at": _ms(each.updated_s),
             "web_url": f"https://gitlab.example/-/milestones/{each.number}"}
            for each in milestones
        ]  # fmt: skip
        self.labels[project] = [
            {"id": each.id, "name": each.name, "color": f"#{each.color}", "text_color": "#FFFFFF",
             "description": each.description, "priority": None if at % 2 else at, "is_project_label": True}
            for at, each in enumerate(forge.labels(repository))
        ]  # fmt: skip
        self.issues[project] = [self._item(project, each) for each in items if each.pull_request is None]
        self.merge_requests[project] = [self._merge_request(project, each) for each in items if each.pull_request]
        for item in self.issues[project]:
            self.notes[project, item["iid"]] = [
                {"id": each.id, "body": each.body, "author": self._by_login.get(each.author or ""),
                 "system": at % 5 == 4, "noteable_id": item["id"], "noteable_iid": item["iid"],
                 "noteable_type": "Issue", "internal": False,
                 "created_at": _ms(each.created_s), "updated_at": _ms(each.updated_s)}
                for at, each in enumerate(forge.item_comments(repository, item["iid"]))
            ]  # fmt: skip
        self._fill_history(repository, project)

    def _fill_history(self, repository: Repository, project: int) -> None:
        forge = self._forge
        self.pipelines[project] = [
            {"id": each.id, "iid": each.run_number, "project_id": project, "sha": each.head_sha, "ref": each.branch,
             "status": _STATUSES.get(each.conclusion, "skipped"), "source": ("push", "schedule")[each.id % 2],
             "created_at": _ms(each.created_s), "updated_at": _ms(each.updated_s), "name": None,
             "web_url": f"https://gitlab.example/-/pipelines/{each.id}",
             "duration": None if each.conclusion is None else each.updated_s - each.started_s,
             "coverage": None if each.id % 3 else "87.5", "started_at": _ms(each.started_s),
             "finished_at": None if each.conclusion is None else _ms(each.updated_s),
             "user": self._by_login.get(each.actor)}
            for each in forge.runs(repository)[:60]
        ]  # fmt: skip
        zone = timezone(timedelta(hours=3))
        self.commits[project] = [
            {"id": each.sha, "short_id": each.sha[:8], "title": each.message.split("\n")[0], "message": each.message,
             "author_name": each.author_name, "author_email": each.author_email, "parent_ids": list(each.parents),
             "committer_name": each.committer_name, "committer_email": each.committer_email,
             "authored_date": datetime.fromtimestamp(each.author_s, zone).isoformat(timespec="milliseconds"),
             "committed_date": datetime.fromtimestamp(each.committer_s, zone).isoformat(timespec="milliseconds"),
             "created_at": datetime.fromtimestamp(each.committer_s, zone).isoformat(timespec="milliseconds")}
            for each in forge.commits(repository)[:90]
        ]  # fmt: skip
        heads = ["main", *sorted({each["source_branch"] for each in self.merge_requests[project]})][:25]
        self.branches[project] = [
            {"name": name, "merged": at % 2 == 1, "protected": at == 0, "default": at == 0, "can_push": True,
             "web_url": f"https://gitlab.example/-/tree/{at}", "commit": commit}
            for at, (name, commit) in enumerate(zip(heads, self.commits[project], strict=False))
        ]  # fmt: skip
        self.members[project] = [
            {**user, "access_level": (50, 40, 30)[at % 3], "expires_at": None if at % 4 else "2027-01-01",
             "created_at": _ms(repository.created_s + at)}
            for at, user in enumerate(self.users[: 5 + project % 3])
        ]  # fmt: skip

    def _item(self, project: int, item: ForgeItem) -> Node:
        assignees = [self._by_login[login] for login in item.assignees if login in self._by_login]
        milestone = next((m for m in self.milestones[project] if m["iid"] == item.milestone_number), None)
        return {
            "id": item.id, "iid": item.number, "project_id": project, "title": item.title, "description": item.body,
            "state": "opened" if item.state == "open" else "closed", "labels": list(item.labels),
            "author": self._by_login.get(item.author or ""), "assignees": assignees, "milestone": milestone,
            "assignee": assignees[0] if assignees else None, "user_notes_count": item.comments_count,
            "created_at": _ms(item.created_s), "updated_at": _ms(item.updated_s), "closed_at": _ms(item.closed_s),
            "due_date": None if item.number % 3 else "2026-02-01", "confidential": item.number % 7 == 0,
            "discussion_locked": item.is_locked, "issue_type": "issue",
            "weight": None if item.number % 2 else item.number % 5, "upvotes": item.number % 4,
            "web_url": f"https://gitlab.example/-/issues/{item.number}",
        }  # fmt: skip

    def _merge_request(self, project: int, item: ForgeItem) -> Node:
        found = self._item(project, item)
        pull = cast("PullRequest", item.pull_request)
        state = "merged" if pull.merged_s else found["state"]
        return {**found, "state": state, "draft": pull.is_draft, "source_branch": pull.head_ref,
                "target_branch": pull.base_ref, "sha": pull.head_sha, "merge_commit_sha": pull.merge_commit_sha,
                "merged_at": _ms(pull.merged_s), "changes_count": str(pull.changed_files),
                "detailed_merge_status": "mergeable", "reviewers": found["assignees"]}  # fmt: skip


def _user(person: Person) -> Node:
    return {"id": person.forge_id % 100_000 + 1, "username": person.login, "name": person.name,
            "state": "active" if person.is_active else "blocked", "locked": False,
            "web_url": f"https://gitlab.example/{person.login}",
            "avatar_url": None if person.is_admin else f"https://gitlab.example/{person.login}.png"}  # fmt: skip


def _ms(epoch_s: int | None) -> str | None:
    return None if epoch_s is None else iso(epoch_s * 1000 + 451, milliseconds=True)
