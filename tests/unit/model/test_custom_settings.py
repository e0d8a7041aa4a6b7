"""What the settings below `omnisql.` may be."""

from __future__ import annotations

import pytest

from catalog.tenants import CUSTOM_SETTINGS as GRANTED
from omnisql_server.errors import SettingInvalid
from omnisql_server.model.custom_settings import CUSTOM_SETTINGS, DEFAULTS, checked, refusal


@pytest.mark.parametrize("name", CUSTOM_SETTINGS)
def test_a_default_is_a_value_that_is_allowed(name: str) -> None:
    assert refusal(name, DEFAULTS[name]) is None
    assert refusal(name, None) is None
    assert checked(name, "") == checked(name, None) == DEFAULTS[name]


def test_every_setting_is_granted_so_that_alter_role_works() -> None:
    assert set(GRANTED) == set(CUSTOM_SETTINGS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("omnisql.engine", "DuckDB"),
        ("OMNISQL.Engine", "postgres"),
        ("omnisql.on_source_error", "partial"),
        ("omnisql.max_api_calls", "0"),
        ("omnisql.max_staleness", "5 min"),
        ("omnisql.async", "on"),
    ],
)
def test_values_that_are_allowed(name: str, value: str) -> None:
    assert refusal(name, value) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("omnisql.engine", "banana"),
        ("omnisql.engine", "auto, duckdb"),
        ("omnisql.on_source_error", "ignore"),
        ("omnisql.max_api_calls", "-1"),
        ("omnisql.max_api_calls", "\N{ARABIC-INDIC DIGIT ONE}"),
        ("omnisql.max_api_calls", "1" * 30),
        ("omnisql.max_staleness", "soon"),
        ("omnisql.async", "perhaps"),
    ],
)
def test_other_values_are_refused_with_those_that_are_allowed(name: str, value: str) -> None:
    error = refusal(name, value)
    assert error is not None
    assert error.sqlstate == "22023"
    assert error.hint == CUSTOM_SETTINGS[name].allowed
    with pytest.raises(SettingInvalid):
        checked(name, value)


def test_a_name_that_does_not_exist_is_refused_with_those_that_do() -> None:
    error = refusal("omnisql.enginee", "auto")
    assert error is not None
    assert error.sqlstate == "42704"
    assert all(name in (error.hint or "") for name in CUSTOM_SETTINGS)
