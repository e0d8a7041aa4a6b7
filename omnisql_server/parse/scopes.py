"""The scopes of one statement: which columns it names, and what they may belong to, as parse analysis has it. Pure.

Follows PostgreSQL 18's rules for FROM, LATERAL, JOIN, WITH, ORDER BY and GROUP BY (chapters 7.2 to 7.8). What is not
known to be harmless counts as a use: the outcome may ask for a privilege too much, never for one too few.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from omnisql_server.model.scope import ColumnUse, NaturalJoin, QueryScopes, Scope, Source
from omnisql_server.parse.messages import held, parse_tree
from omnisql_server.parse.output_names import output_name
from omnisql_server.parse.query_levels import CommonTable, Level, freeze

Outputs: TypeAlias = tuple[str | int, ...] | None
Tables: TypeAlias = Mapping[str, CommonTable]
_QUERIES = {"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"}
_OLD_AND_NEW = (Source(alias="old"), Source(alias="new"), Source(alias="excluded"))
_NO_COLUMN = ""
_PULLED_UP = {"EXISTS_SUBLINK", "ANY_SUBLINK"}


def read_scopes(text: str) -> QueryScopes:
    """Read the scopes of a grammatical statement."""
    statement = parse_tree(text).stmts[0].stmt
    walk, top = _Walk(), Level()
    walk.visit(statement, _Place(scopes=(), tables={}, level=top))
    return QueryScopes(top=freeze(top), uses=tuple(walk.uses), aliases=tuple(walk.aliases))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where an expression stands: what it sees, innermost first, and the query it belongs to.

    `joined` says that it is a condition of WHERE or ON that holds for every row, where PostgreSQL turns EXISTS and IN
    into joins.
    """

    scopes: tuple[Scope, ...]
    tables: Tables
    level: Level
    joined: bool = False

    def seeing(self, scope: Scope) -> _Place:
        return _Place(scopes=(scope, *self.scopes), tables=self.tables, level=self.level)

    def condition(self) -> _Place:
        return _Place(scopes=self.scopes, tables=self.tables, level=self.level, joined=True)


