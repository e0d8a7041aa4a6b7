"""Proves every table of a manifest against a running source or simulator, finding keys in the tables they refer to."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import pyarrow as pa

from connectors.declarative.asking import failures_of
from connectors.declarative.auths import auth_texts
from connectors.declarative.checks import placeholders
from connectors.declarative.connector import DeclarativeConnection
from connectors.declarative.load import Loaded
from connectors.declarative.manifest import ColumnDeclared
from connectors.declarative.pages import NoPages
from connectors.declarative.readable import ReadableTable
from connectors.sdk.connector import FetchContext, Source
from connectors.sdk.decode import Row
from connectors.sdk.pagination import Reader
from connectors.sdk.scan import Scan, Value
from connectors.sdk.table import AccessPath, Table
from connectors.sdk.testing import Proof, ValueProof, prove_table, prove_values, scans_of, shown_keys

PARENTS_MAX = 12
"""How many rows of a parent are tried for the one with the most children, and combinations of rows of several."""

HYDRATED_MAX = 25
"""How many rows are read with a call for each."""


SMALL_PAGE_ROWS = 2
"""How many rows a simulator gives at a time, to see whether listings go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableProof:
    """What was proved of one table, over how many rows, and what its rows could not prove."""

    table: str
    row_count: int
    proof: Proof
    gaps: tuple[str, ...] = ()
    baseline: Scan | None = None


async def prove_manifest(loaded: Loaded, connection: DeclarativeConnection, context: FetchContext) -> list[TableProof]:
    """Prove every table of a manifest, in order."""
    return [await prove_one(loaded, connection, name, context) for name in loaded.tables]


async def prove_one(loaded: Loaded, connection: DeclarativeConnection, name: str, context: FetchContext) -> TableProof:
    """Prove one table; a table that cannot be read without a key is read for the parent with the most rows."""
    table = loaded.tables[name]
    baseline = await _baseline(loaded, connection, table, context)
    if baseline is None:
        return TableProof(table=name, row_count=0, proof=Proof(failures=[f"{name}: {_why_unread(table)}"]))
    rows = await rows_of(connection, baseline, context)
    proof = await prove_table(connection, table.table, baseline, context)
    for column in table.table.columns:
        if not column.nullable and column.name in baseline.columns:
            proof.expect(all(row[column.name] is not None for row in rows), f"{name}: {column.name} is never null")
    for query in loaded.manifest.tables[name].tests:
        wrong = await failures_of(connection, table.table, query, baseline.keys, context)
        proof.expect(not wrong, f"{name}: {'; '.join(wrong)}")
    values = await values_of(loaded, connection, baseline, context)
    for claim in values.wrong:
        proof.expect(False, claim)
    if table.hydrate:
        every = tuple(column.name for column in table.table.columns)
        found = await rows_of(connection, replace(baseline, columns=every, limit=HYDRATED_MAX), context)
        bare = [{column: row[column] for column in baseline.columns} for row in found]
        proof.expect(bare == rows[:HYDRATED_MAX], f"{name}: calls for each row leave its other columns as they are")
        called = [name for name in every if name not in baseline.columns]
        told = all(any(row[column] is not None for row in found) for column in called)
        proof.expect(told, f"{name}: calls for each row fill {', '.join(called)}")
        if len(table.table.hydrations) == len(table.hydrate):
            later = await _hydrated(connection, table.table, replace(baseline, columns=tuple(called)), found, context)
            same = later == [{column: row[column] for column in called} for row in found]
            proof.expect(same, f"{name}: calls for rows that were read before fill the same")
    gaps = _gaps(table, baseline, rows, proof)
    return TableProof(table=name, row_count=len(rows), proof=proof, gaps=gaps, baseline=baseline)


