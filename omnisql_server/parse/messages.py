"""PostgreSQL's parse tree of a text, and what the messages in it hold. Pure.

Protobuf says of each field anew what it is; here that is asked once for all messages.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import postgast

WITH_KINDS = frozenset(("SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"))
"""The messages that have a clause WITH."""

_HOLDS: dict[Any, tuple[str, str, bool]] = {}
"""By a field's descriptor: its name, the kind of the messages in it (none: it holds plain values), are there many."""


@lru_cache(maxsize=8)
def parse_tree(text: str) -> Any:
    """Return the parse tree of a text, which nobody may change: several look at one in a row.

    Raises:
        postgast.PgQueryError: the text is not grammatical.
    """
    return postgast.parse(text)


def held(message: Any) -> Iterable[tuple[str, str, Iterable[Any]]]:
    """Yield for each field of a message that holds others its name, their kind and them."""
    if message.DESCRIPTOR.name == "Node":
        name = message.WhichOneof("node")
        if name is not None:
            inner = getattr(message, name)
            yield name, inner.DESCRIPTOR.name, (inner,)
        return
    for descriptor, value in message.ListFields():
        name, kind, is_many = _HOLDS.get(descriptor) or _read(descriptor)
        if kind:
            yield name, kind, value if is_many else (value,)


def _read(descriptor: Any) -> tuple[str, str, bool]:
    kind = descriptor.message_type.name if descriptor.message_type is not None else ""
    _HOLDS[descriptor] = (descriptor.name, kind, descriptor.is_repeated)
    return _HOLDS[descriptor]
