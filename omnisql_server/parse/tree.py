"""A query as a sqlglot tree, only where that tree means the same. Pure; cached by text.

sqlglot 30 changes the meaning of some legal SQL (`1_000`, `0x1F`, `U&"a"`) and refuses other. So its tree is trusted
only if PostgreSQL's grammar reads the same parse tree from sqlglot's rendering as from the text itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import postgast
import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from omnisql_server.model.query import ParsedQuery
from omnisql_server.parse.grammar import NotParsed, parse_statements

_SAME_FUNCTION = {"now": "CURRENT_TIMESTAMP", "transaction_timestamp": "CURRENT_TIMESTAMP"}
_VALUE_FUNCTIONS = {
    "SVFOP_CURRENT_TIMESTAMP": "CURRENT_TIMESTAMP",
    "SVFOP_CURRENT_DATE": "CURRENT_DATE",
    "SVFOP_CURRENT_USER": "CURRENT_USER",
}
_SAME_NAME = {
    "char_length": "length",
    "character_length": "length",
    "substr": "substring",
    "strpos": "position",
}
"""Functions that sqlglot writes by another name of the same function over text; PostgreSQL has typed them before."""

_IGNORED = frozenset(
    {"location", "stmt_len", "stmt_location", "list_start", "list_end", "rexpr_list_start", "rexpr_list_end"}
)


@lru_cache(maxsize=1024)
def parse_query(text: str) -> ParsedQuery:
    """Parse one query; `tree` is None with a `reason` where only PostgreSQL itself can be trusted with the text.

    Raises:
        NotParsed: the text is not one grammatical statement.
    """
    statements = parse_statements(text)
    if len(statements) != 1:
        raise NotParsed
    text, references = statements[0].text, statements[0].references
    tree, reason = _tree(text)
    if statements[0].locking:
        tree, reason = None, "row locking clause"
    return ParsedQuery(
        text=text, references=references, named_columns=statements[0].named_columns, tree=tree, reason=reason
    )


def _tree(text: str) -> tuple[exp.Expr | None, str]:
    try:
        tree = sqlglot.parse_one(text, read="postgres", error_level=ErrorLevel.RAISE)
        rendered = tree.transform(_plain).sql("postgres", unsupported_level=ErrorLevel.RAISE)
        same = canonical(text) == canonical(rendered)
    except (SqlglotError, NotParsed, RecursionError) as error:
        return None, f"the planner's grammar does not cover this text ({type(error).__name__})"
    if not same:
        return None, "the planner's tree would not mean the same"
    _fold_case(tree)
    return tree, ""


def _fold_case(tree: exp.Expr) -> None:
    """Write every name as PostgreSQL knows it: only the ASCII letters of an unquoted name become lower case."""
    for identifier in tree.find_all(exp.Identifier):
        if not identifier.quoted:
            identifier.set("this", identifier.name.encode().lower().decode())
            identifier.set("quoted", True)


def _plain(node: exp.Expr) -> exp.Expr:
    """Keep sqlglot from writing round(x, n) with a cast of x that is not in the tree."""
    if isinstance(node, exp.Round):
        arguments = [node.this, node.args.get("decimals")]
        return exp.Anonymous(this="ROUND", expressions=[argument for argument in arguments if argument is not None])
    return node


def canonical(text: str) -> tuple[Any, ...]:
    """Give PostgreSQL's parse tree of a text as nested tuples, without positions and spelling variants.

    Raises:
        NotParsed: the text is not grammatical.
    """
    try:
        tree = postgast.parse(text)
    except postgast.PgQueryError as error:
        raise NotParsed from error
    return tuple(_canonical(raw.stmt) for raw in tree.stmts)


def _canonical(message: Any) -> Any:
    kind = message.DESCRIPTOR.name
    special = _SPELLINGS.get(kind)
    if special is not None:
        same = special(message)
        if same is not None:
            return same
    fields = []
    for descriptor, value in message.ListFields():
        if descriptor.name in _IGNORED:
            continue
        if descriptor.message_type is None:
            fields.append((descriptor.name, tuple(value) if descriptor.is_repeated else value))
        elif descriptor.is_repeated:
            fields.append((descriptor.name, tuple(_canonical(child) for child in value)))
        else:
            fields.append((descriptor.name, _canonical(value)))
    return (kind, tuple(fields))


def _type_name(message: Any) -> Any:
    names = tuple(node.string.sval for node in message.names if node.string.sval != "pg_catalog")
    rest = tuple(_canonical(node) for node in (*message.typmods, *message.array_bounds))
    return ("TypeName", names, message.setof, message.pct_type, rest)


def _function_call(message: Any) -> Any:
    names = [node.string.sval for node in message.funcname if node.string.sval != "pg_catalog"]
    if not message.args and len(names) == 1 and names[0] in _SAME_FUNCTION:
        return ("value", _SAME_FUNCTION[names[0]])
    copy = type(message)()
    copy.CopyFrom(message)
    del copy.funcname[:]
    copy.ClearField("funcformat")
    names[-1] = _SAME_NAME.get(names[-1], names[-1])
    if names[-1] == "date_trunc" and copy.args and copy.args[0].a_const.sval.sval:
        copy.args[0].a_const.sval.sval = copy.args[0].a_const.sval.sval.lower()
    return (
        "FuncCall",
        tuple(names),
        tuple((d.name, _children(d, v)) for d, v in copy.ListFields() if d.name != "location"),
    )


def _children(descriptor: Any, value: Any) -> Any:
    if descriptor.message_type is None:
        return tuple(value) if descriptor.is_repeated else value
    return tuple(_canonical(child) for child in value) if descriptor.is_repeated else _canonical(value)


def _value_function(message: Any) -> Any:
    name = message.DESCRIPTOR.fields_by_name["op"].enum_type.values_by_number[message.op].name
    return ("value", _VALUE_FUNCTIONS[name]) if name in _VALUE_FUNCTIONS else None


def _type_cast(message: Any) -> Any:
    names = [node.string.sval for node in message.type_name.names]
    if names[-1:] == ["interval"] and message.arg.a_const.sval.sval and not message.type_name.typmods:
        return ("interval", message.arg.a_const.sval.sval.lower())
    return None


def _negatable(message: Any) -> Any:
    """Write `a NOT IN (..)` and `NOT a IN (..)` alike: both are null exactly when the other is; so with BETWEEN."""
    kind = message.DESCRIPTOR.fields_by_name["kind"].enum_type.values_by_number[message.kind].name
    if kind == "AEXPR_IN":
        inner = ("in", _canonical(message.lexpr), _canonical(message.rexpr))
        return ("not", inner) if message.name[0].string.sval == "<>" else inner
    if kind in ("AEXPR_BETWEEN", "AEXPR_NOT_BETWEEN"):
        inner = ("between", _canonical(message.lexpr), _canonical(message.rexpr))
        return ("not", inner) if kind == "AEXPR_NOT_BETWEEN" else inner
    return None


def _boolean_test(message: Any) -> Any:
    name = message.DESCRIPTOR.fields_by_name["booltesttype"].enum_type.values_by_number[message.booltesttype].name
    inner = ("test", name.replace("IS_NOT_", "IS_"), _canonical(message.arg))
    return ("not", inner) if name.startswith("IS_NOT_") else inner


def _boolean(message: Any) -> Any:
    negation = message.DESCRIPTOR.fields_by_name["boolop"].enum_type.values_by_name["NOT_EXPR"].number
    return ("not", _canonical(message.args[0])) if message.boolop == negation else None


_SPELLINGS: dict[str, Callable[[Any], Any]] = {
    "TypeName": _type_name,
    "FuncCall": _function_call,
    "SQLValueFunction": _value_function,
    "TypeCast": _type_cast,
    "A_Expr": _negatable,
    "BooleanTest": _boolean_test,
    "BoolExpr": _boolean,
    "Node": lambda message: _canonical(getattr(message, message.WhichOneof("node"))) if message.ListFields() else None,
}
"""Messages that PostgreSQL writes in more than one way for one meaning; None falls through to the field-wise form."""
