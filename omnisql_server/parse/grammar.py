"""PostgreSQL 18's grammar (libpg_query through postgast) over one message's text. Pure.

Takes text, gives `Statement`s: kind, relation references with byte positions, names it defines. CTE names are resolved
here, so that a reference is never taken for the CTE of the same name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import postgast

from omnisql_server.model.statement import (
    EXPLAINING_KINDS,
    NewRelation,
    RelationReference,
    Statement,
    StatementKind,
    says,
)
from omnisql_server.parse.definitions import changes_rights, definition_of, drops_servers, is_foreign_table_change
from omnisql_server.parse.messages import WITH_KINDS, held, parse_tree
from omnisql_server.parse.movements import movement_of
from omnisql_server.parse.options import options_of
from omnisql_server.parse.setting_statements import CARRIERS, custom_settings
from omnisql_server.parse.tokens import closing_of, hints_in, tokens_of

_CHANGES = ("insert_stmt", "update_stmt", "delete_stmt", "merge_stmt")
_WRITES = {*_CHANGES, "create_table_as_stmt"}
_CARRIERS = ("explain_stmt", "copy_stmt")
"""Statements that may be of another one."""
_NAMED_KINDS = {
    "declare_cursor_stmt": StatementKind.CURSOR,
    "prepare_stmt": StatementKind.PREPARE,
    "fetch_stmt": StatementKind.MOVEMENT,
    "refresh_mat_view_stmt": StatementKind.REFRESH,
    "lock_stmt": StatementKind.LOCK,
    "truncate_stmt": StatementKind.TRUNCATE,
    "create_user_mapping_stmt": StatementKind.CREDENTIAL,
    "alter_user_mapping_stmt": StatementKind.CREDENTIAL,
    "import_foreign_schema_stmt": StatementKind.IMPORT,
    "create_foreign_server_stmt": StatementKind.SERVER,
    "alter_foreign_server_stmt": StatementKind.SERVER,
    "create_foreign_table_stmt": StatementKind.FOREIGN_TABLE,
    "drop_user_mapping_stmt": StatementKind.CREDENTIAL_DROP,
    "call_stmt": StatementKind.CALL,
    "do_stmt": StatementKind.BLOCK,
}
_QUERY_KINDS = frozenset(
    {
        StatementKind.SELECT,
        StatementKind.EXPLAIN,
        StatementKind.COPY_TO,
        StatementKind.WRITE,
        StatementKind.CURSOR,
    }
)
"""Kinds whose parameters are the message's own; a function's body and PREPARE have theirs."""

_HOLD = 0x20
"""CURSOR_OPT_HOLD of PostgreSQL's parsenodes.h."""
_DEFINITIONS = frozenset({"view_stmt", "rename_stmt", "rule_stmt", "alter_object_schema_stmt"})


class NotParsed(Exception):
    """PostgreSQL's grammar does not accept the text; `position` counts characters from 1."""

    def __init__(self, message: str, position: int | None) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


def parse_statements(text: str) -> tuple[Statement, ...]:
    """Parse every statement of a message, in order.

    Raises:
        NotParsed: the text is not grammatical.
    """
    try:
        tree = parse_tree(text)
    except postgast.PgQueryError as error:
        raise NotParsed(error.message, error.cursorpos or None) from error
    encoded = text.encode()
    # What stands between two statements belongs to the second.
    begins = [0, *(raw.stmt_location + raw.stmt_len for raw in tree.stmts)]
    return tuple(_statement(raw, encoded, begin) for raw, begin in zip(tree.stmts, begins, strict=False))


