"""Tokens of an installation of a GitHub App: for an assertion that the app signs, good for an hour, got again in time.

After GitHub's "Generating an installation access token for a GitHub App" and "Generating a JSON Web Token".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from connectors.sdk.assertions import compact
from connectors.sdk.auth import Grant, OAuth2, TokenAnswer, kept_by_this_process
from connectors.sdk.errors import CredentialsRejected

CLOCK_SKEW_S = 60
"""How much earlier an assertion says that it was made, as GitHub advises against clocks that differ."""
LIFETIME_S = 540
"""An assertion may be good for ten minutes at most."""


class Post(Protocol):
    """Posts to a token endpoint: `connectors.sdk.transport.post_form` with its server and settings."""

    async def __call__(
        self, url: str, fields: Mapping[str, str], *, headers: Mapping[str, str] | None = None
    ) -> TokenAnswer:
        """Post a form with headers, and return the answer."""


class AppInstallation(OAuth2):
    """An access token of an installation; `grant.client_id` is the app's, `grant.token_url` its installation's.

    `now_s` is the wall clock.
    """

    def __init__(self, *, grant: Grant, private_key: RSAPrivateKey, post: Post, now_s: Callable[[], float]) -> None:
        super().__init__(grant=grant, refresh_token=None, post_form=post, persist=kept_by_this_process)
        self._private_key: RSAPrivateKey | None = private_key
        self._post = post
        self._now_s = now_s

    def forget(self) -> None:
        """Forget the key and the token."""
        super().forget()
        self._private_key = None

    async def _ask(self) -> TokenAnswer:
        if self._private_key is None:
            raise CredentialsRejected(message=f'CREDENTIALS_REJECTED: server "{self._grant.server}" is closed')
        now_s = int(self._now_s())
        claims = {"iss": self._grant.client_id, "iat": now_s - CLOCK_SKEW_S, "exp": now_s + LIFETIME_S}
        assertion = compact(json.dumps(claims), self._private_key)
        answer = await self._post(self._grant.token_url, {}, headers={"Authorization": f"Bearer {assertion}"})
        expires_at = answer.body.get("expires_at")
        lifetime_s = _lifetime_s(expires_at, self._now_s()) if isinstance(expires_at, str) else None
        body = {"access_token": answer.body.get("token"), "expires_in": lifetime_s}
        return TokenAnswer(status=answer.status, body=body)


def _lifetime_s(expires_at: str, now_s: float) -> float | None:
    try:
        return datetime.fromisoformat(expires_at).timestamp() - now_s
    except ValueError:
        return None
