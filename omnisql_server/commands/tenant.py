"""`omnisql tenant`: the tenants of a server and their users, whether the server runs or not."""

from __future__ import annotations

import getpass
import os
import pwd
import secrets
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import App
from rich.table import Table
from rich.text import Text

from catalog.clusters.external import ExternalCluster, dba_script
from catalog.errors import CatalogError, ClusterUnavailable
from omnisql_server.commands.terminal import output, run
from omnisql_server.config import load_settings
from omnisql_server.errors import ConfigurationInvalid, OmniSQLError
from omnisql_server.tenant_limits import AT_CLUSTER_START, checked_limits, known_limits, number_in
from wire.auth import make_verifier

if TYPE_CHECKING:
    from omnisql_server.admin.tenants import TenantState
    from omnisql_server.settings import Settings

tenant = App(
    name="tenant", help="Make, list, show, alter, stop, rename and destroy tenants; their users and passwords."
)
user = App(name="user", help="Users of a tenant.")
tenant.command(user)


@tenant.command
def create(
    name: str,
    /,
    *,
    owner: str = "admin",
    dsn: str | None = None,
    limit: tuple[str, ...] = (),
    config: Path | None = None,
) -> int:
    """Make a tenant: a PostgreSQL cluster of its own, a database of the same name, and its owner.

    The owner's password is asked for; without a terminal it is read from standard input, one line.

    Parameters
    ----------
    name
        Name of the tenant and of its database: lower-case letters, digits, _ and -.
    owner
        User who makes schemas, sources and other users.
    dsn
        External cluster, as its superuser: postgresql://omnisql@host/postgres?sslcert=..&sslkey=..&sslrootcert=..
        Where it cannot be used yet, what its administrator has to run once is printed. Without a DSN the cluster is
        embedded.
    limit
        What the tenant may use where that is not the server's setting, as setting=value; may be given more than once.
    config
        YAML file of settings, as for `serve`.
    """
    limits = {key: value for key, value in _limits(limit).items() if value is not None}
    arguments = {"name": name, "owner": owner, "dsn": dsn, "limits": limits, "verifier": _ask_verifier(owner)}
    try:
        _show_tenants(perform(config, "create", arguments))
    except (OmniSQLError, CatalogError) as error:
        if dsn is not None and error.sqlstate == ClusterUnavailable.sqlstate:
            print_dba_script(dsn)
        raise
    return 0


@tenant.command(name="list")
def list_tenants(*, config: Path | None = None) -> int:
    """List the tenants."""
    _show_tenants(perform(config, "list", {}))
    return 0


@tenant.command
def show(name: str, /, *, config: Path | None = None) -> int:
    """Show a tenant, its users and its limits."""
    tenants = perform(config, "show", {"name": name})
    _show_with_users(tenants)
    _show_limits(tenants)
    return 0


@tenant.command
def alter(name: str, /, *, limit: tuple[str, ...], config: Path | None = None) -> int:
    """Give a tenant limits of its own; they hold at once, on other servers in a few seconds.

    Parameters
    ----------
    name
        The tenant.
    limit
        A setting of the server and the tenant's own value, as setting=value; nothing behind the sign has the server's
        hold again. May be given more than once.
    config
        YAML file of settings, as for `serve`.
    """
    limits = _limits(limit)
    tenants = perform(config, "alter", {"name": name, "limits": limits})
    _show_limits(tenants)
    later = [key for key in limits if key in AT_CLUSTER_START]
    if later and any(each.running for each in tenants):
        words = f"{', '.join(later)}: from the next start of the cluster (omnisql tenant stop {name})"
        output().print(Text(words), soft_wrap=True)
    return 0


@tenant.command
def stop(name: str, /, *, config: Path | None = None) -> int:
    """End a tenant's sessions and stop its cluster; the next log-in starts it again."""
    _show_tenants(perform(config, "stop", {"name": name}))
    return 0


@tenant.command
def rename(name: str, new_name: str, /, *, config: Path | None = None) -> int:
    """Give a tenant and its database another name; its sessions end."""
    _show_tenants(perform(config, "rename", {"name": name, "new_name": new_name}))
    return 0


@tenant.command
def destroy(name: str, /, *, confirm: str, config: Path | None = None) -> int:
    """Destroy a tenant: its sessions, its database, its keys, and with them all that was sealed for it.

    Parameters
    ----------
    name
        The tenant.
    confirm
        Its name once more: nothing of it can be brought back.
    config
        YAML file of settings, as for `serve`.
    """
    perform(config, "destroy", {"name": name, "confirm": confirm})
    output().print(Text(f"{name} is destroyed"))
    return 0


@tenant.command(name="dba-script")
def print_dba_script(dsn: str, /) -> int:
    """Print what the administrator of an external cluster has to run once.

    Parameters
    ----------
    dsn
        The cluster, as for `create`.
    """
    account = pwd.getpwuid(os.geteuid()).pw_name
    output().print(Text(dba_script(ExternalCluster(dsn).superuser, account)), end="")
    return 0


