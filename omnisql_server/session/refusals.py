"""PostgreSQL's refusal to read a foreign table without a handler, told to the client as what it means. Pure.

It comes when something other than the statement itself reads an API table (a function, mostly), or when the server did
not know yet that a name in the statement stands for one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

SQLSTATE = "55000"
ENDING = "has no handler"
AGAIN_HINT = (
    "If the statement names an API table that was made a moment ago, send it again. A function, rule or policy that it"
    " uses cannot read an API table."
)
HINT = (
    "Name the API table in the statement itself, or copy the rows that are needed into a table, by CREATE TABLE .. AS"
    " or INSERT .. SELECT."
)

_READERS = (
    re.compile(r"^PL/pgSQL function (inline_code_block) line \d+", re.MULTILINE),
    re.compile(r"^PL/pgSQL function (.+?) line \d+", re.MULTILINE),
    re.compile(r'^SQL function "(.+?)"', re.MULTILINE),
    re.compile(r"^PL/pgSQL function (.+?) while", re.MULTILINE),
)


def is_refusal_report(fields: Mapping[str, str]) -> bool:
    """Say whether error fields are that refusal."""
    return fields.get("C") == SQLSTATE and fields.get("M", "").endswith(ENDING)


def is_final(fields: Mapping[str, str]) -> bool:
    """Say whether a refusal stays whatever the server learns: it came from inside a function."""
    return _reader(fields) is not None


def explained(fields: Mapping[str, str], *, final: bool) -> dict[str, str]:
    """Return a refusal's fields as the client should see them: who reads, and what to do; others as they are.

    `final` says that the server has looked at the statement with all that there is to know.
    """
    reader = _reader(fields)
    if not is_refusal_report(fields):
        return dict(fields)
    if reader is None and not final:
        return {"H": AGAIN_HINT, **fields}
    subject = reader or "a function, rule or policy that the statement uses"
    return {
        **fields,
        "C": "0A000",
        "M": f"{subject} reads an API table, which only a top-level statement can",
        "D": fields.get("D", fields["M"]),
        "H": HINT,
    }


def _reader(fields: Mapping[str, str]) -> str | None:
    """Name the innermost function of an error's context."""
    context = fields.get("W", "")
    found = [match for reader in _READERS if (match := reader.search(context)) is not None]
    if not found:
        return None
    name = min(found, key=lambda match: match.start()).group(1)
    if name == "inline_code_block":
        return "a DO block"
    return f"function {name}" if name.endswith(")") else f"function {name}()"
