"""The start-up parameters of a session's backend: its role, what the client asked for, and settings of ours. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from omnisql_server.errors import SettingInvalid
from omnisql_server.model.custom_settings import PREFIX, refusal
from omnisql_server.session.entrance import Proof
from wire.startup import parse_options

LOG_IN = "omnisql.log_in"
"""By this parameter a client says how it logs in; it is no setting, and does not outlive the log-in."""
OWN_PARAMETERS = frozenset({"user", "database", "options", "replication", LOG_IN})
READ_ONLY = "default_transaction_read_only"
_SPECIAL = frozenset("\\ \t\n\r\f\v")


def backend_parameters(
    asked: Mapping[str, str], *, role: str, database: str, settings: Mapping[str, str], read_only: bool = False
) -> dict[str, str]:
    """Make the start-up parameters of the backend from the client's; `settings` are defaults that a client may change.

    `read_only` has every transaction begin as one that cannot write, whatever the client asks for.

    Raises:
        ProtocolViolation: 42601, the client's `options` are malformed.
        SettingUnknown, SettingInvalid: 42704, 22023, it sets one of our custom settings wrongly.
    """
    wanted = parse_options(asked.get("options", ""))
    wanted.pop(LOG_IN, None)
    for name, value in (*asked.items(), *wanted.items()):
        error = refusal(name, value) if name.lower().startswith(PREFIX) and name != LOG_IN else None
        if error is not None:
            raise error
    options = {**settings, **wanted}
    parameters = {name: value for name, value in asked.items() if name not in OWN_PARAMETERS}
    if read_only:
        # The last of the options counts, and a parameter beside them would come after it.
        options = {name: value for name, value in options.items() if name.lower() != READ_ONLY} | {READ_ONLY: "on"}
        parameters = {name: value for name, value in parameters.items() if name.lower() != READ_ONLY}
    if options:
        words = (f"-c {_escaped(f'{name}={value}')}" for name, value in options.items())
        parameters["options"] = " ".join(words)
    return {"user": role, "database": database, **parameters}


def wanted_log_in(asked: Mapping[str, str]) -> Proof | None:
    """Return how a client wants to log in; None where it does not say.

    Raises:
        SettingInvalid: 22023, in a way that there is not. ProtocolViolation: 42601, its `options` are malformed.
    """
    options = asked.get("options", "")
    value = asked.get(LOG_IN) or (parse_options(options).get(LOG_IN) if LOG_IN in options else None)
    if value is None:
        return None
    if value not in tuple(Proof):
        raise SettingInvalid(
            message=f'invalid value for parameter "{LOG_IN}"', hint=f"available values: {', '.join(Proof)}"
        )
    return Proof(value)


def _escaped(word: str) -> str:
    return "".join(f"\\{character}" if character in _SPECIAL else character for character in word)
