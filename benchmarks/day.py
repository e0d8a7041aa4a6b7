"""A day of dashboard traffic, the same for the same seed: who looks at which dashboard when, and what each tile asks.

40 dashboards of 6 tiles, visited by Zipf's law (1.1) by 10 users in 3 policies and 2 credentials; every tile is asked
again each minute, and 3 of 10 statements narrow what their tile asks.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from connectors.sdk.grades import EXACT, SUPERSET
from connectors.sdk.scan import Direction, Operator, Predicate, Scan, SortKey
from connectors.sdk.table import AccessPath, Column, Table
from omnisql_server.model.plan import ScanPlan
from omnisql_server.model.relation import Attribute, Relation, RelationKind
from omnisql_server.model.row_filter import Comparison, FilterOperator, RowFilter
from omnisql_server.plan.domains import Wanted, reduce_conditions
from omnisql_server.plan.paths import choose_path

DASHBOARDS, TILES, USERS = 40, 6, 10
ZIPF = 1.1
REFRESH_S, VISIT_S = 60, 1800
NARROWING = 0.3
REPOSITORIES = tuple(f"r{number}" for number in range(12))
TEAMS, STATES, ASSIGNEES = ("x", "y", "z"), ("open", "open", "closed"), tuple(f"u{n}" for n in range(15))
POLICIES: tuple[tuple[str, ...] | None, ...] = (None, ("x",), ("x", "y"))

COLUMNS = {"id": "int8", "repo": "text", "state": "text", "team": "text", "assignee": "text", "points": "int8"}
TABLE = Table(
    name="items",
    description="",
    columns=tuple(Column(name=name, type_name=kind, path=name) for name, kind in COLUMNS.items()),
    primary_key=("id",),
    access_paths=(
        AccessPath(
            name="by_repository",
            request="GET /items",
            keys=("repo",),
            operators={
                "state": {Operator.EQ: EXACT},
                "team": {Operator.EQ: EXACT, Operator.IN: EXACT},
                "assignee": {Operator.EQ: EXACT},
                "points": dict.fromkeys((Operator.GT, Operator.GE), SUPERSET),
            },
            order={"id": frozenset(Direction)},
        ),
    ),
    revalidates=True,
)
RELATION = Relation(
    oid=1,
    schema="s",
    name="items",
    kind=RelationKind.API,
    owner="o",
    attributes=tuple(
        Attribute(number=number, name=name, type_oid=0, type_sql="", api_column=name)
        for number, name in enumerate(COLUMNS)
    ),
    server="hub",
    wrapper="own",
    api_table="items",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who asks: a credential at the source, and the teams whose rows policy shows."""

    number: int
    credential: str
    policy: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a statement asks: conditions, and how many of the newest rows, None for all."""

    conditions: tuple[Predicate, ...]
    limit: int | None = None

    def plan(self, policy: tuple[str, ...] | None) -> ScanPlan:
        """Plan it for a user as the planner does."""
        wanted = [Wanted(predicate=condition, sql="") for condition in self.conditions]
        if policy is not None:
            rule = Predicate(column="team", operator=Operator.IN, value=policy)
            wanted.append(Wanted(predicate=rule, sql="", policy="p"))
        chosen = choose_path(TABLE, "s.items", reduce_conditions(wanted), frozenset(COLUMNS), 50)
        is_exact = not chosen.not_pushed and all(pushed.grade == EXACT.grade for pushed in chosen.pushed)
        limit = self.limit if is_exact else None
        scans = tuple(
            Scan(
                table=TABLE.name,
                access_path=chosen.path.name,
                columns=tuple(COLUMNS),
                keys=keys,
                predicates=tuple(p.predicate for p in chosen.pushed if isinstance(p.predicate, Predicate)),
                order=(SortKey(column="id", direction=Direction.DESC),) if limit is not None else (),
                limit=limit,
            )
            for keys in chosen.keys
        )
        return ScanPlan(
            scan_name="s0",
            relation=RELATION,
            table=TABLE,
            path=chosen.path,
            columns=tuple(COLUMNS),
            scans=scans,
            empty=chosen.empty,
            pushed=chosen.pushed,
            filters=() if policy is None else (RowFilter(policy="p", condition=_of_teams(policy)),),
        )


def _of_teams(teams: tuple[str, ...]) -> Comparison:
    return Comparison(column="team", operator=FilterOperator.IN, value=teams)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """The six statements of a dashboard at one moment of the day, for one user."""

    at_s: int
    user: User
    questions: tuple[Question, ...]


def refreshes(seconds: int, seed: int = 1) -> Iterator[Refresh]:
    """Give the statements of a day's first seconds, in the order of time."""
    chance = random.Random(seed)
    dashboards = [[_tile(chance) for _ in range(TILES)] for _ in range(DASHBOARDS)]
    weights = [1 / (rank + 1) ** ZIPF for rank in range(DASHBOARDS)]
    users = [_user(number) for number in range(USERS)]
    phases = [chance.randrange(REFRESH_S) for _ in users]
    shown = [0] * USERS
    for at_s in range(seconds):
        for user, phase in zip(users, phases, strict=True):
            if (at_s - phase) % REFRESH_S:
                continue
            if at_s < REFRESH_S or chance.random() < REFRESH_S / VISIT_S:
                shown[user.number] = chance.choices(range(DASHBOARDS), weights)[0]
            tiles = dashboards[shown[user.number]]
            yield Refresh(at_s=at_s, user=user, questions=tuple(_narrowed(tile, chance) for tile in tiles))


def _user(number: int) -> User:
    return User(number=number, credential="main" if number < 7 else "other", policy=POLICIES[number % len(POLICIES)])


def _tile(chance: random.Random) -> Question:
    in_repository = _is("repo", chance.choice(REPOSITORIES))
    kind = chance.randrange(4)
    if kind == 0:
        return Question(conditions=(in_repository,))
    if kind == 1:
        return Question(conditions=(in_repository, _is("state", "open")))
    if kind == 2:
        return Question(conditions=(in_repository, _is("state", "open"), _is("team", "x")))
    return Question(conditions=(in_repository, _is("state", "open")), limit=20)


def _narrowed(tile: Question, chance: random.Random) -> Question:
    if chance.random() >= NARROWING:
        return tile
    more = chance.choice(
        (
            _is("assignee", chance.choice(ASSIGNEES)),
            Predicate(column="points", operator=Operator.GE, value=chance.randrange(8)),
            Predicate(column="assignee", operator=Operator.LIKE, value="u1%"),
        )
    )
    return replace(tile, conditions=(*tile.conditions, more))


def _is(column: str, value: str) -> Predicate:
    return Predicate(column=column, operator=Operator.EQ, value=value)
