"""What a request asks, and how a broken one is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from omnisql_server.http_api.question import Question, RequestInvalid, read_question
from wire.startup import parse_options


def asked(**more: Any) -> Question:
    """Read a request with more in it than it must have."""
    return read_question(json.dumps({"tenant": "acme", "user": "ana", "sql": "SELECT 1", **more}).encode())


def test_a_question_becomes_a_startup_and_texts() -> None:
    question = asked(parameters=[None, True, False, 7, -1.5, "x", [1, "a"], {"a": None}, ""])
    assert question.sql == b"SELECT 1"
    assert question.parameters == (None, b"true", b"false", b"7", b"-1.5", b"x", b'[1,"a"]', b'{"a":null}', b"")
    assert question.startup == {
        "user": "ana",
        "database": "acme",
        "client_encoding": "UTF8",
        "omnisql.log_in": "token",
    }


def test_bounds_and_settings_go_into_the_options() -> None:
    settings = {"search_path": 'a\\ b, "c d"', "TimeZone": "Asia/Tokyo"}
    question = asked(max_staleness_ms=5000, stale_if_error_ms=0, settings=settings)
    assert parse_options(question.startup["options"]) == {
        **settings,
        "omnisql.max_staleness": "5000ms",
        "omnisql.stale_if_error": "0ms",
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sql": ""}, "Expected `str` of length >= 1 - at `$.sql`"),
        ({"sql": 1}, "Expected `str`, got `int` - at `$.sql`"),
        ({"tenant": "x" * 256}, "length <= 255 - at `$.tenant`"),
        ({"max_staleness_ms": -1}, "Expected `int` >= 0 - at `$.max_staleness_ms`"),
        ({"max_staleness_ms": 1.5}, "Expected `int | null`, got `float`"),
        ({"max_staleness_ms": "5s"}, "Expected `int | null`, got `str`"),
        ({"max_stalenes_ms": 1}, "unknown field `max_stalenes_ms`"),
        ({"parameters": {}}, "Expected `array`, got `object` - at `$.parameters`"),
        ({"settings": {"a": 1}}, "Expected `str`, got `int`"),
        ({"settings": {"Client_Encoding": "LATIN1"}}, 'parameter "Client_Encoding" cannot be set by HTTP'),
        ({"settings": {"client-encoding": "LATIN1"}}, 'parameter "client-encoding" cannot be set by HTTP'),
        ({"settings": {"omnisql.log_in": "password"}}, 'parameter "omnisql.log_in" cannot be set by HTTP'),
        ({"settings": {"omnisql.Max_Staleness": "1s"}, "max_staleness_ms": 1}, "is given twice"),
        ({"settings": {"omnisql.max-staleness": "1s"}, "max_staleness_ms": 1}, "is given twice"),
    ],
)
def test_what_is_wrong_is_said(given: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestInvalid) as refused:
        asked(**given)
    assert message in refused.value.message
    assert refused.value.sqlstate == "22023"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b'"x"', b'{"sql": "\\ud800"}', b'{"sql": NaN}'])
def test_what_is_not_such_json_is_refused(content: bytes) -> None:
    with pytest.raises(RequestInvalid) as refused:
        read_question(content)
    assert refused.value.sqlstate == "22023"


def test_a_null_character_is_refused() -> None:
    for given in ({"sql": "SELECT '\0'"}, {"user": "a\0"}, {"settings": {"a": "\0"}}):
        with pytest.raises(RequestInvalid) as refused:
            asked(**given)
        assert refused.value.sqlstate == "22021"
