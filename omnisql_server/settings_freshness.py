"""The section of the settings about what is kept for later statements. Pure values."""

from __future__ import annotations

from dataclasses import dataclass

from omnisql_server.setting import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshnessSettings:
    """Rows kept for later statements, sealed in Valkey and decoded in memory."""

    shared_bytes_max: int = setting(64 * 1024**2, "Sealed rows in Valkey, of all tenants.", minimum=0, maximum=1024**4)
    local_bytes_max: int = setting(64 * 1024**2, "Decoded rows in this process.", minimum=0, maximum=1024**4)
    answers_bytes_max: int = setting(
        16 * 1024**2, "Encoded answers in this process, of all tenants; 0: none.", minimum=0, maximum=1024**4
    )
    entry_bytes_max: int = setting(
        8 * 1024**2, "Largest answer of one request to keep.", minimum=0, maximum=256 * 1024**2
    )
    kept_s: float = setting(3600.0, "Longest time rows are kept.", minimum=1, maximum=604_800)
