"""Every connector there is, by name: those in Python, each manifest in `connectors/manifests`, those of a folder."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from connectors.declarative.connector import DeclarativeConnector
from connectors.declarative.load import SUFFIX, Loaded, kept_of, load_earlier, load_file
from connectors.github.connector import GitHubConnector
from connectors.jira.connector import JiraConnector
from connectors.postgres.connector import PostgresConnector
from connectors.salesforce.connector import SalesforceConnector
from connectors.sdk.connector import Connector
from connectors.sdk.errors import ManifestInvalid, OptionInvalid
from connectors.sdk.settings import TransportSettings

MANIFESTS = Path(__file__).parent / "manifests"

_BY_NAME: dict[str, Callable[[TransportSettings | None], Connector]] = {
    GitHubConnector.name: GitHubConnector,
    JiraConnector.name: JiraConnector,
    PostgresConnector.name: PostgresConnector,
    SalesforceConnector.name: SalesforceConnector,
}


def connector_names() -> tuple[str, ...]:
    """Return the names of all connectors, in order."""
    return tuple(sorted({*_BY_NAME, *manifest_names()}))


_ADDED: dict[str, Loaded] = {}
"""Manifests of a folder of the operator's own, by name; set once, when the process starts."""

_EARLIER: dict[str, tuple[Loaded, ...]] = {}
"""Their earlier versions that are kept beside them."""


def add_folder(folder: Path) -> tuple[str, ...]:
    """Add the manifests of a folder to the connectors there are, all of them or none, and return their names.

    Raises:
        ManifestInvalid: SQLSTATE HV00R, one is refused, or has the name of another connector.
    """
    if not folder.is_dir():
        raise ManifestInvalid(message=f"there is no folder {folder}", hint="See setting connectors.folder.")
    files = sorted(folder.glob(f"*{SUFFIX}"))
    found = [load_file(file) for file in files if kept_of(file) is None]
    names = {loaded.manifest.name for loaded in found}
    for file in files:
        if (newest := kept_of(file)) is not None and newest not in names:
            raise ManifestInvalid(message=f"manifest {file.name} in {folder} is kept, but there is no {newest}{SUFFIX}")
    earlier = {loaded.manifest.name: load_earlier(loaded, folder) for loaded in found}
    for loaded in found:
        if loaded.manifest.name in {*_BY_NAME, *_shipped()}:
            raise ManifestInvalid(
                message=f"manifest {loaded.manifest.name}{SUFFIX} in {folder} has the name of a connector of OmniSQL",
                hint="Choose another name for the file and in it.",
            )
    _ADDED.update({loaded.manifest.name: loaded for loaded in found})
    _EARLIER.update(earlier)
    return tuple(loaded.manifest.name for loaded in found)


def forget_folders() -> None:
    """Forget the manifests of folders, for a process that serves several."""
    _ADDED.clear()
    _EARLIER.clear()


def manifest_names() -> tuple[str, ...]:
    """Return the names of the connectors that are manifests, in order."""
    return tuple(sorted({*_shipped(), *_ADDED}))


@lru_cache(maxsize=1)
def _shipped() -> tuple[str, ...]:
    return tuple(file.name.removesuffix(SUFFIX) for file in MANIFESTS.glob(f"*{SUFFIX}") if kept_of(file) is None)


def manifest_named(name: str) -> Loaded:
    """Load the manifest of a name, once.

    Raises:
        ManifestInvalid: SQLSTATE HV00R, it is refused.
    """
    return _ADDED.get(name) or _loaded(name)


@lru_cache(maxsize=64)
def _loaded(name: str) -> Loaded:
    return load_file(MANIFESTS / f"{name}{SUFFIX}")


def earlier_named(name: str) -> tuple[Loaded, ...]:
    """Return the earlier versions of a manifest that are kept, the oldest first.

    Raises:
        ManifestInvalid: SQLSTATE HV00R, one is refused.
    """
    return _EARLIER[name] if name in _ADDED else _loaded_earlier(name)


@lru_cache(maxsize=64)
def _loaded_earlier(name: str) -> tuple[Loaded, ...]:
    return load_earlier(_loaded(name), MANIFESTS)


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
        return DeclarativeConnector(manifest_named(name), settings, earlier=earlier_named(name))
    try:
        make = _BY_NAME[name]
    except KeyError:
        raise OptionInvalid(
            message=f"there is no connector {name}", hint=f"There are {', '.join(connector_names())}."
        ) from None
    return make(settings)
