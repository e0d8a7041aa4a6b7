"""Reads statements about servers, user mappings and foreign tables out of PostgreSQL's parse tree. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from omnisql_server.model.definition import (
    CallDefinition,
    Definition,
    ForeignTableDefinition,
    ImportDefinition,
    ImportRule,
    MappingDefinition,
    OptionAction,
    OptionChange,
    RoleKind,
    ServerDefinition,
)

_ACTIONS = {"DEFELEM_SET": OptionAction.SET, "DEFELEM_DROP": OptionAction.DROP}
_ROLES = {
    "ROLESPEC_CSTRING": RoleKind.NAME,
    "ROLESPEC_CURRENT_ROLE": RoleKind.CURRENT_ROLE,
    "ROLESPEC_CURRENT_USER": RoleKind.CURRENT_USER,
    "ROLESPEC_SESSION_USER": RoleKind.SESSION_USER,
    "ROLESPEC_PUBLIC": RoleKind.PUBLIC,
}
_RULES = {
    "FDW_IMPORT_SCHEMA_LIMIT_TO": ImportRule.LIMIT_TO,
    "FDW_IMPORT_SCHEMA_EXCEPT": ImportRule.EXCEPT,
}
_RIGHTS = frozenset(
    {
        "grant_stmt",
        "grant_role_stmt",
        "create_role_stmt",
        "alter_role_stmt",
        "alter_role_set_stmt",
        "drop_role_stmt",
        "alter_owner_stmt",
        "reassign_owned_stmt",
        "drop_owned_stmt",
        "alter_default_privileges_stmt",
        "create_function_stmt",
        "alter_function_stmt",
        "create_policy_stmt",
        "alter_policy_stmt",
        "create_trig_stmt",
    }
)
_OF_RIGHTS = frozenset(
    {
        "AT_ChangeOwner",
        "AT_EnableRowSecurity",
        "AT_DisableRowSecurity",
        "AT_ForceRowSecurity",
        "AT_NoForceRowSecurity",
    }
)
_RESHAPING = frozenset({"AT_GenericOptions", "AT_AlterColumnGenericOptions", "AT_AddColumn", "AT_AlterColumnType"})


def definition_of(node_name: str, node: Any) -> Definition | None:
    """Read a statement's node; None for a statement of another kind."""
    read = _READERS.get(node_name)
    return read(node) if read is not None else None


def is_foreign_table_change(node: Any) -> bool:
    """Say whether an ALTER TABLE node is ALTER FOREIGN TABLE."""
    return _enum_name(node, "objtype") == "OBJECT_FOREIGN_TABLE"


def changes_rights(node_name: str, node: Any) -> bool:
    """Say whether a statement is about roles and rights: of ALTER TABLE, about its owner or who sees which rows."""
    if node_name != "alter_table_stmt":
        return node_name in _RIGHTS
    return any(_enum_name(command.alter_table_cmd, "subtype") in _OF_RIGHTS for command in node.cmds)


def drops_servers(node: Any) -> bool:
    """Say whether a DROP node is DROP SERVER."""
    return _enum_name(node, "remove_type") == "OBJECT_FOREIGN_SERVER"


def _mapping(node: Any) -> MappingDefinition:
    creates = "if_not_exists" in node.DESCRIPTOR.fields_by_name
    return MappingDefinition(
        creates=creates,
        role_kind=_ROLES[_enum_name(node.user, "roletype")],
        role=node.user.rolename,
        server=node.servername,
        options=_options(node.options),
        if_not_exists=creates and node.if_not_exists,
    )


def _server(node: Any) -> ServerDefinition:
    creates = "fdwname" in node.DESCRIPTOR.fields_by_name
    return ServerDefinition(
        server=node.servername,
        wrapper=node.fdwname if creates else None,
        options=_options(node.options),
        version=node.version or None,
    )


def _import(node: Any) -> ImportDefinition:
    return ImportDefinition(
        remote_schema=node.remote_schema,
        server=node.server_name,
        local_schema=node.local_schema,
        rule=_RULES.get(_enum_name(node, "list_type"), ImportRule.ALL),
        tables=tuple(table.range_var.relname for table in node.table_list),
        options=_options(node.options),
    )


def _new_table(node: Any) -> ForeignTableDefinition:
    base = node.base_stmt
    columns = [element.column_def for element in base.table_elts if element.HasField("column_def")]
    return ForeignTableDefinition(
        schema=base.relation.schemaname or None,
        name=base.relation.relname,
        server=node.servername,
        options=_options(node.options),
        column_options=tuple(option for column in columns for option in _options(column.fdwoptions)),
        reshapes=True,
        inherits=len(base.inh_relations) > 0,
    )


def _changed_table(node: Any) -> ForeignTableDefinition | None:
    if not is_foreign_table_change(node):
        return None
    options: list[OptionChange] = []
    column_options: list[OptionChange] = []
    kinds = set()
    for command in (each.alter_table_cmd for each in node.cmds):
        kind = _enum_name(command, "subtype")
        kinds.add(kind)
        if kind == "AT_GenericOptions":
            options += _options(getattr(command, "def").list.items)
        elif kind == "AT_AlterColumnGenericOptions":
            column_options += _options(getattr(command, "def").list.items)
        elif kind == "AT_AddColumn":
            column_options += _options(getattr(command, "def").column_def.fdwoptions)
    return ForeignTableDefinition(
        schema=node.relation.schemaname or None,
        name=node.relation.relname,
        server=None,
        options=tuple(options),
        column_options=tuple(column_options),
        reshapes=bool(kinds & _RESHAPING),
        inherits="AT_AddInherit" in kinds,
    )


def _call(node: Any) -> CallDefinition:
    names = [part.string.sval for part in node.funccall.funcname]
    return CallDefinition(
        schema=names[-2] if len(names) == 2 else None,
        name=names[-1] if len(names) <= 2 else "",
        arguments=tuple(_text(argument) for argument in node.funccall.args),
    )


def _text(argument: Any) -> str | None:
    """Return a string as written, perhaps with a cast; None for any other expression."""
    if argument.WhichOneof("node") == "type_cast":
        argument = argument.type_cast.arg
    if argument.WhichOneof("node") == "a_const" and argument.a_const.WhichOneof("val") == "sval":
        return str(argument.a_const.sval.sval)
    return None


def _options(nodes: Iterable[Any]) -> tuple[OptionChange, ...]:
    return tuple(
        OptionChange(
            name=option.defname,
            action=_ACTIONS.get(_enum_name(option, "defaction"), OptionAction.ADD),
            value=option.arg.string.sval if option.HasField("arg") else None,
        )
        for option in (node.def_elem for node in nodes)
    )


def _enum_name(node: Any, field: str) -> str:
    kinds = node.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number
    return str(kinds[getattr(node, field)].name)


_READERS: dict[str, Callable[[Any], Definition | None]] = {
    "create_user_mapping_stmt": _mapping,
    "alter_user_mapping_stmt": _mapping,
    "create_foreign_server_stmt": _server,
    "alter_foreign_server_stmt": _server,
    "import_foreign_schema_stmt": _import,
    "create_foreign_table_stmt": _new_table,
    "alter_table_stmt": _changed_table,
    "call_stmt": _call,
}
