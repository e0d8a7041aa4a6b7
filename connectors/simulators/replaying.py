"""A server that gives recorded answers, and says which requests it has none for. It knows no vendor."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from aiohttp import web

NOT_RECORDED = 418
"""A status that no API uses: not an empty answer, not worth another try."""

BYTES_MAX = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A recorded answer; `body` is JSON, None where there was none."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Player:
    """The server's application, and the requests that it had no answer to."""

    application: web.Application
    missing: list[str] = field(default_factory=list)


Find = Callable[[str, str, list[tuple[str, str]], Any], Played | None]
"""From method, path, parameters and JSON body of a request to its answer."""


def create_player(find: Find, *, base: str, token_paths: tuple[str, ...]) -> Player:
    """Return a server of recorded answers; `base` in them becomes its address, a token is given for the asking."""
    player = Player(application=web.Application(client_max_size=BYTES_MAX))

    async def play(request: web.Request) -> web.Response:
        if request.method == "POST" and request.path in token_paths:
            return web.json_response({"access_token": "replayed", "token_type": "Bearer", "expires_in": 3600})
        content = await request.read()
        body = json.loads(content) if content else None
        answer = find(request.method, unquote(request.raw_path.partition("?")[0]), list(request.query.items()), body)
        if answer is None:
            shown = "".join(f" {name}" for name in sorted(request.query))
            player.missing.append(f"{request.method} {request.path}{' with' if shown else ''}{shown}")
            return web.json_response({"message": "not recorded"}, status=NOT_RECORDED)
        origin = f"http://{request.host}"
        headers = {name: text.replace(base, origin) for name, text in answer.headers.items()}
        text = "" if answer.body is None else json.dumps(answer.body, ensure_ascii=False).replace(base, origin)
        return web.Response(body=text.encode(), status=answer.status, headers=headers)

    player.application.router.add_route("*", "/{path:.*}", play)
    return player
