"""What all simulators share, as one aiohttp middleware around the vendor's routes.

A request is logged, delayed, perhaps spoiled by a fault, authenticated, counted against the rate limits, answered by
the vendor's handler and, where the vendor has them, compared with its entity tag. Requests under `/_sim/` control the
simulator and skip all of that.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import replace
from typing import Any, TypeVar, cast

import msgspec
from aiohttp import web

from connectors.simulators.company.vocabulary import seeded
from connectors.simulators.configuration import SimulatorConfig, changed
from connectors.simulators.faults import Fault, InvalidConfigurationError, draw_fault
from connectors.simulators.rate_limit import RateLimit, RateWindow, WindowState
from connectors.simulators.request_log import RequestLog
from connectors.simulators.vendor import ApiError, VendorRules, json_response

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Result = TypeVar("Result")
Holder = Callable[[web.Request], str]
"""Tells whose limits a request counts against."""
CONTROL_PREFIX = "/_sim/"
KEPT_RESULTS_MAX = 64
PREVIOUS_PAGES_MAX = 256
SECONDARY_BUCKET = "secondary"


class Simulation:
    """The state of one running simulator."""

    def __init__(self, rules: VendorRules, clock: Callable[[], float], holder: Holder) -> None:
        self.rules = rules
        self.clock = clock
        self.holder = holder
        self.log = RequestLog()
        self.config = SimulatorConfig()
        self.windows: dict[tuple[str, str], RateWindow] = {}
        self.random = seeded("faults", self.config.seed)
        self.previous_pages: OrderedDict[str, web.Response] = OrderedDict()
        # Set when hanging requests must end: on reset, on stop.
        self.released = asyncio.Event()
        self._kept_results: OrderedDict[Hashable, object] = OrderedDict()

    def reset(self) -> None:
        """Forget requests, faults and counters and restore the default configuration."""
        self.log.clear()
        self.config = SimulatorConfig()
        self.windows.clear()
        self.random = seeded("faults", self.config.seed)
        self.previous_pages.clear()
        self.release()

    def release(self) -> None:
        """Let go of the requests that hang or are held back."""
        self.released.set()
        self.released = asyncio.Event()

    def configure(self, written: Any) -> None:
        """Apply a configuration; a seed restarts the sequence of random faults."""
        self.config = changed(self.config, written)
        if "seed" in written:
            self.random = seeded("faults", self.config.seed)

    def rate(self, bucket: str) -> RateLimit:
        """Return the limit of a bucket; a configured one replaces that of the main bucket."""
        if bucket == self.rules.main_bucket and self.config.rate_limit is not None:
            return self.config.rate_limit
        return self.rules.limits[bucket]

    def window(self, request: web.Request, bucket: str) -> RateWindow:
        """Return the window of a bucket, of whoever a request is counted for."""
        return self.windows.setdefault((bucket, self.holder(request)), RateWindow())

    def window_state(self, request: web.Request, bucket: str) -> WindowState:
        """Return the state of a bucket without counting anything."""
        return self.window(request, bucket).state(self.rate(bucket), self.clock())

    def keep(self, key: Hashable, build: Callable[[], Result]) -> Result:
        """Return the result for a key, built once and kept while it is among the 64 used last."""
        if key not in self._kept_results:
            self._kept_results[key] = build()
            if len(self._kept_results) > KEPT_RESULTS_MAX:
                self._kept_results.popitem(last=False)
        self._kept_results.move_to_end(key)
        return cast("Result", self._kept_results[key])

    def remember_page(self, place: str, response: web.Response) -> None:
        """Keep the last answer of a path for `repeat_page`."""
        self.previous_pages[place] = response
        if len(self.previous_pages) > PREVIOUS_PAGES_MAX:
            self.previous_pages.popitem(last=False)

    def page_rows(self, wanted: int) -> int:
        """Return how many rows a page may have, given how many the client wants."""
        return min(wanted, self.config.page_rows_max or wanted)


SIMULATION: web.AppKey[Simulation] = web.AppKey("simulation", Simulation)


def one_account(_request: web.Request) -> str:
    """Count all requests together, as vendors do whose limits are those of an account."""
    return ""


def create_simulator(
    rules: VendorRules, clock: Callable[[], float] = time.time, holder: Holder = one_account
) -> web.Application:
    """Return an application with the shared behavior and the control endpoints, ready for the vendor's routes."""
    app = web.Application(middlewares=[_middleware])
    app[SIMULATION] = Simulation(rules, clock, holder)
    app.router.add_get("/_sim/requests", _show_requests)
    app.router.add_get("/_sim/config", _show_config)
    app.router.add_post("/_sim/config", _change_config)
    app.router.add_post("/_sim/reset", _reset)
    app.router.add_post("/_sim/release", _let_go)
    app.on_shutdown.append(_release)
    return app


