"""A tenant whose users come from an identity provider, as tests see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from issuer import AUDIENCE, Issuer
from served import Served

TENANT = "acme"
BY_TOKEN = "-c omnisql.log_in=token"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogInWorld:
    """The server, the provider, and the rules that the tenant has unless a test sets others."""

    served: Served
    issuer: Issuer

    def rules(self, **more: Any) -> dict[str, Any]:
        """Return rules that trust the provider, with more of them or in place of them."""
        provider = {
            "issuer": self.issuer.url,
            "audience": [AUDIENCE],
            "algorithms": ["RS256", "ES256", "EdDSA"],
            "user": "preferred_username",
            "groups": "groups",
            "attributes": {"region": "address.region"},
            "roles": [{"role": "analysts", "when": {"groups": ["data", "finance"]}}],
        }
        return {"identity_provider": {**provider, **more}}

    def set_rules(self, rules: dict[str, Any]) -> None:
        """Replace the tenant's rules."""
        self.served.administer("set_log_in_rules", name=TENANT, rules=rules)

    def by_token(self, token: str, user: str = "ana", **options: Any) -> psycopg.Connection:
        """Log in with a token in place of a password, over TLS."""
        return self.served.connect(TENANT, user, token, **{"sslmode": "require", "options": BY_TOKEN, **options})

    def refusal(self, token: str, user: str = "ana", **options: Any) -> str:
        """Return what a log-in by token fails with."""
        try:
            self.by_token(token, user, **options).close()
        except psycopg.OperationalError as error:
            return str(error).partition("FATAL:  ")[2].strip()
        raise AssertionError("the log-in succeeded")

    def opens(self, token: str, user: str = "ana") -> bool:
        """Say whether a token lets its user in."""
        try:
            self.by_token(token, user).close()
        except psycopg.OperationalError:
            return False
        return True

    def reasons(self) -> list[str]:
        """Return why tokens were refused, from the server's log."""
        return [str(event["reason"]) for event in self.served.events() if event["event"] == "token_refused"]
