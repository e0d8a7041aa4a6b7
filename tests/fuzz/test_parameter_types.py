"""Parameters and results of every type that drivers send, in text and binary, as over PostgreSQL's own tables."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from demo_server import DATABASE
from sockets import compared, kinds
from streams import API_TABLE, COPY
from target import USER, Target, say, say_each

from wire.backend_decode import decode_data_row, decode_row_description
from wire.frontend import Bind, Describe, Execute, FrontendMessage, Parse, Sync

pytestmark = pytest.mark.slow

OWN_TYPES = """
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE DOMAIN small AS int4 CHECK (VALUE < 100);
CREATE TYPE pair AS (n int4, words text);
"""
VALUES = {
    "bool": "t",
    "int2": "-7",
    "int4": "2147483647",
    "int8": "-9223372036854775808",
    "float4": "1.5e-07",
    "float8": "0.1",
    "numeric": "-12345.678900",
    "numeric(40,2)": "NaN",
    "text": "it's é",
    "varchar": "x",
    "varchar(3)": "abc",
    "bpchar": "ab  ",
    "char(4)": "ab",
    "bytea": "\\x00ff",
    "date": "2024-02-29",
    "time": "23:59:59.999999",
    "timetz": "12:00:00+05:30",
    "timestamp": "infinity",
    "timestamptz": "2024-02-29 12:00:00.000001+00",
    "interval": "1 year 2 mons -3 days 04:05:06.7",
    "uuid": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    "json": '{"a": [1, null]}',
    "jsonb": '{"b": 1, "a": "\\u00e9"}',
    "inet": "192.0.2.1/24",
    "cidr": "2001:db8::/32",
    "macaddr": "08:00:2b:01:02:03",
    "bit(3)": "101",
    "varbit": "1",
    '"char"': "c",
    "name": "n",
    "oid": "4294967295",
    "regclass": "pg_class",
    "money": "1234.50",
    "point": "(1,2)",
    "tsvector": "'a' 'b'",
    "bool[]": "{t,NULL}",
    "int4[]": "{{1,2},{3,4}}",
    "int8[]": "{}",
    "text[]": '{a,"b c",NULL,""}',
    "numeric[]": "{1.10,2}",
    "float8[]": "{1.5,-Infinity}",
    "uuid[]": "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
    "date[]": "{2024-02-29}",
    "timestamptz[]": '{"2024-02-29 12:00:00+00"}',
    "jsonb[]": '{"{\\"a\\": 1}"}',
    "inet[]": "{192.0.2.1}",
    "bytea[]": '{"\\\\x00"}',
    "mood": "glad",
    "small": "7",
    "int4range": "[1,5)",
    "numrange": "(,1.5]",
    "tstzrange": '["2024-01-01 00:00:00+00",)',
    "int4multirange": "{[1,3),[5,7)}",
    "pair": '(1,"a b")',
    "mood[]": "{sad,glad}",
    "pair[]": '{"(1,x)"}',
}
TEXTS = (
    "SELECT $1{cast} AS value, column_name FROM {table} WHERE key ORDER BY 2, schema_name, table_name LIMIT 2",
    "SELECT count(*) AS n, max($1{cast}::text) AS value FROM {table} WHERE $1{cast}::text = {literal}::text",
)


@pytest.fixture(scope="module")
def typed(target: Target) -> Iterator[Target]:
    """Give the server users' own types."""
    with psycopg.connect(**target.demo.arguments(USER), dbname=DATABASE, autocommit=True) as connection:
        connection.execute(OWN_TYPES)
        yield target
        connection.execute("DROP TYPE pair, mood; DROP DOMAIN small")


def told(target: Target, literal: str) -> tuple[int, bytes]:
    """Ask PostgreSQL for a value's type and its binary form."""
    _, theirs = target.pair()
    messages = (
        Parse(statement=b"", text=f"SELECT {literal}".encode()),
        Bind(portal=b"", statement=b"", result_formats=(1,)),
        *(Describe(kind="P", name=b""), Execute(portal=b""), Sync()),
    )
    frames, _ = say(theirs, b"".join(each.encode() for each in messages))
    assert kinds(frames).startswith("12TDC"), literal
    (column,), (value,) = decode_row_description(frames[2].payload), decode_data_row(frames[3].payload)
    assert value is not None
    return column.type_oid, value


@pytest.mark.parametrize("type_name", VALUES)
def test_a_parameter_is_what_it_is_to_postgresql(typed: Target, type_name: str) -> None:
    text = VALUES[type_name]
    quoted = text.replace("'", "''")
    literal = f"'{quoted}'::{type_name}"
    type_oid, binary = told(typed, literal)
    messages: list[FrontendMessage] = []
    for statement, cast, type_oids in zip(TEXTS, (f"::{type_name}", ""), ((), (type_oid,)), strict=True):
        asked = statement.format(cast=cast, literal=literal, table=API_TABLE).encode()
        messages += [Parse(statement=b"", text=asked, type_oids=type_oids), Describe(kind="S", name=b"")]
        for value, parameter_format, result_formats in ((text.encode(), 0, (1, 0)), (binary, 1, ())):
            bind = Bind(
                portal=b"",
                statement=b"",
                parameter_formats=(parameter_format,),
                parameters=(value,),
                result_formats=result_formats,
            )
            messages += [bind, Describe(kind="P", name=b""), Execute(portal=b""), Sync()]
    ours, theirs = typed.pair()
    data = b"".join(each.encode() for each in messages)
    (answered, _), (expected, _) = say_each((ours, data), (theirs, data.replace(API_TABLE.encode(), COPY.encode())))
    assert "E" not in kinds(expected)
    assert compared(answered) == compared(expected)
