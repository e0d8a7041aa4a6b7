"""Spans of stages: their names, and that an error shows its SQLSTATE but not its message."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from omnisql_server.errors import NotSupported
from omnisql_server.observability.traces import stage_span


@pytest.fixture(scope="module")
def exporter() -> Iterator[InMemorySpanExporter]:
    # A process has one tracer provider; another test may have set it.
    present = trace.get_tracer_provider()
    provider = present if isinstance(present, TracerProvider) else TracerProvider()
    if provider is not present:
        trace.set_tracer_provider(provider)
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield exporter
    exporter.shutdown()


def finished(exporter: InMemorySpanExporter) -> tuple[ReadableSpan, ...]:
    spans = exporter.get_finished_spans()
    exporter.clear()
    return spans


def test_stages_nest(exporter: InMemorySpanExporter) -> None:
    with stage_span("execute") as outer, stage_span("fetch") as inner:
        inner.set_attribute("omnisql.requests", 2)
    fetch, execute = finished(exporter)
    assert (fetch.name, execute.name) == ("omnisql.fetch", "omnisql.execute")
    assert fetch.parent == outer.get_span_context()
    assert dict(fetch.attributes or {}) == {"omnisql.requests": 2}


def test_an_error_leaves_its_class_and_sqlstate_only(exporter: InMemorySpanExporter) -> None:
    with pytest.raises(NotSupported), stage_span("plan"):
        raise NotSupported(message="value 'hunter2' cannot be planned")
    (span,) = finished(exporter)
    assert span.status.description == "NotSupported"
    assert dict(span.attributes or {}) == {"db.response.status_code": "0A000"}
    assert span.events == ()
    assert "hunter2" not in span.to_json()
