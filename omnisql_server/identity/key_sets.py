"""Identity providers' public keys: fetched through the fence for outgoing connections, kept, renewed.

A provider renews its keys by publishing one more and then signing with it: a key that is not known is asked for at
once, though not more often than the settings allow, so that made-up tokens cause no flood. While a provider does not
answer, its last keys count up to a bound. JWK sets are RFC 7517's, their place is OpenID Connect Discovery 1.0's.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import structlog
from yarl import URL

from connectors.sdk.errors import ConnectorError
from connectors.sdk.outbound import Way
from connectors.sdk.settings import Surroundings, TransportSettings
from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.identity.public_keys import PublicKey, chosen, read_keys
from omnisql_server.identity.rules import IdentityProvider, checked_url
from omnisql_server.session.entrance import LogInRefused
from omnisql_server.settings_log_in import LogInSettings

DOCUMENT_BYTES_MAX = 512 * 1024
PROVIDERS_MAX = 1000
FETCH_TIMEOUT_S = 5.0

_log = structlog.get_logger(__name__)


class _Unusable(Exception):
    """What a provider answered is not what was asked for."""


@dataclass(slots=True)
class _Kept:
    keys: tuple[PublicKey, ...] = ()
    fetched_s: float = -math.inf
    asked_s: float = -math.inf
    fetching: asyncio.Lock = field(default_factory=asyncio.Lock)


class KeySets:
    """The keys of all providers that were asked for, by where they are."""

    def __init__(
        self,
        settings: Callable[[], LogInSettings],
        transport: TransportSettings,
        *,
        surroundings: Surroundings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._surroundings = surroundings or Surroundings()
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    async def key(self, provider: IdentityProvider, key_id: str | None, algorithm: str) -> Any:
        """Return the public key that a token names; without a name, the only one that fits its algorithm.

        Raises:
            LogInRefused: there is no such key, or no keys can be had.
        """
        if provider.keys is not None:
            found = chosen(provider.keys, key_id, algorithm)
        else:
            kept = self._of(provider)
            await self._refresh(kept, provider, after_s=self._settings().keys_fresh_s)
            found = chosen(kept.keys, key_id, algorithm)
            if found is None:
                await self._refresh(kept, provider, after_s=self._settings().keys_wait_s)
                found = chosen(kept.keys, key_id, algorithm)
        if found is None:
            raise LogInRefused("the provider has no such key")
        return found.key

    def _of(self, provider: IdentityProvider) -> _Kept:
        place = provider.keys_url or provider.discovery_url
        kept = self._kept.setdefault(place, _Kept())
        self._kept.move_to_end(place)
        while len(self._kept) > PROVIDERS_MAX:
            self._kept.popitem(last=False)
        return kept

    async def _refresh(self, kept: _Kept, provider: IdentityProvider, *, after_s: float) -> None:
        """Fetch the keys if they are older than that; who comes meanwhile waits for the same answer.

        Raises:
            LogInRefused: there are none, or only such that have been kept for too long.
        """
        settings = self._settings()
        async with kept.fetching:
            now_s = self._clock()
            if now_s - kept.fetched_s >= after_s and now_s - kept.asked_s >= min(after_s, settings.keys_wait_s):
                kept.asked_s = now_s
                try:
                    async with asyncio.timeout(FETCH_TIMEOUT_S):
                        kept.keys = await self._fetched(provider)
                    kept.fetched_s = self._clock()
                except (ConnectorError, aiohttp.ClientError, OSError, TimeoutError, _Unusable) as error:
                    _log.warning("provider_keys_not_fetched", issuer=provider.issuer, reason=str(error)[:200])
            if self._clock() - kept.fetched_s > settings.keys_kept_max_s:
                raise LogInRefused("the provider's keys cannot be had")

    async def _fetched(self, provider: IdentityProvider) -> tuple[PublicKey, ...]:
        url = provider.keys_url
        if url is None:
            described = await self._document(provider.discovery_url)
            if described.get("issuer") != provider.issuer:
                raise _Unusable("it describes another issuer")
            try:
                url = checked_url(str(described.get("jwks_uri")), "jwks_uri")
            except ConfigurationInvalid as error:
                raise _Unusable(error.message) from error
        entries = (await self._document(url)).get("keys")
        if not isinstance(entries, list):
            raise _Unusable("it answers with no JWK set")
        return read_keys(entries)

    async def _document(self, url: str) -> Mapping[str, Any]:
        way = Way("identity provider", URL(url, encoded=True), self._transport, self._surroundings)
        try:
            await way.admit()
            # A redirect would lead round the check of where keys come from.
            async with way.session().get(url, allow_redirects=False, headers={"Accept": "application/json"}) as answer:
                if answer.status != 200:
                    raise _Unusable(f"it answers with status {answer.status}")
                body = b""
                async for piece in answer.content.iter_chunked(65_536):
                    body += piece
                    if len(body) > DOCUMENT_BYTES_MAX:
                        raise _Unusable("its answer is too long")
        finally:
            await way.close()
        try:
            document = json.loads(body)
        except ValueError as error:
            raise _Unusable("it does not answer with JSON") from error
        if not isinstance(document, dict):
            raise _Unusable("it does not answer with an object")
        return document
