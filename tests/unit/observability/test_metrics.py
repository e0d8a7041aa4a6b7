"""Instruments: their names and units, and the bound on their labels."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from connectors.sdk.connector import RequestRecord
from omnisql_server.observability.metrics import LABEL_VALUES_MAX, Instruments, status_class

UNITS = ("_total", "_seconds", "_bytes", "_rows")


@pytest.fixture
def reader() -> InMemoryMetricReader:
    return InMemoryMetricReader()


@pytest.fixture
def instruments(reader: InMemoryMetricReader) -> Instruments:
    return Instruments(MeterProvider(metric_readers=[reader]).get_meter("test"))


def read(reader: InMemoryMetricReader) -> dict[str, list[Any]]:
    data = reader.get_metrics_data()
    assert data is not None
    (resource,) = data.resource_metrics
    (scope,) = resource.scope_metrics
    return {metric.name: list(metric.data.data_points) for metric in scope.metrics}


def feed(instruments: Instruments) -> None:
    instruments.statement_finished(way="run", outcome="ok", duration_s=0.2)
    instruments.stage_finished("plan", 0.002)
    record = RequestRecord(
        method="GET", template="/issues", status=304, duration_ms=100, bytes_received=512, attempt=1, revalidated=True
    )
    instruments.request_finished("github", record)
    instruments.rows_fetched("github", 30)
    instruments.rate_limit_waited(bucket="core", outcome="allowed", wait_s=0.0)
    instruments.error_sent("42P01")


def test_names_end_in_their_unit_and_all_are_fed(instruments: Instruments, reader: InMemoryMetricReader) -> None:
    feed(instruments)
    names = set(read(reader))
    assert names == {
        "omnisql_statements_total",
        "omnisql_statement_duration_seconds",
        "omnisql_stage_duration_seconds",
        "omnisql_api_requests_total",
        "omnisql_api_request_duration_seconds",
        "omnisql_api_received_bytes",
        "omnisql_fetched_rows",
        "omnisql_rate_limit_wait_seconds",
        "omnisql_errors_total",
    }
    assert all(name.startswith("omnisql_") and name.endswith(UNITS) for name in names)


def test_counts_and_labels_arrive(instruments: Instruments, reader: InMemoryMetricReader) -> None:
    feed(instruments)
    feed(instruments)
    found = read(reader)
    (requests,) = found["omnisql_api_requests_total"]
    assert (requests.value, dict(requests.attributes or {})) == (
        2,
        {"connector": "github", "method": "GET", "status": "3xx"},
    )
    (rows,) = found["omnisql_fetched_rows"]
    assert rows.value == 60
    (statements,) = found["omnisql_statement_duration_seconds"]
    assert (statements.count, statements.sum) == (2, pytest.approx(0.4))


def test_labels_are_bounded(instruments: Instruments, reader: InMemoryMetricReader) -> None:
    for number in range(LABEL_VALUES_MAX + 50):
        instruments.rows_fetched(f"source{number}", 1)
    points = read(reader)["omnisql_fetched_rows"]
    assert len(points) == LABEL_VALUES_MAX + 1
    (other,) = [point for point in points if dict(point.attributes or {}) == {"connector": "other"}]
    assert other.value == 50


@pytest.mark.parametrize("sqlstate", ["", "4200", "42P0\n", "drop table"])
def test_what_is_no_sqlstate_is_counted_as_other(
    instruments: Instruments, reader: InMemoryMetricReader, sqlstate: str
) -> None:
    instruments.error_sent(sqlstate)
    (errors,) = read(reader)["omnisql_errors_total"]
    assert dict(errors.attributes or {}) == {"sqlstate": "other"}


@pytest.mark.parametrize(("status", "expected"), [(200, "2xx"), (599, "5xx"), (99, "other"), (600, "other")])
def test_a_status_becomes_its_class(status: int, expected: str) -> None:
    assert status_class(status) == expected
