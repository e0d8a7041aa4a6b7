"""A query on its way: parsed, bound, authorized. Frozen; trees are never changed, only copied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from sqlglot import exp

from omnisql_server.model.literals import TextLiteral
from omnisql_server.model.mask import Mask
from omnisql_server.model.meaning import Meaning
from omnisql_server.model.principal import Principal
from omnisql_server.model.relation import Relation
from omnisql_server.model.row_filter import RowFilter
from omnisql_server.model.scope import NO_SCOPES, QueryScopes
from omnisql_server.model.statement import RelationReference
from wire.backend import Field


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedQuery:
    """A query's text, the relations it names (byte positions in `text`), and its tree.

    `tree` is None with a `reason` when no tree of ours is known to mean the same as the text. It stands for
    `tree_text`, which is the whole text or, in a statement that writes, the query in it at byte `tree_position`.
    With a `shape`, the tree is that one's: it has marks where the text has its `literals`.
    `deferred_text` is a query that PostgreSQL does not rewrite before it executes the statement around it. With
    `written`, the tree is only what an UPDATE, DELETE or MERGE reads by, and says nothing of what it writes.
    """

    text: str
    references: tuple[RelationReference, ...]
    named_columns: frozenset[str]
    tree: exp.Expr | None
    reason: str = ""
    tree_text: str = ""
    tree_position: int = 0
    deferred_text: str = ""
    written: bool = False
    scopes: QueryScopes = NO_SCOPES
    locking: bool = False
    shape: ParsedQuery | None = None
    literals: tuple[TextLiteral, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the backend's settings were when the statement was bound.

    `catalog_first` says that PostgreSQL's own functions and operators are found before those of users, `plain_input`
    that backslashes in strings and `= NULL` mean what the standard says, `array_nulls` that NULL in an array is null.
    `max_staleness_us` is None where the foreign table or its server decides. `keeps` says that rows are kept although
    none that are kept are taken. `tells` names a setting of the user's under which PostgreSQL tells the values of
    parameters.
    """

    time_zone: str
    date_style: str
    interval_style: str
    extra_float_digits: int
    statement_timeout_ms: int
    engine: str
    on_source_error: str
    max_api_calls: int | None
    current_user: str
    catalog_first: bool = True
    plain_input: bool = True
    array_nulls: bool = True
    max_staleness_us: int | None = None
    stale_if_error_us: int = 0
    purpose: str = ""
    keeps: bool = False
    tells: str = ""

    @property
    def plain_output(self) -> bool:
        """Say whether values are shown in the forms that this server's own encoder produces."""
        return self.date_style.startswith("ISO") and self.interval_style == "postgres" and self.extra_float_digits >= 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A privilege that the statement needs: `role` may SELECT these attributes (empty: any one) of a relation.

    `view` names a view of another owner below which the relation is local: if the session's user has the same right,
    it is read as that user, else as the view's owner; otherwise it is empty.
    """

    role: str
    relation_oid: int
    attributes: tuple[int, ...]
    view: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One place where a query reads an API table or local relation: `scan_name` is its unique name in the tree.

    `columns` are the names (as the catalog has them) that the query uses there, in the relation's order. `place` is
    where the text names it: its byte position, after those of the views it is reached through; None when it stands for
    every place that names the relation.
    """

    scan_name: str
    relation: Relation
    columns: tuple[str, ...]
    place: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerRead:
    """A local relation below a view that is read as the view's owner, `role`, because the session's user may not.

    `columns` are those that the statement uses there, in the relation's order. `only` leaves out tables that inherit.
    Places with equal keys share one reading.
    """

    view: str
    role: str
    relation: Relation
    columns: tuple[str, ...]
    only: bool = False

    @property
    def key(self) -> tuple[str, int, tuple[str, ...], bool]:
        """Name the reading: what has the same key has the same rows."""
        return self.role, self.relation.oid, self.columns, self.only


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerReads:
    """What a statement reads as owners of views, by place, as `Occurrence.place` names it.

    `views` are the places of local views that are written out because the session's user may not read them.
    `reads_others` says that the session's backend reads other local relations in the same statement.
    """

    reads: Mapping[tuple[int, ...], OwnerRead] = field(default_factory=dict)
    views: frozenset[tuple[int, ...]] = frozenset()
    reads_others: bool = False

    @property
    def need_snapshot(self) -> bool:
        """Say whether the session's backend has to read by the very snapshot that the owners' backends read by."""
        return bool(self.reads) and self.reads_others


NO_OWNER_READS = OwnerReads()


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundQuery:
    """A query with every name resolved.

    The tree that it means is qualified: every column carries its source, every relation is an `Occurrence`, views are
    expanded, parameters are literals and stable expressions are folded; None when only PostgreSQL may execute the text.
    `relations` maps what the texts name to what PostgreSQL resolved it to, for the splice. `derived` keeps what stages
    derive from the tree alone; statements that share a tree share it. Queries of the same `origin` (by identity) mean
    the same if their parameters and settings are the same; None where that depends on the moment. `shields` says that
    it reads something with the rights of a view's owner: its user may see only what the view shows. `unvalued` is what
    it means without the values of its parameters, where a plan is wanted for any.
    """

    parsed: ParsedQuery
    meaning: Meaning | None
    reason: str
    occurrences: tuple[Occurrence, ...]
    relations: Mapping[tuple[str | None, str], Relation]
    views: Mapping[int, ParsedQuery]
    parameter_oids: tuple[int, ...]
    fields: tuple[Field, ...]
    settings: Settings
    catalog_sequence: int
    returns_rows: bool = True
    as_owners: OwnerReads = NO_OWNER_READS
    shields: bool = False
    derived: dict[str, object] = field(default_factory=dict, repr=False, compare=False)
    origin: object | None = field(default=None, repr=False, compare=False)
    unvalued: Meaning | None = field(default=None, repr=False, compare=False)

    @property
    def to_plan(self) -> BoundQuery:
        """Return the query without the values of its parameters, where a plan is wanted for any."""
        if self.unvalued is None:
            return self
        return replace(self, meaning=self.unvalued, unvalued=None, derived={}, origin=None)

    @property
    def tree(self) -> exp.Expr | None:
        """Return the tree, made when it is first asked for."""
        return self.meaning.tree if self.meaning is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizedQuery:
    """A bound query that its principal may run, with what policy adds. Only the policy stage makes one.

    `filters` and `masks` are by scan name, in API column names; all filters of a scan must hold. `revision` names the
    rules that were followed.
    """

    query: BoundQuery
    principal: Principal
    filters: Mapping[str, tuple[RowFilter, ...]] = field(default_factory=dict)
    masks: Mapping[str, Mapping[str, Mask]] = field(default_factory=dict)
    revision: str = ""


_Derived = TypeVar("_Derived")
DERIVED_MAX = 64
"""Derived values kept for one tree: a few of each kind, for principals and settings that differ."""


def derive(query: BoundQuery, kind: type[_Derived], make: Callable[[], _Derived], name: str) -> _Derived:
    """Return what `make` derives from a query's tree, derived once for all statements that share the tree."""
    known = query.derived.get(name)
    if not isinstance(known, kind):
        if len(query.derived) >= DERIVED_MAX:
            query.derived.clear()
        known = query.derived[name] = make()
    return known
