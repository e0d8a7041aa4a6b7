"""Secrets of sources that stay in OpenBao or Vault (KV version 2) and are named by reference: `kv:<path>#<field>`.

A path is below the tenant's own, which no reference leaves. The key server's custom metadata of the secret say to which
addresses it may be sent, so that nobody who may make a server can have it sent to one of his own; and where credentials
are made that stand for it (`leases`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import hvac
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest

from catalog.errors import KeysUnavailable, SecretReferenceInvalid, SecretRefused, SecretUnknown
from catalog.key_server import KeyServer
from catalog.leases import LEASE, Leases

REFERENCE_PREFIX = "kv:"
AUDIENCES = "omnisql_audience"
"""The custom metadata with the addresses, scheme, host and port, separated by commas."""

_REFERENCE = re.compile(r"kv:([A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*)#([A-Za-z0-9_.-]+)")
_WHERE_TO_GO = frozenset({".", ".."})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A field of a secret at a path below the tenant's."""

    path: str
    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What a reference leads to; `version` counts up with each change of the secret, `lease` tells leases apart.

    It holds for `lasts_s` seconds at most, where that is not None.
    """

    value: str
    version: int
    lease: int = 0
    lasts_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """All fields of a secret, as `Followed` has one."""

    fields: Mapping[str, object] = field(repr=False)
    version: int
    lease: int = 0
    lasts_s: float | None = None


Seen = dict[str, Secret]
"""Secrets by their paths, so that what is used together is of one lease."""


class KvSecrets:
    """Reads secrets at `<mount>/data/<prefix>/<tenant>/<path>`."""

    def __init__(self, server: KeyServer, *, mount: str, prefix: str, leases: Leases | None = None) -> None:
        self._server = server
        self._leases = leases
        self._mount = mount
        self._prefix = prefix

    async def read(self, tenant: str, reference: Reference, audience: str, seen: Seen | None = None) -> Followed:
        """Read a field of a secret that may be sent to an audience; one that was `seen` is not asked for again.

        Raises:
            SecretUnknown: 28000, there is none. SecretRefused: 28000, it is not for this address, or not to be read.
            KeysUnavailable: 57P03.
        """
        known = {} if seen is None else seen
        secret = known.get(reference.path)
        if secret is None:
            secret = known[reference.path] = await self._secret(tenant, reference.path, audience)
        value = secret.fields.get(reference.field)
        if not isinstance(value, str) or not value:
            shown = f"{self._mount}/{self._prefix}/{tenant}/{reference.path}#{reference.field}"
            raise SecretUnknown("the secret has no such field, or it is no text", detail=shown)
        return Followed(value=value, version=secret.version, lease=secret.lease, lasts_s=secret.lasts_s)

    async def _secret(self, tenant: str, below: str, audience: str) -> Secret:
        path = f"{self._prefix}/{tenant}/{below}"
        shown = f"{self._mount}/{path}"

        def work(client: hvac.Client) -> tuple[Mapping[str, object], str]:
            answer = client.secrets.kv.v2.read_secret_version(
                path=path, mount_point=self._mount, raise_on_deleted_version=True
            )
            return answer["data"], str(client.token)

        try:
            found, holder = await self._server.asked(work)
        except (InvalidPath, InvalidRequest) as error:
            raise SecretUnknown("the key server has no such secret", detail=shown) from error
        except KeysUnavailable as error:
            if isinstance(error.__cause__, Forbidden):
                raise SecretRefused("the key server does not let this server read the secret", detail=shown) from error
            raise
        data, metadata = found.get("data"), found.get("metadata")
        custom = metadata.get("custom_metadata") if isinstance(metadata, Mapping) else None
        custom = custom if isinstance(custom, Mapping) else {}
        _check_audience(str(custom.get(AUDIENCES, "")), audience, shown)
        version = metadata.get("version") if isinstance(metadata, Mapping) else None
        number = version if isinstance(version, int) else 0
        if self._leases is not None and LEASE in custom:
            lease, lasts_s = await self._leases.current(path, str(custom[LEASE]), holder)
            return Secret(fields=lease.values, version=number, lease=lease.number, lasts_s=lasts_s)
        return Secret(fields=data if isinstance(data, Mapping) else {}, version=number)


def _check_audience(audiences: str, audience: str, shown: str) -> None:
    if audience not in [each.strip() for each in audiences.split(",")]:
        mount, _, path = shown.partition("/")
        raise SecretRefused(
            "the secret is not for the address of this server",
            detail=f"{shown} is for {audiences or 'no address'}, and the server leads to {audience}.",
            hint=f"bao kv metadata put -mount={mount} -custom-metadata={AUDIENCES}={audience} {path}",
        )


def read_reference(secret: str) -> Reference | None:
    """Read the reference that stands in a secret's place; None when it is a secret itself.

    Raises: SecretReferenceInvalid (22023) when it begins as one and goes on otherwise.
    """
    if not secret.startswith(REFERENCE_PREFIX):
        return None
    found = _REFERENCE.fullmatch(secret)
    if found is None or _WHERE_TO_GO & set(found[1].split("/")):
        raise SecretReferenceInvalid(
            "the reference to a secret is not valid",
            hint="Write kv:<path>#<field>; paths and fields have letters, digits and _ . - in them.",
        )
    return Reference(path=found[1], field=found[2])
