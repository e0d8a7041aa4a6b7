"""Options in parentheses, as of EXPLAIN and COPY, out of PostgreSQL's parse tree. Pure."""

from __future__ import annotations

from typing import Any


def options_of(options: Any) -> tuple[tuple[str, str], ...]:
    """List a statement's options as written, a list option once for each of its items, `*` for all."""
    return tuple(
        (option.def_elem.defname.lower(), value) for option in options for value in _option_values(option.def_elem)
    )


def _option_values(option: Any) -> list[str]:
    if not option.HasField("arg"):
        return ["true"]
    kind = option.arg.WhichOneof("node")
    value = getattr(option.arg, kind)
    if kind == "list":
        return [item.string.sval for item in value.items]
    if kind == "a_star":
        return ["*"]
    if kind == "boolean":
        return ["true" if value.boolval else "false"]
    return [str(getattr(value, {"string": "sval", "integer": "ival", "float": "fval"}[kind]))]
