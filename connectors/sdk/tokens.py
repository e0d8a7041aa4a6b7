"""Access tokens shared by all connections of one credential: one is got for all of them, and got again for all."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping

from connectors.sdk.auth import Authenticator
from connectors.sdk.connector import QuotaObserved, Source
from connectors.sdk.pool import Pooled

CREDENTIALS_MAX = 256


class SharedTokens:
    """Authenticators by credential, those used last; a connector has one of these.

    A connection gives its share back when it is closed. The credential stays here, so that the next connection needs no
    new token and knows a refresh token that the source has replaced; a credential that is not used any more goes when
    others need its place.
    """

    def __init__(self, credentials_max: int = CREDENTIALS_MAX) -> None:
        self._credentials_max = credentials_max
        self._known: OrderedDict[bytes, Authenticator] = OrderedDict()

    def share(self, source: Source, values: Mapping[str, str], make: Callable[[], Authenticator]) -> Authenticator:
        """Return the authenticator of a source's credential; `values` are its options and secrets, which tell it.

        Raises:
            ConnectorError: what `make` raises.
        """
        told = repr((source.tenant, source.server, sorted(values.items())))
        key = hashlib.sha256(told.encode()).digest()
        if key not in self._known:
            self._known[key] = make()
            if len(self._known) > self._credentials_max:
                # Connections that still use it keep it; only its tokens are not found again.
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return _Share(self._known[key])


class _Share:
    """One connection's part in an authenticator; forgetting it leaves the others theirs."""

    def __init__(self, shared: Authenticator) -> None:
        self._shared: Authenticator | None = shared

    @property
    def size(self) -> int:
        return self._shared.size if isinstance(self._shared, Pooled) else 1

    async def headers(self) -> Mapping[str, str]:
        return {} if self._shared is None else await self._shared.headers()

    async def renew(self, rejected: Mapping[str, str]) -> bool:
        return self._shared is not None and await self._shared.renew(rejected)

    def forget(self) -> None:
        self._shared = None

    def observed(self, sent: Mapping[str, str], quota: QuotaObserved) -> QuotaObserved:
        return self._shared.observed(sent, quota) if isinstance(self._shared, Pooled) else quota

    def rest(self, sent: Mapping[str, str], bucket: str, wait_s: float) -> bool:
        return isinstance(self._shared, Pooled) and self._shared.rest(sent, bucket, wait_s)
