"""Every statement of the corpus has PostgreSQL's answer, byte for byte, by each engine that may execute it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlglot
from arena import DUCKDB, POSTGRES, Answered, Arena, Refused, same_rows
from arena_loads import by_load
from corpus import AREAS, CASES, Case, cases, is_ordered, shares

from omnisql_server.execute import inline_values, load
from omnisql_server.execute.allowed import NODES
from omnisql_server.parse.canonical import canonical
from omnisql_server.parse.tree import _plain, parse_query

# Small relations are written into DuckDB's text, others are registered: both ways are taken.
VARIANTS = (("UTC", 400), ("America/New_York", -1), ("Asia/Kolkata", -1))
STATEMENTS_MIN = 600
SHARE_MIN = 0.72


@pytest.fixture(params=VARIANTS, ids=[zone for zone, _ in VARIANTS])
def zoned(arena: Arena, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Arena]:
    zone, cells_max = request.param
    monkeypatch.setattr(inline_values, "CELLS_MAX", cells_max)
    arena.set_time_zone(zone)
    yield arena
    arena.set_time_zone("UTC")


def readable(area: str, *sections: str) -> list[Case]:
    """Return the statements without effects: those with one are run in transactions of their own."""
    return [] if area == "volatile" else cases(area, *sections)


@contextmanager
def setting(arena: Arena, case: Case) -> Iterator[None]:
    """Run under the setting that a statement asks for."""
    if case.setting is None:
        yield
        return
    name = case.setting.partition(" = ")[0]
    before = arena.rows(f"SELECT current_setting('{name}')")[0][0]
    arena.run(f"SET {case.setting}")
    try:
        yield
    finally:
        arena.rows("SELECT set_config($1, $2, false)", [name, before])


def by_engine(arena: Arena, case: Case, engine: str) -> Answered:
    """Answer by an engine; a statement that PostgreSQL refuses to describe has that error."""
    try:
        query = arena.bind(case.sql)
    except Refused as refused:
        return Answered(error=refused.failure)
    return arena.by_engine(query, engine, fallback=case.section in ("fails", "falls"))


def differences(arena: Arena, area: str, engine: str, *sections: str) -> list[str]:
    found = []
    for case in readable(area, *sections):
        with setting(arena, case):
            truth, answer = arena.by_postgres(case.sql), by_engine(arena, case, engine)
        assert (truth.error is not None) == (case.section == "fails"), f"{case.sql}: {truth.error}"
        if not same_rows(truth, answer, ordered=is_ordered(case.sql)):
            found.append(f"{case.sql}: {truth.error} / {answer.error}")
    return found


@pytest.mark.parametrize("area", AREAS)
def test_duckdb_answers_what_postgresql_answers(zoned: Arena, area: str) -> None:
    assert differences(zoned, area, DUCKDB, "duckdb", "falls") == []


@pytest.mark.parametrize("area", AREAS)
def test_rows_loaded_into_a_table_are_what_postgresql_answers(
    arena: Arena, area: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "ROWS_MIN", 0)
    found = []
    for case in readable(area, "duckdb"):
        with setting(arena, case):
            query = arena.bind(case.sql)
            truth = arena.by_postgres(case.sql)
            if not same_rows(truth, by_load(arena, query), ordered=is_ordered(case.sql)):
                found.append(case.sql)
    assert found == []


@pytest.mark.parametrize("area", AREAS)
def test_the_splice_answers_what_postgresql_answers(zoned: Arena, area: str) -> None:
    assert differences(zoned, area, POSTGRES, "duckdb", "postgres", "falls") == []


@pytest.mark.parametrize("area", AREAS)
def test_an_error_is_postgresqls_own(arena: Arena, area: str) -> None:
    assert differences(arena, area, POSTGRES, "fails") == []


@pytest.mark.parametrize("case", cases("volatile", "postgres"), ids=lambda case: case.sql[:40])
def test_a_statement_with_effects_has_those_it_has_in_postgresql(arena: Arena, case: Case) -> None:
    outcomes = []
    for run in (arena.by_postgres, lambda sql: by_engine(arena, case, POSTGRES)):
        arena.run("BEGIN")
        try:
            arena.run("SELECT setval('counter', 1, false)")
            outcomes.append((run(case.sql), arena.rows(case.then) if case.then else None))
        finally:
            arena.run("ROLLBACK")
    assert outcomes[0][0].error is None
    assert outcomes[0] == outcomes[1]


def test_an_error_of_duckdb_is_never_shown(arena: Arena) -> None:
    allowed = []
    for case in CASES:
        if case.section != "fails" or case.setting is not None:
            continue
        truth = arena.by_postgres(case.sql)
        try:
            query = arena.bind(case.sql)
        except Refused:
            continue
        if arena.duckdb_reason(query) is None:
            allowed.append(case.sql)
            assert arena.by_engine(query, DUCKDB, fallback=True) == truth
    assert len(allowed) > 10


@pytest.mark.parametrize("area", AREAS)
def test_duckdb_may_execute_its_part_of_an_area_and_no_other(arena: Arena, area: str) -> None:
    wrong = []
    for case in readable(area, "duckdb", "postgres", "falls"):
        with setting(arena, case):
            reason = arena.duckdb_reason(arena.bind(case.sql))
        if (reason is None) != (case.section != "postgres"):
            wrong.append(f"{case.sql}: {reason}")
    assert wrong == []


def test_the_corpus_and_its_shares_may_not_shrink() -> None:
    assert len({(case.sql, case.setting) for case in CASES}) == len(CASES)
    assert len(CASES) >= STATEMENTS_MIN
    on_duckdb, answered = shares()
    assert on_duckdb / answered >= SHARE_MIN


def test_duckdb_executes_only_what_is_read_the_same_from_its_tree() -> None:
    """Every other statement is executed from the user's own text."""
    for case in CASES:
        if case.section == "duckdb":
            rendered = sqlglot.parse_one(case.sql, read="postgres").transform(_plain).sql("postgres")
            assert canonical(rendered) == canonical(case.sql), case.sql
            assert parse_query(case.sql).tree is not None


def test_every_allowed_node_is_exercised_on_duckdb(arena: Arena) -> None:
    seen: Counter[type] = Counter()
    for case in CASES:
        if case.section == "duckdb" and case.setting is None:
            tree = arena.bind(case.sql).tree
            assert tree is not None
            seen.update(type(node) for node in tree.walk())
    assert [node.__name__ for node in NODES if not seen[node]] == []