@dataclass(slots=True)
class _Walk:
    uses: list[ColumnUse | NaturalJoin] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)

    def visit(self, message: Any, place: _Place) -> None:
        """Visit an expression, or anything that holds some."""
        kind = message.DESCRIPTOR.name
        if kind in _QUERIES:
            inner = Level()
            place.level.late.append(inner)
            self.query(message, place, inner)
        elif kind == "ColumnRef":
            self.uses.append(_use(message, place.scopes))
        elif kind == "SubLink":
            self._sublink(message, place)
        else:
            conjunction = kind == "Node" or (kind == "BoolExpr" and _enum(message, "boolop") != "OR_EXPR")
            below = place if conjunction or not place.joined else _Place(
                scopes=place.scopes, tables=place.tables, level=place.level
            )  # fmt: skip
            for child in _children(message):
                self.visit(child, below)

    def query(self, message: Any, place: _Place, level: Level) -> Outputs:
        """Visit a query or a statement that writes; `place` is where it stands. Return the columns that it gives."""
        tables = self._common_tables(message, place, level)
        own = _Place(scopes=place.scopes, tables=tables, level=level)
        if message.DESCRIPTOR.name == "SelectStmt":
            return self._select(message, own)
        return self._write(message, own)

    def _select(self, select: Any, place: _Place) -> Outputs:
        if select.HasField("larg"):
            left, right = Level(), Level()
            place.level.inside += [left, right]
            outputs = self.query(select.larg, place, left)
            self.query(select.rarg, place, right)
            self._visit_all((select.limit_offset, select.limit_count), place)
            # Only names of outputs stand in ORDER BY here.
            return outputs
        scope = self._from(select.from_clause, place)
        inner = place.seeing(scope)
        self.visit(select.where_clause, inner.condition())
        outputs = self._targets(select.target_list, inner)
        names = {_output(node.res_target) for node in select.target_list} - {None}
        for node in (*select.sort_clause, *select.distinct_clause):
            self._sort(node, inner, names)
        aliases = {node.res_target.name for node in select.target_list} - {""}
        for node in select.group_clause:
            self._group(node, inner, aliases)
        rest = (select.having_clause, select.limit_offset, select.limit_count, *select.window_clause)
        self._visit_all((*rest, *select.values_lists), inner)
        if select.values_lists:
            return tuple(f"column{n}" for n in range(1, len(select.values_lists[0].list.items) + 1))
        return outputs

    def _write(self, message: Any, place: _Place) -> Outputs:
        """INSERT, UPDATE, DELETE or MERGE: what they write to is in scope, and PostgreSQL's own to check."""
        kind, level = message.DESCRIPTOR.name, place.level
        target = _relation_source(message.relation)
        self.aliases.append(target.alias)
        froms = {"UpdateStmt": "from_clause", "DeleteStmt": "using_clause"}
        if kind == "InsertStmt":
            scope: Scope = ()
            if message.HasField("select_stmt"):
                inner = Level()
                level.inside.append(inner)
                self.query(message.select_stmt.select_stmt, place, inner)
        elif kind == "MergeStmt":
            scope = self._from((message.source_relation,), place)
        else:
            scope = self._from(getattr(message, froms[kind]), place)
        inner_place = place.seeing((target, *scope, *_OLD_AND_NEW))
        done = {"relation", "select_stmt", "source_relation", "with_clause", *froms.values()}
        for descriptor, value in message.ListFields():
            if descriptor.message_type is not None and descriptor.name not in done:
                place_of = inner_place.condition() if descriptor.name == "where_clause" else inner_place
                self._visit_all(value if descriptor.is_repeated else (value,), place_of)
        return None

    def _common_tables(self, message: Any, place: _Place, level: Level) -> Tables:
        if not message.HasField("with_clause"):
            return place.tables
        clause, tables = message.with_clause, dict(place.tables)
        for expression in (node.common_table_expr for node in clause.ctes):
            table = CommonTable(level=Level(), inlined=_may_be_inlined(expression, recursive=clause.recursive))
            if clause.recursive:
                tables[expression.ctename] = table
            query = getattr(expression.ctequery, expression.ctequery.WhichOneof("node"))
            names = tuple(node.string.sval for node in expression.aliascolnames)
            if clause.recursive and query.DESCRIPTOR.name == "SelectStmt":
                # What refers to itself has the columns of its first part.
                table.outputs = _renamed(names, self._first_outputs(query))
            outputs = self.query(query, _Place(scopes=place.scopes, tables=tables, level=level), table.level)
            table.outputs = _renamed(names, outputs)
            tables[expression.ctename] = table
            level.late.insert(0, table)
        return tables

    def _first_outputs(self, query: Any) -> Outputs:
        while query.HasField("larg"):
            query = query.larg
        names = [_output(node.res_target) for node in query.target_list]
        return None if None in names or not names else tuple(name for name in names if name is not None)

    def _from(self, items: Iterable[Any], place: _Place) -> Scope:
        scope: Scope = ()
        for item in items:
            scope += self._from_item(item, place, scope)
        self.aliases += [source.alias for source in scope]
        return scope

    def _from_item(self, node: Any, place: _Place, left: Scope) -> Scope:
        """Visit one item of a FROM clause; `left` is what a LATERAL one sees of the items before it."""
        kind = node.WhichOneof("node")
        item = getattr(node, kind)
        if kind == "range_var":
            return (self._relation(item, place),)
        if kind == "join_expr":
            return self._join(item, place, left)
        if kind == "range_subselect":
            inner = Level()
            place.level.inside.append(inner)
            seen = place.seeing(left) if item.lateral else place
            outputs = self.query(item.subquery.select_stmt, seen, inner)
            return (Source(alias=item.alias.aliasname, outputs=_renamed(_column_names(item), outputs)),)
        if kind == "range_table_sample":
            self._visit_all((*item.args, item.repeatable), place.seeing(left))
            return self._from_item(item.relation, place, left)
        # A function, XMLTABLE or JSON_TABLE: what columns it gives is known to PostgreSQL only.
        self.visit(item, place.seeing(left))
        return (Source(alias=item.alias.aliasname or _function_name(item)),)

    def _relation(self, item: Any, place: _Place) -> Source:
        table = place.tables.get(item.relname) if not item.schemaname else None
        if table is None:
            place.level.reads.append(item.location)
            place.level.inside.append(item.location)
            return _relation_source(item)
        table.uses += 1
        place.level.inside.append(table)
        alias = item.alias.aliasname or item.relname
        return Source(alias=alias, outputs=_renamed(_column_names(item), table.outputs))

    def _join(self, join: Any, place: _Place, left_of: Scope) -> Scope:
        left = self._from_item(join.larg, place, left_of)
        right = self._from_item(join.rarg, place, (*left_of, *left))
        if join.is_natural:
            self.uses.append(NaturalJoin(left=left, right=right))
        for node in join.using_clause:
            self.uses += [ColumnUse(name=node.string.sval, scopes=(side,), optional=True) for side in (left, right)]
        # An outer join's own condition: EXISTS in it is not always turned into a join, which decides about order alone.
        self.visit(join.quals, place.seeing((*left, *right)).condition())
        if not join.alias.aliasname:
            return (*left, *right)
        if len(join.alias.colnames):
            self.uses.append(ColumnUse(name=None, scopes=((*left, *right),)))
        return tuple(_under(join.alias.aliasname, source) for source in (*left, *right))

    def _sublink(self, link: Any, place: _Place) -> None:
        inner = Level()
        early = place.joined and _enum(link, "sub_link_type") in _PULLED_UP
        (place.level.early if early else place.level.late).append(inner)
        self.visit(link.testexpr, place)
        self.query(link.subselect.select_stmt, place, inner)

    def _targets(self, targets: Iterable[Any], place: _Place) -> Outputs:
        outputs: list[str | int] = []
        known = True
        for node in targets:
            self.visit(node, place)
            fields = node.res_target.val.column_ref.fields
            if len(fields) and fields[-1].HasField("a_star"):
                alias = fields[-2].string.sval if len(fields) > 1 else None
                for source in place.scopes[0] if alias is None else _named(alias, None, place.scopes):
                    known = known and not source.renamed and (source.position is not None or source.outputs is not None)
                    outputs += [source.position] if source.position is not None else source.outputs or ()
            else:
                name = _output(node.res_target)
                known = known and name is not None
                outputs += [name] if name is not None else []
        return tuple(outputs) if known else None

    def _sort(self, node: Any, place: _Place, names: set[str | None]) -> None:
        """In ORDER BY and DISTINCT ON, a name that stands alone is an output's if one has it."""
        if _plain_name(node.sort_by.node if node.HasField("sort_by") else node) not in names - {None}:
            self.visit(node, place)

    def _group(self, node: Any, place: _Place, aliases: set[str]) -> None:
        """In GROUP BY, a name that stands alone is an input column's, else an output's."""
        if (name := _plain_name(node)) in aliases:
            self.uses.append(ColumnUse(name=name, scopes=place.scopes[:1], optional=True))
        else:
            self.visit(node, place)

    def _visit_all(self, messages: Iterable[Any], place: _Place) -> None:
        for message in messages:
            self.visit(message, place)


