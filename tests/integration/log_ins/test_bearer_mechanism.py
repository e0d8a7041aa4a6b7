"""OAUTHBEARER over the wire: byte for byte by a raw client, and by libpq 18 itself."""

from __future__ import annotations

import json
import os
import ssl
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection

import pytest
from log_in_world import TENANT, LogInWorld

from wire.backend_decode import decode_authentication, decode_report
from wire.framing import Frame, FrameBuffer
from wire.payload import cstring, message
from wire.startup import encode_ssl_request, encode_startup

PROGRAM = Path(__file__).with_name("libpq_bearer.py")
TIMEOUT_S = 10.0


@dataclass(slots=True)
class Raw:
    """A connection that says what a test wants."""

    socket: ssl.SSLSocket
    frames: FrameBuffer

    def send(self, data: bytes) -> list[Frame]:
        """Send bytes and return the messages that the next bytes hold."""
        self.socket.sendall(data)
        return self.read()

    def read(self) -> list[Frame]:
        """Return the messages of the next bytes."""
        self.frames.feed(self.socket.recv(65_536))
        return self.frames.frames()


def greeted(world: LogInWorld, user: str = "ana", **more: str) -> tuple[Raw, tuple[str, ...]]:
    """Connect over TLS, start up, and return the mechanisms on offer."""
    plain = create_connection(("127.0.0.1", world.served.port), TIMEOUT_S)
    plain.sendall(encode_ssl_request())
    assert plain.recv(1) == b"S"
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    raw = Raw(context.wrap_socket(plain), FrameBuffer(1 << 20, from_backend=True))
    (offered,) = raw.send(encode_startup({"user": user, "database": TENANT, **more}))
    return raw, decode_authentication(offered.payload).mechanisms


def bearer(token: str) -> bytes:
    """Make the initial response for a token, or for the question where to get one."""
    header = f"Bearer {token}" if token else ""
    return initial_response(f"n,,\x01auth={header}\x01\x01".encode())


def initial_response(data: bytes) -> bytes:
    """Choose the mechanism, with its first message."""
    return message(b"p", cstring(b"OAUTHBEARER") + struct.pack(">i", len(data)) + data)


def refused(raw: Raw, data: bytes) -> tuple[dict[str, str], dict[str, str]]:
    """Send what is refused, and return the mechanism's answer and the error at the end."""
    (frame,) = raw.send(data)
    told = json.loads(decode_authentication(frame.payload).data)
    (error,) = raw.send(message(b"p", b"\x01"))
    return told, decode_report(error.payload)


def test_it_is_offered_beside_scram_and_opens_a_session(world: LogInWorld) -> None:
    raw, mechanisms = greeted(world)
    assert mechanisms == ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "OAUTHBEARER")
    (first, *_) = raw.send(bearer(world.issuer.token()))
    assert decode_authentication(first.payload).kind == "ok"


def test_without_a_token_it_says_where_to_get_one(world: LogInWorld) -> None:
    told, error = refused(greeted(world)[0], bearer(""))
    assert told == {
        "status": "invalid_token",
        "openid-configuration": f"{world.issuer.url}/.well-known/openid-configuration",
        "scope": "openid",
    }
    assert (error["C"], error["M"]) == ("28000", 'bearer authentication failed for user "ana"')


def test_a_wrong_token_is_answered_alike_for_everybody(world: LogInWorld) -> None:
    answers = [refused(greeted(world, user)[0], bearer(world.issuer.token("eve"))) for user in ("ana", "nobody")]
    assert answers[0][0] == answers[1][0]
    assert [error["M"] for _, error in answers] == [
        f'bearer authentication failed for user "{user}"' for user in ("ana", "nobody")
    ]


def test_strangers_are_not_told_of_an_unlisted_provider(world: LogInWorld) -> None:
    world.set_rules(world.rules(listed=False))
    assert greeted(world)[1] == ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256")
    wanting = {"omnisql.log_in": "oauth"}
    raw, mechanisms = greeted(world, **wanting)
    assert mechanisms == ("OAUTHBEARER",)
    assert refused(raw, bearer(""))[0] == {"status": "invalid_token"}
    (first, *_) = greeted(world, **wanting)[0].send(bearer(world.issuer.token()))
    assert decode_authentication(first.payload).kind == "ok"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"n,,",
        b"n,,\x01",
        b"n,a=olga,\x01auth=Bearer abc\x01\x01",
        b"p=tls-exporter,,\x01auth=Bearer abc\x01\x01",
        b"n,,\x01auth=Basic abc\x01\x01",
        b"n,,\x01auth=Bearer a b\x01\x01",
        b"n,,\x01auth=Bearer abc\x01",
        b"n,,\x01auth=Bearer abc\x01auth=Bearer abd\x01\x01",
        b"n,,\x01auth=Bearer \xff\x01\x01",
    ],
)
def test_what_is_malformed_breaks_the_protocol(world: LogInWorld, data: bytes) -> None:
    (error,) = greeted(world)[0].send(initial_response(data))
    assert decode_report(error.payload)["C"] == "08P01"


def test_libpq_18_logs_in(world: LogInWorld) -> None:
    conninfo = (
        f"host=127.0.0.1 port={world.served.port} dbname={TENANT} user=ana sslmode=require require_auth=oauth"
        f" oauth_issuer={world.issuer.url} oauth_client_id=psql options='-c omnisql.log_in=oauth'"
    )
    # The provider of this test speaks http, which libpq wants to be asked for.
    environment = {**os.environ, "PGOAUTHDEBUG": "UNSAFE"}
    command = [sys.executable, str(PROGRAM), conninfo, world.issuer.token()]
    answer = subprocess.check_output(command, env=environment, text=True, timeout=60)
    assert answer.split() == [f"{world.issuer.url}/.well-known/openid-configuration", "openid", "ana"]
