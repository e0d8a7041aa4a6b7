"""What conditions say of scans: for each scan, and of each conjunct."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from omnisql_server.plan.alternatives import Alternatives
from omnisql_server.plan.recognize import Condition
from omnisql_server.plan.rewrites import Advice


@dataclass(slots=True)
class ScanConditions:
    """What was found for one scan: conditions, and conjuncts that mention it and were not recognized.

    `alternatives` are those of an OR between columns. `advice` is by the SQL of what might be written in another way,
    `ruled_out` the one that none of the rows can meet.
    `local` are conjuncts over columns of the scan alone, each true for every row that can change the answer.
    Those `beyond` hold for what a LIMIT of the scan's own query has left: they do not stand in its way.
    """

    conditions: list[Condition] = field(default_factory=list)
    alternatives: list[Alternatives] = field(default_factory=list)
    residuals: list[tuple[str, str]] = field(default_factory=list)
    advice: dict[str, Advice] = field(default_factory=dict)
    beyond: list[tuple[str, str]] = field(default_factory=list)
    ruled_out: str | None = None
    local: list[exp.Expr] = field(default_factory=list)


@dataclass(slots=True)
class Said:
    """What one conjunct says: of sources of its scope, by name of scans that it reads, and `below` of other scopes."""

    conditions: list[Condition] = field(default_factory=list)
    alternatives: list[Alternatives] = field(default_factory=list)
    local: list[tuple[str, exp.Expr]] = field(default_factory=list)
    advice: list[tuple[str, Advice]] = field(default_factory=list)
    residuals: list[tuple[str, tuple[str, str]]] = field(default_factory=list)
    below: list[tuple[Scope, str, str]] = field(default_factory=list)
