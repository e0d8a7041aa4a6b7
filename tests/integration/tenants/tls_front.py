"""A TLS end in front of a cluster's Unix socket, as a PostgreSQL with certificates has it: the wheel's has no TLS.

It answers SSLRequest, asks for the client's certificate, and passes everything on; PostgreSQL then lets the account of
this process be every role, as it would the certificate.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

SSL_REQUEST_BYTES = 8


@dataclass(slots=True, kw_only=True)
class TlsFront:
    """Where it listens, and what it saw."""

    port: int
    plain: int = 0
    encrypted: int = 0
    _open: list[socket.socket] = field(default_factory=list, repr=False)


@contextmanager
def tls_front(unix_socket: Path, context: ssl.SSLContext) -> Iterator[TlsFront]:
    """Serve until the block ends; every connection is a pair of threads."""
    listening = socket.create_server(("127.0.0.1", 0))
    front = TlsFront(port=listening.getsockname()[1])
    accepting = threading.Thread(target=_accept, args=(listening, front, unix_socket, context), daemon=True)
    accepting.start()
    try:
        yield front
    finally:
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        for each in front._open:
            with suppress(OSError):
                each.close()


def _accept(listening: socket.socket, front: TlsFront, unix_socket: Path, context: ssl.SSLContext) -> None:
    while True:
        try:
            client, _ = listening.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(client, front, unix_socket, context), daemon=True).start()


def _serve(client: socket.socket, front: TlsFront, unix_socket: Path, context: ssl.SSLContext) -> None:
    request = client.recv(SSL_REQUEST_BYTES)
    if int.from_bytes(request[4:8], "big") != 80877103:
        front.plain += 1
        client.close()
        return
    client.sendall(b"S")
    try:
        encrypted = context.wrap_socket(client, server_side=True)
    except (ssl.SSLError, OSError):
        client.close()
        return
    front.encrypted += 1
    backend = socket.socket(socket.AF_UNIX)
    backend.connect(str(unix_socket))
    front._open += [encrypted, backend]
    back = threading.Thread(target=_pass_on, args=(backend, encrypted), daemon=True)
    back.start()
    _pass_on(encrypted, backend)


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    for each in (sink, source):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
