"""Placeholders: what PostgreSQL knows of a portal over a run statement, so that it judges names, values and lives."""

from __future__ import annotations

from dataclasses import replace

from catalog.types import BY_OID
from omnisql_server.model.statement import StatementKind
from omnisql_server.session.link import BackendLink
from omnisql_server.session.portals import Portal
from omnisql_server.session.replies import (
    BIND_ENDS,
    CLOSE_ENDS,
    DESCRIBE_ENDS,
    PARSE_ENDS,
    RELAYED_BIND,
    CheckReply,
    IgnoredReply,
    Reply,
)
from wire.frontend import Bind, Close, Describe, Parse

_PLACEHOLDER = b"omnisql_placeholder"
_AGAIN = b"omnisql_again"
_WITHOUT_ROWS = b"CLOSE omnisql_nothing"
_WITH_ROWS = b"SELECT pg_catalog.current_setting('omnisql_nothing.at_all'::pg_catalog.text)"
"""Statements that are never executed; both would fail. Only one that gives rows is not described in a failed block."""


class _PlaceholderReply(Reply):
    """The answer to the Bind of a placeholder, which the client takes for its own; what is bound can touch nothing."""

    __slots__ = ()
    touches = False


_BOUND = _PlaceholderReply(BIND_ENDS)


def open_placeholder(link: BackendLink, message: Bind, portal: Portal, *, told: bool) -> None:
    """Ask PostgreSQL whether a portal's statement still stands, and open a placeholder under the portal's name.

    The placeholder takes the same parameters, so that PostgreSQL judges their values. A statement without columns it
    would plan, and so look at anew, with the Bind; to describe it does not suffice. `told` says that the client knows
    that it is bound. Values of users' own types may be read by users' own functions, which may touch anything.
    """
    prepared = portal.prepared
    oids = prepared.description.parameter_oids if prepared is not None else ()
    link.send(Describe(kind="S", name=message.statement).encode(), CheckReply(DESCRIBE_ENDS))
    if _is_planned_by_bind(portal):
        link.send(Close(kind="S", name=_AGAIN).encode(), IgnoredReply(CLOSE_ENDS))
        again = " " * portal.statement.offset + portal.statement.text
        link.send(Parse(statement=_AGAIN, text=again.encode(), type_oids=oids).encode(), CheckReply(PARSE_ENDS))
    text = _WITHOUT_ROWS if portal.fields is None else _WITH_ROWS
    link.send(Close(kind="S", name=_PLACEHOLDER).encode(), IgnoredReply(CLOSE_ENDS))
    link.send(Parse(statement=_PLACEHOLDER, text=text, type_oids=oids).encode(), CheckReply(PARSE_ENDS))
    reply = _BOUND if all(oid in BY_OID for oid in oids) else RELAYED_BIND
    bind = replace(message, statement=_PLACEHOLDER, result_formats=())
    link.send(bind.encode(), CheckReply(BIND_ENDS) if told else reply)


def _is_planned_by_bind(portal: Portal) -> bool:
    return portal.fields is None and portal.statement.kind is StatementKind.WRITE and not portal.statement.creates
