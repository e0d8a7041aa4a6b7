"""Structured logs on stderr, for people (console) or machines (JSON).

An event is a short past-tense constant with facts as keys. Address of the client, tenant, principal and query come
from context variables. What is named like a secret is redacted before anything is rendered.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from typing import TextIO

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

REDACTED = "[redacted]"
DEPTH_MAX = 6

_SECRET_WORDS = frozenset(
    {
        *("apikey", "authorization", "cookie", "credential", "credentials", "dsn", "passphrase", "passwd"),
        *("password", "pwd", "secret", "secrets", "token"),
    }
)
_SECRET_PAIRS = ("api_key", "access_key", "private_key", "client_key", "master_key", "proxy_url", "valkey_url")
# These name a secret, count it or say when it ends; they are not the secret itself.
_HARMLESS_ENDINGS = frozenset({"id", "handle", "count", "kind", "name", "max", "s", "ms"})
_WORD_BOUNDARY = re.compile(r"[^a-zA-Z0-9]+|(?<=[a-z0-9])(?=[A-Z])")


def configure_logs(*, level: str, form: str, stream: TextIO | None = None) -> None:
    """Send all logs of the process, those of libraries included, to `stream` (stderr); `form` is console or json."""
    output = sys.stderr if stream is None else stream
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact_secrets,
    ]
    renderer = _renderer(form, colors=output.isatty())
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(output),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    # Libraries may quote URLs and values in their lesser messages.
    logging.basicConfig(handlers=[handler], level=max(logging.WARNING, logging.getLevelName(level.upper())), force=True)


@contextlib.contextmanager
def statement_context(*, query_id: str, tenant: str, principal: str) -> Iterator[None]:
    """Add the statement's identity to every event logged inside the block, in tasks started there too."""
    with structlog.contextvars.bound_contextvars(query_id=query_id, tenant=tenant, principal=principal):
        yield


def redact_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace the values of all keys that are named like secrets, at any depth."""
    for key, value in event.items():
        event[key] = _redacted(key, value, DEPTH_MAX)
    return event


def names_a_secret(key: str) -> bool:
    """Tell whether a key's name says that its value is a secret."""
    words = [word.lower() for word in _WORD_BOUNDARY.split(key) if word]
    if not words or words[-1] in _HARMLESS_ENDINGS:
        return False
    joined = f"_{'_'.join(words)}_"
    return not _SECRET_WORDS.isdisjoint(words) or any(f"_{pair}_" in joined for pair in _SECRET_PAIRS)


def _redacted(key: str, value: object, depth: int) -> object:
    if value is not None and names_a_secret(key):
        return REDACTED
    if isinstance(value, Mapping):
        return {name: _redacted(str(name), inner, depth - 1) for name, inner in value.items()} if depth else REDACTED
    if isinstance(value, list | tuple):
        return [_redacted("", inner, depth - 1) for inner in value] if depth else REDACTED
    return value


def _renderer(form: str, *, colors: bool) -> list[Processor]:
    if form == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    # The plain formatter: the others print local variables, which hold secrets and rows.
    return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)]
