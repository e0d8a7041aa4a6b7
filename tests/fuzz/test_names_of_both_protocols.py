"""Portals and statements that one protocol names and the other uses, answered as PostgreSQL answers them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from sockets import compared, kinds
from streams import API_TABLE, COPY
from target import Target, say, say_each

from wire.backend_decode import decode_report
from wire.frontend import Bind, Close, CopyData, CopyDone, Describe, Execute, Flush, FrontendMessage, Parse, Query, Sync

pytestmark = pytest.mark.slow

ROWS = "SELECT column_name FROM {table} WHERE table_name = $1 ORDER BY 1 LIMIT 6"
MOVEMENTS = (
    "FETCH c",
    "FETCH 2 FROM c",
    "FETCH ALL FROM c",
    "FETCH 0 FROM c",
    "FETCH -1 FROM c",
    "FETCH PRIOR FROM c",
    "FETCH BACKWARD 0 FROM c",
    "FETCH FIRST FROM c",
    "FETCH LAST FROM c",
    "FETCH ABSOLUTE 2 FROM c",
    "FETCH ABSOLUTE 5 FROM c",
    "FETCH ABSOLUTE 9 FROM c",
    "FETCH ABSOLUTE 0 FROM c",
    "FETCH RELATIVE 3 FROM c",
    "FETCH RELATIVE 0 FROM c",
    "FETCH RELATIVE -1 FROM c",
    "MOVE c",
    "MOVE 0 FROM c",
    "MOVE 3 IN c",
    "MOVE -2 IN c",
    "MOVE ALL FROM c",
    "MOVE BACKWARD 0 FROM c",
    "MOVE BACKWARD ALL FROM c",
    "MOVE ABSOLUTE 0 FROM c",
    "MOVE ABSOLUTE 4 FROM c",
    "MOVE ABSOLUTE -2 FROM c",
    "MOVE 1 FROM nobody",
    "FETCH 1 FROM c; MOVE 1 FROM c; FETCH 1 FROM c",
    "CLOSE c",
)
BEFORE: tuple[tuple[FrontendMessage, ...], ...] = (
    (),
    (Execute(portal=b"c", rows_max=2),),
    (Execute(portal=b"c"),),
    (Execute(portal=b"c", rows_max=6),),
)
"""Nothing is read, two rows, all, and as many as there are, after which PostgreSQL does not know that it was all."""


def differ(target: Target, messages: Sequence[FrontendMessage]) -> None:
    """Send the same to both, over the API table and over its copy, and compare."""
    ours, theirs = target.pair()
    data = b"".join(message.encode() for message in messages)
    (answered, _), (expected, _) = say_each((ours, data), (theirs, data.replace(API_TABLE.encode(), COPY.encode())))
    assert compared(answered) == compared(expected)


def prepared(text: str) -> bytes:
    return text.format(table=API_TABLE).encode()


@pytest.mark.parametrize("movement", MOVEMENTS)
def test_a_portal_is_moved_by_sql(target: Target, movement: str) -> None:
    said: list[FrontendMessage] = []
    for before in BEFORE:
        said += [
            Query(text=b"BEGIN"),
            Parse(statement=b"", text=prepared(ROWS)),
            Bind(portal=b"c", statement=b"", parameters=(b"issues",)),
            *before,
            Sync(),
            Query(text=movement.encode()),
            Execute(portal=b"c", rows_max=1),
            Sync(),
            Query(text=b"FETCH 1 FROM c"),
            Query(text=b"ROLLBACK"),
        ]
    differ(target, said)


@pytest.mark.parametrize("text", [ROWS, "INSERT INTO scratch SELECT count(*) FROM {table} WHERE type = $1"])
def test_a_portal_in_a_failed_block_is_not_described(target: Target, text: str) -> None:
    differ(
        target,
        (
            Query(text=b"BEGIN"),
            Parse(statement=b"", text=prepared(text)),
            *(Bind(portal=b"c", statement=b"", parameters=(b"issues",)), Sync()),
            Query(text=b"SELEKT"),
            *(Describe(kind="P", name=b"c"), Sync(), Execute(portal=b"c"), Sync()),
            *(Close(kind="P", name=b"c"), Execute(portal=b"c"), Sync()),
            Query(text=b"ROLLBACK"),
        ),
    )


@pytest.mark.parametrize("second", [ROWS, "SELECT 1"])
def test_a_refused_parse_takes_the_unnamed_statement_along(target: Target, second: str) -> None:
    differ(
        target,
        (
            Query(text=b"BEGIN"),
            *(Parse(statement=b"", text=prepared(ROWS)), Sync(), Query(text=b"SAVEPOINT s")),
            *(Parse(statement=b"", text=prepared(ROWS)), Bind(portal=b"", statement=b""), Sync()),
            *(Parse(statement=b"", text=prepared(second)), Sync()),
            *(Describe(kind="S", name=b""), Sync(), Query(text=b"ROLLBACK TO s"), Describe(kind="S", name=b""), Sync()),
            Query(text=b"ROLLBACK"),
        ),
    )


@pytest.mark.parametrize("formats", [(), (1,)], ids=["text", "binary"])
@pytest.mark.parametrize("movement", [each for each in MOVEMENTS if ";" not in each])
def test_a_portal_is_moved_in_the_extended_protocol(target: Target, movement: str, formats: tuple[int, ...]) -> None:
    said: list[FrontendMessage] = []
    for before in BEFORE:
        said += [
            Query(text=b"BEGIN"),
            Parse(statement=b"", text=prepared(ROWS)),
            Bind(portal=b"c", statement=b"", parameters=(b"issues",), result_formats=formats),
            *before,
            *(Parse(statement=b"m", text=movement.encode()), Describe(kind="S", name=b"m"), Sync()),
            *(Bind(portal=b"", statement=b"m", result_formats=formats), Describe(kind="P", name=b"")),
            *(Execute(portal=b"", rows_max=1), Execute(portal=b""), Execute(portal=b""), Sync()),
            *(Execute(portal=b"c", rows_max=1), Sync()),
            *(Bind(portal=b"", statement=b"m"), Execute(portal=b""), Sync()),
            *(Query(text=b"FETCH 1 FROM c"), Query(text=b"ROLLBACK")),
            *(Close(kind="S", name=b"m"), Sync()),
        ]
    differ(target, said)


NUMBERS = (
    "SELECT key, ordinal, column_name, ARRAY[ordinal] AS a FROM {table} WHERE table_name = $1 ORDER BY 2, 3 LIMIT 6"
)


@pytest.mark.parametrize("bound", [(1,), (0, 1, 0, 1), ()], ids=str)
@pytest.mark.parametrize("fetched", [(1,), (1, 0, 1, 0), ()], ids=str)
def test_rows_are_fetched_in_other_formats_than_the_portals(
    target: Target, bound: tuple[int, ...], fetched: tuple[int, ...]
) -> None:
    differ(
        target,
        (
            Query(text=b"BEGIN"),
            Parse(statement=b"", text=prepared(NUMBERS)),
            *(Bind(portal=b"c", statement=b"", parameters=(b"issues",), result_formats=bound), Sync()),
            *(Parse(statement=b"", text=b"FETCH 2 FROM c"), Bind(portal=b"f", statement=b"", result_formats=fetched)),
            *(Describe(kind="P", name=b"f"), Execute(portal=b"f"), Execute(portal=b"c", rows_max=1), Sync()),
            *(Query(text=b"FETCH 2 FROM c"), Execute(portal=b"c"), Sync()),
            Query(text=b"ROLLBACK"),
        ),
    )


def test_what_a_movement_names_may_change_its_kind(target: Target) -> None:
    fetch = (Bind(portal=b"", statement=b"m"), Describe(kind="P", name=b""), Execute(portal=b""), Sync())
    differ(
        target,
        (
            Query(text=b"BEGIN"),
            Parse(statement=b"", text=prepared(ROWS)),
            *(Bind(portal=b"c", statement=b"", parameters=(b"issues",)), Sync()),
            *(Parse(statement=b"m", text=b"FETCH 2 FROM c"), Sync(), *fetch),
            *(Bind(portal=b"", statement=b"m"), Close(kind="P", name=b"c"), Execute(portal=b""), Sync()),
            *(Query(text=b"ROLLBACK; BEGIN; DECLARE c CURSOR FOR SELECT 'x' AS column_name"), *fetch, *fetch),
            *(Query(text=b"CLOSE c"), *fetch, Query(text=b"ROLLBACK"), *fetch),
            *(Close(kind="S", name=b"m"), *fetch),
        ),
    )


@pytest.mark.parametrize("movement", ["FETCH 2 FROM c", "  move 2 in c", "FETCH 1 FROM c; SELECT 1", "fetch c from"])
def test_a_movement_is_parsed_before_there_is_what_it_moves(target: Target, movement: str) -> None:
    bound = (Bind(portal=b"", statement=b"m"), Describe(kind="P", name=b""), Execute(portal=b""), Sync())
    described = (Describe(kind="S", name=b"m"), Sync())
    differ(
        target,
        (
            *(Parse(statement=b"m", text=movement.encode()), Sync(), *described, *bound),
            Query(text=b"BEGIN; DECLARE c CURSOR FOR SELECT i FROM generate_series(1, 5) AS i"),
            *(*described, *bound, Query(text=b"CLOSE c")),
            Parse(statement=b"", text=prepared(ROWS)),
            *(Bind(portal=b"c", statement=b"", parameters=(b"issues",)), Sync(), *described, *bound, *bound),
            *(Execute(portal=b"c", rows_max=1), Sync(), Query(text=b"ROLLBACK"), *bound),
            *(Close(kind="S", name=b"m"), Sync(), *bound),
        ),
    )


@pytest.mark.parametrize("block", [False, True], ids=["alone", "in a block"])
@pytest.mark.parametrize(
    "prepare",
    [
        f"PREPARE p (text) AS {ROWS}",
        f"PREPARE p AS {ROWS}",
        "PREPARE p (int4, int4) AS SELECT count(*) + $1 + $2 FROM {table}",
        "PREPARE p (text) AS INSERT INTO scratch SELECT length(column_name) FROM {table} WHERE table_name = $1",
        "PREPARE p (text) AS SELECT $1",
    ],
)
def test_what_sql_has_prepared_is_bound(target: Target, prepare: str, *, block: bool) -> None:
    bind = Bind(portal=b"", statement=b"p", parameters=(b"issues",))
    differ(
        target,
        (
            *([Query(text=b"BEGIN")] if block else []),
            Query(text=prepare.format(table=API_TABLE).encode()),
            *(bind, Describe(kind="P", name=b""), Execute(portal=b""), Sync()),
            *(bind, Execute(portal=b"", rows_max=2), Execute(portal=b"", rows_max=2), Flush()),
            *(Execute(portal=b""), Sync()),
            *(Describe(kind="S", name=b"p"), Bind(portal=b"", statement=b"p"), Sync()),
            *([Query(text=b"ROLLBACK")] if block else []),
            Query(text=b"SELECT sum(n) FROM scratch"),
            Query(text=b"DEALLOCATE p"),
            Query(text=b"PREPARE p (text) AS SELECT upper($1)"),
            *(bind, Execute(portal=b""), Sync()),
            Close(kind="S", name=b"p"),
            *(bind, Execute(portal=b""), Sync()),
        ),
    )


@pytest.mark.parametrize("text", [ROWS, "SELECT count(*), $1 FROM {table}", "SELECT nothing, $1 FROM {table}"])
def test_what_the_protocol_has_prepared_is_executed_by_sql(target: Target, text: str) -> None:
    differ(
        target,
        (
            Parse(statement=b"named", text=prepared(text), type_oids=(25,)),
            Sync(),
            Query(text=b"EXECUTE named('issues')"),
            Query(text=b"SELECT 1; EXECUTE named('issues'); SELECT 2"),
            Query(text=b"EXPLAIN EXECUTE named"),
            Parse(statement=b"", text=b"EXECUTE named('labels')"),
            *(Bind(portal=b"", statement=b""), Execute(portal=b"", rows_max=1), Sync()),
            Query(text=b"EXECUTE named"),
            Query(text=b"DEALLOCATE named"),
            Query(text=b"EXECUTE named('issues')"),
        ),
    )


@pytest.mark.parametrize("failing", ["COPY scratch FROM STDIN", "SELECT 1/0", "SELEKT"])
def test_what_a_failed_query_leaves_is_not_executed(target: Target, failing: str) -> None:
    ours, _ = target.pair()
    data = CopyData(data=b"x\n").encode() + CopyDone().encode() if failing.startswith("COPY") else b""
    for _ in range(20):
        executes = (Parse(statement=b"", text=b"SELECT 1"), Sync(), Execute(portal=b""), Sync())
        said = (Query(text=b"BEGIN").encode(), Query(text=failing.encode()).encode(), data)
        frames, lives = say(ours, b"".join(said) + b"".join(each.encode() for each in executes))
        assert lives
        assert [decode_report(frame.payload)["C"] for frame in frames if frame.kind == b"E"][1:] == ["25P02", "34000"]


def test_a_query_is_never_taken_for_what_another_was(target: Target) -> None:
    ours, _ = target.pair()
    frames = ours.run(f"PREPARE q AS SELECT count(*) FROM {API_TABLE}; DEALLOCATE q; PREPARE q AS SELECT 7")
    assert "E" not in kinds(frames)
    bound = Bind(portal=b"", statement=b"q").encode() + Execute(portal=b"").encode() + Sync().encode()
    frames, _ = say(ours, bound)
    assert [frame.data[-1:] for frame in frames if frame.kind == b"D"] == [b"7"]
    assert "E" not in kinds(ours.run("DEALLOCATE q"))
