"""PostgreSQL's parse tree of a text as nested tuples, to compare what two texts mean. Pure.

Positions are left out, and a closed list of spellings that PostgreSQL itself defines as equal is written one way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import postgast

from omnisql_server.parse.grammar import NotParsed

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
    "variance": "var_samp",
    "stddev": "stddev_samp",
}
"""Functions that sqlglot writes by another name of the same function over text; PostgreSQL has typed them before."""

_SAME_OPERATOR = {"mod": "%", "starts_with": "^@"}
"""Functions that have an operator, which PostgreSQL defines by the same function for every type of theirs."""

_PATTERN_OPERATORS = frozenset({"~~", "~~*", "~", "~*"})
"""LIKE, ILIKE and the regular expressions; with a `!` they are negated, and null for the same operands."""

_FRAME_BETWEEN = 0x10
"""`FRAMEOPTION_BETWEEN` of parsenodes.h."""

_IGNORED = frozenset(
    {"location", "stmt_len", "stmt_location", "list_start", "list_end", "rexpr_list_start", "rexpr_list_end"}
)


def canonical(text: str) -> tuple[Any, ...]:
    """Give the parse tree of every statement of a text.

    Raises:
        NotParsed: the text is not grammatical.
    """
    try:
        tree = postgast.parse(text)
    except postgast.PgQueryError as error:
        raise NotParsed(error.message, error.cursorpos or None) from error
    return tuple(canonical_node(raw.stmt) for raw in tree.stmts)


def canonical_node(message: Any) -> Any:
    """Give one node of a parse tree."""
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
            fields.append((descriptor.name, tuple(canonical_node(child) for child in value)))
        else:
            fields.append((descriptor.name, canonical_node(value)))
    return (kind, tuple(fields))


def _type_name(message: Any) -> Any:
    names = tuple(node.string.sval for node in message.names if node.string.sval != "pg_catalog")
    rest = tuple(canonical_node(node) for node in (*message.typmods, *message.array_bounds))
    return ("TypeName", names, message.setof, message.pct_type, rest)


def _function_call(message: Any) -> Any:
    names = [node.string.sval for node in message.funcname if node.string.sval != "pg_catalog"]
    if not message.args and len(names) == 1 and names[0] in _SAME_FUNCTION:
        return ("value", _SAME_FUNCTION[names[0]])
    if len(names) == 1 and names[0] in _SAME_OPERATOR and len(message.args) == 2 and not message.func_variadic:
        return ("operator", _SAME_OPERATOR[names[0]], *map(canonical_node, message.args))
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
    return tuple(canonical_node(child) for child in value) if descriptor.is_repeated else canonical_node(value)


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
        inner = ("in", canonical_node(message.lexpr), canonical_node(message.rexpr))
        return ("not", inner) if message.name[0].string.sval == "<>" else inner
    if kind in ("AEXPR_BETWEEN", "AEXPR_NOT_BETWEEN"):
        inner = ("between", canonical_node(message.lexpr), canonical_node(message.rexpr))
        return ("not", inner) if kind == "AEXPR_NOT_BETWEEN" else inner
    name = message.name[0].string.sval if len(message.name) == 1 else ""
    if kind == "AEXPR_OP" and name in _SAME_OPERATOR.values() and message.HasField("lexpr"):
        return ("operator", name, canonical_node(message.lexpr), canonical_node(message.rexpr))
    if kind in ("AEXPR_OP", "AEXPR_LIKE", "AEXPR_ILIKE", "AEXPR_SIMILAR") and name.lstrip("!") in _PATTERN_OPERATORS:
        similar = kind == "AEXPR_SIMILAR"
        pattern = ("pattern", name.lstrip("!"), similar, canonical_node(message.lexpr), canonical_node(message.rexpr))
        return ("not", pattern) if name.startswith("!") else pattern
    return None


def _window(message: Any) -> Any:
    """A frame without BETWEEN ends at the current row; the word itself says nothing more."""
    copy = type(message)()
    copy.CopyFrom(message)
    if copy.frame_options:
        copy.frame_options &= ~_FRAME_BETWEEN
    fields = [(d.name, _children(d, v)) for d, v in copy.ListFields() if d.name not in _IGNORED]
    return ("WindowDef", tuple(fields))


def _boolean_test(message: Any) -> Any:
    name = message.DESCRIPTOR.fields_by_name["booltesttype"].enum_type.values_by_number[message.booltesttype].name
    inner = ("test", name.replace("IS_NOT_", "IS_"), canonical_node(message.arg))
    return ("not", inner) if name.startswith("IS_NOT_") else inner


def _boolean(message: Any) -> Any:
    negation = message.DESCRIPTOR.fields_by_name["boolop"].enum_type.values_by_name["NOT_EXPR"].number
    return ("not", canonical_node(message.args[0])) if message.boolop == negation else None


def _inner(message: Any) -> Any:
    return canonical_node(getattr(message, message.WhichOneof("node"))) if message.ListFields() else None


_SPELLINGS: dict[str, Callable[[Any], Any]] = {
    "TypeName": _type_name,
    "Float": lambda message: ("Float", "0" + message.fval if message.fval.startswith(".") else message.fval),
    "FuncCall": _function_call,
    "SQLValueFunction": _value_function,
    "TypeCast": _type_cast,
    "A_Expr": _negatable,
    "BooleanTest": _boolean_test,
    "BoolExpr": _boolean,
    "WindowDef": _window,
    "Node": lambda message: (
        canonical_node(getattr(message, message.WhichOneof("node"))) if message.ListFields() else None
    ),
}
"""Messages that PostgreSQL writes in more than one way for one meaning; None falls through to the field-wise form."""
