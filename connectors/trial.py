"""A connector of a manifest put to the proof: every table against a simulator or a live account, then faults.

What a simulator proves is that manifest and documentation agree; a live account proves what it holds at the time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import ip_network
from pathlib import Path

from connectors.declarative.connector import DeclarativeConnection, DeclarativeConnector
from connectors.declarative.expecting import declared_answers
from connectors.declarative.load import SUFFIX, Loaded
from connectors.declarative.proving import SMALL_PAGE_ROWS, TableProof, prove_one, prove_pages, trial_source, whole
from connectors.sdk.addresses import Fence
from connectors.sdk.connector import Source
from connectors.sdk.errors import ConnectorError, OptionInvalid
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.retry import RetryPolicy
from connectors.sdk.settings import Outbound, Surroundings, TransportSettings
from connectors.sdk.testing import FaultProof, Faults, prove_faults
from connectors.simulators.catalogue import NAMES, simulator_in, simulator_of
from connectors.simulators.company import Company, build_company
from connectors.simulators.company.build import DEFAULT_EPOCH
from connectors.simulators.running import Application, refusals_of, start_simulator
from connectors.simulators.toolkit import SIMULATION

TOKEN = "trial-secret-7f3a"  # noqa: S105 - it opens nothing but a simulator
ISSUES = 60
"""Size of the company behind a simulator: enough for several pages, few enough for a proof in seconds."""

PAGE_ROWS = 5
PAGES_MAX = 1000
"""More than any listing of so small a company has: one that does not end is told in seconds."""

LOOPBACK = TransportSettings(
    pages_max=PAGES_MAX,
    outbound=Outbound(fence=Fence(allowed_networks=(ip_network("127.0.0.0/8"), ip_network("::1/128")))),
)
_PATIENT = replace(LOOPBACK, retry=RetryPolicy(attempts_max=2))
_HASTY = replace(_PATIENT, read_timeout_s=0.1, total_timeout_s=0.2)
Make = Callable[[Company], Application]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What was proved of each table, and how faults were taken; None when no listing has pages."""

    tables: list[TableProof]
    faults: FaultProof | None

    @property
    def failures(self) -> list[str]:
        """Return all that was found wrong, each mistake once."""
        return [claim for each in self.tables for claim in each.proof.told] + (self.faults.wrong if self.faults else [])


def simulator_for(name: str, folder: Path | None) -> Make:
    """Return what makes the simulator of a connector: `simulated_NAME.py` of a folder, else one that comes along.

    Raises:
        OptionInvalid: SQLSTATE HV00D, there is none.
    """
    make = simulator_in(folder, name) if folder is not None else None
    if make is not None:
        return partial(make, token=TOKEN)
    if name in NAMES:
        return lambda company: simulator_of(name, company, token=TOKEN)
    raise OptionInvalid(
        message=f"there is no simulator of {name}",
        hint=f"Write simulated_{name}.py beside {name}{SUFFIX}, or prove it with --live.",
    )


async def try_on_simulator(
    loaded: Loaded, make: Make, tables: tuple[str, ...] = (), options: Mapping[str, str] | None = None
) -> Trial:
    """Prove tables of a manifest, all of them without names, against a simulator, and how faults are taken.

    Options that are required and not given are `acme` there.
    """
    application = _application(make)
    at_epoch = Surroundings(now_s=DEFAULT_EPOCH.timestamp)
    refusals = refusals_of(application)
    source = partial(trial_source, loaded, token=TOKEN, options=options)
    async with _served(application) as base_url:
        connector = DeclarativeConnector(loaded, LOOPBACK, at_epoch)
        try:
            proofs = await _proofs(loaded, connector, source(base_url), tables)
            async with _served(_application(make, page_rows_max=SMALL_PAGE_ROWS)) as in_pages:
                pair = [await connector.connect(source(each)) for each in (base_url, in_pages)]
                try:
                    proofs = [await prove_pages(loaded, pair[0], pair[1], each, QUIET_CONTEXT) for each in proofs]
                finally:
                    for connection in pair:
                        await connection.disconnect()
        except ConnectorError as error:
            # What an account answers is nobody else's to see; a simulator's answer is its author's own.
            error.detail = " ".join(
                filter(None, (error.detail, *(f"The simulator said to {said}" for said in refusals[-1:])))
            )
            raise
    return Trial(tables=proofs, faults=await _faults(loaded, make, proofs, source))


async def proofs_of(
    loaded: Loaded, connector: DeclarativeConnector, source: Source, tables: tuple[str, ...] = ()
) -> Trial:
    """Prove tables of a manifest, all of them without names, against an account, which is only read."""
    return Trial(tables=await _proofs(loaded, connector, source, tables), faults=None)


async def _proofs(
    loaded: Loaded, connector: DeclarativeConnector, source: Source, tables: tuple[str, ...]
) -> list[TableProof]:
    if unknown := sorted(set(tables) - set(loaded.tables)):
        raise OptionInvalid(
            message=f"there is no table {unknown[0]}", hint=f"There are {', '.join(sorted(loaded.tables))}."
        )
    connection: DeclarativeConnection = await connector.connect(source)
    try:
        await connection.check()
        return [await prove_one(loaded, connection, name, QUIET_CONTEXT) for name in tables or loaded.tables]
    finally:
        await connection.disconnect()


async def _faults(
    loaded: Loaded, make: Make, proofs: list[TableProof], source: Callable[[str], Source]
) -> FaultProof | None:
    """Read the longest listing, in small pages, under every fault; one with keys only where the others are short."""
    listed = [
        (not path.keys, each.row_count, each.table, path, each.baseline.keys)
        for each in proofs
        for path in loaded.tables[each.table].table.access_paths
        if each.baseline is not None
        and each.row_count > 2 * PAGE_ROWS
        and (not path.keys or path.name == each.baseline.access_path)
    ]
    if not listed:
        return None
    _, _, name, path, keys = max(listed, key=lambda found: found[:2])
    application = _application(make, page_rows_max=PAGE_ROWS)
    faults = Faults(application)
    kinds = [DeclarativeConnector(loaded, each, Surroundings(sleep=_no_wait)) for each in (_PATIENT, _HASTY)]
    table = loaded.tables[name]
    async with _served(application) as base_url:
        return await prove_faults(
            lambda: kinds[0].connect(source(base_url)),
            table.table,
            whole(table, path, keys if path.keys else None),
            faults,
            QUIET_CONTEXT,
            server="trial",
            secret=TOKEN,
            hasty=lambda: kinds[1].connect(source(base_url)),
            answers=declared_answers(loaded.manifest, table.paths[path.name]),
        )


def _application(make: Make, page_rows_max: int | None = None) -> Application:
    application = make(build_company(issues=ISSUES))
    limit = {"limit": 1_000_000, "window_s": 60}
    application[SIMULATION].configure({"page_rows_max": page_rows_max, "rate_limit": limit})
    return application


@asynccontextmanager
async def _served(application: Application) -> AsyncIterator[str]:
    simulator = await start_simulator(application)
    try:
        yield simulator.base_url
    finally:
        await simulator.stop()


async def _no_wait(_delay_s: float) -> None:
    """Pass over a delay."""
