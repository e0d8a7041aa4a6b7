"""Takes secrets out of what is recorded, and finds those that are left. Pure.

Known secrets are replaced wherever they stand in a text: plain, percent-encoded (RFC 3986) and in base64 (RFC 4648).
Values that are secret by their name are replaced whoever made them.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

SCRUBBED = "(scrubbed)"
SECRET_CHARACTERS_MIN = 8
"""What is shorter is a word that may stand anywhere, and cannot be told from other text."""

_SECRET_NAMES = re.compile(
    "|".join(
        (
            r"(.*[_-])?(password|passwd|passphrase|secret|credentials?|cookie|signature)",
            r"(.*[_-])?(api|access|private|secret|signing|integration|routing)[_-]?key",
            r"(.*[_-])?token",
            r"authorization|sig|jwt|assertion|sessionid|set-cookie",
        )
    )
)


class Scrubber:
    """Replaces secrets in texts, parameters and JSON; `kept` are names that only look secret, like a cursor's."""

    def __init__(self, secrets: Iterable[str], kept: Iterable[str]) -> None:
        self._kept = frozenset(name.lower() for name in kept)
        # The longest first: a form may hold another.
        self._forms = sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Replace secrets in a text, and the values of secret names in the addresses it holds."""
        for form in self._forms:
            text = text.replace(form, SCRUBBED)
        return _PARAMETER.sub(self._parameter, text)

    def value(self, value: Any, name: str = "") -> Any:
        """Replace secrets in a JSON value; `name` is the key that it stands under."""
        if isinstance(value, str):
            return SCRUBBED if value and self.is_secret(name) else self.text(value)
        if isinstance(value, list):
            return [self.value(each, name) for each in value]
        if isinstance(value, dict):
            return {self.text(key): self.value(each, key) for key, each in value.items()}
        return value

    def pairs(self, pairs: Iterable[tuple[str, str]]) -> list[list[str]]:
        """Replace secrets in parameters, which come back in order."""
        return sorted([name, str(self.value(text, name))] for name, text in pairs)

    def is_secret(self, name: str) -> bool:
        """Say whether a value is secret by its name."""
        lowered = re.sub("(?<=[a-z])(?=[A-Z])", "_", name).lower()
        return not {lowered, name.lower()} & self._kept and _SECRET_NAMES.fullmatch(lowered) is not None

    def _parameter(self, found: re.Match[str]) -> str:
        return f"{found[1]}{found[2]}={SCRUBBED}" if self.is_secret(found[2]) else found[0]


_PARAMETER = re.compile(r"([?&;])([\w.\[\]-]{1,64})=([^&;#\s\"'<>]+)")


def leaks(content: str, secrets: Mapping[str, str]) -> list[tuple[str, int]]:
    """Tell which secrets are in a text, as name and line from 1, without their values.

    They are sought plain, as JSON writes them, percent-encoded, and in base64 wherever in the encoded text they begin.
    """
    found = []
    for name, secret in secrets.items():
        for form in {*_forms(secret), *_within_base64(secret)}:
            at = content.find(form)
            if at >= 0:
                found.append((name, content.count("\n", 0, at) + 1))
                break
    return found


def _forms(secret: str) -> set[str]:
    encoded = base64.b64encode(secret.encode()).decode("ascii")
    return {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        quote(secret, safe=""),
        re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), quote(secret, safe="")),
        quote_plus(secret),
        encoded.rstrip("="),
        encoded.rstrip("=").replace("+", "-").replace("/", "_"),
    }


def _within_base64(secret: str) -> set[str]:
    """Return what a secret looks like within a longer text in base64: three ways, by where it begins."""
    found = set()
    for before in range(3):
        text = base64.b64encode(b"\0" * before + secret.encode()).decode("ascii").rstrip("=")
        # Its first and last characters hold bits of the neighbors as well.
        inner = text[-(-before * 8 // 6) :] if before else text
        ends_within = (before + len(secret.encode())) % 3 != 0
        inner = inner[:-1] if ends_within else inner
        found |= {inner, inner.replace("+", "-").replace("/", "_")}
    return found
