"""Bytes that no client should send, to a whole server: they end one connection and nothing else."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from demo_server import DATABASE, PASSWORD, DemoServer
from scramp import ScramClient
from sessions import WEB_COUNT, value_of

from wire.startup import encode_startup

TIMEOUT_S = 5.0


@pytest.fixture
def plain(demo: DemoServer) -> Iterator[socket.socket]:
    """Open a socket that has said nothing yet."""
    with closing(socket.create_connection(("127.0.0.1", demo.port), TIMEOUT_S)) as connection:
        yield connection


def read_to_end(connection: socket.socket) -> bytes:
    """Read until the server hangs up."""
    received = bytearray()
    while True:
        try:
            data = connection.recv(65_536)
        except ConnectionResetError:
            data = b""
        if not data:
            return bytes(received)
        received += data


def read_message(connection: socket.socket) -> tuple[bytes, bytes]:
    """Read one message: its type and its body."""
    kind, length = struct.unpack("!cI", connection.recv(5, socket.MSG_WAITALL))
    return kind, connection.recv(length - 4, socket.MSG_WAITALL) if length > 4 else b""


def message(kind: bytes, body: bytes) -> bytes:
    """Write a message."""
    return kind + struct.pack("!I", len(body) + 4) + body


def log_in(connection: socket.socket) -> None:
    """Start up and authenticate, up to ReadyForQuery (PostgreSQL 18, chapter 54.3)."""
    connection.sendall(encode_startup({"user": "ana", "database": DATABASE}))
    read_message(connection)
    scram = ScramClient(["SCRAM-SHA-256"], "ana", PASSWORD)
    first = scram.get_client_first().encode()
    connection.sendall(message(b"p", b"SCRAM-SHA-256\0" + struct.pack("!I", len(first)) + first))
    scram.set_server_first(read_message(connection)[1][4:].decode())
    connection.sendall(message(b"p", scram.get_client_final().encode()))
    while read_message(connection)[0] != b"Z":
        continue


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        struct.pack("!II", 0x7FFFFFFF, 196_608),
        struct.pack("!II", 4, 196_608),
        struct.pack("!II", 16, 131_072) + b"user\0ana\0",
        struct.pack("!II", 8, 196_608),
        bytes(64),
    ],
    ids=["http", "too long", "too short", "version 2", "no parameters", "zeros"],
)
def test_a_bad_startup_ends_its_connection_only(
    demo: DemoServer, plain: socket.socket, ana: psycopg.Connection, sent: bytes
) -> None:
    plain.sendall(sent)
    answer = read_to_end(plain)
    assert answer == b"" or answer[:1] == b"E"
    assert value_of(ana, "SELECT 1") == 1


@pytest.mark.parametrize(
    ("sent", "sqlstate"),
    [
        (b"\x00" + struct.pack("!I", 4), b"08P01"),
        (b"Q" + struct.pack("!I", 2 * 1024 * 1024), b"08P01"),
        (b"Q" + struct.pack("!I", 3), b"08P01"),
        (b"Q" + struct.pack("!I", 0xFFFFFFFF), b"08P01"),
    ],
    ids=["unknown type", "too long", "too short", "negative"],
)
def test_a_malformed_message_ends_its_session(
    plain: socket.socket, ana: psycopg.Connection, sent: bytes, sqlstate: bytes
) -> None:
    log_in(plain)
    plain.sendall(sent)
    answer = read_to_end(plain)
    assert b"C" + sqlstate + b"\0" in answer
    assert b"SFATAL\0" in answer
    assert value_of(ana, "SELECT 1") == 1


def test_a_malformed_bind_over_an_api_table_is_an_error_of_its_own(plain: socket.socket) -> None:
    log_in(plain)
    sql = b"SELECT number FROM github.issues WHERE owner = 'acme' AND repo = 'web' AND number = $1"
    plain.sendall(message(b"P", b"\0" + sql + b"\0" + struct.pack("!H", 0)))
    # One parameter is wanted and none is given.
    plain.sendall(message(b"B", b"\0\0" + struct.pack("!HHH", 0, 0, 0)) + message(b"S", b""))
    kinds = {}
    while (received := read_message(plain))[0] != b"Z":
        kinds[received[0]] = received[1]
    assert b"C08P01\0" in kinds[b"E"]
    plain.sendall(message(b"Q", b"SELECT 1\0"))
    while (received := read_message(plain))[0] != b"Z":
        kinds[received[0]] = received[1]
    assert kinds[b"D"][-1:] == b"1"


def test_a_long_statement_within_the_bound_is_answered(ana: psycopg.Connection) -> None:
    padding = "x" * 500_000
    sql = f"SELECT count(*) FROM github.issues WHERE owner = 'acme' AND repo = 'web' AND title <> '{padding}'"
    assert value_of(ana, sql) == WEB_COUNT


def test_a_statement_of_many_parameters_is_answered(ana: psycopg.Connection) -> None:
    numbers = ", ".join(str(number) for number in range(1, 3000))
    sql = f"SELECT count(*) FROM github.issues WHERE owner = 'acme' AND repo = 'web' AND number IN ({numbers})"
    assert value_of(ana, sql) == WEB_COUNT


@pytest.mark.parametrize("depth", [200, 5000])
def test_a_deep_expression_ends_in_an_answer_or_an_error(ana: psycopg.Connection, depth: int) -> None:
    column = "(" * depth + "number" + ")" * depth
    sql = f"SELECT {column} FROM github.issues WHERE owner = 'acme' AND repo = 'web' AND number = 1"
    try:
        answer: object = value_of(ana, sql)
    except psycopg.Error as error:
        answer = error.sqlstate
    # What is too deep for the planner is refused for want of a key: it never leads to a wrong answer.
    assert answer == (1 if depth == 200 else "HV00L")
    assert value_of(ana, "SELECT 1") == 1
