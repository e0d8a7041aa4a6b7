"""Units that may be answered without the backend, among all that could tell of it, beside PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import psycopg
import pytest
from demo_server import DATABASE
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import FUZZING, as_profiled
from sockets import compared
from target import USER, Target

from wire.frontend import Bind, Close, Describe, Execute, FrontendMessage, Parse, Query, Sync

pytestmark = pytest.mark.slow

API_TABLE, COPY = b"github.issues", b"public.issue_"
"""Names of one length, so that positions of errors are the same."""
_FROM = b"FROM github.issues WHERE owner = 'acme' AND repo = 'web'"
_TEXTS = (
    b"SELECT number, title " + _FROM + b" ORDER BY number LIMIT 3",
    b"SELECT created_at, number " + _FROM + b" AND number < $1::int4 ORDER BY number LIMIT 4",
    b"SELECT count(*), min(created_at) AS first " + _FROM,
)
_NAMES = (b"", b"a", b"b")

Step = tuple[FrontendMessage, ...]


@pytest.fixture(scope="module")
def kept(target: Target) -> Iterator[Target]:
    """Copy the API table's rows, and have the answers of all texts kept, in text and in binary form."""
    with psycopg.connect(**target.demo.arguments(USER), dbname=DATABASE, autocommit=True) as connection:
        connection.execute("SET omnisql.max_staleness = '1h'")
        connection.execute(b"CREATE TABLE " + COPY + b" AS SELECT owner, repo, number, title, created_at " + _FROM)
        yield target
        connection.execute(b"DROP TABLE " + COPY)


def _unit(
    text: bytes, name: bytes, ways: tuple[bool, bool, int], *, parsed: bool = True, described: bool = True
) -> Step:
    number_is_binary, values_are_binary, limit = ways
    number = (6).to_bytes(4) if number_is_binary else b"6"
    bind = Bind(
        portal=b"",
        statement=name,
        parameters=(number,) if b"$1" in text else (),
        parameter_formats=(int(number_is_binary),) if b"$1" in text else (),
        result_formats=(int(values_are_binary),),
    )
    messages: Step = (bind, Execute(portal=b"", rows_max=limit), Sync())
    if described:
        messages = (bind, Describe(kind="P", name=b""), *messages[1:])
    return (Parse(statement=name, text=text), *messages) if parsed else messages


_text = st.sampled_from(_TEXTS)
_ways = st.tuples(st.booleans(), st.booleans(), st.sampled_from([0, 0, 0, 2]))
_unnamed = st.builds(_unit, _text, st.just(b""), _ways, described=st.booleans())
_named = st.builds(_unit, _text, st.sampled_from(_NAMES), _ways, parsed=st.just(False), described=st.booleans())
_prepare = st.builds(lambda text, name: (Parse(statement=name, text=text), Sync()), _text, st.sampled_from(_NAMES))
_other = st.sampled_from(
    [
        (Describe(kind="S", name=b""), Sync()),
        (Describe(kind="S", name=b"a"), Sync()),
        (Describe(kind="P", name=b""), Sync()),
        (Execute(portal=b""), Sync()),
        (Close(kind="S", name=b"a"), Sync()),
        (Close(kind="S", name=b""), Sync()),
        (Parse(statement=b"", text=b"SELECT 1"), Bind(portal=b"", statement=b""), Execute(portal=b""), Sync()),
        (Parse(statement=b"", text=b"SELEKT"), Sync()),
        *(
            (Query(text=text),)
            for text in (
                _TEXTS[0],
                _TEXTS[2],
                b"",
                b"BEGIN",
                b"COMMIT",
                b"SELECT 1/0",
                b"SET TimeZone = 'Asia/Tokyo'",
                b"SET TimeZone = 'UTC'",
                b"DEALLOCATE a",
                b"DEALLOCATE ALL",
                b"EXECUTE a",
                b"PREPARE b AS SELECT 2",
                b"SELECT name FROM pg_prepared_statements WHERE name !~ '^omnisql_' ORDER BY 1",
            )
        ),
    ]
)


def ready(step: Step) -> int:
    """Count the answers to wait for."""
    return sum(isinstance(message, Sync | Query) for message in step)


def differ(target: Target, steps: Sequence[Step]) -> None:
    """Send steps to both servers, each when the one before is answered, and compare."""
    ours, theirs = target.pair()
    ours.run("SET omnisql.max_staleness = '1h'")
    for step in steps:
        data = b"".join(message.encode() for message in step)
        ours.send(data)
        theirs.send(data.replace(API_TABLE, COPY))
        assert compared(ours.until_ready(ready(step))) == compared(theirs.until_ready(ready(step)))


@settings(as_profiled, max_examples=as_profiled.max_examples if FUZZING else 25)
@given(steps=st.lists(st.one_of(_unnamed, _unnamed, _named, _named, _prepare, _other), min_size=3, max_size=16))
def test_what_is_repeated_is_what_postgresql_answers(kept: Target, steps: list[Step]) -> None:
    # Twice each: what has been run once outside a transaction may be repeated.
    differ(kept, [step for step in steps for _ in range(2)])
    kept.count(2 * sum(map(len, steps)))


LATER: dict[str, tuple[Step, ...]] = {
    "bound": ((Bind(portal=b"", statement=b""), Execute(portal=b""), Sync()),),
    "described": ((Describe(kind="S", name=b""), Sync()),),
    "closed": ((Close(kind="S", name=b""), Sync()), (Bind(portal=b"", statement=b""), Sync())),
    "gone with a query": ((Query(text=b"SELECT 1"),), (Bind(portal=b"", statement=b""), Sync())),
    "gone with a query that is run": ((Query(text=_TEXTS[2]),), (Bind(portal=b"", statement=b""), Sync())),
    "replaced": ((Parse(statement=b"", text=b"SELECT 7"), Sync()), (Describe(kind="S", name=b""), Sync())),
    "replaced by none": ((Parse(statement=b"", text=b"SELEKT"), Sync()), (Describe(kind="S", name=b""), Sync())),
}


@pytest.mark.parametrize("later", LATER)
def test_the_unnamed_statement_is_that_of_the_last_unit(kept: Target, later: str) -> None:
    one, other = (_unit(text, b"", (False, False, 0)) for text in (_TEXTS[0], _TEXTS[2]))
    differ(kept, (one, one, other, other, one, *LATER[later], one, other, *LATER[later]))