async def _release(app: web.Application) -> None:
    app[SIMULATION].released.set()


async def _show_requests(request: web.Request) -> web.Response:
    return json_response(request.app[SIMULATION].log.to_json())


async def _show_config(request: web.Request) -> web.Response:
    return json_response(request.app[SIMULATION].config.to_json())


async def _change_config(request: web.Request) -> web.Response:
    simulation = request.app[SIMULATION]
    try:
        simulation.configure(msgspec.json.decode(await request.read()))
    except (InvalidConfigurationError, msgspec.DecodeError) as error:
        return json_response({"error": str(error)}, status=400)
    return json_response(simulation.config.to_json())


async def _let_go(request: web.Request) -> web.Response:
    request.app[SIMULATION].release()
    return json_response(request.app[SIMULATION].config.to_json())


async def _reset(request: web.Request) -> web.Response:
    request.app[SIMULATION].reset()
    return json_response(request.app[SIMULATION].config.to_json())


@web.middleware
async def _middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.path.startswith(CONTROL_PREFIX):
        return await handler(request)
    simulation = request.app[SIMULATION]
    started_s = time.perf_counter()
    record = await simulation.log.arrived(request, simulation.clock())
    response = await _answer(simulation, request, handler)
    record.status = response.status if response is not None else None
    record.duration_ms = round((time.perf_counter() - started_s) * 1000, 3)
    if response is None:
        return _disconnected(request)
    return response


async def _answer(simulation: Simulation, request: web.Request, handler: Handler) -> web.Response | None:
    """Return the answer, or None when the connection is to be cut without one."""
    config = simulation.config
    delay_ms = config.latency_ms + config.jitter_ms * simulation.random.random()
    if delay_ms > 0:
        await asyncio.sleep(delay_ms / 1000)
    fault = _next_fault(simulation)
    if fault is not None and fault.flag == "disconnect":
        return None
    if fault is not None and fault.flag == "hang":
        await simulation.released.wait()
        return None
    if fault is not None and fault.flag == "hold":
        await simulation.released.wait()
    try:
        simulation.rules.check_access(request)
        response = await _counted(simulation, request, handler, fault)
    except ApiError as error:
        response = error.response()
    except web.HTTPException as error:
        # The router knows no such path or method; the vendors say 404 to both.
        response = simulation.rules.not_found().response() if error.status in {404, 405} else _error_as_json(error)
    return _spoiled(simulation, request, response, fault)


def _error_as_json(error: web.HTTPException) -> web.Response:
    """Return what aiohttp itself refuses, such as a body that is too large, as a JSON answer."""
    return json_response({"message": error.reason}, status=error.status)


def _next_fault(simulation: Simulation) -> Fault | None:
    config = simulation.config
    if config.next_faults:
        simulation.config = replace(config, next_faults=config.next_faults[1:])
        return config.next_faults[0]
    return draw_fault(config.fault_rates, simulation.random) if config.fault_rates else None


