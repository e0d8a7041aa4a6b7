"""Which custom settings of ours a statement sets: SET in all its forms, ALTER ROLE and ALTER DATABASE .. SET. Pure."""

from __future__ import annotations

from typing import Any

from omnisql_server.model.custom_settings import PREFIX

CARRIERS = frozenset({"variable_set_stmt", "alter_role_set_stmt", "alter_database_set_stmt"})
"""The statements that set something."""


def custom_settings(node_name: str, node: Any) -> tuple[tuple[str, str | None], ...]:
    """Return the names below `omnisql.` that a statement sets, with their values; None stands for the default."""
    if node_name not in CARRIERS:
        return ()
    change = node if node_name == "variable_set_stmt" else node.setstmt
    kind = change.DESCRIPTOR.fields_by_name["kind"].enum_type.values_by_number[change.kind].name
    if kind not in ("VAR_SET_VALUE", "VAR_SET_DEFAULT") or not change.name.lower().startswith(PREFIX):
        return ()
    value = ", ".join(_text(argument.a_const) for argument in change.args) if kind == "VAR_SET_VALUE" else None
    return ((change.name, value),)


def _text(constant: Any) -> str:
    """Return a constant of SET as PostgreSQL stores it."""
    kind = constant.WhichOneof("val")
    if kind is None:
        return ""
    value = getattr(constant, kind)
    return str(getattr(value, {"sval": "sval", "ival": "ival", "fval": "fval", "boolval": "boolval"}.get(kind, "sval")))
