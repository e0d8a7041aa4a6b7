"""The settings that clients make for their session under `omnisql.`: names, defaults, and what each may be. Pure.

PostgreSQL keeps any text under such a name. So a value is checked where it is set, when the name stands in the text,
and again where it is used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from omnisql_server.errors import OmniSQLError, SettingInvalid, SettingUnknown
from omnisql_server.model.freshness import DURATION, DURATION_WORDS

PREFIX = "omnisql."
PURPOSE = r"[a-z0-9][a-z0-9_.-]{0,63}"
PURPOSE_WORDS = "up to 64 of the signs a-z, 0-9, _, . and -"


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomSetting:
    """One setting; a value must match `pattern`, which `allowed` says in words."""

    name: str
    default: str
    allowed: str
    pattern: str


def _choice(name: str, *choices: str) -> CustomSetting:
    """Declare a setting that is one of a few words, the first of them by default."""
    allowed = f"available values: {', '.join(choices)}"
    return CustomSetting(name=name, default=choices[0], allowed=allowed, pattern="|".join(choices))


CUSTOM_SETTINGS: Mapping[str, CustomSetting] = {
    setting.name: setting
    for setting in (
        _choice("omnisql.engine", "auto", "duckdb", "postgres"),
        _choice("omnisql.on_source_error", "fail", "partial"),
        CustomSetting(
            name="omnisql.max_api_calls", default="", allowed="a whole number, or empty", pattern=r"\d{1,9}|"
        ),
        CustomSetting(
            name="omnisql.max_staleness",
            default="",
            allowed=f"{DURATION_WORDS}, or empty",
            pattern=f"{DURATION}|",
        ),
        CustomSetting(name="omnisql.stale_if_error", default="0", allowed=DURATION_WORDS, pattern=DURATION),
        CustomSetting(name="omnisql.purpose", default="", allowed=f"{PURPOSE_WORDS}, or empty", pattern=f"{PURPOSE}|"),
        _choice("omnisql.async", "off", "on"),
    )
}

DEFAULTS: Mapping[str, str] = {setting.name: setting.default for setting in CUSTOM_SETTINGS.values()}
"""What every session starts with, by its database, so that SHOW, RESET and DISCARD ALL know it."""


def refusal(name: str, value: str | None) -> OmniSQLError | None:
    """Say why a setting under `omnisql.` cannot have a value, None if it can; a `value` of None is the default."""
    setting = CUSTOM_SETTINGS.get(name.lower())
    if setting is None:
        return SettingUnknown(
            message=f'unrecognized configuration parameter "{name}"', hint=f"known here: {', '.join(CUSTOM_SETTINGS)}"
        )
    if value is None or re.fullmatch(setting.pattern, value.strip().lower(), re.ASCII):
        return None
    return SettingInvalid(message=f'invalid value for parameter "{setting.name}": "{value}"', hint=setting.allowed)


def checked(name: str, value: str | None) -> str:
    """Return a setting's value as it is compared: the default if there is none, in lower case.

    Raises:
        SettingInvalid: 22023, it cannot have that value.
    """
    given = value or CUSTOM_SETTINGS[name].default
    error = refusal(name, given)
    if error is not None:
        raise error
    return given.strip().lower()
