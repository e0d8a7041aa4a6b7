"""The channel between the command line and a running server: a Unix socket, one JSON line each way, one operation each.

Only the account that runs the server may open it: its folder has mode 0700. Where it is stands in the data directory.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import structlog

from omnisql_server.admin.tenants import TenantAdministration, TenantState
from omnisql_server.errors import OmniSQLError, error_fields

RECORD_NAME = "admin-socket"
SOCKET_PREFIX = "omnisql-admin-"
LINE_BYTES_MAX = 1024 * 1024
OPERATION_TIMEOUT_S = 300.0
REQUEST_TIMEOUT_S = 10.0
OPERATIONS = frozenset(
    {
        *("create", "alter", "list", "show", "stop", "rename", "add_user", "set_password", "destroy", "rotate_keys"),
        *("log_in_rules", "set_log_in_rules", "tokens", "create_token", "revoke_token"),
    }
)

_log = structlog.get_logger(__name__)


class AdminError(OmniSQLError):
    """An operation failed in the running server; SQLSTATE, detail and hint are the server's."""


class AdminRequestInvalid(OmniSQLError):
    """A request on the channel is not one."""

    sqlstate = "08P01"


@asynccontextmanager
async def serve_admin(directory: Path, administration: TenantAdministration) -> AsyncIterator[None]:
    """Answer administrative requests for the time of the block; `directory` is the data directory."""
    record = directory / RECORD_NAME
    _remove_left_over(record)
    folder = Path(tempfile.mkdtemp(prefix=SOCKET_PREFIX))
    path = folder / "s"

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(await _answer(reader, administration) + b"\n")
            await writer.drain()
        except (OSError, TimeoutError, ValueError):
            _log.info("admin_request_abandoned")
        finally:
            writer.close()

    server = await asyncio.start_unix_server(attend, path, limit=LINE_BYTES_MAX)
    try:
        part = record.with_suffix(".part")
        part.write_text(str(path), encoding="utf-8")
        part.rename(record)
        yield
    finally:
        server.close()
        record.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


async def ask_running_server(
    directory: Path, operation: str, arguments: Mapping[str, object]
) -> tuple[TenantState, ...] | None:
    """Have the server that runs on a data directory carry out an operation; None when none runs there.

    Raises:
        AdminError: the operation failed there.
    """
    try:
        path = (directory / RECORD_NAME).read_text(encoding="utf-8")
        reader, writer = await asyncio.open_unix_connection(path, limit=LINE_BYTES_MAX)
    except (FileNotFoundError, ConnectionRefusedError):
        # What a server that was killed left behind says nothing about one that runs.
        return None
    try:
        writer.write(json.dumps({"operation": operation, "arguments": dict(arguments)}).encode() + b"\n")
        async with asyncio.timeout(OPERATION_TIMEOUT_S):
            answer = json.loads(await reader.readline() or b'{"error": {"M": "the server ended", "C": "57P01"}}')
    finally:
        writer.close()
    if "error" in answer:
        error = answer["error"]
        raise AdminError(message=error["M"], detail=error.get("D"), hint=error.get("H"), sqlstate=error["C"])
    return msgspec.convert(answer["result"], tuple[TenantState, ...])


async def carry_out(
    administration: TenantAdministration, operation: str, arguments: Mapping[str, Any]
) -> tuple[TenantState, ...]:
    """Carry an operation out and return the tenants that it is about.

    Raises:
        AdminRequestInvalid: 08P01, there is no such operation.
        CatalogError, OmniSQLError: it fails.
    """
    if operation not in OPERATIONS:
        raise AdminRequestInvalid(message="there is no such operation", detail=operation[:80])
    work = getattr(administration, operation)
    try:
        inspect.signature(work).bind(**arguments)
    except TypeError as error:
        raise AdminRequestInvalid(message=f"operation {operation} does not take these arguments") from error
    async with administration.on_record(operation, arguments):
        outcome = await work(**arguments)
    return outcome if isinstance(outcome, tuple) else (outcome,)


def _remove_left_over(record: Path) -> None:
    """Remove the folder that a server left which was killed."""
    try:
        folder = Path(record.read_text(encoding="utf-8")).parent
    except FileNotFoundError:
        return
    if folder.name.startswith(SOCKET_PREFIX):
        shutil.rmtree(folder, ignore_errors=True)


async def _answer(reader: asyncio.StreamReader, administration: TenantAdministration) -> bytes:
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            line = await reader.readline()
        try:
            request = json.loads(line)
            operation, arguments = str(request["operation"]), dict(request["arguments"])
        except (ValueError, KeyError, TypeError) as error:
            raise AdminRequestInvalid(message="the request is not a JSON object with an operation") from error
        async with asyncio.timeout(OPERATION_TIMEOUT_S):
            tenants = await carry_out(administration, operation, arguments)
        _log.info("admin_operation_done", operation=operation, tenant=arguments.get("name"))
        return msgspec.json.encode({"result": tenants})
    except Exception as error:  # noqa: BLE001  whatever it was, the command line is told
        return json.dumps({"error": error_fields(error)}).encode()
