"""What the functions give is whole wherever it is handed on, in texts of any length."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest

from omnisql_server.execute.python_functions import PYTHON_FUNCTIONS, add_functions

WORDS = [f"a text of more than twelve letters, the number {number}" for number in range(300)]
QUOTED = [f'"{word}"' for word in WORDS]
FORMS = {
    "plain": "omnisql_j_quote(x)",
    "coalesce": "coalesce(omnisql_j_quote(x), 'null')",
    "coalesce of two": "coalesce(omnisql_j_quote(nullif(x, x)), omnisql_j_quote(x))",
    "case": "CASE WHEN x IS NOT NULL THEN omnisql_j_quote(x) ELSE 'null' END",
    "nullif": "nullif(omnisql_j_quote(x), 'a')",
    "within a list": "list_value('a', omnisql_j_quote(x))[2]",
    "list": "unnest(list(coalesce(omnisql_j_quote(x), 'null') ORDER BY place))",
}


@pytest.mark.parametrize("form", FORMS)
def test_long_texts_are_whole(form: str) -> None:
    with duckdb.connect() as engine:
        add_functions(engine)
        engine.register("words", pa.table({"x": WORDS, "place": range(len(WORDS))}))
        order = "" if form == "list" else " ORDER BY place"
        rows = engine.execute(f"SELECT {FORMS[form]} FROM words{order}").fetchall()
    assert [text for (text,) in rows] == QUOTED


def test_null_is_null_for_every_function() -> None:
    with duckdb.connect() as engine:
        add_functions(engine)
        for name, (_, kinds) in PYTHON_FUNCTIONS.items():
            given = ", ".join(f"NULL::{kind}" for kind in kinds)
            assert engine.execute(f"SELECT {name}({given})").fetchall() == [(None,)], name
