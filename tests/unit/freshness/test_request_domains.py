"""A request that is said to be covered asks for no row that the other lacks: compared with PostgreSQL's meaning."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from connectors.sdk.scan import Direction, Disjunction, Operator, Predicate, Scan, SortKey
from connectors.sdk.testing.reference import holds, holds_any
from omnisql_server.freshness.domains import covers, request_of
from omnisql_server.freshness.entries import Entry, describe, described
from omnisql_server.freshness.index import Age, Index

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NUMBERS, WORDS = st.integers(0, 4), st.sampled_from(["a", "b", "B", ""])
MOMENTS = st.integers(0, 3).map(lambda days: NOW + timedelta(days=days))
COMPARISONS = [Operator.LT, Operator.LE, Operator.GT, Operator.GE, Operator.EQ, Operator.NE]


def scan(*predicates: Predicate, **changes: Any) -> Scan:
    """Describe a scan by one access path."""
    whole = Scan(table="t", access_path="p", columns=("n", "w", "m", "l"), predicates=predicates)
    return replace(whole, **changes)


def on(column: str, operator: Operator, value: Any = None) -> Predicate:
    return Predicate(column=column, operator=operator, value=value)


def _on(column: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Predicate]:
    lists = st.lists(values, min_size=1, max_size=3).map(tuple)
    return st.one_of(
        st.builds(on, st.just(column), st.sampled_from(COMPARISONS), values),
        st.builds(on, st.just(column), st.sampled_from([Operator.IN, Operator.NOT_IN]), lists),
        st.builds(on, st.just(column), st.sampled_from([Operator.IS_NULL, Operator.IS_NOT_NULL])),
    )


PREDICATES = st.one_of(
    _on("n", NUMBERS),
    _on("w", WORDS),
    _on("m", MOMENTS),
    st.builds(on, st.just("w"), st.just(Operator.LIKE), st.sampled_from(["a%", "%"])),
    st.builds(on, st.just("l"), st.just(Operator.CONTAINS), st.lists(WORDS, max_size=2).map(tuple)),
)
BRANCHES = st.lists(st.lists(PREDICATES, min_size=1, max_size=2).map(tuple), min_size=2, max_size=3).map(tuple)
EITHER = st.builds(lambda branches: Disjunction(branches=branches), BRANCHES)
SCANS = st.builds(
    lambda predicates, either: scan(*predicates, disjunctions=tuple(either)),
    st.lists(PREDICATES, max_size=4),
    st.lists(EITHER, max_size=2),
)
ROWS = st.fixed_dictionaries(
    {
        "n": st.none() | NUMBERS,
        "w": st.none() | WORDS,
        "m": st.none() | MOMENTS,
        "l": st.none() | st.lists(WORDS, max_size=3),
    }
)


@settings(max_examples=600, deadline=None)
@given(
    known=SCANS,
    more=st.lists(PREDICATES, max_size=3),
    either=st.lists(EITHER, max_size=1),
    kept=st.booleans(),
    rows=st.lists(ROWS, min_size=1, max_size=8),
)
def test_a_covered_request_asks_for_no_row_that_is_missing(
    known: Scan, more: list[Predicate], either: list[Disjunction], kept: bool, rows: list[dict[str, Any]]
) -> None:
    narrower = [_narrowed(each, more) for each in known.disjunctions] if kept else []
    asked = scan(*more, *known.predicates[:2], disjunctions=(*either, *narrower))
    if covers(request_of(known), request_of(asked)):
        for row in rows:
            assert _meets(row, known) or not _meets(row, asked)


def _narrowed(either: Disjunction, more: list[Predicate]) -> Disjunction:
    """Leave out the first branch, and narrow the others."""
    return Disjunction(branches=tuple((*branch, *more[:1]) for branch in either.branches[1:]))


def _meets(row: dict[str, Any], one: Scan) -> bool:
    return all(holds(row, each) for each in one.predicates) and all(holds_any(row, each) for each in one.disjunctions)


@given(known=SCANS, more=st.lists(PREDICATES, max_size=3))
@settings(max_examples=200, deadline=None)
def test_a_narrower_request_is_covered(known: Scan, more: list[Predicate]) -> None:
    assert covers(request_of(known), request_of(replace(known, predicates=(*known.predicates, *more))))


@given(st.lists(SCANS, max_size=8), SCANS)
@settings(max_examples=200, deadline=None)
def test_the_index_finds_what_looking_at_each_entry_finds(known: list[Scan], asked: Scan) -> None:
    # The planner sees to it that a list is never empty: no request is made then.
    assume(all(domain.values != frozenset() for domain in request_of(asked).domains.values()))
    index = Index()
    entries = [_entry(str(number), one, number) for number, one in enumerate(known)]
    for entry in entries:
        index.add(entry)
    covering = [e for e in entries if covers(e.request, request_of(asked))]
    found = index.find(request_of(asked), Age(oldest_us=3))
    youngest = max((e.fetched_us for e in covering if e.fetched_us >= 3), default=None)
    assert (found.fetched_us if found is not None else None) == youngest


@given(SCANS)
@settings(max_examples=200, deadline=None)
def test_what_describes_an_entry_is_read_as_it_was_written(one: Scan) -> None:
    entry = _entry(
        "e", replace(one, keys={"k": 1.5, "b": ("x", None)}, order=(SortKey(column="n", direction=Direction.DESC),)), 9
    )
    assert described("e", describe(entry)) == entry


def _entry(name: str, one: Scan, fetched_us: int) -> Entry:
    return Entry(
        id=name, request=request_of(one), fetched_us=fetched_us, full_us=fetched_us, cost=1, row_count=0, size_bytes=0
    )


FOUR, OPEN = on("n", Operator.EQ, 4), on("w", Operator.EQ, "open")
EITHER_OF = Disjunction(branches=((FOUR,), (OPEN, on("m", Operator.GE, NOW))))


def test_an_or_is_part_of_what_was_asked_for() -> None:
    known = request_of(scan(disjunctions=(EITHER_OF,)))
    assert known.identity != request_of(scan()).identity
    assert not covers(known, request_of(scan()))
    assert covers(request_of(scan()), known)
    swapped = Disjunction(branches=tuple(tuple(reversed(branch)) for branch in reversed(EITHER_OF.branches)))
    assert request_of(scan(disjunctions=(swapped,))).identity == known.identity
    assert {"n", "w", "m"} <= scan(disjunctions=(EITHER_OF,)).compared


def test_what_implies_a_side_of_an_or_is_covered_by_it() -> None:
    known = request_of(scan(disjunctions=(EITHER_OF,)))
    later = on("m", Operator.GT, NOW + timedelta(days=1))
    one = Disjunction(branches=((FOUR, OPEN), (OPEN, later)))
    other = Disjunction(branches=((FOUR,), (OPEN,)))
    assert covers(known, request_of(scan(FOUR)))
    assert covers(known, request_of(scan(OPEN, later)))
    assert covers(known, request_of(scan(disjunctions=(one,))))
    assert covers(known, request_of(scan(later, disjunctions=(other,))))
    assert not covers(known, request_of(scan(OPEN)))
    assert not covers(known, request_of(scan(disjunctions=(other,))))
    assert not covers(known, request_of(scan(disjunctions=(Disjunction(branches=((FOUR,), (later,))),))))


def test_first_rows_are_those_of_the_very_same_or() -> None:
    known = request_of(scan(disjunctions=(EITHER_OF,), limit=9))
    assert covers(known, request_of(scan(disjunctions=(EITHER_OF,), limit=3)))
    assert not covers(known, request_of(scan(limit=3)))
    assert not covers(known, request_of(scan(FOUR, limit=3)))


def test_values_of_different_types_are_different() -> None:
    one = request_of(scan(keys={"k": 1}))
    assert covers(one, request_of(scan(keys={"k": 1})))
    assert not covers(one, request_of(scan(keys={"k": True})))
    assert not covers(one, request_of(scan(keys={"k": 1.0})))


def test_what_is_only_a_parameter_matches_exactly() -> None:
    known = request_of(scan(keys={"q": "is:open"}))
    others = (
        scan(),
        scan(keys={"q": "IS:OPEN"}),
        scan(keys={"q": "is:open "}),
        scan(keys={"q": ("is:open", "is:closed")}),
        scan(on("q", Operator.LIKE, "is:open")),
        scan(on("q", Operator.NE, "is:closed")),
    )
    assert [one for one in others if covers(known, request_of(one))] == []
    assert covers(known, request_of(scan(keys={"q": "is:open"})))


def test_text_is_not_ordered_here() -> None:
    wide, narrow = scan(on("w", Operator.GT, "a")), scan(on("w", Operator.GT, "b"))
    assert not covers(request_of(wide), request_of(narrow))


def test_columns_and_access_path_must_be_there() -> None:
    known = request_of(scan(columns=("n",)))
    assert not covers(known, request_of(scan(columns=("n", "w"))))
    assert not covers(known, request_of(scan(columns=("n",), access_path="other")))
    assert not covers(known, request_of(scan(columns=("n",), table="other")))


def test_first_rows_answer_only_the_same_request_for_as_many_or_fewer() -> None:
    order = (SortKey(column="n", direction=Direction.ASC),)
    known = request_of(scan(on("n", Operator.GT, 1), order=order, limit=10))
    assert covers(known, request_of(scan(on("n", Operator.GT, 1), order=order, limit=10)))
    assert covers(known, request_of(scan(on("n", Operator.GT, 1), order=order, limit=3)))
    assert not covers(known, request_of(scan(on("n", Operator.GT, 1), order=order, limit=11)))
    assert not covers(known, request_of(scan(on("n", Operator.GT, 1), order=order)))
    assert not covers(known, request_of(scan(on("n", Operator.GT, 1), limit=3)))
    assert not covers(known, request_of(scan(on("n", Operator.GT, 2), order=order, limit=3)))


def test_a_complete_answer_has_the_first_rows_too() -> None:
    assert covers(request_of(scan()), request_of(scan(limit=3)))
