"""Every connector there is, by name: those in Python, and a manifest for each file in `connectors/manifests`."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from connectors.declarative.connector import DeclarativeConnector
from connectors.declarative.load import SUFFIX, Loaded, load_file
from connectors.github.connector import GitHubConnector
from connectors.jira.connector import JiraConnector
from connectors.sdk.connector import Connector
from connectors.sdk.errors import OptionInvalid
from connectors.sdk.settings import TransportSettings

MANIFESTS = Path(__file__).parent / "manifests"

_BY_NAME: dict[str, Callable[[TransportSettings | None], Connector]] = {
    GitHubConnector.name: GitHubConnector,
    JiraConnector.name: JiraConnector,
}


def connector_names() -> tuple[str, ...]:
    """Return the names of all connectors, in order."""
    return tuple(sorted({*_BY_NAME, *manifest_names()}))


@lru_cache(maxsize=1)
def manifest_names() -> tuple[str, ...]:
    """Return the names of the connectors that are manifests, in order."""
    return tuple(sorted(file.name.removesuffix(SUFFIX) for file in MANIFESTS.glob(f"*{SUFFIX}")))


@lru_cache(maxsize=64)
def manifest_named(name: str) -> Loaded:
    """Load the manifest of a name, once.

    Raises:
        ManifestInvalid: SQLSTATE HV00R, it is refused.
    """
    return load_file(MANIFESTS / f"{name}{SUFFIX}")


def loaded_named(name: str) -> Loaded | None:
    """Return the manifest of a connector, None when it is written in Python."""
    return manifest_named(name) if name in manifest_names() else None


def all_connectors() -> tuple[Connector, ...]:
    """Return all connectors in the order of their names."""
    return tuple(connector_named(name) for name in connector_names())


def connector_named(name: str, settings: TransportSettings | None = None) -> Connector:
    """Return the connector of a name, with bounds for its connections.

    Raises:
        OptionInvalid: SQLSTATE HV00D, there is none.
    """
    if name in manifest_names():
        return DeclarativeConnector(manifest_named(name), settings)
    try:
        make = _BY_NAME[name]
    except KeyError:
        raise OptionInvalid(
            message=f"there is no connector {name}", hint=f"There are {', '.join(connector_names())}."
        ) from None
    return make(settings)
