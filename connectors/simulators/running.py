"""Starts a simulator on a loopback port of this process and stops it again."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

SHUTDOWN_TIMEOUT_S = 1.0
SAID_CHARACTERS_MAX = 300
Application = web.Application


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningSimulator:
    """A simulator that is listening."""

    runner: web.AppRunner
    host: str
    port: int

    @property
    def base_url(self) -> str:
        return f"http://{self.host}:{self.port}"

    async def stop(self) -> None:
        """Stop listening, end hanging requests and release the port; a second call does nothing."""
        await self.runner.cleanup()


async def start_simulator(app: web.Application, host: str = "127.0.0.1", port: int = 0) -> RunningSimulator:
    """Start a simulator; port 0 takes a free one.

    Raises:
        OSError: the port is taken.
    """
    # A client that gives up ends its handler, so that hanging requests do not pile up.
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=SHUTDOWN_TIMEOUT_S, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError:
        await runner.cleanup()
        raise
    return RunningSimulator(runner=runner, host=host, port=runner.addresses[0][1])


def refusals_of(app: web.Application) -> list[str]:
    """Return a list that a simulator's refusals are added to as it makes them: what was asked, and what it said."""
    refusals: list[str] = []

    async def note(request: web.Request, response: web.StreamResponse) -> None:
        if response.status >= 400 and isinstance(response, web.Response) and response.text:
            asked = f"{request.method} {request.path_qs}"[:SAID_CHARACTERS_MAX]
            refusals.append(f"{asked}: {response.text[:SAID_CHARACTERS_MAX]}")

    app.on_response_prepare.append(note)
    return refusals
