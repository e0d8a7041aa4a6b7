"""What the commands share: the event loop, the two consoles, and errors in one place without tracebacks."""

from __future__ import annotations

import asyncio
import os
import pwd
import sys
from collections.abc import Coroutine, Iterator
from enum import IntEnum
from typing import Any, TypeVar

from rich.console import Console
from rich.text import Text

from catalog.errors import CatalogError
from connectors.sdk.errors import ConnectorError
from omnisql_server.errors import ConfigurationInvalid, OmniSQLError
from wire.errors import WireError

T = TypeVar("T")
KNOWN_ERRORS = (OmniSQLError, CatalogError, ConnectorError, WireError, OSError)


class ExitCode(IntEnum):
    """What a command tells the shell."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    INTERRUPTED = 130


def output() -> Console:
    """Give the console of results: stdout."""
    return Console(soft_wrap=True, highlight=False)


def diagnostics() -> Console:
    """Give the console of errors and notices: stderr."""
    return Console(stderr=True, soft_wrap=True, highlight=False)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on uvloop, where there is one."""
    if sys.platform == "win32":
        return asyncio.run(work)
    import uvloop

    return uvloop.run(work)


def operator() -> str:
    """Name the account of the operating system that gives a command, for the audit."""
    return f"account {pwd.getpwuid(os.geteuid()).pw_name}"


def report(error: BaseException) -> ExitCode:
    """Show a known error, or all of a group, on stderr and choose the exit code.

    Raises:
        BaseException: the error itself where it is not a known one: a traceback is the right answer to a defect.
    """
    leaves = list(_leaves(error))
    if not all(isinstance(leaf, KNOWN_ERRORS) for leaf in leaves):
        raise error
    for leaf in leaves:
        if isinstance(leaf, OSError):
            show(message=f"the operating system refused: {leaf.strerror or leaf}", detail=leaf.filename)
        elif isinstance(leaf, OmniSQLError | CatalogError | ConnectorError | WireError):
            show(sqlstate=leaf.sqlstate, message=leaf.message, detail=leaf.detail, hint=leaf.hint)
    return ExitCode.USAGE if any(isinstance(leaf, ConfigurationInvalid) for leaf in leaves) else ExitCode.FAILED


def show(
    *,
    message: str,
    sqlstate: str | None = None,
    detail: str | None = None,
    hint: str | None = None,
    severity: str = "ERROR",
) -> None:
    """Print an error or a notice as psql does, with its SQLSTATE where it has one."""
    color = "red" if severity in {"ERROR", "FATAL", "PANIC"} else "yellow"
    console = diagnostics()
    console.print(Text.assemble((f"{severity}:  ", f"bold {color}"), f"{sqlstate}: {message}" if sqlstate else message))
    for label, text in (("DETAIL", detail), ("HINT", hint)):
        if text:
            console.print(Text.assemble((f"{label}:  ", "bold"), text))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
