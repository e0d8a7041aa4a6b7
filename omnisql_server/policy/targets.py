"""What a rule is about: API tables and columns by name, by pattern and by tag, as data for the decision. Pure.

In a pattern `*` stands for any characters and `?` for one, both within one part of a name. What is named in so many
words has to exist; what a pattern finds need not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.policy.reading import mapping, texts

TARGET_KEYS = {"tables", "tagged", "servers"}
COLUMN_KEYS = {"column", "columns"}
_PATTERN = re.compile(r"[\w.*?-]+", re.ASCII)
_WITH_SCHEMAS = frozenset({"postgres"})
"""Connectors whose tables are named with their schemas, as `postgres.sales.bills`."""

Tags = Mapping[str, tuple[str, ...]]


def tags_of(document: Mapping[str, Any], where: str) -> Tags:
    """Read which tables (`connector.table`) and columns (`connector.table.column`) carry which tags."""
    found = mapping(document.get("tags", {}), f"{where}: tags", None)
    tags = {tag: texts(names, f"{where}: tags: {tag}") for tag, names in found.items()}
    for names in tags.values():
        for name in names:
            if not (_is_table(name) or _is_column(name)):
                raise ConfigurationInvalid(
                    message=f"{where}: tags: {name!r} must be written as {_as_table(name)} or {_as_table(name)}.column"
                )
            _check_pattern(name, f"{where}: tags")
    return tags


def targets_of(item: Mapping[str, Any], tags: Tags, where: str, *, columns: bool) -> list[dict[str, Any]]:
    """Compile what a rule names; `columns` says that it is about columns of the tables."""
    if "tables" not in item and "tagged" not in item:
        raise ConfigurationInvalid(message=f"{where}: tables or tagged must say what it is about")
    servers = [pattern_of(name, where) for name in texts(item["servers"], where)] if "servers" in item else []
    tables = list(_tables(item, where)) if "tables" in item else []
    tagged: list[str] = []
    for tag in texts(item["tagged"], f"{where}: tagged") if "tagged" in item else ():
        if tag not in tags:
            raise ConfigurationInvalid(message=f"{where}: nothing has the tag {tag!r}", hint="tags: says what has it")
        tagged += tags[tag]
    named = _columns(item, where) if columns else ()
    if columns and not named and (tables or not all(map(_is_column, tagged))):
        raise ConfigurationInvalid(message=f"{where}: column must name a column of the tables")
    tables += [name for name in tagged if _is_table(name)]
    compiled = _compiled(tables, named, servers) if tables else []
    for name in tagged if columns else ():
        if _is_column(name):
            table, _, column = name.rpartition(".")
            compiled += _compiled([table], [column], servers)
    if not compiled:
        raise ConfigurationInvalid(message=f"{where}: its tags are on columns, and it is about tables")
    return compiled


def pattern_of(pattern: str, where: str) -> dict[str, Any]:
    """Write a pattern as data: its beginning and end, or a regular expression that RE2 and its relatives read alike."""
    _check_pattern(pattern, where)
    if "?" not in pattern and pattern.count("*") == 1:
        prefix, _, suffix = pattern.partition("*")
        return {"prefix": prefix, "suffix": suffix, "least": len(prefix) + len(suffix)}
    inner = pattern.replace(".", "[.]").replace("*", "[^.]*").replace("?", "[^.]")
    return {"regex": f"^{inner}$"}


def _compiled(tables: Sequence[str], columns: Sequence[str], servers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Make targets of tables that are named and of those that are found: only of the former columns must exist."""
    exact = sorted({name for name in tables if not _is_pattern(name)})
    patterns = [pattern_of(name, "") for name in sorted(set(tables)) if _is_pattern(name)]
    column_names = sorted({name for name in columns if not _is_pattern(name)})
    column_patterns = [pattern_of(name, "") for name in sorted(set(columns)) if _is_pattern(name)]
    common: dict[str, Any] = {"server_patterns": servers, "column_patterns": column_patterns}
    compiled: list[dict[str, Any]] = []
    if exact:
        named = {"tables": dict.fromkeys(exact, True), "table_patterns": []}
        compiled.append({**common, **named, "columns": column_names, "columns_if_used": []})
    if patterns:
        compiled.append(
            {**common, "tables": {}, "table_patterns": patterns, "columns": [], "columns_if_used": column_names}
        )
    return compiled


def _columns(item: Mapping[str, Any], where: str) -> tuple[str, ...]:
    if "columns" in item and "column" in item:
        raise ConfigurationInvalid(message=f"{where}: column and columns exclude each other")
    names = texts(item["columns"], f"{where}: columns") if "columns" in item else ()
    if "column" in item:
        names = texts([item["column"]], f"{where}: column")
    for name in names:
        if _is_pattern(name):
            _check_pattern(name, where)
        if not name or ("." in name and _is_pattern(name)):
            raise ConfigurationInvalid(message=f"{where}: {name!r} is no name of a column")
    return names


def _tables(item: Mapping[str, Any], where: str) -> tuple[str, ...]:
    tables = texts(item.get("tables"), f"{where}: tables")
    for table in tables:
        if not _is_table(table):
            raise ConfigurationInvalid(message=f"{where}: table {table!r} must be written as {_as_table(table)}")
        if _is_pattern(table):
            _check_pattern(table, where)
    return tables


def _is_table(name: str) -> bool:
    """Say whether a name has the parts of a table's; one sign * may stand for several parts."""
    dots = name.count(".")
    return all(name.split(".")) and (dots == _dots(name) or (_is_pattern(name) and 1 <= dots < _dots(name)))


def _is_column(name: str) -> bool:
    return all(name.split(".")) and name.count(".") == _dots(name) + 1


def _dots(name: str) -> int:
    return 2 if name.partition(".")[0] in _WITH_SCHEMAS else 1


def _as_table(name: str) -> str:
    return "connector.schema.table" if _dots(name) == 2 else "connector.table"


def _is_pattern(name: str) -> bool:
    return "*" in name or "?" in name


def _check_pattern(pattern: str, where: str) -> None:
    if not _PATTERN.fullmatch(pattern):
        raise ConfigurationInvalid(
            message=f"{where}: {pattern!r} is no pattern", hint="it has letters, digits, _, -, . and the signs * and ?"
        )
