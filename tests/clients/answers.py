"""What every client program of the script can do, and the text form in which their answers are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

Row = tuple[str | None, ...]
Parameters = Sequence[int | str]


class StatementFailed(Exception):
    """The server refused a statement; `sqlstate` is None where a client hides it."""

    def __init__(self, sqlstate: str | None, message: str = "") -> None:
        super().__init__(f"{sqlstate}: {message}")
        self.sqlstate = sqlstate


class Client(Protocol):
    """One session of a client program, over TLS and with SCRAM."""

    def rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Run a statement and return its rows, none for a command.

        Raises:
            StatementFailed: the server refused it.
        """

    def prepared(self, sql: str, parameter_sets: Sequence[Parameters]) -> list[list[Row]]:
        """Run a statement once for each set of parameters, prepared once where the client can."""

    def copied(self, sql: str) -> list[str]:
        """Run COPY .. TO STDOUT and return its lines."""

    def paged(self, sql: str, page_rows: int) -> list[Row]:
        """Run a query and fetch a few rows at a time."""

    def canceled(self, sql: str, started: Callable[[], bool]) -> str | None:
        """Run a statement, cancel it once it has started, and return the SQLSTATE that it ended with."""

    def close(self) -> None:
        """End the session."""


def as_text(value: object) -> str | None:
    """Write a Python value as PostgreSQL would."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}+00"
    return str(value)


def as_row(values: Sequence[object]) -> Row:
    """Write a row of Python values as PostgreSQL would."""
    return tuple(as_text(value) for value in values)
