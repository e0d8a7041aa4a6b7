"""A query's tree with every relation named uniquely, views expanded and columns qualified. Pure, sqlglot to sqlglot.

Each place that reads an API table or a local table becomes a relation `scan_N`; its alias stays the user's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope
from sqlglot.schema import MappingSchema

from catalog.types import BY_OID
from omnisql_server.bind.flat_joins import flatten_first_joins
from omnisql_server.bind.postgres_types import POSTGRES_TYPES
from omnisql_server.bind.privileges import Reading
from omnisql_server.bind.resolve import Closure, Name
from omnisql_server.bind.row_sources import expand_row_sources
from omnisql_server.model.query import Occurrence, ParsedQuery
from omnisql_server.model.relation import Attribute, Relation, RelationKind


class NotQualified(Exception):
    """The tree cannot be resolved here; only PostgreSQL may execute the text. The message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualifiedTree:
    """A resolved tree and its occurrences in order."""

    tree: exp.Expr
    occurrences: tuple[Occurrence, ...]


@dataclass(slots=True)
class _Expansion:
    """State of one expansion: relations and their places by scan name."""

    closure: Closure
    scans: dict[str, Relation] = field(default_factory=dict)
    places: dict[str, tuple[int, ...]] = field(default_factory=dict)


def qualify_query(parsed: ParsedQuery, closure: Closure) -> QualifiedTree:
    """Expand and qualify a parsed query.

    Raises:
        NotQualified: the tree, or a view's, cannot be trusted or resolved.
    """
    expansion = _Expansion(closure=closure)
    tree = _expand(parsed, expansion, ())
    columns: dict[str, object] = {
        name: {attribute.name: _type_name(attribute) for attribute in relation.attributes}
        for name, relation in expansion.scans.items()
    }
    try:
        _name_scalar_subqueries(tree)
        schema = MappingSchema(columns, dialect="postgres", normalize=False)
        tree = qualify(tree, schema=schema, dialect="postgres", validate_qualify_columns=True, identify=True)
        _qualify_order(tree)
        tree = annotate_types(tree, schema=schema, dialect="postgres", expression_metadata=POSTGRES_TYPES)
    except (SqlglotError, RecursionError, ValueError, KeyError, AssertionError) as error:
        raise NotQualified(f"names could not be resolved outside PostgreSQL ({type(error).__name__})") from error
    _check_names(tree, expansion)
    used = _columns_used(tree)
    if parsed.written:
        # The tree is of what the statement reads; what it writes may need more.
        words = frozenset[str]().union(*(_words(query, closure) for query in (parsed, *closure.views.values())))
        for name, relation in expansion.scans.items():
            used.setdefault(name, set()).update(_named(relation, words))
    occurrences = tuple(
        Occurrence(
            scan_name=name,
            relation=relation,
            columns=tuple(a.name for a in relation.attributes if a.name in used[name]),
            place=expansion.places[name],
        )
        for name, relation in expansion.scans.items()
    )
    return QualifiedTree(tree=tree, occurrences=occurrences)


def typed_again(tree: exp.Expr, relations: Mapping[str, Relation]) -> exp.Expr:
    """Give every expression of a qualified tree its type, once some of its relations are others; changes the tree."""
    columns: dict[str, object] = {
        name: {attribute.name: _type_name(attribute) for attribute in relation.attributes}
        for name, relation in relations.items()
    }
    schema = MappingSchema(columns, dialect="postgres", normalize=False)
    return annotate_types(tree, schema=schema, dialect="postgres", expression_metadata=POSTGRES_TYPES)


def _type_name(attribute: Attribute) -> str:
    """Name a column's type for the planner's tree; a type that this server has no values of has none there."""
    known = BY_OID.get(attribute.type_oid)
    if known is None:
        return "unknown"
    return f"{known.element}[]" if known.element is not None else known.name


