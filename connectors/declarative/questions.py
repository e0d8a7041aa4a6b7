"""The noun of a manifest that says what a table is asked in its proof, and what is expected of the answer."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from connectors.declarative.pages import Declared


class Question(Declared, frozen=True, kw_only=True):
    """A query that `omnisql connector test` asks of the table, and what is expected of it."""

    sql: Annotated[
        str,
        Meta(
            description="SELECT of this table alone, conditions with literals joined by AND; a key that it does not "
            "give is taken from a row of the table that it refers to."
        ),
    ]
    rows_min: Annotated[int, Meta(description="Rows that come at least.", ge=0)] = 1
    calls_max: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="Requests that it takes at most.")] = None
