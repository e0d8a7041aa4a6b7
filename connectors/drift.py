"""What a live account's answers have that a manifest does not say: read little of every table, and compare.

Rows are decoded by the manifest, so that a value of another type is found; the answers themselves tell what is new.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from connectors.declarative.connector import DeclarativeConnection
from connectors.declarative.listing import rows_told
from connectors.declarative.load import Loaded
from connectors.declarative.proving import whole
from connectors.declarative.readable import ReadableTable
from connectors.new_fields import new_fields
from connectors.sdk.connector import FetchContext
from connectors.sdk.errors import ConnectorError, CredentialsRejected, RateLimited, Retryable
from connectors.sdk.misfits import Misfit, added
from connectors.sdk.request import Request, Response
from connectors.sdk.scan import Scan

ROWS_MAX = 100
DOUBTFUL_ROWS = 20
PARENTS_MAX = 3
FIELDS_SHOWN_MAX = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What was found about a table: `is_breaking` contradicts the manifest, `is_new` is no fault of it."""

    table: str
    is_breaking: bool
    text: str
    is_new: bool = False


class Answers:
    """Keeps the bodies of answers, as the witness of a connection, until they are taken."""

    def __init__(self) -> None:
        self._bodies: list[object] = []

    def see(self, _request: Request, response: Response, _authorization: Mapping[str, str]) -> None:
        """Keep a body."""
        self._bodies.append(response.body)

    def take(self) -> list[object]:
        """Give up what was kept."""
        taken, self._bodies = self._bodies, []
        return taken


async def drift_of(
    loaded: Loaded, connection: DeclarativeConnection, context: FetchContext, answers: Answers
) -> list[Drift]:
    """Read up to 100 rows of every table and compare them with what is declared.

    `answers` is the witness that the connection was opened with.

    Raises:
        CredentialsRejected, RateLimited, Retryable: the account cannot be asked, which says nothing of its tables.
    """
    await connection.check()
    found: list[Drift] = []
    read: dict[str, list[dict[str, Any]]] = {}
    for name in _parents_first(loaded.tables):
        table = loaded.tables[name]
        scans = _scans(table, read)
        if not scans:
            found.append(Drift(table=name, is_breaking=False, text="not read: no values of its keys were found"))
            continue
        rows: list[dict[str, Any]] = []
        misfits: list[Misfit] = []
        answers.take()
        try:
            for scan in scans:
                async with aclosing(connection.fetch(replace(scan, limit=ROWS_MAX), context)) as pages:
                    async for page in pages:
                        rows += page.rows.to_pylist()
                        misfits += page.misfits
        except (CredentialsRejected, RateLimited, Retryable):
            raise
        except ConnectorError as error:
            found.append(Drift(table=name, is_breaking=True, text=error.message))
        read[name] = rows
        for each in added(misfits):
            text = f"{each.count} values of {each.column} do not fit its type, the first at {each.example}"
            found.append(Drift(table=name, is_breaking=True, text=text))
        found += _compared(name, table, rows)
        access = table.paths[scans[0].access_path]
        raw = [row for body in answers.take() for row in rows_told(access, body)]
        if fields := new_fields(loaded.manifest.tables[name], raw):
            shown = ", ".join(fields[:FIELDS_SHOWN_MAX])
            more = f" and {len(fields) - FIELDS_SHOWN_MAX} more" if len(fields) > FIELDS_SHOWN_MAX else ""
            text = f"no column takes {shown}{more}"
            found.append(Drift(table=name, is_breaking=False, is_new=True, text=text))
    return found


def _parents_first(tables: Mapping[str, ReadableTable]) -> list[str]:
    """Return the names of tables, each after those that its keys are from, unless they refer to each other."""
    found: list[str] = []
    while left := [name for name in tables if name not in found]:
        needs = {name: {parent for parent, _ in tables[name].references.values()} - {name, *found} for name in left}
        found += [name for name in left if not needs[name]] or left[:1]
    return found


def _scans(table: ReadableTable, read: Mapping[str, list[dict[str, Any]]]) -> list[Scan]:
    """Return what is read of a table: its listing, or those of a few rows of the table that its keys are from."""
    listings = [path for path in table.table.access_paths if not path.counts and not path.single]
    for path in sorted(listings, key=lambda path: len(path.keys)):
        if not path.keys:
            return [whole(table, path)]
        parents = {table.references[key][0] for key in path.keys if key in table.references}
        if len(parents) != 1 or not all(key in table.references for key in path.keys):
            continue
        columns = {key: table.references[key][1] for key in path.keys}
        rows = [row for row in read.get(parents.pop(), []) if all(row.get(c) is not None for c in columns.values())]
        return [whole(table, path, {k: row[c] for k, c in columns.items()}) for row in rows[:PARENTS_MAX]]
    return []


def _compared(name: str, table: ReadableTable, rows: list[dict[str, Any]]) -> list[Drift]:
    found: list[Drift] = []
    for column in table.table.columns:
        if column.hydrate is not None or not rows:
            continue
        missing = sum(row.get(column.name) is None for row in rows)
        if missing and not column.nullable:
            text = f"{column.name} is never null, and is in {missing} of {len(rows)} rows"
            found.append(Drift(table=name, is_breaking=True, text=text))
        elif missing == len(rows) >= DOUBTFUL_ROWS:
            text = f"{column.name} has no value in any of {len(rows)} rows: its path may be gone"
            found.append(Drift(table=name, is_breaking=False, text=text))
    return found
