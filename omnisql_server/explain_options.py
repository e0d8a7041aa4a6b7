"""The options of EXPLAIN over API tables: PostgreSQL says which are wrong, here is what the others mean."""

from __future__ import annotations

from dataclasses import dataclass

from omnisql_server.model.backend import Backend, Command
from omnisql_server.model.statement import EXPLAINING_KINDS, NewRelation, Statement, says
from omnisql_server.parse.grammar import parse_statements
from omnisql_server.plan.explain_formats import ExplainFormat
from wire.backend import Field


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainWants:
    """What the options ask for. `generic` plans without the values of parameters."""

    analyze: bool
    generic: bool
    costs: bool
    form: ExplainFormat

    @classmethod
    def of(cls, statement: Statement) -> ExplainWants:
        """Read the options; a format that does not exist is text until PostgreSQL refuses it."""
        options = statement.explain_options
        form = dict(options).get("format", "text").lower()
        return cls(
            analyze=says(options, "analyze"),
            generic=says(options, "generic_plan"),
            costs=says(options, "costs", unsaid=True),
            form=ExplainFormat(form) if form in set(ExplainFormat) else ExplainFormat.TEXT,
        )


def explain_fields(statement: Statement) -> tuple[Field, ...]:
    """Describe EXPLAIN's answer: one column, as PostgreSQL names it."""
    return (
        Field(
            name="QUERY PLAN",
            table_oid=0,
            attribute_number=0,
            type_oid=ExplainWants.of(statement).form.type_oid,
            type_length=-1,
            type_modifier=-1,
            format=0,
        ),
    )


def made_when_explained(statement: Statement) -> NewRelation | None:
    """Return what EXPLAIN is of making by CREATE .. AS, None where it is of something else."""
    if statement.kind not in EXPLAINING_KINDS or not statement.creates:
        return None
    (carried,) = parse_statements(statement.query)
    return carried.makes


async def check_options(statement: Statement, backend: Backend) -> None:
    """Have PostgreSQL explain a constant with the same options, if there are any.

    Raises:
        BackendError: it refuses them, by its own words, at their place in the statement.
    """
    if statement.explain_options:
        before = statement.text.encode()[: statement.query_position].decode()
        await backend.ask(Command(sql=f"{before}SELECT 1"))
