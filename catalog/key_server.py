"""Logging in to OpenBao or Vault and asking it something; the client library blocks, so it works on threads.

Log-in is by AppRole (OpenBao 2.x, auth/approle) or by the token of a Kubernetes service account (auth/kubernetes), read
from its file each time because Kubernetes renews it there. The token that the key server gives is renewed when two
thirds of its time are over, and another is asked for when that fails.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import hvac
import requests
import structlog
from hvac.api.auth_methods import Kubernetes
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest, VaultError

from catalog.errors import KeysUnavailable

RENEW_AFTER = 2 / 3
SERVICE_ACCOUNT_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")

_log = structlog.get_logger(__name__)
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class AppRole:
    """Who logs in by AppRole; the file holds the secret id."""

    role_id: str
    secret_id_file: Path
    mount: str = "approle"

    def log_in(self, client: hvac.Client) -> Any:
        """Return the server's answer to the log-in."""
        secret_id = self.secret_id_file.read_text(encoding="utf-8").strip()
        return client.auth.approle.login(role_id=self.role_id, secret_id=secret_id, mount_point=self.mount)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """Who logs in as a service account of Kubernetes, under a role of the key server's."""

    role: str
    token_file: Path = SERVICE_ACCOUNT_TOKEN
    mount: str = "kubernetes"

    def log_in(self, client: hvac.Client) -> Any:
        """Return the server's answer to the log-in."""
        token = self.token_file.read_text(encoding="utf-8").strip()
        return Kubernetes(client.adapter).login(role=self.role, jwt=token, mount_point=self.mount)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyServerSettings:
    """Where the key server is and how to log in."""

    address: str
    login: AppRole | ServiceAccount
    namespace: str | None = None
    ca_file: Path | None = None
    timeout_s: float = 5.0


@dataclass(slots=True)
class _Session:
    """A token; it is renewed after `renew_at_s` by the monotonic clock."""

    client: hvac.Client = field(repr=False)
    lease_s: float
    renew_at_s: float


class KeyServer:
    """A key server that is logged in to when it is asked."""

    def __init__(self, settings: KeyServerSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._session: _Session | None = None
        self._logging_in = threading.Lock()

    async def asked(self, work: Callable[[hvac.Client], Answer]) -> Answer:
        """Do something with a client that is logged in; a token that was revoked is replaced once.

        Raises:
            InvalidRequest, InvalidPath: the server's answer to the work.
            KeysUnavailable: 57P03, it does not answer, or not as it should.
        """
        try:
            async with asyncio.timeout(self._settings.timeout_s * 4):
                return await asyncio.to_thread(self._worked, work)
        except (InvalidRequest, InvalidPath):
            raise
        except (VaultError, requests.RequestException, TimeoutError, OSError) as error:
            _log.warning("key_server_failed", reason=type(error).__name__)
            raise KeysUnavailable(
                "the key server does not answer as it should",
                detail=f"{type(error).__name__} from {self._settings.address}.",
                hint="Try again later; statements go on whose tenants' keys are held in memory.",
            ) from error

    def _worked(self, work: Callable[[hvac.Client], Answer]) -> Answer:
        session = self._logged_in()
        try:
            return work(session.client)
        except Forbidden:
            with self._logging_in:
                if self._session is session:
                    self._session = None
            return work(self._logged_in().client)

    def _logged_in(self) -> _Session:
        with self._logging_in:
            session = self._session
            if session is not None and self._clock() >= session.renew_at_s:
                session = self._renewed(session)
            if session is None:
                session = self._log_in()
            self._session = session
            return session

    def _renewed(self, session: _Session) -> _Session | None:
        try:
            answer = session.client.auth.token.renew_self()
        except VaultError as error:
            _log.info("key_server_token_not_renewed", reason=type(error).__name__)
            return None
        return self._of(session.client, answer)

    def _log_in(self) -> _Session:
        given = self._settings
        client = hvac.Client(
            url=given.address,
            namespace=given.namespace,
            timeout=given.timeout_s,
            verify=str(given.ca_file) if given.ca_file is not None else True,
        )
        try:
            answer = given.login.log_in(client)
        except VaultError as error:
            # Of another class than what a key that is gone is met with.
            raise VaultError("the log-in is refused") from error
        return self._of(client, answer)

    def _of(self, client: hvac.Client, answer: Any) -> _Session:
        lease_s = float(answer["auth"]["lease_duration"] or 3600)
        return _Session(client, lease_s, self._clock() + lease_s * RENEW_AFTER)
