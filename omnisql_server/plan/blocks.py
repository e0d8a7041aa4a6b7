"""One SELECT of a tree, less what needs columns that are not there yet: which rows of one of its sources matter. Pure.

What is left gives at least the rows of the source that can change what the SELECT gives. A condition that is left out
leaves more of them, as long as it does not stand behind an outer join or a negation: such a source is left out whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from omnisql_server.plan.conditions import flattened, is_flat
from omnisql_server.plan.taint import Taint


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A SELECT seen from one of its sources, `alias`.

    `joins` and `where` are what is left of it. `exact` says that nothing is missing that could drop a row, `preserved`
    that no outer join puts nulls in the place of the source's rows. The sources `without` are left out.
    """

    scope: Scope
    select: exp.Select
    alias: str
    joins: tuple[exp.Join, ...]
    where: tuple[exp.Expr, ...]
    exact: bool
    preserved: bool
    without: frozenset[str]


def block_of(scope: Scope, alias: str, taint: Taint, keeps: Callable[[exp.Expr], bool]) -> Block | None:
    """Return what is left of a SELECT, None where its form is not one that is understood.

    A condition stays that `keeps` lets stay.
    """
    select = scope.expression
    if not isinstance(select, exp.Select) or not _is_understood(select):
        return None
    names = [name for name, _ in _items(select)]
    outer = {id(column) for column in scope.external_columns}

    def is_left(condition: exp.Expr, missing: set[str]) -> bool:
        named = {column.table for column in condition.find_all(exp.Column)}
        correlated = any(id(column) in outer for column in condition.find_all(exp.Column))
        return not (correlated or named & missing or taint.touches(condition)) and keeps(condition)

    joins: list[exp.Join] = []
    without: set[str] = set()
    supplied: set[str] = set()
    exact, preserved = True, True
    if taint.outputs(scope.selected_sources[names[0]][1]) is None and names[0] != alias:
        return None
    for join in select.args.get("joins") or ():
        name = join.this.alias_or_name
        conditions = list(flattened(join.args["on"])) if join.args.get("on") is not None else []
        left = [condition for condition in conditions if is_left(condition, without)]
        is_impure = name != alias and taint.outputs(scope.selected_sources[name][1]) is None
        if join.side == "LEFT" and name != alias:
            supplied.add(name)
            if is_impure or len(left) < len(conditions):
                without.add(name)
            else:
                joins.append(_joined(join, left, "LEFT"))
            continue
        if is_impure:
            return None
        joins.append(_joined(join, left, ""))
        exact = exact and len(left) == len(conditions)
        if join.side == "LEFT":
            # What comes after can but drop rows; a row that it drops must not be replaced by nulls before.
            preserved, exact = False, False
            without |= supplied | set(names[names.index(name) :])
            break
    where = select.args.get("where")
    wanted = list(flattened(where.this)) if where is not None else []
    kept = tuple(condition for condition in wanted if is_left(condition, without))
    return Block(
        scope=scope,
        select=select,
        alias=alias,
        joins=tuple(joins),
        where=kept,
        exact=exact and len(kept) == len(wanted),
        preserved=preserved,
        without=frozenset(without),
    )


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