async def prove_pages(
    loaded: Loaded,
    connection: DeclarativeConnection,
    in_pages: DeclarativeConnection,
    found: TableProof,
    context: FetchContext,
) -> TableProof:
    """Prove that listings go on from page to page: `in_pages` reads a source of the same rows in pages of a few.

    Otherwise what fits one page passes with any pagination.
    """
    table = loaded.tables[found.table]
    baseline, gaps = found.baseline, list(found.gaps)
    if baseline is None:
        return found
    rows = await rows_of(connection, baseline, context)
    for path in table.table.access_paths:
        pages = table.paths[path.name].pagination
        if path.counts or path.single or path.rows_max is not None or isinstance(pages, NoPages):
            continue
        most = 0
        for scan in scans_of(path, baseline, rows):
            wanted, got = [len(await rows_of(each, scan, context)) for each in (connection, in_pages)]
            most = max(most, wanted)
            claim = f"{found.table}.{path.name}{shown_keys(scan)} goes on after a page: {got} of {wanted} rows come"
            found.proof.expect(got == wanted, claim)
        if most <= SMALL_PAGE_ROWS:
            gaps.append(f"{found.table}.{path.name}: no listing is longer than {SMALL_PAGE_ROWS} rows, to go on after")
    return replace(found, gaps=tuple(gaps))


async def values_of(loaded: Loaded, connection: DeclarativeConnection, scan: Scan, context: FetchContext) -> ValueProof:
    """Prove of a page of a scan that no column takes what does not fit, whether misfits end the reading or are null."""
    deadline_s = asyncio.get_running_loop().time() + context.timeout_s
    reader = Reader(transport=connection.transport, context=context, table=scan.table, deadline_s=deadline_s)
    rows: list[Row] = []
    async with aclosing(connection.undecoded(scan, reader)) as lists:
        async for page in lists:
            rows = page.rows
            if rows:
                break
    found, declared = loaded.tables[scan.table], loaded.manifest.tables[scan.table].columns
    called = tuple(column.name for column in found.table.columns if column.hydrate is not None)
    attach_calls = connection.calls_for(found, replace(scan, columns=called), reader)
    if attach_calls is not None:
        rows = rows[:HYDRATED_MAX]
        await attach_calls(rows)
    derived = frozenset(name for name, each in declared.items() if not isinstance(each, str) and _is_derived(each))
    untold = found.paths[scan.access_path].untold
    columns = [
        column
        for column in found.table.columns
        if column.name in (*scan.columns, *called) and column.name not in untold
    ]
    proof = ValueProof()
    for is_lenient in (False, True):
        table = replace(found, table=replace(found.table, misfits_are_null=is_lenient))
        decoding = partial(table.decoder, access_path=scan.access_path)
        each = prove_values(decoding, table.table, columns, rows, derived=derived)
        proof = replace(each, wrong=[*proof.wrong, *each.wrong])
    return proof


def _why_unread(table: ReadableTable) -> str:
    parents = sorted({parent for parent, _ in table.references.values()})
    if not parents:
        return "every access path has keys, and references does not say where to find them"
    return f"every access path has keys, and no row of {', '.join(parents)} has values for those of one of them"


def _is_derived(column: ColumnDeclared) -> bool:
    """Say whether a column has a value where one of its places has none, or whatever stands there."""
    return bool(column.first_of) or column.present is not None


def _gaps(table: ReadableTable, baseline: Scan, rows: list[dict[str, Any]], proof: Proof) -> tuple[str, ...]:
    """Tell what stays a claim: columns that no row fills, as with a wrong path, and pushdowns that nothing tried."""
    name = table.table.name
    empty = [column for column in baseline.columns if all(row[column] in (None, []) for row in rows)]
    untried = [
        f"{name}.{path.name}: no row has a value to try {column} {operator} with"
        for path in table.table.access_paths
        for column, operators in path.operators.items()
        for operator in operators
        if (path.name, column, operator) not in proof.proven and not path.single
    ]
    return (*(f"{name}: no row has a value in {column}" for column in empty), *untried)


async def rows_of(connection: DeclarativeConnection, scan: Scan, context: FetchContext) -> list[dict[str, Any]]:
    """Return the rows of a scan."""
    rows: list[dict[str, Any]] = []
    async with aclosing(connection.fetch(scan, context)) as pages:
        async for page in pages:
            rows += page.rows.to_pylist()
    return rows


