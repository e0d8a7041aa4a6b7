"""Starts the audit of a server: its journal and its signer, over the control database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from catalog.audit import WRITER_ROLE
from catalog.connection import OwnConnection
from catalog.control import CONTROL_DATABASE
from catalog.control_access import ControlDatabase
from omnisql_server.audit.journal import Journal
from omnisql_server.audit.signing import HeadSigner, SigningKey

WRITE_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The running audit."""

    journal: Journal
    signer: HeadSigner


@asynccontextmanager
async def start_audit(control: ControlDatabase, key: SigningKey) -> AsyncIterator[Audit]:
    """Write records and sign heads for the time of the block."""

    async def connect() -> OwnConnection:
        # Does nothing while the cluster runs; one that died is started again.
        await control.cluster.start()
        return await control.cluster.connect(WRITER_ROLE, CONTROL_DATABASE)

    signer = HeadSigner(key, control.connection)
    async with signer.running(), Journal(connect, timeout_s=WRITE_TIMEOUT_S).running() as journal:
        yield Audit(journal=journal, signer=signer)
