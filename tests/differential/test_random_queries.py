"""Random queries of many shapes have PostgreSQL's answer, or its error, by both engines.

A bounded number in every run, the same each time; `make fuzz` tries many others and prints what reproduces a failure.
"""

from __future__ import annotations

from arena import DUCKDB, POSTGRES, Answered, Arena, Refused, same_rows
from hypothesis import HealthCheck, event, given, settings
from random_queries import Query, queries

FUZZING = settings.get_current_profile_name() == "fuzz"
BOUNDS = settings(
    max_examples=settings().max_examples if FUZZING else 150,
    derandomize=not FUZZING,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)


def alike(truth: Answered, found: Answered, query: Query) -> bool:
    """Compare answers; of errors only whether there is one: which of several comes first is for a plan to choose."""
    if truth.error is not None or found.error is not None:
        return truth.error is not None and found.error is not None
    return same_rows(truth, found, ordered=query.ordered)


@BOUNDS
@given(query=queries())
def test_random_queries_have_postgresqls_answer_by_both_engines(arena: Arena, query: Query) -> None:
    truth = arena.by_postgres(query.text)
    try:
        bound = arena.bind(query.text)
    except Refused:
        event("refused by PostgreSQL")
        assert truth.error is not None
        return
    assert alike(truth, arena.by_engine(bound, POSTGRES), query), query.text
    if arena.duckdb_reason(bound) is not None:
        event("splice")
        return
    event("DuckDB fails" if truth.error is not None else "DuckDB")
    assert alike(truth, arena.by_engine(bound, DUCKDB, fallback=True), query), query.text
