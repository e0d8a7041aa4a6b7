"""Records the proof of a connector against an account: JSON lines, a first one about the whole, then one an answer.

Nothing of a request but its method, path, parameters and body is kept, and of an answer its status, its body and
headers of a closed list. The file is put in its place only once no secret is found in it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from connectors.cassettes.scrubbing import SECRET_CHARACTERS_MIN, Scrubber, leaks
from connectors.declarative.auths import auth_texts
from connectors.declarative.checks import placeholders
from connectors.declarative.load import Loaded
from connectors.declarative.manifest import Manifest
from connectors.sdk.connector import Source
from connectors.sdk.errors import Fatal, OptionInvalid
from connectors.sdk.request import Request, Response
from connectors.sdk.settings import Surroundings

LANGUAGE = 1
BYTES_MAX = 256 * 1024 * 1024
"""A longer recording is given up: a cassette is read whole."""

BASE = "{base_url}"
Key = tuple[str, str, str, str]
"""Method, path, parameters in order and body of a request: what an answer is found by."""


class Tape:
    """Writes each request's first good answer; `authorization` of requests counts as a secret too."""

    def __init__(self, file: TextIO, manifest: Manifest, source: Source, base_url: str, now_s: float) -> None:
        self._file = file
        self._now_s = now_s
        self._base_url = base_url.rstrip("/")
        self._kept_names = paging_names(manifest)
        self._headers = answer_headers(manifest)
        self.secrets = dict(source.secrets)
        self._scrubber = Scrubber(self.secrets.values(), self._kept_names)
        self._seen: set[Key] = set()
        self._byte_count = 0

    @property
    def surroundings(self) -> Surroundings:
        """Return what a connection is opened with to be recorded: its clock stands, so that ranges end at one time."""
        return Surroundings(now_s=lambda: self._now_s, witness=self.note)

    def note(self, request: Request, response: Response, authorization: Mapping[str, str]) -> None:
        """Write an answer down, unless the same request has one.

        Raises:
            Fatal: the cassette is too long.
        """
        self._learn(authorization)
        scrub = self._scrubber
        # What was asked for, not where a redirect led to: that is where it will be asked for again.
        target = urlsplit((request.url or request.path).removeprefix(self._base_url))
        query = [*parse_qsl(target.query, keep_blank_values=True), *(() if request.url else request.parameters)]
        asked = {
            "method": request.method,
            "path": scrub.text(unquote(target.path)),
            "query": scrub.pairs(query),
            "body": scrub.value(msgspec.json.decode(request.body)) if request.body else None,
        }
        key = key_of(asked)
        if key in self._seen:
            return
        self._seen.add(key)
        headers = {name: response.headers[name] for name in self._headers if name in response.headers}
        answer = {"status": response.status, "headers": headers, "answer": response.body}
        self._write({**asked, **_placed(scrub.value(answer), self._base_url)})

    @property
    def answer_count(self) -> int:
        """Return how many answers were written."""
        return len(self._seen)

    def begin(self, first: Mapping[str, Any]) -> None:
        """Write the first line."""
        self._write(first)

    def _learn(self, authorization: Mapping[str, str]) -> None:
        for header, text in authorization.items():
            secret = text.partition(" ")[2] or text
            if len(secret) >= SECRET_CHARACTERS_MIN and secret not in self.secrets.values():
                self.secrets[f"{header} {len(self.secrets)}"] = secret
                self._scrubber = Scrubber(self.secrets.values(), self._kept_names)

    def _write(self, line: Mapping[str, Any]) -> None:
        text = json.dumps(line, ensure_ascii=False) + "\n"
        self._byte_count += len(text)
        if self._byte_count > BYTES_MAX:
            raise Fatal(
                message=f"the cassette is longer than {BYTES_MAX} characters", hint="Record some tables: --table NAME."
            )
        self._file.write(text)


@contextmanager
def recording(
    file: Path, loaded: Loaded, source: Source, tables: tuple[str, ...], now_s: Callable[[], float]
) -> Iterator[Tape]:
    """Record into a file of its own, which takes its name at the end, if no secret is in it.

    Raises:
        OptionInvalid: SQLSTATE HV00D, a secret is too short to be found.
        Fatal: SQLSTATE HV000, a secret was found; no file is left.
        OSError: the file cannot be written.
    """
    for name, secret in source.secrets.items():
        if len(secret) < SECRET_CHARACTERS_MIN:
            raise OptionInvalid(
                message=f"secret {name} is too short to be told from other text",
                detail=f"It has fewer than {SECRET_CHARACTERS_MIN} characters, so that nothing can be recorded safely.",
                hint="Record with another credential.",
            )
    started_s = float(int(now_s()))
    base_url = source.options.get("base_url") or loaded.manifest.base_url or ""
    unfinished = file.with_name(f".{file.name}.unfinished")
    try:
        with open(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+", encoding="utf-8") as opened:
            tape = Tape(opened, loaded.manifest, source, base_url, started_s)
            tape.begin(_first(loaded, source, tables, started_s))
            yield tape
            opened.seek(0)
            if found := leaks(opened.read(), tape.secrets):
                places = ", ".join(f"{name} in line {line}" for name, line in found)
                raise Fatal(
                    message="the account's answers repeat a secret, so that the cassette is not kept",
                    detail=f"Found: {places}.",
                    hint="Leave out the table whose answers those are, with --table.",
                )
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


def key_of(asked: Mapping[str, Any]) -> Key:
    """Return what the answer to a request is found by."""
    return (
        asked["method"],
        asked["path"],
        json.dumps(asked["query"]),
        json.dumps(asked["body"], sort_keys=True),
    )


def paging_names(manifest: Manifest) -> frozenset[str]:
    """Return the names that cursors have, which lead to the next page and open nothing."""
    declared = [manifest.pagination]
    for table in manifest.tables.values():
        declared += [table.pagination, *(path.pagination for path in table.access_paths.values())]
    texts = [
        text
        for pages in declared
        if pages is not None
        for name in ("send", "next", "last")
        if (text := getattr(pages, name, None))
    ]
    return frozenset(part for text in texts for part in {text, text.rpartition(".")[2]})


def answer_headers(manifest: Manifest) -> tuple[str, ...]:
    """Return the headers of an answer that are kept: those that reading depends on."""
    counts = [
        path.count.header
        for table in manifest.tables.values()
        for path in table.access_paths.values()
        if path.count is not None and path.count.header is not None
    ]
    return tuple(sorted({"content-type", "link", *(name.lower() for name in counts)}))


def _first(loaded: Loaded, source: Source, tables: tuple[str, ...], started_s: float) -> dict[str, Any]:
    requested = placeholders(msgspec.json.encode(loaded.manifest.tables).decode())
    proved_by = {name for auth in loaded.manifest.auth for text in auth_texts(auth) for name in placeholders(text)}
    shown = (set(loaded.manifest.options) & requested) | (set(loaded.manifest.options) - proved_by)
    return {
        "cassette": LANGUAGE,
        "connector": loaded.manifest.name,
        "version": loaded.manifest.version,
        "recorded_at": datetime.fromtimestamp(started_s, UTC).isoformat(),
        "tables": list(tables or loaded.tables),
        "options": {name: text for name, text in source.options.items() if name in shown},
    }


def _placed(value: Any, base_url: str) -> Any:
    """Put a placeholder where the account's address stands, so that links lead to wherever it is played."""
    if isinstance(value, str):
        return value.replace(base_url, BASE)
    if isinstance(value, list):
        return [_placed(each, base_url) for each in value]
    if isinstance(value, dict):
        return {name: _placed(each, base_url) for name, each in value.items()}
    return value
