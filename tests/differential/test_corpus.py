"""Every statement of the corpus has PostgreSQL's answer, byte for byte, by each engine that may execute it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from arena import DUCKDB, POSTGRES, Arena, same_rows
from corpus import BY_SPLICE, FAILING, ON_DUCKDB

from omnisql_server.execute import inline_values
from omnisql_server.execute.allowed import NODES

# Small relations are written into DuckDB's text, others are registered: both ways are taken.
VARIANTS = (("UTC", 400), ("America/New_York", -1), ("Asia/Kolkata", -1))


@pytest.fixture(params=VARIANTS, ids=[zone for zone, _ in VARIANTS])
def zoned(arena: Arena, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Arena]:
    zone, cells_max = request.param
    monkeypatch.setattr(inline_values, "CELLS_MAX", cells_max)
    arena.set_time_zone(zone)
    yield arena
    arena.set_time_zone("UTC")


def is_ordered(sql: str) -> bool:
    """Say whether the statement's own ORDER BY fixes the order of its rows."""
    depth, found = 0, False
    for place, letter in enumerate(sql.upper()):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        found = found or (depth == 0 and sql.upper().startswith("ORDER BY", place))
    return found


def differences(arena: Arena, sql: str, engines: tuple[str, ...]) -> list[str]:
    truth, query = arena.by_postgres(sql), arena.bind(sql)
    assert truth.error is None, f"{sql}: {truth.error}"
    answers = [(engine, arena.by_engine(query, engine)) for engine in engines]
    return [f"{engine}: {sql}" for engine, answer in answers if not same_rows(truth, answer, ordered=is_ordered(sql))]


def test_both_engines_answer_what_postgresql_answers(zoned: Arena) -> None:
    found = [line for sql in ON_DUCKDB for line in differences(zoned, sql, (DUCKDB, POSTGRES))]
    assert found == []


def test_the_splice_answers_what_postgresql_answers(zoned: Arena) -> None:
    assert [line for sql in BY_SPLICE for line in differences(zoned, sql, (POSTGRES,))] == []


def test_duckdb_may_execute_its_part_of_the_corpus_and_no_other(arena: Arena) -> None:
    reasons = {sql: arena.duckdb_reason(arena.bind(sql)) for sql in (*ON_DUCKDB, *BY_SPLICE)}
    assert {sql: reasons[sql] for sql in ON_DUCKDB if reasons[sql]} == {}
    assert [sql for sql in BY_SPLICE if reasons[sql] is None] == []
    assert (len(ON_DUCKDB) >= 150, len(BY_SPLICE) >= 60) == (True, True)
    print(f"\n{len(ON_DUCKDB)} of {len(reasons)} statements run on DuckDB: {len(ON_DUCKDB) / len(reasons):.0%}")


def test_every_allowed_node_is_exercised_on_duckdb(arena: Arena) -> None:
    seen: Counter[type] = Counter()
    for sql in ON_DUCKDB:
        tree = arena.bind(sql).tree
        assert tree is not None
        seen.update(type(node) for node in tree.walk())
    assert [node.__name__ for node in NODES if not seen[node]] == []


@pytest.mark.parametrize(("sql", "sqlstate"), FAILING)
def test_an_error_is_postgresqls_own(arena: Arena, sql: str, sqlstate: str) -> None:
    query = arena.bind(sql)
    allowed = arena.duckdb_reason(query) is None
    # DuckDB's failure is never shown: the statement is executed again by PostgreSQL.
    engines = (POSTGRES, DUCKDB) if allowed else (POSTGRES,)
    errors = [arena.by_engine(query, engine, fallback=True).error for engine in engines]
    assert (arena.by_postgres(sql).error, *errors) == (sqlstate,) * (1 + len(engines))
