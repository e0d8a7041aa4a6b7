"""The sections of the settings about rows that are kept, and webhooks that make them too old. Pure values."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """Where vendors send webhooks; a proxy before it ends TLS. Off without a port."""

    host: str = setting("127.0.0.1", "Address to take webhooks at.")
    port: int | None = setting(
        None, "TCP port to take webhooks at, 0 for a free one; without one none are taken.", minimum=0, maximum=65_535
    )
    body_bytes_max: int = setting(
        25 * 1024 * 1024, "Largest webhook; GitHub's have up to 25 MiB.", minimum=1024, maximum=64 * 1024 * 1024
    )
