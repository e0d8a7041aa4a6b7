"""FETCH and MOVE of a portal that the client's protocol opened over a run statement (PostgreSQL 18, pquery.c).

PostgreSQL lets such portals be read forward only. Where a movement would have to go back, its own error is given.
"""

from __future__ import annotations

from omnisql_server.errors import NotSupported, OmniSQLError
from omnisql_server.model.statement import Direction, Movement, Part
from omnisql_server.session.portals import Portal, Portals


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


def not_in_extended_protocol() -> NotSupported:
    """Build the error of a FETCH or MOVE in a Parse message, which PostgreSQL would answer from the placeholder."""
    return NotSupported(
        message="the portal of a statement over API tables cannot be read by FETCH or MOVE in the extended protocol",
        hint="Send them as simple queries, or DECLARE a cursor.",
    )


def check_shown_as_text(portal: Portal) -> None:
    """Refuse to show rows that were asked for in binary form: FETCH gives text.

    Raises:
        NotSupported: 0A000.
    """
    if any(portal.parameters.result_formats):
        raise NotSupported(
            message="a portal over API tables that was bound with binary results cannot be read by FETCH",
            hint="Execute the portal, or bind it with text results.",
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
