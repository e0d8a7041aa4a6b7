"""Every counter and histogram of the server, named once. Names end in their unit; the values of labels are bounded.

Instruments work before a provider is configured: what they count is then dropped.
"""

from __future__ import annotations

import re

from opentelemetry import metrics
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import Meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from connectors.sdk.connector import RequestRecord

LABEL_VALUES_MAX = 200
OTHER = "other"

_SQLSTATE = re.compile(r"[0-9A-Z]{5}")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class Instruments:
    """All instruments of one meter, each with the one method that feeds it."""

    def __init__(self, meter: Meter) -> None:
        self._labels: dict[str, set[str]] = {}
        self._statements = meter.create_counter("omnisql_statements_total", description="Statements by outcome.")
        self._statement_s = meter.create_histogram(
            "omnisql_statement_duration_seconds",
            unit="s",
            description="Time from a statement's arrival to its last row.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._stage_s = meter.create_histogram(
            "omnisql_stage_duration_seconds",
            unit="s",
            description="Time in one stage of the pipeline.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._requests = meter.create_counter("omnisql_api_requests_total", description="API requests by status.")
        self._request_s = meter.create_histogram(
            "omnisql_api_request_duration_seconds",
            unit="s",
            description="Time of one API request.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._received = meter.create_counter(
            "omnisql_api_received_bytes", unit="By", description="Bytes of API answers."
        )
        self._rows = meter.create_counter("omnisql_fetched_rows", description="Rows fetched from APIs.")
        self._misfits = meter.create_counter(
            "omnisql_misfit_values_total",
            description="Values of APIs that were made null: they did not fit their column.",
        )
        self._waits = meter.create_histogram(
            "omnisql_rate_limit_wait_seconds",
            unit="s",
            description="Time a request waited for a rate limit, or would have had to.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._cache = meter.create_counter(
            "omnisql_cache_scans_total", description="Scans that may be answered by earlier fetches, by outcome."
        )
        self._cache_failures = meter.create_counter(
            "omnisql_cache_failures_total", description="What went wrong with rows that are kept."
        )
        self._webhooks = meter.create_counter("omnisql_webhooks_total", description="Webhooks by outcome.")
        self._repeated = meter.create_counter(
            "omnisql_answers_repeated_total", description="Statements answered from bytes that were sent before."
        )
        self._lost = meter.create_counter(
            "omnisql_statistics_lost_total", description="Statistics that could not be written."
        )
        self._audited = meter.create_counter("omnisql_audit_records_total", description="Audit records by outcome.")
        self._log_ins = meter.create_counter("omnisql_log_ins_total", description="Log-ins by method and outcome.")
        self._errors = meter.create_counter("omnisql_errors_total", description="Errors sent to clients by SQLSTATE.")

    def statement_finished(self, *, way: str, outcome: str, duration_s: float) -> None:
        """Count a statement; `way` is relay or run, `outcome` ok, error or canceled."""
        labels = {"way": self._bounded("way", way), "outcome": self._bounded("outcome", outcome)}
        self._statements.add(1, labels)
        self._statement_s.record(duration_s, labels)

    def stage_finished(self, stage: str, duration_s: float) -> None:
        """Count the time of one stage."""
        self._stage_s.record(duration_s, {"stage": self._bounded("stage", stage)})

    def request_finished(self, connector: str, record: RequestRecord) -> None:
        """Count an API request; of its status only the class is kept."""
        name = self._bounded("connector", connector)
        method, status = self._bounded("method", record.method), status_class(record.status)
        self._requests.add(1, {"connector": name, "method": method, "status": status})
        self._request_s.record(record.duration_ms / 1000, {"connector": name})
        self._received.add(record.bytes_received, {"connector": name})

    def rows_fetched(self, connector: str, row_count: int) -> None:
        """Count rows that a source gave."""
        self._rows.add(row_count, {"connector": self._bounded("connector", connector)})

    def values_misfit(self, connector: str, column: str, count: int) -> None:
        """Count values that became null because they did not fit; `column` is named with its table."""
        labels = {"connector": self._bounded("connector", connector), "column": self._bounded("column", column)}
        self._misfits.add(count, labels)

    def statistics_lost(self, count: int) -> None:
        """Count statistics of API tables that could not be written."""
        self._lost.add(count)

    def rate_limit_waited(self, *, bucket: str, outcome: str, wait_s: float) -> None:
        """Count a wait for a rate limit; `outcome` is allowed or refused."""
        labels = {"bucket": self._bounded("bucket", bucket), "outcome": self._bounded("outcome", outcome)}
        self._waits.record(wait_s, labels)

    def cache_asked(self, outcome: str) -> None:
        """Count a scan; `outcome` is hit, part, shared, stale or miss."""
        self._cache.add(1, {"outcome": self._bounded("outcome", outcome)})

    def answer_repeated(self) -> None:
        """Count a statement that neither engine executed, because its answer was kept."""
        self._repeated.add(1)

    def cache_failed(self, what: str) -> None:
        """Count a failure: look and put say that Valkey did not answer, spoiled that an entry did not open."""
        self._cache_failures.add(1, {"what": self._bounded("what", what)})

    def webhook_received(self, outcome: str) -> None:
        """Count a webhook: noted, repeated, nothing, refused, too_old, too_large, not_json or unavailable."""
        self._webhooks.add(1, {"outcome": self._bounded("webhook", outcome)})

    def audit_written(self, count: int) -> None:
        """Count audit records that are durable."""
        self._audited.add(count, {"outcome": "written"})

    def audit_lost(self, count: int) -> None:
        """Count audit records that could not be written."""
        self._audited.add(count, {"outcome": "lost"})

    def log_in_finished(self, method: str, outcome: str) -> None:
        """Count a log-in; `outcome` is a SQLSTATE."""
        self._log_ins.add(1, {"method": self._bounded("method", method), "outcome": self._bounded("outcome", outcome)})

    def error_sent(self, sqlstate: str) -> None:
        """Count an error that a client got."""
        known = sqlstate if _SQLSTATE.fullmatch(sqlstate) else OTHER
        self._errors.add(1, {"sqlstate": self._bounded("sqlstate", known)})

    def _bounded(self, label: str, value: str) -> str:
        """Let the first values of a label through; what comes after the bound is counted together."""
        seen = self._labels.setdefault(label, set())
        if value in seen:
            return value
        if len(seen) >= LABEL_VALUES_MAX:
            return OTHER
        seen.add(value)
        return value


def status_class(status: int) -> str:
    """Give the class of an HTTP status, such as 2xx."""
    return f"{status // 100}xx" if 100 <= status <= 599 else OTHER


def configure_metrics(otlp_endpoint: str | None) -> MeterProvider:
    """Make the process's meter provider; the caller owns it and shuts it down."""
    readers: list[MetricReader] = []
    if otlp_endpoint is not None:
        exporter = OTLPMetricExporter(endpoint=f"{otlp_endpoint.rstrip('/')}/v1/metrics")
        readers.append(PeriodicExportingMetricReader(exporter))
    provider = MeterProvider(metric_readers=readers, resource=Resource.create({"service.name": "omnisql"}))
    if readers:
        # What nobody reads is not counted either: a statement counts a dozen times.
        metrics.set_meter_provider(provider)
    return provider


INSTRUMENTS = Instruments(metrics.get_meter("omnisql"))