def _qualify_order(tree: exp.Expr) -> None:
    """Qualify the columns in ORDER BY and DISTINCT ON that sqlglot leaves alone because an output has their name.

    Alone, such a name is the output; in an expression it is an input column, which is known where the output is it.
    """
    for column in list(tree.find_all(exp.Column)):
        select = column.find_ancestor(exp.Query)
        if column.table or isinstance(column.parent, exp.Ordered) or not isinstance(select, exp.Select):
            continue
        output = next((p.unalias() for p in select.selects if p.alias_or_name == column.name), None)
        if isinstance(output, exp.Column) and output.table and output.name == column.name:
            column.set("table", output.args["table"].copy())


def _check_names(tree: exp.Expr, expansion: _Expansion) -> None:
    """Refuse a tree in which a name may mean something else than it does to PostgreSQL."""
    for node in tree.find_all(exp.TableColumn, exp.Column, exp.CTE):
        if isinstance(node, exp.TableColumn):
            raise NotQualified("a whole row is used as a value")
        if isinstance(node, exp.CTE) and node.alias.lower() in expansion.scans:
            raise NotQualified("a common table expression has a name that is reserved here")
        # An output column's name may stand alone in ORDER BY; in an expression there it means an input column.
        if isinstance(node, exp.Column) and not node.table and not isinstance(node.parent, exp.Ordered):
            raise NotQualified("a column whose relation is not known")
    known = {cte.alias for cte in tree.find_all(exp.CTE)}
    tables = [table.name for table in tree.find_all(exp.Table) if table.name not in known]
    if sorted(tables) != sorted(expansion.scans):
        raise NotQualified("a relation is read in a way that only PostgreSQL knows")


def _name_scalar_subqueries(tree: exp.Expr) -> None:
    """Give scalar subqueries among outputs an alias of the usual kind: sqlglot cannot sort by their own kind."""
    for select in tree.find_all(exp.Select):
        for place, output in enumerate(select.expressions):
            if isinstance(output, exp.Subquery):
                name = output.alias or f"scalar_{place}"
                inner = output.copy()
                inner.set("alias", None)
                output.replace(exp.Alias(this=inner, alias=exp.to_identifier(name, quoted=True)))


def _expand(parsed: ParsedQuery, expansion: _Expansion, place: tuple[int, ...]) -> exp.Expr:
    if parsed.tree is None:
        raise NotQualified(parsed.reason)
    tree = parsed.tree.copy()
    _check_shapes(tree)
    flatten_first_joins(tree)
    expand_row_sources(tree)
    _strip_schemas(tree, parsed)
    try:
        scopes = traverse_scope(tree)
        sources = [found for scope in scopes for found in scope.selected_sources.values()]
    except SqlglotError as error:
        raise NotQualified("relations that only their schemas tell apart") from error
    tables = [node for node, source in sources if isinstance(source, exp.Table) and isinstance(node, exp.Table)]
    for table in tables:
        if table.this is not None and not isinstance(table.this, exp.Identifier):
            continue
        _replace(table, expansion, (*place, _byte_position(table, parsed)))
    return tree


def _check_shapes(tree: exp.Expr) -> None:
    """Refuse what sqlglot reads as something else: a row's star as a value, and `->` between arguments as a lambda."""
    for star in tree.find_all(exp.Star):
        place = star.parent if isinstance(star.parent, exp.Column) else star
        if not isinstance(place.parent, exp.Select) and not (place is star and isinstance(star.parent, exp.Count)):
            raise NotQualified("a whole row is used as a value")
    if tree.find(exp.Lambda):
        raise NotQualified("an operator -> among the arguments of a function")


def _byte_position(table: exp.Table, parsed: ParsedQuery) -> int:
    identifier = table.args.get("catalog") or table.args.get("db") or table.this
    start = identifier.meta.get("start") if identifier is not None else None
    if start is None:
        raise NotQualified("a relation whose place in the text is unknown")
    return parsed.tree_position + len(parsed.tree_text[:start].encode())