def _statement(raw: Any, encoded: bytes, begin: int) -> Statement:
    end = raw.stmt_location + raw.stmt_len if raw.stmt_len else len(encoded)
    body = encoded[raw.stmt_location : end]
    start = raw.stmt_location + len(body) - len(body.lstrip())
    body = encoded[start:end]
    text = body.decode()
    node_name = raw.stmt.WhichOneof("node")
    node = getattr(raw.stmt, node_name)
    kind, within = _kind(node_name, node), _within(node_name, node)
    query, query_position = _inner_query(kind, within, body)
    references = _Walk(start=start, targets=_targets(node_name, node))
    references.visit(node, frozenset())
    explain_options = options_of(node.options) if kind in EXPLAINING_KINDS else ()
    generic = says(explain_options, "generic_plan")
    return Statement(
        text=text,
        kind=kind,
        # Each column of `SET (a, b) = (SELECT ..)` holds the whole query.
        references=tuple(dict.fromkeys(references.found)),
        offset=len(encoded[:start].decode()),
        query=query,
        query_position=query_position,
        creates=frozenset(_created(node_name, node)),
        explain_options=explain_options,
        copy_options=options_of(node.options) if kind is StatementKind.COPY_TO else (),
        locking=references.locking,
        named_columns=references.named_columns(),
        settings=custom_settings(node_name, node),
        definition=definition_of(node_name, node),
        parameter=references.parameter if kind in _QUERY_KINDS and not generic else None,
        unvalued_count=references.parameters_max if generic else 0,
        makes=_made(node_name, node),
        executes=_executed(node_name, node),
        with_data=node_name != "refresh_mat_view_stmt" or not node.skip_data,
        needs_block=node_name == "declare_cursor_stmt" and not node.options & _HOLD,
        hints=hints_in(encoded[begin:end]),
        movement=movement_of(node_name, node),
        within=within,
    )


def _kind(node_name: str, node: Any) -> StatementKind:
    if _executed(node_name, node) is not None:
        return StatementKind.EXECUTE
    if node_name == "select_stmt":
        return StatementKind.WRITE if _writes(node) else StatementKind.SELECT
    if node_name == "explain_stmt":
        return _kind_of_explain(node)
    if node_name == "copy_stmt":
        if node.is_from:
            return StatementKind.COPY_FROM
        if node.filename:
            return StatementKind.OTHER
        if not node.HasField("query"):
            return StatementKind.COPY_TABLE
        return StatementKind.COPY_TO if _may_be_copied(node.query) else StatementKind.OTHER
    if node_name == "create_table_as_stmt" and _makes_view(node):
        return StatementKind.MATERIALIZED_VIEW
    if node_name == "create_table_as_stmt" and node.into.skip_data:
        return StatementKind.DEFINITION
    if node_name in _WRITES:
        return StatementKind.WRITE
    if node_name == "alter_table_stmt" and is_foreign_table_change(node):
        return StatementKind.FOREIGN_TABLE
    if node_name == "drop_stmt" and drops_servers(node):
        return StatementKind.CREDENTIAL_DROP
    if node_name in CARRIERS and custom_settings(node_name, node):
        return StatementKind.SETTING
    if changes_rights(node_name, node):
        return StatementKind.RIGHTS
    if node_name in _DEFINITIONS:
        return StatementKind.DEFINITION
    if node_name == "vacuum_stmt" and len(node.rels) and _analyzes(node):
        return StatementKind.ANALYZE
    return _NAMED_KINDS.get(node_name, StatementKind.OTHER)


def _kind_of_explain(node: Any) -> StatementKind:
    inner, explained = _carried(node)
    if inner == "refresh_mat_view_stmt":
        return StatementKind.OTHER
    makes_view = inner == "create_table_as_stmt" and _makes_view(explained)
    return StatementKind.VIEW_EXPLAINED if makes_view and _is_analyzed(node) else StatementKind.EXPLAIN


def _within(node_name: str, node: Any) -> StatementKind | None:
    """Return the kind of what EXPLAIN or COPY is of; of DECLARE CURSOR, EXPLAIN ANALYZE carries out the query alone."""
    if node_name not in _CARRIERS or not node.HasField("query"):
        return None
    inner, carried = _carried(node)
    if inner == "declare_cursor_stmt" and _is_analyzed(node):
        return StatementKind.SELECT
    return _kind(inner, carried)


def _is_analyzed(explain: Any) -> bool:
    return says(options_of(explain.options), "analyze")


def _carried(node: Any) -> tuple[str, Any]:
    """Return the kind and the node of what EXPLAIN or COPY is of."""
    inner = node.query.WhichOneof("node")
    return inner, getattr(node.query, inner)


