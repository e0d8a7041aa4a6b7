"""API tables as data: columns, what may be pushed and how faithfully, and the ways a table can be read.

Everything here is declared once by a connector and read by the planner; nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from catalog.types import BY_SQL_NAME, PgType
from connectors.sdk.complexity import Complexity
from connectors.sdk.errors import ManifestInvalid
from connectors.sdk.scan import Direction, Operator, Value


class Grade(StrEnum):
    """How faithfully an API evaluates a pushed predicate.

    `EXACT`: it returns the rows PostgreSQL would; `SUPERSET`: those and perhaps more, so that the predicate must be
    evaluated again; `NONE`: it cannot be pushed.
    """

    EXACT = "exact"
    SUPERSET = "superset"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushdown:
    """What an access path does with one operator on one column.

    `values` closes the set of literals that the API knows: any other literal makes an equality match no row, without a
    call. `accepts` may lower the grade for one literal (a LIKE pattern, say); it must be pure. `needs` names columns
    whose equality must be pushed with it for the API to accept it. `shares` names the parameter that it shares with
    other columns: conditions on one of them are sent, the first in the order of the path's `operators`.
    """

    grade: Grade
    values: frozenset[str] | None = None
    accepts: Callable[[Value], Grade] | None = None
    needs: tuple[str, ...] = ()
    shares: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of an API table.

    `type_name` is a key of `catalog.types.BY_SQL_NAME`. `hydrate` names the extra call per row that fills it, None when
    the listing itself does. `path` locates the value in a decoded row of the API (see `connectors.sdk.decode`).
    """

    name: str
    type_name: str
    path: str
    description: str = ""
    hydrate: str | None = None
    nullable: bool = True

    @property
    def type(self) -> PgType:
        """Return the column's PostgreSQL type."""
        return BY_SQL_NAME[self.type_name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """How a path is asked for what has changed: by a lower bound on `column`, the source's own time of last change.

    The bound alone must be a request that the path takes. `overlap_s` is how much earlier than the source's own clock
    is asked, because its index may lag behind it. `keeps` names columns that rows hardly ever change, conditions on
    which are sent with the bound; others are not, because a row that does not meet them any more has to be told.
    `is_complete` says that every change of a row moves its time, and that no row is ever deleted, moved or hidden:
    without it, all is read again now and then.
    """

    column: str
    overlap_s: float = 60.0
    keeps: tuple[str, ...] = ()
    is_complete: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Disjunctions:
    """What an access path takes of OR between columns: branches joined by OR, each of predicates joined by AND.

    `columns` are those that may be compared below OR, by what their `operators` say. With `alone` a request is a single
    disjunction, whose every branch repeats what is asked for beside it: predicates and keys count in each branch then.
    `branches_max`, `branch_predicates_max` and `predicates_max`, of all branches together, are the source's own
    bounds, None where it has none.
    """

    columns: frozenset[str]
    alone: bool = False
    branches_max: int | None = None
    branch_predicates_max: int | None = None
    predicates_max: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPath:
    """One way to read a table.

    `keys` are columns that each need one equality value (`owner`, `repo`); a list of values is read by one scan per
    combination. `operators` maps a column to what can be pushed on it, `disjunctions` says what of that below OR, None
    for nothing. `order` maps a column to the directions in which the API sorts exactly as PostgreSQL does, null
    placement included, up to `order_keys_max` keys at once. `page_rows_max` is the largest page; where nothing but
    `bare_columns` is wanted it is `bare_page_rows_max`.
    `batch` names the one key column whose values may be sent many at a time, `batch_keys_max` how many. `single` says
    that a combination of keys, each value of a batched one, matches one row at most. `parallel` says that pages after
    the first can be read at once. `rows_max` is the API's own cap on a result, None when it has none: a path with one
    must report truncation. `columns` are those it can fill, None for all that need no hydrate. `counts` says that one
    request tells how many rows there are of each kind (`connectors.sdk.counted`), whatever their number; what it counts
    must be exactly what a listing would give; it takes `count_requests`, and with `count_may_list` the rows are listed
    after all where the source does not tell. `delta` says how changes are asked for, None where they cannot be.
    `resumes` says that a listing that failed may be gone on with at its last cursor, because the source keeps it or it
    is a row's place in an order that rows keep.
    `needs` names columns a condition on each of which must be pushed: else the planner leaves the path to others.
    `requests_fixed` is how many requests a reading takes besides those for its pages, to make a job, say: that is for
    long readings. A request takes `cost` points at most of the rate limit `pays`, None for the table's,
    and of another one what its `complexity` says.
    `request` describes the request for people. `rows_expected` is the prior for the rows of one combination of keys,
    None for the table's.
    """

    name: str
    request: str
    keys: tuple[str, ...] = ()
    operators: Mapping[str, Mapping[Operator, Pushdown]] = field(default_factory=dict)
    disjunctions: Disjunctions | None = None
    order: Mapping[str, frozenset[Direction]] = field(default_factory=dict)
    order_keys_max: int = 1
    page_rows_max: int = 100
    bare_columns: frozenset[str] = frozenset()
    bare_page_rows_max: int = 100
    batch: str | None = None
    batch_keys_max: int = 1
    single: bool = False
    parallel: bool = False
    rows_max: int | None = None
    columns: frozenset[str] | None = None
    counts: bool = False
    count_requests: int = 1
    count_may_list: bool = False
    delta: Delta | None = None
    resumes: bool = False
    requests_fixed: int = 0
    needs: tuple[str, ...] = ()
    cost: int = 1
    pays: str | None = None
    complexity: Complexity | None = None
    rows_expected: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hydration:
    """The extra calls behind a `hydrate`: one is made of the `inputs`, columns of a listing, of `rows_max` rows.

    Each takes a point of the rate limit `pays`, None for the table's.
    """

    inputs: tuple[str, ...]
    rows_max: int = 1
    pays: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One API table: its columns, primary key and access paths, the preferred path first among equals.

    `rows_expected` is the planner's prior for the rows of one combination of keys when nothing is known yet.
    `size_request` describes the requests that tell how many rows there are (`connectors.sdk.sizes`), empty when none
    does. `revalidates` says that a validator of every answer changes whenever a row in it does, and that a 304 costs
    less than an answer: its connection is `connectors.sdk.confirm.Confirming`. `schema` is the one it is in at a source
    that has schemas, and `own_name` its name there; `name` is then made of both. With `misfits_are_null` a value that
    does not fit its column's type is null and counted (`connectors.sdk.misfits`); else it ends the reading. With
    `takes_statements` its source carries out statements whole (`connectors.sdk.whole`). `pays` is the source's rate
    limit that requests count against.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    access_paths: tuple[AccessPath, ...]
    rows_expected: int = 1000
    size_request: str = ""
    revalidates: bool = False
    schema: str | None = None
    own_name: str | None = None
    misfits_are_null: bool = False
    takes_statements: bool = False
    hydrations: Mapping[str, Hydration] = field(default_factory=dict)
    pays: str = "requests"

    @property
    def local_name(self) -> str:
        """Return the name that its foreign table gets."""
        return self.own_name or self.name

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        if len(set(names)) != len(names):
            raise ManifestInvalid(message=f"table {self.name} declares a column twice")
        for column in self.columns:
            if column.type_name not in BY_SQL_NAME:
                raise ManifestInvalid(message=f"column {self.name}.{column.name} has unknown type {column.type_name}")
        known = set(names)
        for name, hydration in self.hydrations.items():
            if unknown := set(hydration.inputs) - known:
                raise ManifestInvalid(message=f"hydrate {self.name}.{name} names unknown columns {sorted(unknown)}")
        for path in self.access_paths:
            delta = () if path.delta is None else (path.delta.column,)
            used = {*path.keys, *path.operators, *path.order, *(path.columns or ()), *delta, *path.needs}
            if unknown := used - known:
                raise ManifestInvalid(
                    message=f"access path {self.name}.{path.name} names unknown columns {sorted(unknown)}"
                )
            below_or = path.disjunctions.columns if path.disjunctions is not None else frozenset()
            if untaken := below_or - path.operators.keys():
                raise ManifestInvalid(
                    message=f"access path {self.name}.{path.name} takes nothing on {sorted(untaken)}, nor below OR"
                )

    def column(self, name: str) -> Column:
        """Return the column of that name.

        Raises:
            KeyError: the table has no such column.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)
