"""Versions of servers: which there are, and what another one means for the tables that were made before. Pure."""

from __future__ import annotations

from connectors.sdk.connector import Connector, WithVersions, connector_at
from connectors.shapes import changes, shape_of
from omnisql_server.manage.errors import SourceOptionInvalid
from omnisql_server.model.run import SessionView

CHANGES_SHOWN_MAX = 20


def known_version(connector: Connector, given: str | None, present: str) -> Connector:
    """Return a connector at the version that a statement gives, else at the present one.

    Raises:
        OptionInvalid, SourceOptionInvalid: HV00D, there is no such version.
    """
    if given is not None and not isinstance(connector, WithVersions):
        raise SourceOptionInvalid(message=f"connector {connector.name} has no versions", hint="Leave VERSION out.")
    return connector_at(connector, present if given is None else given)


def tell_of_changes(server: str, connector: Connector, version: str, after: Connector, view: SessionView) -> None:
    """Warn of what breaks when a server goes from one version to another; of one that is gone nothing is known."""
    if isinstance(connector, WithVersions) and version and version not in connector.versions:
        return
    found = changes(shape_of(connector_at(connector, version).tables), shape_of(after.tables))
    breaking = [change.text for change in found if change.is_breaking]
    if not breaking:
        return
    more = f"; and {len(breaking) - CHANGES_SHOWN_MAX} more" if len(breaking) > CHANGES_SHOWN_MAX else ""
    view.notice(
        {
            "S": "WARNING",
            "V": "WARNING",
            "C": "01000",
            "M": f'tables of server "{server}" that were made for another version may not fit any more',
            "D": f"{'; '.join(breaking[:CHANGES_SHOWN_MAX])}{more}.",
            "H": "Drop the tables that are named and import them again.",
        }
    )