def _may_be_copied(query: Any) -> bool:
    """Say whether COPY may be of a query; what gives no rows is left to PostgreSQL, which refuses it."""
    inner = query.WhichOneof("node")
    if inner == "select_stmt":
        return not query.select_stmt.HasField("into_clause")
    return bool(getattr(query, inner).HasField("returning_clause"))


def _writes(select: Any) -> bool:
    """Say whether a SELECT writes: INTO, or a data-modifying WITH, which is allowed at the top level only."""
    if select.HasField("into_clause"):
        return True
    if any(cte.common_table_expr.ctequery.WhichOneof("node") in _WRITES for cte in select.with_clause.ctes):
        return True
    return select.HasField("larg") and (_writes(select.larg) or _writes(select.rarg))


def _makes_view(node: Any) -> bool:
    kinds = node.DESCRIPTOR.fields_by_name["objtype"].enum_type.values_by_name
    return bool(node.objtype == kinds["OBJECT_MATVIEW"].number)


def _targets(node_name: str, node: Any) -> frozenset[int]:
    """Return where the statement names what it writes to or makes, in its WITH queries too."""
    if node_name in _CARRIERS and node.HasField("query"):
        return _targets(*_carried(node))
    found: set[int] = set()
    if node_name in _CHANGES or node_name == "copy_stmt":
        found.add(node.relation.location)
    elif node_name == "create_table_as_stmt":
        found.add(node.into.rel.location)
    elif node_name == "truncate_stmt":
        found |= {relation.range_var.location for relation in node.relations}
    elif node_name == "select_stmt" and node.HasField("into_clause"):
        found.add(node.into_clause.rel.location)
    elif node_name == "view_stmt":
        found.add(node.view.location)
    if node_name in (*_CHANGES, "select_stmt"):
        for query in (cte.common_table_expr.ctequery for cte in node.with_clause.ctes):
            inner = query.WhichOneof("node")
            found |= _targets(inner, getattr(query, inner)) if inner in _CHANGES else set()
    return frozenset(found)


def _made(node_name: str, node: Any) -> NewRelation | None:
    if node_name != "create_table_as_stmt":
        return None
    relation = node.into.rel
    return NewRelation(
        schema=relation.schemaname or None,
        name=relation.relname,
        temporary=relation.relpersistence == "t" or relation.schemaname == "pg_temp",
        if_not_exists=node.if_not_exists,
        with_data=not node.into.skip_data,
        columns=tuple(name.string.sval for name in node.into.col_names),
    )


def _executed(node_name: str, node: Any) -> str | None:
    """Return the name of the prepared statement that EXECUTE, also in EXPLAIN and CREATE TABLE AS, is about."""
    if node_name in ("explain_stmt", "create_table_as_stmt"):
        return _executed(*_carried(node))
    return str(node.name) if node_name == "execute_stmt" else None


def _analyzes(node: Any) -> bool:
    return not node.is_vacuumcmd or any(option.def_elem.defname.lower() == "analyze" for option in node.options)


def _created(node_name: str, node: Any) -> Iterator[str]:
    if node_name in _CARRIERS and node.HasField("query"):
        yield from _created(*_carried(node))
    elif node_name == "view_stmt":
        yield node.view.relname
    elif node_name == "rename_stmt":
        yield node.newname
    elif node_name == "prepare_stmt":
        yield node.name
    elif node_name == "create_foreign_table_stmt":
        yield node.base_stmt.relation.relname
    elif node_name == "create_table_as_stmt":
        yield node.into.rel.relname
    elif node_name == "select_stmt" and node.HasField("into_clause"):
        yield node.into_clause.rel.relname


