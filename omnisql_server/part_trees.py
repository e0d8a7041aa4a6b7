"""The parts of a bound tree that read one source alone, cut out of it and replaced by relations. Pure.

A part is a query that stands in a place of its own (a derived table, a WITH query, a branch of a set operation, a
subquery of no other's columns), or tables and queries that a FROM clause joins (`part_joins`). The largest are taken:
what lies within one is no part of its own. Nothing is read twice: a WITH query goes with a part if nothing else names
it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import traverse_scope

from omnisql_server.execute.output_types import output_type

_TYPES = {
    exp.DType.BOOLEAN: "bool",
    exp.DType.SMALLINT: "int2",
    exp.DType.INT: "int4",
    exp.DType.BIGINT: "int8",
    exp.DType.INT128: "numeric",
    exp.DType.DECIMAL: "numeric",
    exp.DType.DOUBLE: "float8",
    exp.DType.TEXT: "text",
    exp.DType.VARCHAR: "text",
    exp.DType.DATE: "date",
    exp.DType.TIMESTAMP: "timestamp",
    exp.DType.TIMESTAMPTZ: "timestamptz",
    exp.DType.UUID: "uuid",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A column of a part: its name there, its type (a key of `catalog.types.BY_SQL_NAME`), what it is made of."""

    name: str
    type_name: str
    made_of: exp.Expr = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one source carries out: a query with the WITH queries it names, the scans that it reads, and its outputs.

    `wanted` are those of its outputs that the rest of the statement uses.
    """

    name: str
    tree: exp.Query
    scan_names: tuple[str, ...]
    outputs: tuple[Output, ...]
    wanted: tuple[str, ...]

    @property
    def relation(self) -> exp.Table:
        """Return the relation that stands for it."""
        name = exp.to_identifier(self.name, quoted=True)
        return exp.Table(this=name, alias=exp.TableAlias(this=name.copy()))

    def column(self, output: Output) -> exp.Column:
        """Return an output as a column of the relation."""
        column = exp.column(output.name, table=self.name, quoted=True)
        column.type = output.made_of.type
        return column


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What a piece of a tree reads: scans, by their names, and WITH queries from outside of it."""

    scan_names: tuple[str, ...]
    queries: tuple[str, ...]


Sendable = Callable[[exp.Query, Sequence[str]], bool]
"""Says whether a query over some scans means the same at their source."""