def _children(message: Any) -> Iterable[Any]:
    for _, kind, children in held(message):
        # What FOR UPDATE names is named in FROM.
        if kind != "LockingClause":
            yield from children


def _use(reference: Any, scopes: tuple[Scope, ...]) -> ColumnUse:
    *qualifiers, last = reference.fields
    star = last.HasField("a_star")
    if not qualifiers and star:
        return ColumnUse(name=None, scopes=scopes)
    if not qualifiers:
        meant = _named(last.string.sval, None, scopes)
        rows = tuple(source.position for source in meant if source.position is not None)
        return ColumnUse(name=last.string.sval, scopes=scopes, rows=rows)
    schema = qualifiers[-2].string.sval if len(qualifiers) > 1 else None
    sources = _named(qualifiers[-1].string.sval, schema, scopes)
    if not sources:
        return ColumnUse(name=_NO_COLUMN, scopes=scopes, rows=_positions(scopes))
    rows = tuple(source.position for source in sources if source.position is not None)
    return ColumnUse(name=None if star else last.string.sval, scopes=(sources,), rows=rows, optional=not rows)


def _named(alias: str, schema: str | None, scopes: tuple[Scope, ...]) -> Scope:
    """Find what an alias means: the items of the innermost scope that has it.

    With a schema only relations are meant; which of those named without one it is, PostgreSQL knows: all count.
    """
    for scope in scopes if schema is None else ():
        if found := tuple(source for source in scope if source.alias == alias):
            return found
    relations = (source for scope in scopes for source in scope if source.position is not None)
    return tuple(source for source in relations if source.alias == alias and source.schema in (schema, None))


def _positions(scopes: tuple[Scope, ...]) -> tuple[int, ...]:
    return tuple(source.position for scope in scopes for source in scope if source.position is not None)


def _relation_source(item: Any) -> Source:
    alias = item.alias.aliasname or item.relname
    schema = item.schemaname or None
    return Source(alias=alias, schema=schema, position=item.location, renamed=_column_names(item))


def _under(alias: str, source: Source) -> Source:
    """Show an item of a join under the join's own name."""
    return Source(alias=alias, position=source.position, renamed=source.renamed, outputs=source.outputs)


def _column_names(item: Any) -> tuple[str, ...]:
    return tuple(node.string.sval for node in item.alias.colnames)


def _renamed(names: tuple[str, ...], outputs: Outputs) -> Outputs:
    if not names:
        return outputs
    if outputs is None or any(isinstance(output, int) for output in outputs):
        return None
    return (*names, *outputs[len(names) :])


def _function_name(item: Any) -> str:
    """Name a function in FROM that has no alias."""
    if item.DESCRIPTOR.name != "RangeFunction":
        return ""
    return output_name(item.functions[0].list.items[0]) or ""


def _may_be_inlined(expression: Any, *, recursive: bool) -> bool:
    return not recursive and _enum(expression, "ctematerialized") != "CTEMaterializeAlways"


def _output(target: Any) -> str | None:
    return target.name or output_name(target.val)


def _plain_name(node: Any) -> str | None:
    fields = node.column_ref.fields
    return fields[0].string.sval if len(fields) == 1 and not fields[0].HasField("a_star") else None


def _enum(message: Any, name: str) -> str:
    descriptor = message.DESCRIPTOR.fields_by_name[name]
    return str(descriptor.enum_type.values_by_number[getattr(message, name)].name)
