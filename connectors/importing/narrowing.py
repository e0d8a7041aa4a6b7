"""Parameters of a listing that narrow it: those named like a column or like a bound on one. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.importing.columns import Found, snake
from connectors.importing.report import Part, Refused

_LOWER = re.compile(r"(.+?)(?:_after|_since|_from|_gte|_gt|_min|_start|\[gte\]|\[gt\]|\[after\]|After|Since)")
_UPPER = re.compile(r"(.+?)(?:_before|_until|_to|_lte|_lt|_max|_end|\[lte\]|\[lt\]|\[before\]|Before|Until)")
_EVERYTHING = ("all", "any", "ALL")
_SENT = frozenset({"text", "int4", "int8", "bool"})


@dataclass(slots=True, kw_only=True)
class Narrowed:
    """What is pushed by column, what is sent always, and the types of keys that must be given."""

    pushdown: dict[str, dict[str, Any]] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)


def narrowed(
    asked: Mapping[str, Mapping[str, Any]],
    parameters: Sequence[Mapping[str, Any]],
    columns: Mapping[str, Found],
    part: Part,
) -> Narrowed:
    """Return what the parameters of a query are used for; those that are not are told in the part.

    Raises:
        Refused: one is required, and nothing says what to give.
    """
    required = {str(each["name"]) for each in parameters if each.get("required") is True}
    found = Narrowed()
    for name, schema in asked.items():
        column = snake(name)
        if name in required:
            _need(name, column, schema, columns, found)
        elif column is not None and column in columns and columns[column].type_name in _SENT and _is_one(schema):
            _equal(name, column, schema, columns[column], found, part)
        elif not _bound(name, schema, columns, found):
            part.unused.append(name)
            if "default" in schema and schema.get("type") in {"string", "boolean"}:
                part.warnings.append(f"without parameter {name} the source takes {schema['default']!r}")
    return found


def _need(
    name: str, column: str | None, schema: Mapping[str, Any], columns: Mapping[str, Found], found: Narrowed
) -> None:
    if "default" in schema:
        found.inputs[name] = schema["default"]
    elif column is not None and schema.get("type") in {"string", "integer"} and "enum" not in schema:
        type_name = "int8" if schema["type"] == "integer" else "text"
        found.keys[column] = columns[column].type_name if column in columns else type_name
        found.inputs[name] = f"{{{column}}}"
    else:
        raise Refused(f"parameter {name} is required, and nothing says what to give")


def _equal(name: str, column: str, schema: Mapping[str, Any], of: Found, found: Narrowed, part: Part) -> None:
    push: dict[str, Any] = {"send": name}
    values = [str(each) for each in schema.get("enum") or [] if isinstance(each, str)]
    if values and of.type_name == "text":
        push["accepts"] = [value for value in values if value not in _EVERYTHING]
    default = schema.get("default")
    if default is not None and default not in _EVERYTHING:
        everything = next((each for each in _EVERYTHING if each in values), None)
        if everything is not None:
            found.inputs[name] = everything
        else:
            part.warnings.append(f"without a condition on {column} the source gives only {default!r}")
    found.pushdown[column] = {"=": push}


def _bound(name: str, schema: Mapping[str, Any], columns: Mapping[str, Found], found: Narrowed) -> bool:
    """Use a parameter that bounds a time; whether it takes the bound itself is not told, so a unit more is asked."""
    for pattern, operators in ((_LOWER, (">", ">=")), (_UPPER, ("<", "<="))):
        match = pattern.fullmatch(name)
        base = snake(match[1]) if match else None
        for column in (base, f"{base}_at", f"{base}_on", f"{base}_date", f"{base}_time"):
            if base is None or column not in columns or columns[str(column)].type_name != "timestamptz":
                continue
            form = "epoch_s" if schema.get("type") in {"integer", "number"} else "iso_s"
            if schema.get("format") == "date":
                return False
            pushed = found.pushdown.setdefault(str(column), {})
            pushed |= {operator: {"send": name, "format": form, "exclusive": True} for operator in operators}
            return True
    return False


def _is_one(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") in {"string", "integer", "boolean"} and schema.get("format") in {None, "int32", "int64"}
