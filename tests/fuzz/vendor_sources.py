"""Every vendor's simulator in a thread, a source for each made by SQL, and what of their tables a statement may ask."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import psycopg
from demo_server import Simulator
from plain_tables import PlainTable, Requirement, copied, create_copies

from connectors.registry import manifest_named, manifest_names
from connectors.simulators.catalogue import NAMES, simulator_of
from connectors.simulators.company import build_company
from connectors.simulators.running import RunningSimulator, start_simulator

TOKEN = "simulated-token"
ISSUES = 60
PARENTS_MAX = 6
"""How many values of a key are asked for where a table cannot be read without one."""

MAPPINGS = {
    "gitlab": "token",
    "hubspot": "access_token",
    "linear": "api_key",
    "notion": "token",
    "pagerduty": "api_key",
    "salesforce": "access_token",
    "slack": "token",
    "stripe": "secret_key",
    "zendesk": "api_token",
}
UNLIMITED = {"limit": 1_000_000, "window_s": 1}
OPTIONS = {"zendesk": ", email 'demo@acme.example'"}
VENDORS = tuple(name for name in NAMES if name in MAPPINGS)
HYDRATED = {
    "github.pull_requests": Requirement(required="owner = 'acme' AND repo = 'web'"),
    "github.commits": Requirement(required="owner = 'acme' AND repo = 'api'", identity=("repo", "sha")),
}
"""Tables of the demo's own sources, with the columns that a request for each row fills."""
Join = tuple[str, str, str]
"""Driver, driven and the condition between aliases a and b."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendors:
    """The tables of all vendors' sources, by name, and how they may be joined."""

    tables: Mapping[str, PlainTable]
    joins: tuple[Join, ...]


@contextmanager
def simulators() -> Iterator[Mapping[str, str]]:
    """Serve every vendor's simulator on a thread of its own, and yield their addresses."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    company = build_company(issues=ISSUES)

    async def start() -> list[RunningSimulator]:
        return [await start_simulator(simulator_of(name, company, token=TOKEN)) for name in VENDORS]

    async def stop(running: list[RunningSimulator]) -> None:
        await asyncio.gather(*(one.stop() for one in running))

    running = asyncio.run_coroutine_threadsafe(start(), loop).result(60)
    for one in running:
        Simulator(base_url=one.base_url).configure(rate_limit=UNLIMITED, secondary_rate_limit=UNLIMITED)
    try:
        yield {name: one.base_url for name, one in zip(VENDORS, running, strict=True)}
    finally:
        asyncio.run_coroutine_threadsafe(stop(running), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


def make_sources(owner: psycopg.Connection, addresses: Mapping[str, str], reader: str) -> None:
    """Make a server, a credential and a schema of each vendor's name, which another user may read as well."""
    for name, address in addresses.items():
        options = f"base_url '{address}'{OPTIONS.get(name, '')}"
        _run(owner, f"CREATE SERVER {name} FOREIGN DATA WRAPPER {name} OPTIONS ({options})")
        _run(owner, f"CREATE USER MAPPING FOR PUBLIC SERVER {name} OPTIONS ({MAPPINGS[name]} '{TOKEN}')")
        _run(owner, f"CREATE SCHEMA {name}")
        _run(owner, f"IMPORT FOREIGN SCHEMA {name} FROM SERVER {name} INTO {name}")
        _run(owner, f"GRANT USAGE ON SCHEMA {name} TO {reader}")
        _run(owner, f"GRANT SELECT ON ALL TABLES IN SCHEMA {name} TO {reader}")


def copy_vendors(owner: psycopg.Connection, rested: Callable[[], None]) -> Vendors:
    """Copy every table of the vendors' sources, parents before what is read by their keys.

    `rested` opens every rate limit again.
    """
    waiting_for = {vendor: _tables(owner, vendor) for vendor in VENDORS}
    names = [*HYDRATED, *(f"{vendor}.{name}" for vendor, waiting in waiting_for.items() for name in waiting)]
    create_copies(owner, dict.fromkeys(names, ()))
    found = {name: copied(owner, name, requirement) for name, requirement in HYDRATED.items()}
    for vendor, waiting in waiting_for.items():
        while waiting:
            ready = [name for name, keys in waiting.items() if all(f"{vendor}.{t}" in found for t, _ in keys.values())]
            assert ready, waiting
            for name in ready:
                rested()
                keys = _values(owner, vendor, waiting.pop(name))
                required = " AND ".join(f"{key} {listed}" for key, (_, _, listed) in keys.items()) or "true"
                found[f"{vendor}.{name}"] = copied(owner, f"{vendor}.{name}", Requirement(required=required))
                for parent, column, listed in keys.values():
                    # Of other parents the children were not copied.
                    driver = f"{vendor}.{parent}"
                    found[driver] = replace(found[driver], driving=f"{column} {listed}")
    return Vendors(tables=found, joins=tuple(_joins(found)))


def _tables(owner: psycopg.Connection, vendor: str) -> dict[str, dict[str, tuple[str, str]]]:
    """Return by table which keys it cannot be read without, and whose values they take."""
    if vendor not in manifest_names():
        sql = "SELECT foreign_table_name FROM information_schema.foreign_tables WHERE foreign_table_schema = %s"
        return {name: {} for (name,) in owner.execute(sql, (vendor,)).fetchall()}
    found = {}
    for name, table in manifest_named(vendor).tables.items():
        least = min((path.keys for path in table.table.access_paths), key=len)
        found[name] = {key: table.references[key] for key in least}
    return found


def _values(
    owner: psycopg.Connection, vendor: str, keys: Mapping[str, tuple[str, str]]
) -> dict[str, tuple[str, str, str]]:
    """Return for each key whose values it takes, and a condition that names some of them."""
    found = {}
    for key, (parent, column) in keys.items():
        sql = f"SELECT DISTINCT {column} FROM public.plain_{vendor}_{parent} ORDER BY 1 LIMIT {PARENTS_MAX}"
        listed = ", ".join(repr(row[0]) for row in owner.execute(sql.encode()).fetchall())
        found[key] = (parent, column, f"IN ({listed})")
    return found


def _joins(tables: Mapping[str, PlainTable]) -> Iterator[Join]:
    """Join what is named after another table of its vendor with that table, both ways."""
    for name, table in tables.items():
        vendor = name.partition(".")[0]
        for column in table.columns:
            stem, _, end = column.rpartition("_")
            parents = [f"{vendor}.{stem}s", f"{vendor}.{stem}es", f"{vendor}.{stem.removesuffix('y')}ies"]
            for parent in parents:
                if end == "id" and parent in tables and "id" in tables[parent].columns:
                    yield parent, name, f"b.{column} = a.id"
                    yield name, parent, f"b.id = a.{column}"


def _run(session: psycopg.Connection, sql: str) -> None:
    session.execute(sql.encode())
