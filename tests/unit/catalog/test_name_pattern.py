"""The byte test never misses a name that PostgreSQL's lexer could read, and seldom hits without one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.name_pattern import NameTest, name_pattern
from catalog.quoting import identifier

NAMES = ["issues", "issue", 'Two "quoted"', "straße", "x.y*", "a" * 63, "é" * 31]


@pytest.mark.parametrize(
    "text",
    [
        "select * from issues",
        "SELECT * FROM GitHub.ISSUES;",
        'select 1 from "issues"',
        "table issues--x",
        "(select 1 from/**/issue/**/)",
        "execute $$table issues$$",
        'select * from "Two ""quoted"""',
        "select * from STRAßE",
        'select * from "x.y*"',
        'select * from U&"\\0069ssues"',
        'select * from u&"x"',
        f"select * from {'A' * 70}",
        f"select * from {'é' * 40}",
    ],
)
def test_a_statement_that_could_name_one_is_hit(text: str) -> None:
    assert name_pattern(NAMES).search(text.encode()) is not None


@pytest.mark.parametrize(
    "text",
    ["", "select 1", "select my_issues, issues2, issuesé, éissues, _issue from t", "select x.y from z", 'select "two"'],
)
def test_a_statement_that_names_none_is_passed(text: str) -> None:
    assert name_pattern(NAMES).search(text.encode()) is None


def test_without_names_nothing_is_hit() -> None:
    assert name_pattern([]).search(b'select * from U&"issues"') is None


NAME_TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=15)


@given(st.sets(NAME_TEXTS, min_size=1, max_size=20), st.sampled_from(["SELECT * FROM {}", "x.{};", "({})", "{}"]))
def test_every_quoted_name_is_hit(names: set[str], frame: str) -> None:
    pattern = name_pattern(names)
    for name in names:
        assert pattern.search(frame.format(identifier(name)).encode()) is not None


WORDS = st.text('abAB_1é$ "-.', min_size=1, max_size=4)


@given(st.sets(WORDS | st.just("b" * 61), max_size=5), st.lists(WORDS | st.sampled_from(['U&"', 'u&"', "B" * 70])))
def test_the_fast_test_hits_what_the_pattern_hits(names: set[str], words: list[str]) -> None:
    for separator in ("", " ", '"', "."):
        text = separator.join(words).encode()
        assert NameTest(names).hits(text) == (name_pattern(names).search(text) is not None)
