"""Traces: one span for each stage of a statement, sent to an OTLP collector only when one is configured.

Spans hold names, counts and SQLSTATEs; never SQL text, values or messages, which may quote both.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, Status, StatusCode

from omnisql_server.observability.metrics import INSTRUMENTS

SERVICE_NAME = "omnisql"

_tracer = trace.get_tracer("omnisql")
_UNTRACED = contextlib.nullcontext("")


def configure_traces(otlp_endpoint: str | None) -> TracerProvider:
    """Make the process's tracer provider; the caller owns it and shuts it down."""
    provider = TracerProvider(resource=Resource.create({"service.name": SERVICE_NAME}))
    if otlp_endpoint is not None:
        exporter = OTLPSpanExporter(endpoint=f"{otlp_endpoint.rstrip('/')}/v1/traces")
        provider.add_span_processor(BatchSpanProcessor(exporter))
        # Spans that nobody receives cost 30 µs each, even if none is recorded: without a collector there are none.
        trace.set_tracer_provider(provider)
    return provider


def statement_span() -> contextlib.AbstractContextManager[str]:
    """Run a statement in a span around those of its stages, and give its trace id; empty where none is recorded."""
    return _statement_span() if _are_collected() else _UNTRACED


@contextlib.contextmanager
def _statement_span() -> Iterator[str]:
    with _tracer.start_as_current_span("omnisql.statement", record_exception=False, set_status_on_exception=False) as s:
        context = s.get_span_context()
        yield trace.format_trace_id(context.trace_id) if context.trace_flags.sampled else ""


@contextlib.contextmanager
def stage_span(stage: str) -> Iterator[Span]:
    """Run a stage of the pipeline in a span of its own, and count its duration.

    An error is recorded by its class and SQLSTATE and goes on.
    """
    started_s = time.perf_counter()
    if not _are_collected():
        try:
            yield trace.INVALID_SPAN
        finally:
            INSTRUMENTS.stage_finished(stage, time.perf_counter() - started_s)
        return
    with _tracer.start_as_current_span(
        f"omnisql.{stage}", record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except BaseException as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            sqlstate = getattr(error, "sqlstate", None)
            if isinstance(sqlstate, str):
                span.set_attribute("db.response.status_code", sqlstate)
            raise
        finally:
            INSTRUMENTS.stage_finished(stage, time.perf_counter() - started_s)


def _are_collected() -> bool:
    # `get_tracer_provider` looks into the environment each time, which costs as much as a record of the audit.
    provider = trace._TRACER_PROVIDER
    return provider is not None and isinstance(provider, TracerProvider)
