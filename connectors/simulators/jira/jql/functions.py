"""The functions of JQL that a federated query may use; each gives literals that the field then resolves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from connectors.simulators.jira.jql.errors import JqlError
from connectors.simulators.jira.jql.fields import Context
from connectors.simulators.jira.jql.syntax import Call


def call(function: Call, context: Context) -> list[str]:
    """Return the literals that a function stands for.

    Raises:
        JqlError: there is no such function, or it takes no arguments and got some.
    """
    found = _FUNCTIONS.get(function.name.lower())
    if found is None:
        raise JqlError(f"Unable to find JQL function '{function.name}({', '.join(function.arguments)})'.")
    if function.arguments:
        raise JqlError(f"Function '{function.name}' expected '0' arguments but received '{len(function.arguments)}'.")
    return found(context)


def _sprints(state: str) -> Callable[[Context], list[str]]:
    def identifiers(context: Context) -> list[str]:
        tracker = context.company.tracker
        return [str(s.id) for board in tracker.boards for s in tracker.sprints(board.id) if s.state == state]

    return identifiers


def _start(unit: str) -> Callable[[Context], list[str]]:
    def start(context: Context) -> list[str]:
        moment = datetime.fromtimestamp(context.now_ms / 1000, tz=context.zone)
        day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        first = {
            "day": day,
            # Weeks start on Sunday, as for users in the United States.
            "week": day - timedelta(days=(day.weekday() + 1) % 7),
            "month": day.replace(day=1),
            "year": day.replace(month=1, day=1),
        }[unit]
        return [str(int(first.timestamp()) * 1000)]

    return start


_FUNCTIONS: dict[str, Callable[[Context], list[str]]] = {
    "currentuser": lambda context: [context.user.account_id],
    "now": lambda context: [str(context.now_ms)],
    "opensprints": _sprints("active"),
    "closedsprints": _sprints("closed"),
    "futuresprints": _sprints("future"),
    "startofday": _start("day"),
    "startofweek": _start("week"),
    "startofmonth": _start("month"),
    "startofyear": _start("year"),
}
