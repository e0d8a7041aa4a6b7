"""Logs: what an event looks like, whose it is, and that secrets stay out."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from omnisql_server.observability.logs import (
    REDACTED,
    configure_logs,
    names_a_secret,
    redact_secrets,
    statement_context,
)


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_an_event_is_one_json_line_with_its_statement() -> None:
    stream = io.StringIO()
    configure_logs(level="info", form="json", stream=stream)
    with statement_context(query_id="q1", tenant="acme", principal="ana"):
        structlog.get_logger("x").info("page_fetched", row_count=3, api_token="ghp_1")
    structlog.get_logger("x").info("server_stopped")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "event": "page_fetched",
        "level": "info",
        "row_count": 3,
        "api_token": REDACTED,
        "query_id": "q1",
        "tenant": "acme",
        "principal": "ana",
    }
    assert "query_id" not in second


def test_events_below_the_level_are_dropped() -> None:
    stream = io.StringIO()
    configure_logs(level="warning", form="json", stream=stream)
    structlog.get_logger("x").info("page_fetched")
    assert stream.getvalue() == ""


def test_logs_of_libraries_take_the_same_form() -> None:
    stream = io.StringIO()
    configure_logs(level="info", form="json", stream=stream)
    logging.getLogger("asyncio").error("task was lost")
    logging.getLogger("aiohttp").info("GET /repos/secret")
    (line,) = stream.getvalue().splitlines()
    record = json.loads(line)
    assert (record["event"], record["level"], record["logger"]) == ("task was lost", "error", "asyncio")


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_shows_no_local_variables(form: str) -> None:
    stream = io.StringIO()
    configure_logs(level="info", form=form, stream=stream)

    def fail(hidden: str) -> None:
        raise ValueError(str(len(hidden)))

    try:
        fail("row-" + "value")
    except ValueError as error:
        structlog.get_logger("x").error("internal_error", exc_info=error)
    assert "ValueError" in stream.getvalue()
    assert "row-value" not in stream.getvalue()


@pytest.mark.parametrize(
    "key",
    [
        *("token", "github_token", "apiToken", "api_key", "X-Api-Key", "Authorization", "Set-Cookie", "control_dsn"),
        *("password", "client_secret", "secrets", "PRIVATE_KEY", "credentials", "valkey_url", "proxy_url"),
    ],
)
def test_names_of_secrets_are_recognized(key: str) -> None:
    assert names_a_secret(key)


@pytest.mark.parametrize(
    "key", ["tenant", "tokens_left", "secret_handle", "credential_id", "key", "token_count", "keyboard", "event", ""]
)
def test_other_names_are_not(key: str) -> None:
    assert not names_a_secret(key)


NESTED = st.recursive(
    st.text(max_size=5) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(NESTED)
def test_a_secret_is_redacted_at_any_depth(value: object) -> None:
    event = redact_secrets(None, "info", {"outer": [{"password": "hunter2-9"}, value], "token": {"x": "hunter2-9"}})
    assert "hunter2-9" not in repr(event)
    assert event["token"] == REDACTED
