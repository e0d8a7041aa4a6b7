"""Comments, work logs and history of one tracker issue; cheap enough to be generated again on every read."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from connectors.simulators.company.model import Change, Person, TrackerComment, TrackerIssue, Worklog
from connectors.simulators.company.tracker_issues import PRIORITIES, STATUSES
from connectors.simulators.company.vocabulary import body, remark, seeded, title


def build_comments(seed: int, issue: TrackerIssue, people: Sequence[Person]) -> tuple[TrackerComment, ...]:
    """Return the comments of an issue, oldest first; a deleted author is None."""
    random = seeded(seed, "comments", issue.key)
    comments = []
    for index, created_ms in enumerate(_times(random, issue, issue.comments_count)):
        edited = random.random() < 0.2
        comments.append(
            TrackerComment(
                id=issue.id * 1_000 + index,
                author=None if random.random() < 0.02 else random.choice(people).login,
                body=remark(random),
                created_ms=created_ms,
                updated_ms=(created_ms + issue.updated_ms) // 2 if edited else created_ms,
            )
        )
    return tuple(comments)


def build_worklogs(seed: int, issue: TrackerIssue, people: Sequence[Person]) -> tuple[Worklog, ...]:
    """Return the work logged on an issue, oldest first; the seconds sum to the issue's time spent."""
    random = seeded(seed, "worklogs", issue.key)
    times = _times(random, issue, issue.worklogs_count)
    return tuple(
        Worklog(
            id=issue.id * 100 + index,
            author=random.choice(people[:-1]).login,
            note=body(random),
            # Work is written down after it was done.
            started_ms=created_ms - 3_600_000,
            created_ms=created_ms,
            spent_s=(issue.time_spent_s or 0) // issue.worklogs_count,
        )
        for index, created_ms in enumerate(times)
    )


def build_changes(seed: int, issue: TrackerIssue, people: Sequence[Person]) -> tuple[Change, ...]:
    """Return the history of an issue, oldest first; the last status change ends in the present status."""
    random = seeded(seed, "changes", issue.key)
    times = _times(random, issue, issue.changes_count)
    changes: list[Change] = []
    status = STATUSES[0]
    for index, created_ms in enumerate(times):
        is_last = index == len(times) - 1
        author = None if random.random() < 0.02 else random.choice(people).login
        change_id = issue.id * 1_000 + index
        kind = "status" if is_last else random.choice(("status", "priority", "summary"))
        if kind == "status":
            target = issue.status if is_last else random.choice(STATUSES)
            changes.append(
                Change(
                    id=change_id,
                    author=author,
                    created_ms=created_ms,
                    field="status",
                    field_id="status",
                    from_id=status.id,
                    from_text=status.name,
                    to_id=target.id,
                    to_text=target.name,
                )
            )
            status = target
        else:
            changes.append(_other_change(random, change_id, author, created_ms, kind))
    return tuple(changes)


def _other_change(random: Random, change_id: int, author: str | None, created_ms: int, kind: str) -> Change:
    before, after = random.sample(PRIORITIES, 2)
    is_priority = kind == "priority"
    return Change(
        id=change_id,
        author=author,
        created_ms=created_ms,
        field=kind,
        field_id=kind,
        from_id=before.id if is_priority else None,
        from_text=before.name if is_priority else title(random),
        to_id=after.id if is_priority else None,
        to_text=after.name if is_priority else title(random),
    )


def _times(random: Random, issue: TrackerIssue, count: int) -> list[int]:
    return sorted(random.randint(issue.created_ms, issue.updated_ms) for _ in range(count))
