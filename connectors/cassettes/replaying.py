"""Proves a connector from a cassette: a server on this machine gives the recorded answers to the same requests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from connectors.cassettes.recording import BASE, LANGUAGE, Key, key_of, paging_names
from connectors.cassettes.scrubbing import Scrubber
from connectors.declarative.auths import OAuthGrant
from connectors.declarative.connector import DeclarativeConnector
from connectors.declarative.load import Loaded
from connectors.declarative.proving import trial_source
from connectors.sdk.errors import ConnectorError, OptionInvalid
from connectors.sdk.settings import Surroundings
from connectors.simulators.replaying import Played, create_player
from connectors.simulators.running import start_simulator
from connectors.trial import LOOPBACK, Trial, proofs_of

TOKEN = "replayed-credential"  # noqa: S105 - it opens nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Cassette:
    """What was recorded: of which tables, when, with which options, and the answers by request."""

    connector: str
    version: int
    recorded_at: datetime
    tables: tuple[str, ...]
    options: Mapping[str, str]
    answers: Mapping[Key, Played]


def read_cassette(file: Path) -> Cassette:
    """Read a cassette.

    Raises:
        OptionInvalid: SQLSTATE HV00D, it is none. OSError: it cannot be read.
    """
    line = 1
    try:
        answers: dict[Key, Played] = {}
        with file.open(encoding="utf-8") as opened:
            first = json.loads(opened.readline())
            if first["cassette"] != LANGUAGE:
                raise OptionInvalid(message=f"cassette {file.name} is of another language than {LANGUAGE}")
            for line, text in enumerate(opened, start=2):  # noqa: B007 - the error below names the line
                each = json.loads(text)
                answers[key_of(each)] = Played(status=each["status"], headers=each["headers"], body=each["answer"])
        return Cassette(
            connector=first["connector"],
            version=first["version"],
            recorded_at=datetime.fromisoformat(first["recorded_at"]),
            tables=tuple(first["tables"]),
            options=first["options"],
            answers=answers,
        )
    except (KeyError, TypeError, ValueError):
        raise OptionInvalid(
            message=f"{file.name} is no cassette",
            detail=f"Line {line} is not as one of those.",
            hint="Record it again.",
        ) from None


async def try_on_cassette(loaded: Loaded, cassette: Cassette, tables: tuple[str, ...] = ()) -> Trial:
    """Prove the tables of a cassette, or some of them, over its answers.

    Raises:
        OptionInvalid: SQLSTATE HV00D, it is another connector's, or has no answer to what the manifest asks now.
    """
    if cassette.connector != loaded.manifest.name:
        raise OptionInvalid(message=f"the cassette is of connector {cassette.connector}, not of {loaded.manifest.name}")
    scrubber = Scrubber((), paging_names(loaded.manifest))

    def found(method: str, path: str, query: list[tuple[str, str]], body: Any) -> Played | None:
        asked = {
            "method": method,
            "path": scrubber.text(path),
            "query": scrubber.pairs(query),
            "body": scrubber.value(body),
        }
        return cassette.answers.get(key_of(asked))

    grants = tuple(auth.token_path for auth in loaded.manifest.auth if isinstance(auth, OAuthGrant))
    player = create_player(found, base=BASE, token_paths=grants)
    surroundings = Surroundings(now_s=cassette.recorded_at.timestamp)
    server = await start_simulator(player.application)
    try:
        source = trial_source(loaded, server.base_url, TOKEN)
        source = replace(source, options={**source.options, **cassette.options})
        return await proofs_of(
            loaded, DeclarativeConnector(loaded, LOOPBACK, surroundings), source, tables or cassette.tables
        )
    except ConnectorError as error:
        if not player.missing:
            raise
        raise OptionInvalid(
            message=f"the cassette has no answer to {player.missing[0]}",
            detail="The manifest asks otherwise than when it was recorded.",
            hint=f"Record it again: omnisql connector record {loaded.manifest.name}.",
        ) from error
    finally:
        await server.stop()
