"""Answers Describe of portals over run statements, and of FETCH and MOVE statements that read one."""

from __future__ import annotations

from dataclasses import replace

from omnisql_server.session.portals import Portals
from omnisql_server.session.replies import DESCRIBE_ENDS, CheckReply
from omnisql_server.session.running import Running
from omnisql_server.session.statements import RunStatements
from wire.backend import NO_DATA, Field, parameter_description, row_description
from wire.frontend import Describe


class Describing:
    """Describes once PostgreSQL has said that there is something of that name that may be described now."""

    def __init__(self, running: Running, statements: RunStatements, portals: Portals) -> None:
        self._running = running
        self._statements = statements
        self._portals = portals

    def concerns(self, message: Describe) -> bool:
        """Say whether PostgreSQL would describe something else than what the client will get."""
        if message.kind == "P":
            return message.name in self._portals
        statement = self._statements.get(message.name)
        return statement is not None and statement.statement.movement is not None and bool(statement.description.fields)

    async def describe(self, message: Describe) -> None:
        """Answer a Describe that concerns this."""
        link, client = self._running.link, self._running.client
        link.send(message.encode(), CheckReply(DESCRIBE_ENDS))
        portal = self._portals.get(message.name) if message.kind == "P" else None
        statement = self._statements.get(message.name) if message.kind == "S" else None
        await link.settle()
        if link.skipping or link.copying_in:
            return
        fields: tuple[Field, ...] | None = None
        if portal is not None and portal.fields is not None:
            formats = portal.parameters.result_formats
            fields = tuple(replace(field, format=code) for field, code in zip(portal.fields, formats, strict=True))
        elif statement is not None:
            client.write(parameter_description(()))
            fields = statement.description.fields
        elif portal is None:
            return
        client.write(NO_DATA if fields is None else row_description(fields))
