"""PostgreSQL's parse tree of a text as nested tuples, to compare what two texts mean. Pure.

Positions are left out, and a closed list of spellings that PostgreSQL itself defines as equal is written one way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import postgast

from omnisql_server.parse.grammar import NotParsed
from omnisql_server.parse.messages import parse_tree

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
        tree = parse_tree(text)
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
    return (kind, _fields(message))


def _fields(message: Any) -> Any:
    """Give the fields of a message that are set, less positions, by name."""
    found = []
    for descriptor, value in message.ListFields():
        name, read = _READERS.get(descriptor) or _reader(descriptor)
        if read is not None:
            found.append((name, read(value)))
    return tuple(found)


def _nodes(messages: Any) -> tuple[Any, ...]:
    return tuple([canonical_node(message) for message in messages])


_Reader = tuple[str, Callable[[Any], Any] | None]
_READERS: dict[Any, _Reader] = {}
"""What a field is called and how its value is given, None where it is not; filled as fields are met."""


def _reader(descriptor: Any) -> _Reader:
    read: Callable[[Any], Any] | None
    if descriptor.name in _IGNORED:
        read = None
    elif descriptor.message_type is None:
        read = tuple if descriptor.is_repeated else _itself
    else:
        read = _nodes if descriptor.is_repeated else canonical_node
    _READERS[descriptor] = (descriptor.name, read)
    return _READERS[descriptor]


def _itself(value: Any) -> Any:
    return value


_ENUMERATIONS: dict[tuple[str, str], Mapping[int, str]] = {}
"""The names of an enumeration's values by the message and the field that have it."""


def _enum_name(message: Any, field: str) -> str:
    known = _ENUMERATIONS.get((message.DESCRIPTOR.name, field))
    if known is None:
        values = message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number
        known = {number: value.name for number, value in values.items()}
        _ENUMERATIONS[message.DESCRIPTOR.name, field] = known
    return known[getattr(message, field)]


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
    return ("FuncCall", tuple(names), _fields(copy))


def _value_function(message: Any) -> Any:
    name = _enum_name(message, "op")
    return ("value", _VALUE_FUNCTIONS[name]) if name in _VALUE_FUNCTIONS else None


def _type_cast(message: Any) -> Any:
    names = [node.string.sval for node in message.type_name.names]
    if names[-1:] == ["interval"] and message.arg.a_const.sval.sval and not message.type_name.typmods:
        return ("interval", message.arg.a_const.sval.sval.lower())
    return None


def _negatable(message: Any) -> Any:
    """Write `a NOT IN (..)` and `NOT a IN (..)` alike: both are null exactly when the other is; so with BETWEEN."""
    kind = _enum_name(message, "kind")
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
    return ("WindowDef", _fields(copy))


def _boolean_test(message: Any) -> Any:
    name = _enum_name(message, "booltesttype")
    inner = ("test", name.replace("IS_NOT_", "IS_"), canonical_node(message.arg))
    return ("not", inner) if name.startswith("IS_NOT_") else inner


def _boolean(message: Any) -> Any:
    return ("not", canonical_node(message.args[0])) if _enum_name(message, "boolop") == "NOT_EXPR" else None


def _inner(message: Any) -> Any:
    held = message.WhichOneof("node")
    return canonical_node(getattr(message, held)) if held is not None else None


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
    "Node": _inner,
}
"""Messages that PostgreSQL writes in more than one way for one meaning; None falls through to the field-wise form."""
