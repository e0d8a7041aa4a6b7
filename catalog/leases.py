"""Credentials that OpenBao or Vault makes for a time: read when first wanted, renewed before their end, read anew when
they are revoked or cannot last any longer.

A secret of the KV engine leads to them: its custom metadata name the path that they are read at, such as
`database/creds/reader`, and who may set those decides whose credentials a tenant can have. A lease ends with the token
it was made under (OpenBao 2.x, "Lease, renew, and revoke").
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import hvac
import structlog
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest

from catalog.errors import CatalogError, KeysUnavailable, SecretRefused, SecretUnknown
from catalog.key_server import RENEW_AFTER, KeyServer

LEASE = "omnisql_lease"
"""The custom metadata with the path of an engine that makes credentials."""
ENOUGH = 0.5
"""Part of its first duration that a renewed lease has to last; with less, it is near the most it may have."""
AGAIN_AFTER_S = 5.0
IN_USE_S = 3600.0
"""How long a lease is renewed that nobody asks for: a statement may go on under it."""
LOOK_INTERVAL_S = 1.0
HELD_MAX = 4096

_log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Lease:
    """Credentials under one lease; `number` tells it from those before. Times are of the monotonic clock."""

    path: str
    values: Mapping[str, object] = field(repr=False)
    id: str
    holder: str = field(repr=False)
    duration_s: float
    renewable: bool
    ends_s: float
    renew_at_s: float
    wanted_s: float
    number: int


class Leases:
    """Holds one lease for each secret; `held_s` is how long one is believed in before the key server is asked."""

    def __init__(self, server: KeyServer, *, held_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._server = server
        self._held_s = held_s
        self._clock = clock
        self._leases: dict[str, Lease] = {}
        self._changing = asyncio.Lock()
        self._number = 0

    async def current(self, key: str, path: str, holder: str) -> tuple[Lease, float]:
        """Return the credentials of a secret, and for how many seconds they need not be asked for again.

        `holder` is the token that the key server is asked by.

        Raises:
            SecretUnknown, SecretRefused: 28000, there are none at the path, or this server may not have them.
            KeysUnavailable: 57P03.
        """
        async with self._changing:
            lease = self._leases.get(key)
            if lease is None or (lease.path, lease.holder) != (path, holder) or not await self._lasts(lease):
                lease = self._leases[key] = await self._made(path, lease)
                while len(self._leases) > HELD_MAX:
                    del self._leases[next(iter(self._leases))]
            lease.wanted_s = self._clock()
            return lease, max(lease.renew_at_s - lease.wanted_s, 0.0)

    async def keep(self) -> None:
        """Renew what is in use, until canceled."""
        while True:
            await asyncio.sleep(LOOK_INTERVAL_S)
            await self.keep_once()

    async def keep_once(self) -> None:
        """Renew what is due and was wanted lately; let go of the others, which end by themselves."""
        async with self._changing:
            for key, lease in list(self._leases.items()):
                try:
                    if self._clock() - lease.wanted_s > IN_USE_S or not await self._lasts(lease):
                        del self._leases[key]
                except CatalogError as error:
                    _log.warning("lease_not_renewed", path=lease.path, reason=error.message)
                    del self._leases[key]

    async def _lasts(self, lease: Lease) -> bool:
        """Say whether a lease goes on, renewing it if it is time to.

        Raises:
            KeysUnavailable: 57P03, the key server does not answer and the lease is over.
        """
        if self._clock() < lease.renew_at_s:
            return True
        if not (lease.renewable and lease.id):
            return False

        def renew(client: hvac.Client) -> Any:
            if client.token != lease.holder:
                raise InvalidRequest("the lease ends with another token")
            return client.sys.renew_lease(lease_id=lease.id, increment=int(lease.duration_s))

        asked_s = self._clock()
        try:
            answer = await self._server.asked(renew)
        except (InvalidRequest, InvalidPath):
            _log.info("lease_ended", path=lease.path)
            return False
        except KeysUnavailable as error:
            if isinstance(error.__cause__, Forbidden):
                return False
            if asked_s >= lease.ends_s:
                raise
            lease.renew_at_s = min(asked_s + AGAIN_AFTER_S, lease.ends_s)
            return True
        lasts_s = float(answer["lease_duration"])
        if lasts_s < lease.duration_s * ENOUGH:
            return False
        lease.ends_s, lease.renew_at_s = asked_s + lasts_s, asked_s + min(lasts_s * RENEW_AFTER, self._held_s)
        return True

    async def _made(self, path: str, before: Lease | None) -> Lease:
        def work(client: hvac.Client) -> tuple[Any, str]:
            return client.read(path), str(client.token)

        asked_s = self._clock()
        try:
            answer, holder = await self._server.asked(work)
        except (InvalidRequest, InvalidPath) as error:
            raise SecretUnknown("the key server makes no such credentials", detail=path) from error
        except KeysUnavailable as error:
            if isinstance(error.__cause__, Forbidden):
                raise SecretRefused(
                    "the key server does not let this server have the credentials", detail=path
                ) from error
            raise
        if not answer or not isinstance(answer.get("data"), Mapping):
            raise SecretUnknown("the key server makes no such credentials", detail=path)
        duration_s = float(answer.get("lease_duration") or self._held_s)
        # Engines that make nothing answer the same again: that is no other credential.
        is_another = before is None or before.values != answer["data"]
        self._number += is_another
        return Lease(
            path=path,
            values=answer["data"],
            id=str(answer.get("lease_id") or ""),
            holder=holder,
            duration_s=duration_s,
            renewable=bool(answer.get("renewable")),
            ends_s=asked_s + duration_s,
            renew_at_s=asked_s + min(duration_s * RENEW_AFTER, self._held_s),
            wanted_s=asked_s,
            number=self._number if before is None or is_another else before.number,
        )
