"""The client's prepared statements that are run: name to statement and twin. All others are PostgreSQL's alone.

PostgreSQL knows the run ones too: the client's own Parse and Close reach the backend under the client's name, so that
duplicates, unknown names, DEALLOCATE and the answer to Describe are PostgreSQL's. Twins are bounded apart from
statements: one that was dropped is made again when it is needed (`extended`). Pure.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

from omnisql_server.errors import LimitExceeded, NotSupported
from omnisql_server.live_settings import PresentSettings
from omnisql_server.model.run import BoundParameters, Description
from omnisql_server.model.statement import SECRET_KINDS, Part, Statement, StatementKind
from wire.errors import ProtocolViolation
from wire.framing import HEADER_BYTES
from wire.frontend import Bind

RELAYED_KINDS = frozenset({StatementKind.DEFINITION, StatementKind.MOVEMENT, StatementKind.OTHER})
"""Kinds that are relayed even when they name an API table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatement:
    """A prepared statement that is run; `twin` is the private statement that the pipeline left on the backend."""

    name: bytes
    statement: Statement
    description: Description
    twin: str


class RunStatements:
    """Holds statements and their twins, each up to a bound of the settings; `close_twin` drops a private statement.

    Of the twins the one used longest ago goes first.
    """

    def __init__(self, live: PresentSettings, close_twin: Callable[[str], None]) -> None:
        self._live = live
        self._close_twin = close_twin
        self.by_name: dict[bytes, RunStatement] = {}
        self._twins: OrderedDict[str, None] = OrderedDict()
        self._numbers = itertools.count(1)

    def __contains__(self, name: object) -> bool:
        """Say whether a statement of that name is run."""
        return name in self.by_name

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.by_name)

    @property
    def names(self) -> frozenset[str]:
        """Return the names of all but the unnamed one."""
        return frozenset(name.decode(errors="replace") for name in self.by_name if name)

    def get(self, name: bytes) -> RunStatement | None:
        """Return the statement of a name, None if it is relayed or unknown."""
        return self.by_name.get(name)

    def check_room(self, name: bytes) -> None:
        """Make sure that one more statement may be prepared.

        Raises:
            LimitExceeded: 54000, there are too many statements.
        """
        limit = self._live.current.sessions.statements_max
        if len(self.by_name) >= limit and name not in self.by_name:
            raise LimitExceeded(message="too many prepared statements over API tables", detail=f"limit {limit}")

    def new_twin(self) -> str:
        """Choose a twin's name."""
        return f"omnisql_twin_{next(self._numbers)}"

    def put(self, statement: RunStatement) -> None:
        """Remember a statement whose twin is on the backend, if it has one; one of the same name is replaced."""
        self.forget(statement.name)
        self.by_name[statement.name] = statement
        if statement.twin:
            self._keep(statement.twin)

    def lend(self, statement: RunStatement) -> None:
        """Learn of the twin of a statement that is not kept, because SQL has prepared it and may forget it unseen."""
        self._keep(statement.twin)

    def revive(self, statement: RunStatement) -> None:
        """Take a statement back that was replaced; its twin may be gone."""
        self.by_name[statement.name] = statement

    def renew(self, statement: RunStatement, description: Description, twin: str) -> RunStatement:
        """Give a statement a new twin, which must describe the same rows.

        Raises:
            NotSupported: 0A000, it does not; the words are PostgreSQL's.
        """
        if _shape(description) != _shape(statement.description):
            self._close_twin(twin)
            raise NotSupported(message="cached plan must not change result type")
        renewed = replace(statement, twin=twin)
        if self.by_name.get(statement.name) == statement:
            self.by_name[statement.name] = renewed
        self._keep(twin)
        return renewed

    def keeps(self, twin: str) -> bool:
        """Say whether a twin is still on the backend; it counts as used now."""
        if twin not in self._twins:
            return False
        self._twins.move_to_end(twin)
        return True

    def forget(self, name: bytes) -> None:
        """Forget a statement that was closed or replaced."""
        gone = self.by_name.pop(name, None)
        if gone is not None and gone.twin in self._twins:
            del self._twins[gone.twin]
            self._close_twin(gone.twin)

    def lose_twins(self) -> None:
        """Learn that the backend has none of the twins any more."""
        self._twins.clear()

    def clear(self) -> None:
        """Forget all, because the backend has."""
        self.by_name.clear()
        self._twins.clear()

    def _keep(self, twin: str) -> None:
        self._twins[twin] = None
        while len(self._twins) > self._live.current.sessions.twins_max:
            self._close_twin(self._twins.popitem(last=False)[0])


def _shape(description: Description) -> tuple[object, ...] | None:
    """Return what PostgreSQL compares when a prepared statement is planned again."""
    if description.fields is None:
        return None
    return tuple((field.name, field.type_oid, field.type_modifier) for field in description.fields)


def is_run(part: Part) -> bool:
    """Say whether a part of a message is run rather than relayed."""
    return part.statement is not None and part.statement.kind not in RELAYED_KINDS


def may_hold_secret(part: Part) -> bool:
    """Say whether the text of a part of a message may hold a secret."""
    return part.statement is not None and part.statement.kind in SECRET_KINDS


def named_text(data: bytes) -> tuple[bytes, bytes] | None:
    """Find the name and the text in a Parse message without decoding it; None where it is malformed."""
    start = data.find(b"\0", HEADER_BYTES) + 1
    end = data.find(b"\0", start)
    return None if start <= 0 or end < 0 else (data[HEADER_BYTES : start - 1], data[start:end])


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
