"""The token endpoint: refresh tokens, the client's own credentials, signed assertions.

After Salesforce's help (OAuth 2.0 refresh token, client credentials and JWT bearer flows) and RFC 6749, section 5.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from connectors.simulators.salesforce.rules import Sessions
from connectors.simulators.signed import claims_of
from connectors.simulators.vendor import ApiError, json_response

CLIENT_ID = "3MVG9.simulated.app"
CLIENT_SECRET = "simulated-client-secret"  # noqa: S105 - it opens nothing but the simulator
REFRESH_TOKEN = "5Aep.simulated-refresh-token"  # noqa: S105 - as above
USERNAME = "ada@acme.example"
LOGIN_URLS = frozenset({"https://login.salesforce.com", "https://test.salesforce.com"})
ASSERTION_LIFETIME_MAX_S = 300
_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class TokenEndpoint:
    """Opens sessions for those who prove who they are."""

    def __init__(
        self, sessions: Sessions, *, user_id: str, public_key: RSAPublicKey | None, clock: Callable[[], float]
    ) -> None:
        self._sessions = sessions
        self._user_id = user_id
        self._public_key = public_key
        self._clock = clock
        self.grants: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        """`POST /services/oauth2/token`."""
        form = {name: str(value) for name, value in (await request.post()).items()}
        grant = form.get("grant_type", "")
        if grant == _BEARER:
            self._check_assertion(form.get("assertion", ""))
        elif grant in {"refresh_token", "client_credentials"}:
            self._check_client(form, grant)
        else:
            raise _refusal("unsupported_grant_type", "grant type not supported")
        self.grants.append(grant)
        instance = str(request.url.origin())
        return json_response(
            {
                "access_token": self._sessions.open(),
                "instance_url": instance,
                "id": f"https://login.salesforce.com/id/00DDn000000SiMUMA0/{self._user_id}",
                "token_type": "Bearer",
                "scope": "api refresh_token",
                "issued_at": str(round(self._clock() * 1000)),
            }
        )

    def _check_client(self, form: Mapping[str, str], grant: str) -> None:
        if form.get("client_id") != CLIENT_ID:
            raise _refusal("invalid_client_id", "client identifier invalid")
        if form.get("client_secret", CLIENT_SECRET) != CLIENT_SECRET:
            raise _refusal("invalid_client", "invalid client credentials")
        if grant == "client_credentials" and "client_secret" not in form:
            raise _refusal("invalid_client", "invalid client credentials")
        if grant == "refresh_token" and form.get("refresh_token") != REFRESH_TOKEN:
            raise _refusal("invalid_grant", "expired access/refresh token")

    def _check_assertion(self, assertion: str) -> None:
        if self._public_key is None:
            raise _refusal("invalid_grant", "user hasn't approved this consumer")
        claims = claims_of(assertion, self._public_key)
        if claims is None:
            raise _refusal("invalid_grant", "invalid assertion")
        self._check_claims(claims)

    def _check_claims(self, claims: Mapping[str, Any]) -> None:
        now_s = self._clock()
        if claims.get("iss") != CLIENT_ID:
            raise _refusal("invalid_client_id", "client identifier invalid")
        if claims.get("aud") not in LOGIN_URLS:
            raise _refusal("invalid_grant", "audience is invalid")
        expires_s = claims.get("exp")
        if not isinstance(expires_s, int) or not now_s < expires_s <= now_s + ASSERTION_LIFETIME_MAX_S:
            raise _refusal("invalid_grant", "assertion has expired")
        if claims.get("sub") != USERNAME:
            raise _refusal("invalid_grant", "user hasn't approved this consumer")


def _refusal(error: str, description: str) -> ApiError:
    return ApiError(400, {"error": error, "error_description": description})
