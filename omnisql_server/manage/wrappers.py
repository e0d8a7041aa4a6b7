"""The connector behind a foreign-data wrapper's name, the server's own among them."""

from __future__ import annotations

from collections.abc import Callable

from connectors.sdk.connector import Connector
from omnisql_server.introspection.connector import INTROSPECTION

ConnectorOf = Callable[[str], Connector]
"""Gives the connector of a wrapper.

Raises:
    OptionInvalid: HV00D, there is none.
"""


def with_introspection(connector_named: ConnectorOf) -> ConnectorOf:
    """Add the server's own connector to those of the registry."""
    return lambda name: INTROSPECTION if name == INTROSPECTION.name else connector_named(name)
