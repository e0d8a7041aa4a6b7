"""Texts that PostgreSQL's grammar refuses and that may hold a secret: told in PostgreSQL's words, and kept from it."""

from __future__ import annotations

from omnisql_server.errors import InternalError
from omnisql_server.manage.errors import NotGrammaticalText
from omnisql_server.model.definition import NotGrammatical
from omnisql_server.model.run import SessionView
from omnisql_server.model.statement import Statement


class RefuseNotGrammatical:
    """Refuses such texts; implements `manage.managed.Manage`."""

    async def claims(self, statement: Statement, view: SessionView) -> bool:  # noqa: ARG002 - the protocol's signature
        """Claim every one.

        Raises:
            NotGrammaticalText: 42601 or 22021, always.
        """
        fault = statement.definition
        if not isinstance(fault, NotGrammatical):
            raise InternalError(message="a statement has not the fault it was taken for")
        raise NotGrammaticalText(message=fault.message, sqlstate=fault.sqlstate, position=fault.position)

    async def run(self, statement: Statement, view: SessionView) -> str:  # noqa: ARG002 - the protocol's signature
        """Refuse.

        Raises:
            NotGrammaticalText: 42601 or 22021, always.
        """
        raise InternalError(message=f"a statement of {len(statement.text)} characters was not refused")
