"""The section of the settings about webhooks. Pure values."""

from __future__ import annotations

from dataclasses import dataclass

from omnisql_server.setting import setting


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
