"""Long readings by a query job of Bulk API 2.0: made, asked for until it is done, read as CSV, and ended.

After the Bulk API 2.0 and Bulk API Developer Guide, API 66.0: query jobs.
"""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import suppress
from decimal import Decimal

import msgspec

from connectors.salesforce.objects import BULK_ROWS_MAX, ObjectModel
from connectors.salesforce.requests import root
from connectors.salesforce.soql import is_id
from connectors.sdk.decode import Row
from connectors.sdk.errors import ConnectorError, Fatal, Retryable
from connectors.sdk.pagination import Reader
from connectors.sdk.reading import RowList
from connectors.sdk.request import Request, Response

POLL_INITIAL_S = 0.5
POLL_MAX_S = 10.0
ENDING_TIMEOUT_S = 5.0
Sleep = Callable[[float], Awaitable[None]]
_GOING_ON = frozenset({"UploadComplete", "InProgress"})
_JOBS = "/services/data/{version}/jobs/query"


async def bulk_rows(
    model: ObjectModel, text: str, reader: Reader, version: str, sleep: Sleep
) -> AsyncGenerator[RowList, None]:
    """Read the records of a query, `BULK_ROWS_MAX` at a time; the job ends with the reading.

    Raises:
        ConnectorError: by recovery; Fatal where the job fails, Retryable where a part of its result is missing.
    """
    job = _told(await reader.send(_request(version, method="POST", body={"operation": "query", "query": text})), "id")
    if not is_id(job):
        raise Fatal(message="the source made a job that has no identifier")
    is_done = False
    try:
        await _until_done(reader, job, version, sleep)
        is_done = True
        locator: str | None = ""
        while locator is not None:
            response = await reader.send(_results(version, job, locator))
            rows = await asyncio.to_thread(_rows, model, response.content.decode())
            if response.headers.get("sforce-numberofrecords") != str(len(rows)):
                raise Retryable(message="SOURCE_UNAVAILABLE: a part of a result is missing")
            yield RowList(rows=rows)
            following = response.headers.get("sforce-locator", "null")
            if following == locator:
                raise Fatal(message="the source repeats a page of a result")
            locator = None if following in {"", "null"} else following
    finally:
        await _end(reader, job, version, is_done=is_done)


async def _end(reader: Reader, job: str, version: str, *, is_done: bool) -> None:
    ending = _request(version, job, method="DELETE")
    if not is_done:
        ending = _request(version, job, method="PATCH", body={"state": "Aborted"})
    # A job that cannot be ended now is deleted by the source after seven days.
    with suppress(ConnectorError, TimeoutError):
        async with asyncio.timeout(ENDING_TIMEOUT_S):
            await reader.send(ending)


async def _until_done(reader: Reader, job: str, version: str, sleep: Sleep) -> None:
    delay_s = POLL_INITIAL_S
    while True:
        state = _told(await reader.send(_request(version, job)), "state")
        if state == "JobComplete":
            return
        if state not in _GOING_ON:
            raise Fatal(
                message=f"the job that was to read {reader.table} ended in state {state}",
                detail="The source does not carry the query out.",
                hint="Add conditions so that fewer records are expected, which are then read by queries.",
            )
        await sleep(delay_s)
        delay_s = min(POLL_MAX_S, delay_s * 2)


def _request(version: str, job: str = "", *, method: str = "GET", body: Mapping[str, str] | None = None) -> Request:
    return Request(
        template=_JOBS + ("/{job}" if job else ""),
        path=f"{root(version)}/jobs/query{f'/{job}' if job else ''}",
        method=method,
        body=None if body is None else msgspec.json.encode(body),
        conditional=False,
    )


def _results(version: str, job: str, locator: str) -> Request:
    return Request(
        template=_JOBS + "/{job}/results",
        path=f"{root(version)}/jobs/query/{job}/results",
        parameters=(("maxRecords", str(BULK_ROWS_MAX)), *((("locator", locator),) if locator else ())),
        accept="text/csv",
        conditional=False,
        is_json=False,
    )


def _told(response: Response, name: str) -> str:
    found = response.body.get(name) if isinstance(response.body, dict) else None
    return found if isinstance(found, str) else ""


def _rows(model: ObjectModel, text: str) -> list[Row]:
    """Return the records in a text in CSV, each value as JSON would have it; an empty one is null."""
    read = csv.reader(io.StringIO(text, newline=""))
    names = next(read, [])
    types = {column.path: column.type_name for column in model.table.columns}
    converts = [_CONVERTS.get(types.get(name, "text"), str) for name in names]
    rows: list[Row] = []
    for values in read:
        if len(values) != len(names):
            raise Retryable(message="SOURCE_UNAVAILABLE: a part of a result is missing")
        taken = zip(names, converts, values, strict=True)
        rows.append({name: convert(value) if value else None for name, convert, value in taken})
    return rows


def _whole(text: str) -> object:
    number = Decimal(text)
    return int(number) if number == number.to_integral_value() else text


_CONVERTS: dict[str, Callable[[str], object]] = {
    "bool": lambda text: text == "true",
    "int4": _whole,
    "int8": _whole,
    "float8": float,
}
