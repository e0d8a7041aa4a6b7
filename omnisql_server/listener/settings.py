"""Settings of the listener, each with its unit, default and range."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.networks import Network
from omnisql_server.session.settings import SessionLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """Where clients connect and what they may use.

    `port` 0 takes a free one. `connections_max` counts clients past their start-up message. `message_bytes_max` bounds
    one message, `client_buffer_bytes_max` what waits for a client in each direction. `statement_timeout_max_s` bounds
    every statement (0: no bound). `drain_timeout_s` is what busy sessions get at shutdown. TLS is offered when both
    paths are set and asked of everybody but loopback unless `tls_required` is off. Peers in `proxy_protocol_from` are
    load balancers: each of their connections begins with a header of PROXY protocol v2.
    """

    host: str = "127.0.0.1"
    port: int = 5432
    connections_max: int = 200
    startup_timeout_s: float = 30.0
    message_bytes_max: int = 256 * 1024 * 1024
    client_buffer_bytes_max: int = 1024 * 1024
    statement_timeout_max_s: float = 3600.0
    drain_timeout_s: float = 30.0
    tls_certificate_path: Path | None = None
    tls_key_path: Path | None = None
    tls_required: bool = True
    proxy_protocol_from: tuple[Network, ...] = ()
    session: SessionLimits = field(default_factory=SessionLimits)

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        ranges = {
            "port": 0 <= self.port <= 65_535,
            "connections_max": 1 <= self.connections_max <= 100_000,
            "startup_timeout_s": 0 < self.startup_timeout_s <= 600,
            "message_bytes_max": 1024 <= self.message_bytes_max < 1 << 30,
            "client_buffer_bytes_max": 4096 <= self.client_buffer_bytes_max <= 1 << 30,
            "statement_timeout_max_s": self.statement_timeout_max_s >= 0,
            "drain_timeout_s": 0 <= self.drain_timeout_s <= 86_400,
            "tls_key_path": (self.tls_certificate_path is None) == (self.tls_key_path is None),
        }
        for name, fits in ranges.items():
            if not fits:
                raise ConfigurationInvalid(message=f"the listener's setting {name} is out of range")
