"""Connections to sources: one for each server and credential, bounded; tables asked for once for a server's address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import cast

import pytest

from connectors.sdk.connector import Connection, FetchContext, Limiter, Option, Source
from connectors.sdk.limits import RateLimit
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.scan import Page, Scan
from connectors.sdk.table import Column, Table
from omnisql_server.fetch.sources import ASKED_AGAIN_AFTER_S, Sources, TableGone
from omnisql_server.model.relation import Attribute, Relation, RelationKind
from omnisql_server.model.run import SessionView

VIEW = cast(SessionView, object())


class Opened:
    """A connection that knows whether it is open."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.is_open = True

    def fetch(self, scan: Scan, context: FetchContext) -> AsyncIterator[Page]:
        raise NotImplementedError

    async def check(self) -> str:
        raise NotImplementedError

    async def disconnect(self) -> None:
        self.is_open = False


class Tracker:
    """A connector that keeps its connections; a source has a table of the name in its option."""

    name = "tracker"
    options = (Option(name="table", description="", audience=True), Option(name="email", description=""))
    tables: tuple[Table, ...] = ()

    def __init__(self) -> None:
        self.opened: list[Opened] = []
        self.discoveries = 0

    async def connect(self, source: Source) -> Opened:
        self.opened.append(Opened(source))
        return self.opened[-1]

    async def discover(self, connection: Connection) -> tuple[Table, ...]:
        self.discoveries += 1
        await asyncio.sleep(0)
        name = cast(Opened, connection).source.options["table"]
        column = Column(name="id", type_name="int8", path="id")
        return (Table(name=name, description="", columns=(column,), primary_key=("id",), access_paths=()),)


class World:
    """Sources whose resolution a test changes."""

    def __init__(self, open_max: int = 10) -> None:
        self.tracker = Tracker()
        self.options: Mapping[str, str] = {"table": "issues"}
        self.credential = "1:0:first"
        self.now_s = 100.0
        self.sources = Sources(
            connector_named=lambda name: self.tracker,
            resolve=self._resolve,
            limiter_for=_quiet,
            open_max=open_max,
            clock_s=lambda: self.now_s,
        )

    async def _resolve(self, server: str, view: SessionView) -> Source:
        return Source(
            tenant="t", server=server, connector="tracker", options=self.options, credential_id=self.credential
        )


def _quiet(source: Source, limits: Mapping[str, RateLimit]) -> Limiter:
    return QUIET_CONTEXT.limiter


def relation(api_table: str) -> Relation:
    """Describe a foreign table of the server `hub`."""
    return Relation(
        oid=1,
        schema="s",
        name=api_table,
        kind=RelationKind.API,
        owner="ana",
        attributes=(),
        server="hub",
        wrapper="tracker",
        api_table=api_table,
    )


async def test_a_connection_is_kept_for_its_credential() -> None:
    world = World()
    first = await world.sources.open("hub", VIEW)
    assert (await world.sources.open("hub", VIEW)).connection is first.connection
    world.credential = "1:0:second"
    assert (await world.sources.open("hub", VIEW)).connection is not first.connection
    assert [each.is_open for each in world.tracker.opened] == [True, True]
    await world.sources.close()
    assert [each.is_open for each in world.tracker.opened] == [False, False]


async def test_the_connection_used_longest_ago_makes_room() -> None:
    world = World(open_max=2)
    for credential in ("a", "b", "a", "c"):
        world.credential = credential
        await world.sources.open("hub", VIEW)
    kept = {each.source.credential_id: each.is_open for each in world.tracker.opened}
    assert kept == {"a": True, "b": False, "c": True}


async def test_tables_are_asked_for_again_when_the_address_changes() -> None:
    world = World()
    for email in ("ana@acme.example", "eve@acme.example"):
        world.options = {"table": "issues", "email": email}
        await world.sources.prepare([relation("issues")], VIEW)
    assert world.tracker.discoveries == 1
    assert world.sources.table_of(relation("issues")).name == "issues"
    world.options = {"table": "tickets"}
    await world.sources.prepare([relation("tickets")], VIEW)
    assert world.tracker.discoveries == 2
    assert world.sources.table_of(relation("tickets")).name == "tickets"


async def test_tables_are_asked_for_again_when_one_was_not_there_but_not_all_the_time() -> None:
    world = World()
    world.options = {"table": "issues"}
    await world.sources.prepare([relation("issues")], VIEW)
    world.now_s += ASKED_AGAIN_AFTER_S - 1
    await world.sources.prepare([relation("tickets")], VIEW)
    assert world.tracker.discoveries == 1
    world.now_s += 1
    await asyncio.gather(*(world.sources.prepare([relation("tickets")], VIEW) for _ in range(3)))
    await world.sources.prepare([relation("tickets")], VIEW)
    assert world.tracker.discoveries == 2
    with pytest.raises(TableGone):
        world.sources.table_of(relation("tickets"))
    await world.sources.prepare([relation("issues")], VIEW)
    assert world.tracker.discoveries == 2


@pytest.mark.parametrize(("type_oid", "type_sql", "fits"), [(20, "bigint", True), (25, "text", False)])
async def test_a_column_of_another_type_is_not_read(type_oid: int, type_sql: str, fits: bool) -> None:
    world = World()
    attribute = Attribute(number=1, name="nr", type_oid=type_oid, type_sql=type_sql, api_column="id")
    read = replace(relation("issues"), attributes=(attribute,))
    await world.sources.prepare([read], VIEW)
    if fits:
        assert world.sources.table_of(read).name == "issues"
        return
    with pytest.raises(TableGone, match="column id of issues in source hub has type int8") as refused:
        world.sources.table_of(read)
    assert "Column nr of s.issues has type text" in str(refused.value.detail)
