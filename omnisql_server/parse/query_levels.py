"""The queries of a text in the order in which PostgreSQL checks what they read, while they are being found. Pure.

PostgreSQL checks a query's own relations first, then those of the EXISTS and IN conditions that it turns into joins,
then of its subqueries and views in FROM, in order, and last of what it plans apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from omnisql_server.model.scope import QueryLevel


@dataclass(slots=True, kw_only=True)
class Level:
    """One query: what it names itself, and what it reads through."""

    reads: list[int] = field(default_factory=list)
    early: list[Level] = field(default_factory=list)
    inside: list[int | Level | CommonTable] = field(default_factory=list)
    late: list[Level | CommonTable] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class CommonTable:
    """A WITH query; it stands in the place of its only use where PostgreSQL puts it there."""

    level: Level
    inlined: bool
    outputs: tuple[str | int, ...] | None = None
    uses: int = 0

    @property
    def stands_apart(self) -> bool:
        """Say whether it is planned by itself."""
        return not self.inlined or self.uses != 1


def freeze(level: Level) -> QueryLevel:
    """Give a level, complete with all below it, as a value."""
    inside = (*level.early, *_in_place(level.inside), *_apart(level.late))
    return QueryLevel(
        reads=tuple(level.reads), inside=tuple(item if isinstance(item, int) else freeze(item) for item in inside)
    )


def _in_place(items: Sequence[int | Level | CommonTable]) -> list[int | Level]:
    found: list[int | Level] = []
    for item in items:
        if not isinstance(item, CommonTable):
            found.append(item)
        elif not item.stands_apart:
            found.append(item.level)
    return found


def _apart(items: Sequence[Level | CommonTable]) -> list[Level]:
    return [
        item.level if isinstance(item, CommonTable) else item
        for item in items
        if not isinstance(item, CommonTable) or item.stands_apart
    ]
