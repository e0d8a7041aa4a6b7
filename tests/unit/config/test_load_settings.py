"""Where settings come from: a file, the environment, and what is said when they are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnisql_server.config import DSN_DEFAULT, client_dsn, environment_sources, load_settings
from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.settings import Settings, declared_settings


def written(folder: Path, text: str) -> Path:
    file = folder / "omnisql.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def refusal(file: Path | None = None, **environment: str) -> ConfigurationInvalid:
    with pytest.raises(ConfigurationInvalid) as caught:
        load_settings(file, environment=environment)
    return caught.value


def test_without_file_and_environment_the_defaults_hold() -> None:
    assert load_settings(environment={}) == Settings()


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    file = written(tmp_path, "listener:\n  port: 6000\n  host: 127.0.0.2\nlimits:\n  wait_max_s: 3\ndata:\n")
    settings = load_settings(file, environment={"OMNISQL_LISTENER_PORT": "7000", "OMNISQL_LIMITS_FAIL_OPEN": "true"})
    assert settings.listener.port == 7000
    assert settings.listener.host == "127.0.0.2"
    assert settings.limits.wait_max_s == 3.0
    assert isinstance(settings.limits.wait_max_s, float)
    assert settings.limits.fail_open is True
    assert settings.clusters == Settings().clusters


WELL_FORMED = {
    "proxy_protocol_from": "10.0.0.0/8, 2001:db8::1",
    "allowed_networks": "10.1.2.3",
    "proxy_url": "http://proxy.example:3128",
    "server_url": "https://opa.example:8181",
}


def test_every_setting_can_be_set_by_its_variable() -> None:
    for declared in declared_settings():
        default = declared.entry.default
        text = {True: "true", False: "false"}.get(default, str(default)) if isinstance(default, bool) else str(default)
        if default is None:
            text = WELL_FORMED.get(declared.name, "1" if int in declared.kinds else "x")
        if declared.name in {"tls_certificate_file", "tls_key_file"}:
            continue
        section = getattr(load_settings(environment={declared.variable: text}), declared.section)
        expected = default if default is not None else declared.convert(1 if text == "1" else text, "here")
        assert getattr(section, declared.name) == expected


def test_text_in_a_variable_stays_text() -> None:
    assert load_settings(environment={"OMNISQL_LISTENER_HOST": "0"}).listener.host == "0"


def test_an_empty_variable_is_not_set() -> None:
    assert load_settings(environment={"OMNISQL_LISTENER_PORT": " "}).listener.port == 5432


@pytest.mark.parametrize(
    ("text", "message", "fact"),
    [
        ("lisener:\n  port: 1\n", "setting lisener is unknown", "omnisql.yaml"),
        ("listener:\n  prot: 1\n", "setting listener.prot is unknown", "omnisql.yaml"),
        ("listener:\n  port: '5432'\n", "setting listener.port is not valid", "a whole number from 0 to 65535"),
        ("listener:\n  port: true\n", "setting listener.port is not valid", "It is True"),
        ("listener:\n  port: 1.5\n", "setting listener.port is not valid", "It is 1.5"),
        ("listener:\n  host: ''\n", "setting listener.host is not valid", "allowed is text"),
        ("listener:\n  host:\n", "setting listener.host is not valid", "It is None"),
        ("limits:\n  fail_open: 1\n", "setting limits.fail_open is not valid", "true or false"),
        ("telemetry:\n  log_format: xml\n", "setting telemetry.log_format is not valid", "console, json"),
        ("listener: 5\n", "the configuration file has a value where names are expected", "listener"),
        ("- a\n", "the configuration file has a value where names are expected", "omnisql.yaml"),
        ("listener: {port: 1\n", "the configuration file is not YAML", "line 2"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, text: str, message: str, fact: str) -> None:
    error = refusal(written(tmp_path, text))
    assert error.message == message
    assert fact in (error.detail or "")


def test_an_unknown_key_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, "policy:\n  path: x\n"))
    assert (error.hint or "").startswith("Known here: policy.file, policy.server_url, ")
    assert "data, clusters, limits" in (refusal(written(tmp_path, "x: {}")).hint or "")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    error = refusal(tmp_path / "absent.yaml")
    assert error.message == "the configuration file cannot be read"
    assert error.detail == f"{tmp_path / 'absent.yaml'}: No such file or directory."


def test_a_secret_value_is_not_quoted_when_it_is_wrong(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, "data:\n  control_dsn: [hunter2]\n"))
    assert "hunter2" not in f"{error.message} {error.detail} {error.hint}"
    assert "a secret value" in (error.detail or "")


def test_a_misspelled_variable_of_a_section_is_refused_and_others_are_left_alone() -> None:
    error = refusal(OMNISQL_POLICY_FIEL="x")
    assert error.message == "setting OMNISQL_POLICY_FIEL is unknown"
    assert (error.hint or "").startswith("Known here: OMNISQL_POLICY_FILE, OMNISQL_POLICY_SERVER_URL, ")
    assert load_settings(environment={"OMNISQL_SERVICE_HOST": "10.0.0.1", "OMNISQL_DSN": "x"}) == Settings()


def test_a_wrong_variable_is_named() -> None:
    assert "in OMNISQL_ENGINE_THREADS" in (refusal(OMNISQL_ENGINE_THREADS="many").detail or "")


@given(st.text(max_size=40))
def test_no_text_in_a_variable_breaks_the_reader(text: str) -> None:
    try:
        outcome = load_settings(environment={"OMNISQL_ENGINE_THREADS": text}).engine.threads in range(1, 257)
    except ConfigurationInvalid as error:
        outcome = error.message == "setting engine.threads is not valid"
    assert outcome


def test_live_sources_are_read_from_the_environment() -> None:
    environment = {
        "GITHUB_TOKEN": "ghp_x",
        "JIRA_BASE_URL": "https://acme.atlassian.net",
        "JIRA_EMAIL": "ana@acme.test",
        "JIRA_API_TOKEN": "t0ken",
    }
    sources = environment_sources(environment)
    assert sources.github_token == "ghp_x"
    assert sources.jira is not None
    assert sources.jira.base_url == "https://acme.atlassian.net"
    assert sources.jira.api_token == "t0ken"
    assert "ghp_x" not in repr(sources)
    assert "t0ken" not in repr(sources)


def test_no_live_sources_without_variables() -> None:
    sources = environment_sources({"GITHUB_TOKEN": ""})
    assert sources.github_token is None
    assert sources.jira is None


def test_half_a_jira_account_is_refused() -> None:
    with pytest.raises(ConfigurationInvalid) as caught:
        environment_sources({"JIRA_BASE_URL": "https://acme.atlassian.net"})
    assert caught.value.detail == "Missing: JIRA_EMAIL, JIRA_API_TOKEN."


def test_the_client_uses_the_demo_unless_told_otherwise() -> None:
    assert client_dsn({}) == DSN_DEFAULT
    assert client_dsn({"OMNISQL_DSN": "postgresql://h/d"}) == "postgresql://h/d"
