"""An identity provider: signs tokens, publishes its keys, renews them, and may stop answering."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

AUDIENCE = "omnisql"
HOUR_S = 3600
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def new_key(algorithm: str) -> Key:
    """Make a key for an algorithm."""
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm.startswith("ES"):
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_jwk(key: Key, key_id: str | None, **more: str) -> dict[str, Any]:
    """Describe the public part of a key."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        described = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    elif isinstance(key, rsa.RSAPrivateKey):
        described = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        described = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    named = {"kid": key_id} if key_id is not None else {}
    return {**described, **named, "use": "sig", **more}


class Issuer:
    """A provider at an address; `asked` are the paths of the requests that it got."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[str] = []
        self.status = 200
        self.keys: dict[str, tuple[str, Key]] = {}
        for key_id, algorithm in (("first", "RS256"), ("ES256", "ES256"), ("EdDSA", "EdDSA")):
            self.add_key(key_id, algorithm)

    def add_key(self, key_id: str, algorithm: str) -> None:
        """Publish one more key."""
        self.keys[key_id] = (algorithm, new_key(algorithm))

    def token(self, user: str | None = "ana", *, key_id: str = "first", **claims: Any) -> str:
        """Sign a token for a user; a claim of None is left out."""
        algorithm, key = self.keys[key_id]
        now_s = int(time.time())
        given = {"iss": self.url, "aud": AUDIENCE, "exp": now_s + HOUR_S, "iat": now_s, "sub": f"id-of-{user}"}
        whole = {**given, "preferred_username": user, **claims}
        payload = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(payload, key, algorithm=algorithm, headers={"kid": key_id})

    def document(self, path: str) -> dict[str, Any] | None:
        """Answer a request."""
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        if path == "/keys":
            return {"keys": [public_jwk(key, key_id) for key_id, (_, key) in self.keys.items()]}
        if path == "/user":
            # As much of an API as an account of it is looked at with when it is added.
            return {"login": "somebody"}
        return None


@contextmanager
def issuing() -> Iterator[Issuer]:
    """Serve a provider on this machine."""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            document = issuer.document(self.path)
            self.send_response(issuer.status if document is not None else 404)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield issuer
        finally:
            server.shutdown()
