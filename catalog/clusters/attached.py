"""A connection to an embedded cluster that another process of the same account runs."""

from __future__ import annotations

from pathlib import Path

from catalog.clusters.embedded import PORT, SOCKET_RECORD
from catalog.clusters.template import check_data_directory
from catalog.connection import OwnConnection, connect_control
from catalog.errors import ClusterUnavailable

CONNECT_TIMEOUT_S = 10.0


async def attach(data_directory: Path, database: str) -> OwnConnection:
    """Connect as the bootstrap superuser to the cluster that runs on a data directory.

    Raises: ClusterUnavailable (57P03) when it does not answer.
    """
    try:
        folder = (data_directory / SOCKET_RECORD).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ClusterUnavailable("the cluster is being started", detail=data_directory.name) from error
    user = check_data_directory(data_directory)
    return await connect_control(
        timeout_s=CONNECT_TIMEOUT_S, host=folder, port=PORT, user=user, database=database, ssl=False
    )
