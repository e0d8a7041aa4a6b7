"""A query plan: for every API table, which requests will be made and what they are asked. Frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from connectors.sdk.scan import Disjunction, Predicate, Scan
from connectors.sdk.table import AccessPath, Grade, Table
from omnisql_server.model.mask import Mask
from omnisql_server.model.query import AuthorizedQuery, BoundQuery, OwnerRead
from omnisql_server.model.relation import Relation
from omnisql_server.model.row_filter import RowFilter
from omnisql_server.model.statistics import Statistic


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What goes to the API, and how faithfully the API evaluates it. `policy` names who asked for it.

    The grade of a disjunction is the lowest of its parts'.
    """

    predicate: Predicate | Disjunction
    grade: Grade
    policy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotPushed:
    """A condition that stays here: its SQL (literals included, as the user wrote them) and the reason.

    `rewrite` is what could be written instead, and what that would save. `costs` is False where sending it would save
    nothing.
    """

    condition: str
    reason: str
    rewrite: str = ""
    costs: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DeferredKey:
    """A key column whose values are those of another scan's attribute, known once that scan was read.

    With an `expression` they are what it gives for each row; `attribute` is its text then.
    """

    column: str
    scan_name: str
    attribute: str
    relation_name: str
    expression: exp.Expr | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanPlan:
    """How one occurrence of an API table is read.

    `columns` are the API columns fetched. `scans` are the combinations of keys to read, none when `empty` says that no
    row can match; they lack the `deferred` keys, which other scans give once they are read. Calls are API requests: at
    least, expected, and at most (None: unknown until it has run). With `hydrates_late`, columns that cost a call for
    each row are fetched for those rows alone that policy shows and that meet the conditions of `survival`; these name
    the API's columns. Columns that are `awaited` are fetched once all scans were read without them, for the rows that a
    `Reduction` names. Those that are `unused` are not fetched: the statement names them, but they change nothing.
    """

    scan_name: str
    relation: Relation
    table: Table
    path: AccessPath
    columns: tuple[str, ...]
    scans: tuple[Scan, ...]
    pushed: tuple[Pushed, ...] = ()
    not_pushed: tuple[NotPushed, ...] = ()
    filters: tuple[RowFilter, ...] = ()
    masks: Mapping[str, Mask] = field(default_factory=dict)
    limit: int | None = None
    limit_reason: str = ""
    empty: str | None = None
    deferred: tuple[DeferredKey, ...] = ()
    calls_min: int = 1
    calls_expected: int = 1
    calls_max: int | None = None
    calls_guessed: int = 0
    rows_expected: float = 0.0
    calls_per_row: float = 0
    statistic: Statistic | None = None
    survival: tuple[exp.Expr, ...] = ()
    hydrates_late: bool = False
    awaited: tuple[str, ...] = ()
    awaited_rows_max: int | None = None
    unused: tuple[str, ...] = ()
    otherwise: ScanPlan | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerScan:
    """How a local relation is read as the owner of a view: `predicates` hold for every row that can matter."""

    read: OwnerRead
    predicates: tuple[Predicate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanNotes:
    """What is known of a scan at the moment beside its plan: what earlier fetches answer, what limits have left."""

    cache: str | None = None
    quota: tuple[str, ...] = ()


NO_NOTES = ScanNotes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Streaming:
    """The answer is that to each page of some `scans`, one after the other, up to `rows_max` rows (None: all).

    All other scans are read before; while one of the `scans` gives its pages, those beside it have no rows. `in_turn`
    says that a page is asked for only once the rows of the page before were not enough. With `skipped` rows before
    those `rows_max` there is one scan, and the answer is that to all of its pages until there is one of `rows_max`.
    """

    scans: tuple[str, ...]
    rows_max: int | None = None
    skipped: int = 0
    in_turn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduction:
    """A smaller query made of a statement, which names the rows of a scan without which its answer would be another.

    Its only output is `ROW_NUMBER` of that scan. It uses none of the columns that are awaited. With `rows_max` it gives
    the first rows of an order, as many at most unless some are equal in it.
    """

    scan_name: str
    query: BoundQuery
    rows_max: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryPlan:
    """An authorized query and the reading of every API table in it, by scan name.

    `streaming` is how its rows may go out before all are read, None where they may not.
    """

    authorized: AuthorizedQuery
    scans: tuple[ScanPlan, ...]
    streaming: Streaming | None = None
    reductions: tuple[Reduction, ...] = ()
    owner_scans: tuple[OwnerScan, ...] = ()

    @property
    def calls_expected(self) -> int:
        """Return the expected number of API requests."""
        return sum(scan.calls_expected for scan in self.scans)
