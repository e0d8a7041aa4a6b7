"""FETCH and MOVE as PostgreSQL's grammar sees them. Pure."""

from __future__ import annotations

from typing import Any

from omnisql_server.model.statement import Direction, Movement

FETCH_ALL = 0x7FFFFFFFFFFFFFFF
"""How PostgreSQL's parsenodes.h writes ALL."""
_DIRECTIONS = {
    "FETCH_FORWARD": Direction.FORWARD,
    "FETCH_BACKWARD": Direction.BACKWARD,
    "FETCH_ABSOLUTE": Direction.ABSOLUTE,
    "FETCH_RELATIVE": Direction.RELATIVE,
}


def movement_of(node_name: str, node: Any) -> Movement | None:
    """Return what a FETCH or MOVE asks for, None for any other statement; a negative FORWARD is a BACKWARD."""
    if node_name != "fetch_stmt":
        return None
    values = node.DESCRIPTOR.fields_by_name["direction"].enum_type.values_by_number
    direction, count = _DIRECTIONS[values[node.direction].name], int(node.how_many)
    if count < 0 and direction in (Direction.FORWARD, Direction.BACKWARD):
        direction = Direction.BACKWARD if direction is Direction.FORWARD else Direction.FORWARD
        count = -count
    return Movement(
        portal=node.portalname, direction=direction, count=None if count == FETCH_ALL else count, shows=not node.ismove
    )
