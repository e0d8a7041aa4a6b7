"""A tenant's policy file (YAML), validated and compiled to the data of `rego/omnisql.rego`.

Rules speak of API tables and API columns, never of local names. `docs/policies.md` describes the file.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.model.custom_settings import PURPOSE, PURPOSE_WORDS
from omnisql_server.model.mask import DATE_UNITS, MaskKind
from omnisql_server.policy.conditions import condition_of, held_values, literal
from omnisql_server.policy.reading import entries, mapping, number, selector, text, texts
from omnisql_server.policy.targets import COLUMN_KEYS, TARGET_KEYS, Tags, tags_of, targets_of

Rule = Mapping[str, Any]
_SECTIONS = {"version", "tags", "row_filters", "masks", "denials", "purposes", "shares", "tests"}
_PURPOSE = re.compile(PURPOSE)
_COMMON_KEYS = {"name", "subjects", "except", *TARGET_KEYS}
_BY_VALUES = {"column", "attribute", "values", "match"}
_MASK_ARGUMENTS = {
    MaskKind.CONST: {"value"},
    MaskKind.BUCKET: {"width"},
    MaskKind.TRUNCATE_DATE: {"unit"},
    MaskKind.PARTIAL: {"first", "last", "character"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """A whole policy as data of the decision; an empty one allows what GRANTs allow. `tests` are the file's own."""

    row_filters: tuple[Rule, ...] = ()
    masks: tuple[Rule, ...] = ()
    denials: tuple[Rule, ...] = ()
    purposes: tuple[Rule, ...] = ()
    shares: tuple[Rule, ...] = ()
    tests: tuple[Any, ...] = field(default=(), compare=False)

    @property
    def revision(self) -> str:
        """Return a name that rules have in common only if they are the same."""
        return hashlib.sha256(json.dumps(self._sections(), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def data(self) -> dict[str, Any]:
        """Return the document `data.omnisql_policies`."""
        return {"revision": self.revision, **self._sections()}

    def _sections(self) -> dict[str, Any]:
        return {
            "row_filters": list(self.row_filters),
            "masks": list(self.masks),
            # Whoever does not read for one of a rule's purposes is denied.
            "denials": [*self.denials, *self.purposes],
            "shares": list(self.shares),
        }


def load_rules(path: Path | None) -> Rules:
    """Read a policy file; None means no policy beyond GRANTs.

    Raises:
        ConfigurationInvalid: F0000, the file cannot be read, or says something unknown.
    """
    if path is None:
        return Rules()
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationInvalid(message=f"the policy file {path} cannot be read", detail=str(error)) from error
    return parse_rules(document, str(path))


def parse_rules(document: Any, where: str) -> Rules:
    """Validate and compile a policy document.

    Raises:
        ConfigurationInvalid: F0000, an unknown key, a missing one, or a value of the wrong kind.
    """
    document = mapping(document, where, _SECTIONS)
    if document.get("version") != 1 or isinstance(document.get("version"), bool):
        raise ConfigurationInvalid(message=f"{where}: version must be 1")
    tags = tags_of(document, where)

    def compiled(section: str, compile_rule: Any) -> tuple[Rule, ...]:
        return tuple(compile_rule(item, tags, f"{where}: {section}") for item in entries(document, section, where))

    return Rules(
        row_filters=compiled("row_filters", _row_filter),
        masks=compiled("masks", _mask),
        denials=compiled("denials", _whole_tables),
        purposes=compiled("purposes", _purpose),
        shares=compiled("shares", _whole_tables),
        tests=tuple(entries(document, "tests", where)),
    )


def _row_filter(item: Any, tags: Tags, where: str) -> Rule:
    item = mapping(item, where, {*_COMMON_KEYS, *_BY_VALUES, "rows"})
    where = f"{where}: {text(item, 'name', where)}"
    if "rows" in item:
        if mixed := sorted(_BY_VALUES & set(item)):
            raise ConfigurationInvalid(message=f"{where}: rows and {mixed[0]} exclude each other")
        rows = condition_of(item["rows"], f"{where}: rows")
    else:
        match = item.get("match", "equals")
        if match not in ("equals", "prefix"):
            raise ConfigurationInvalid(message=f"{where}: match must be equals or prefix")
        column, attribute = text(item, "column", where), text(item, "attribute", where)
        rows = held_values(attribute, item.get("values"), column, prefix=match == "prefix", where=where)
    return {**_rule(item, tags, where, columns=False), "rows": rows}


def _mask(item: Any, tags: Tags, where: str) -> Rule:
    item = mapping(item, where, {*_COMMON_KEYS, *COLUMN_KEYS, "mask"})
    where = f"{where}: {text(item, 'name', where)}"
    return {**_rule(item, tags, where, columns=True), "mask": _shown(item.get("mask"), where)}


def _whole_tables(item: Any, tags: Tags, where: str) -> Rule:
    item = mapping(item, where, _COMMON_KEYS)
    return _rule(item, tags, f"{where}: {text(item, 'name', where)}", columns=False)


def _purpose(item: Any, tags: Tags, where: str) -> Rule:
    item = mapping(item, where, {*_COMMON_KEYS, "purposes"})
    where = f"{where}: {text(item, 'name', where)}"
    purposes = texts(item.get("purposes"), f"{where}: purposes")
    for purpose in purposes:
        if not _PURPOSE.fullmatch(purpose):
            raise ConfigurationInvalid(message=f"{where}: {purpose!r} is no purpose", hint=PURPOSE_WORDS)
    return {**_rule(item, tags, where, columns=False), "purposes": sorted(purposes)}


def _rule(item: Mapping[str, Any], tags: Tags, where: str, *, columns: bool) -> dict[str, Any]:
    return {
        "name": text(item, "name", where),
        "targets": targets_of(item, tags, where, columns=columns),
        "subjects": selector(item, "subjects", where),
        "exempt": selector(item, "except", where),
    }


def _shown(mask: Any, where: str) -> dict[str, Any]:
    """Compile a mask: the name of its kind, or a mapping with arguments."""
    where = f"{where}: mask"
    given = {"kind": mask} if isinstance(mask, str) else mapping(mask, where, None)
    if given.get("kind") not in tuple(MaskKind):
        raise ConfigurationInvalid(message=f"{where} must be one of {', '.join(MaskKind)}")
    kind = MaskKind(given["kind"])
    mapping(given, where, {"kind", *_MASK_ARGUMENTS.get(kind, set())})
    if kind is MaskKind.CONST:
        return {"kind": kind.value, "value": literal(given.get("value"), f"{where}: value")}
    if kind is MaskKind.BUCKET:
        width = given.get("width")
        if isinstance(width, bool) or not isinstance(width, int | float) or not 0 < width < math.inf:
            raise ConfigurationInvalid(message=f"{where}: width must be a number above zero")
        return {"kind": kind.value, "width": width}
    if kind is MaskKind.TRUNCATE_DATE:
        if given.get("unit") not in DATE_UNITS:
            raise ConfigurationInvalid(message=f"{where}: unit must be one of {', '.join(DATE_UNITS)}")
        return {"kind": kind.value, "unit": given["unit"]}
    if kind is MaskKind.PARTIAL:
        character = given.get("character", "*")
        if not isinstance(character, str) or len(character) != 1:
            raise ConfigurationInvalid(message=f"{where}: character must be one character")
        first, last = number(given, "first", where, 0), number(given, "last", where, 0)
        return {"kind": kind.value, "first": first, "last": last, "character": character}
    return {"kind": kind.value}