def _replace(table: exp.Table, expansion: _Expansion, place: tuple[int, ...]) -> None:
    name: Name = (table.text("db") or None, table.name)
    relation = expansion.closure.by_name.get(name)
    if relation is None or table.args.get("only") or table.args.get("sample"):
        raise NotQualified(f"{table.name} is read in a way that only PostgreSQL knows")
    alias = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name, quoted=True))
    if alias.columns:
        raise NotQualified("an alias that renames the columns of a relation")
    if relation.kind is RelationKind.VIEW:
        definition = _expand(expansion.closure.views[relation.oid], expansion, place)
        replacement: exp.Expr = exp.Subquery(this=definition, alias=alias.copy())
    else:
        scan_name = f"scan_{len(expansion.scans)}"
        expansion.scans[scan_name] = relation
        expansion.places[scan_name] = place
        replacement = exp.Table(this=exp.to_identifier(scan_name, quoted=True), alias=alias.copy())
    for key in ("joins", "laterals", "pivots"):
        if table.args.get(key):
            replacement.set(key, table.args[key])
    table.replace(replacement)


def _strip_schemas(tree: exp.Expr, parsed: ParsedQuery) -> None:
    """Drop the schema from `schema.table.column`: the relation it names keeps its plain name as alias."""
    for column in tree.find_all(exp.Column):
        if column.args.get("catalog"):
            raise NotQualified("a column with a database name")
        if column.args.get("db"):
            if parsed.scopes.aliases.count(column.table) > 1:
                raise NotQualified("a column of a relation that only its schema tells apart")
            column.set("db", None)


def _columns_used(tree: exp.Expr) -> dict[str, set[str]]:
    used: dict[str, set[str]] = {}
    for scope in traverse_scope(tree):
        for alias, (_, source) in scope.selected_sources.items():
            if isinstance(source, exp.Table):
                columns = {column.name for column in _source_columns(scope, alias)}
                used.setdefault(source.name, set()).update(columns)
    return used


def _source_columns(scope: Scope, alias: str) -> list[exp.Column]:
    return [column for column in scope.columns if column.table == alias]


def coarse_occurrences(parsed: ParsedQuery, closure: Closure) -> tuple[Occurrence, ...]:
    """List what a query without a tree reads: one scan per relation, with every column that any of its texts names."""
    words = frozenset[str]().union(*(_words(query, closure) for query in (parsed, *closure.views.values())))
    relations = [relation for relation in closure.relations if relation.kind is not RelationKind.VIEW]
    return tuple(
        Occurrence(scan_name=f"scan_{index}", relation=relation, columns=_named(relation, words))
        for index, relation in enumerate(relations)
    )


def _words(query: ParsedQuery, closure: Closure) -> frozenset[str]:
    """Return the columns that a text names, with `*` where `row.name` is no column but a function of the whole row."""
    columns = {attribute.name for relation in closure.relations for attribute in relation.attributes}
    asked = {word.partition(".")[2] for word in query.named_columns if "." in word}
    return query.named_columns if asked <= columns else query.named_columns | {"*"}


def _named(relation: Relation, words: frozenset[str]) -> tuple[str, ...]:
    return tuple(a.name for a in relation.attributes if "*" in words or a.name in words)


def placed(occurrences: tuple[Occurrence, ...], parsed: ParsedQuery) -> tuple[Occurrence, ...]:
    """Move the places of occurrences from the shape of a text to the text."""
    if parsed.shape is None:
        return occurrences
    moved = moved_places(parsed)
    return tuple(
        replace(one, place=(moved[one.place[0]], *one.place[1:])) if one.place is not None else one
        for one in occurrences
    )


def placed_readings(readings: tuple[Reading, ...], parsed: ParsedQuery) -> tuple[Reading, ...]:
    """Move the places of readings from the shape of a text to the text."""
    if parsed.shape is None:
        return readings
    moved = moved_places(parsed)
    return tuple(replace(one, place=(moved[one.place[0]], *one.place[1:])) for one in readings)


def moved_places(parsed: ParsedQuery) -> dict[int, int]:
    """Return where relations stand in a text, by where they stand in its shape."""
    known = parsed.shape.references if parsed.shape is not None else parsed.references
    return {one.position: other.position for one, other in zip(known, parsed.references, strict=True)}
