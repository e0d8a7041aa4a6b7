"""Streams of frontend messages as Hypothesis strategies: of any order, and with bytes that nobody should send."""

from __future__ import annotations

import random
from dataclasses import dataclass

from hypothesis import strategies as st

from wire import frontend
from wire.payload import message

API_TABLE = "omnisql.columns"
COPY = "public.colcopy_"
"""The same rows as a local table; its name is as long, so that positions of errors are the same."""

RUN_TEXTS = (
    "SELECT column_name, key FROM {table} ORDER BY schema_name, table_name, column_name LIMIT 7",
    "SELECT count(*), min(type) FROM {table}",
    "SELECT table_name, count(*) AS n FROM {table} GROUP BY 1 ORDER BY n DESC, 1 LIMIT $1",
    "SELECT column_name FROM {table} WHERE table_name = $1 ORDER BY 1",
    "SELECT column_name, $1 + 1 FROM {table} WHERE key ORDER BY 1, schema_name, table_name LIMIT 3",
    "SELECT 1 / (count(*) - count(*)) FROM {table}",
    "SELECT nothing FROM {table}",
    "SELECT type::int4 FROM {table} WHERE type = 'text'",
    "SELECT column_name FROM {table} c JOIN (VALUES ('issues'), ('labels')) v (t) ON t = table_name ORDER BY 1, type",
    "COPY (SELECT DISTINCT schema_name FROM {table} ORDER BY 1) TO STDOUT",
    "EXPLAIN (COSTS OFF) SELECT FROM {table} WHERE",
    "INSERT INTO scratch SELECT length(column_name) FROM {table} WHERE table_name = 'issues'",
    "DECLARE c CURSOR WITH HOLD FOR SELECT DISTINCT table_name FROM {table} ORDER BY 1",
    "SELECT 1; SELECT DISTINCT schema_name FROM {table} ORDER BY 1; SELECT 2",
    "INSERT INTO scratch VALUES (7); SELECT count(*) FROM {table}; SELECT 1/0",
)
RELAYED_TEXTS = (
    "SELECT 1",
    "SELECT $1::text, $2::int4",
    "SELECT i, repeat('x', i) FROM generate_series(1, 9) AS i",
    "",
    ";;",
    "SELEKT 1",
    "SELECT 1/0",
    "SELECT 'unterminated",
    "BEGIN",
    "BEGIN READ ONLY",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT s",
    "ROLLBACK TO s",
    "RELEASE s",
    "INSERT INTO scratch VALUES (1), (2)",
    "SELECT sum(n) FROM scratch",
    "DELETE FROM scratch",
    "COPY scratch FROM STDIN",
    "COPY scratch TO STDOUT",
    "FETCH 2 FROM c",
    "CLOSE c",
    "SET statement_timeout = '20s'",
    "SET bytea_output = 'escape'",
    "SHOW search_path",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "DEALLOCATE p",
    "DISCARD PLANS",
    "BEGIN; INSERT INTO scratch VALUES (3); SELECT 1/0; COMMIT",
)
NAMES = (b"", b"", b"", b"a", b"b")
PARAMETERS = (None, b"", b"1", b"3", b"issues", b"\x00\x00\x00\x02", b"\x00\x02", b"-7", b"\xff\xfe", b"x" * 40)
TYPE_OIDS = (0, 0, 23, 25, 20, 16, 1700, 1184)


