"""PostgreSQL's refusal in the words that a client is told."""

from __future__ import annotations

import pytest

from omnisql_server.session.refusals import AGAIN_HINT, HINT, explained, is_final

REFUSED = {"S": "ERROR", "C": "55000", "M": 'foreign-data wrapper "jira" has no handler'}


@pytest.mark.parametrize(
    ("context", "reader"),
    [
        ('SQL function "f" statement 1', "function f()"),
        ('SQL function "f" during startup', "function f()"),
        ('SQL statement "SELECT 1"\nPL/pgSQL function s.f(integer, text) line 3 at IF', "function s.f(integer, text)"),
        ("PL/pgSQL function f() while storing call arguments", "function f()"),
        ('SQL statement "x"\nPL/pgSQL function inline_code_block line 1 at PERFORM', "a DO block"),
        ('SQL function "inner" statement 1\nPL/pgSQL function outer() line 1 at RETURN', "function inner()"),
    ],
)
def test_the_innermost_function_is_named_and_the_context_kept(context: str, reader: str) -> None:
    fields = {**REFUSED, "W": context}
    told = explained(fields, final=False)
    assert told["M"] == f"{reader} reads an API table, which only a top-level statement can"
    assert (told["C"], told["D"], told["H"], told["W"]) == ("0A000", REFUSED["M"], HINT, context)
    assert is_final(fields)


def test_without_a_function_a_refusal_may_still_be_mended() -> None:
    assert explained(REFUSED, final=False) == {**REFUSED, "H": AGAIN_HINT}
    assert not is_final(REFUSED)
    assert explained(REFUSED, final=True)["C"] == "0A000"


def test_other_errors_stay_as_they_are() -> None:
    other = {"S": "ERROR", "C": "55000", "M": "something else", "W": 'SQL function "f" statement 1'}
    assert explained(other, final=True) == other