@user.command
def add(name: str, user_name: str, /, *, attribute: tuple[str, ...] = (), config: Path | None = None) -> int:
    """Make a user of a tenant, or change password and attributes of the one that is there.

    Parameters
    ----------
    name
        The tenant.
    user_name
        The user: a role of the tenant's PostgreSQL.
    attribute
        What policies may ask for, as name=value; may be given more than once.
    config
        YAML file of settings, as for `serve`.
    """
    attributes: dict[str, list[str]] = {}
    for each in attribute:
        key, separator, value = each.partition("=")
        if not key or not separator:
            raise ConfigurationInvalid(message="an attribute is written name=value", detail=each[:80])
        attributes.setdefault(key, []).append(value)
    arguments = {"name": name, "user": user_name, "verifier": _ask_verifier(user_name), "attributes": attributes}
    _show_with_users(perform(config, "add_user", arguments))
    return 0


@user.command
def password(name: str, user_name: str, /, *, config: Path | None = None) -> int:
    """Give a user of a tenant another password."""
    arguments = {"name": name, "user": user_name, "verifier": _ask_verifier(user_name)}
    _show_with_users(perform(config, "set_password", arguments))
    return 0


def perform(config: Path | None, operation: str, arguments: Mapping[str, Any]) -> tuple[TenantState, ...]:
    """Carry an operation out in the server that runs on the data directory, or here if none does."""
    return run(_performed(load_settings(config), operation, arguments))


async def _performed(settings: Settings, operation: str, arguments: Mapping[str, Any]) -> tuple[TenantState, ...]:
    # Loading the engine takes a second, which the other commands need not pay.
    from omnisql_server.admin.channel import ask_running_server, carry_out
    from omnisql_server.admin.destroyed import tell_destroyed
    from omnisql_server.admin.tenants import TenantAdministration
    from omnisql_server.services import start_services
    from omnisql_server.tenancy import Tenancy

    answered = await ask_running_server(settings.data.directory.absolute(), operation, arguments)
    if answered is not None:
        return answered
    # What the parts say while they start and stop is no news here.
    quiet = replace(settings, telemetry=replace(settings.telemetry, log_level="error"))
    async with start_services(quiet) as services:
        administration = TenantAdministration(services=services, tenancy=Tenancy(services), tell=tell_destroyed)
        return await carry_out(administration, operation, arguments)


def _limits(given: tuple[str, ...]) -> dict[str, float | None]:
    """Read limits as they are written; None has the server's setting hold."""
    limits: dict[str, float | None] = {}
    for each in given:
        key, separator, text = each.partition("=")
        if not separator:
            raise ConfigurationInvalid(message="a limit is written setting=value", detail=each[:80])
        known_limits((key,), "as a limit")
        limits[key] = checked_limits({key: number_in(text)}, "as a limit")[key] if text else None
    return limits


def _ask_verifier(user_name: str) -> str:
    """Ask for a password, or make one up where nothing is entered, and return its verifier: only that leaves here."""
    if sys.stdin.isatty():
        secret = getpass.getpass(f"Password for {user_name} (empty: one is made up): ")
        if secret and secret != getpass.getpass("Again: "):
            raise ConfigurationInvalid(message="the two passwords differ")
    else:
        secret = sys.stdin.readline().rstrip("\n")
    if not secret:
        secret = secrets.token_urlsafe(24)
        output().print(Text(f"Password for {user_name}: {secret}"))
    return make_verifier(secret)


def _show_tenants(tenants: tuple[TenantState, ...]) -> None:
    table = Table(header_style="bold")
    for title in ("tenant", "owner", "cluster", "state", "sessions", "created", "limits"):
        table.add_column(title, overflow="fold")
    for each in tenants:
        kind = f"{each.cluster}{' (external)' if each.external else ''}"
        state = "incomplete" if not each.ready else "running" if each.running else "stopped"
        limits = ", ".join(f"{key}={value:.15g}" for key, value in each.limits.items())
        cells = (each.name, each.owner, kind, state, str(each.sessions), each.created_at, limits)
        table.add_row(*(Text(cell) for cell in cells))
    output().print(table)


def _show_limits(tenants: tuple[TenantState, ...]) -> None:
    table = Table("limit", "value", "of", header_style="bold")
    for one in tenants:
        for key, value in one.holding.items():
            table.add_row(Text(key), Text(f"{value:.15g}"), Text("the tenant" if key in one.limits else "the server"))
    output().print(table)


def _show_with_users(tenants: tuple[TenantState, ...]) -> None:
    _show_tenants(tenants)
    table = Table("user", "log-in", "attributes", header_style="bold")
    for each in (each for one in tenants for each in one.users):
        attributes = ", ".join(f"{name}={_words(value)}" for name, value in each.attributes.items())
        table.add_row(Text(each.name), Text("by password" if each.may_log_in else "none"), Text(attributes))
    output().print(table)


def _words(value: object) -> str:
    return "|".join(str(entry) for entry in value) if isinstance(value, list) else str(value)
