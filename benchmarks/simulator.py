"""The simulator's control endpoints, as the benchmarks use them."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from typing import Any


def configure(base_url: str, settings: Mapping[str, object]) -> None:
    """Change the simulator's settings, its latency for example."""
    _call("POST", f"{base_url}/_sim/config", settings)


def reset(base_url: str, *, latency_ms: float = 0) -> None:
    """Forget the requests so far and start again, with a rate limit that no benchmark reaches."""
    _call("POST", f"{base_url}/_sim/reset", {})
    configure(base_url, {"latency_ms": latency_ms, "rate_limit": {"limit": 10_000_000, "window_s": 3600}})


def requests(base_url: str) -> list[dict[str, Any]]:
    """Return the answered requests since the last reset, oldest first."""
    found = _call("GET", f"{base_url}/_sim/requests")
    listed = found["requests"] if isinstance(found, dict) else found
    return [request for request in listed if request["duration_ms"] is not None]


def _call(method: str, url: str, body: Mapping[str, object] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        content = answer.read()
    return json.loads(content) if content else None