async def _counted(simulation: Simulation, request: web.Request, handler: Handler, fault: Fault | None) -> web.Response:
    """Count the request against its limits and let it be handled, or answer with the fault's status."""
    rules = simulation.rules
    bucket = rules.bucket(request)
    if bucket is not None:
        _take(simulation, request, bucket)
    try:
        response = _fault_response(rules, fault) if fault is not None and fault.status is not None else None
        if response is None:
            response = cast("web.Response", await handler(request))
    except ApiError as error:
        response = error.response()
    if rules.has_entity_tags and request.method == "GET" and response.status == 200:
        response = _tagged(request, response)
        if response.status == 304 and bucket is not None:
            simulation.window(request, bucket).give_back()
    if bucket is not None:
        for name, value in rules.limit_headers(bucket, simulation.window_state(request, bucket)).items():
            response.headers.setdefault(name, value)
    return response


def _take(simulation: Simulation, request: web.Request, bucket: str) -> None:
    """Count one request in the secondary and the primary window.

    Raises:
        ApiError: one of the limits is reached.
    """
    now_s = simulation.clock()
    secondary = simulation.config.secondary_rate_limit
    if secondary is not None:
        rate = RateLimit(limit=secondary.limit, window_s=secondary.window_s)
        if not simulation.window(request, SECONDARY_BUCKET).take(rate, now_s):
            error = simulation.rules.limited_secondarily(secondary.retry_after_s)
            headers = simulation.rules.limit_headers(bucket, simulation.window_state(request, bucket))
            raise ApiError(error.status, error.body, {**headers, **error.headers})
    if not simulation.window(request, bucket).take(simulation.rate(bucket), now_s):
        state = simulation.window_state(request, bucket)
        error = simulation.rules.limited(bucket, state, now_s)
        raise ApiError(error.status, error.body, {**simulation.rules.limit_headers(bucket, state), **error.headers})


def _fault_response(rules: VendorRules, fault: Fault) -> web.Response:
    status = fault.status or 500
    body = fault.body if fault.body is not None else rules.fault_body(status)
    return json_response(body, status=status, headers=fault.headers)


def _tagged(request: web.Request, response: web.Response) -> web.Response:
    """Add a strong entity tag (RFC 9110, section 8.8.3), or answer 304 when the client has this representation."""
    digest = hashlib.sha256()
    # The vendors vary the tag by these two headers.
    for part in (request.headers.get("Authorization", ""), request.headers.get("Accept", "")):
        digest.update(part.encode() + b"\0")
    digest.update(_body_of(response))
    tag = f'"{digest.hexdigest()}"'
    known = {part.strip().removeprefix("W/") for part in request.headers.get("If-None-Match", "").split(",")}
    headers = {"ETag": tag, "Cache-Control": "private, max-age=60, s-maxage=60", "Vary": "Accept, Authorization"}
    if tag in known or "*" in known:
        return web.Response(status=304, headers=headers)
    response.headers.update(headers)
    return response


def _spoiled(simulation: Simulation, request: web.Request, response: web.Response, fault: Fault | None) -> web.Response:
    """Apply a fault that changes an otherwise good answer, and remember the answer for `repeat_page`."""
    flag = fault.flag if fault is not None else None
    if flag == "truncate_json":
        body = _body_of(response)
        return _with_body(response, body[: len(body) // 2])
    if flag == "incomplete_results":
        decoded = msgspec.json.decode(_body_of(response))
        if isinstance(decoded, dict):
            return _with_body(response, msgspec.json.encode({**decoded, "incomplete_results": True}))
    place = f"{request.method} {request.path}"
    if flag == "repeat_page" and place in simulation.previous_pages:
        previous = simulation.previous_pages[place]
        return _with_body(previous, _body_of(previous))
    if response.status == 200:
        simulation.remember_page(place, _with_body(response, _body_of(response)))
    return response


def _body_of(response: web.Response) -> bytes:
    return response.body if isinstance(response.body, bytes) else b""


def _with_body(response: web.Response, body: bytes) -> web.Response:
    headers = {name: value for name, value in response.headers.items() if name.lower() != "content-length"}
    return web.Response(body=body, status=response.status, headers=headers)


def _disconnected(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
