"""One SELECT of a tree, less what needs columns that are not there yet: which rows of one of its sources matter. Pure.

What is left gives at least the rows of the source that can change what the SELECT gives. A condition that is left out
leaves more of them, as long as it does not stand behind an outer join or a negation: such a source is left out whole.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from omnisql_server.plan.conjuncts import flattened, is_flat
from omnisql_server.plan.taint import Taint


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A SELECT seen from one of its sources, `alias`.

    `joins` and `where` are what is left of it. `exact` says that nothing is missing that could drop a row, `preserved`
    that no outer join puts nulls in the place of the source's rows. The sources `without` are left out. `correlated`
    are conditions of WHERE that look at the query around it as well.
    """

    scope: Scope
    select: exp.Select
    alias: str
    joins: tuple[exp.Join, ...]
    where: tuple[exp.Expr, ...]
    exact: bool
    preserved: bool
    without: frozenset[str]
    correlated: tuple[exp.Expr, ...] = ()


def block_of(scope: Scope, alias: str, taint: Taint, keeps: Callable[[exp.Expr], bool]) -> Block | None:
    """Return what is left of a SELECT, None where its form is not one that is understood.

    A condition stays that `keeps` lets stay.
    """
    select = scope.expression
    if not isinstance(select, exp.Select) or not _is_understood(select):
        return None
    outer = frozenset(id(column) for column in scope.external_columns)
    telling = _Telling(taint=taint, keeps=keeps, outer=outer)
    found = _joins_left(scope, select, alias, telling)
    if found is None:
        return None
    where = select.args.get("where")
    wanted = list(flattened(where.this)) if where is not None else []
    kept = tuple(condition for condition in wanted if telling.is_left(condition, found.without))
    return Block(
        scope=scope,
        select=select,
        alias=alias,
        joins=found.joins,
        where=kept,
        exact=found.exact and len(kept) == len(wanted),
        preserved=found.preserved,
        without=found.without,
        correlated=tuple(one for one in wanted if telling.is_correlated(one) and telling.is_known(one, found.without)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Telling:
    """Which conditions stay; `outer` are the columns of the query around, by identity."""

    taint: Taint
    keeps: Callable[[exp.Expr], bool]
    outer: frozenset[int]

    def is_correlated(self, condition: exp.Expr) -> bool:
        return any(id(column) in self.outer for column in condition.find_all(exp.Column))

    def is_known(self, condition: exp.Expr, missing: AbstractSet[str]) -> bool:
        named = {column.table for column in condition.find_all(exp.Column)}
        return not (named & missing or self.taint.touches(condition)) and self.keeps(condition)

    def is_left(self, condition: exp.Expr, missing: AbstractSet[str]) -> bool:
        return not self.is_correlated(condition) and self.is_known(condition, missing)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Joins:
    """What is left of the joins of a SELECT; as in Block."""

    joins: tuple[exp.Join, ...]
    exact: bool
    preserved: bool
    without: frozenset[str]


def _joins_left(scope: Scope, select: exp.Select, alias: str, telling: _Telling) -> _Joins | None:
    names = [name for name, _ in _items(select)]

    def is_impure(name: str) -> bool:
        return name != alias and telling.taint.outputs(scope.selected_sources[name][1]) is None

    if is_impure(names[0]):
        return None
    joins: list[exp.Join] = []
    without: set[str] = set()
    supplied: set[str] = set()
    exact = True
    for join in select.args.get("joins") or ():
        name = join.this.alias_or_name
        conditions = list(flattened(join.args["on"])) if join.args.get("on") is not None else []
        left = [condition for condition in conditions if telling.is_left(condition, without)]
        if join.side == "LEFT" and name != alias:
            supplied.add(name)
            if is_impure(name) or len(left) < len(conditions):
                without.add(name)
            else:
                joins.append(_joined(join, left, "LEFT"))
            continue
        if is_impure(name):
            return None
        joins.append(_joined(join, left, ""))
        exact = exact and len(left) == len(conditions)
        if join.side == "LEFT":
            # What comes after can but drop rows; a row that it drops must not be replaced by nulls before.
            beyond = {*without, *supplied, *names[names.index(name) :]}
            return _Joins(joins=tuple(joins), exact=False, preserved=False, without=frozenset(beyond))
    return _Joins(joins=tuple(joins), exact=exact, preserved=True, without=frozenset(without))


def first_name(select: exp.Expr) -> str | None:
    """Return the name of the first source of a SELECT, None where there is none."""
    clause = select.args.get("from_")
    return clause.this.alias_or_name if clause is not None else None


def names_left(block: Block) -> set[str]:
    """Return the names of the sources that are left of a SELECT."""
    return {_items(block.select)[0][0], *(join.this.alias_or_name for join in block.joins)}


def from_items(block: Block, item: exp.Expr | None) -> tuple[exp.From, list[exp.Join]]:
    """Return the FROM clause and joins that are left, with `item` in the place of the block's source if it is given."""

    def placed(found: exp.Expr) -> exp.Expr:
        return item.copy() if item is not None and found.alias_or_name == block.alias else found.copy()

    first = _items(block.select)[0][1]
    joins = []
    for join in block.joins:
        copied = join.copy()
        copied.set("this", placed(join.this))
        joins.append(copied)
    return exp.From(this=placed(first)), joins


_KINDS = ("", "INNER", "CROSS", "OUTER")


def _is_understood(select: exp.Select) -> bool:
    """Say whether a FROM clause has but tables and queries in a row, joined or left-joined on conditions."""
    joins = select.args.get("joins") or ()
    if select.args.get("laterals") or not is_flat(select):
        return False
    if any(not isinstance(item, exp.Table | exp.Subquery) for _, item in _items(select)):
        return False
    return all(
        join.side in ("", "LEFT") and join.kind in _KINDS and not join.method and not join.args.get("using")
        for join in joins
    )


def _items(select: exp.Select) -> list[tuple[str, exp.Expr]]:
    first = select.args.get("from_")
    items = [first.this] if first is not None else []
    return [(item.alias_or_name, item) for item in (*items, *(join.this for join in select.args.get("joins") or ()))]


def _joined(join: exp.Join, conditions: list[exp.Expr], side: str) -> exp.Join:
    """Join what a join joins, on some conditions."""
    made = exp.Join(this=join.this.copy())
    if conditions:
        made.set("on", _conjunction(conditions))
    elif side:
        made.set("on", exp.true())
    else:
        made.set("kind", "CROSS")
    if side:
        made.set("side", side)
    return made


def where_of(conditions: tuple[exp.Expr, ...]) -> exp.Where | None:
    """Return a WHERE clause, None without conditions."""
    return exp.Where(this=_conjunction(list(conditions))) if conditions else None


def _conjunction(conditions: list[exp.Expr]) -> exp.Expr:
    return exp.and_(*(exp.paren(one.copy(), copy=False) for one in conditions), copy=False)
