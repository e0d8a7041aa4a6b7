"""A redacted text keeps names and structure, and nothing that a user gave as a value or wrote as a remark."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnisql_server.parse.redaction import TEXT_CHARACTERS_MAX, WITHHELD, redacted

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT a FROM t WHERE b = 'hunter2'", "SELECT a FROM t WHERE b = ?"),
        ("SELECT 12, 1.5, $1, E'hunter2\\n', U&'hunter2', B'1', X'1f'", "SELECT ?, ?, $1, ?, ?, ?, ?"),
        ("SELECT $$hunter2$$ /* hunter2 */ -- hunter2\nFROM t", "SELECT ? FROM t"),
        ("  SELECT\n\t1;", "SELECT ?;"),
        ('SELECT "Straße" FROM "Ä" WHERE x=\'ü\'', 'SELECT "Straße" FROM "Ä" WHERE x=?'),
        (
            "CREATE USER MAPPING FOR a SERVER b OPTIONS (token 'hunter2')",
            "CREATE USER MAPPING FOR a SERVER b OPTIONS (token ?)",
        ),
        ("SELECT 'hunter2", WITHHELD),
    ],
)
def test_values_and_remarks_go(text: str, expected: str) -> None:
    assert redacted(text)[1] == expected


def test_texts_that_differ_in_values_alone_have_one_fingerprint() -> None:
    one, other = redacted("SELECT a FROM t WHERE b = 1"), redacted("SELECT  a FROM t WHERE b = 2 -- again")
    assert one == other
    assert len(one[0]) == 16
    assert redacted("SELECT a FROM u WHERE b = 1")[0] != one[0]


def test_a_text_that_is_no_sql_has_no_fingerprint() -> None:
    assert redacted("SELEC 'hunter2'") == ("", "SELEC ?")


def test_a_long_text_is_cut() -> None:
    assert len(redacted("SELECT " + "a, " * 10_000 + "b")[1]) == TEXT_CHARACTERS_MAX


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_value_never_comes_through(value: str) -> None:
    marked = f"{SECRET}{value}{SECRET}".replace("'", "''")
    assert SECRET not in redacted(f"SELECT a FROM t WHERE b = '{marked}' AND c = 'ö'")[1]


@given(st.text())
def test_any_text_is_taken(text: str) -> None:
    assert isinstance(redacted(text)[1], str)
