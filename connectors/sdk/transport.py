"""The one HTTP client: pooled, bounded, retried, conditional, metered and traced requests to one source.

A transport belongs to one connection, thus to one credential. It takes a request and gives a judged answer or raises a
`ConnectorError`. Cancelling a call closes its socket at once. Where it may connect to is `connectors.sdk.outbound`'s.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from types import MappingProxyType
from urllib.parse import urlencode

import aiohttp
import msgspec
from opentelemetry import trace
from opentelemetry.trace import Status, StatusCode
from yarl import URL

from connectors.sdk.auth import Authenticator, TokenAnswer
from connectors.sdk.conditional import BodyStore, KeptBody, Key
from connectors.sdk.connector import FetchContext, RequestRecord
from connectors.sdk.errors import CredentialsRejected, EmptyResult, Fatal, RateLimited, Retryable
from connectors.sdk.limits import RateLimit, charges_beside, charges_made, is_short, quotas_told
from connectors.sdk.outbound import Way
from connectors.sdk.pool import TOKENS_MAX, Pooled
from connectors.sdk.quota import QuotaReader
from connectors.sdk.request import Request, Response
from connectors.sdk.settings import Surroundings, TransportSettings
from connectors.sdk.verdicts import Judge, Setting, timed_out, unavailable

USER_AGENT = f"OmniSQL/{version('omnisql')}"
_REDIRECTS = frozenset({301, 302, 307, 308})
_CHUNK_BYTES = 64 * 1024
_TOKEN_ANSWER_BYTES_MAX = 64 * 1024
_TRACER = trace.get_tracer("omnisql.connectors")


class Transport:
    """Requests to one source under one credential."""

    def __init__(
        self,
        *,
        connector: str,
        server: str,
        base_url: str,
        authenticator: Authenticator,
        judge: Judge,
        quota: QuotaReader | None = None,
        limits: Mapping[str, RateLimit] = MappingProxyType({}),
        headers: Mapping[str, str] | None = None,
        settings: TransportSettings | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        self.connector = connector
        self.server = server
        self.settings = settings or TransportSettings()
        self._base = URL(base_url.rstrip("/"), encoded=True)
        self._authenticator = authenticator
        self._judge = judge
        self._quota = quota
        self._limits = limits
        self._headers = {"User-Agent": USER_AGENT, **(headers or {})}
        self._surroundings = surroundings or Surroundings()
        self._kept = BodyStore(self.settings.kept_bytes_max)
        self._permits = asyncio.Semaphore(self.settings.concurrency_max)
        self._way = Way(server, self._base, self.settings, self._surroundings)
        self.open_request_count = 0

    async def send(self, request: Request, context: FetchContext, *, deadline_s: float | None = None) -> Response:
        """Send a request until it is answered well; `deadline_s` is a time of the loop's clock.

        Raises:
            ConnectorError: by recovery; the bounds of the settings and of the context are used up.
        """
        bound_s = asyncio.get_running_loop().time() + context.timeout_s
        try:
            async with asyncio.timeout_at(bound_s if deadline_s is None else min(bound_s, deadline_s)) as scope:
                return await self._persist(request, context)
        except TimeoutError:
            if not scope.expired():
                raise
            raise timed_out(request, self._setting(), context.timeout_s) from None

    async def close(self) -> None:
        """Close every connection and forget the bodies and the credential."""
        self._kept.clear()
        self._authenticator.forget()
        await self._way.close()

    async def _persist(self, request: Request, context: FetchContext) -> Response:
        attempt, failures, waits, renewed = 0, 0, 0, False
        while True:
            attempt += 1
            authorization: Mapping[str, str] | None = None
            try:
                authorization = await self._authenticator.headers()
                return await self._attempt(request, context, attempt, authorization)
            except CredentialsRejected:
                if authorization is None or renewed or not await self._authenticator.renew(authorization):
                    raise
                renewed = True
            except _Refusal as refusal:
                waits += 1
                limited = refusal.limited
                if waits <= TOKENS_MAX and self._has_another(authorization, refusal):
                    continue
                await context.limiter.block(refusal.bucket, limited.retry_after_s)
                if limited.retry_after_s > self.settings.rate_wait_max_s or waits > self.settings.rate_waits_max:
                    raise limited from None
                await self._surroundings.sleep(limited.retry_after_s)
            except Retryable as failure:
                failures += 1
                if failures >= self.settings.retry.attempts_for(failure):
                    raise
                await self._surroundings.sleep(self.settings.retry.delay_s(failures, self._surroundings.random))

    def _has_another(self, sent: Mapping[str, str] | None, refusal: _Refusal) -> bool:
        """Let a token of several rest that was refused, and say whether there is another to send at once."""
        pool = self._authenticator
        wait_s = refusal.limited.retry_after_s
        return sent is not None and isinstance(pool, Pooled) and pool.rest(sent, refusal.bucket, wait_s)

    async def _attempt(
        self, request: Request, context: FetchContext, attempt: int, authorization: Mapping[str, str]
    ) -> Response:
        url = self._url(request)
        for _ in range(self.settings.redirects_max + 1):
            for charge in charges_beside(self._limits, request):
                await context.limiter.charge(charge.limit, charge.points / self._shares(charge.limit))
            await context.limiter.acquire(request.bucket, request.cost)
            response = await self._exchange(request, url, context, attempt, authorization)
            location = response.headers.get("location")
            if response.status not in _REDIRECTS or location is None:
                return await self._judged(request, response, context, authorization)
            url = self._same_origin(location, url)
        raise Fatal(
            message=f'server "{self.server}" redirects without end', detail=f"{request.method} {request.template}."
        )

    def _shares(self, limit: str) -> int:
        """Return how many tokens share what is declared of a limit: of one that answers tell of, they tell the sum."""
        declared, pool = self._limits.get(limit), self._authenticator
        is_told = declared is not None and declared.quota is not None
        return pool.size if isinstance(pool, Pooled) and not is_told else 1

    async def _judged(
        self, request: Request, response: Response, context: FetchContext, authorization: Mapping[str, str]
    ) -> Response:
        bucket = await self._observed(request, response, context, authorization)
        if response.status == 304 and request.confirms:
            return response
        error = self._judge(request, response, self._setting())
        if isinstance(error, RateLimited):
            raise _Refusal(limited=error, bucket=bucket)
        if context.trail is not None and isinstance(error, EmptyResult | Fatal):
            context.trail.break_off()
        if self._surroundings.witness is not None and (error is None or isinstance(error, EmptyResult)):
            self._surroundings.witness(request, response, authorization)
        if error is not None:
            raise error
        if context.trail is not None:
            context.trail.note(request, response)
        return response

    async def _observed(
        self, request: Request, response: Response, context: FetchContext, authorization: Mapping[str, str]
    ) -> str:
        """Hand on what an answer tells of rate limits, and return the one that a refusal would be of."""
        bucket = request.bucket
        for observed in quotas_told(self._quota, self._limits, request, response, self._surroundings.now_s()):
            if is_short(observed, request):
                bucket = observed.bucket
            whole = observed
            if isinstance(self._authenticator, Pooled):
                whole = self._authenticator.observed(authorization, observed)
            await context.limiter.observe(whole)
        return bucket

    async def _exchange(
        self, request: Request, url: URL, context: FetchContext, attempt: int, authorization: Mapping[str, str]
    ) -> Response:
        key = (request.method, str(url), request.accept)
        kept = await self._kept_for(request, key, context)
        headers = {**self._headers, **authorization, "Accept": request.accept}
        # An entity tag says more than a time, which is not sent beside it (RFC 9110, section 13.1.3).
        if kept is not None or request.etag:
            headers["If-None-Match"] = request.etag if kept is None else kept.etag
        elif request.modified:
            headers["If-Modified-Since"] = request.modified
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        async with self._permits:
            started_s = time.perf_counter()
            with _TRACER.start_as_current_span(
                "omnisql.api_request", record_exception=False, set_status_on_exception=False
            ) as span:
                span.set_attributes(
                    {
                        "http.request.method": request.method,
                        "url.template": request.template,
                        "omnisql.connector": self.connector,
                        "omnisql.server": self.server,
                    }
                )
                try:
                    received = await self._receive(request, url, headers)
                except (Retryable, Fatal) as failure:
                    span.set_status(Status(StatusCode.ERROR, type(failure).__name__))
                    raise
                span.set_attribute("http.response.status_code", received.status)
            duration_ms = (time.perf_counter() - started_s) * 1000.0
        response: Response | None = None
        try:
            response = self._understood(request, key, kept, received)
        finally:
            context.meter.request(
                RequestRecord(
                    method=request.method,
                    template=request.template,
                    status=received.status,
                    duration_ms=duration_ms,
                    bytes_received=len(received.content),
                    attempt=attempt,
                    revalidated=received.status == 304 and (kept is not None or request.confirms),
                    charges=charges_made(self._limits, request, received.status, response),
                )
            )
        if response.status == 200 and not response.revalidated:
            await self._keep(request, key, received, context)
        return response

    async def _kept_for(self, request: Request, key: Key, context: FetchContext) -> KeptBody | None:
        if not request.conditional or request.confirms:
            return None
        kept = self._kept.get(key)
        if context.bodies is not None and request.method == "GET":
            newer = await context.bodies.newer(key, "" if kept is None else kept.etag)
            if newer is not None:
                self._kept.put(key, newer)
                return newer
        return kept

    async def _keep(self, request: Request, key: Key, received: _Received, context: FetchContext) -> None:
        etag = received.headers.get("etag")
        if etag and request.conditional and request.method == "GET":
            kept = KeptBody(etag=etag, content=received.content, headers=received.headers)
            self._kept.put(key, kept)
            if context.bodies is not None:
                await context.bodies.put(key, kept)

    async def _receive(self, request: Request, url: URL, headers: Mapping[str, str]) -> _Received:
        self.open_request_count += 1
        try:
            await self._way.admit()
            async with self._way.session().request(
                request.method, url, headers=headers, data=request.body, allow_redirects=False
            ) as answer:
                chunks = bytearray()
                async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
                    chunks += chunk
                    if len(chunks) > self.settings.response_bytes_max:
                        raise Fatal(
                            message=f'server "{self.server}" sent an answer that is too large',
                            detail=f"{request.template} exceeds {self.settings.response_bytes_max} bytes.",
                        )
                named = {name.lower(): text for name, text in answer.headers.items()}
                return _Received(status=answer.status, headers=named, content=bytes(chunks))
        except TimeoutError:
            raise timed_out(request, self._setting(), self.settings.read_timeout_s) from None
        except (aiohttp.ClientError, OSError) as failure:
            # The library's own message may hold the URL with its values; its class says enough.
            raise unavailable(request, self._setting(), _plain(failure)) from None
        finally:
            self.open_request_count -= 1

    def _understood(self, request: Request, key: Key, kept: KeptBody | None, received: _Received) -> Response:
        status, headers, content = received.status, received.headers, received.content
        is_confirmed = status == 304 and kept is not None
        if kept is not None and is_confirmed:
            status, headers, content = 200, {**kept.headers, **headers}, kept.content
        body = None
        if content and (request.is_json or status >= 300):
            try:
                body = msgspec.json.decode(content)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                if status < 300:
                    raise unavailable(request, self._setting(), "its answer is not complete JSON") from None
        return Response(
            status=status, headers=headers, body=body, url=key[1], content=content, revalidated=is_confirmed
        )

    def _url(self, request: Request) -> URL:
        if request.url is not None:
            return self._same_origin(request.url)
        query = urlencode(request.parameters)
        return URL(f"{self._base}{request.path}" + (f"?{query}" if query else ""), encoded=True)

    def _same_origin(self, target: str, seen_at: URL | None = None) -> URL:
        # A credential is bound to its audience: it goes to no other scheme, host or port, whatever an answer says.
        try:
            url = URL(target, encoded=True) if seen_at is None else seen_at.join(URL(target))
            is_same = url.origin() == self._base.origin() and url.raw_user is None and url.raw_password is None
        except ValueError:
            is_same = False
        if not is_same:
            raise Fatal(message=f'server "{self.server}" points to another host, which is not followed')
        return url

    def _setting(self) -> Setting:
        return Setting(server=self.server, now_s=self._surroundings.now_s())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Received:
    status: int
    headers: dict[str, str]
    content: bytes


async def post_form(
    url: str,
    fields: Mapping[str, str],
    *,
    server: str,
    settings: TransportSettings | None = None,
    surroundings: Surroundings | None = None,
    headers: Mapping[str, str] | None = None,
) -> TokenAnswer:
    """Post a form to an OAuth 2.0 token endpoint, on behalf of a server, and return its answer.

    `url` has been checked like a base URL; a redirect is an answer and is not followed.

    Raises:
        DestinationRefused: SQLSTATE HV00N, the endpoint may not be connected to.
        Retryable: SQLSTATE 08006, the endpoint cannot be reached.
    """
    way = Way(server, URL(url), settings or TransportSettings(), surroundings or Surroundings())
    sent = {"User-Agent": USER_AGENT, "Accept": "application/json", **(headers or {})}
    try:
        await way.admit()
        async with way.session().post(url, data=dict(fields), headers=sent, allow_redirects=False) as answer:
            content = await answer.content.read(_TOKEN_ANSWER_BYTES_MAX)
            status = answer.status
    except (aiohttp.ClientError, OSError):
        raise Retryable(
            message=f'SOURCE_UNAVAILABLE: the token endpoint of server "{server}" cannot be reached'
        ) from None
    finally:
        await way.close()
    try:
        body = msgspec.json.decode(content, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError):
        body = {}
    return TokenAnswer(status=status, body=body)


class _Refusal(Exception):
    """A refusal by the source itself, kept apart from one by the limiter: only this one is waited out here."""

    def __init__(self, *, limited: RateLimited, bucket: str) -> None:
        super().__init__(limited.message)
        self.limited = limited
        self.bucket = bucket


def _plain(failure: BaseException) -> str:
    if isinstance(failure, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not trusted"
    if isinstance(failure, aiohttp.ClientHttpProxyError | aiohttp.ClientProxyConnectionError):
        return "the proxy does not connect to it"
    if isinstance(failure, aiohttp.ClientConnectorError):
        return "it cannot be connected to"
    if isinstance(failure, aiohttp.ClientPayloadError):
        return "its answer was cut off"
    return "it broke the connection"
