"""Every connector there is, by name."""

from __future__ import annotations

from connectors.github.connector import GitHubConnector
from connectors.jira.connector import JiraConnector
from connectors.sdk.connector import Connector
from connectors.sdk.errors import OptionInvalid

_CONNECTORS: tuple[Connector, ...] = (GitHubConnector(), JiraConnector())
_BY_NAME = {connector.name: connector for connector in _CONNECTORS}


def all_connectors() -> tuple[Connector, ...]:
    """Return all connectors in the order of their names."""
    return tuple(sorted(_CONNECTORS, key=lambda connector: connector.name))


def connector_named(name: str) -> Connector:
    """Return the connector of a name.

    Raises:
        OptionInvalid: SQLSTATE HV00D, there is none.
    """
    try:
        return _BY_NAME[name]
    except KeyError:
        raise OptionInvalid(
            message=f"there is no connector {name}", hint=f"There are {', '.join(sorted(_BY_NAME))}."
        ) from None
