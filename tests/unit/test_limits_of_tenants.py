"""A tenant's limits are settings of the server with another value, and follow the server's where it has none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from omnisql_server.bounds import pipeline_bounds
from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.live_settings import LiveSettings
from omnisql_server.settings import ClusterSettings, SessionSettings, Settings, declared_settings
from omnisql_server.tenant_limits import (
    AT_CLUSTER_START,
    TENANT_LIMITS,
    TenantSettings,
    checked_limits,
    holding_limits,
    known_limits,
    number_in,
)


def test_limits_are_settings_that_are_numbers() -> None:
    kinds = {each.key: each.kinds for each in declared_settings()}
    assert all(kinds[key] & {int, float} for key in TENANT_LIMITS)
    assert set(AT_CLUSTER_START) < set(TENANT_LIMITS)


def test_a_limit_may_be_below_and_above_what_the_server_says() -> None:
    live = LiveSettings(Settings(clusters=ClusterSettings(sessions_max=10, disk_mb_max=100)))
    own = TenantSettings(live, {"clusters.sessions_max": 2, "clusters.disk_mb_max": 500})
    assert (own.current.clusters.sessions_max, own.current.clusters.disk_mb_max) == (2, 500)
    assert own.current.clusters.connections_max == live.current.clusters.connections_max
    assert live.current.clusters.sessions_max == 10


def test_what_a_tenant_has_no_limit_of_follows_the_server() -> None:
    live = LiveSettings(Settings())
    own = TenantSettings(live, {"clusters.sessions_max": 2})
    assert own.current is own.current
    live.current = replace(live.current, sessions=SessionSettings(answer_bytes_max=1000))
    assert (own.current.sessions.answer_bytes_max, own.current.clusters.sessions_max) == (1000, 2)


def test_other_limits_hold_at_once_and_it_is_told_whether_they_differ() -> None:
    live = LiveSettings(Settings())
    own = TenantSettings(live)
    assert own.current is live.current
    assert own.limit({"fetch.api_calls_max": 3, "fetch.scan_rows_max": 7})
    assert not own.limit({"fetch.scan_rows_max": 7, "fetch.api_calls_max": 3})
    bounds = pipeline_bounds(own.current)
    assert (bounds.api_calls_max, bounds.fetch.scan_rows_max) == (3, 7)
    assert own.limit({})
    assert own.current.fetch == live.current.fetch


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"clusters.idle_stop_s": 5}, "a tenant has no limit clusters.idle_stop_s"),
        ({"disk_mb_max": 5}, "a tenant has no limit disk_mb_max"),
        ({"clusters.sessions_max": 0}, "setting clusters.sessions_max is not valid"),
        ({"clusters.sessions_max": 1.5}, "setting clusters.sessions_max is not valid"),
        ({"clusters.sessions_max": "many"}, "setting clusters.sessions_max is not valid"),
        ({"clusters.sessions_max": True}, "setting clusters.sessions_max is not valid"),
        ({"listener.statement_timeout_max_s": float("nan")}, "setting listener.statement_timeout_max_s is not valid"),
    ],
)
def test_what_is_no_limit_is_refused_and_the_former_stay(limits: dict[str, object], message: str) -> None:
    own = TenantSettings(LiveSettings(Settings()), {"clusters.sessions_max": 3})
    with pytest.raises(ConfigurationInvalid) as caught:
        own.limit(limits)
    assert caught.value.message == message
    assert own.current.clusters.sessions_max == 3


def test_names_are_told_apart_from_values() -> None:
    known_limits(["clusters.disk_mb_max"], "here")
    with pytest.raises(ConfigurationInvalid, match="a tenant has no limit x"):
        known_limits(["x"], "here")
    assert (number_in("12"), number_in("0.5"), number_in("x")) == (12, 0.5, "x")
    assert checked_limits({"listener.statement_timeout_max_s": 5}, "here") == {"listener.statement_timeout_max_s": 5.0}


def test_each_limit_has_a_value_that_holds() -> None:
    holding = holding_limits(Settings(), {"fetch.scan_rows_max": 7})
    assert tuple(holding) == TENANT_LIMITS
    assert (holding["fetch.scan_rows_max"], holding["clusters.sessions_max"]) == (7, 200)
