"""Starts the audit of a server: its journal and its signer, over the control database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from catalog.audit import WRITER_ROLE
from catalog.connection import OwnConnection
from catalog.control import CONTROL_DATABASE
from catalog.control_access import ControlDatabase
from omnisql_server.audit.journal import Journal
from omnisql_server.audit.signing import HeadSigner, load_signing_key

WRITE_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The running audit."""

    journal: Journal
    signer: HeadSigner


@asynccontextmanager
async def start_audit(control: ControlDatabase, directory: Path) -> AsyncIterator[Audit]:
    """Write records and sign heads for the time of the block; the signing key is in the data directory.

    Raises:
        KeyFileInvalid: F0000, the signing key cannot be used.
    """

    async def connect() -> OwnConnection:
        # Does nothing while the cluster runs; one that died is started again.
        await control.cluster.start()
        return await control.cluster.connect(WRITER_ROLE, CONTROL_DATABASE)

    signer = HeadSigner(load_signing_key(directory), control.connection)
    async with signer.running(), Journal(connect, timeout_s=WRITE_TIMEOUT_S).running() as journal:
        yield Audit(journal=journal, signer=signer)
