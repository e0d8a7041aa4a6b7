"""What a process says while a connector is at work: its logs and its traces, to be searched for a secret."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider


class Overheard(logging.Handler):
    """All that was logged and traced, as text."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a log record."""
        self.texts.append(f"{record.getMessage()} {record.exc_info}")

    def shows(self, secret: str) -> bool:
        """Say whether a secret was shown, as it is or in the spellings that it travels in."""
        return any(spelled in text for text in self.texts for spelled in spellings(secret))


def spellings(secret: str) -> tuple[str, ...]:
    """Return a secret as it is, percent-encoded, and in base64 at each place among other bytes."""
    raw = secret.encode()
    # What stands before it moves its bits; the characters at both ends mix with its neighbors.
    mixed = (base64.b64encode(b"\0" * before + raw).decode()[(0, 2, 3)[before] : -4] for before in range(3))
    return (secret, quote(secret, safe=""), *(text for text in mixed if len(text) >= 8))


class _Spans(SpanProcessor):
    """Hands the spans of this process to whoever listens; a provider never lets go of a processor."""

    def __init__(self) -> None:
        self.listeners: list[Overheard] = []
        self._heard_of: TracerProvider | None = None

    def listen(self) -> None:
        """Listen to the process's provider; without one spans are not made, and nothing could be heard of them."""
        provider = trace.get_tracer_provider()
        if not isinstance(provider, TracerProvider):
            provider = TracerProvider()
            trace.set_tracer_provider(provider)
        if provider is not self._heard_of:
            provider.add_span_processor(self)
            self._heard_of = provider

    def on_end(self, span: ReadableSpan) -> None:
        """Keep a span with its attributes, events and status."""
        for each in self.listeners:
            each.texts.append(span.to_json())


_SPANS = _Spans()


@contextmanager
def overhearing() -> Iterator[Overheard]:
    """Listen to everything that this process logs or traces."""
    heard = Overheard()
    root = logging.getLogger()
    level = root.level
    _SPANS.listen()
    _SPANS.listeners.append(heard)
    root.addHandler(heard)
    root.setLevel(logging.DEBUG)
    try:
        with structlog.testing.capture_logs() as events:
            yield heard
    finally:
        heard.texts += [repr(event) for event in events]
        root.removeHandler(heard)
        root.setLevel(level)
        _SPANS.listeners.remove(heard)
