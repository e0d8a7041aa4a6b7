"""Keys of tenants in the transit engine of OpenBao or Vault, which wraps and unwraps and never gives a key away."""

from __future__ import annotations

import base64
from uuid import UUID

import hvac
from hvac.exceptions import InvalidPath, InvalidRequest

from catalog.errors import SecretRefused
from catalog.key_server import KeyServer


class TransitKeys:
    """Implements `key_ring.KeyHolder`."""

    name = "transit"

    def __init__(self, server: KeyServer, *, mount: str = "transit") -> None:
        self._server = server
        self._mount = mount

    async def wrap(self, tenant: UUID, generation: int, key: bytes) -> bytes:
        """Wrap a data key under the tenant's key of that generation.

        Raises: KeysUnavailable (57P03).
        """
        name, mount = _name(tenant, generation), self._mount

        def work(client: hvac.Client) -> bytes:
            client.secrets.transit.create_key(name=name, key_type="aes256-gcm96", mount_point=mount)
            plaintext = base64.b64encode(key).decode()
            answer = client.secrets.transit.encrypt_data(name=name, plaintext=plaintext, mount_point=mount)
            return str(answer["data"]["ciphertext"]).encode()

        return await self._server.asked(work)

    async def unwrap(self, tenant: UUID, generation: int, wrapped: bytes) -> bytes:
        """Unwrap a data key.

        Raises: SecretRefused (28000), KeysUnavailable (57P03).
        """
        name, mount = _name(tenant, generation), self._mount

        def work(client: hvac.Client) -> bytes:
            answer = client.secrets.transit.decrypt_data(name=name, ciphertext=wrapped.decode(), mount_point=mount)
            return base64.b64decode(answer["data"]["plaintext"])

        try:
            return await self._server.asked(work)
        except (InvalidRequest, InvalidPath) as error:
            raise SecretRefused(
                "the tenant's key cannot be opened", detail="The key server has no key that opens it."
            ) from error

    async def destroy(self, tenant: UUID, generation: int) -> None:
        """Have the key server delete the tenant's key of that generation.

        Raises: KeysUnavailable (57P03).
        """
        name, mount = _name(tenant, generation), self._mount

        def work(client: hvac.Client) -> None:
            try:
                client.secrets.transit.update_key_configuration(name=name, deletion_allowed=True, mount_point=mount)
                client.secrets.transit.delete_key(name=name, mount_point=mount)
            except (InvalidPath, InvalidRequest):
                # Gone already, or it stays for a reason that reading it tells.
                if _exists(client, name, mount):
                    raise

        await self._server.asked(work)


def _exists(client: hvac.Client, name: str, mount: str) -> bool:
    try:
        client.secrets.transit.read_key(name=name, mount_point=mount)
    except InvalidPath:
        return False
    return True


def _name(tenant: UUID, generation: int) -> str:
    """Name a key so that no other ever had the name: a key made anew under an old name opens nothing of the old one."""
    return f"omnisql-{tenant}-{generation}"