@dataclass(frozen=True, kw_only=True)
class Stream:
    """Messages for the server, and the same for PostgreSQL."""

    ours: tuple[bytes, ...]
    theirs: tuple[bytes, ...]


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Draw messages of any order."""
    ours: list[bytes] = []
    theirs: list[bytes] = []
    for _ in range(draw(st.integers(1, 24))):
        for encoded in _left_nothing(draw(_STEPS), ours):
            ours.append(encoded.replace(_PLACE, API_TABLE.encode()))
            theirs.append(encoded.replace(_PLACE, COPY.encode()))
    return Stream(ours=tuple(ours), theirs=tuple(theirs))


def _left_nothing(step: tuple[frontend.FrontendMessage, ...], before: list[bytes]) -> list[bytes]:
    """Encode messages; the first that may use the unnamed portal after a query comes behind a Close of it.

    What a query that fails in a block leaves there, PostgreSQL 18 may crash of when it is executed. The Close follows a
    Sync, without which it would be passed over after an error.
    """
    made: list[bytes] = []
    for message_ in step:
        encoded = message_.encode()
        said = [*before, *made]
        queries = [index for index, each in enumerate(said) if each[:1] == b"Q"]
        if encoded[:1] in (b"B", b"D", b"E") and queries and _CLOSED[1] not in said[queries[-1] :]:
            made.extend(_CLOSED)
        made.append(encoded)
    return made


@st.composite
def mutilated(draw: st.DrawFn) -> tuple[bytes, int]:
    """Draw a stream with some of its bytes changed, and the number of its messages."""
    stream = draw(streams())
    data = bytearray(b"".join(stream.ours))
    chance = random.Random(draw(st.integers(0, 2**32)))
    for _ in range(draw(st.integers(1, 6))):
        _MUTATIONS[chance.randrange(len(_MUTATIONS))](data, chance)
    return bytes(data), len(stream.ours)


def _texts(*groups: tuple[str, ...]) -> st.SearchStrategy[bytes]:
    return st.sampled_from([text.format(table=_PLACE.decode()).encode() for group in groups for text in group])


_CLOSED = (frontend.Sync().encode(), frontend.Close(kind="P", name=b"").encode())
_PLACE = b"@" * len(API_TABLE)
_TEXT = st.one_of(_texts(RUN_TEXTS), _texts(RELAYED_TEXTS))
_NAME = st.sampled_from(NAMES)
_KIND = st.sampled_from("SP")
_FORMATS = st.sampled_from([(), (), (0,), (1,)])
_PARSE = st.builds(
    frontend.Parse,
    statement=_NAME,
    text=_TEXT,
    type_oids=st.lists(st.sampled_from(TYPE_OIDS), max_size=2).map(tuple),
)
_BIND = st.builds(
    frontend.Bind,
    portal=_NAME,
    statement=_NAME,
    parameter_formats=st.sampled_from([(), (), (0,), (1,)]),
    parameters=st.lists(st.sampled_from(PARAMETERS), max_size=2).map(tuple),
    result_formats=_FORMATS,
)
_DESCRIBE = st.builds(frontend.Describe, kind=_KIND, name=_NAME)
_EXECUTE = st.builds(frontend.Execute, portal=_NAME, rows_max=st.sampled_from([0, 0, 1, 2, 5]))
_CLOSE = st.builds(frontend.Close, kind=_KIND, name=_NAME)
_ONE = st.one_of(_PARSE, _BIND, _DESCRIBE, _EXECUTE, _CLOSE, st.just(frontend.Sync()), st.just(frontend.Flush()))
_QUERY = st.builds(frontend.Query, text=_TEXT).map(lambda query: (query,))
_COPY_IN = st.sampled_from([b"1\n2\n", b"x\n", b"1", b"\\.\n"]).map(
    lambda data: (
        frontend.Query(text=b"COPY scratch FROM STDIN"),
        frontend.CopyData(data=data),
        frontend.CopyDone(),
    )
)


@st.composite
def _conversation(draw: st.DrawFn) -> tuple[frontend.FrontendMessage, ...]:
    """Draw what a driver sends for one statement, with some messages left out, doubled or put elsewhere."""
    said: list[frontend.FrontendMessage] = [draw(_PARSE), draw(_BIND), draw(_DESCRIBE), draw(_EXECUTE)]
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(said) - 1))
        change = draw(st.integers(0, 2))
        if change == 0 and len(said) > 1:
            del said[place]
        elif change == 1:
            said.insert(place, draw(_ONE))
        else:
            said.insert(place, said[place])
    return (*said, frontend.Sync())


_STEPS = st.one_of(_QUERY, _conversation(), _COPY_IN, st.tuples(_ONE))


def _flip(data: bytearray, chance: random.Random) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _drop(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data) + 1)
    del data[start : start + chance.randrange(1, 12)]


def _insert(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data) + 1)
    data[start:start] = chance.randbytes(chance.randrange(1, 12))


def _double(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data) + 1)
    data[start:start] = data[start : start + chance.randrange(1, 200)]


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data) + 1) :]


def _lie(data: bytearray, chance: random.Random) -> None:
    """Put an untrue length in front of nothing."""
    kind = chance.choice(b"QPBDECSHXdcfpF\x00z")
    length = chance.choice((0, 3, 4, 5, 1 << 20, 1 << 30, 0x7FFFFFFF, 0xFFFFFFFF))
    data += bytes([kind]) + length.to_bytes(4, "big") + chance.randbytes(chance.randrange(0, 30))


def _stray(data: bytearray, chance: random.Random) -> None:
    """Put a well-framed message of any kind and any content somewhere between bytes."""
    data += message(bytes([chance.choice(b"QPBDECSHXdcfpF")]), chance.randbytes(chance.randrange(0, 30)))


_MUTATIONS = (_flip, _flip, _drop, _insert, _double, _cut, _lie, _stray)
