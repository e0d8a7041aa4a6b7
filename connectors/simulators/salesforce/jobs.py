"""Query jobs of Bulk API 2.0: made, going on for a while, complete, read as CSV, aborted and deleted.

After the Bulk API 2.0 and Bulk API Developer Guide, API 66.0: get results for a query job.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

from connectors.simulators.salesforce.identifiers import record_id
from connectors.simulators.salesforce.rules import refusal
from connectors.simulators.toolkit import Simulation
from connectors.simulators.vendor import json_response

Run = Callable[[str], tuple[Sequence[str], list[dict[str, Any]]]]
"""Carries out a query in SOQL and gives the names of its fields and its records."""


@dataclass(slots=True, kw_only=True)
class Job:
    """A job; `asked` counts how often its state was asked for."""

    names: Sequence[str]
    records: list[dict[str, Any]]
    asked: int = 0
    state: str = "UploadComplete"


class Jobs:
    """The query jobs of an organization; each is complete when it has been asked for twice, unless it `fails`.

    Where it `cuts`, a page has a record less than it says.
    """

    def __init__(self, simulation: Simulation, run: Run) -> None:
        self._simulation = simulation
        self._run = run
        self.all: dict[str, Job] = {}
        self.fails = False
        self.cuts = False
        self._made = 0

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Serve the jobs."""
        base = "/services/data/{version}/jobs/query"
        router.add_post(base, self.make)
        router.add_get(base + "/{job}", self.show)
        router.add_get(base + "/{job}/results", self.results)
        router.add_patch(base + "/{job}", self.abort)
        router.add_delete(base + "/{job}", self.delete)

    async def make(self, request: web.Request) -> web.Response:
        """`POST ../jobs/query`."""
        try:
            asked: Mapping[str, Any] = msgspec.json.decode(await request.read())
            text, operation = str(asked["query"]), asked["operation"]
        except (msgspec.DecodeError, KeyError, TypeError):
            raise refusal(400, "JSON_PARSER_ERROR", "The job is not valid JSON.") from None
        if operation not in {"query", "queryAll"} or "COUNT()" in text.upper():
            raise refusal(400, "API_ERROR", "Aggregate Relationships not supported in Bulk V2 Query")
        names, records = self._run(text)
        self._made += 1
        job = record_id("750", self._made)
        self.all[job] = Job(names=names, records=records)
        return json_response({"id": job, "operation": operation, "state": "UploadComplete", "contentType": "CSV"})

    async def show(self, request: web.Request) -> web.Response:
        """`GET ../jobs/query/{job}`."""
        name, job = self._job(request)
        job.asked += 1
        if job.state in {"UploadComplete", "InProgress"} and job.asked >= 2:
            job.state = "Failed" if self.fails else "JobComplete"
        return json_response({"id": name, "state": job.state, "numberRecordsProcessed": len(job.records)})

    async def results(self, request: web.Request) -> web.Response:
        """`GET ../jobs/query/{job}/results`: a header, then as many records as are wanted from a locator on."""
        _, job = self._job(request)
        if job.state != "JobComplete":
            raise refusal(400, "INVALIDJOBSTATE", "The job has no results yet.")
        start = int(request.query.get("locator", "MA0").removeprefix("MA"))
        rows = self._simulation.page_rows(int(request.query.get("maxRecords", "50000")))
        page = job.records[start : start + rows]
        written = io.StringIO()
        lines = csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\n")
        lines.writerow(job.names)
        lines.writerows([[_text(record[name]) for name in job.names] for record in page[self.cuts :]])
        end = start + len(page)
        headers = {
            "Sforce-Locator": f"MA{end}" if end < len(job.records) else "null",
            "Sforce-NumberOfRecords": str(len(page)),
        }
        return web.Response(text=written.getvalue(), content_type="text/csv", headers=headers)

    async def abort(self, request: web.Request) -> web.Response:
        """`PATCH ../jobs/query/{job}`."""
        name, job = self._job(request)
        job.state = "Aborted"
        return json_response({"id": name, "state": job.state})

    async def delete(self, request: web.Request) -> web.Response:
        """`DELETE ../jobs/query/{job}`: one that is going on cannot be deleted."""
        name, job = self._job(request)
        if job.state in {"UploadComplete", "InProgress"}:
            raise refusal(400, "INVALIDJOBSTATE", "The job is going on.")
        del self.all[name]
        return web.Response(status=204)

    def _job(self, request: web.Request) -> tuple[str, Job]:
        name = request.match_info["job"]
        if name not in self.all:
            raise self._simulation.rules.not_found()
        return name, self.all[name]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
