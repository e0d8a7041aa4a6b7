"""FETCH and MOVE of a portal that the client's protocol opened over a run statement (PostgreSQL 18, pquery.c).

PostgreSQL lets such portals be read forward only. Where a movement would have to go back, its own error is given. In
the extended protocol a FETCH or MOVE has a portal of its own, whose rows are all fetched when it is first executed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from omnisql_server.errors import LimitExceeded, OmniSQLError
from omnisql_server.model.run import Description
from omnisql_server.model.statement import Direction, Movement, Part, Statement
from omnisql_server.parse.grammar import NotParsed, parse_statements
from omnisql_server.session.portals import Portal, Portals
from omnisql_server.session.statements import RunStatement, RunStatements
from wire.framing import HEADER_BYTES
from wire.frontend import Parse

FETCHED_BYTES_MAX = 1 << 26

_MOVING = re.compile(rb"\s*(?:fetch|move)\b", re.IGNORECASE)

Int64Array = npt.NDArray[np.int64]


class UndefinedCursor(OmniSQLError):
    """The portal is not there any more."""

    sqlstate = "34000"


class ForwardOnly(OmniSQLError):
    """The portal cannot be read backward."""

    sqlstate = "55000"


def steps(movement: Movement, portal: Portal) -> tuple[int, int | None, int | None]:
    """Return how many rows to pass over, how many to give (None: all), and the count to tell if not that of the rows.

    Raises:
        ForwardOnly: 55000, it would have to go back.
    """
    count, position = movement.count, portal.position
    on_row = position > 0 and not portal.complete
    match movement.direction:
        case Direction.FORWARD | Direction.RELATIVE | Direction.BACKWARD if count == 0:
            if not movement.shows:
                return 0, 0, int(on_row)
            if on_row or movement.direction is Direction.BACKWARD:
                raise _forward_only()
            return 0, 0, None
        case Direction.FORWARD:
            return 0, count, None
        case Direction.RELATIVE if count is not None and count > 0:
            return count - 1, 1, None
        case Direction.BACKWARD if count is None and not movement.shows:
            _rewind(portal)
            return 0, 0, 0
        case Direction.ABSOLUTE if count == 0:
            _rewind(portal)
            return 0, 0, None
        case Direction.ABSOLUTE if count is not None and count > 0:
            return _absolute(count, portal)
        case _:
            raise _forward_only()


def moved_portal(part: Part, portals: Portals) -> Portal | None:
    """Return the portal over a run query that a statement fetches from or moves, None if it is not such a statement.

    That a portal without rows cannot be moved, PostgreSQL says of its placeholder.
    """
    movement = part.statement.movement if part.statement is not None else None
    portal = portals.get(movement.portal.encode()) if movement is not None else None
    return portal if portal is not None and portal.fields is not None else None


def may_move(text: bytes) -> bool:
    """Say whether a text may be a FETCH or MOVE."""
    return _MOVING.match(text) is not None


def moving_statement(name: bytes, statement: Statement, source: Portal | None) -> RunStatement:
    """Make a FETCH or MOVE that the client has parsed a statement of ours, with the rows of the portal it names."""
    shows = statement.movement is not None and statement.movement.shows
    description = Description(parameter_oids=(), fields=source.fields if shows and source is not None else None)
    return RunStatement(name=name, statement=statement, description=description, twin="")


class Movements:
    """The client's FETCH and MOVE statements of the extended protocol that read portals over run statements."""

    def __init__(self, statements: RunStatements, portals: Portals) -> None:
        self._statements = statements
        self._portals = portals

    def read(self, parse: Parse, parts: Sequence[Part] | None) -> RunStatement | None:
        """Return the FETCH or MOVE that a Parse is of, if it may read a portal over a run statement, now or later.

        One that is named may outlive what has its portal's name now; PostgreSQL describes its rows as those of now.
        """
        if parts is None and parse.statement and may_move(parse.text):
            return _read_alone(parse)
        moved = moved_portal(parts[0], self._portals) if parts is not None and len(parts) == 1 else None
        found = parts[0].statement if moved is not None and parts is not None else None
        return moving_statement(parse.statement, found, moved) if found is not None else None

    async def keep(self, moving: RunStatement) -> None:
        """Remember one that PostgreSQL has under the client's name.

        Raises:
            LimitExceeded: 54000, there are too many statements.
        """
        self._statements.check_room(moving.name)
        self._statements.put(moving)

    def bound(self, statement: RunStatement) -> tuple[RunStatement | None, Portal | None]:
        """Return a statement as it is when it is bound, and the portal that it reads.

        A movement has the rows of the portal that has the name now, and is PostgreSQL's if that is no portal of ours.
        """
        movement = statement.statement.movement
        if movement is None:
            return statement, None
        source = self._portals.get(movement.portal.encode())
        if source is None or source.fields is None:
            return None, None
        return moving_statement(statement.name, statement.statement, source), source

    def check(self, source: Portal) -> None:
        """Make sure that a portal is still there to be read.

        Raises:
            UndefinedCursor: 34000.
        """
        if self._portals.get(source.name) is not source:
            raise UndefinedCursor(message=f'cursor "{source.name.decode(errors="replace")}" does not exist')


def _read_alone(parse: Parse) -> RunStatement | None:
    try:
        statements = parse_statements(parse.text.decode())
    except (NotParsed, UnicodeDecodeError):
        # PostgreSQL refuses it, or knows its encoding.
        return None
    if len(statements) != 1 or statements[0].movement is None:
        return None
    return moving_statement(parse.statement, statements[0], None)


def message_ends(data: bytes | memoryview) -> Int64Array:
    """Return where each of some whole messages ends."""
    ends, end = list[int](), 0
    while end < len(data):
        end += int.from_bytes(data[end + 1 : end + HEADER_BYTES]) + 1
        ends.append(end)
    return np.array(ends, dtype=np.int64)


def too_much_fetched() -> LimitExceeded:
    """Build the error of a FETCH of more than is kept for its portal."""
    return LimitExceeded(
        message="too many rows for one FETCH of a portal over API tables",
        detail=f"limit {FETCHED_BYTES_MAX} bytes",
        hint="FETCH fewer rows at once, or Execute the portal itself.",
    )


def answer_too_large(bytes_max: int) -> LimitExceeded:
    """Build the error of an answer that is larger than any may be."""
    return LimitExceeded(
        message="the answer is too large",
        detail=f"limit {bytes_max} bytes (sessions.answer_bytes_max)",
        hint="ask for fewer rows or columns, or DECLARE a cursor and FETCH in pieces",
    )


def _absolute(count: int, portal: Portal) -> tuple[int, int | None, int | None]:
    if count - 1 <= portal.position // 2:
        _rewind(portal)
        return count - 1, 1, None
    position = portal.position + int(portal.complete)
    if count <= position:
        raise _forward_only()
    return count - position - 1, 1, None


def _rewind(portal: Portal) -> None:
    if portal.position > 0 or portal.complete:
        raise _forward_only()


def _forward_only() -> ForwardOnly:
    return ForwardOnly(
        message="cursor can only scan forward", hint="Declare it with SCROLL option to enable backward scan."
    )
