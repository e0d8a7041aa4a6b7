"""What is known by a text's shape is what the text itself gives, whatever its literals are: parsed, bound, planned.

A bounded number in every run, the same each time; `make fuzz` tries many others.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from arena import Arena, Refused
from corpus import CASES
from hypothesis import HealthCheck, event, given, note, settings
from hypothesis import strategies as st
from other_literals import with_other_literals
from random_queries import queries
from sqlglot import exp

from omnisql_server.execute.allowed import refusal_of
from omnisql_server.execute.allowed_functions import NEAR
from omnisql_server.execute.by_form import written_form
from omnisql_server.execute.duckdb_text import compares_floats, duckdb_text
from omnisql_server.execute.lower import lower
from omnisql_server.model.meaning import Filling, Meaning, with_literals
from omnisql_server.model.query import BoundQuery, ParsedQuery
from omnisql_server.parse.grammar import NotParsed, parse_statements
from omnisql_server.parse.shaped import shaped_query, statements_of
from omnisql_server.parse.tree import parse_query

FUZZING = settings.get_current_profile_name() == "fuzz"
BOUNDS = settings(
    max_examples=settings().max_examples * 2 if FUZZING else 100,
    derandomize=not FUZZING,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
PARSED = tuple(name for name in ParsedQuery.__slots__ if name not in ("tree", "shape", "literals"))
BOUND = ("reason", "occurrences", "relations", "parameter_oids", "fields", "settings", "returns_rows")
CORPUS = [case.sql for case in CASES if case.setting is None]


def check_parsed(sql: str) -> bool:
    """Compare what is parsed; say whether it is by a shape."""
    try:
        truth = parse_statements(sql)
    except NotParsed:
        return False
    assert statements_of(sql) == truth
    shaped = False
    for statement in truth:
        if statement.query:
            plain, found = parse_query(statement.query), shaped_query(statement.query)
            assert [getattr(found, name) for name in PARSED] == [getattr(plain, name) for name in PARSED]
            tree = with_literals(found.tree, found.literals) if found.tree is not None else None
            assert tree == plain.tree
            shaped = shaped or found.shape is not None
    return shaped


def check_bound(arena: Arena, sql: str) -> None:
    """Compare what is bound: the trees by their types, too."""
    # Both at one moment, that of the transaction.
    arena.run("BEGIN")
    try:
        plain = arena.bind(sql)
        found = arena.bind(sql, shaped=True)
    except (Refused, NotParsed):
        return
    finally:
        arena.run("ROLLBACK")
    assert [getattr(found, name) for name in BOUND] == [getattr(plain, name) for name in BOUND]
    assert found.tree == plain.tree
    assert _typed(found) == _typed(plain)
    assert arena.duckdb_reason(found) == arena.duckdb_reason(plain)
    check_asked(found)


def check_asked(query: BoundQuery) -> None:
    """Compare what DuckDB is asked by a form, also for other values, to what the tree itself gives."""
    meaning, zone = query.meaning, query.settings.time_zone
    changed = {name: _changed(filling) for name, filling in meaning.fillings.items()} if meaning is not None else {}
    for fillings in (meaning.fillings, changed) if meaning is not None else ():
        one = replace(query, meaning=Meaning(meaning.form, fillings), derived={}) if meaning is not None else query
        form, tree = written_form(one), one.tree
        if form is not None and tree is not None:
            tree = lower(tree, zone)
            assert form.reason == refusal_of(one, tree)
            if form.reason is None:
                assert form.text(fillings) == duckdb_text(tree)
                assert form.native == compares_floats(tree)


def _changed(filling: Filling) -> Filling:
    """Give another value of the same kind."""
    node = filling.node.copy()
    for literal in node.find_all(exp.Literal):
        text = literal.name
        other = "2001-02-03" + text[10:] if NEAR.fullmatch(text) else "it's"
        literal.set("this", str(int(text) // 2) if text.isascii() and text.isdigit() else other)
        return replace(filling, text=literal.name, node=node)
    return filling


def _typed(query: BoundQuery) -> list[tuple[str, object, exp.DataType | None]]:
    """List a tree's nodes with what they say and their types."""
    nodes = query.tree.walk() if query.tree is not None else ()
    return [(node.key, node.args.get("this") if not node.find(exp.Query) else None, node.type) for node in nodes]


def test_statements_of_the_corpus_are_what_their_texts_are() -> None:
    random = Random(20_261_126)
    shaped = sum(check_parsed(with_other_literals(sql, random, share)) for sql in CORPUS[::4] for share in (0.0, 0.7))
    assert shaped > len(CORPUS[::4]) // 4


@BOUNDS
@given(seed=st.integers(0, 1 << 40))
def test_corpus_statements_with_other_literals_are_bound_alike(arena: Arena, seed: int) -> None:
    random = Random(seed)
    sql = with_other_literals(random.choice(CORPUS), random)
    note(sql)
    event("by its shape" if check_parsed(sql) else "as it is")
    check_bound(arena, sql)


@BOUNDS
@given(query=queries(), seed=st.integers(0, 1 << 40))
def test_random_queries_with_other_literals_are_bound_alike(arena: Arena, query: object, seed: int) -> None:
    sql = with_other_literals(query.text, Random(seed), 0.3)  # type: ignore[attr-defined]
    note(sql)
    event("by its shape" if check_parsed(sql) else "as it is")
    check_bound(arena, sql)
