"""The rows of a low-code stream: schema, place in an answer, whose children they are, cursor. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.importing.airbyte_requests import refuse_custom
from connectors.importing.airbyte_text import constant, expanded, slice_steps
from connectors.importing.columns import Found, columns_of, path_to, snake
from connectors.importing.report import Part, Refused

_BOUND = re.compile(r"\{\{\s*stream_(?:interval|slice)(?:\.|\[['\"])(start|end)_time(?:['\"]\])?\s*\}\}")
_IN_BOUND = re.compile(r"\{\{[^{}]*stream_(?:interval|slice)(?:\.|\[['\"]|\.get\(['\"])(?:start|end)_time\b")
_FORMATS = {"%s": "epoch_s", "%s_as_float": "epoch_s", "%ms": "epoch_ms"}


@dataclass(slots=True, kw_only=True)
class Rows:
    """What a stream's rows are: `keys` with their types, `references` of them, and what bounds their time."""

    part: Part
    columns: dict[str, Found]
    primary_key: tuple[str, ...]
    path: str
    keys: dict[str, str] = field(default_factory=dict)
    references: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)
    cursor: str | None = None
    form: str | None = None
    pushdown: dict[str, Any] = field(default_factory=dict)

    def takes_bound(self, parameter: str, value: object) -> bool:
        """Use a parameter that takes the start or the end of an interval, or is made of one; false for any other."""
        match = _BOUND.fullmatch(str(value).strip())
        if match is None and _IN_BOUND.search(str(value)):
            self.part.warnings.append(f"parameter {parameter} is left out: it computes a range of time, {value}")
            return True
        if match is None:
            return False
        self.bound(parameter, is_start=match[1] == "start")
        return True

    def bound(self, parameter: str, *, is_start: bool) -> None:
        """Push bounds of the cursor; whether the API takes the bound itself is not told, so a unit more is asked."""
        if self.cursor is None or self.form is None:
            self.part.warnings.append(f"parameter {parameter} is not sent: its time has a form without a counterpart")
            return
        sent = {"send": parameter, "format": self.form, "exclusive": True}
        for operator in (">", ">=") if is_start else ("<", "<="):
            self.pushdown[operator] = sent

    def table(self, description: str, access: Mapping[str, Any], pagination: Mapping[str, Any]) -> dict[str, Any]:
        """Return the table as a manifest declares it."""
        columns: dict[str, Any] = {name: found.declared for name, found in self.columns.items()}
        pushed = None
        if self.cursor is not None and self.pushdown:
            found = self.columns[self.cursor]
            if found.type_name in {"int8", "int4", "numeric", "float8"} and self.form in {"epoch_s", "epoch_ms"}:
                columns[self.cursor] = {"type": "timestamptz", self.form: found.path}
                pushed = {self.cursor: self.pushdown}
            elif found.type_name == "timestamptz":
                pushed = {self.cursor: self.pushdown}
            else:
                self.part.warnings.append(
                    f"bounds on {self.cursor} are not sent: its schema does not say that it is a time"
                )
        return {
            "description": description,
            "primary_key": [*self.keys, *(name for name in self.primary_key if name not in self.keys)],
            "columns": {**{name: each for name, each in columns.items() if name not in self.keys}, **self.keys},
            **({"pushdown": pushed} if pushed else {}),
            "pagination": dict(pagination),
            **({"rows": self.path} if self.path else {}),
            "access_paths": {f"by_{next(iter(self.keys))}" if self.keys else "all": dict(access)},
            **({"references": self.references} if self.references else {}),
        }


def rows_of(
    stream: Mapping[str, Any],
    retriever: Mapping[str, Any],
    document: Mapping[str, Any],
    schema_of: Callable[[str], Mapping[str, Any] | None],
    part: Part,
) -> Rows:
    """Read everything about a stream's rows.

    Raises:
        Refused: a component has no counterpart, no schema is there, or nothing identifies rows.
    """
    columns = columns_of(_properties(stream, schema_of), part)
    _transform(stream.get("transformations") or [], columns, part)
    selector = retriever.get("record_selector") or {}
    refuse_custom(selector, "record selector", ("RecordSelector",))
    if selector.get("record_filter"):
        part.warnings.append("its record filter is left out: rows that it hides are there")
    rows = Rows(part=part, columns=columns, primary_key=_key(stream, columns, part), path=_rows_path(selector))
    _parents(retriever.get("partition_router"), rows, document, schema_of)
    _incremental(stream.get("incremental_sync"), rows)
    return rows


def _properties(stream: Mapping[str, Any], schema_of: Callable[[str], Mapping[str, Any] | None]) -> Mapping[str, Any]:
    loader = stream.get("schema_loader")
    if isinstance(loader, list):
        loader = loader[0] if loader else None
    refuse_custom(loader, "schema loader", ("InlineSchemaLoader", "JsonFileSchemaLoader"))
    schema: Any = loader.get("schema") if isinstance(loader, Mapping) else None
    if schema is None:
        schema = schema_of(str(stream.get("name")))
    if not isinstance(schema, Mapping) or not schema.get("properties"):
        raise Refused("its schema is not in the manifest, and not in schemas/NAME.json beside it")
    properties: Mapping[str, Any] = schema["properties"]
    return properties


