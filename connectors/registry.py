"""Every connector there is, by name."""

from __future__ import annotations

from collections.abc import Callable

from connectors.github.connector import GitHubConnector
from connectors.jira.connector import JiraConnector
from connectors.sdk.connector import Connector
from connectors.sdk.errors import OptionInvalid
from connectors.sdk.settings import TransportSettings

_BY_NAME: dict[str, Callable[[TransportSettings | None], Connector]] = {
    GitHubConnector.name: GitHubConnector,
    JiraConnector.name: JiraConnector,
}


def all_connectors() -> tuple[Connector, ...]:
    """Return all connectors in the order of their names."""
    return tuple(connector_named(name) for name in sorted(_BY_NAME))


def connector_named(name: str, settings: TransportSettings | None = None) -> Connector:
    """Return the connector of a name, with bounds for its connections.

    Raises:
        OptionInvalid: SQLSTATE HV00D, there is none.
    """
    try:
        make = _BY_NAME[name]
    except KeyError:
        raise OptionInvalid(
            message=f"there is no connector {name}", hint=f"There are {', '.join(sorted(_BY_NAME))}."
        ) from None
    return make(settings)
