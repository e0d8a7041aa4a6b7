"""A thin client of a simulator: one call, one request, the decoded answer."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import aiohttp


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)


@dataclass(slots=True, kw_only=True)
class Clock:
    """A clock that only a test moves."""

    now_s: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    base_url: str
    session: aiohttp.ClientSession
    clock: Clock
    headers: dict[str, str] = field(default_factory=dict)

    async def call(self, method: str, path: str, **options: Any) -> Answer:
        headers = {**self.headers, **options.pop("headers", {})}
        options.setdefault("allow_redirects", False)
        address = path if path.startswith("http") else self.base_url + path
        async with self.session.request(method, address, headers=headers, **options) as response:
            lowered = {name.lower(): value for name, value in response.headers.items()}
            return Answer(status=response.status, headers=lowered, text=await response.text())

    async def get(self, path: str, /, **params: str | int) -> Answer:
        return await self.call("GET", path, params=params)

    async def post(self, path: str, body: Any) -> Answer:
        return await self.call("POST", path, json=body)

    async def configure(self, **settings: Any) -> Answer:
        return await self.post("/_sim/config", settings)

    async def requests(self) -> list[dict[str, Any]]:
        return list((await self.get("/_sim/requests")).body)


def next_link(answer: Answer, name: str = "next") -> str | None:
    for part in answer.headers.get("link", "").split(", "):
        if part.endswith(f'rel="{name}"'):
            return part[1 : part.index(">")]
    return None
