"""What of a new configuration holds at once, what waits for a restart, and what a bad one changes: nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import structlog

from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.live_settings import LiveSettings
from omnisql_server.reload import RELOADABLE, Reload, merge
from omnisql_server.settings import ListenerSettings, SessionSettings, Settings, declared_settings

PRESENT = Settings()
WANTED = replace(
    PRESENT, listener=ListenerSettings(port=6000, connections_max=7), sessions=SessionSettings(park_after_s=1)
)


def refuse() -> Settings:
    raise ConfigurationInvalid(message="the configuration file is not YAML", detail="here, line 1.")


def test_every_name_that_can_change_is_a_setting() -> None:
    assert {declared.key for declared in declared_settings()} >= RELOADABLE


def test_what_can_change_changes_and_the_rest_stays_and_is_named() -> None:
    change = merge(PRESENT, WANTED)
    assert change.applied == ("listener.connections_max", "sessions.park_after_s")
    assert change.waiting == ("listener.port",)
    assert change.settings.listener == ListenerSettings(connections_max=7)
    assert change.settings.sessions.park_after_s == 1


def test_the_same_configuration_changes_nothing() -> None:
    change = merge(WANTED, WANTED)
    assert (change.settings, change.applied, change.waiting) == (WANTED, (), ())


def test_a_reload_puts_in_place_what_was_prepared() -> None:
    live, done = LiveSettings(PRESENT), []

    def prepare(settings: Settings) -> Callable[[], None]:
        assert live.current is PRESENT
        return lambda: done.append(settings)

    with structlog.testing.capture_logs() as logs:
        Reload(live, read=lambda: WANTED, prepare=prepare)()
    assert live.current.listener.connections_max == 7
    assert done == [live.current]
    assert [entry["setting"] for entry in logs if entry["event"] == "setting_needs_restart"] == ["listener.port"]


@pytest.mark.parametrize("part", ["read", "prepare"])
def test_a_bad_configuration_is_logged_and_changes_nothing(part: str) -> None:
    live = LiveSettings(PRESENT)
    read: Callable[[], Settings] = refuse if part == "read" else lambda: WANTED
    with structlog.testing.capture_logs() as logs:
        Reload(live, read=read, prepare=lambda _: refuse())()  # type: ignore[arg-type, return-value]
    assert live.current is PRESENT
    assert [(entry["event"], entry["detail"]) for entry in logs] == [("configuration_not_reloaded", "here, line 1.")]
