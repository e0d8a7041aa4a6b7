"""`omnisql audit`: proves the audit, writes it out, and drops months that need not be kept any longer."""

from __future__ import annotations

import re
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cyclopts import App
from rich.text import Text

from catalog import control
from catalog.audit import DROP, SERVER_CHAIN, append, drop_months, heads, last_before
from catalog.connection import Connection
from catalog.errors import TenantUnknown
from omnisql_server.audit.acts import act
from omnisql_server.audit.export import exported
from omnisql_server.audit.record import Record, encoded
from omnisql_server.audit.signing import HeadSigner, SigningKey, load_signing_key, public_text
from omnisql_server.audit.verify import Verified, verify
from omnisql_server.commands.terminal import ExitCode, operator, output, report, run
from omnisql_server.config import load_settings
from omnisql_server.errors import ConfigurationInvalid, OmniSQLError

if TYPE_CHECKING:
    from omnisql_server.settings import Settings

SERVER = "server"
MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")

audit = App(name="audit", help="Verify the audit, export it, drop months of it.")


@audit.command(name="verify")
def verify_chains(*, tenant: str | None = None, public_key: str | None = None, config: Path | None = None) -> int:
    """Verify that nothing in the audit was changed, taken out or put in.

    Parameters
    ----------
    tenant
        A tenant's name or id, or `server` for what concerns none; everything without it.
    public_key
        The key that signed, as `omnisql audit key` printed it; the data directory's without it.
    config
        YAML file of settings, as for `serve`.
    """
    settings = load_settings(config)
    key = _public_key(settings, public_key)
    return run(_verified(settings, tenant, key))


@audit.command
def export(*, tenant: str | None = None, after: int = 0, file: Path | None = None, config: Path | None = None) -> int:
    """Write records and signed heads as JSON lines.

    Parameters
    ----------
    tenant
        A tenant's name or id, or `server`; everything without it.
    after
        Only what comes after this number of each chain.
    file
        Where to write; stdout without it.
    config
        YAML file of settings, as for `serve`.
    """
    run(_export(load_settings(config), tenant, after, file))
    return ExitCode.OK


@audit.command
def key(*, config: Path | None = None) -> int:
    """Print the public key that signed heads are verified with: keep it where the server cannot change it."""
    output().print(Text(public_text(_public_key(load_settings(config), None))))
    return ExitCode.OK


@audit.command
def drop(*, before: str, config: Path | None = None) -> int:
    """Drop the records of the months before a month. What is left stays verifiable, from a head signed for that.

    Parameters
    ----------
    before
        The first month to keep, such as 2026-01.
    config
        YAML file of settings, as for `serve`.
    """
    if not MONTH.fullmatch(before):
        raise ConfigurationInvalid(message="a month is written as 2026-01", detail=before[:20])
    moment = datetime.strptime(before, "%Y-%m").replace(tzinfo=UTC)
    if moment > datetime.now(UTC):
        raise ConfigurationInvalid(message="the present month cannot be dropped")
    dropped = run(_drop(load_settings(config), moment))
    output().print(Text(f"dropped: {', '.join(dropped) or 'nothing'}"))
    return ExitCode.OK


def _public_key(settings: Settings, given: str | None) -> Ed25519PublicKey:
    if given is None:
        directory = settings.data.directory.absolute()
        return SigningKey(load_signing_key(directory)).public_key
    try:
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(given))
    except ValueError as error:
        raise ConfigurationInvalid(message="the public key is not 64 hexadecimal digits") from error


async def _verified(settings: Settings, tenant: str | None, public: Ed25519PublicKey) -> int:
    from omnisql_server.control_reading import control_reading

    code = ExitCode.OK
    async with control_reading(settings) as connection:
        for chain, name in (await _chains(connection, tenant)).items():
            try:
                _tell(name, await verify(connection, chain, public))
            except OmniSQLError as error:
                code = report(error)
    return code


def _tell(name: str, verified: Verified) -> None:
    kept = f"records {verified.first} to {verified.last}" if verified.last >= verified.first else "no records"
    signed = f"signed up to {verified.signed}" if verified.signed else "nothing signed yet"
    output().print(Text(f"{name}: holds, {kept}, {signed}"))
    for identity, since in verified.unfinished:
        output().print(Text(f"{name}: {identity} began {since:%Y-%m-%d %H:%M:%S} and has no end on record"))


async def _export(settings: Settings, tenant: str | None, after: int, file: Path | None) -> None:
    from omnisql_server.control_reading import control_reading

    async with control_reading(settings) as connection:
        with nullcontext(sys.stdout) if file is None else file.open("w", encoding="utf-8") as lines:
            for chain in await _chains(connection, tenant):
                async for line in exported(connection, chain, after):
                    lines.write(line + "\n")


async def _drop(settings: Settings, moment: datetime) -> tuple[str, ...]:
    from omnisql_server.control_reading import control_reading

    signing_key = SigningKey(load_signing_key(settings.data.directory.absolute()))
    async with control_reading(settings) as connection:

        async def write(chain: UUID, record: Record) -> None:
            await append(connection, {chain: encoded(record)})

        signer = HeadSigner(signing_key, lambda: nullcontext(connection))
        detail = f"before {moment:%Y-%m}"
        async with act(write, SERVER_CHAIN, kind="audit drop", tenant="", actor=operator(), detail=detail):
            for head in await last_before(connection, moment):
                await signer.put(connection, head, DROP)
            dropped = await drop_months(connection, moment)
        await signer.sign()
        return dropped


async def _chains(connection: Connection, tenant: str | None) -> dict[UUID, str]:
    """Return the chains asked for with the names of their tenants, or their ids where a tenant is gone."""
    names = {each.id: each.name for each in await control.all_tenants(connection)}
    found = {SERVER_CHAIN: SERVER} | {head.tenant: str(head.tenant) for head in await heads(connection)}
    known = {chain: names.get(chain, name) if chain != SERVER_CHAIN else SERVER for chain, name in found.items()}
    if tenant is None:
        return known
    chosen = {chain: name for chain, name in known.items() if tenant in (name, str(chain))}
    if not chosen:
        raise TenantUnknown("the audit knows no such tenant", detail=tenant[:80])
    return chosen
