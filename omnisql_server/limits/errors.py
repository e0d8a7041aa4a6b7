"""What goes wrong with the shared state of limits."""

from __future__ import annotations

from omnisql_server.errors import OmniSQLError


class ValkeyUnavailable(OmniSQLError):
    """The embedded Valkey does not start, or the configured one does not answer."""

    sqlstate = "57P03"


class ValkeyInUse(OmniSQLError):
    """Another server runs its Valkey from the same data directory."""

    sqlstate = "55006"
