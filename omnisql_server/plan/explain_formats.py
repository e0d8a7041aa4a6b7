"""EXPLAIN's document in PostgreSQL's formats: the same facts as JSON, YAML and XML. Pure.

A document is what EXPLAIN (FORMAT JSON) holds, a list of one object per query; written as PostgreSQL 18 writes it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from enum import StrEnum
from xml.sax.saxutils import escape

_NAMESPACE = "http://www.postgresql.org/2009/explain"
_ONE_OF = {"Plans": "Plan"}
"""What XML calls the members of a list; all others are items."""


class ExplainFormat(StrEnum):
    """The formats that EXPLAIN may be asked for."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"
    XML = "xml"

    @property
    def type_oid(self) -> int:
        """Return the type of the answer's column: text, json or xml."""
        return {ExplainFormat.JSON: 114, ExplainFormat.XML: 142}.get(self, 25)


def in_format(document: str, wanted: ExplainFormat) -> str:
    """Write a JSON document in a format that is not text."""
    return _WRITERS[wanted](document)


def _as_yaml(document: str) -> str:
    return "\n".join(_yaml_members(json.loads(document), ""))


def _yaml_members(members: list[object], indent: str) -> Iterator[str]:
    for member in members:
        if not isinstance(member, dict):
            yield f"{indent}- {_yaml_scalar(member)}"
            continue
        for number, line in enumerate(_yaml_facts(member, indent + "  ")):
            yield f"{indent}- {line[len(indent) + 2 :]}" if number == 0 else line


def _yaml_facts(facts: dict[str, object], indent: str) -> Iterator[str]:
    for name, value in facts.items():
        if isinstance(value, dict):
            yield f"{indent}{name}:"
            yield from _yaml_facts(value, indent + "  ")
        elif isinstance(value, list) and value:
            yield f"{indent}{name}:"
            yield from _yaml_members(value, indent + "  ")
        else:
            yield f"{indent}{name}: {_yaml_scalar(value)}"


def _yaml_scalar(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _as_xml(document: str) -> str:
    lines = [f'<explain xmlns="{_NAMESPACE}">']
    for query in json.loads(document):
        lines += ["  <Query>", *_xml_facts(query, "    "), "  </Query>"]
    return "\n".join((*lines, "</explain>"))


def _xml_facts(facts: dict[str, object], indent: str) -> Iterator[str]:
    for name, value in facts.items():
        yield from _xml_element(name, value, indent)


def _xml_element(name: str, value: object, indent: str) -> Iterator[str]:
    # As PostgreSQL writes names: with a hyphen for whatever XML does not allow there.
    tag = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)
    if isinstance(value, dict):
        yield f"{indent}<{tag}>"
        yield from _xml_facts(value, indent + "  ")
        yield f"{indent}</{tag}>"
    elif isinstance(value, list):
        yield f"{indent}<{tag}>"
        for member in value:
            yield from _xml_element(_ONE_OF.get(name, "Item"), member, indent + "  ")
        yield f"{indent}</{tag}>"
    else:
        text = value if isinstance(value, str) else json.dumps(value)
        yield f"{indent}<{tag}>{escape(text)}</{tag}>"


_WRITERS: dict[ExplainFormat, Callable[[str], str]] = {
    ExplainFormat.JSON: str,
    ExplainFormat.YAML: _as_yaml,
    ExplainFormat.XML: _as_xml,
}
