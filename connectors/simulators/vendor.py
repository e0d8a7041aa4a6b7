"""What a simulated vendor states about itself, and how handlers answer with its errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from aiohttp import web

from connectors.simulators.rate_limit import RateLimit, WindowState


class ApiError(Exception):
    """Raised by handlers to answer with an error in the vendor's own shape."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = dict(headers or {})

    def response(self) -> web.Response:
        """Return the answer: text for a text, JSON for everything else."""
        if isinstance(self.body, str):
            return web.Response(text=self.body, status=self.status, headers=self.headers)
        return json_response(self.body, status=self.status, headers=self.headers)


class VendorRules(Protocol):
    """How one vendor authenticates, limits and phrases its errors."""

    limits: Mapping[str, RateLimit]
    main_bucket: str
    has_entity_tags: bool

    def check_access(self, request: web.Request) -> None:
        """Raise `ApiError` for a request that the vendor would not authenticate."""

    def bucket(self, request: web.Request) -> str | None:
        """Return the rate-limit bucket that a request is counted in; None means that it is free."""

    def limit_headers(self, bucket: str, state: WindowState) -> dict[str, str]:
        """Return the headers that tell the state of a bucket."""

    def limited(self, bucket: str, state: WindowState, now_s: float) -> ApiError:
        """Return the refusal of a request beyond the primary limit."""

    def limited_secondarily(self, retry_after_s: int) -> ApiError:
        """Return the refusal of a request beyond the secondary limit."""

    def fault_body(self, status: int) -> Any:
        """Return the body of an injected error."""

    def not_found(self) -> ApiError:
        """Return the answer to a path that does not exist."""


def json_response(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a JSON answer encoded as UTF-8."""
    encoded = msgspec.json.encode(body)
    return web.Response(body=encoded, status=status, headers=headers, content_type="application/json", charset="utf-8")
