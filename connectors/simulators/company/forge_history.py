"""Commits, releases and workflow runs of one repository, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from connectors.simulators.company.forge_items import DAY_S, ItemContext
from connectors.simulators.company.model import Commit, FileChange, Person, Release, WorkflowRun
from connectors.simulators.company.vocabulary import hex_digest, seeded, title

PATHS = ("README.md", "src/main.py", "src/cache.py", "tests/test_main.py", "docs/guide.md", "päckage/ünïcode name.txt")
COMMITS_PER_ITEM = 0.6
COMMITS_MIN = 25
RELEASES_COUNT = 12
WORKFLOWS = ("build", "test", 'Release "nightly"')
_CONCLUSIONS = ("success", "success", "success", "success", "failure", "cancelled", "skipped", "timed_out")


def build_commits(context: ItemContext) -> tuple[Commit, ...]:
    """Return the history of the default branch, newest first, each commit naming the next as its parent."""
    if context.repository.is_empty:
        return ()
    random = seeded(context.seed, "commits", context.repository.id)
    count = max(COMMITS_MIN, int(context.repository.items_count * COMMITS_PER_ITEM))
    step_s = (context.end_s - context.start_s - DAY_S) / count
    commits: list[Commit] = []
    for index in range(count):
        committer_s = context.start_s + int((index + random.random()) * step_s)
        commits.append(_commit(context, random, index, committer_s, commits))
    return tuple(reversed(commits))


def _commit(context: ItemContext, random: Random, index: int, committer_s: int, earlier: Sequence[Commit]) -> Commit:
    author = random.choice(context.people[:-1])
    # An address that belongs to no account leaves the account of the author empty, as a changed address does.
    unknown = random.random() < 0.06
    merged = index > 1 and random.random() < 0.15
    committer = None if merged else author
    parents = tuple(commit.sha for commit in (earlier[-1:] if not merged else earlier[:-3:-1]))
    return Commit(
        sha=hex_digest("commit", context.seed, context.repository.id, index),
        tree_sha=hex_digest("tree", context.seed, context.repository.id, index),
        parents=parents,
        author_login=None if unknown else author.login,
        author_name=author.name,
        author_email=f"{author.login}@laptop.invalid" if unknown else author.email,
        committer_login=_committer_login(committer, unknown=unknown),
        committer_name=committer.name if committer else "GitHub",
        committer_email=author.email if committer else "noreply@github.com",
        author_s=committer_s - random.choice((0, 0, 0, 3_600)),
        committer_s=committer_s,
        message=_message(context, random, merged=merged),
        files=_files(random),
    )


def _committer_login(committer: Person | None, *, unknown: bool) -> str | None:
    if committer is None:
        return "web-flow"
    return None if unknown else committer.login


def _message(context: ItemContext, random: Random, *, merged: bool) -> str:
    if merged:
        return f"Merge pull request #{random.randint(1, 500)} from acme/change\n\n{title(random)}"
    if random.random() < 0.5:
        return f"{context.project_key}-{random.randint(1, context.project_issues_count)}: {title(random)}"
    return title(random)


def _files(random: Random) -> tuple[FileChange, ...]:
    paths = random.sample(PATHS, random.choice((1, 1, 2, 3)))
    return tuple(
        FileChange(
            path=path,
            status=random.choice(("modified", "modified", "added")),
            additions=random.randint(0, 80),
            deletions=random.randint(0, 30),
        )
        for path in paths
    )


def build_releases(context: ItemContext, commits: Sequence[Commit]) -> tuple[Release, ...]:
    """Return the releases, newest first, cut at evenly spaced commits; none without commits."""
    if not commits:
        return ()
    random = seeded(context.seed, "releases", context.repository.id)
    base = 90_000_000 + (context.repository.id - 700_000_000) * 10
    oldest_first = commits[:: -max(1, len(commits) // RELEASES_COUNT)][:RELEASES_COUNT]
    releases = []
    for index, commit in enumerate(oldest_first):
        is_draft = index == len(oldest_first) - 1
        releases.append(
            Release(
                id=base + index,
                tag=f"v1.{index}.0",
                name=None if index == 1 else f"Version 1.{index}",
                body=None if index == 2 else f"## Changes\r\n- {title(random)}\r\n- {title(random)}",
                author=random.choice(context.people[:-1]).login,
                is_draft=is_draft,
                is_prerelease=index % 4 == 3,
                created_s=commit.committer_s,
                published_s=None if is_draft else commit.committer_s + 600,
            )
        )
    return tuple(reversed(releases))


def build_runs(context: ItemContext, commits: Sequence[Commit]) -> tuple[WorkflowRun, ...]:
    """Return about one workflow run for each commit, newest first; the newest few are not finished."""
    random = seeded(context.seed, "runs", context.repository.id)
    base = 7_000_000_000 + (context.repository.id - 700_000_000) * 100_000
    runs = []
    for index, commit in enumerate(commits):
        workflow = random.randrange(len(WORKFLOWS))
        status = ("queued", "in_progress", "waiting")[index] if index < 3 else "completed"
        started_s = min(commit.committer_s + random.randint(1, 90), context.end_s - 2)
        number = len(commits) - index
        runs.append(
            WorkflowRun(
                id=base + number,
                name=WORKFLOWS[workflow],
                workflow_id=159_000 + workflow,
                run_number=number,
                run_attempt=2 if random.random() < 0.05 else 1,
                event=random.choice(("push", "push", "pull_request", "schedule", "workflow_dispatch")),
                status=status,
                conclusion=random.choice(_CONCLUSIONS) if status == "completed" else None,
                branch="main" if random.random() < 0.7 else f"change-{random.randint(1, 40)}",
                head_sha=commit.sha,
                title=commit.message.splitlines()[0],
                actor=commit.author_login or "web-flow",
                check_suite_id=base + 50_000 + number,
                created_s=commit.committer_s,
                started_s=started_s,
                updated_s=min(started_s + random.randint(20, 1800), context.end_s - 1),
            )
        )
    return tuple(runs)
