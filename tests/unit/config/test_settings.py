"""The tree of settings: defaults, ranges, contradictions, and the generated reference."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.settings import ListenerSettings, Settings, declared_settings, section_types
from omnisql_server.settings_table import settings_table


def test_defaults_are_valid_and_frozen() -> None:
    settings = Settings()
    assert settings.listener.port == 5432
    assert settings.fetch.key_combinations_max == 50
    assert settings.limits.fail_open is False
    with pytest.raises(FrozenInstanceError):
        settings.listener.port = 1  # type: ignore[misc]


@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_value_out_of_range_is_refused_however_the_tree_is_built(port: int) -> None:
    with pytest.raises(ConfigurationInvalid) as caught:
        replace(Settings(), listener=ListenerSettings(port=port))
    assert caught.value.sqlstate == "F0000"
    assert caught.value.message == "setting listener.port is not valid"
    assert f"It is {port}" in (caught.value.detail or "")
    assert "0 to 65535" in (caught.value.detail or "")


def test_not_a_number_is_out_of_every_range() -> None:
    with pytest.raises(ConfigurationInvalid, match=r"listener\.drain_timeout_s"):
        Settings(listener=ListenerSettings(drain_timeout_s=float("nan")))


@pytest.mark.parametrize(
    ("listener", "key"),
    [
        (ListenerSettings(tls_certificate_file=Path("c.pem")), "listener.tls_key_file"),
        (ListenerSettings(tls_key_file=Path("k.pem")), "listener.tls_key_file"),
        (ListenerSettings(tls_required=True), "listener.tls_required"),
    ],
)
def test_halves_of_tls_are_refused(listener: ListenerSettings, key: str) -> None:
    with pytest.raises(ConfigurationInvalid) as caught:
        Settings(listener=listener)
    assert caught.value.message == f"setting {key} contradicts another one"


def test_every_default_is_within_its_own_range() -> None:
    for declared in declared_settings():
        default = declared.entry.default
        given = str(default) if isinstance(default, Path) else default
        assert declared.convert(given, "as default") == default, declared.key


def test_every_number_is_bounded_and_every_field_is_documented() -> None:
    for declared in declared_settings():
        documentation = declared.entry.metadata["documentation"]
        assert documentation.endswith("."), declared.key
        if declared.kinds & {int, float} and declared.name != "postgres_user_id":
            assert declared.entry.metadata["maximum"] is not None, declared.key


def test_durations_and_sizes_carry_their_unit() -> None:
    for declared in declared_settings():
        if float in declared.kinds:
            assert declared.name.endswith("_s"), declared.key
        if any(word in declared.name.split("_") for word in ("memory", "buffers", "buffer", "bytes")):
            assert {"bytes", "mb"} & set(declared.name.split("_")), declared.key


def test_the_table_has_one_row_for_every_setting() -> None:
    rows = settings_table().splitlines()[2:]
    assert len(rows) == len(list(declared_settings()))
    for row, declared in zip(rows, declared_settings(), strict=True):
        assert f"| `{declared.key}` | `{declared.variable}` |" in row
        assert declared.entry.metadata["documentation"] in row
        assert row.count("|") == 6
    assert {declared.section for declared in declared_settings()} == set(section_types())


def test_secret_settings_are_not_shown() -> None:
    settings = replace(Settings(), data=replace(Settings().data, control_dsn="postgresql://u:hunter2@h/d"))
    assert "hunter2" not in repr(settings)