@dataclass(slots=True, kw_only=True)
class Cutting:
    """A tree that is being cut: `servers` are those of the scans that may be in parts.

    `unique` are columns that alone tell the rows of a scan apart.
    """

    tree: exp.Expr
    servers: Mapping[str, str]
    unique: frozenset[tuple[str, str]]
    sendable: Sendable
    parts: list[Part] = field(default_factory=list)
    queries: dict[str, exp.CTE] = field(init=False)
    named: Counter[str] = field(init=False)

    def __post_init__(self) -> None:
        self.queries = {cte.alias: cte for cte in self.tree.find_all(exp.CTE)}
        self.named = Counter(table.name for table in self.tree.find_all(exp.Table) if table.name in self.queries)

    @property
    def is_clear(self) -> bool:
        """Say whether every WITH query has a name of its own, and none is recursive."""
        plain = not any(each.args.get("recursive") for each in self.tree.find_all(exp.With))
        return plain and len(list(self.tree.find_all(exp.CTE))) == len(self.queries)

    def reach(self, nodes: Sequence[exp.Expr]) -> Reach | None:
        """Return what some nodes read, None where that is not of one source, or is named elsewhere as well."""
        scans: dict[str, None] = {}
        queries: dict[str, None] = {}
        waiting, seen = list(nodes), Counter[str]()
        inside = {cte.alias for node in nodes for cte in node.find_all(exp.CTE)}
        while waiting:
            for table in waiting.pop().find_all(exp.Table):
                name = table.name
                if name not in self.queries:
                    scans.setdefault(name)
                    continue
                seen[name] += 1
                if name not in inside and name not in queries:
                    queries.setdefault(name)
                    waiting.append(self.queries[name].this)
        servers = {self.servers.get(name) for name in scans}
        if len(servers) != 1 or None in servers:
            return None
        if any(self.named[name] != count for name, count in seen.items()):
            return None
        return Reach(scan_names=tuple(scans), queries=tuple(name for name in self.queries if name in queries))

    def with_queries(self, tree: exp.Query, reach: Reach) -> exp.Query:
        """Return a copy of a query with the WITH queries it names from outside, before its own."""
        whole = tree.copy()
        own = whole.args.get("with_")
        outside = [self.queries[name].copy() for name in reach.queries]
        if outside:
            whole.set("with_", exp.With(expressions=[*outside, *(own.expressions if own is not None else ())]))
        return whole

    def made(self, tree: exp.Query, reach: Reach, wanted: set[str] | None = None) -> Part | None:
        """Make a part of a query; None where it does not mean the same there.

        `wanted` are the outputs that are used, by the names that they have in the query; None: all.
        """
        whole = self.with_queries(tree, reach)
        outputs = outputs_of(whole)
        if outputs is None or not self.sendable(whole, reach.scan_names):
            return None
        names = [output.alias_or_name for output in whole.selects]
        named = zip(names, outputs, strict=True)
        used = tuple(output.name for name, output in named if wanted is None or name in wanted)
        return Part(
            name=f"part_{len(self.parts)}",
            tree=whole,
            scan_names=reach.scan_names,
            outputs=outputs,
            wanted=used or (outputs[0].name,),
        )

    def query_of(self, source: exp.Expr) -> exp.Query | None:
        """Return the query that an item of a FROM clause is or names, None where it is a table."""
        named = self.queries.get(source.name) if isinstance(source, exp.Table) else None
        found = source.this if isinstance(source, exp.Subquery) else named.this if named is not None else None
        return found if isinstance(found, exp.Query) else None

    def gathers(self, tree: exp.Query) -> bool:
        """Say whether a query makes fewer rows of many, or joins without making more of them."""
        if tree.find(exp.AggFunc, exp.Group, exp.Distinct, exp.Limit) is not None:
            return True
        joining = [each for each in tree.find_all(exp.Select) if each.args.get("joins")]
        return bool(joining) and not any(map(self._multiplies, joining))

    def _multiplies(self, select: exp.Select) -> bool:
        """Say whether a row of one item may be joined with many of another and the other way round."""
        sources = sources_of(select)
        found = set()
        for equality in select.find_all(exp.EQ):
            sides = (equality.this.unnest(), equality.expression.unnest())
            if all(isinstance(side, exp.Column) for side in sides) and sides[0].table != sides[1].table:
                found |= {side.table for side in sides if self._is_unique(sources.get(side.table), side.name)}
        return len(found) < len(sources) - 1

    def _is_unique(self, source: exp.Expr | None, name: str) -> bool:
        if isinstance(source, exp.Table) and source.name not in self.queries:
            return (source.name, name) in self.unique
        query = self.query_of(source) if source is not None else None
        if query is None:
            return False
        output = next((each.unalias() for each in query.selects if each.alias_or_name == name), None)
        return output is not None and groups_by(query, output)

    def may_move(self, source: exp.Expr) -> bool:
        """Say whether an item of a FROM clause may be part of something that is sent."""
        query, reach = self.query_of(source), self.reach([source])
        if reach is None or query is None:
            return reach is not None
        inner = self.reach([query])
        return inner is not None and not _is_correlated(query) and self.made(query, inner) is not None

    def cut_query(self, query: exp.Query) -> bool:
        """Put a relation in the place of a query of one source; say whether that was done."""
        # An EXISTS may have no outputs, an ARRAY has an order.
        reach = self.reach([query]) if not isinstance(query.parent, exp.Exists | exp.Array) else None
        if reach is None or _is_correlated(query) or not self.gathers(self.with_queries(query, reach)):
            return False
        part = self.made(query, reach, self._used(query))
        if part is None:
            return False
        names = [output.alias_or_name for output in query.selects]
        shown = [
            exp.alias_(part.column(output), name, quoted=True)
            for output, name in zip(part.outputs, names, strict=True)
            if output.name in part.wanted
        ]
        query.replace(exp.Select(expressions=shown, from_=exp.From(this=part.relation)))
        self.parts.append(part)
        return True

    def _used(self, query: exp.Query) -> set[str] | None:
        """Return the names of the outputs of a derived table or WITH query that are used; None: all may be."""
        around = query.parent
        if isinstance(around, exp.CTE):
            places: list[exp.Expr] = [each for each in self.tree.find_all(exp.Table) if each.name == around.alias]
        elif isinstance(around, exp.Subquery) and isinstance(around.parent, exp.From | exp.Join):
            places = [around]
        else:
            return None
        aliases = [place.args.get("alias") for place in (*places, around)]
        if any(alias is not None and alias.args.get("columns") for alias in aliases):
            return None
        used: set[str] = set()
        for place in places:
            select = place.find_ancestor(exp.Select)
            if select is None:
                return None
            used |= {column.name for column in select.find_all(exp.Column) if column.table == place.alias_or_name}
        return used


