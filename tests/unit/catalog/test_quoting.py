"""Whatever goes into the quoting functions, PostgreSQL's grammar reads one token with the same value."""

from __future__ import annotations

import postgast
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import InvalidName
from catalog.quoting import identifier, literal, option_changes, option_list, options_from_array, qualified, text_array

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
NAMES = TEXTS.filter(lambda text: 0 < len(text.encode()) <= 63)


@given(NAMES, TEXTS)
def test_quoted_text_comes_back_from_the_grammar(name: str, text: str) -> None:
    tree = postgast.parse(f"SELECT {literal(text)} AS {identifier(name)}")
    target = tree.stmts[0].stmt.select_stmt.target_list[0].res_target
    assert target.name == name
    assert target.val.a_const.sval.sval == text


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 64, "é" * 32])
def test_a_text_that_cannot_be_an_identifier_is_refused(name: str) -> None:
    with pytest.raises(InvalidName) as caught:
        identifier(name)
    assert caught.value.sqlstate == "42602"


def test_a_literal_refuses_nul() -> None:
    with pytest.raises(InvalidName):
        literal("a\0b")


@pytest.mark.parametrize(
    ("text", "quoted"), [("", "''"), ("it's", "'it''s'"), ("a\\'b", "E'a\\\\''b'"), ("$$ -- /*", "'$$ -- /*'")]
)
def test_literals_are_quoted(text: str, quoted: str) -> None:
    assert literal(text) == quoted


def test_names_arrays_and_options_are_composed() -> None:
    assert qualified('a"b', "C") == '"a""b"."C"'
    assert text_array(["a", "b'"]) == "ARRAY['a', 'b''']::pg_catalog.text[]"
    assert option_list({}) == ""
    assert option_list({"a": "1", "b": "'"}) == """ OPTIONS ("a" '1', "b" '''')"""


def test_changes_name_only_what_differs() -> None:
    assert option_changes({"a": "1"}, {"a": "1"}) == ""
    assert (
        option_changes({"a": "1", "b": "2"}, {"b": "3", "c": "4"})
        == """ OPTIONS (DROP "a", SET "b" '3', ADD "c" '4')"""
    )


def test_option_arrays_keep_equals_signs_in_values() -> None:
    assert options_from_array(["a=b=c", "d="]) == {"a": "b=c", "d": ""}
    assert options_from_array(None) == {}
