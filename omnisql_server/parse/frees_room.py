"""Which statements give room on disk back and take none of their own: DELETE, DROP and TRUNCATE. Pure."""

from __future__ import annotations

from functools import lru_cache

import postgast

_WORDS = (b"delete", b"drop", b"truncate")
_DROPS = frozenset({"DropStmt", "TruncateStmt", "DropOwnedStmt"})


@lru_cache(maxsize=1024)
def frees_room(text: bytes) -> bool:
    """Say whether a message is one statement that frees room; a DELETE with other statements inside is none."""
    lowered = text.lower()
    if not any(word in lowered for word in _WORDS):
        return False
    try:
        tree = postgast.parse(text.decode("utf-8", "replace"))
    except postgast.PgQueryError:
        return False
    if len(tree.stmts) != 1:
        return False
    kind = tree.stmts[0].stmt.WhichOneof("node")
    node = getattr(tree.stmts[0].stmt, kind)
    if kind == "delete_stmt":
        return not node.HasField("with_clause")
    return node.DESCRIPTOR.name in _DROPS
