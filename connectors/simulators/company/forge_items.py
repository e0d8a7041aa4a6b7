"""Issues, pull requests and comments of one repository, generated in order of creation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from connectors.simulators.company.model import ForgeComment, ForgeItem, Person, PullRequest, Repository
from connectors.simulators.company.people import BOT_LOGIN
from connectors.simulators.company.vocabulary import body, hex_digest, remark, seeded, title

PULL_REQUEST_SHARE = 0.3
# One item per repository is discussed so much that its comments need a second page of 100.
BUSY_NUMBER = 2
BUSY_COMMENTS = 130
DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemContext:
    """All that the contents of a repository depend on."""

    seed: int
    repository: Repository
    people: tuple[Person, ...]
    milestones_count: int
    label_names: tuple[str, ...]
    start_s: int
    end_s: int
    project_key: str
    project_issues_count: int


def build_items(context: ItemContext) -> tuple[ForgeItem, ...]:
    """Return the items of a repository numbered from 1; times of creation never decrease."""
    count = context.repository.items_count
    random = seeded(context.seed, "items", context.repository.id)
    step_s = (context.end_s - context.start_s - DAY_S) / max(count, 1)
    return tuple(
        _item(context, random, number, context.start_s + int((number - random.random()) * step_s))
        for number in range(1, count + 1)
    )


def _item(context: ItemContext, random: Random, number: int, created_s: int) -> ForgeItem:
    is_pull = random.random() < PULL_REQUEST_SHARE and number != BUSY_NUMBER
    author = _author(context, random, bots=is_pull)
    updated_s = min(created_s + int(random.expovariate(1 / (20 * DAY_S))), context.end_s - 1)
    closed_s = None
    if random.random() < (0.8 if is_pull else 0.6):
        closed_s = created_s + int((updated_s - created_s) * random.uniform(0.5, 1.0))
    people = context.people[:-1]
    assignees = tuple({random.choice(people).login for _ in range(random.choice((0, 0, 1, 1, 1, 2)))})
    item_title = title(random)
    if is_pull and author != BOT_LOGIN:
        item_title = f"{context.project_key}-{random.randint(1, context.project_issues_count)}: {item_title}"
    milestone = random.randint(1, context.milestones_count) if random.random() < 0.4 else None
    mentions = tuple(person.login for person in random.sample(people, 2)) if random.random() < 0.1 else ()
    item_body = body(random)
    if mentions:
        item_body = f"{item_body or ''} cc {' '.join('@' + login for login in mentions)}".strip()
    return ForgeItem(
        id=2_300_000_000 + (context.repository.id - 700_000_000) * 1_000 + number,
        number=number,
        title=item_title,
        body=item_body,
        state="closed" if closed_s else "open",
        state_reason=_state_reason(random, is_pull=is_pull, is_closed=closed_s is not None),
        author=author,
        assignees=tuple(sorted(assignees, key=str.lower)),
        labels=_labels(context, random),
        milestone_number=milestone,
        comments_count=BUSY_COMMENTS if number == BUSY_NUMBER else random.choice((0, 0, 0, 1, 1, 2, 3, 5)),
        is_locked=random.random() < 0.02,
        mentions=mentions,
        created_s=created_s,
        updated_s=updated_s,
        closed_s=closed_s,
        pull_request=_pull_request(context, random, number, author, closed_s) if is_pull else None,
    )


def _author(context: ItemContext, random: Random, *, bots: bool) -> str | None:
    draw = random.random()
    if draw < 0.02:
        return None
    if bots and draw < 0.1:
        return BOT_LOGIN
    # A power law: few people write most of it, as everywhere.
    return context.people[min(int(random.expovariate(0.09)), len(context.people) - 2)].login


def _state_reason(random: Random, *, is_pull: bool, is_closed: bool) -> str | None:
    if is_pull:
        return None
    if is_closed:
        return random.choice(("completed", "completed", "completed", "not_planned", "duplicate"))
    return "reopened" if random.random() < 0.04 else None


def _labels(context: ItemContext, random: Random) -> tuple[str, ...]:
    team = context.repository.team
    if random.random() < 0.1:
        team = random.choice(("web", "api", "data", "mobile"))
    team_label = next(name for name in context.label_names if name.lower() == f"team:{team}")
    plain = [name for name in context.label_names if not name.lower().startswith("team:")]
    return (*random.sample(plain, random.choice((0, 0, 1, 1, 2))), team_label)


def _pull_request(
    context: ItemContext, random: Random, number: int, author: str | None, closed_s: int | None
) -> PullRequest:
    is_merged = closed_s is not None and random.random() < 0.85
    place = (context.seed, context.repository.id, number)
    small = int(random.expovariate(1 / 60))
    return PullRequest(
        # A tenth of the work comes from forks.
        head_owner=author if author and random.random() < 0.1 else context.repository.owner,
        head_ref=f"{context.project_key.lower()}/change-{number}",
        head_sha=hex_digest("head", *place),
        base_ref="main" if random.random() < 0.9 else "release",
        base_sha=hex_digest("base", *place),
        is_draft=closed_s is None and random.random() < 0.2,
        merged_s=closed_s if is_merged else None,
        merge_commit_sha=hex_digest("merge", *place) if is_merged else None,
        merged_by=random.choice(context.people[:-1]).login if is_merged else None,
        additions=small + 1,
        deletions=small // 2,
        changed_files=1 + small // 25,
        commits=1 + small // 40,
        is_mergeable=None if closed_s is not None else random.random() < 0.9,
    )


def build_comments(context: ItemContext, items: Sequence[ForgeItem]) -> tuple[ForgeComment, ...]:
    """Return the comments on the given items, numbered in order of creation."""
    random = seeded(context.seed, "comments", context.repository.id)
    drafts = []
    for item in items:
        span_s = item.updated_s - item.created_s
        for _ in range(item.comments_count):
            created_s = item.created_s + int(span_s * random.random())
            edited = random.random() < 0.2
            updated_s = created_s + int((item.updated_s - created_s) * random.random()) if edited else created_s
            drafts.append((created_s, item.number, updated_s, _author(context, random, bots=False), remark(random)))
    drafts.sort(key=lambda draft: draft[:3])
    base = 1_900_000_000 + (context.repository.id - 700_000_000) * 10_000
    return tuple(
        ForgeComment(
            id=base + index,
            item_number=number,
            author=author,
            body=text,
            created_s=created_s,
            updated_s=updated_s,
        )
        for index, (created_s, number, updated_s, author, text) in enumerate(drafts, start=1)
    )
