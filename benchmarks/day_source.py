"""The source of the recorded day: rows that change, served over HTTP in pages with entity tags, all their states."""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_right
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from ipaddress import ip_network
from typing import Any

import msgspec
from aiohttp import web
from yarl import URL

from benchmarks.day import ASSIGNEES, REPOSITORIES, STATES, TABLE, TEAMS, Question
from benchmarks.day_causes import Asked
from connectors.sdk.addresses import Fence
from connectors.sdk.auth import TokenAuth
from connectors.sdk.confirm import confirm
from connectors.sdk.connector import FetchContext
from connectors.sdk.decode import RowDecoder
from connectors.sdk.pagination import Reader, link_pages
from connectors.sdk.reading import RowList, pages_of
from connectors.sdk.request import Request
from connectors.sdk.scan import Operator, Page, Predicate, Scan
from connectors.sdk.settings import Outbound, TransportSettings
from connectors.sdk.testing.reference import holds
from connectors.sdk.trail import Step
from connectors.sdk.transport import Transport
from connectors.sdk.verdicts import judge_by_status

PAGE_ROWS = 100
CHANGED_PER_HOUR = 0.02
_OF_PAGES = ("page", "per_page")
Row = dict[str, Any]


@dataclass(slots=True)
class DaySource:
    """The rows of each repository as versions: the times at which they began, and the rows from then on."""

    seed: int = 2
    at_s: int = 0
    has_tags: bool = True
    statuses: dict[int, int] = field(default_factory=lambda: {200: 0, 304: 0})
    asked: list[Asked] = field(default_factory=list)
    """Readings and successful confirmations."""
    kinds: Counter[str] = field(default_factory=Counter)
    """What the 200 answers were."""
    scans: dict[tuple[tuple[str, str], ...], Scan] = field(default_factory=dict)
    """Scans by what they send."""
    base_url: str = ""
    times: dict[str, list[int]] = field(default_factory=dict)
    versions: dict[str, list[list[Row]]] = field(default_factory=dict)
    _chance: random.Random = field(init=False)
    _next_id: int = 0
    _had: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    """Who had which tag, by credential and URL."""

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        for repo in REPOSITORIES:
            self.times[repo] = [0]
            self.versions[repo] = [[self._row(repo) for _ in range(self._chance.randrange(200, 800))]]

    def advance(self, at_s: int) -> None:
        """Let time pass, in which rows change, begin and end."""
        for second in range(self.at_s + 1, at_s + 1):
            for repo in REPOSITORIES:
                rows = self.versions[repo][-1]
                if self._chance.random() < len(rows) * CHANGED_PER_HOUR / 3600:
                    self.times[repo].append(second)
                    self.versions[repo].append(self._changed(repo, rows))
        self.at_s = max(self.at_s, at_s)

    def rows_between(self, repo: str, first_s: int, last_s: int) -> list[list[Row]]:
        """Return the states that a repository had at some moment of a time."""
        times = self.times[repo]
        begin, end = bisect_right(times, first_s) - 1, bisect_right(times, last_s)
        return self.versions[repo][max(begin, 0) : end]

    async def start(self) -> web.AppRunner:
        """Serve it on this machine, and return what ends that."""
        application = web.Application()
        application.router.add_get("/items", self._items)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    def calls_for(self, scan: Scan) -> int:
        """Count the requests that a reading takes now."""
        found = len(self._found(_parameters(scan)))
        return max(1, -(-min(found, scan.limit or found) // PAGE_ROWS))

    async def _items(self, request: web.Request) -> web.Response:
        rows, page = self._found(request.query), int(request.query.get("page", "1"))
        body = msgspec.json.encode(rows[(page - 1) * PAGE_ROWS : page * PAGE_ROWS])
        headers = {"ETag": f'"{blake2b(body, digest_size=12).hexdigest()}"'} if self.has_tags else {}
        status = 304 if headers and request.headers.get("If-None-Match") == headers["ETag"] else 200
        self.statuses[status] += 1
        if status == 200 and headers:
            self._note(request, headers["ETag"])
        pages = -(-len(rows) // PAGE_ROWS)
        if page < pages:
            url = request.url.with_host("127.0.0.1")
            following, last = url.update_query(page=str(page + 1)), url.update_query(page=str(pages))
            headers["Link"] = f'<{following}>; rel="next", <{last}>; rel="last"'
        return web.Response(status=status, body=body if status == 200 else None, headers=headers)

    def _note(self, request: web.Request, tag: str) -> None:
        replica, _, credential = request.headers["Authorization"].removeprefix("Bearer ").partition(":")
        had = self._had.setdefault(f"{credential} {request.path_qs}", set())
        if (replica, tag) in had:
            self.kinds["unchanged since this replica had it"] += 1
        elif any(tag == known for _, known in had):
            self.kinds["unchanged since another replica had it"] += 1
        else:
            self.kinds["changed" if had else "asked for the first time"] += 1
        had.add((replica, tag))

    def _found(self, asked: Any) -> list[Row]:
        rows = self.versions[asked["repo"]][-1]
        for name in ("state", "team", "assignee"):
            if name in asked:
                among = asked[name].split(",")
                rows = [row for row in rows if row[name] in among]
        if "points" in asked:
            rows = [row for row in rows if row["points"] >= int(asked["points"])]
        return rows[::-1] if asked.get("direction") == "desc" else rows

    def _row(self, repo: str) -> Row:
        self._next_id += 1
        chance = self._chance
        return {
            "id": self._next_id,
            "repo": repo,
            "state": chance.choice(STATES),
            "team": chance.choice(TEAMS),
            "assignee": chance.choice(ASSIGNEES),
            "points": chance.randrange(10),
        }

    def _changed(self, repo: str, rows: list[Row]) -> list[Row]:
        at, kind = self._chance.randrange(len(rows)), self._chance.random()
        if kind < 0.1:
            return [*rows, self._row(repo)]
        if kind < 0.15:
            return [*rows[:at], *rows[at + 1 :]]
        return [*rows[:at], {**self._row(repo), "id": rows[at]["id"]}, *rows[at + 1 :]]


class DayConnection:
    """A connection to it."""

    def __init__(self, source: DaySource, replica: int, credential: str) -> None:
        self._source = source
        self._credential = credential
        fence = Fence(allowed_networks=(ip_network("127.0.0.0/8"),))
        self._transport = Transport(
            connector="own",
            server="hub",
            base_url=source.base_url,
            authenticator=TokenAuth(f"{replica}:{credential}"),
            judge=judge_by_status,
            settings=TransportSettings(outbound=Outbound(fence=fence)),
        )

    def fetch(self, scan: Scan, context: FetchContext) -> AsyncGenerator[Page, None]:
        """Read a scan page by page."""
        self._asked(scan)
        decoder = RowDecoder(TABLE, scan.columns)
        return pages_of(self._rows(scan, context), scan=scan, decoder=decoder, context=context)

    async def confirm(self, steps: Sequence[Step], context: FetchContext) -> bool:
        """Say whether an earlier reading still stands."""
        stands = await confirm(self._transport, steps, context)
        if stands:
            self._asked(self._scan_of(steps[0]))
        return stands

    def _asked(self, scan: Scan) -> None:
        self._source.asked.append(Asked(at_s=self._source.at_s, credential=self._credential, scan=scan))
        self._source.scans[_named(_parameters(scan))] = scan

    def _scan_of(self, step: Step) -> Scan:
        query = URL(step.url).query
        return self._source.scans[_named({name: query[name] for name in query if name not in _OF_PAGES})]

    async def check(self) -> str:
        """Return who it is."""
        return "own"

    async def disconnect(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def _rows(self, scan: Scan, context: FetchContext) -> AsyncGenerator[RowList, None]:
        reader = Reader(
            transport=self._transport,
            context=context,
            table=scan.table,
            deadline_s=asyncio.get_running_loop().time() + context.timeout_s,
            concurrency=4,
            pages_wanted_max=None if scan.limit is None else -(-scan.limit // PAGE_ROWS),
        )
        asked = {**_parameters(scan), "per_page": str(PAGE_ROWS)}
        request = Request(template="/items", path="/items", parameters=tuple(asked.items()))
        async with aclosing(link_pages(reader, request)) as responses:
            async for response in responses:
                yield RowList(rows=response.body)  # type: ignore[arg-type]


def answer(question: Question, policy: tuple[str, ...] | None, rows: Sequence[Row]) -> list[Row]:
    """Answer from a repository's rows as PostgreSQL would."""
    found = [row for row in rows if policy is None or row["team"] in policy]
    for condition in question.conditions:
        verdicts = _verdicts(condition)
        found = [row for row in found if verdicts[row[condition.column]]]
    found.sort(key=lambda row: -row["id"])
    return found[: question.limit]


class _Verdicts(dict[Any, bool]):
    """What the reference says of each value of a column under one condition, asked once."""

    def __init__(self, condition: Predicate) -> None:
        super().__init__()
        self._condition = condition

    def __missing__(self, value: object) -> bool:
        self[value] = holds({self._condition.column: value}, self._condition)
        return self[value]


_verdicts = cache(_Verdicts)


def _named(parameters: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(parameters.items()))


def _parameters(scan: Scan) -> dict[str, str]:
    asked = {"repo": str(scan.keys["repo"])}
    for predicate in scan.predicates:
        value = predicate.value
        if predicate.operator is Operator.GE and isinstance(value, int):
            # A loose bound, as a superset may be.
            asked["points"] = str(value - 1)
        else:
            asked[predicate.column] = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    if scan.order:
        asked["direction"] = scan.order[0].direction.value
    return asked
