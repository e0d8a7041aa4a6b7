"""What may end the read-only mode of a session that is for reading alone. Pure.

PostgreSQL itself refuses to write in a read-only transaction (25006), and such a session's transactions begin as one.
Here is found what would make them begin otherwise: SET and BEGIN in all their forms, blocks and procedures that can end
a transaction on their way, and functions that set a parameter or run a text. What a function of the user's own does is
not seen here: the session is ended when its backend reports another mode.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from omnisql_server.parse.mentions import statements_mentioning

PARAMETERS = frozenset({"transaction_read_only", "default_transaction_read_only"})
FUNCTIONS = frozenset(
    {"set_config", "query_to_xml", "query_to_xml_and_xmlschema", "query_to_xmlschema", "ts_stat", "ts_rewrite"}
)
"""Functions of PostgreSQL that set a parameter by its name, or run a text that nobody reads here."""
_OF_PG_DUMP = re.compile(
    rb"SELECT set_config\(name, '[a-z, -]*', false\) FROM pg_settings WHERE name = 'restrict_nonsystem_relation_kind'"
)
"""What pg_dump 18 sets at its beginning and around foreign tables, to the byte."""
_MODES = frozenset({"transaction", "session characteristics"})
_WORDS = (b"set", b"write", b"do", b"call", b"xml", b"ts_stat", b"ts_rewrite", b"&", b"load")


@lru_cache(maxsize=1024)
def leaves_read_only(text: bytes) -> bool:
    """Say whether a message holds a statement that might end the mode; what cannot be parsed does nothing at all."""
    if _OF_PG_DUMP.fullmatch(text):
        return False
    return any(_leaves(node) for statement in statements_mentioning(_WORDS, text) for node in _nodes(statement))


def _leaves(node: Any) -> bool:
    match node.DESCRIPTOR.name:
        case "DoStmt" | "CallStmt" | "LoadStmt":
            return True
        case "VariableSetStmt":
            name = node.name.lower()
            return name in PARAMETERS or (name in _MODES and any(map(_writes, node.args)))
        case "TransactionStmt":
            return any(map(_writes, node.options))
        case "FuncCall":
            name = node.funcname[-1].string.sval.lower() if node.funcname else ""
            return name in FUNCTIONS and not (name == "set_config" and _sets_another(node))
        case _:
            return False


def _sets_another(call: Any) -> bool:
    """Say whether a call of set_config names, as a constant, a parameter that is none of the mode's."""
    name = call.args[0] if call.args else None
    if name is None or name.WhichOneof("node") != "a_const" or name.a_const.WhichOneof("val") != "sval":
        return False
    return name.a_const.sval.sval.lower() not in PARAMETERS


def _writes(option: Any) -> bool:
    """Say whether an option of a transaction is READ WRITE."""
    element = option.def_elem
    return element.defname.lower() == "transaction_read_only" and not element.arg.a_const.ival.ival


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    for descriptor, value in node.ListFields():
        if descriptor.message_type is not None:
            for child in value if descriptor.is_repeated else (value,):
                yield from _nodes(child)
