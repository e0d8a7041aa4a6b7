"""The nouns of the company: frozen records without behavior.

Times on the code host are epoch seconds, times in the tracker are epoch milliseconds, as the two vendors store them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    name: str
    title: str
    project_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One account on both systems; `public_email` is None when the person hides it."""

    name: str
    login: str
    forge_id: int
    account_id: str
    account_type: str
    email: str
    public_email: str | None
    team: str
    is_admin: bool
    is_active: bool
    is_bot: bool
    two_factor: bool
    time_zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    id: int
    owner: str
    name: str
    team: str
    description: str | None
    language: str | None
    topics: tuple[str, ...]
    license_key: str | None
    default_branch: str
    is_private: bool
    is_fork: bool
    is_archived: bool
    has_issues: bool
    is_empty: bool
    stars: int
    forks: int
    created_s: int
    items_count: int
    team_label_style: str

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    id: int
    name: str
    color: str
    description: str | None
    is_default: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone:
    id: int
    number: int
    title: str
    description: str | None
    state: str
    creator: str
    created_s: int
    updated_s: int
    closed_s: int | None
    due_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """What only pull requests have; sizes are cheap enough to be stored with each of them."""

    head_owner: str
    head_ref: str
    head_sha: str
    base_ref: str
    base_sha: str
    is_draft: bool
    merged_s: int | None
    merge_commit_sha: str | None
    merged_by: str | None
    additions: int
    deletions: int
    changed_files: int
    commits: int
    is_mergeable: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgeItem:
    """An issue or a pull request; both share one number sequence per repository."""

    id: int
    number: int
    title: str
    body: str | None
    state: str
    state_reason: str | None
    author: str | None
    assignees: tuple[str, ...]
    labels: tuple[str, ...]
    milestone_number: int | None
    comments_count: int
    is_locked: bool
    mentions: tuple[str, ...]
    created_s: int
    updated_s: int
    closed_s: int | None
    pull_request: PullRequest | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgeComment:
    id: int
    item_number: int
    author: str | None
    body: str
    created_s: int
    updated_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    path: str
    status: str
    additions: int
    deletions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit; `author_login` is None when the address belongs to no account."""

    sha: str
    tree_sha: str
    parents: tuple[str, ...]
    author_login: str | None
    author_name: str
    author_email: str
    committer_login: str | None
    committer_name: str
    committer_email: str
    author_s: int
    committer_s: int
    message: str
    files: tuple[FileChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    id: int
    tag: str
    name: str | None
    body: str | None
    author: str
    is_draft: bool
    is_prerelease: bool
    created_s: int
    published_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowRun:
    id: int
    name: str
    workflow_id: int
    run_number: int
    run_attempt: int
    event: str
    status: str
    conclusion: str | None
    branch: str
    head_sha: str
    title: str
    actor: str
    check_suite_id: int
    created_s: int
    started_s: int
    updated_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedOption:
    """A tracker value with an identity: component, version or select option."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    id: str
    name: str
    category: str
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Priority:
    id: str
    name: str
    color: str
    rank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueType:
    id: str
    name: str
    is_subtask: bool
    hierarchy_level: int
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sprint:
    id: int
    name: str
    state: str
    board_id: int
    goal: str
    start_ms: int | None
    end_ms: int | None
    complete_ms: int | None
    created_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    id: int
    name: str
    kind: str
    project_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    id: int
    key: str
    name: str
    description: str
    lead: str
    team: str
    issues_count: int
    components: tuple[NamedOption, ...]
    versions: tuple[NamedOption, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerIssue:
    id: int
    number: int
    key: str
    project_key: str
    summary: str
    description: str | None
    issue_type: IssueType
    status: Status
    priority: Priority | None
    resolution: NamedOption | None
    assignee: str | None
    reporter: str | None
    creator: str
    labels: tuple[str, ...]
    components: tuple[NamedOption, ...]
    fix_versions: tuple[NamedOption, ...]
    parent_key: str | None
    sprints: tuple[Sprint, ...]
    story_points: float | None
    team_option: NamedOption | None
    team_note: str | None
    target_date: str | None
    quality_owner: str | None
    due_date: str | None
    created_ms: int
    updated_ms: int
    resolved_ms: int | None
    comments_count: int
    worklogs_count: int
    changes_count: int
    time_spent_s: int | None
    votes: int
    watches: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerComment:
    id: int
    author: str | None
    body: str
    created_ms: int
    updated_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Worklog:
    id: int
    author: str
    note: str | None
    started_ms: int
    created_ms: int
    spent_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One entry of an issue's history: a single field going from one value to another."""

    id: int
    author: str | None
    created_ms: int
    field: str
    field_id: str
    from_id: str | None
    from_text: str | None
    to_id: str | None
    to_text: str | None
