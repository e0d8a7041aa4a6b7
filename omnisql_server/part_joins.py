"""What a FROM clause joins of one source, made one relation of it. Pure; the tree is changed.

Where all joins are inner, they may be taken in any order: tables of a source that conditions join are one part, with
those conditions. Else the first items are, up to the first of another source, with the conditions that they are joined
by; and with those in WHERE, if no later join may put nulls in their place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from omnisql_server.part_trees import Cutting, Reach, sources_of

_INNER = ("", "INNER", "CROSS")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """An item of a FROM clause: what it is, how it is joined (None: it is the first), and conditions of that."""

    alias: str
    source: exp.Expr
    join: exp.Join | None
    conditions: tuple[exp.Expr, ...]


def cut_joins(cutting: Cutting, select: exp.Select) -> None:
    """Put relations in the places of what a SELECT joins of one source."""
    items = _items(select)
    if len(items) < 2 or select.args.get("laterals"):
        return
    queries = select.args.get("with_")
    select.set("with_", None)
    try:
        if all(item.join is None or _is_inner(item.join) for item in items):
            _cut_inner(cutting, select)
        else:
            _cut_first(cutting, select, items)
    finally:
        if queries is not None:
            select.set("with_", queries)


def _items(select: exp.Select) -> list[_Item]:
    """Return the items of a FROM clause, none where one has another form than a table's or a query's."""
    first = select.args.get("from_")
    joins: list[exp.Join] = select.args.get("joins") or []
    sources = [(None, first.this), *((join, join.this) for join in joins)] if first is not None else []
    plain = all(isinstance(source, exp.Table | exp.Subquery) and _is_plain(source) for _, source in sources)
    if not plain or any(join.args.get("using") or join.method for join in joins):
        return []
    return [
        _Item(alias=source.alias_or_name, source=source, join=join, conditions=tuple(_conjuncts(join)))
        for join, source in sources
    ]


def _is_plain(source: exp.Expr) -> bool:
    alias = source.args.get("alias")
    if isinstance(source, exp.Subquery) and not isinstance(source.this, exp.Select | exp.SetOperation):
        return False
    return not source.args.get("joins") and not (alias is not None and alias.args.get("columns"))


def _is_inner(join: exp.Join) -> bool:
    return not join.side and join.kind in _INNER


def _conjuncts(node: exp.Join | exp.Where | None) -> Iterator[exp.Expr]:
    condition = None if node is None else node.args.get("on") if isinstance(node, exp.Join) else node.this
    if condition is not None:
        yield from condition.flatten() if isinstance(condition, exp.And) else (condition,)


def _cut_inner(cutting: Cutting, select: exp.Select) -> None:
    """Cut one group of items after the other; each cut makes the SELECT anew."""
    tried: set[frozenset[str]] = set()
    while (found := _next_group(cutting, select, tried)) is not None:
        _cut(cutting, select, *found)


def _next_group(
    cutting: Cutting, select: exp.Select, tried: set[frozenset[str]]
) -> tuple[list[_Item], list[exp.Expr]] | None:
    """Return items of one source that conditions join, and the conditions on them alone."""
    items = _items(select)
    for aliases in _sources(cutting, items):
        own = [item for item in items if item.alias in aliases]
        conditions = _own(cutting, select, own)
        for group in _joined(aliases, conditions):
            chosen = [item for item in own if item.alias in group]
            query = cutting.query_of(chosen[0].source)
            own_conditions = [each for each in conditions if _named(each, group) is not None]
            if group not in tried and (query is not None or len(chosen) > 1):
                tried.add(group)
                if _gathers(cutting, _select(chosen, own_conditions, ())):
                    return chosen, own_conditions
    return None


def _gathers(cutting: Cutting, joined: exp.Select) -> bool:
    reach = cutting.reach([joined])
    return reach is not None and cutting.gathers(cutting.with_queries(joined, reach))


def _sources(cutting: Cutting, items: Iterable[_Item]) -> list[frozenset[str]]:
    """Return the aliases of items by the source of each that has one."""
    groups: dict[str, set[str]] = {}
    for item in items:
        reach = cutting.reach([item.source])
        if reach is not None and cutting.may_move(item.source):
            groups.setdefault(cutting.servers[reach.scan_names[0]], set()).add(item.alias)
    return [frozenset(group) for group in groups.values()]


def _joined(aliases: frozenset[str], conditions: Iterable[exp.Expr]) -> list[frozenset[str]]:
    """Divide items into those that conditions join, directly or by way of others."""
    groups = [frozenset({alias}) for alias in sorted(aliases)]
    for condition in conditions:
        named = _named(condition, aliases) or frozenset()
        met = [group for group in groups if group & named]
        if len(met) > 1:
            groups = [*(group for group in groups if group not in met), frozenset[str]().union(*met)]
    return groups


def _named(condition: exp.Expr, aliases: frozenset[str]) -> frozenset[str] | None:
    """Return which items a condition is about, None where it is about others or none."""
    within = {each.alias_or_name for each in condition.find_all(exp.Table, exp.Subquery)}
    named = {column.table for column in condition.find_all(exp.Column)} - within
    return frozenset(named) if named and named <= aliases and not within & aliases else None


def _own(cutting: Cutting, select: exp.Select, items: Sequence[_Item]) -> list[exp.Expr]:
    """Return the conditions on some items alone that their source evaluates as they are meant."""
    aliases = frozenset(item.alias for item in items)
    where = [*_conjuncts(select.args.get("where"))]
    found = [*where, *(condition for item in _items(select) for condition in item.conditions)]
    return [each for each in found if _named(each, aliases) is not None and _is_sendable(cutting, items, each)]


def _is_sendable(cutting: Cutting, items: Sequence[_Item], condition: exp.Expr) -> bool:
    reach = cutting.reach([*(item.source for item in items), condition])
    if reach is None:
        return False
    columns = [column.copy() for column in condition.find_all(exp.Column) if column.table in {i.alias for i in items}]
    tried = _select(items, [condition], [exp.alias_(column, f"c{n}", quoted=True) for n, column in enumerate(columns)])
    return cutting.sendable(cutting.with_queries(tried, reach), reach.scan_names)


def _select(items: Sequence[_Item], conditions: Sequence[exp.Expr], outputs: Sequence[exp.Expr]) -> exp.Select:
    """Join items by conditions in WHERE."""
    joins = [exp.Join(this=item.source.copy(), kind="CROSS") for item in items[1:]]
    return exp.Select(
        expressions=list(outputs),
        from_=exp.From(this=items[0].source.copy()),
        joins=joins or None,
        where=_where(conditions),
    )


def _where(conditions: Sequence[exp.Expr]) -> exp.Where | None:
    return exp.Where(this=_conjunction(conditions)) if conditions else None


def _conjunction(conditions: Sequence[exp.Expr]) -> exp.Expr:
    return exp.and_(*(exp.paren(each.copy(), copy=False) for each in conditions), copy=False)


def _cut(cutting: Cutting, select: exp.Select, items: Sequence[_Item], taken: Sequence[exp.Expr]) -> None:
    """Make inner items one relation, in front of all others."""
    reach = cutting.reach([*(item.source for item in items), *taken])
    if reach is None:
        return
    left = [item for item in _items(select) if not any(item.source is one.source for one in items)]
    gone = {id(each) for each in taken}
    conditions = [*_conjuncts(select.args.get("where")), *(each for item in items for each in item.conditions)]
    where = [each for each in conditions if id(each) not in gone]
    joins = [(item, [each for each in item.conditions if id(each) not in gone]) for item in left]
    rest = select.copy()
    rest.set("where", _where(where))
    rest.set("from_", None)
    rest.set("joins", [_inner_join(item, on) for item, on in joins])
    _cut_out(cutting, select, rest, items, _select(items, taken, ()), reach)


def _inner_join(item: _Item, conditions: Sequence[exp.Expr]) -> exp.Join:
    if not conditions:
        return exp.Join(this=item.source.copy(), kind="CROSS")
    return exp.Join(this=item.source.copy(), on=_conjunction(conditions))


def _cut_out(
    cutting: Cutting,
    select: exp.Select,
    rest: exp.Select,
    items: Sequence[_Item],
    joined: exp.Select,
    reach: Reach,
) -> None:
    """Have `rest` read a part instead of items, and `select` become that; `joined` is the part without its outputs."""
    aliases = frozenset(item.alias for item in items)
    used = list(_columns(rest, aliases, is_root=True))
    names = dict.fromkeys((column.table, column.name) for column in used)
    if not names:
        return
    known = {(column.table, column.name): column for column in used}
    joined.set("expressions", [exp.alias_(known[name].copy(), f"c{n}", quoted=True) for n, name in enumerate(names, 1)])
    part = cutting.made(joined, reach)
    if part is None:
        return
    columns: Mapping[tuple[str, str], exp.Column] = {
        name: part.column(output) for name, output in zip(names, part.outputs, strict=True)
    }
    for column in used:
        column.replace(columns[column.table, column.name].copy())
    rest.set("from_", exp.From(this=part.relation))
    for name in ("expressions", "from_", "joins", "where", "group", "having", "order", "distinct", "windows"):
        select.set(name, rest.args.get(name))
    cutting.parts.append(part)


def _columns(node: exp.Expr, aliases: frozenset[str], *, is_root: bool = False) -> Iterator[exp.Column]:
    """Yield the columns of some items in a SELECT, those that queries within it take from it included."""
    if isinstance(node, exp.Column):
        if node.table in aliases:
            yield node
        return
    if isinstance(node, exp.Select) and not is_root:
        aliases -= sources_of(node).keys()
    for child in node.iter_expressions():
        if is_root and isinstance(child, exp.Join):
            # A derived table sees nothing of what it is joined with.
            condition = child.args.get("on")
            if condition is not None:
                yield from _columns(condition, aliases)
        elif aliases and not (is_root and isinstance(child, exp.From)):
            yield from _columns(child, aliases)


def _cut_first(cutting: Cutting, select: exp.Select, items: Sequence[_Item]) -> None:
    """Make the first items one relation, as many as are of one source and joined by conditions of theirs."""
    count = 0
    for place in range(2, len(items) + 1):
        if not _is_first(cutting, items[:place]):
            break
        count = place
    if count < 2:
        return
    first, left = items[:count], items[count:]
    is_kept = all(item.join is not None and item.join.side in ("", "LEFT") for item in left)
    aliases = frozenset(item.alias for item in first)
    where = list(_conjuncts(select.args.get("where")))
    own = [each for each in where if is_kept and _named(each, aliases) is not None]
    taken = [each for each in own if _is_sendable(cutting, first, each)]
    reach = cutting.reach([*(item.source for item in first), *(i.join for i in first if i.join is not None), *taken])
    if reach is None:
        return
    joined = exp.Select(
        from_=exp.From(this=first[0].source.copy()),
        joins=[item.join.copy() for item in first if item.join is not None],
        where=_where(taken),
    )
    if not _gathers(cutting, joined):
        return
    gone = {id(each) for each in taken}
    rest = select.copy()
    rest.set("where", _where([each for each in where if id(each) not in gone]))
    rest.set("from_", None)
    rest.set("joins", [item.join.copy() for item in left if item.join is not None])
    _cut_out(cutting, select, rest, first, joined, reach)


def _is_first(cutting: Cutting, items: Sequence[_Item]) -> bool:
    aliases = frozenset(item.alias for item in items)
    own = all(
        item.conditions and all(_named(each, aliases) is not None for each in item.conditions)
        for item in items
        if item.join is not None
    )
    moving = all(cutting.may_move(item.source) for item in items)
    return own and moving and cutting.reach([item.join or item.source for item in items]) is not None