def _inner_query(kind: StatementKind, within: StatementKind | None, body: bytes) -> tuple[str, int]:
    """Cut the query out of EXPLAIN and COPY: its text and byte position; any other statement is its own query."""
    if kind is not StatementKind.COPY_TO and kind not in EXPLAINING_KINDS:
        return body.decode(), 0
    tokens = tokens_of(body)
    if kind is StatementKind.COPY_TO:
        opening = next(index for index, token in enumerate(tokens) if token[0] == b"(")
        start, closing = tokens[opening][2], tokens[closing_of(tokens, opening)][1]
        return body[start:closing].decode(), start
    index = 1
    if tokens[index][0] == b"(" and tokens[index + 1][0] not in (b"select", b"with", b"values", b"table", b"("):
        index = closing_of(tokens, index) + 1
    while tokens[index][0] in (b"analyze", b"analyse", b"verbose"):
        index += 1
    if within is StatementKind.SELECT and tokens[index][0] == b"declare":
        index = next(place for place, token in enumerate(tokens) if place > index and token[0] == b"for") + 1
    return body[tokens[index][1] :].decode(), tokens[index][1]


@dataclass(slots=True)
class _Walk:
    """Collects relation references, innermost scope first; `start` is the statement's byte offset in the message.

    `targets` are the positions in the message of relations that the statement writes or makes.
    """

    start: int
    targets: frozenset[int] = frozenset()
    found: list[RelationReference] = field(default_factory=list)
    columns: set[str] = field(default_factory=set)
    bare: set[str] = field(default_factory=set)
    rows: set[str] = field(default_factory=set)
    qualified: set[tuple[str, str]] = field(default_factory=set)
    locking: bool = False
    parameter: tuple[int, int] | None = None
    parameters_max: int = 0

    def visit(self, message: Any, names: frozenset[str]) -> None:
        kind = message.DESCRIPTOR.name
        if kind == "RangeVar":
            self._reference(message, names)
            return
        if kind == "ParamRef":
            place = (message.location - self.start, message.number)
            self.parameter = min(place, self.parameter or place)
            self.parameters_max = max(self.parameters_max, message.number)
            return
        if kind == "LockingClause":
            self.locking = True
            return
        if kind == "ColumnRef":
            last = message.fields[-1]
            self.columns.add("*" if last.HasField("a_star") else last.string.sval)
            if len(message.fields) == 1:
                self.bare.add(last.string.sval)
            elif not last.HasField("a_star"):
                self.qualified.add((message.fields[-2].string.sval, last.string.sval))
            return
        if kind == "JoinExpr":
            self._join(message)
        if kind in WITH_KINDS and message.HasField("with_clause"):
            names = self._common_table_expressions(message.with_clause, names)
        for name, _, children in held(message):
            if name != "with_clause":
                for child in children:
                    self.visit(child, names)

    def _common_table_expressions(self, clause: Any, names: frozenset[str]) -> frozenset[str]:
        expressions = [node.common_table_expr for node in clause.ctes]
        if clause.recursive:
            names |= {expression.ctename for expression in expressions}
        for expression in expressions:
            self.visit(expression.ctequery, names)
            names |= {expression.ctename}
        return names

    def named_columns(self) -> frozenset[str]:
        """Return the columns the text names, with `*` where a star or a whole row asks for all of them.

        `row.name` says that a relation's row was asked for the name: if it is no column, it is a function of the row.
        """
        whole = {"*"} if self.bare & self.rows else set()
        return frozenset(self.columns | whole | {f"{row}.{name}" for row, name in self.qualified if row in self.rows})

    def _join(self, join: Any) -> None:
        self.columns |= {node.string.sval for node in join.using_clause}
        # New names for columns are given by place, and a natural join is over all names: every column counts.
        if join.is_natural or len(join.alias.colnames):
            self.columns.add("*")
        self.rows |= {join.alias.aliasname} - {""}

    def _reference(self, relation: Any, names: frozenset[str]) -> None:
        if not relation.schemaname and relation.relname in names:
            return
        alias = relation.alias if relation.HasField("alias") else None
        self.rows.add(alias.aliasname if alias is not None else relation.relname)
        if alias is not None and len(alias.colnames):
            self.columns.add("*")
        self.found.append(
            RelationReference(
                schema=relation.schemaname or None,
                name=relation.relname,
                alias=alias.aliasname if alias is not None else None,
                position=relation.location - self.start,
                target=relation.location in self.targets,
            )
        )
