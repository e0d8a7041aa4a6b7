"""Errors of the catalog, one class for each thing that can happen, each with its SQLSTATE (PostgreSQL 18, appendix A).

A message is one lower-case clause without secrets; facts are in `detail`, the next step is in `hint`.
"""

from __future__ import annotations

from typing import ClassVar


class CatalogError(Exception):
    """Root of everything this package raises on its own account."""

    sqlstate: ClassVar[str] = "XX000"

    def __init__(self, message: str, *, detail: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.hint = hint


class ClusterUnavailable(CatalogError):
    """The cluster could not be started or reached; trying again may help."""

    sqlstate = "57P03"


class ClusterCorrupt(CatalogError):
    """The data directory is damaged, incomplete or of another major version; trying again does not help."""

    sqlstate = "XX001"


class ClusterInUse(CatalogError):
    """Another process holds the data directory."""

    sqlstate = "55006"


class ClusterLimitReached(CatalogError):
    """As many clusters run as may run, and none of them is idle."""

    sqlstate = "53300"


class DiskFull(CatalogError):
    """The file system has no room for the data directory."""

    sqlstate = "53100"


class TenantUnknown(CatalogError):
    """No tenant has this name."""

    sqlstate = "3D000"


class TenantExists(CatalogError):
    """A tenant of this name exists already."""

    sqlstate = "42P04"


class PrincipalUnknown(CatalogError):
    """No principal of the tenant has this name."""

    sqlstate = "28000"


class RoleRefused(CatalogError):
    """The role name is reserved or belongs to the system."""

    sqlstate = "42939"


class TokenUnknown(CatalogError):
    """The tenant has no API token of this id."""

    sqlstate = "42704"


class RoleUnknown(CatalogError):
    """No user of the tenant has this name."""

    sqlstate = "42704"


class DatabaseInUse(CatalogError):
    """Somebody is connected to the database."""

    sqlstate = "55006"


class MigrationFailed(CatalogError):
    """A migration could not be applied, or an applied one no longer has the text it had."""

    sqlstate = "55000"


class InvalidName(CatalogError):
    """The text cannot be an SQL identifier or literal."""

    sqlstate = "42602"


class ShapeInvalid(CatalogError):
    """A foreign object is described in a way PostgreSQL does not accept."""

    sqlstate = "HV000"


class ShapeInUse(CatalogError):
    """A foreign object must be made anew, but other objects depend on it."""

    sqlstate = "2BP01"


class SecretUnknown(CatalogError):
    """No secret has this handle."""

    sqlstate = "28000"


class SecretRefused(CatalogError):
    """The secret exists but is bound to another tenant, server, role or host."""

    sqlstate = "28000"


class SecretReferenceInvalid(CatalogError):
    """What names a secret in a key server is malformed."""

    sqlstate = "22023"


class NoKeyServer(CatalogError):
    """A secret is named that is in a key server, and none is configured."""

    sqlstate = "55000"


class KeyFileInvalid(CatalogError):
    """The key file is missing its 32 bytes, or others may read it."""

    sqlstate = "F0000"


class KeysUnavailable(CatalogError):
    """Who holds the keys of tenants does not answer."""

    sqlstate = "57P03"


class ClusterDestroyed(CatalogError):
    """The cluster was a tenant's that was destroyed; a copy that is brought back is not served."""

    sqlstate = "3D000"
