"""The conformance kit itself: it accepts what is true and finds what is claimed wrongly."""

from __future__ import annotations

import contextlib
import logging
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import web

from connectors.sdk.connector import FetchContext
from connectors.sdk.decode import Row, RowDecoder
from connectors.sdk.grades import EXACT, SUPERSET
from connectors.sdk.scan import Direction, Operator, Page, Predicate, Scan, SortKey
from connectors.sdk.table import AccessPath, Column, Pushdown, Table
from connectors.sdk.testing import Faults, prove_faults, prove_table
from connectors.sdk.testing.literals import literals
from connectors.sdk.testing.overhearing import spellings
from connectors.sdk.testing.reference import holds, is_ordered
from connectors.simulators import start_simulator

SECRET = "a/secret+value"

ROWS: list[Row] = [
    {"id": 1, "color": "red", "size": 3},
    {"id": 2, "color": "Red", "size": None},
    {"id": 3, "color": "blue", "size": 1},
    {"id": 4, "color": None, "size": 2},
]
BASELINE = Scan(table="things", access_path="all", columns=("id", "color", "size"))


def things(color: Pushdown, order: dict[str, frozenset[Direction]] | None = None) -> Table:
    return Table(
        name="things",
        description="",
        columns=(
            Column(name="id", type_name="int8", path="id"),
            Column(name="color", type_name="text", path="color"),
            Column(name="size", type_name="int4", path="size"),
        ),
        primary_key=("id",),
        access_paths=(
            AccessPath(name="all", request="GET /things", operators={"color": {Operator.EQ: color}}, order=order or {}),
        ),
    )


class Shop:
    """A connection that compares colors without case, sorts nulls first and can lose or repeat rows."""

    def __init__(self, table: Table, rows: list[Row], *, honors_limit: bool = True) -> None:
        self._table = table
        self._rows = rows
        self._honors_limit = honors_limit

    async def fetch(self, scan: Scan, context: FetchContext) -> AsyncIterator[Page]:
        rows = self._rows
        for predicate in scan.predicates:
            rows = [row for row in rows if str(row["color"]).lower() == str(predicate.value).lower()]
        for key in scan.order:
            rows = sorted(rows, key=lambda row: (row[key.column] is not None, row[key.column] or 0))
        if scan.limit is not None and self._honors_limit:
            rows = rows[: scan.limit]
        yield Page(rows=RowDecoder(self._table, scan.columns).batch(rows))

    async def check(self) -> str:
        return "shop"

    async def disconnect(self) -> None:
        return None


async def failures(table: Table, context: FetchContext, rows: list[Row] = ROWS, **more: Any) -> list[str]:
    return (await prove_table(Shop(table, rows, **more), table, BASELINE, context)).failures


async def test_a_true_declaration_is_proven(context: FetchContext) -> None:
    assert await failures(things(SUPERSET), context) == []


async def test_a_superset_declared_exact_is_found(context: FetchContext) -> None:
    found = await failures(things(EXACT), context)
    assert "things.all evaluates color = 'Red' exactly: rows too many: 1, like id = 1" in found


async def test_nulls_in_the_wrong_place_are_found(context: FetchContext) -> None:
    order = {"size": frozenset({Direction.ASC})}
    assert "things.all orders by size asc" in await failures(things(SUPERSET, order), context)


async def test_repeated_rows_and_ignored_limits_are_found(context: FetchContext) -> None:
    assert "rows are unique by primary key" in await failures(things(SUPERSET), context, [*ROWS, ROWS[0]])
    assert "things.all honors limit 1" in await failures(things(SUPERSET), context, honors_limit=False)


def test_the_reference_means_what_postgresql_means() -> None:
    def truth(value: Any, operator: Operator, operand: Any) -> bool:
        return holds({"c": value}, Predicate(column="c", operator=operator, value=operand))

    assert truth(None, Operator.IS_NULL, None) is True
    assert truth(None, Operator.NE, "a") is False
    assert truth(None, Operator.NOT_IN, ("a",)) is False
    assert truth("a", Operator.IS_NOT_NULL, None) is True
    assert truth("abc", Operator.LIKE, "a_%") is True
    assert truth("Abc", Operator.LIKE, "a%") is False
    assert truth("Abc", Operator.ILIKE, "a%") is True
    assert truth(["a", "b"], Operator.CONTAINS, ("b",)) is True
    assert truth(["a"], Operator.CONTAINS, ("a", "b")) is False
    ascending = SortKey(column="c", direction=Direction.ASC)
    assert is_ordered([{"c": 1}, {"c": 1}, {"c": 2}, {"c": None}], ascending) is True
    assert is_ordered([{"c": None}, {"c": 1}], ascending) is False
    assert is_ordered([{"c": None}, {"c": 2}, {"c": 1}], replace(ascending, direction=Direction.DESC)) is True


class Careless:
    """A connection that takes no fault as it should: errors are rows, any host gets the secret, and logs have it."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url

    async def fetch(self, scan: Scan, context: FetchContext) -> AsyncIterator[Page]:
        logging.getLogger("careless").debug("asking with %s", SECRET)
        rows: list[Row] = []
        headers = {"Authorization": SECRET}
        timeout = aiohttp.ClientTimeout(total=0.2)
        async with aiohttp.ClientSession(timeout=timeout) as session, contextlib.AsyncExitStack() as stack:
            stack.enter_context(contextlib.suppress(aiohttp.ClientError, TimeoutError, ValueError))
            answer = await stack.enter_async_context(session.get(f"{self._base_url}/things", headers=headers))
            rows = (await answer.json(content_type=None))["rows"] if answer.status == 200 else []
        table = replace(things(SUPERSET), misfits_are_null=True)
        yield Page(rows=RowDecoder(table, scan.columns).decoded(rows).batch)

    async def check(self) -> str:
        return "careless"

    async def disconnect(self) -> None:
        return None


async def test_a_connection_that_takes_faults_wrongly_is_found(context: FetchContext) -> None:
    async def give(_request: web.Request) -> web.Response:
        return web.json_response({"rows": ROWS})

    application = web.Application()
    application.router.add_get("/things", give)
    faults = Faults(application)
    simulator = await start_simulator(application)

    async def connect() -> Careless:
        return Careless(simulator.base_url)

    table = things(SUPERSET)
    try:
        proof = await prove_faults(connect, table, BASELINE, faults, context, server="shop", secret=SECRET)
    finally:
        await simulator.stop()
    for name in ("401", "403", "404", "409", "429", "500", "truncated", "no JSON", "hanging", "repeated page"):
        assert f"{name}: no error" in proof.wrong
    assert any(each.startswith("redirects to another host: it was called") for each in proof.wrong)
    assert {"size of another type: no error", "key id missing: no error"} <= set(proof.wrong)
    assert "logs and traces: show the secret" in proof.wrong


def test_a_secret_is_found_however_it_is_spelled() -> None:
    for text in (
        SECRET,
        quote(SECRET, safe=""),
        *(b64encode(f"{'u' * n}:{SECRET}!".encode()).decode() for n in range(4)),
    ):
        assert any(spelled in text for spelled in spellings(SECRET))
    assert not any(spelled in "nothing of the kind" for spelled in spellings(SECRET))


def test_a_pattern_is_tried_on_both_ends_of_a_text_without_blanks() -> None:
    found = [each.value for each in literals("version", Operator.LIKE, ["web@1.0"])]
    assert {"web@%", "%@1.0"} <= set(found)
