"""What a simulator saw: one record for each API request, in order of arrival, without credentials."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

RECORDS_MAX = 200_000


@dataclass(slots=True, kw_only=True)
class RequestRecord:
    """One request; `raw_path` is as it was sent, encoded; `status` and `duration_ms` stay None until it is answered."""

    method: str
    path: str
    raw_path: str
    query: list[tuple[str, str]]
    body: Any
    time: float
    authorization: str | None
    user_agent: str | None
    if_none_match: str | None
    status: int | None = None
    duration_ms: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the record as it appears in `/_sim/requests`; `query` becomes a dictionary of lists."""
        query: dict[str, list[str]] = {}
        for name, value in self.query:
            query.setdefault(name, []).append(value)
        return {
            "method": self.method,
            "path": self.path,
            "raw_path": self.raw_path,
            "query": query,
            "body": self.body,
            "status": self.status,
            "time": self.time,
            "duration_ms": self.duration_ms,
            "authorization": self.authorization,
            "user_agent": self.user_agent,
            "if_none_match": self.if_none_match,
        }


class RequestLog:
    """Keeps the newest 200,000 records."""

    def __init__(self) -> None:
        self._records: deque[RequestRecord] = deque(maxlen=RECORDS_MAX)

    async def arrived(self, request: web.Request, time_s: float) -> RequestRecord:
        """Record a request that has just arrived and return the record, to be completed by the caller."""
        scheme, separator, _ = request.headers.get("Authorization", "").partition(" ")
        record = RequestRecord(
            method=request.method,
            path=request.path,
            raw_path=request.rel_url.raw_path,
            query=list(request.query.items()),
            body=_parsed((await request.read()).decode(errors="replace"), request.content_type),
            time=time_s,
            # A header without a space may be all secret, so that its scheme is not shown.
            authorization=scheme if separator else ("(none)" if scheme else None),
            user_agent=request.headers.get("User-Agent"),
            if_none_match=request.headers.get("If-None-Match"),
        )
        self._records.append(record)
        return record

    def to_json(self) -> list[dict[str, Any]]:
        """Return all records, oldest first."""
        return [record.to_json() for record in self._records]

    def clear(self) -> None:
        """Forget every record."""
        self._records.clear()


def _parsed(text: str, content_type: str) -> Any:
    if not text:
        return None
    if content_type == "application/x-www-form-urlencoded":
        # What a token is asked for with is a credential.
        return {name: value if name == "grant_type" else "(not shown)" for name, value in parse_qsl(text)}
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