def _transform(transformations: list[Any], columns: dict[str, Found], part: Part) -> None:
    """Apply what removes columns; what computes some is left out, with those columns."""
    for each in transformations:
        kind = each.get("type") if isinstance(each, Mapping) else None
        if kind == "RemoveFields":
            for path in each.get("field_pointers") or []:
                columns.pop(snake(str(path[0])) or "", None)
        elif kind == "AddFields":
            for added in each.get("fields") or []:
                name = snake(str((added.get("path") or [""])[0])) or ""
                if slice_steps(added.get("value", "")) is None and columns.pop(name, None) is not None:
                    part.warnings.append(f"column {name} is computed, and left out")
        else:
            called = each.get("class_name", kind) if isinstance(each, Mapping) else each
            part.warnings.append(f"transformation {called} is left out: rows are as the API sends them")


def _key(stream: Mapping[str, Any], columns: Mapping[str, Found], part: Part) -> tuple[str, ...]:
    told = stream.get("primary_key")
    listed = told if isinstance(told, list) else [told] if told else []
    names = [snake(str(each[0] if isinstance(each, list) else each)) or "" for each in listed]
    if names and all(name in columns for name in names):
        return tuple(names)
    if "id" in columns:
        part.warnings.append("no primary key is told; id is taken for it")
        return ("id",)
    raise Refused("nothing identifies its rows: it has no primary key among its columns")


def _rows_path(selector: Mapping[str, Any]) -> str:
    extractor = selector.get("extractor") or {}
    refuse_custom(extractor, "extractor", ("DpathExtractor",))
    text = ""
    for step in extractor.get("field_path") or []:
        if not constant(step):
            raise Refused(f"field_path with {step}")
        text += "[*]" if step == "*" else path_to(str(step)) if not text else _below(str(step))
    return text


def _below(step: str) -> str:
    path = path_to(step)
    return path if path.startswith("[") else f".{path}"


def _parents(
    router: object, rows: Rows, document: Mapping[str, Any], schema_of: Callable[[str], Mapping[str, Any] | None]
) -> None:
    listed: list[Any] = router if isinstance(router, list) else [router] if router else []
    for each in listed:
        refuse_custom(each, "partition router", ("SubstreamPartitionRouter", "ListPartitionRouter"))
        if each.get("type") == "ListPartitionRouter":
            name = str(each.get("cursor_field"))
            rows.part.warnings.append(
                f"a value for {name} must be given; Airbyte's own are {str(each.get('values'))[:80]}"
            )
            _key_of(name, "text", each.get("request_option"), rows)
            continue
        for parent in each.get("parent_stream_configs") or []:
            refuse_custom(parent, "parent", ("ParentStreamConfig",))
            stream = expanded(parent.get("stream") or {}, document, {})
            key, name = str(parent.get("parent_key")), str(parent.get("partition_field"))
            _key_of(name, _type_of(stream, key, schema_of), parent.get("request_option"), rows)
            table, column = snake(str(stream.get("name") or "")), snake(key)
            if table and column:
                rows.references[name] = f"{table}.{column}"


def _key_of(name: str, type_name: str, option: object, rows: Rows) -> None:
    if snake(name) != name:
        raise Refused(f"partition field {name} has no name that a column could have")
    rows.keys[name] = type_name
    if isinstance(option, Mapping):
        if option.get("inject_into") != "request_parameter" or not option.get("field_name"):
            raise Refused(f"partition field {name} goes into {option.get('inject_into')}")
        rows.inputs[str(option["field_name"])] = f"{{{name}}}"


def _type_of(stream: Mapping[str, Any], key: str, schema_of: Callable[[str], Mapping[str, Any] | None]) -> str:
    try:
        found = columns_of(_properties(stream, schema_of), Part(name="", source="")).get(snake(key) or "")
    except Refused:
        return "text"
    return found.type_name if found is not None and found.type_name in {"text", "int8", "int4"} else "text"


def _incremental(cursor: object, rows: Rows) -> None:
    if not isinstance(cursor, Mapping):
        return
    if cursor.get("type") != "DatetimeBasedCursor":
        rows.part.warnings.append(f"{cursor.get('class_name', cursor.get('type'))} is left out: it is read in full")
        return
    name = snake(str(cursor.get("cursor_field") or ""))
    rows.cursor = name if name in rows.columns else None
    rows.form = _FORMATS.get(str(cursor.get("datetime_format")))
    if str(cursor.get("datetime_format")).startswith("%Y-%m-%dT%H:%M:%S"):
        rows.form = "iso_ms" if "%f" in str(cursor["datetime_format"]) else "iso_s"
    for option, is_start in ((cursor.get("start_time_option"), True), (cursor.get("end_time_option"), False)):
        if isinstance(option, Mapping) and option.get("inject_into") == "request_parameter":
            rows.bound(str(option.get("field_name")), is_start=is_start)
        elif isinstance(option, Mapping):
            rows.part.warnings.append(f"a bound in {option.get('inject_into')} is not sent")
