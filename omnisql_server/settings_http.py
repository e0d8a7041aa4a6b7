"""The section of the settings about statements by HTTP. Pure values."""

from __future__ import annotations

from dataclasses import dataclass

from omnisql_server.setting import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """Where statements are taken by HTTPS, with the listener's certificate. Off without a port."""

    host: str = setting("127.0.0.1", "Address to take statements by HTTPS at.")
    port: int | None = setting(
        None,
        "TCP port to take statements by HTTPS at, 0 for a free one; without one none are.",
        minimum=0,
        maximum=65_535,
    )
    body_bytes_max: int = setting(
        1024 * 1024, "Largest request: a statement and its parameters.", minimum=1024, maximum=64 * 1024 * 1024
    )
    held_bytes_max: int = setting(
        256 * 1024,
        "Bytes of an answer held back before its status is sent; an error after that breaks the answer off.",
        minimum=0,
        maximum=64 * 1024 * 1024,
    )
