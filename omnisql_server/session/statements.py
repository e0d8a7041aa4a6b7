"""The client's prepared statements that are run: name to statement and twin. All others are PostgreSQL's alone.

PostgreSQL knows the run ones too: the client's own Parse and Close reach the backend under the client's name, so that
duplicates, unknown names, DEALLOCATE and the answer to Describe are PostgreSQL's. Pure.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from omnisql_server.errors import LimitExceeded
from omnisql_server.model.run import BoundParameters, Description
from omnisql_server.model.statement import Part, Statement, StatementKind
from wire.errors import ProtocolViolation
from wire.frontend import Bind

RELAYED_KINDS = frozenset({StatementKind.DEFINITION, StatementKind.OTHER})
"""Kinds that are relayed even when they name an API table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatement:
    """A prepared statement that is run; `twin` is the private statement that the pipeline left on the backend."""

    name: bytes
    statement: Statement
    description: Description
    twin: str


class RunStatements:
    """Holds at most `statements_max` of them; `close_twin` drops a private statement."""

    def __init__(self, statements_max: int, close_twin: Callable[[str], None]) -> None:
        self._statements_max = statements_max
        self._close_twin = close_twin
        self._statements: dict[bytes, RunStatement] = {}
        self._numbers = itertools.count(1)

    def __contains__(self, name: object) -> bool:
        """Say whether a statement of that name is run."""
        return name in self._statements

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._statements)

    def get(self, name: bytes) -> RunStatement | None:
        """Return the statement of a name, None if it is relayed or unknown."""
        return self._statements.get(name)

    def new_twin(self, name: bytes) -> str:
        """Choose the twin's name.

        Raises:
            LimitExceeded: 54000, there are too many statements.
        """
        if len(self._statements) >= self._statements_max and name not in self._statements:
            raise LimitExceeded(
                message="too many prepared statements over API tables", detail=f"limit {self._statements_max}"
            )
        return f"omnisql_twin_{next(self._numbers)}"

    def put(self, statement: RunStatement) -> None:
        """Remember a statement; one of the same name is replaced."""
        self.forget(statement.name)
        self._statements[statement.name] = statement

    def forget(self, name: bytes) -> None:
        """Forget a statement that was closed or replaced."""
        gone = self._statements.pop(name, None)
        if gone is not None:
            self._close_twin(gone.twin)

    def clear(self) -> None:
        """Forget all, because the backend has."""
        self._statements.clear()


def is_run(part: Part) -> bool:
    """Say whether a part of a message is run rather than relayed."""
    return part.statement is not None and part.statement.kind not in RELAYED_KINDS


def bound_parameters(statement: RunStatement, bind: Bind) -> BoundParameters:
    """Apply PostgreSQL's rules for 0, 1 or n format codes to a Bind message.

    Raises:
        ProtocolViolation: 08P01, counts that do not fit the statement.
    """
    needed, given = len(statement.description.parameter_oids), len(bind.parameters)
    if needed != given:
        name = statement.name.decode("utf-8", "replace")
        raise ProtocolViolation(
            message=f'bind message supplies {given} parameters, but prepared statement "{name}" requires {needed}'
        )
    fields = statement.description.fields
    if fields is not None and len(bind.result_formats) > 1 and len(bind.result_formats) != len(fields):
        raise ProtocolViolation(
            message=f"bind message has {len(bind.result_formats)} result formats but query has {len(fields)} columns"
        )
    return BoundParameters(
        type_oids=statement.description.parameter_oids,
        values=bind.parameters,
        formats=_for_each(bind.parameter_formats, given),
        result_formats=_for_each(bind.result_formats, len(fields)) if fields is not None else (),
    )


def _for_each(formats: tuple[int, ...], count: int) -> tuple[int, ...]:
    if not formats:
        return (0,) * count
    if len(formats) == 1:
        return formats * count
    return formats
