"""The list of an ANALYZE, and what is left of it without some entries."""

from __future__ import annotations

import pytest

from omnisql_server.model.statement import StatementKind
from omnisql_server.parse.analyze_list import read_analyze
from omnisql_server.parse.grammar import parse_statements


@pytest.mark.parametrize(
    ("text", "left_out", "rest"),
    [
        ("ANALYZE a", {0}, None),
        ("ANALYZE a, b", {0}, "ANALYZE b"),
        ("ANALYZE a, b", {1}, "ANALYZE a"),
        ('ANALYZE VERBOSE s.a (x, "y,z") , ONLY b(q), c', {1}, 'ANALYZE VERBOSE s.a (x, "y,z"), c'),
        (
            'analyse (verbose, skip_locked) only "ü, ü", /* , */ b -- c, d',
            {0},
            "analyse (verbose, skip_locked) /* , */ b -- c, d",
        ),
        ("ANALYZE a, b, a", {0, 2}, "ANALYZE b"),
    ],
)
def test_entries_are_left_out_and_the_rest_stays_as_written(text: str, left_out: set[int], rest: str | None) -> None:
    listed = read_analyze(text)
    assert listed is not None
    assert listed.of_others(frozenset(left_out)) == rest


def test_names_and_columns_are_those_of_the_grammar() -> None:
    listed = read_analyze('ANALYZE S."A" (X, "Y"), only b')
    assert listed is not None
    assert [(r.schema, r.name, r.columns) for r in listed.relations] == [("s", "A", ("x", "Y")), (None, "b", ())]


def test_options_that_may_be_wrong_are_left_to_postgresql() -> None:
    assert read_analyze("ANALYZE (nonsense) a") is None
    assert read_analyze("ANALYZE (VERBOSE off) a") is not None


def test_a_vacuum_that_analyzes_is_read_unless_its_options_have_to_be_judged() -> None:
    for text in ("VACUUM ANALYZE a, b", "VACUUM (VERBOSE, ANALYZE) a, b"):
        listed = read_analyze(text)
        assert listed is not None
        assert listed.vacuum
        assert [entry.name for entry in listed.relations] == ["a", "b"]
    assert read_analyze("VACUUM (ANALYZE false) a") is None
    assert read_analyze("VACUUM (FULL, ANALYZE) a") is None


@pytest.mark.parametrize("text", ["ANALYZE", "VACUUM", "VACUUM ANALYZE", "VACUUM a", "VACUUM (FREEZE) a"])
def test_only_analyze_with_a_list_is_not_postgresqls_alone(text: str) -> None:
    assert parse_statements(text)[0].kind is StatementKind.OTHER
    for analyzed in ("ANALYZE a", "VACUUM ANALYZE a", "VACUUM (ANALYZE) a"):
        assert parse_statements(analyzed)[0].kind is StatementKind.ANALYZE
