"""The section of the settings about ways to log in beside passwords. Pure values."""

from __future__ import annotations

from dataclasses import dataclass

from omnisql_server.setting import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class LogInSettings:
    """What clients are asked for, and the bounds of what they show; tenants' rules say whom that lets in."""

    ask: str = setting(
        "password",
        "What clients are asked for that do not say, where no rule of the tenant does.",
        choices=("password", "token", "oauth"),
    )
    session_max_s: float = setting(
        43_200.0, "Longest a session lasts that a token or certificate opened.", minimum=1, maximum=2_592_000
    )
    keys_fresh_s: float = setting(
        300.0, "Time an identity provider's keys are used without asking it again.", minimum=1, maximum=86_400
    )
    keys_kept_max_s: float = setting(
        86_400.0, "Longest its keys are used while it does not answer.", minimum=1, maximum=604_800
    )
    keys_wait_s: float = setting(
        10.0, "Time between two questions to it for a key it has not named.", minimum=0.1, maximum=3600
    )
    token_days_max: int = setting(366, "Longest an API token may be good for.", minimum=1, maximum=3660)
