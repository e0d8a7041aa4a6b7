"""Keys of tenants in the transit engine of OpenBao or Vault, which wraps and unwraps and never gives a key away.

Log-in is by AppRole (OpenBao 2.x, auth/approle): the token is renewed when two thirds of its time are over, and a new
one is asked for when that fails. The client library blocks, so it works on threads.
"""

from __future__ import annotations

import asyncio
import base64
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import hvac
import requests
import structlog
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest, VaultError

from catalog.errors import KeysUnavailable, SecretRefused

RENEW_AFTER = 2 / 3

_log = structlog.get_logger(__name__)
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitSettings:
    """Where the key server is and how to log in; the file holds the AppRole's secret id."""

    address: str
    role_id: str
    secret_id_file: Path
    mount: str = "transit"
    namespace: str | None = None
    ca_file: Path | None = None
    timeout_s: float = 5.0


@dataclass(slots=True)
class _Session:
    """A token; it is renewed after `renew_at_s` by the monotonic clock."""

    client: hvac.Client = field(repr=False)
    lease_s: float
    renew_at_s: float


class TransitKeys:
    """Implements `key_ring.KeyHolder`."""

    name = "transit"

    def __init__(self, settings: TransitSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._session: _Session | None = None
        self._logging_in = threading.Lock()

    async def wrap(self, tenant: UUID, generation: int, key: bytes) -> bytes:
        """Wrap a data key under the tenant's key of that generation.

        Raises: KeysUnavailable (57P03).
        """
        name, mount = _name(tenant, generation), self._settings.mount

        def work(client: hvac.Client) -> bytes:
            client.secrets.transit.create_key(name=name, key_type="aes256-gcm96", mount_point=mount)
            plaintext = base64.b64encode(key).decode()
            answer = client.secrets.transit.encrypt_data(name=name, plaintext=plaintext, mount_point=mount)
            return str(answer["data"]["ciphertext"]).encode()

        return await self._asked(work)

    async def unwrap(self, tenant: UUID, generation: int, wrapped: bytes) -> bytes:
        """Unwrap a data key.

        Raises: SecretRefused (28000), KeysUnavailable (57P03).
        """
        name, mount = _name(tenant, generation), self._settings.mount

        def work(client: hvac.Client) -> bytes:
            answer = client.secrets.transit.decrypt_data(name=name, ciphertext=wrapped.decode(), mount_point=mount)
            return base64.b64decode(answer["data"]["plaintext"])

        try:
            return await self._asked(work)
        except (InvalidRequest, InvalidPath) as error:
            raise SecretRefused(
                "the tenant's key cannot be opened", detail="The key server has no key that opens it."
            ) from error

    async def destroy(self, tenant: UUID, generation: int) -> None:
        """Have the key server delete the tenant's key of that generation.

        Raises: KeysUnavailable (57P03).
        """
        name, mount = _name(tenant, generation), self._settings.mount

        def work(client: hvac.Client) -> None:
            try:
                client.secrets.transit.update_key_configuration(name=name, deletion_allowed=True, mount_point=mount)
                client.secrets.transit.delete_key(name=name, mount_point=mount)
            except (InvalidPath, InvalidRequest):
                # Gone already, or it stays for a reason that reading it tells.
                if _exists(client, name, mount):
                    raise

        await self._asked(work)

    async def _asked(self, work: Callable[[hvac.Client], Answer]) -> Answer:
        """Do something with a client that is logged in; a token that was revoked is replaced once."""
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
        secret_id = given.secret_id_file.read_text(encoding="utf-8").strip()
        try:
            answer = client.auth.approle.login(role_id=given.role_id, secret_id=secret_id)
        except VaultError as error:
            # Of another class than what a key that is gone is met with.
            raise VaultError("the log-in is refused") from error
        return self._of(client, answer)

    def _of(self, client: hvac.Client, answer: Any) -> _Session:
        lease_s = float(answer["auth"]["lease_duration"] or 3600)
        return _Session(client, lease_s, self._clock() + lease_s * RENEW_AFTER)


def _exists(client: hvac.Client, name: str, mount: str) -> bool:
    try:
        client.secrets.transit.read_key(name=name, mount_point=mount)
    except InvalidPath:
        return False
    return True


def _name(tenant: UUID, generation: int) -> str:
    """Name a key so that no other ever had the name: a key made anew under an old name opens nothing of the old one."""
    return f"omnisql-{tenant}-{generation}"
