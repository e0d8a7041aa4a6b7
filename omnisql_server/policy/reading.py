"""Parts of a policy document, taken only as what they have to be. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omnisql_server.errors import ConfigurationInvalid


def mapping(value: Any, where: str, known: set[str] | None) -> Mapping[str, Any]:
    """Take a mapping whose keys are texts, and of the known ones if they are given.

    Raises:
        ConfigurationInvalid: F0000, it is something else; so in all functions of this module.
    """
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


def entries(document: Mapping[str, Any], key: str, where: str) -> list[Any]:
    """Take a list, an empty one where there is none."""
    value = document.get(key, [])
    if not isinstance(value, list):
        raise ConfigurationInvalid(message=f"{where}: {key} must be a list")
    return value


def text(item: Mapping[str, Any], key: str, where: str) -> str:
    """Take a text of one character at least."""
    value = item.get(key)
    if not isinstance(value, str) or not value:
        raise ConfigurationInvalid(message=f"{where}: {key} must be a text")
    return value


def texts(value: Any, where: str) -> tuple[str, ...]:
    """Take a list of one text at least."""
    if not isinstance(value, list) or not value or not all(isinstance(entry, str) for entry in value):
        raise ConfigurationInvalid(message=f"{where}: a list of texts is expected")
    return tuple(value)


def number(item: Mapping[str, Any], key: str, where: str, default: int) -> int:
    """Take a whole number from zero on."""
    value = item.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ConfigurationInvalid(message=f"{where}: {key} must be a whole number")
    return value


def selector(item: Mapping[str, Any], key: str, where: str) -> dict[str, list[str]]:
    """Take attribute values that choose principals; `users` are names that log in."""
    chosen = mapping(item.get(key, {}), f"{where}: {key}", None)
    return {attribute: sorted(texts(values, f"{where}: {key}")) for attribute, values in chosen.items()}
