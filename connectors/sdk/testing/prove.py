"""Proves a table against a running source: every declared pushdown, order, limit and key, compared with a full scan.

The full scan (the baseline) is the truth; the reference is PostgreSQL's meaning of predicates over its rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any, cast

from connectors.sdk.connector import Connection, FetchContext
from connectors.sdk.grades import grade_of, grade_of_any, lowest
from connectors.sdk.scan import Disjunction, Operator, Page, Predicate, Scan, SortKey, Value
from connectors.sdk.table import AccessPath, Grade, Table
from connectors.sdk.testing.disjunctions import tried
from connectors.sdk.testing.literals import literals, spread, unknown
from connectors.sdk.testing.reference import holds, holds_any, is_ordered

Rows = list[dict[str, Any]]


@dataclass(slots=True, kw_only=True)
class Proof:
    """What was checked, how many times, and what was found wrong."""

    check_count: int = 0
    failures: list[str] = field(default_factory=list)
    proven: set[tuple[str, str, str]] = field(default_factory=set)
    _alike: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def expect(self, condition: bool, claim: str, alike: tuple[str, ...] = ()) -> None:
        """Count a check and note the claim if it does not hold; `alike` says of which mistake it may be one more."""
        self.check_count += 1
        if not condition:
            self.failures.append(claim)
            if alike:
                self._alike[claim] = alike

    @property
    def told(self) -> list[str]:
        """Return what was found wrong, for people: of claims that are alike the first."""
        kinds = Counter(self._alike.values())
        found = {self._alike.get(claim, (claim,)): claim for claim in reversed(self.failures)}
        return [
            claim + (f"; and {kinds[kind] - 1} more like it" if kinds[kind] > 1 else "")
            for kind, claim in reversed(found.items())
        ]


async def prove_table(connection: Connection, table: Table, baseline: Scan, context: FetchContext) -> Proof:
    """Prove every access path of a table over the rows of a baseline scan.

    The baseline's columns are the ones compared; it has no predicate, order or limit.
    """
    proof = Proof()
    every, _ = await _read(connection, table, baseline, context)
    keys = [_identity(table, row) for row in every]
    proof.expect(bool(every), "the baseline has rows")
    proof.expect(len(set(keys)) == len(keys), "rows are unique by primary key")
    for path in table.access_paths:
        for scan in scans_of(path, baseline, every):
            prover = _Prover(connection, table, path, scan, context, proof)
            await prover.prove([row for row in every if _has_keys(row, scan.keys)])
    return proof


class _Prover:
    """Proves one access path under one combination of keys."""

    def __init__(
        self, connection: Connection, table: Table, path: AccessPath, scan: Scan, context: FetchContext, proof: Proof
    ) -> None:
        self._connection = connection
        self._table = table
        self._path = path
        self._scan = scan
        self._context = context
        self._proof = proof

    async def prove(self, expected: Rows) -> None:
        rows, truncated = await self._rows(self._scan)
        if self._path.counts:
            wanted = Counter(tuple(row[name] for name in self._scan.columns) for row in expected)
            self._expect(Counter(map(_values, rows)) == wanted, "counts the rows of its keys")
            for limit in (1, 7):
                few, _ = await self._rows(replace(self._scan, limit=limit))
                self._expect(len(few) == min(limit, len(rows)), f"honors limit {limit}")
            return
        if self._path.columns is not None:
            expected = [{name: row[name] for name in self._scan.columns} for row in expected]
        found = [row for row in rows if _has_keys(row, self._scan.keys)]
        if truncated is None:
            self._expect_none(self._unlike(found, expected), "returns the rows of its keys")
            # What follows is measured by what the path itself gives: one mistake is told once.
            expected = found
        if self._path.single:
            batched = self._scan.keys.get(self._path.batch or "")
            rows_max = len(batched) if isinstance(batched, tuple) else 1
            self._expect(len(rows) <= rows_max, "returns one row at most")
            if self._path.batch is None:
                return
        await self._prove_unknown_keys()
        for column in self._path.operators:
            if column in self._scan.columns:
                await self._prove_column(column, expected)
        for disjunctions in tried(self._path, self._scan.columns, expected):
            await self._prove_disjunctions(disjunctions, expected)
        for column, directions in self._path.order.items():
            for direction in sorted(directions):
                await self._prove_order(SortKey(column=column, direction=direction), expected)
        for limit in (1, 7, self._path.page_rows_max + 1):
            few, _ = await self._rows(replace(self._scan, limit=limit))
            self._expect(len(few) == min(limit, len(rows)), f"honors limit {limit}")
            self._expect_none(self._lacking(rows, few), f"returns its own rows under limit {limit}")

    async def _prove_unknown_keys(self) -> None:
        for name, value in self._scan.keys.items():
            other = unknown(value)
            if other is not None:
                rows, _ = await self._rows(replace(self._scan, keys={**self._scan.keys, name: other}))
                self._expect(not [row for row in rows if row.get(name) == other], f"finds nothing for unknown {name}")

    async def _prove_column(self, column: str, expected: Rows) -> None:
        for operator, pushdown in self._path.operators[column].items():
            occurring = [row[column] for row in expected]
            # A listing that leaves out what it does not say shows it where that is asked for by its value.
            declared = (pushdown.values or frozenset()) - {str(value) for value in occurring}
            hidden = [Predicate(column=column, operator=operator, value=value) for value in sorted(declared)]
            for predicate in (*literals(column, operator, occurring), *(hidden if operator is Operator.EQ else ())):
                grade = grade_of(self._path, predicate)
                # The planner answers a literal outside a closed set without a call.
                if grade is Grade.NONE or (pushdown.values is not None and predicate.value not in pushdown.values):
                    continue
                await self._prove_predicate(predicate, grade, expected)

    async def _prove_predicate(self, predicate: Predicate, grade: Grade, expected: Rows) -> None:
        claim = _shown_one(predicate)
        alike = (predicate.column, predicate.operator)
        self._proof.proven.add((self._path.name, predicate.column, predicate.operator))
        wanted = [row for row in expected if holds(row, predicate)]
        await self._prove_graded(replace(self._scan, predicates=(predicate,)), claim, grade, wanted, expected, alike)

    async def _prove_disjunctions(self, disjunctions: tuple[Disjunction, ...], expected: Rows) -> None:
        """Prove what a request has of OR, alone and beside the first of its predicates."""
        claim = " AND ".join(map(_shown_any, disjunctions))
        wanted = [row for row in expected if all(holds_any(row, each) for each in disjunctions)]
        grade = lowest(grade_of_any(self._path, each) for each in disjunctions)
        scan = replace(self._scan, disjunctions=disjunctions)
        await self._prove_graded(scan, claim, grade, wanted, expected, ("or",))
        beside = disjunctions[-1].branches[-1][0]
        if len(disjunctions[0].branches) > 2:
            return
        both = [row for row in wanted if holds(row, beside)]
        claim = f"{_shown_one(beside)} beside {claim}"
        lower = lowest((grade, grade_of(self._path, beside)))
        await self._prove_graded(replace(scan, predicates=(beside,)), claim, lower, both, expected, ("or", "beside"))

    async def _prove_graded(
        self, scan: Scan, claim: str, grade: Grade, wanted: Rows, expected: Rows, alike: tuple[str, ...]
    ) -> None:
        rows, truncated = await self._rows(scan)
        if truncated is not None:
            return
        if grade is Grade.EXACT:
            self._expect_none(self._unlike(rows, wanted), f"evaluates {claim} exactly", alike)
            return
        self._expect_none(self._lacking(rows, wanted), f"returns a superset for {claim}", alike)
        claim = f"returns only rows that the listing without it has, for {claim}"
        self._expect_none(self._lacking(expected, rows), claim, (*alike, "only"))

    async def _prove_order(self, key: SortKey, expected: Rows) -> None:
        ordered = replace(self._scan, order=(key,))
        rows, truncated = await self._rows(ordered)
        self._expect(is_ordered(rows, key), f"orders by {key.column} {key.direction}")
        if truncated is None:
            self._expect_none(self._unlike(rows, expected), f"returns every row ordered by {key.column}")
        first, _ = await self._rows(replace(ordered, limit=3))
        values = [row[key.column] for row in rows[:3]]
        self._expect([row[key.column] for row in first] == values, f"returns the first rows by {key.column}")

    async def _rows(self, scan: Scan) -> tuple[Rows, str | None]:
        return await _read(self._connection, self._table, scan, self._context)

    def _expect(self, condition: bool, claim: str) -> None:
        self._proof.expect(condition, self._of_path(claim))

    def _expect_none(self, wrong: str | None, claim: str, alike: tuple[str, ...] = ()) -> None:
        """Expect nothing to be wrong; what is alike of a path is told once for all of its keys."""
        told = alike and (self._table.name, self._path.name, *alike)
        self._proof.expect(wrong is None, f"{self._of_path(claim)}: {wrong}", told)

    def _of_path(self, claim: str) -> str:
        return f"{self._table.name}.{self._path.name}{shown_keys(self._scan)} {claim}"

    def _unlike(self, rows: Rows, wanted: Rows) -> str | None:
        """Say what makes rows others than those that are wanted, by one example."""
        if (lacking := self._lacking(rows, wanted)) is not None:
            return lacking
        known = {_identity(self._table, row) for row in wanted}
        more = [row for row in rows if _identity(self._table, row) not in known]
        if more:
            return f"rows too many: {len(more)}, like {self._named(more[0])}"
        return f"rows that come twice: {len(rows) - len(wanted)}" if len(rows) > len(wanted) else None

    def _lacking(self, rows: Rows, wanted: Rows) -> str | None:
        """Say what rows lack of those that are wanted, by one example; values only of primary keys."""
        known = {_identity(self._table, row): row for row in rows}
        wrong = [row for row in wanted if known.get(_identity(self._table, row)) != row]
        if not wrong:
            return None
        missing = [row for row in wrong if _identity(self._table, row) not in known]
        if missing:
            return f"rows missing: {len(missing)} of {len(wanted)}, like {self._named(missing[0])}"
        found = known[_identity(self._table, wrong[0])]
        column = next(name for name, value in wrong[0].items() if found.get(name) != value)
        other = "null" if found.get(column) is None else "another value"
        return f"{column} is {other} in {len(wrong)} of {len(wanted)}, like {self._named(wrong[0])}"

    def _named(self, row: Mapping[str, Any]) -> str:
        return ", ".join(f"{name} = {_shown(row[name])}" for name in self._table.primary_key)


def scans_of(path: AccessPath, baseline: Scan, every: Rows) -> Iterator[Scan]:
    """Return the scans of a path that are tried: one without keys, else some with values of the baseline."""
    columns = tuple(name for name in baseline.columns if path.columns is None or name in path.columns)
    bare = Scan(table=baseline.table, access_path=path.name, columns=columns)
    if not path.keys:
        yield bare
        return
    # A key is a value that is equal to something, which null never is.
    found = {tuple(row[name] for name in path.keys) for row in every}
    combinations = sorted(values for values in found if None not in values)
    chosen = spread(combinations) if combinations else []
    for combination in chosen:
        yield replace(bare, keys=dict(zip(path.keys, combination, strict=True)))
    if path.batch is not None and len(chosen) > 1:
        # The first combination gives the other keys; the batched one takes the values that occur with them.
        keys = dict(zip(path.keys, chosen[0], strict=True))
        others = {name: value for name, value in keys.items() if name != path.batch}
        values = spread([row[path.batch] for row in every if _has_keys(row, others) and row[path.batch] is not None])
        yield replace(bare, keys={**others, path.batch: cast(Value, tuple(values))})


def shown_keys(scan: Scan) -> str:
    """Write the keys of a scan for people, after the name of its path."""
    keys = ", ".join(f"{name} = {_shown(value)}" for name, value in scan.keys.items())
    return f" with {keys}" if keys else ""


def _values(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row.values())


def _has_keys(row: Mapping[str, Any], keys: Mapping[str, Value]) -> bool:
    return all(row[name] in value if isinstance(value, tuple) else row[name] == value for name, value in keys.items())


def _identity(table: Table, row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in table.primary_key)


async def _read(connection: Connection, table: Table, scan: Scan, context: FetchContext) -> tuple[Rows, str | None]:
    rows: Rows = []
    # Arrow carries them as text; PostgreSQL compares them as numbers.
    numerics = [name for name in scan.columns if table.column(name).type_name == "numeric"]
    truncated = None
    pages: Any = connection.fetch(scan, context)
    async with aclosing(pages) as opened:
        page: Page
        async for page in opened:
            rows += page.rows.to_pylist()
            truncated = truncated or page.truncated
    for row in rows if numerics else ():
        row |= {name: Decimal(row[name]) for name in numerics if row[name] is not None}
    return rows, truncated


def _shown_any(disjunction: Disjunction) -> str:
    return f"({' OR '.join(' AND '.join(map(_shown_one, branch)) for branch in disjunction.branches)})"


def _shown_one(predicate: Predicate) -> str:
    return f"{predicate.column} {predicate.operator} {_shown(predicate.value)}"


def _shown(value: Value) -> str:
    """Write a value for people: a time as ISO 8601, several in parentheses."""
    if isinstance(value, tuple):
        return f"({', '.join(_shown(each) for each in value)})"
    return value.isoformat() if isinstance(value, date) else repr(value)
