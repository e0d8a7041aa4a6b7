"""How a connection proves who it is: a token, a user and password, or OAuth 2.0 with refresh (RFC 6749, section 6).

An authenticator gives the headers of a request and may renew them after a 401. It never logs or shows what it holds.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from connectors.sdk.errors import CredentialsRejected, Retryable

EXPIRY_DEFAULT_S = 3600.0
"""RFC 6749, section 5.1 only recommends `expires_in`; without it a token is taken to live an hour."""


class Authenticator(Protocol):
    """Gives the headers that authenticate a request."""

    async def headers(self) -> Mapping[str, str]:
        """Return the headers to send now.

        Raises:
            CredentialsRejected: no valid credential can be had.
        """

    async def renew(self, rejected: Mapping[str, str]) -> bool:
        """Replace headers that were rejected; False when there is nothing better to offer."""

    def forget(self) -> None:
        """Forget every secret."""


class OpenAccess:
    """Nothing to prove: the source asks nobody who they are."""

    async def headers(self) -> Mapping[str, str]:
        """Return no header."""
        return {}

    async def renew(self, rejected: Mapping[str, str]) -> bool:  # noqa: ARG002 - the protocol's signature
        """Return False: there is nothing to renew."""
        return False

    def forget(self) -> None:
        """Hold nothing."""


class TokenAuth:
    """A token in a header, after a prefix: `Authorization: Bearer x` unless said otherwise."""

    def __init__(self, token: str, *, header: str = "Authorization", prefix: str = "Bearer ") -> None:
        self._headers = {header: f"{prefix}{token}"}

    async def headers(self) -> Mapping[str, str]:
        """Return the header with the token."""
        return self._headers

    async def renew(self, rejected: Mapping[str, str]) -> bool:  # noqa: ARG002 - the protocol's signature
        """Return False: a fixed token cannot be renewed."""
        return False

    def forget(self) -> None:
        """Forget the token."""
        self._headers = {}


class BasicAuth(TokenAuth):
    """A user name and a password (RFC 7617)."""

    def __init__(self, user: str, password: str) -> None:
        super().__init__(base64.b64encode(f"{user}:{password}".encode()).decode("ascii"), prefix="Basic ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a token endpoint is asked with: its URL, the client and its secret."""

    server: str
    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAnswer:
    """A token endpoint's answer: the status and the JSON object, empty when there was none."""

    status: int
    body: Mapping[str, object] = field(repr=False)


PostForm = Callable[[str, Mapping[str, str]], Awaitable[TokenAnswer]]
"""Posts a form to a token endpoint: `connectors.sdk.transport.post_form` with its server and settings."""


async def kept_by_this_process(_refresh_token: str) -> None:
    """Leave a replaced refresh token to the authenticator, which holds it; a mapping is only changed by its owner."""


class OAuth2:
    """An access token kept fresh by a refresh token or, without one, by the client's own credentials (section 4.4).

    However many callers need a token, one refresh is under way at a time. When the endpoint rotates the refresh token,
    `persist` has stored the new one before anybody uses the access token that came with it.
    """

    def __init__(
        self,
        *,
        grant: Grant,
        refresh_token: str | None,
        post_form: PostForm,
        persist: Callable[[str], Awaitable[None]],
        access_token: str | None = None,
        expiry_skew_s: float = 60.0,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._grant = grant
        self._refresh_token = refresh_token
        self._post_form = post_form
        self._persist = persist
        self._access_token = access_token
        self._expiry_skew_s = expiry_skew_s
        self._clock_s = clock_s
        self._expires_at_s = clock_s() + EXPIRY_DEFAULT_S if access_token else 0.0
        self._refreshing = asyncio.Lock()

    async def headers(self) -> Mapping[str, str]:
        """Return the header with an access token that is not about to expire."""
        if self._is_stale():
            async with self._refreshing:
                if self._is_stale():
                    await self._refresh()
        return self._current()

    async def renew(self, rejected: Mapping[str, str]) -> bool:
        """Refresh, unless another caller has already replaced the rejected token."""
        async with self._refreshing:
            if self._current() == rejected:
                await self._refresh()
        return True

    def forget(self) -> None:
        """Forget both tokens."""
        self._access_token = None
        self._refresh_token = ""

    def _is_stale(self) -> bool:
        return self._access_token is None or self._clock_s() >= self._expires_at_s - self._expiry_skew_s

    def _current(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._access_token}"}

    def _fields(self) -> dict[str, str]:
        fields = {"client_id": self._grant.client_id, "client_secret": self._grant.client_secret}
        if self._grant.scope is not None:
            fields["scope"] = self._grant.scope
        if self._refresh_token is None:
            return {"grant_type": "client_credentials", **fields}
        return {"grant_type": "refresh_token", "refresh_token": self._refresh_token, **fields}

    async def _ask(self) -> TokenAnswer:
        return await self._post_form(self._grant.token_url, self._fields())

    async def _refresh(self) -> None:
        answer = await self._ask()
        access_token = answer.body.get("access_token")
        if answer.status >= 500 or answer.status == 429:
            raise Retryable(
                message=f'SOURCE_UNAVAILABLE: the token endpoint of server "{self._grant.server}" does not answer',
                detail=f"It answered {answer.status}.",
            )
        if answer.status >= 400 or not isinstance(access_token, str) or not access_token:
            raise CredentialsRejected(
                message=f'CREDENTIALS_REJECTED: server "{self._grant.server}" does not renew its credentials',
                detail=f"The token endpoint answered {answer.status}.",
                hint="Authorize the server again and replace the refresh token in the user mapping.",
            )
        rotated = answer.body.get("refresh_token") if self._refresh_token is not None else None
        if isinstance(rotated, str) and rotated and rotated != self._refresh_token:
            # The old one is dead by now: losing the new one would lock the account out, so it is stored first. Should
            # storing fail, the new one still serves this process.
            self._refresh_token = rotated
            await self._persist(rotated)
        lifetime = answer.body.get("expires_in")
        lifetime_s = float(lifetime) if isinstance(lifetime, int | float) else EXPIRY_DEFAULT_S
        self._expires_at_s = self._clock_s() + lifetime_s
        self._access_token = access_token
