"""The routes of the simulator: versions, objects, descriptions, queries and their pages, composite requests, tokens.

After the REST API Developer Guide, API 66.0, https://developer.salesforce.com/docs/platform/api-rest/guide:
- Up to 2,000 records a page, fewer as it likes, `done`, `totalSize`, `nextRecordsUrl`: resources-query.md,
  resources-query-more-results.html; `Sforce-Query-Options` is a wish: headers-queryoptions.
- `Sforce-Limit-Info: api-usage=..`, of 24 hours, without a time of reset: headers-api-usage.
- Errors are lists of `errorCode` and `message`: errorcodes. Jobs of Bulk API 2.0: see `jobs`.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from connectors.simulators.company import Company
from connectors.simulators.salesforce.identifiers import record_id
from connectors.simulators.salesforce.jobs import Jobs
from connectors.simulators.salesforce.oauth import TokenEndpoint
from connectors.simulators.salesforce.org import Organization
from connectors.simulators.salesforce.rules import TOKEN_PATH, SalesforceRules, Sessions, refusal
from connectors.simulators.salesforce.schema import OTHERS, SObject, listed, schema
from connectors.simulators.salesforce.soql import Query, SoqlError, chosen, parse
from connectors.simulators.salesforce.soql.evaluate import field_of
from connectors.simulators.toolkit import SIMULATION, Simulation, create_simulator
from connectors.simulators.vendor import ApiError, json_response

VERSIONS = range(31, 67)
PAGE_ROWS_MAX = 2000
BATCH_ROWS_MIN = 200
LOCATORS_MAX = 64
PARTS_MAX = 25
QUERY_PARTS_MAX = 5
_BATCH = re.compile(r"batchSize=(\d{1,6})")
_PATH = re.compile(r"/services/data/v(?P<version>\d{1,3})\.0(?P<rest>/.*)?")
_LOCATOR = re.compile(r"/query/(?P<locator>\w{18})-(?P<offset>\d{1,9})")
_DESCRIBE = re.compile(r"/sobjects/(?P<name>\w+)/describe")

SESSIONS: web.AppKey[Sessions] = web.AppKey("sessions", Sessions)
JOBS: web.AppKey[Jobs] = web.AppKey("jobs", Jobs)
ORGANIZATION: web.AppKey[Organization] = web.AppKey("organization", Organization)


def create_app(
    company: Company,
    *,
    access_token: str,
    size: int = 400,
    public_key: RSAPublicKey | None = None,
    hidden: frozenset[str] = frozenset(),
    clock: Callable[[], float] = time.time,
) -> web.Application:
    """Return the API of an organization of the company's.

    `size` is the number of its opportunities, to which the others are in proportion; `public_key` belongs to the
    certificate of the connected app; `hidden` names fields, like `Account.Phone`, that the user may not see.
    """
    sessions = Sessions(access_token)
    app = create_simulator(SalesforceRules(sessions), clock)
    app[SESSIONS] = sessions
    objects = schema(hidden)
    app[ORGANIZATION] = Organization(company, objects, size=size)
    server = _Server(app[SIMULATION], objects, app[ORGANIZATION])
    endpoint = TokenEndpoint(sessions, user_id=server.user_id, public_key=public_key, clock=clock)

    async def end_sessions(_request: web.Request) -> web.Response:
        sessions.end_all()
        return json_response({})

    app.router.add_post(TOKEN_PATH, endpoint.answer)
    app.router.add_post("/_sim/sessions/end", end_sessions)
    app[JOBS] = Jobs(app[SIMULATION], server.exported)
    app[JOBS].add_routes(app.router)
    app.router.add_get("/services/data", server.versions)
    app.router.add_get("/services/data/{version}", server.get)
    app.router.add_get("/services/data/{version}/{rest:.+}", server.get)
    app.router.add_post("/services/data/{version}/composite", server.composite)
    return app


class _Server:
    def __init__(self, simulation: Simulation, objects: Mapping[str, SObject], organization: Organization) -> None:
        self._simulation = simulation
        self._objects = objects
        self._records = organization.records
        self._results: OrderedDict[str, tuple[Query, list[dict[str, Any]]]] = OrderedDict()
        self._result_count = 0
        self.user_id = record_id("005", 0)

    async def versions(self, _request: web.Request) -> web.Response:
        """`GET /services/data`."""
        return json_response(
            [{"label": f"'{v}", "url": f"/services/data/v{v}.0", "version": f"{v}.0"} for v in VERSIONS]
        )

    async def get(self, request: web.Request) -> web.Response:
        """Answer any GET below a version."""
        return json_response(self._got(request.path, request.query.get("q"), request.headers))

    async def composite(self, request: web.Request) -> web.Response:
        """`POST /services/data/{version}/composite`: up to 25 requests, five of them queries, in one call."""
        try:
            asked = msgspec.json.decode(await request.read())["compositeRequest"]
            parts = [(str(part["method"]), str(part["url"]), str(part["referenceId"])) for part in asked]
        except (msgspec.DecodeError, KeyError, TypeError):
            raise refusal(400, "JSON_PARSER_ERROR", "The composite request is not valid JSON.") from None
        queries = [url for _, url, _ in parts if "/query" in url]
        if not 0 < len(parts) <= PARTS_MAX or len(queries) > QUERY_PARTS_MAX:
            raise refusal(400, "LIMIT_EXCEEDED", "The composite request has too many subrequests.")
        answers = [self._part(method, url, name, request.headers) for method, url, name in parts]
        return json_response({"compositeResponse": answers})

    def _part(self, method: str, url: str, name: str, headers: Mapping[str, str]) -> dict[str, Any]:
        status, body = 200, None
        try:
            # A reference to another part's answer is read wherever it stands.
            if method != "GET" or "@{" in url:
                raise refusal(400, "PROCESSING_HALTED", "Invalid reference specified.")
            asked = urlsplit(url)
            text = parse_qs(asked.query, keep_blank_values=True).get("q")
            body = self._got(asked.path, text[0] if text else None, headers)
        except ApiError as error:
            status, body = error.status, error.body
        return {"body": body, "httpHeaders": {}, "httpStatusCode": status, "referenceId": name}

    def _got(self, path: str, text: str | None, headers: Mapping[str, str]) -> Any:
        found = _PATH.fullmatch(path)
        if found is None or int(found["version"]) not in VERSIONS:
            raise self._simulation.rules.not_found()
        root, rest = f"/services/data/v{found['version']}.0", (found["rest"] or "").rstrip("/")
        if rest == "":
            identity = f"https://login.salesforce.com/id/00DDn000000SiMUMA0/{self.user_id}"
            return {"query": f"{root}/query", "sobjects": f"{root}/sobjects", "identity": identity}
        if rest == "/sobjects":
            others = [listed(name, name, queryable=queryable) for name, queryable in OTHERS]
            return {"encoding": "UTF-8", "sobjects": [*(each.summary() for each in self._objects.values()), *others]}
        if (described := _DESCRIBE.fullmatch(rest)) and described["name"].lower() in self._objects:
            return self._objects[described["name"].lower()].describe()
        if rest == "/query" and text is not None:
            return self._queried(text, root, headers)
        if further := _LOCATOR.fullmatch(rest):
            return self._page(further["locator"], int(further["offset"]), root, headers)
        raise self._simulation.rules.not_found()

    def exported(self, text: str) -> tuple[list[str], list[dict[str, Any]]]:
        """Carry out the query of a job; compound fields are refused."""
        query, source, found = self._chosen(text)
        fields = [field_of(source, name) for name in query.names]
        if [field.name for field in fields if field.type in {"address", "location"}]:
            raise refusal(400, "FEATURENOTENABLED", "Selecting compound data not supported in Bulk Query")
        return [field.name for field in fields], found

    def _chosen(self, text: str) -> tuple[Query, SObject, list[dict[str, Any]]]:
        try:
            query = parse(text)
            source = self._objects.get(query.source.lower())
            if source is None:
                raise SoqlError("INVALID_TYPE", f"\nERROR\nsObject type '{query.source}' is not supported.")
            return query, source, chosen(query, source, self._records[source.name.lower()])
        except SoqlError as error:
            raise refusal(400, error.code, error.message) from None

    def _queried(self, text: str, root: str, headers: Mapping[str, str]) -> Any:
        query, _, found = self._chosen(text)
        if not query.names:
            return {"totalSize": len(found), "done": True, "records": []}
        self._result_count += 1
        locator = record_id("01g", self._result_count)
        self._results[locator] = (query, found)
        if len(self._results) > LOCATORS_MAX:
            self._results.popitem(last=False)
        return self._page(locator, 0, root, headers)

    def _page(self, locator: str, offset: int, root: str, headers: Mapping[str, str]) -> Any:
        if locator not in self._results or offset > len(self._results[locator][1]):
            raise refusal(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        query, found = self._results[locator]
        wanted = _BATCH.search(headers.get("Sforce-Query-Options", ""))
        rows = min(PAGE_ROWS_MAX, max(BATCH_ROWS_MIN, int(wanted[1]))) if wanted else PAGE_ROWS_MAX
        end = offset + self._simulation.page_rows(rows)
        source = self._objects[query.source.lower()]
        page: dict[str, Any] = {"totalSize": len(found), "done": end >= len(found)}
        if end < len(found):
            page["nextRecordsUrl"] = f"{root}/query/{locator}-{end}"
        page["records"] = [_shown(record, query, source, root) for record in found[offset:end]]
        return page


def _shown(record: Mapping[str, Any], query: Query, source: SObject, root: str) -> dict[str, Any]:
    attributes = {"type": source.name, "url": f"{root}/sobjects/{source.name}/{record['Id']}"}
    names = [field_of(source, name).name for name in query.names]
    return {"attributes": attributes, **{name: record[name] for name in names}}
