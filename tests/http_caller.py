"""An HTTP client of statements: sends one request over TLS and reads its answer."""

from __future__ import annotations

import http.client
import json
import ssl
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATH = "/v1/query"
TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """One answer."""

    status: int
    content: bytes
    headers: dict[str, str]

    @property
    def body(self) -> dict[str, Any]:
        """Read the answer as JSON."""
        body: dict[str, Any] = json.loads(self.content)
        return body

    @property
    def error(self) -> tuple[int, str, str]:
        """Return the status, SQLSTATE and message of a failure."""
        error = self.body["error"]
        return self.status, error["sqlstate"], error["message"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCaller:
    """Whoever asks with one token; `certificate` is the server's own, which alone is trusted."""

    port: int
    certificate: Path
    token: str | None
    tenant: str = "acme"
    user: str = "ana"

    def connection(self) -> http.client.HTTPSConnection:
        """Make a connection that is opened when first used."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=TIMEOUT_S)

    def send(self, connection: http.client.HTTPSConnection, sql: str, **more: Any) -> None:
        """Send a statement over a connection."""
        body = {"tenant": self.tenant, "user": self.user, "sql": sql, **more}
        self.send_bytes(connection, json.dumps(body).encode())

    def send_bytes(self, connection: http.client.HTTPSConnection, content: bytes, **headers: str) -> None:
        """Send a body as it is."""
        bearer = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        connection.request("POST", PATH, content, {**bearer, **headers})

    def ask(self, sql: str, **more: Any) -> HttpAnswer:
        """Send a statement and read its answer whole."""
        with closing(self.connection()) as connection:
            self.send(connection, sql, **more)
            return answer_of(connection)

    def ask_bytes(self, content: bytes, **headers: str) -> HttpAnswer:
        """Send a body as it is and read its answer whole."""
        with closing(self.connection()) as connection:
            self.send_bytes(connection, content, **headers)
            return answer_of(connection)


def answer_of(connection: http.client.HTTPSConnection) -> HttpAnswer:
    """Read an answer whole."""
    answer = connection.getresponse()
    return HttpAnswer(status=answer.status, content=answer.read(), headers=dict(answer.getheaders()))
