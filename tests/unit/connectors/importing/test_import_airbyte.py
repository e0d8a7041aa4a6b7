"""Low-code manifests are converted stream by stream; what is converted is proved, what is not is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.declarative.load import load_file, load_text
from connectors.importing.airbyte import import_airbyte
from connectors.importing.airbyte_requests import authentications, pagination_of
from connectors.importing.airbyte_text import Names
from connectors.importing.report import Imported, Part, Refused
from connectors.starter import start
from connectors.trial import simulator_for, try_on_simulator

ACME = Path(__file__).with_name("acme_airbyte.yaml")


@pytest.fixture(scope="module")
def converted() -> Imported:
    """Convert the document."""
    return import_airbyte(yaml.safe_load(ACME.read_text(encoding="utf-8")), "acme_crm")


def test_each_stream_is_converted_or_names_what_stopped_it(converted: Imported) -> None:
    left_out = "header X-Account is left out: its value {{ config['account'] }} is computed"
    told = {part.source: part.refused or part.warnings for part in converted.parts}
    assert told == {
        "stream projects": [left_out],
        "stream tasks": ["column status is computed, and left out", left_out],
        "stream comments": [left_out],
        "stream other": "its schema is not in the manifest, and not in schemas/NAME.json beside it",
        "stream exports": "retriever AsyncRetriever has no counterpart",
        "stream events": "retriever source_acme.Events is code",
        "stream computed": "interpolation {{ today_utc() }}",
        "stream elsewhere": "its address https://other.example.com is not that of the streams before it,"
        " https://api.example.com",
        "": "reference #/definitions/missing leads nowhere",
    }


def test_the_manifest_says_what_the_streams_say(converted: Imported) -> None:
    loaded = load_text(converted.text or "", "acme_crm.yaml")
    assert list(loaded.tables) == ["projects", "tasks", "comments"]
    assert loaded.manifest.secrets["token"].description == "Key of the API."
    assert loaded.manifest.headers == {"X-Note": "imported"}
    assert loaded.tables["comments"].table.primary_key == ("task_id", "id")
    assert loaded.tables["comments"].references == {"task_id": ("tasks", "id")}
    assert [column.name for column in loaded.tables["tasks"].table.columns] == ["id", "project_id", "created_at"]


async def test_what_is_converted_is_proved_against_the_api(converted: Imported, tmp_path: Path) -> None:
    start("acme_crm", tmp_path, ())
    (tmp_path / "acme_crm.yaml").write_text(converted.text or "", encoding="utf-8")
    trial = await try_on_simulator(load_file(tmp_path / "acme_crm.yaml"), simulator_for("acme_crm", tmp_path))
    assert trial.failures == []
    assert all(each.row_count for each in trial.tables)
    assert trial.faults is not None
    assert trial.faults.wrong == []


def paginator(strategy: dict[str, Any], token: dict[str, Any] | None = None) -> dict[str, Any]:
    option = token or {"type": "RequestOption", "inject_into": "request_parameter", "field_name": "at"}
    return {"type": "DefaultPaginator", "pagination_strategy": strategy, "page_token_option": option}


BY_CURSOR = "CursorPagination"
MORE = "{{ not response['has_more'] }}"
PAGINATORS: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    (paginator({"type": "PageIncrement", "page_size": 20}), {"kind": "page", "first": 0, "rows_max": 20}),
    (paginator({"type": "OffsetIncrement", "page_size": 20}), {"kind": "offset", "send": "at"}),
    (
        paginator({"type": BY_CURSOR, "cursor_value": "{{ last_record['id'] }}", "stop_condition": MORE}),
        {"kind": "cursor", "last": "id", "more": "has_more"},
    ),
    (
        paginator({"type": BY_CURSOR, "cursor_value": '{{ response["data"][-1]["id"] }}', "stop_condition": MORE}),
        {"kind": "cursor", "last": "id", "more": "has_more"},
    ),
    (
        paginator({"type": BY_CURSOR, "cursor_value": "{{ response.links.next }}"}, {"type": "RequestPath"}),
        {"kind": "next_url", "next": "links.next"},
    ),
    (
        paginator({"type": BY_CURSOR, "cursor_value": "{{ headers['link']['next']['url'] }}"}, {"type": "RequestPath"}),
        {"kind": "link"},
    ),
    (
        paginator({"type": BY_CURSOR, "cursor_value": '{{ response.get("next")|tojson() }}'}),
        {"kind": "cursor", "next": "next"},
    ),
    (
        paginator(
            {
                "type": BY_CURSOR,
                "cursor_value": '{{ headers["link"].get("next", {}).get("cursor", {}) }}',
                "stop_condition": '{{ headers["link"]["next"]["results"] == "false" }}',
            }
        ),
        {"kind": "link", "more": "results"},
    ),
    ({"type": "NoPagination"}, {"kind": "none"}),
)


@pytest.mark.parametrize(("given", "wanted"), PAGINATORS)
def test_paginators_have_counterparts(given: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert wanted.items() <= pagination_of(given, "data", Part(name="x", source="x")).items()


REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    (paginator({"type": "CustomPaginationStrategy", "class_name": "a.B"}), "pagination strategy a.B is code"),
    (paginator({"type": BY_CURSOR, "cursor_value": "{{ response.page + 1 }}"}), "pagination by"),
    (paginator({"type": BY_CURSOR, "cursor_value": '{{ response["rows"][-1]["id"] }}'}), "pagination by"),
    ({"type": "CustomPaginator", "class_name": "a.C"}, "paginator a.C is code"),
)


@pytest.mark.parametrize(("given", "words"), REFUSED)
def test_paginators_that_compute_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=words):
        pagination_of(given, "data", Part(name="x", source="x"))


KEY = "{{ config['api_key'] }}"
AUTHENTICATORS: tuple[tuple[dict[str, Any], list[dict[str, Any]]], ...] = (
    (
        {"type": "ApiKeyAuthenticator", "header": "X-Key", "api_token": KEY},
        [{"kind": "header", "header": "X-Key", "value": "{api_key}"}],
    ),
    (
        {"type": "BasicHttpAuthenticator", "username": KEY, "password": ""},
        [{"kind": "basic", "user": "{api_key}", "password": ""}],
    ),
    (
        {
            "type": "OAuthAuthenticator", "token_refresh_endpoint": "https://a.example/token", "client_id": "c",
            "client_secret": KEY, "refresh_token": "{{ config['credentials']['refresh_token'] }}",
        },
        [
            {
                "kind": "oauth2", "grant": "refresh_token", "token_path": "/token", "client_id": "c",
                "client_secret": "{api_key}", "refresh_token": "{refresh_token}",
            }
        ],
    ),
    (
        {
            "type": "SelectiveAuthenticator",
            "authenticators": {
                "a": {"type": "CustomAuthenticator", "class_name": "x.Y"},
                "b": {"type": "BearerAuthenticator", "api_token": KEY},
            },
        },
        [{"kind": "header", "value": "Bearer {api_key}"}],
    ),
)  # fmt: skip


@pytest.mark.parametrize(("given", "wanted"), AUTHENTICATORS)
def test_authenticators_have_counterparts(given: dict[str, Any], wanted: list[dict[str, Any]]) -> None:
    assert authentications(given, "https://a.example/v1", Names(), []) == wanted


def test_keys_in_addresses_and_code_are_refused() -> None:
    option = {"inject_into": "request_parameter", "field_name": "key"}
    for given in (
        {"type": "ApiKeyAuthenticator", "api_token": KEY, "inject_into": option},
        {"type": "CustomAuthenticator", "class_name": "x.Y"},
    ):
        with pytest.raises(Refused):
            authentications(given, "https://a.example", Names(), [])


def stream(name: str, requester: dict[str, Any], **more: Any) -> dict[str, Any]:
    properties = {"id": {"type": "string"}, "at": {"type": "string", "format": "date-time"}}
    return {
        "type": "DeclarativeStream",
        "name": name,
        "primary_key": "id",
        "$parameters": {"field": None, "name": name},
        "schema_loader": {"type": "InlineSchemaLoader", "schema": {"properties": properties}},
        "retriever": {
            "type": "SimpleRetriever",
            "requester": {"type": "HttpRequester", "url_base": "https://a.example/v1", **requester},
            "record_selector": {
                "type": "RecordSelector",
                "extractor": {
                    "type": "DpathExtractor",
                    "field_path": ["{{ parameters.get('field') or parameters['name'] }}"],
                },
            },
        },
        **more,
    }


def with_streams(*streams: dict[str, Any], **specified: Any) -> Imported:
    document = {"streams": list(streams), "spec": {"connection_specification": specified}}
    return import_airbyte(document, "acme")


def test_options_that_requests_are_made_of_are_required_or_have_a_default() -> None:
    given = {"since": "{{ config['start_date'] }}", "team": "{{ config['team'] }}"}
    imported = with_streams(
        stream("rows", {"path": "{{ config['site'] }}/rows", "request_parameters": given}),
        required=["start_date"],
        properties={"start_date": {"type": "string"}, "site": {"type": "string", "default": "main"}},
    )
    loaded = load_text(imported.text or "", "acme.yaml")
    options = {name: (option.required, option.default) for name, option in loaded.manifest.options.items()}
    assert options == {"start_date": (True, None), "site": (False, "main")}
    (path,) = loaded.tables["rows"].paths.values()
    assert path.inputs == {"since": "{start_date}"}
    assert imported.parts[0].warnings == ["parameter team is left out: option team need not be given"]


def test_a_manifest_without_authenticators_asks_nobody_who_they_are() -> None:
    imported = with_streams(stream("rows", {"path": "{{ config['site'] }}", "authenticator": {"type": "NoAuth"}}))
    loaded = load_text(imported.text or "", "acme.yaml")
    assert (loaded.manifest.auth, loaded.manifest.secrets) == ((), {})
    assert loaded.manifest.check.request == "GET /{site}"
    assert "nothing tells how one proves who one is: requests are sent without" in imported.warnings


def test_the_first_parameter_that_is_given_names_the_rows() -> None:
    loaded = load_text(with_streams(stream("rows", {"path": "rows"})).text or "", "acme.yaml")
    assert loaded.manifest.tables["rows"].rows == "rows"


@pytest.mark.parametrize(
    "text",
    [
        "'[{{stream_slice['start_time']}}, {{stream_slice['end_time']}}]'",
        "{{ format_datetime(stream_interval.start_time, '%Y') }}",
        "{{ stream_interval.get('start_time', '') or '1900-01-01' }}",
    ],
)
def test_a_parameter_that_computes_a_range_of_time_is_left_out_and_told(text: str) -> None:
    imported = with_streams(stream("rows", {"path": "rows", "request_parameters": {"at[between]": text}}))
    loaded = load_text(imported.text or "", "acme.yaml")
    assert loaded.tables["rows"].paths["all"].inputs == {}
    assert imported.parts[0].warnings == [f"parameter at[between] is left out: it computes a range of time, {text}"]
