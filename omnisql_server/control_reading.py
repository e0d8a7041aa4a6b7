"""A connection to the control database for commands, beside a running server or where none runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from catalog.clusters import EmbeddedCluster
from catalog.clusters.attached import attach
from catalog.connection import OwnConnection
from catalog.control import CONTROL_DATABASE, prepare_control_database
from catalog.errors import ClusterInUse
from omnisql_server.services import control_cluster
from omnisql_server.settings import Settings


@asynccontextmanager
async def control_reading(settings: Settings) -> AsyncIterator[OwnConnection]:
    """Give a connection of the control database's owner; an embedded cluster that does not run is started meanwhile.

    Raises:
        CatalogError: it cannot be reached or started.
    """
    cluster = control_cluster(settings, settings.data.directory.absolute())
    try:
        await cluster.start()
        await prepare_control_database(cluster)
        connection = await cluster.connect(cluster.superuser, CONTROL_DATABASE)
    except ClusterInUse:
        if not isinstance(cluster, EmbeddedCluster):
            raise
        connection = await attach(cluster.data_directory, CONTROL_DATABASE)
    try:
        yield connection
    finally:
        await connection.close()
        await cluster.stop()
