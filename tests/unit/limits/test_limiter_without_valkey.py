"""What a limiter does when Valkey is not there: stop, or go on, as configured."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from connectors.sdk.connector import QuotaObserved
from connectors.sdk.errors import Retryable
from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.limits import BucketStore, SourceLimiter, ValkeyChild, ValkeyExternal, valkey_server
from omnisql_server.limits.errors import ValkeyUnavailable


def limiter(folder: Path, *, fail_open: bool) -> SourceLimiter:
    server = ValkeyExternal(f"unix://{folder}/absent.sock")
    return SourceLimiter(
        BucketStore(server.client), tenant="acme", source="hub", limits={}, wait_max_s=1, fail_open=fail_open
    )


async def test_without_valkey_a_request_is_refused(tmp_path: Path) -> None:
    with capture_logs() as logs, pytest.raises(Retryable) as caught:
        await limiter(tmp_path, fail_open=False).acquire("core")
    assert caught.value.sqlstate == "08006"
    assert caught.value.message == 'SOURCE_UNAVAILABLE: the rate limit of server "hub" cannot be checked'
    assert [entry["event"] for entry in logs] == ["rate_limit_unchecked"]
    assert logs[0]["fail_open"] is False


async def test_without_valkey_a_request_passes_when_configured_so(tmp_path: Path) -> None:
    with capture_logs() as logs:
        await limiter(tmp_path, fail_open=True).acquire("core")
    assert [(entry["event"], entry["fail_open"]) for entry in logs] == [("rate_limit_unchecked", True)]


async def test_valkey_that_did_not_answer_is_not_asked_by_every_request(tmp_path: Path) -> None:
    moments = [0.0]
    store = BucketStore(ValkeyExternal(f"unix://{tmp_path}/absent.sock").client)
    patient = SourceLimiter(
        store, tenant="acme", source="hub", limits={}, wait_max_s=1, fail_open=True, clock=lambda: moments[-1]
    )
    with capture_logs() as logs:
        for now_s in (0.0, 0.1, 0.9, 1.1, 1.2):
            moments.append(now_s)
            await patient.acquire("core")
            await patient.observe(QuotaObserved(bucket="core", limit=10, remaining=0, reset_s=5.0))
    assert [entry["event"] for entry in logs] == ["rate_limit_unchecked"] * 2


async def test_a_lost_observation_does_not_lose_the_answer(tmp_path: Path) -> None:
    with capture_logs() as logs:
        await limiter(tmp_path, fail_open=False).observe(
            QuotaObserved(bucket="core", limit=10, remaining=0, reset_s=5.0)
        )
        await limiter(tmp_path, fail_open=False).block("core", 5.0)
    assert [entry["event"] for entry in logs] == [
        "rate_limit_observation_lost",
        "rate_limit_closed",
        "rate_limit_closing_lost",
    ]


async def test_a_configured_valkey_that_is_absent_is_reported(tmp_path: Path) -> None:
    server = valkey_server(f"unix://{tmp_path}/absent.sock", tmp_path)
    with pytest.raises(ValkeyUnavailable, match="the configured Valkey does not answer"):
        await server.start()
    assert await server.ping() is False
    await server.stop()


def test_a_wrong_url_is_refused_without_being_quoted(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid) as caught:
        valkey_server("http://u:hunter2@host", tmp_path)
    assert "hunter2" not in f"{caught.value.message} {caught.value.detail} {caught.value.hint}"


def test_without_a_url_there_is_a_child(tmp_path: Path) -> None:
    server = valkey_server(None, tmp_path)
    assert isinstance(server, ValkeyChild)
    with pytest.raises(ValkeyUnavailable, match="not started"):
        _ = server.client
