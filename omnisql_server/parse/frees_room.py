"""Which statements give room on disk back and take none of their own: DELETE, DROP and TRUNCATE. Pure."""

from __future__ import annotations

from functools import lru_cache

from omnisql_server.parse.mentions import statements_mentioning

_WORDS = (b"delete", b"drop", b"truncate")
_DROPS = frozenset({"DropStmt", "TruncateStmt", "DropOwnedStmt"})


@lru_cache(maxsize=1024)
def frees_room(text: bytes) -> bool:
    """Say whether a message is one statement that frees room; a DELETE with other statements inside is none."""
    statements = statements_mentioning(_WORDS, text)
    if len(statements) != 1:
        return False
    kind = statements[0].WhichOneof("node")
    node = getattr(statements[0], kind)
    if kind == "delete_stmt":
        return not node.HasField("with_clause")
    return node.DESCRIPTOR.name in _DROPS
