"""Conditions that were evaluated here instead of by an API, and how many calls the scans under them took.

Kept for one tenant in bounded memory, by table and condition without any literal; gone when the server ends.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime

from omnisql_server.model.plan import NotPushed, ScanPlan
from omnisql_server.model.report import SourceReport

MISSES_MAX = 1_000
"""Different conditions of one tenant; beyond it the ones seen longest ago are forgotten."""
TEXT_MAX = 500

# What sqlglot writes: names in quotes, behind their relation's alias, and strings and numbers.
_LITERAL = re.compile(r"""("(?:[^"]|"")*")(\.(?="))?|'(?:[^']|'')*'|\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """One condition over one foreign table: statements with it, their calls to the source, and rows that came back."""

    relation_oid: int
    condition: str
    reason: str
    rewrite: str
    statements: int
    calls: int
    rows_fetched: int
    seen_at: datetime


class PushdownMisses:
    """What the conditions of one tenant's statements cost."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str], Miss] = {}

    def record(self, plan: ScanPlan, report: SourceReport) -> None:
        """Take in a finished scan; one that took no call is passed over."""
        if not report.requests:
            return
        for entry in plan.not_pushed:
            if entry.costs:
                self._add(plan, entry, report)
        while len(self._known) > MISSES_MAX:
            del self._known[next(iter(self._known))]

    def rows(self) -> tuple[Miss, ...]:
        """Return all that is known, the condition seen last at the end."""
        return tuple(self._known.values())

    def _add(self, plan: ScanPlan, entry: NotPushed, report: SourceReport) -> None:
        condition = without_literals(entry.condition)
        key = (plan.relation.oid, condition)
        # Taken out and put in again, so that the first ones are those that were seen longest ago.
        before = self._known.pop(key, None)
        now = Miss(
            relation_oid=plan.relation.oid,
            condition=condition,
            reason=entry.reason,
            rewrite=without_literals(entry.rewrite).rpartition(": ")[0],
            statements=1,
            calls=report.requests,
            rows_fetched=report.rows_fetched,
            seen_at=report.fetched_at,
        )
        if before is not None:
            now = replace(
                now,
                statements=before.statements + 1,
                calls=before.calls + now.calls,
                rows_fetched=before.rows_fetched + now.rows_fetched,
                rewrite=now.rewrite or before.rewrite,
            )
        self._known[key] = now


def without_literals(sql: str) -> str:
    """Write a condition with `?` in the place of every literal, and without the aliases of relations."""
    text = _LITERAL.sub(lambda found: "" if found[2] else found[1] or "?", sql)
    if "'" in text:
        # A string in a spelling that is not understood here.
        return "a condition that cannot be shown without its literals"
    # A parameter is a literal with its type.
    text = re.sub(r"CAST\(\? AS [A-Z0-9 ]+\)", "?", text)
    # Lists of any length are one condition.
    text = re.sub(r"\?(?:, \?)+", "?, ..", text)
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 2] + ".."
