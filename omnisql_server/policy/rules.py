"""A tenant's policy file (YAML) as validated rules. Rules speak of API tables and API columns, never of local names.

```yaml
version: 1
row_filters:
  - name: rows-by-team
    tables: [github.issues, github.pull_requests]   # connector.table
    column: repo
    attribute: teams                                 # of the principal; "*" lifts the filter
    values: {web: [web-app], api: [api-gateway]}     # attribute value -> column values
masks:
  - {name: hide-email, tables: [jira.users], column: email, mask: "null", except: {teams: [security]}}
denials:
  - {name: no-worklogs, tables: [jira.issue_worklogs], except: {teams: [finance]}}
```
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from omnisql_server.errors import ConfigurationInvalid

EVERYTHING = "*"
_MASKS = ("null", "redact")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFilterRule:
    """Rows of some tables are shown by an attribute of the principal."""

    name: str
    tables: frozenset[str]
    column: str
    attribute: str
    values: Mapping[str, tuple[str, ...]]
    prefix: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskRule:
    """A column of some tables is masked, except for principals with one of some attribute values."""

    name: str
    tables: frozenset[str]
    column: str
    mask: str
    exempt: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DenialRule:
    """Some tables may not be read, except by principals with one of some attribute values."""

    name: str
    tables: frozenset[str]
    exempt: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """A tenant's whole policy; an empty one allows what GRANTs allow. `revision` is the digest of its text."""

    row_filters: tuple[RowFilterRule, ...] = ()
    masks: tuple[MaskRule, ...] = ()
    denials: tuple[DenialRule, ...] = ()
    revision: str = field(default="", compare=False)


def load_rules(path: Path | None) -> Rules:
    """Read a policy file; None means no policy beyond GRANTs.

    Raises:
        ConfigurationInvalid: the file cannot be read, or says something unknown.
    """
    if path is None:
        return Rules()
    try:
        text = path.read_text(encoding="utf-8")
        document = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationInvalid(message=f"the policy file {path} cannot be read", detail=str(error)) from error
    return replace(parse_rules(document, str(path)), revision=hashlib.sha256(text.encode()).hexdigest()[:16])


def parse_rules(document: Any, where: str) -> Rules:
    """Validate a policy document.

    Raises:
        ConfigurationInvalid: an unknown key, a missing one, or a value of the wrong kind.
    """
    document = _mapping(document, where, {"version", "row_filters", "masks", "denials"})
    if document.get("version") != 1 or isinstance(document.get("version"), bool):
        raise ConfigurationInvalid(message=f"{where}: version must be 1")
    return Rules(
        row_filters=tuple(_row_filter(item, f"{where}: row_filters") for item in _list(document, "row_filters", where)),
        masks=tuple(_mask(item, f"{where}: masks") for item in _list(document, "masks", where)),
        denials=tuple(_denial(item, f"{where}: denials") for item in _list(document, "denials", where)),
    )


def _row_filter(item: Any, where: str) -> RowFilterRule:
    item = _mapping(item, where, {"name", "tables", "column", "attribute", "values", "match"})
    match = item.get("match", "equals")
    if match not in ("equals", "prefix"):
        raise ConfigurationInvalid(message=f"{where}: match must be equals or prefix")
    values = _mapping(item.get("values"), f"{where}: values", None)
    return RowFilterRule(
        name=_text(item, "name", where),
        tables=_tables(item, where),
        column=_text(item, "column", where),
        attribute=_text(item, "attribute", where),
        values={key: _texts(allowed, f"{where}: values") for key, allowed in values.items()},
        prefix=match == "prefix",
    )


def _mask(item: Any, where: str) -> MaskRule:
    item = _mapping(item, where, {"name", "tables", "column", "mask", "except"})
    mask = item.get("mask")
    if mask not in _MASKS:
        raise ConfigurationInvalid(message=f"{where}: mask must be one of {', '.join(_MASKS)}")
    return MaskRule(
        name=_text(item, "name", where),
        tables=_tables(item, where),
        column=_text(item, "column", where),
        mask=mask,
        exempt=_exempt(item, where),
    )


def _denial(item: Any, where: str) -> DenialRule:
    item = _mapping(item, where, {"name", "tables", "except"})
    return DenialRule(name=_text(item, "name", where), tables=_tables(item, where), exempt=_exempt(item, where))


def _exempt(item: Mapping[str, Any], where: str) -> dict[str, frozenset[str]]:
    exempt = _mapping(item.get("except", {}), f"{where}: except", None)
    return {key: frozenset(_texts(values, f"{where}: except")) for key, values in exempt.items()}


def _tables(item: Mapping[str, Any], where: str) -> frozenset[str]:
    tables = _texts(item.get("tables"), f"{where}: tables")
    for table in tables:
        if table.count(".") != 1 or not all(table.split(".")):
            raise ConfigurationInvalid(message=f"{where}: table {table!r} must be written as connector.table")
    return frozenset(tables)


def _mapping(value: Any, where: str, known: set[str] | None) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ConfigurationInvalid(message=f"{where}: a mapping is expected")
    # YAML reads yes, no, on, off and numbers as something else than the text that was meant.
    if not all(isinstance(key, str) for key in value):
        raise ConfigurationInvalid(message=f"{where}: every key must be a text", hint="put it in quotes")
    if known is not None and (unknown := sorted(set(value) - known)):
        raise ConfigurationInvalid(
            message=f"{where}: unknown key {unknown[0]!r}", hint=f"known keys: {', '.join(sorted(known))}"
        )
    return value


def _list(document: Mapping[str, Any], key: str, where: str) -> list[Any]:
    value = document.get(key, [])
    if not isinstance(value, list):
        raise ConfigurationInvalid(message=f"{where}: {key} must be a list")
    return value


def _text(item: Mapping[str, Any], key: str, where: str) -> str:
    value = item.get(key)
    if not isinstance(value, str) or not value:
        raise ConfigurationInvalid(message=f"{where}: {key} must be a text")
    return value


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(entry, str) for entry in value):
        raise ConfigurationInvalid(message=f"{where}: a list of texts is expected")
    return tuple(value)
