"""What a simulator refused, for the author of a connector to read."""

from __future__ import annotations

from aiohttp import web

CHARACTERS_MAX = 300


def noted_refusals(application: web.Application) -> list[str]:
    """Return a list that grows by the text of each answer with a status of 400 or more, cut to 300 characters."""
    found: list[str] = []

    async def note(_request: web.Request, response: web.StreamResponse) -> None:
        if response.status >= 400 and isinstance(response, web.Response) and response.text:
            found.append(response.text[:CHARACTERS_MAX])

    application.on_response_prepare.append(note)
    return found
