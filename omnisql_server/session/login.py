"""The start-up parameters of a session's backend: its role, what the client asked for, and settings of ours. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from omnisql_server.model.custom_settings import PREFIX, refusal
from wire.startup import parse_options

OWN_PARAMETERS = frozenset({"user", "database", "options", "replication"})
_SPECIAL = frozenset("\\ \t\n\r\f\v")


def backend_parameters(
    asked: Mapping[str, str], *, role: str, database: str, settings: Mapping[str, str]
) -> dict[str, str]:
    """Make the start-up parameters of the backend from the client's; `settings` are defaults that a client may change.

    Raises:
        ProtocolViolation: 42601, the client's `options` are malformed.
        SettingUnknown, SettingInvalid: 42704, 22023, it sets one of our custom settings wrongly.
    """
    wanted = parse_options(asked.get("options", ""))
    for name, value in (*asked.items(), *wanted.items()):
        error = refusal(name, value) if name.lower().startswith(PREFIX) else None
        if error is not None:
            raise error
    options = {**settings, **wanted}
    parameters = {name: value for name, value in asked.items() if name not in OWN_PARAMETERS}
    if options:
        words = (f"-c {_escaped(f'{name}={value}')}" for name, value in options.items())
        parameters["options"] = " ".join(words)
    return {"user": role, "database": database, **parameters}


def _escaped(word: str) -> str:
    return "".join(f"\\{character}" if character in _SPECIAL else character for character in word)
