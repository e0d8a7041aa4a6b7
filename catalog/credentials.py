"""Seals credentials with AES-256-GCM before they are stored; PostgreSQL's own catalogs only ever hold the handle
`secret:<uuid>`.

Tenant, server, role and audience (scheme, host and port of the API) are associated data: a handle copied to another
server, or a server pointed at another host, opens nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from cryptography.exceptions import InvalidTag

from catalog.connection import Connection
from catalog.control import SealedSecret, get_secret, put_secret
from catalog.errors import InvalidName, NoKeyServer, SecretRefused, SecretUnknown
from catalog.key_ring import KeyRing, seal, unseal
from catalog.kv_secrets import Followed, KvSecrets, Seen, read_reference

HANDLE_PREFIX = "secret:"
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What a credential is given for; `role_oid` is that of the user mapping, 0 for PUBLIC.

    OIDs and not names: whoever renames a server or a role keeps its credentials, and a server made anew has none.
    """

    tenant: UUID
    server_oid: int
    role_oid: int
    audience: str


class CredentialStore:
    """Stores and opens credentials under their tenants' data keys, which a key ring holds.

    What is sealed may be a reference to a secret of the key server; it is followed each time, so that what stands there
    can be changed. `held_s` is for how long what was found may be used.
    """

    def __init__(self, keys: KeyRing, referenced: KvSecrets | None = None, *, held_s: float = 300.0) -> None:
        self._keys = keys
        self._referenced = referenced
        self.held_s = held_s

    async def put(self, connection: Connection, secret: bytes, use: Use, handle: str | None = None) -> str:
        """Seal and store a secret and return its handle, which is what an option in PostgreSQL may hold."""
        handle = handle or new_handle()
        key = await self._keys.data_key(connection, use.tenant)
        await put_secret(
            connection,
            SealedSecret(
                handle=handle_id(handle),
                tenant=use.tenant,
                server_oid=use.server_oid,
                role_oid=use.role_oid,
                audience=use.audience,
                sealed=seal(key, secret, _bound_to(use)),
            ),
        )
        return handle

    async def get(self, connection: Connection, handle: str, use: Use) -> bytes:
        """Open a secret for exactly the use it was given for.

        Raises: SecretUnknown (28000), SecretRefused (28000) under another tenant, server, role, audience or key.
        """
        stored = await get_secret(connection, handle_id(handle))
        given = Use(
            tenant=stored.tenant, server_oid=stored.server_oid, role_oid=stored.role_oid, audience=stored.audience
        )
        if given != replace(use, audience=stored.audience):
            raise SecretRefused(
                "the credential was given for another server or role",
                hint="Give the credential again with ALTER USER MAPPING.",
            )
        if stored.audience != use.audience:
            raise SecretRefused(
                "the credential was given for another address",
                detail=f"It was given for {stored.audience}, and the server now leads to {use.audience}.",
                hint="Give the credential again with ALTER USER MAPPING.",
            )
        # The columns say what to tell; the seal, which holds the same, decides.
        key = await self._keys.data_key(connection, use.tenant)
        try:
            return unseal(key, stored.sealed, _bound_to(use))
        except InvalidTag as error:
            raise SecretRefused(
                "the credential cannot be opened",
                detail="Its record was changed, or it was sealed under another key.",
                hint="Give the credential again with ALTER USER MAPPING.",
            ) from error

    async def follow(self, secret: str, tenant: str, audience: str, seen: Seen | None = None) -> Followed | None:
        """Read what a reference names; None when the secret is no reference. `seen` is as for `KvSecrets.read`.

        Raises:
            SecretReferenceInvalid: 22023. NoKeyServer: 55000. KeysUnavailable: 57P03.
            SecretUnknown, SecretRefused: 28000, see `KvSecrets.read`.
        """
        reference = read_reference(secret)
        if reference is None:
            return None
        if self._referenced is None:
            raise NoKeyServer(
                "there is no key server to read the secret from", hint="Set keys.address in the server's configuration."
            )
        return await self._referenced.read(tenant, reference, audience, seen)

    async def verify(self, connection: Connection, handle: str, use: Use) -> None:
        """Check that a handle is one of this tenant, server and role; the audience is for `get` to judge.

        Raises: SecretUnknown (28000), SecretRefused (28000).
        """
        stored = await get_secret(connection, handle_id(handle))
        await self.get(connection, handle, replace(use, audience=stored.audience))


def new_handle() -> str:
    """Make up the handle of a secret that is still to be stored."""
    return f"{HANDLE_PREFIX}{uuid4()}"


def handle_id(handle: str) -> UUID:
    """Read the identifier in a handle.

    Raises: SecretUnknown (28000) when the text is no handle.
    """
    try:
        if not handle.startswith(HANDLE_PREFIX):
            raise ValueError
        return UUID(handle.removeprefix(HANDLE_PREFIX))
    except ValueError as error:
        raise SecretUnknown("the option does not hold the handle of a secret") from error


def audience_of(base_url: str) -> str:
    """Reduce a URL to scheme, host and port, the part that decides who receives a credential.

    Raises: InvalidName (42602) when the text is not an http or https URL with a host, or names a user.
    """
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError as error:
        raise InvalidName("the base URL is not valid") from error
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc:
        raise InvalidName("the base URL is not an http or https URL with a plain host")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{DEFAULT_PORTS[parts.scheme] if port is None else port}"


def _bound_to(use: Use) -> bytes:
    """Encode the four facts without ambiguity: a plain separator could be part of an audience."""
    return json.dumps([str(use.tenant), use.server_oid, use.role_oid, use.audience], ensure_ascii=True).encode()
