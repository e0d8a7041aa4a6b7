"""How commands are told secrets: a hidden prompt, stdin or a file, never an argument. Errors never repeat a value."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from connectors.declarative.connector import DeclarativeConnector
from connectors.sdk.connector import Connector, Option
from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.manage.options import WEBHOOK_SECRET, lacking_secrets


def given_options(pairs: Iterable[str], secrets: tuple[str, ...]) -> dict[str, str]:
    """Read `name=value` arguments.

    Raises:
        ConfigurationInvalid: one has another form, or is a secret.
    """
    options = _pairs(pairs, "--option")
    for name in options:
        if name in secrets:
            raise ConfigurationInvalid(
                message=f"option {name} is a secret and is not taken from the command line",
                hint=f"Leave it out and be asked for it, or use --secret-file {name}=FILE.",
            )
    return options


def read_secrets(connector: Connector, files: Iterable[str]) -> dict[str, str]:
    """Read the secrets of a connector: from files, else by asking, until they are enough to log in.

    One that is not required may stay empty. That of webhooks is no part of a log-in: it comes from a file alone.

    Raises:
        ConfigurationInvalid: a required one is missing, or a file is for no secret. OSError: a file cannot be read.
    """
    wanted = {option.name: option for option in connector.options if option.secret}
    found = {
        name: Path(file).read_text(encoding="utf-8").rstrip("\r\n") for name, file in _files(files, wanted).items()
    }
    for name, option in wanted.items():
        if name not in found and name != WEBHOOK_SECRET and (option.required or not _is_enough(connector, found)):
            found[name] = _asked(option)
        if option.required and not found.get(name):
            break
    if lacking := lacking_secrets(connector, found):
        raise ConfigurationInvalid(message=f"secret {lacking[0]} is missing", detail=wanted[lacking[0]].description)
    return {name: value for name, value in found.items() if value}


def _is_enough(connector: Connector, found: Mapping[str, str]) -> bool:
    return isinstance(connector, DeclarativeConnector) and not lacking_secrets(connector, found)


def _files(files: Iterable[str], wanted: Mapping[str, Option]) -> dict[str, str]:
    pairs = _pairs(files, "--secret-file")
    for name in pairs:
        if name not in wanted:
            raise ConfigurationInvalid(message=f"there is no secret {name}", hint=f"There are {', '.join(wanted)}.")
    return pairs


def _asked(option: Option) -> str:
    if sys.stdin.isatty():
        return getpass.getpass(f"{option.name} ({option.description}): ")
    return sys.stdin.readline().rstrip("\r\n")


def _pairs(texts: Iterable[str], argument: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            # The text is not repeated: it may be a secret.
            raise ConfigurationInvalid(message=f"{argument} is to be written name=value")
        pairs[name] = value
    return pairs
