"""The proof that no column takes a value that does not fit, and that what is missing is null. Pure.

Rows are what a listing gave and what calls for each of them attached, before they are decoded; each column of them is
spoiled in its turn, in every row at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.sdk.decode import Row, RowDecoder, attached_as
from connectors.sdk.errors import Fatal
from connectors.sdk.table import Column, Table

Decoding = Callable[[tuple[str, ...]], RowDecoder]
"""Makes a decoder of some columns."""

ROWS_MAX = 10
_OBJECT: dict[str, object] = {"spoiled": [1]}
_STEP = re.compile(r"[A-Za-z_][\w-]*")
_GONE = object()


@dataclass(slots=True, kw_only=True)
class ValueProof:
    """What was taken wrongly, by column the number of ways it was spoiled in, and columns no row has a value of."""

    wrong: list[str] = field(default_factory=list)
    spoiled: dict[str, int] = field(default_factory=dict)
    unfilled: list[str] = field(default_factory=list)


def prove_values(
    decoding: Decoding, table: Table, columns: Sequence[Column], rows: Sequence[Row], *, derived: frozenset[str]
) -> ValueProof:
    """Spoil each column of some rows; of those that are `derived`, only what their value is found in is spoiled."""
    proof = ValueProof()
    for column in columns:
        steps = _steps(column.path)
        if not steps:
            continue
        if column.hydrate is not None:
            # What a call for the row answered is spoiled, as a whole as well.
            steps = (attached_as(column.hydrate), *steps)
        some = [row for row in rows if _at(row, steps) is not None][:ROWS_MAX]
        if not some:
            proof.unfilled.append(column.name)
            continue
        ways = _ways(column, steps)
        if column.name in derived:
            ways = [each for each in ways if each[2] == 7]
        proof.spoiled[column.name] = len(ways)
        for way, place, value in ways:
            spoiled = [_changed(row, place, value) for row in some]
            is_absent = value is None or value is _GONE
            said = _absent(decoding, column, spoiled) if is_absent else _misfit(decoding, table, column, spoiled)
            if said is not None:
                proof.wrong.append(f"{table.name}.{column.name} {way}: {said}")
    return proof


def _ways(column: Column, steps: tuple[str, ...]) -> list[tuple[str, tuple[str, ...], object]]:
    """Return how a column is spoiled: in words, where, and by which value."""
    ways: list[tuple[str, tuple[str, ...], object]] = [("missing", steps, _GONE), ("null", steps, None)]
    for count in range(1, len(steps)):
        ways += [(f"without {_named(steps[count - 1])}", steps[:count], _GONE), ("below null", steps[:count], None)]
        ways.append(("below a number", steps[:count], 7))
    is_within = "[" in column.path
    if column.type_name not in {"json", "jsonb"} or is_within:
        ways += [("as true", steps, True)] if column.type_name != "bool" else []
        ways += [("as an object", steps, _OBJECT)] if not is_within else []
        ways += [("as a list of objects", steps, [_OBJECT])] if not is_within else [("as a list", steps, [[1]])]
    if column.type_name not in {"json", "jsonb", "text", "varchar"}:
        ways.append(("as a text", steps, "spoiled"))
    return ways


def _misfit(decoding: Decoding, table: Table, column: Column, rows: list[Row]) -> str | None:
    """Say what is wrong with how values that do not fit are taken, None if nothing is."""
    try:
        decoded = decoding((column.name,)).decoded(rows)
    except Fatal as refused:
        is_lenient = table.misfits_are_null and column.nullable and column.name not in table.primary_key
        if is_lenient:
            return "the reading ends, where the value should be null and counted"
        return None if f"{table.name}.{column.name} does not fit type" in refused.message else refused.message
    values = decoded.batch.column(0).to_pylist()
    if any(value is not None for value in values):
        return "a value that does not fit is taken"
    counted = sum(each.count for each in decoded.misfits if each.column == column.name)
    return None if counted == len(rows) else f"{counted} of {len(rows)} values that do not fit are counted"


def _absent(decoding: Decoding, column: Column, rows: list[Row]) -> str | None:
    values = decoding((column.name,)).decoded(rows).batch.column(0).to_pylist()
    return None if all(value is None for value in values) else "it has a value"


def _steps(path: str) -> tuple[str, ...]:
    """Return the fields on the way to a value, or to the list that it is made of; none where that is not plain."""
    steps = tuple(path.partition("[*]")[0].split("."))
    return steps if all(_STEP.fullmatch(step) for step in steps) else ()


def _named(step: str) -> str:
    return step.rpartition("\0")[2]


def _at(row: object, steps: Sequence[str]) -> object:
    for step in steps:
        row = row.get(step) if isinstance(row, dict) else None
    return row


def _changed(row: Row, steps: Sequence[str], value: object) -> Row:
    """Return a row with another value at a place, or none; the rest is shared with the first one."""
    changed: Row = dict(row)
    holder: dict[str, Any] = changed
    for step in steps[:-1]:
        holder[step] = dict(holder[step])
        holder = holder[step]
    if value is _GONE:
        del holder[steps[-1]]
    else:
        holder[steps[-1]] = value
    return changed
