"""An App and its one installation: tokens for what the App signs, good for an hour, or until they are revoked.

The texts of refusals are those that clients of GitHub report, but that of an App that there is none of, which is from
memory. After "Generating a JSON Web Token (JWT) for a GitHub App" and
`POST /app/installations/{installation_id}/access_tokens` and `DELETE /installation/token` of
https://docs.github.com/en/rest/apps.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from connectors.simulators.github.errors import error_body, not_found
from connectors.simulators.signed import claims_of
from connectors.simulators.vendor import ApiError, json_response

APP_ID = "314159"
CLIENT_ID = "Iv23liSimulatedApp"
INSTALLATION_ID = "2718281"
ASSERTION_LIFETIME_MAX_S = 600
TOKEN_LIFETIME_S = 3600


class Installation:
    """What an App that signs by one key may get tokens for; without a key there is no App."""

    def __init__(self, public_key: RSAPublicKey | None, clock: Callable[[], float]) -> None:
        self._public_key = public_key
        self._clock = clock
        self._ends_s: dict[str, float] = {}
        self.granted_count = 0

    def is_open_to(self, token: str) -> bool:
        """Say whether a token was got here and is still good."""
        return self._clock() < self._ends_s.get(token, 0.0)

    def revoke_all(self) -> None:
        """Take all tokens back, as suspending an installation does."""
        self._ends_s.clear()

    def check_app(self, assertion: str) -> None:
        """Require an assertion that the App signed.

        Raises:
            ApiError: it is none, or is good for too long, for no time, or of another App.
        """
        claims, now_s = claims_of(assertion, self._public_key), self._clock()
        if claims is None:
            raise _refused("A JSON web token could not be decoded")
        made_s, ends_s = claims.get("iat"), claims.get("exp")
        if not isinstance(made_s, int) or made_s > now_s:
            raise _refused(
                "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
            )
        if not isinstance(ends_s, int) or ends_s <= now_s:
            raise _refused(
                "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the"
                " assertion expires"
            )
        if ends_s > now_s + ASSERTION_LIFETIME_MAX_S:
            raise _refused("'Expiration time' claim ('exp') is too far in the future")
        if claims.get("iss") not in {APP_ID, CLIENT_ID}:
            raise ApiError(404, error_body(404, "Integration not found"))

    async def grant(self, request: web.Request) -> web.Response:
        """`POST /app/installations/{installation_id}/access_tokens`."""
        if request.match_info["installation_id"] != INSTALLATION_ID:
            raise not_found()
        token = f"ghs_{secrets.token_urlsafe(24)}"
        ends_s = self._ends_s[token] = self._clock() + TOKEN_LIFETIME_S
        self.granted_count += 1
        body = {
            "token": token,
            "expires_at": datetime.fromtimestamp(ends_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "permissions": {"metadata": "read", "issues": "read", "contents": "read"},
            "repository_selection": "all",
        }
        return json_response(body, status=201)

    async def revoke(self, request: web.Request) -> web.Response:
        """`DELETE /installation/token`: the token that is sent is good no more."""
        token = request.headers.get("Authorization", "").rpartition(" ")[2]
        if self._ends_s.pop(token, None) is None:
            raise ApiError(403, error_body(403, "Resource not accessible by personal access token"))
        return web.Response(status=204)


INSTALLATION: web.AppKey[Installation] = web.AppKey("installation", Installation)


def _refused(message: str) -> ApiError:
    return ApiError(401, error_body(401, message))