def sources_of(select: exp.Select) -> dict[str, exp.Expr]:
    """Return the items of a FROM clause by their aliases."""
    first = select.args.get("from_")
    joined = [join.this for join in select.args.get("joins") or ()]
    return {each.alias_or_name: each for each in ([first.this] if first is not None else []) + joined}


def outputs_of(tree: exp.Query) -> tuple[Output, ...] | None:
    """Return the outputs of a query, None where the type of one is not known."""
    outputs = []
    for number, each in enumerate(tree.selects, 1):
        made_of = each.unalias()
        kind = _TYPES.get(output_type(made_of) or exp.DType.UNKNOWN)
        # A string has no type of its own yet: it takes that of what it meets.
        if kind is None or isinstance(made_of, exp.Literal | exp.Null):
            return None
        outputs.append(Output(name=f"c{number}", type_name=kind, made_of=made_of))
    return tuple(outputs) or None


def inner_queries(node: exp.Expr) -> Iterator[exp.Query]:
    """Yield the queries within a node that are in no other query within it, its WITH queries left out."""
    for child in node.iter_expressions():
        if isinstance(child, exp.Select | exp.SetOperation):
            yield child
        elif not isinstance(child, exp.With):
            yield from inner_queries(child)


def column_behind(tree: exp.Query, made_of: exp.Expr) -> tuple[str, str] | None:
    """Return the scan and attribute whose values an output has, None where it is anything else."""
    if not isinstance(tree, exp.Select) or not isinstance(made_of, exp.Column):
        return None
    source = sources_of(tree).get(made_of.table)
    if isinstance(source, exp.Table):
        queries = tree.args.get("with_")
        named = next((q for q in (queries.expressions if queries else ()) if q.alias == source.name), None)
        if named is None:
            return source.name, made_of.name
        inner = named.this
    else:
        inner = source.this if isinstance(source, exp.Subquery) else None
    if not isinstance(inner, exp.Select) or inner.args.get("limit") is not None:
        return None
    output = next((each.unalias() for each in inner.selects if each.alias_or_name == made_of.name), None)
    return column_behind(inner, output) if output is not None else None


def groups_by(tree: exp.Query, made_of: exp.Expr) -> bool:
    """Say whether an output alone tells the rows of a query apart, which are groups by it."""
    group = tree.args.get("group")
    if group is not None:
        return list(group.expressions) == [made_of] and not any(group.args.get(k) for k in ("cube", "rollup"))
    sources = list(sources_of(tree).values()) if isinstance(tree, exp.Select) else []
    inner = sources[0].this if len(sources) == 1 and isinstance(sources[0], exp.Subquery) else None
    if not isinstance(inner, exp.Select) or not isinstance(made_of, exp.Column):
        return False
    output = next((each.unalias() for each in inner.selects if each.alias_or_name == made_of.name), None)
    return output is not None and groups_by(inner, output)


def _is_correlated(query: exp.Query) -> bool:
    """Say whether a query uses columns of the query around it."""
    try:
        scopes = traverse_scope(query.copy())
    except SqlglotError:
        return True
    return not scopes or bool(scopes[-1].external_columns)
