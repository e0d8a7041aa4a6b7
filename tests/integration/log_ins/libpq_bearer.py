"""A program: logs in by libpq 18's OAUTHBEARER with a token it is given, and prints what the session says of itself.

    python libpq_bearer.py CONNINFO TOKEN

libpq asks a hook of its program for the token, which psycopg does not offer; so it is set in the library itself.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import psycopg
import psycopg_binary

BEARER_TOKEN = 1  # PQAUTHDATA_OAUTH_BEARER_TOKEN


class Request(ctypes.Structure):
    """PGoauthBearerRequest (libpq-fe.h of PostgreSQL 18)."""

    _fields_ = (
        ("openid_configuration", ctypes.c_char_p),
        ("scope", ctypes.c_char_p),
        ("async_", ctypes.c_void_p),
        ("cleanup", ctypes.c_void_p),
        ("token", ctypes.c_char_p),
        ("user", ctypes.c_void_p),
    )


def main(conninfo: str, token: str) -> None:
    """Log in and print the provider that the server named, its scope, and the session's user."""
    (library,) = Path(psycopg_binary.__file__).parent.parent.glob("psycopg_binary.libs/libpq-*.so*")
    told: list[str] = []
    kept = ctypes.c_char_p(token.encode())

    def answer(kind: int, _connection: object, request: object) -> int:
        if kind != BEARER_TOKEN:
            return 0
        asked = request.contents  # type: ignore[attr-defined]
        told.extend((asked.openid_configuration.decode(), (asked.scope or b"").decode()))
        asked.token = kept
        return 1

    hook = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(Request))(answer)
    ctypes.CDLL(str(library)).PQsetAuthDataHook(hook)
    with psycopg.connect(conninfo) as session:
        row = session.execute("SELECT session_user").fetchone()
    print(*told, row[0] if row else "")


if __name__ == "__main__":
    main(*sys.argv[1:])