async def _hydrated(
    connection: DeclarativeConnection, table: Table, scan: Scan, rows: list[dict[str, Any]], context: FetchContext
) -> list[dict[str, Any]]:
    """Return some columns of rows that were read before, fetched by what their calls are made of."""
    inputs = dict.fromkeys(used for hydration in table.hydrations.values() for used in hydration.inputs)
    schema = pa.schema([(name, table.column(name).type.arrow) for name in inputs])
    known = pa.RecordBatch.from_pylist([{name: row[name] for name in inputs} for row in rows], schema=schema)
    found: list[dict[str, Any]] = []
    async with aclosing(connection.hydrate(replace(scan, keys={}), known, context)) as pages:
        async for page in pages:
            found += page.rows.to_pylist()
    return found


def trial_source(
    loaded: Loaded, base_url: str, token: str, *, server: str = "trial", options: Mapping[str, str] | None = None
) -> Source:
    """Return a source whose every secret of the first way to prove oneself is `token`.

    Options that are not given are made up where they are needed: a user to prove oneself, else a name.
    """
    manifest = loaded.manifest
    used = {name for auth in manifest.auth[:1] for text in auth_texts(auth) for name in placeholders(text)}
    needed = [name for name, option in manifest.options.items() if option.required and option.default is None]
    return Source(
        tenant="trial",
        server=server,
        connector=manifest.name,
        options={
            "base_url": base_url,
            **dict.fromkeys(needed, "acme"),
            **{name: "demo@acme.example" for name in sorted(used) if name in manifest.options},
            **(options or {}),
        },
        secrets={name: token for name in sorted(used) if name in manifest.secrets},
    )


def whole(table: ReadableTable, path: AccessPath, keys: Mapping[str, Value] | None = None) -> Scan:
    """Return the scan of all columns that a path fills without a call for each row."""
    return Scan(
        table=table.table.name,
        access_path=path.name,
        columns=tuple(column.name for column in table.table.columns if column.hydrate is None),
        keys=dict(keys or {}),
    )


async def _baseline(
    loaded: Loaded,
    connection: DeclarativeConnection,
    table: ReadableTable,
    context: FetchContext,
    asking: frozenset[str] = frozenset(),
) -> Scan | None:
    """Return the scan whose rows are the truth; None without keys for it. `asking` are the tables that need them."""
    listings = (path for path in table.table.access_paths if not path.counts)
    paths = sorted(listings, key=lambda path: (bool(path.keys), path.single, path.rows_max or 0))
    for path in paths:
        if not path.keys:
            return whole(table, path)
        parents = {table.references[key][0] for key in path.keys if key in table.references}
        is_known = not path.single and all(key in table.references for key in path.keys)
        if is_known and parents.isdisjoint({*asking, table.table.name}):
            return await _fullest(loaded, connection, table, path, context, asking)
    return None


async def _fullest(
    loaded: Loaded,
    connection: DeclarativeConnection,
    table: ReadableTable,
    path: AccessPath,
    context: FetchContext,
    asking: frozenset[str],
) -> Scan | None:
    best, most = None, -1
    for keys in await _candidates(loaded, connection, table, path, context, asking):
        scan = whole(table, path, keys)
        count = len(await rows_of(connection, scan, context))
        if count > most:
            best, most = scan, count
    return best


async def _candidates(
    loaded: Loaded,
    connection: DeclarativeConnection,
    table: ReadableTable,
    path: AccessPath,
    context: FetchContext,
    asking: frozenset[str],
) -> list[dict[str, Value]]:
    """Return combinations of keys: those of one parent are taken from one row each, those of several from all."""
    columns: dict[str, dict[str, str]] = {}
    for key in path.keys:
        parent, column = table.references[key]
        columns.setdefault(parent, {})[key] = column
    each_max = round(PARENTS_MAX ** (1 / len(columns))) if len(columns) > 1 else PARENTS_MAX
    choices = []
    for name, named in columns.items():
        baseline = await _baseline(loaded, connection, loaded.tables[name], context, asking | {table.table.name})
        rows = [] if baseline is None else await rows_of(connection, baseline, context)
        found = [{key: row[column] for key, column in named.items()} for row in rows]
        choices.append([keys for keys in found if None not in keys.values()][:each_max])
    return [{key: value for keys in chosen for key, value in keys.items()} for chosen in product(*choices)]
