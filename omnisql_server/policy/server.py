"""The engine beside this process: an OPA server that has `rego/omnisql.rego`, or another module of the same contract.

One request per decision, `POST /v1/data/omnisql/decision` (https://www.openpolicyagent.org/docs/rest-api), over pooled
connections. Whatever goes wrong, and whatever takes too long, is no decision.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from opa_client import AsyncOpaClient

from omnisql_server.errors import PolicyUndecided

PACKAGE, RULE = "omnisql", "decision"


class ServerEngine:
    """Asks an OPA server by its URL (http or https, a host, and a port where it is not 8181)."""

    def __init__(self, url: str, *, timeout_s: float, token: str | None = None) -> None:
        parts = urlsplit(url)
        self._timeout_s = timeout_s
        self._client = AsyncOpaClient(
            host=_bracketed(parts.hostname or ""),
            port=parts.port or 8181,
            ssl=parts.scheme == "https",
            token=token,
            retries=0,
            timeout=timeout_s,
        )
        self._opening = asyncio.Lock()
        self._open = False
        self._asking = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def evaluate(self, document: Mapping[str, Any]) -> Any:
        """Return the decision document for an input.

        Raises:
            PolicyUndecided: 42501, the server cannot be reached, refuses, has no decision, or takes too long.
        """
        self._asking += 1
        self._idle.clear()
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._ask(document)
        except TimeoutError as error:
            raise _failed(f"the policy server gave no answer within {self._timeout_s} s") from error
        except aiohttp.ClientResponseError as error:
            raise _failed(f"the policy server answered with status {error.status}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise _failed("the policy server cannot be reached") from error
        except ValueError as error:
            raise _failed("the policy server's answer is no JSON") from error
        finally:
            self._asking -= 1
            if not self._asking:
                self._idle.set()

    async def close(self) -> None:
        """Close the connections once nobody waits for an answer."""
        await self._idle.wait()
        if self._open:
            await self._client.close_connection()

    async def _ask(self, document: Mapping[str, Any]) -> Any:
        async with self._opening:
            if not self._open:
                await self._client.__aenter__()
                self._open = True
        try:
            answer = await self._client.query_rule(document, PACKAGE, RULE)
        except aiohttp.ServerDisconnectedError:
            # A pooled connection that the server closed meanwhile: the next is a new one.
            answer = await self._client.query_rule(document, PACKAGE, RULE)
        if not isinstance(answer, dict) or "result" not in answer:
            raise _failed("the policy server has no data.omnisql.decision")
        return answer["result"]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _failed(reason: str) -> PolicyUndecided:
    return PolicyUndecided(
        message="POLICY_UNDECIDED: policy could not be asked, so the statement is denied",
        detail=reason,
        hint="try again, and tell the operator of the server if it lasts",
    )
